"""The bridge's own turn detection: utterances, interruptions, and a memory of the latest audio to pass on.

There are two detectors because they have different thresholds: an utterance may be as short as a cough, an interruption may not.
Times are ms of the audio fed.
"""

from collections.abc import Iterator

from bridge.assistants.shared.turn_detection import turn_detector
from bridge.assistants.turn_based.settings import TurnBasedSettings
from telecodecs.format import AudioFormat
from telecodecs.turns import Turn, TurnDetector

LEAD_MS = 200
"""An utterance includes so much audio before its detected start and after its detected end, because of soft sounds."""


class CallerListener:
    """The listener of one conversation. `hears`: the format of the caller's audio."""

    def __init__(self, hears: AudioFormat, settings: TurnBasedSettings) -> None:
        self._hears = hears
        self._turns: TurnDetector | None = None
        self._interruptions: TurnDetector | None = None
        noticed_ms = settings.min_speech_ms
        if settings.ends_locally:
            self._turns = TurnDetector(
                hears, min_speech_ms=settings.min_speech_ms, silence_ms=settings.silence_ms
            )
        if (barge_in := settings.barge_in) is not None:
            self._interruptions = turn_detector(hears, barge_in, settings.silence_ms)
            noticed_ms = max(noticed_ms, barge_in.min_speech_ms + barge_in.confirm_ms)
        self._remembered_ms = 2 * noticed_ms + 500  # a pause does not end speech that is about to be detected
        self._memory = bytearray()  # the latest audio
        self._fed = 0  # bytes

    @property
    def finds_turns(self) -> bool:
        """Whether utterances are detected; otherwise only interruptions are."""
        return self._turns is not None

    @property
    def in_turn(self) -> bool:
        """Whether the caller is in the middle of an utterance."""
        return self._turns is not None and self._turns.speaking

    @property
    def now_ms(self) -> int:
        """How much audio was fed so far."""
        return int(self._hears.duration_ms(self._fed))

    def feed(self, audio: bytes, keep_ms: int | None) -> tuple[list[Turn], list[Turn]]:
        """Returns the changes of utterances and of interruptions. `keep_ms`: audio from there on is kept for `between`; None: only
        as much as a detector needs.
        """
        self._memory += audio
        self._fed += len(audio)
        since_ms = self.now_ms - self._remembered_ms if keep_ms is None else keep_ms
        del self._memory[: max(0, self._hears.bytes_in(since_ms - LEAD_MS) - self._forgotten)]
        return (
            self._turns.feed(audio) if self._turns is not None else [],
            self._interruptions.feed(audio) if self._interruptions is not None else [],
        )

    def between(self, start_ms: int, end_ms: int) -> bytes:
        """The audio of this span, as far as it was kept."""
        start, end = (
            max(0, self._hears.bytes_in(max(0, at_ms)) - self._forgotten) for at_ms in (start_ms, end_ms)
        )
        return bytes(self._memory[start:end])

    def frames(self, start_ms: int) -> Iterator[bytes]:
        """The audio from there on, in frames of 20 ms."""
        audio = self.between(start_ms, self.now_ms + 1)
        size = self._hears.bytes_in(20)
        return (audio[at : at + size] for at in range(0, len(audio), size))

    @property
    def _forgotten(self) -> int:
        return self._fed - len(self._memory)
