"""What every pretend carrier offers, and what a server can ask of it; `twilio` and `telnyx` are such carriers."""

from dataclasses import dataclass
from typing import Protocol

from bridge.vocabulary.contracts import WireMessage
from telecodecs.format import AudioFormat


@dataclass(frozen=True, slots=True)
class Play:
    """Queue this audio for the caller."""

    audio: bytes


@dataclass(frozen=True, slots=True)
class Mark:
    """Say when all audio before this point was played."""

    name: str


@dataclass(frozen=True, slots=True)
class Clear:
    """Throw away what was not played."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing that the carrier would do; it says so on the stream. `answer`: the message that does."""

    answer: str


Order = Play | Mark | Clear | Refused


@dataclass(frozen=True, slots=True)
class Warned:
    """What the carrier would note in the account's log. `code`: the carrier's own number."""

    code: int
    why: str


class SimulatedStream(Protocol):
    """A carrier's side of one stream: messages out as text, messages in as orders."""

    line: AudioFormat
    """What the caller and the other party say, before any codec of the carrier's: sample by sample."""
    plays: AudioFormat
    """What `Play` holds, behind any codec of the carrier's: likewise."""
    tracks: tuple[str, ...]
    one_way: bool
    """The server only listens: no orders, no digits."""
    call_sid: str
    stream_sid: str
    warnings: list[Warned]

    def opening(self) -> list[str]:
        """The messages before the first audio."""
        ...

    def media(self, track: str, audio: bytes, at_ms: int) -> str:
        """One frame of a track. `at_ms`: its first sample, from the start of the stream."""
        ...

    def digit(self, digit: str, at_ms: int = 0) -> str:
        """The caller pressed a key. `at_ms`: from the start of the call, for carriers that tell the time of day."""
        ...

    def mark(self, name: str) -> str:
        """A mark comes back."""
        ...

    def closing(self) -> str:
        """The last message."""
        ...

    def audio_discarded(self) -> None:
        """The server reads too slowly, and a frame was thrown away instead of sent."""
        ...

    def decode(self, message: WireMessage, now: float = 0.0) -> Order | None:
        """Read one message. What the carrier would refuse becomes a warning, and None where it keeps silent about it.

        `now`: seconds, for carriers that count messages in time.
        """
        ...
