"""The bridge's own turn detection in the caller's audio, for assistants that leave it to the bridge."""

from bridge.settings.assistants import BargeInSettings
from telecodecs.format import AudioFormat
from telecodecs.turns import TurnDetector


def turn_detector(hears: AudioFormat, barge_in: BargeInSettings, silence_ms: int) -> TurnDetector:
    """For audio in the format `hears`. `silence_ms`: so long without speech ends an utterance."""
    return TurnDetector(
        hears,
        min_speech_ms=barge_in.min_speech_ms,
        confirm_ms=barge_in.confirm_ms,
        silence_ms=silence_ms,
    )


def may_suspect(barge_in: BargeInSettings | None) -> bool:
    """Whether such a detector may suspect speech and dismiss it later; see `AssistantReady.may_suspect`."""
    return barge_in is not None and barge_in.confirm_ms > 0
