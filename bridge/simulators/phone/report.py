"""The report of one simulated call: the audio of both sides, counts, times, and every message."""

from dataclasses import dataclass

from bridge.simulators.carriers.contract import Warned
from bridge.simulators.phone.earpiece import Cleared, MarkReturned
from bridge.simulators.phone.handset import Ending
from bridge.simulators.phone.latency import Arrival, echo_ms, turns_ms
from bridge.simulators.phone.network_disorder import DisorderCounts
from bridge.simulators.phone.trace import TraceLine
from telecodecs.format import FRAME_MS, AudioFormat


@dataclass(frozen=True, slots=True)
class CallReport:
    """What happened in one call. Times are seconds from the start of the stream, unless the name says otherwise."""

    call_sid: str
    stream_sid: str
    ending: Ending
    close_code: int
    """The close code of the WebSocket; 1006 if the connection broke."""
    close_reason: str
    line: AudioFormat
    """The format of `said`, before any packet codec."""
    plays: AudioFormat
    """The format of `heard`, decoded from any packet codec."""
    said: bytes
    heard: bytes
    sent_at: tuple[float, ...]
    """When each frame of `said` was sent. Frame n was due at n * 20 ms."""
    received: tuple[Arrival, ...]
    """Each piece of audio that arrived, with its time."""
    marks: tuple[MarkReturned, ...]
    clears: tuple[Cleared, ...]
    digits: str
    warnings: tuple[Warned, ...]
    trace: tuple[TraceLine, ...]
    disorder_counts: DisorderCounts
    """What the network did to the caller's frames."""
    reconnects: int
    """How often the carrier connected again."""
    pressed: str = ""
    """The keys that the server had the carrier press with a REST command; w and W are pauses."""

    @property
    def length_ms(self) -> float:
        """How long the call lasted."""
        return self.plays.duration_ms(len(self.heard))

    @property
    def latest_ms(self) -> float:
        """How late the phone itself sent its latest frame. With more than a few ms the latencies are not reliable."""
        return max((at * 1000 - index * FRAME_MS for index, at in enumerate(self.sent_at)), default=0.0)

    def echo_ms(self) -> list[float]:
        """See `bridge.simulators.phone.latency`. Computed on each call, so that a load test can do it at the end."""
        return echo_ms(self.said, self.sent_at, self.received)

    def turns_ms(self) -> list[float]:
        """See `bridge.simulators.phone.latency`. Computed on each call."""
        return turns_ms(self.line, self.said, self.sent_at, self.plays, self.heard)
