"""Counts what the callers of one process hear, second by second. There is no clock here.

A `Tally` is filled by all calls of a process; once a second it is emptied into a `Sample`, which is what processes send
to whoever adds them up.
"""

import heapq
from collections.abc import Callable

import msgspec
from msgspec import Struct

from bridge.simulators.load.histogram import Counts, Histogram
from bridge.simulators.load.results import CallSummary

MOST_WORST = 5
"""How many of the worst calls are kept."""


class Counters(Struct):
    """What is counted; the names are those of `results.Totals`."""

    placed: int = 0
    started: int = 0
    completed: int = 0
    failed: int = 0
    cut_short: int = 0
    call_seconds: float = 0.0
    frames_sent: int = 0
    frames_discarded: int = 0
    frames_timed: int = 0
    frames_late: int = 0
    frames_lost: int = 0
    network_lost: int = 0
    network_swapped: int = 0
    pieces: int = 0
    """Pieces of audio that arrived."""
    turns: int = 0
    turns_unanswered: int = 0
    underruns: int = 0
    calls_with_underruns: int = 0
    underrun_ms: float = 0.0
    barge_ins: int = 0
    barge_ins_ignored: int = 0
    marks_returned: int = 0
    marks_never_played: int = 0
    messages_refused: int = 0
    heard_s: float = 0.0

    def add(self, other: "Counters") -> None:
        """Add what another one has counted."""
        for name in self.__struct_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


class FailureNote(Struct, frozen=True):
    """One call that failed. `at_s`: of the run. `in_reply`: it was broken while a reply was played.

    `has_stream`: the call was under way. `is_cut`: its connection broke, or the server said that it goes away.
    """

    reason: str
    at_s: float
    has_stream: bool = False
    in_reply: bool = False
    is_cut: bool = False


class Sample(Struct, frozen=True, kw_only=True):
    """One second of one process."""

    process: int
    at_s: int
    held: int
    counters: Counters
    latency: Counts
    turn_wait: Counts
    barge_in: Counts
    set_up: Counts
    own_lag: Counts
    own_cpu_share: float
    failures: tuple[FailureNote, ...]


class Tally:
    """The measures of one process: totals of the second under way, and the worst calls so far."""

    def __init__(self) -> None:
        self.latencies_ms: list[float] = []
        """Of each frame of an echo in this second: counted all at once, at its end."""
        self.own_lags_ms: list[float] = []
        """How late the tool was, likewise."""
        self._empty()
        self._worst: list[tuple[float, int, CallSummary]] = []
        self._seen = 0

    def _empty(self) -> None:
        self.counters = Counters()
        self.turn_wait, self.barge_in = Histogram(), Histogram()
        self.set_up = Histogram()
        self.latencies_ms.clear()
        self.own_lags_ms.clear()
        self.failures: list[FailureNote] = []

    def take(self, process: int, at_s: int, held: int, own_cpu_share: float) -> Sample:
        """The second that has ended; the next one begins with nothing."""
        latency, own_lag = Histogram(), Histogram()
        latency.add_all(self.latencies_ms)
        own_lag.add_all(self.own_lags_ms)
        self.counters.frames_timed = latency.count
        sample = Sample(
            process=process,
            at_s=at_s,
            held=held,
            counters=self.counters,
            latency=latency.counts,
            turn_wait=self.turn_wait.counts,
            barge_in=self.barge_in.counts,
            set_up=self.set_up.counts,
            own_lag=own_lag.counts,
            own_cpu_share=own_cpu_share,
            failures=tuple(self.failures),
        )
        self._empty()
        return sample

    def consider(self, badness: float, summarise: Callable[[], CallSummary]) -> None:
        """Keep a call that has ended if it is one of the worst. The higher its `badness`, the worse."""
        self._seen += 1
        if len(self._worst) < MOST_WORST:
            heapq.heappush(self._worst, (badness, self._seen, summarise()))
        elif badness > self._worst[0][0]:
            heapq.heapreplace(self._worst, (badness, self._seen, summarise()))

    @property
    def worst(self) -> list[tuple[float, CallSummary]]:
        """The worst calls so far with their badness, the worst first."""
        return [(badness, call) for badness, _, call in sorted(self._worst, reverse=True)]


class LastWords(Struct, frozen=True, kw_only=True):
    """What a process says at its end."""

    process: int
    worst: tuple[tuple[float, CallSummary], ...]
    cpu_s: float
    """Processor time of the run."""
    length_s: float
    event_loop: str


class WorkerMessage(Struct, frozen=True):
    """One line of a process's output: a second, or the end, or why it could not begin."""

    sample: Sample | None = None
    last: LastWords | None = None
    error: str = ""


write_message = msgspec.json.Encoder().encode
read_message = msgspec.json.Decoder(WorkerMessage).decode
