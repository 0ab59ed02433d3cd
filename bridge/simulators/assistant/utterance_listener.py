"""Keeps the caller's audio of one turn and finds where the utterance in it begins and ends.

Audio is mu-law at 8 kHz, 8 bytes for each millisecond. Times are milliseconds of audio since the turn began.
"""

from telecodecs.format import PCMU_8K
from telecodecs.turns import TurnDetector, TurnEnded, TurnStarted

LEAD_MS = 200
"""How much audio before and after the detected speech belongs to the utterance, for soft sounds."""

LONGEST_S = 60
"""An utterance ends at this length at the latest; no more silence than this is kept before one."""


class UtteranceListener:
    """Listens to one turn. `silence_ms`: how much silence ends the utterance."""

    def __init__(self, silence_ms: int) -> None:
        self._turns = TurnDetector(PCMU_8K, silence_ms=silence_ms)
        self._kept = bytearray()
        self._forgotten = (
            0  # bytes dropped before those kept; the positions below count from the first of them
        )
        self._began: int | None = None
        self._ended: int | None = None

    @property
    def heard(self) -> int:
        """How many bytes came since the turn began."""
        return self._forgotten + len(self._kept)

    @property
    def has_speech(self) -> bool:
        """Whether speech was detected so far."""
        return self._began is not None

    def append(self, audio: bytes) -> bool:
        """Take the next audio; whether the utterance has ended with it."""
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
        """The utterance so far, byte for byte; all audio kept, if no speech was detected."""
        lead = PCMU_8K.bytes_in(LEAD_MS)
        began = 0 if self._began is None else self._began - lead
        ended = self.heard if self._ended is None else self._ended + lead
        return bytes(self._kept[max(0, began - self._forgotten) : max(0, ended - self._forgotten)])
