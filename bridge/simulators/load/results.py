"""The results of one load test, as `voicebridge load --json` writes them and as a report is drawn from them.

Times of the run are seconds from its start; times of a call are seconds from the start of its stream. Durations are ms.
`from_json(as_json(results))` gives the same results. A field that was not measured is None, never 0.
"""

from typing import Literal

import msgspec
from msgspec import Struct

SCHEMA = 1
"""Raised when a field changes its meaning or goes away."""

Measure = Literal["echo", "turns"]
"""What the added latency was measured on: each frame of an echo, or each turn of a conversation."""


class Bucket(Struct, frozen=True, array_like=True):
    """How many durations were more than `from_ms` and at most `to_ms`."""

    from_ms: float
    to_ms: float
    count: int


class Distribution(Struct, frozen=True, kw_only=True):
    """Durations of one kind over the whole run, ms. A percentile is exact to 2 %; `min_ms` and `max_ms` are exact."""

    count: int
    min_ms: float
    mean_ms: float
    p50_ms: float
    p90_ms: float
    p95_ms: float
    p99_ms: float
    p999_ms: float
    max_ms: float
    buckets: tuple[Bucket, ...]
    """In order; those without a duration are left out. Their bounds are evenly spaced on a logarithmic scale."""


class Percentiles(Struct, frozen=True, kw_only=True):
    """Durations of one kind in one second of the run, ms."""

    count: int
    p50_ms: float
    p90_ms: float
    p99_ms: float
    max_ms: float


class Second(Struct, frozen=True, kw_only=True):
    """What happened in one second of the run."""

    at_s: int
    """When the second began."""
    held: int
    """Calls under way at the end of the second."""
    started: int
    """Calls whose stream was opened."""
    ended: int
    """Calls that ended as planned."""
    failed: int
    """Calls that were refused or broke."""
    frames_sent: int
    frames_back: int
    """Frames of an echo that came back; pieces of audio that arrived, where turns are measured."""
    frames_lost: int
    """Frames of an echo that were given up: see `Totals.frames_lost`."""
    underruns: int
    """Gaps that callers heard within a reply."""
    added_latency: Percentiles | None
    """Frames of an echo that came back in this second."""
    turn_wait: Percentiles | None
    """Turns whose reply was heard in this second."""
    barge_in: Percentiles | None
    own_lag: Percentiles | None
    """How late the tool itself sent its frames."""
    own_cpu_share: float
    """Of one core, 0 to 1: the busiest of the tool's processes."""
    server_cpu_share: float | None = None
    """Of one core: 1.5 is one and a half cores. All processes of the server together."""
    server_rss_mib: float | None = None


class Totals(Struct, frozen=True, kw_only=True):
    """Counts over the whole run."""

    placed: int
    """Calls that were tried."""
    started: int
    """Calls whose stream was opened."""
    completed: int
    """Calls that ended as planned, or because the server hung up properly."""
    failed: int
    """Calls that were refused, did not come about, or broke."""
    cut_short: int
    """Calls that were still under way when the run ended or was interrupted; not a failure."""
    most_held: int
    call_seconds: float
    frames_sent: int
    frames_discarded: int
    """Frames that were not sent because the server read too slowly."""
    frames_timed: int
    """Frames of an echo that came back and were timed."""
    frames_late: int
    """Those that took longer than `Options.late_ms`."""
    frames_lost: int
    """Frames sent to an echo that did not come back within two seconds, without those that the played network lost."""
    network_lost: int
    """Frames that the played network lost, and so were never sent."""
    network_swapped: int
    turns: int
    """Turns of callers that were answered."""
    turns_unanswered: int
    """Turns that were followed by the next turn or by the end of the call without a reply."""
    underruns: int
    calls_with_underruns: int
    underrun_ms: float
    """The length of all gaps together."""
    barge_ins: int
    """Interruptions that were followed by silence."""
    barge_ins_ignored: int
    """Interruptions after which the reply was played on for more than three seconds."""
    marks_returned: int
    marks_never_played: int
    """Marks that were still waiting for audio to be played when their call ended."""
    messages_refused: int
    """Messages of the server that the carrier would have refused."""
    heard_s: float
    """Audio of the server that was played to the callers."""


