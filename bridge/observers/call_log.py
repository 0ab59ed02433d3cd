"""The first and the last line that the log has of a call: who talks with whom, how long it took, and who ended it."""

from collections.abc import Callable
from enum import StrEnum

import structlog

from bridge.core.timers import REASONS, Timer
from bridge.observers.call_file import is_accepted
from bridge.observers.call_secrets import CallSecrets
from bridge.observers.usage import summary
from bridge.vocabulary.commands import HangUp, OpenAssistant
from bridge.vocabulary.contracts import Account
from bridge.vocabulary.events import SERVER_CLOSES, CallEnded, CallStarted, LegLost, LegName, Word
from bridge.vocabulary.people import CloseStream, PeopleJoined

NORMAL, GOING_AWAY, ABNORMAL, REFUSED = 1000, 1001, 1006, 1008
"""WebSocket close codes (RFC 6455, 7.4.1)."""

log = structlog.get_logger()


class EndedBy(StrEnum):
    """Who ended a call."""

    CALLER_OR_CARRIER = "caller_or_carrier"
    """The carrier does not say which of them."""
    ASSISTANT = "assistant"
    BRIDGE = "bridge"
    """A limit was reached, or the stream was not the one that was expected."""
    SERVER_CLOSING = "server_closing"
    FAULT = "fault"
    """The stream broke or was silent, no assistant was left, or the bridge failed."""


FAULTS = frozenset({REASONS[Timer.START], REASONS[Timer.RESUME], REASONS[Timer.SILENT]})


class CallEnd:
    """Who ended one call, and why: `sign` is the first that was seen; None as long as there is none.

    A stream that is left to the carrier, because the caller is put through to a person, ends without the call.
    """

    sees: frozenset[type[Word]] = frozenset(
        {CallStarted, CloseStream, PeopleJoined, CallEnded, LegLost, HangUp}
    )

    def __init__(self) -> None:
        self.sign: tuple[EndedBy, str] | None = None
        self._is_left = False

    def saw(self, word: Word) -> None:
        """Keep the first sign of the call's end."""
        match word:
            case CallStarted():  # a stream that broke has come back, or the caller from a person
                self.sign, self._is_left = None, False
            case CloseStream():
                self._is_left = True
            case PeopleJoined():
                self.sign, self._is_left = None, True
            case LegLost() if self._is_left and word.reason != SERVER_CLOSES:
                pass
            case _ if self.sign is None:
                self.sign = end_sign(word)


class CallLog:
    """An observer of one call.

    `direction`: inbound or outbound, empty if it is not known. `route`: returns what chose the assistant, empty if that is
    not known; it is called with the start of the stream.
    """

    sees: frozenset[type[Word]] = CallSecrets.sees | CallEnd.sees | {OpenAssistant}

    def __init__(
        self, carrier: str, direction: str = "", route: Callable[[CallStarted], str] = lambda _: ""
    ) -> None:
        self._facts = {"carrier": carrier}
        self._direction = direction
        self._route = route
        self._secrets = CallSecrets()
        self._call: CallStarted | None = None
        self._started_at = 0.0
        self._is_begun = False
        self._end = CallEnd()

    def saw(self, word: Word, now: float) -> None:
        """Write the first line, once; keep the first sign of the call's end."""
        self._secrets.saw(word)
        if not self._is_begun and is_accepted(self._call, word):
            self._begin(word)
        if isinstance(word, CallStarted) and self._call is None:
            self._call, self._started_at = word, now
        self._end.saw(word)

    def _begin(self, word: Word) -> None:
        assert self._call is not None
        self._is_begun = True
        facts = {"direction": "listened_to" if self._call.one_way else self._direction}
        if isinstance(word, OpenAssistant):
            facts |= {"assistant": word.assistant, "route": self._route(self._call)}
        given = {name: value for name, value in facts.items() if value}
        log.info(
            "= call started",
            call_id=self._call.call_id,
            stream_id=self._call.stream,
            **self._facts,
            **given,
        )

    def close(self, now: float, account: Account) -> None:
        """Write the last line."""
        who, why = self._end.sign or (EndedBy.FAULT, "a fault in the bridge")
        call = self._call
        log.info(
            "= call over",
            call_id="" if call is None else call.call_id,
            **self._facts,
            duration_s=0.0 if call is None else round(now - self._started_at, 1),
            ended_by=str(who),
            reason=self._secrets.hide(why),
            **summary(account),
        )


def end_sign(word: Word) -> tuple[EndedBy, str] | None:
    """Who ended the call, and why, if this word says so."""
    match word:
        case CallEnded():
            return EndedBy.CALLER_OR_CARRIER, "the carrier said that the call is over"
        case LegLost(leg=LegName.CARRIER, reason=why) if why == SERVER_CLOSES:
            return EndedBy.SERVER_CLOSING, why
        case LegLost(leg=LegName.CARRIER, code=code, reason=why):
            who = EndedBy.FAULT if code == ABNORMAL else EndedBy.CALLER_OR_CARRIER
            return who, why or f"the carrier closed its stream with code {code}"
        case HangUp():
            return _who_hung_up(word), word.why
    return None


def _who_hung_up(word: HangUp) -> EndedBy:
    """Whose wish it was, by the close code and the reason."""
    if word.why in FAULTS or word.code not in (NORMAL, GOING_AWAY, REFUSED):
        return EndedBy.FAULT
    if word.why == SERVER_CLOSES:
        return EndedBy.SERVER_CLOSING
    if word.code == NORMAL and word.why != REASONS[Timer.LONGEST]:
        return EndedBy.ASSISTANT
    return EndedBy.BRIDGE
