"""What an operator asks of a call under way: events for its core. `docs/control.md` has the HTTP requests behind them.

Whether a call can do it now, `Call.why_not` says before.
"""

from typing import Literal

from bridge.vocabulary.supervision import SuperviseRequested
from bridge.vocabulary.word import Word

Voice = Literal["caller", "assistant"]
"""Whom an operator may mute."""


class TellRequested(Word, frozen=True, gc=False):
    """Give the assistant these words, which the caller does not hear. `responds`: it should answer at once."""

    text: str
    responds: bool = True


class HandoverRequested(Word, frozen=True, gc=False):
    """Put the caller through to this person of the settings. `at_once`: without a briefing, and without last words."""

    person: str
    at_once: bool = False


class ReturnRequested(Word, frozen=True, gc=False):
    """Take the caller back from the person, to the assistant."""


class HoldRequested(Word, frozen=True, gc=False):
    """Hold the call, or end that: the caller hears music, the assistant waits and is told nothing of it."""

    on: bool


class MuteRequested(Word, frozen=True, gc=False):
    """Mute the caller, whom the assistant then does not hear, or the assistant, whom the caller does not; or end that."""

    who: Voice
    muted: bool


class KeysRequested(Word, frozen=True, gc=False):
    """Press these keys for the far end, as `PressRequested` has them."""

    keys: str


class HangUpRequested(Word, frozen=True, gc=False):
    """End the call now, with a goodbye where one is configured. `why`: for the journal."""

    why: str


OperatorEvent = (
    TellRequested
    | HandoverRequested
    | ReturnRequested
    | HoldRequested
    | MuteRequested
    | KeysRequested
    | HangUpRequested
    | SuperviseRequested
)
