"""An account is shown the words of a call, and the caller's audio as the slot of the assistant gives it: past the observers."""

from bridge.observers.caller_sound import MEASURED_FRAMES
from bridge.observers.usage import Accounting
from bridge.vocabulary.commands import AppendAudio
from bridge.vocabulary.events import Word


def show(accounting: Accounting, word: Word, now: float) -> None:
    """One word; `AppendAudio` goes into `caller`."""
    if isinstance(word, AppendAudio):
        give(accounting, word, now)
    else:
        accounting.saw(word, now)


def give(accounting: Accounting, word: AppendAudio, now: float) -> None:
    """A frame that the assistant is given."""
    caller = accounting.caller
    caller.frames.append(word.audio)
    caller.came.append(now)
    if len(caller.frames) == MEASURED_FRAMES:
        caller.measure()
