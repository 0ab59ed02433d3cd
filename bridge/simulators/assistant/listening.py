"""The recogniser's ear: the caller's audio of one turn, and where the utterance in it begins and ends.

Units: mu-law at 8 kHz, eight bytes a millisecond; milliseconds of audio since the turn began.
"""

from telecodecs.format import PCMU_8K
from telecodecs.turns import TurnDetector, TurnEnded, TurnStarted

LEAD_MS = 200
"""An utterance is taken from so much before the speech that was found to so much after it: soft sounds count too."""

LONGEST_S = 60
"""An utterance is over at this length, ended or not; of silence no more than this is kept."""


class Listening:
    """One turn. `silence_ms`: so much of it ends the utterance."""

    def __init__(self, silence_ms: int) -> None:
        self._turns = TurnDetector(PCMU_8K, silence_ms=silence_ms)
        self._kept = bytearray()
        self._forgotten = 0  # bytes before those kept; so are the positions below
        self._began: int | None = None
        self._ended: int | None = None

    @property
    def heard(self) -> int:
        """Bytes, since the turn began."""
        return self._forgotten + len(self._kept)

    @property
    def has_speech(self) -> bool:
        """Whether any was found so far."""
        return self._began is not None

    def append(self, audio: bytes) -> bool:
        """Whether the utterance is over with this audio."""
        self._kept += audio
        for change in self._turns.feed(audio):
            match change:
                case TurnStarted(at_ms):
                    self._began = PCMU_8K.bytes_in(at_ms)
                case TurnEnded(at_ms):
                    self._ended = PCMU_8K.bytes_in(at_ms)
                    return True
        longest = PCMU_8K.bytes_in(LONGEST_S * 1000)
        if self._began is not None:
            return self.heard - self._began >= longest
        self._forgotten += max(0, len(self._kept) - longest)
        del self._kept[:-longest]
        return False

    def utterance(self) -> bytes:
        """What was said so far, byte for byte; all that came, where no speech was found in it."""
        lead = PCMU_8K.bytes_in(LEAD_MS)
        began = 0 if self._began is None else self._began - lead
        ended = self.heard if self._ended is None else self._ended + lead
        return bytes(self._kept[max(0, began - self._forgotten) : max(0, ended - self._forgotten)])
