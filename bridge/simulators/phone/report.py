"""What became of one pretend call: both sides of the audio, counts, times, and every message."""

from dataclasses import dataclass

from bridge.simulators.carriers.contract import Warned
from bridge.simulators.phone.disorder import Mishaps
from bridge.simulators.phone.earpiece import Cleared, MarkReturned
from bridge.simulators.phone.handset import Ending
from bridge.simulators.phone.latency import Arrival, echo_ms, turns_ms
from bridge.simulators.phone.trace import TraceLine
from telecodecs.format import FRAME_MS, AudioFormat


@dataclass(frozen=True, slots=True)
class CallReport:
    """One call. Times are seconds from the start of the stream, where the name gives no other unit."""

    call_sid: str
    stream_sid: str
    ending: Ending
    close_code: int
    """The WebSocket's, 1006 where the connection just broke."""
    close_reason: str
    line: AudioFormat
    """Of what was said ..."""
    plays: AudioFormat
    """... and of what was heard, both without the codec that they travelled in."""
    said: bytes
    heard: bytes
    sent_at: tuple[float, ...]
    """When each frame of `said` was sent; frame n was due at n * 20 ms."""
    received: tuple[Arrival, ...]
    """Each piece of audio that came."""
    marks: tuple[MarkReturned, ...]
    clears: tuple[Cleared, ...]
    digits: str
    warnings: tuple[Warned, ...]
    trace: tuple[TraceLine, ...]
    mishaps: Mishaps
    """What befell the caller's frames on their way."""
    reconnects: int
    """How often the carrier dialled again."""
    pressed: str = ""
    """The keys that the server had the carrier press, beside the stream; w and W are pauses."""

    @property
    def length_ms(self) -> float:
        """How long the caller was on the line."""
        return self.plays.duration_ms(len(self.heard))

    @property
    def latest_ms(self) -> float:
        """How late the phone itself sent a frame, at worst: more than a few ms, and its latencies mean little."""
        return max((at * 1000 - index * FRAME_MS for index, at in enumerate(self.sent_at)), default=0.0)

    def echo_ms(self) -> list[float]:
        """See `bridge.simulators.phone.latency`; worked out when asked for, so that a load test can wait until all is over."""
        return echo_ms(self.said, self.sent_at, self.received)

    def turns_ms(self) -> list[float]:
        """See `bridge.simulators.phone.latency`."""
        return turns_ms(self.line, self.said, self.sent_at, self.received, self.plays)
