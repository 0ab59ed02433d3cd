"""The figures of one process: every name, its labels and its buckets are declared here, and nowhere else.

Names have the prefix `voicebridge_`, base units, and `_total` where they count. The values of a label are a closed set:
words of this program, or names from the settings; never the id of a call, a number, or an address. A process has one
object, with a registry of its own: the library's global one would mix the servers of one process.
"""

from collections.abc import Sequence
from typing import NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

PREFIX = "voicebridge"

WAITS_S = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 5, 8)
"""Waits for a reply: finest where people begin to notice them."""

SILENCES_S = (2, 3, 5, 8, 13, 30)
DURATIONS_S = (1, 10, 30, 60, 180, 600, 1800, 3600, 7200, 14400)
CLEARS_S = (0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.02, 0.05, 0.1)
CONNECTS_S = (0.05, 0.1, 0.2, 0.5, 1, 2, 5)
REQUESTS_S = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 30)
LAGS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1)
ROUND_TRIPS_S = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1)


class Described(NamedTuple):
    """One figure, for documents and tests. `name`: as Prometheus has it."""

    name: str
    kind: str
    labels: tuple[str, ...]
    help: str


WORKERS = Described(
    f"{PREFIX}_workers", "gauge", ("state",), "Worker processes: those that are ready, and those configured"
)
WORKER_DEATHS = Described(
    f"{PREFIX}_worker_deaths_total", "counter", (), "Worker processes that died without being told to stop"
)
"""The supervisor's own; without workers there are none."""


