"""Every event and command of a call in the log, at debug: its kind and what names its things, never words, keys or audio.

Frames of audio are counted, a line for each second. It costs something for each frame, so it is made at debug only.
"""

from collections import Counter
from collections.abc import Callable
from typing import get_args

import structlog

from bridge.observers.call_secrets import CallSecrets
from bridge.vocabulary.commands import AppendAudio, Command, PlayAudio
from bridge.vocabulary.contracts import Account
from bridge.vocabulary.events import (
    CallerAudio,
    CallStarted,
    OtherPartyAudio,
    ReplyAudio,
    ReplySaid,
    TimePassed,
    Word,
)
from bridge.vocabulary.people import TalkAudio
from bridge.vocabulary.room import MemberAudio, PlayToMember, RoomAudio, SpeakToRoom

COUNT_S = 1.0
"""From one line about frames to the next."""

SHOWN = (
    *("leg", "code", "why", "reason", "kind", "assistant", "opening", "final", "is_standby", "name"),
    *("item", "tool", "tool_call_id", "request_id", "heard_ms", "unheard_samples", "at_ms", "on"),
)
"""Fields that are shown. Others hold what somebody said, typed or did, or come with each call."""

_COUNTED = frozenset(
    {
        *(CallerAudio, OtherPartyAudio, TalkAudio, ReplyAudio, AppendAudio, PlayAudio, ReplySaid),
        *(MemberAudio, RoomAudio, SpeakToRoom, PlayToMember),
    }
)
_COMMANDS = frozenset(get_args(Command))

log = structlog.get_logger()


class WordLog:
    """An observer of one call. `state` returns the call's state, for a line where it has changed."""

    sees = None

    def __init__(self, state: Callable[[], str]) -> None:
        self._state = state
        self._before = str(state())
        self._call = ""
        self._secrets = CallSecrets()
        self._counted: Counter[str] = Counter()
        self._count_at = 0.0

    def saw(self, word: Word, now: float) -> None:
        """Write a line, or count a frame."""
        self._secrets.saw(word)
        self._tell_state()
        kind = type(word)
        if kind in _COUNTED:
            if not self._counted:
                self._count_at = now + COUNT_S
            self._counted[kind.__name__] += 1
        elif kind is not TimePassed:
            self._tell(word)
        if self._counted and now >= self._count_at:
            self._tell_counted()

    def _tell(self, word: Word) -> None:
        if isinstance(word, CallStarted):
            self._call = word.call_id
        way = ">" if type(word) in _COMMANDS else "<"
        facts = {name: getattr(word, name) for name in SHOWN if name in word.__struct_fields__}
        shown = {
            name: self._secrets.hide(str(value)) if isinstance(value, str) else value
            for name, value in facts.items()
            if value not in ("", None)
        }
        log.debug(f"{way} {type(word).__name__}", call_id=self._call, **shown)

    def _tell_state(self) -> None:
        """The state is read before a word has its effect: a change is told with the next word."""
        state = str(self._state())
        if state != self._before:
            log.debug("= state", call_id=self._call, before=self._before, state=state)
            self._before = state

    def _tell_counted(self) -> None:
        log.debug("= frames", call_id=self._call, **self._counted)
        self._counted.clear()

    def close(self, now: float, account: Account) -> None:
        """Write what was counted since, and the last state."""
        if self._counted:
            self._tell_counted()
        self._tell_state()