class Failure(Struct, frozen=True, kw_only=True):
    """Calls that failed for one reason."""

    reason: str
    count: int
    first_at_s: float
    last_at_s: float
    heard: str
    """What these callers heard, as a sentence; empty for calls that never had a stream."""


class Outage(Struct, frozen=True, kw_only=True):
    """The server was gone: most of the calls under way broke within two seconds."""

    at_s: float
    calls_broken: int
    calls_in_reply: int
    """Calls that were broken within a reply; the others heard silence before, too."""
    refused_after: int
    """Calls that were tried after that and refused."""
    sentence: str


class CallSecond(Struct, frozen=True, kw_only=True):
    """One second of one call."""

    at_s: int
    latency_max_ms: float | None
    """The latest frame that came back in this second; None if none did, or turns are measured."""
    frames_lost: int
    gap_ms: float
    """How long the caller heard gaps within a reply."""


class CallEvent(Struct, frozen=True, kw_only=True):
    """One moment of a call."""

    at_s: float
    kind: Literal["reply", "gap", "clear", "barge_in", "key", "mark", "end", "refused"]
    """`reply`: the first sound of a reply was heard, after `ms`. `gap`: the caller heard a gap of `ms` within a reply.
    `barge_in`: the caller interrupted; silence after `ms`. `refused`: the carrier would have refused a message."""
    ms: float | None = None
    text: str = ""


class Span(Struct, frozen=True, array_like=True):
    """A stretch of a call, seconds from the start of its stream."""

    from_s: float
    to_s: float


class CallSummary(Struct, frozen=True, kw_only=True):
    """One call: what is needed to draw it on one time axis."""

    call_id: str
    number: int
    """The how manyeth call of its process it was, from 1."""
    process: int
    started_at_s: float
    """Of the run."""
    length_s: float
    ended: str
    """Why it ended, as a sentence."""
    failed: bool
    why_worst: str
    """What makes it one of the worst, as a phrase: "a frame took 412 ms"."""
    latency: Percentiles | None
    turn_waits_ms: tuple[float, ...]
    underruns: int
    underrun_ms: float
    frames_late: int
    frames_lost: int
    said: tuple[Span, ...]
    """When the caller spoke."""
    heard: tuple[Span, ...]
    """When audio of the server was played to the caller; gaps of less than 20 ms are closed."""
    seconds: tuple[CallSecond, ...]
    events: tuple[CallEvent, ...]
    """In order; at most 200, the first ones."""


class Bar(Struct, frozen=True, kw_only=True):
    """One threshold and what was measured."""

    option: str
    """The option that sets it: `--max-p99-ms`."""
    name: str
    """In words: "added latency, p99"."""
    value: float | None
    """None if nothing of the kind was measured; the threshold is not held then."""
    bar: float
    unit: Literal["ms", "calls", "share", "frames", ""]
    """`share`: a part of 1."""
    held: bool


class Verdict(Struct, frozen=True, kw_only=True):
    """Whether the server has held the thresholds."""

    outcome: Literal["held", "not held", "tool was the limit", "interrupted"]
    """`tool was the limit`: a threshold was not held, but the tool itself was too slow to blame the server."""
    exit_code: int
    sentence: str
    """For people: "40 calls held: added latency p99 2.1 ms (at most 20 ms), no failed call"."""
    bars: tuple[Bar, ...]
    own_limit: str
    """Why the tool itself was the limit; empty if it was not."""