class Families:
    """Makes figures in a registry, and keeps their descriptions."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.described: list[Described] = [WORKERS, WORKER_DEATHS]

    def counter(self, name: str, text: str, *labels: str) -> Counter:
        """What only grows. `name` without `_total`."""
        self._describe(f"{name}_total", "counter", labels, text)
        return Counter(name, text, labels, namespace=PREFIX, registry=self.registry)

    def gauge(self, name: str, text: str, *labels: str) -> Gauge:
        """What goes up and down."""
        self._describe(name, "gauge", labels, text)
        return Gauge(name, text, labels, namespace=PREFIX, registry=self.registry)

    def histogram(self, name: str, buckets: Sequence[float], text: str, *labels: str) -> Histogram:
        """How often a value was in which range."""
        self._describe(name, "histogram", labels, text)
        return Histogram(name, text, labels, namespace=PREFIX, registry=self.registry, buckets=tuple(buckets))

    def _describe(self, name: str, kind: str, labels: tuple[str, ...], text: str) -> None:
        self.described.append(Described(f"{PREFIX}_{name}", kind, labels, text))


class Metrics(Families):
    """All figures of one process that carries calls."""

    def __init__(self) -> None:
        super().__init__()
        self._make_calls()
        self._make_turns()
        self._make_assistants()
        self._make_audio()
        self._make_refusals()
        self._make_process()

    def _make_calls(self) -> None:
        self.calls_active = self.gauge("calls_active", "Calls under way", "carrier")
        self.calls_capacity = self.gauge(
            "calls_capacity", "The most calls that limits.max_calls allows; 0: no limit"
        )
        self.oldest_call = self.gauge("oldest_call_seconds", "How long the oldest call under way has lasted")
        self.call_limit = self.gauge("call_limit_seconds", "How long a call may last: limits.longest_call_s")
        self.draining = self.gauge("draining", "1 while no new calls are taken because the server stops")
        self.calls = self.counter(
            "calls", "Calls that are over, by who ended them", "carrier", "direction", "assistant", "ended_by"
        )
        self.call_duration = self.histogram(
            "call_duration_seconds", DURATIONS_S, "How long calls lasted", "carrier", "ended_by"
        )
        self.stream_drops = self.counter("stream_drops", "Streams of calls that broke", "carrier")
        self.handovers = self.counter(
            "handovers", "Handovers to people that are over, by what became of them", "carrier", "outcome"
        )
        self.entries = self.counter("entries", "Entries on the keypad, by why they were complete", "reason")

    def _make_turns(self) -> None:
        self.turn_heard = self.histogram(
            "turn_heard_seconds",
            WAITS_S,
            "From the end of the caller's speech to the first sound of the reply that a mark proved heard",
            "assistant",
        )
        self.turn_reply = self.histogram(
            "turn_reply_seconds",
            WAITS_S,
            "From the end of the caller's speech to the first audio of the reply that came from the assistant",
            "assistant",
        )
        self.turn_sent = self.histogram(
            "turn_sent_seconds",
            WAITS_S,
            "From the end of the caller's speech to the first audio of the reply that was sent to the carrier",
            "assistant",
        )
        self.turns = self.counter(
            "turns", "Utterances of callers: heard, unproved or unanswered replies", "assistant", "outcome"
        )
        self.silence = self.histogram(
            "caller_silence_seconds",
            SILENCES_S,
            "Waits for a reply of more than 2 s",
            "assistant",
        )
        self.barge_ins = self.counter(
            "barge_ins",
            "Speech of callers during a reply: it interrupted the reply, or was dismissed as a cough",
            "assistant",
            "outcome",
        )
        self.barge_in_clear = self.histogram(
            "barge_in_clear_seconds",
            CLEARS_S,
            "From the message that the caller speaks to the clear of what is played",
            "assistant",
        )
        self.round_trip = self.histogram(
            "mark_round_trip_seconds",
            ROUND_TRIPS_S,
            "The median round trip of marks to the carrier, one a call",
            "carrier",
        )

    def _make_assistants(self) -> None:
        self.connections = self.counter(
            "assistant_connections",
            "Assistants that were opened: first, renewed or recovered",
            "assistant",
            "opening",
        )
        self.connect = self.histogram(
            "assistant_connect_seconds",
            CONNECTS_S,
            "From opening an assistant until it is ready",
            "assistant",
        )
        self.losses = self.counter(
            "assistant_losses", "Assistants that were lost in a call", "assistant", "reason"
        )
        self.assistant_errors = self.counter(
            "assistant_errors", "Errors that assistants reported; the call goes on", "assistant"
        )
        self.circuit_open = self.gauge(
            "assistant_circuit_open",
            "1 while new calls do not go to an assistant because it fails",
            "assistant",
        )
        self.tokens = self.counter(
            "assistant_tokens", "Tokens that assistants bill, by kind", "assistant", "kind"
        )
        self.tools = self.counter(
            "tools", "Tools that ran: answered, failed or broken off", "assistant", "tool", "result"
        )
        self.tool_time = self.histogram(
            "tool_seconds", REQUESTS_S, "From calling a tool to its output", "assistant", "tool"
        )

    def _make_audio(self) -> None:
        self.caller_audio = self.counter(
            "caller_audio_seconds", "Audio of callers that assistants were sent", "carrier"
        )
        self.assistant_audio = self.counter(
            "assistant_audio_seconds", "Audio that assistants sent, heard or not", "assistant"
        )
        self.bad_frames = self.counter(
            "caller_frames_bad",
            "Frames of callers' audio that were not as they should be",
            "carrier",
            "problem",
        )
        self.playout_ahead = self.gauge(
            "playout_ahead_seconds",
            "The most audio of any call that assistants have sent and the caller has still to hear",
            "carrier",
        )
        self.filled_audio = self.counter(
            "caller_audio_filled_seconds", "Holes in callers' audio that were filled with silence", "carrier"
        )
        self.dropped_replies = self.counter(
            "reply_pieces_dropped", "Pieces of replies that nobody hears", "carrier", "problem"
        )
        self.stray_marks = self.counter("stray_marks", "Marks that nobody sent", "carrier")

    def _make_refusals(self) -> None:
        self.messages_refused = self.counter(
            "messages_refused", "Malformed messages that were dropped", "carrier", "leg"
        )
        self.messages_ignored = self.counter(
            "messages_ignored", "Messages of unknown kinds that were dropped", "carrier"
        )
        self.calls_refused = self.counter(
            "calls_refused", "New calls that were not taken", "carrier", "reason"
        )
        self.sockets_refused = self.counter(
            "sockets_refused", "Media sockets that were turned away", "reason"
        )
        self.webhooks_refused = self.counter(
            "webhooks_refused", "Requests to webhooks that were turned away", "carrier", "status"
        )
        self.carrier_requests = self.counter(
            "carrier_requests", "Requests to carriers' REST APIs", "carrier", "command", "result"
        )
        self.carrier_request = self.histogram(
            "carrier_request_seconds",
            REQUESTS_S,
            "How long such a request took, with its repetitions",
            "carrier",
            "command",
        )

    def _make_process(self) -> None:
        self.loop_lag = self.histogram(
            "event_loop_lag_seconds",
            LAGS_S,
            "How late the event loop calls back, looked at 50 times a second",
        )
        self.gc_pause = self.histogram(
            "gc_pause_seconds", LAGS_S, "How long a garbage collection stopped all calls", "generation"
        )
        self.files_failed = self.counter(
            "call_files_failed", "Files of calls that could not be written", "kind"
        )
        self.build = self.gauge("build_info", "What runs; always 1", "version", "python", "loop")