class Options(Struct, frozen=True, kw_only=True):
    """What the test was asked to do. Defaults are resolved, secrets and the user part of the URL are left out."""

    url: str
    carrier: str
    signed: bool
    audio: str
    codec: str
    calls: int
    """How many calls at once; 0: they arrive at `calls_per_second`."""
    calls_per_second: float
    """How many calls begin in a second; 0: `calls` are held."""
    hold_calls: bool
    """A call that ends is replaced."""
    ramp_s: float
    """How long it takes until all calls, or the full rate of arrivals, are there."""
    duration_s: float
    """Of the whole run with the ramp."""
    call_s: float
    """How long each call lasts; 0: to the end of the run."""
    digits: str
    barge_in: float
    loss: float
    reorder: float
    jitter_ms: float
    delay_ms: float
    processes: int
    measure: Literal["auto", "echo", "turns"]
    late_ms: float
    pid: int
    """Of the server; 0: not watched."""


class Versions(Struct, frozen=True, kw_only=True):
    """What was used."""

    voicebridge: str
    python: str
    event_loop: str
    machine: str
    """Operating system, processor and number of cores of the machine on which the tool ran."""
    tool_cores: int


class CapacityStep(Struct, frozen=True, kw_only=True):
    """One run of a search for the capacity."""

    calls: int
    outcome: Literal["held", "not held", "tool was the limit", "interrupted"]
    broke: str
    """The first threshold that was not held, as a phrase; empty if all were."""
    bars: tuple[Bar, ...]


class Capacity(Struct, frozen=True, kw_only=True):
    """The most calls at once that hold the thresholds."""

    most_calls: int
    """0: not even the smallest number was held."""
    is_exact: bool
    """False: the search ended at the most that was asked for, at the limit of the tool, or by ctrl-C; it may be more."""
    broke_first: str
    """What was not held first above it: "added latency p99: 34 ms, at most 20 ms, at 88 calls"."""
    sentence: str
    steps: tuple[CapacityStep, ...]
    """In the order in which they were run."""


class RunResults(Struct, frozen=True, kw_only=True):
    """One load test. With a search for the capacity, the run is the largest one that was held."""

    schema: int = SCHEMA
    options: Options
    versions: Versions
    began_at: str
    """ISO 8601, UTC."""
    ended_at: str
    length_s: float
    interrupted: bool
    """Ctrl-C ended it: the results are those until then."""
    measure: Measure
    """An echo is recognised by the audio that comes back; everything else is measured by its turns."""
    totals: Totals
    added_latency: Distribution | None
    """Echo: from the time at which a frame was due to be sent until it came back. A frame that is sent late by the tool
    counts from when it was due, so the figure is never too good."""
    turn_wait: Distribution | None
    """From the end of the caller's speech to the first sound of the reply that the caller hears."""
    barge_in: Distribution | None
    """From the beginning of the caller's speech over a reply until the caller hears silence."""
    set_up: Distribution | None
    """From the webhook, or the connection, until the stream is open."""
    own_lag: Distribution | None
    """How late the tool itself sent its frames."""
    own_cpu_share: float
    """Of one core, over the run: the busiest of the tool's processes."""
    server_cpu_share: float | None
    server_rss_mib: float | None
    """The most in any second."""
    seconds: tuple[Second, ...]
    failures: tuple[Failure, ...]
    """The most frequent first."""
    outage: Outage | None
    worst: tuple[CallSummary, ...]
    """At most five, the worst first."""
    verdict: Verdict
    capacity: Capacity | None = None
    notes: tuple[str, ...] = ()
    """Sentences about the measurement itself."""


def as_json(results: RunResults) -> bytes:
    """The results as indented JSON with a line feed at the end."""
    return msgspec.json.format(msgspec.json.encode(results), indent=2) + b"\n"


def from_json(text: bytes) -> RunResults:
    """The results that `as_json` has written. Raises `msgspec.ValidationError` if they are of another form."""
    return msgspec.json.decode(text, type=RunResults)
