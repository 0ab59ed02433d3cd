"""One call's two legs and its clock: feed the core, perform what it commands, wake it at its deadline.

Everything happens in one synchronous stack: a message arrives, the core answers, the answers are written. What an
assistant in this process says while it is spoken to waits for the end of the round. No queue, no task, no await.
"""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from math import inf
from typing import Any

import structlog

from bridge.core.call import Call
from bridge.observers.usage import Accounting, summary
from bridge.shell.assistant_slot import AssistantSlot
from bridge.vocabulary.commands import (
    CarrierCommand,
    ClearPlayback,
    HangUp,
    PlayAudio,
    SendMark,
    SetSensitive,
)
from bridge.vocabulary.contracts import Answer, CallControl, Carrier, Connect, Leg, Observer, WireMessage
from bridge.vocabulary.errors import MalformedMessage
from bridge.vocabulary.events import CallEnded, Event, LegLost, LegName, MessageRefused, TimePassed, Word

clock = time.monotonic
"""The session's clock, in seconds. uvloop's own `time()` has whole milliseconds."""

SOONEST_S = 0.001
"""The loop's own step: asked for less it may fire too early, again and again."""

log = structlog.get_logger()


class _Seen(dict[type[Word], tuple[Callable[[Word, float], None], ...]]):
    """Who sees words of a kind."""

    def __init__(self, watching: Sequence[Observer | Accounting]) -> None:
        super().__init__()
        self._watching = watching

    def __missing__(self, kind: type[Word]) -> tuple[Callable[[Word, float], None], ...]:
        self[kind] = tuple(one.saw for one in self._watching if one.sees is None or kind in one.sees)
        return self[kind]


class Session:
    """One carrier stream from its upgrade to its end.

    `ended` is called once, when the call is over. `control`: what the carrier can do beside the stream; None: nothing.
    """

    def __init__(
        self,
        carrier: Carrier,
        call: Call,
        connect: Connect,
        observers: Sequence[Observer],
        ended: Callable[["Session"], None],
        control: CallControl | None = None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._carrier = carrier
        self._call = call
        self._slot = AssistantSlot(connect, self.handle, self._follow_deadline, clock)
        self._accounting = Accounting()
        self._observers = tuple(observers)
        self._seen = _Seen([self._accounting, *observers])
        self._ended = ended
        self._over = False
        self._carrier_leg: Leg
        self._former_streams: Counter[str] = Counter()  # what their dialects had to mend
        self._round: deque[Event] = deque()
        self._in_round = False
        self._timer: asyncio.TimerHandle | None = None
        self._wakes_at = inf
        self._performs: dict[type[Word], Callable[[Any, float], None]] = {  # all others go to the assistant
            PlayAudio: self._tell_carrier,
            SendMark: self._tell_carrier,
            ClearPlayback: self._tell_carrier,
            HangUp: self._hang_up,
            SetSensitive: self._nothing,  # for observers to see
            **(dict.fromkeys(control.can, control.perform) if control is not None else {}),
            **self._slot.performs,
        }

    def attach(self, carrier_leg: Leg) -> None:
        """The leg on which `carrier_said` and `carrier_lost` are called; the clock runs from here."""
        self._carrier_leg = carrier_leg
        if (due := self._call.deadline()) is not None:
            self._wake_at(due)

    def rejoin(self, carrier: Carrier, leg: Leg) -> bool:
        """The carrier dialled again: the same call on another stream, by a new object of its dialect.

        False: the call does not outlive its stream, and is over.
        """
        for event in self._carrier.due(inf):  # keys, and packets behind a hole
            if not isinstance(event, Answer):
                self.handle(event)
        self.carrier_lost(self._carrier, 1006, "the carrier dialled again")
        if self._over:
            return False
        self._former_streams.update(self._carrier.counts())
        self._carrier, self._carrier_leg = carrier, leg
        return True

    def carrier_said(self, message: WireMessage) -> None:
        """One message from the carrier."""
        events: Sequence[Event]
        try:
            events = self._carrier.decode(message, clock())
        except MalformedMessage as error:
            events = (MessageRefused(LegName.CARRIER, str(error)),)
        for event in events:
            self.handle(event)
        if not events:
            self._follow_deadline()

    def carrier_lost(self, carrier: Carrier, code: int, reason: str) -> None:
        """The leg of this stream is gone."""
        if carrier is self._carrier:
            self.handle(LegLost(LegName.CARRIER, code, reason))

    def break_off(self, why: str) -> None:
        """The leg is about to be dropped, and is not waited for."""
        self.carrier_lost(self._carrier, 1006, why)
        self.handle(CallEnded())  # where it would be

    def handle(self, event: Event) -> None:
        """Feed the core one event and perform what it commands, then what that brought about."""
        if self._in_round:
            self._round.append(event)
        elif not self._over:
            self._in_round = True
            try:
                self._carry_round(event)
            finally:
                self._in_round = False
                self._round.clear()
                self._follow_deadline()

    def _carry_round(self, event: Event) -> None:
        now = clock()
        waiting, core, seen = self._round, self._call.handle, self._seen
        performs, otherwise = self._performs, self._slot.tell
        while True:
            for saw in seen[type(event)]:
                saw(event, now)
            for command in core(event, now):
                kind = type(command)
                for saw in seen[kind]:
                    saw(command, now)
                performs.get(kind, otherwise)(command, now)
            if not waiting:
                return
            event = waiting.popleft()

    def _tell_carrier(self, command: CarrierCommand, now: float) -> None:
        for message in self._carrier.encode(command, now):
            self._carrier_leg.send(message)

    def _hang_up(self, command: HangUp, _now: float) -> None:
        self._carrier_leg.close(command.code, command.why)

    def _nothing(self, _command: SetSensitive, _now: float) -> None:
        pass

    def _follow_deadline(self) -> None:
        """One timer follows the deadlines. It is moved only when one comes nearer: early is harmless."""
        if self._in_round or self._over:
            return
        due = self._call.deadline()
        if due is None:
            self._finish()
            return
        for wish in (self._slot.deadline(), self._carrier.deadline()):
            if wish is not None and wish < due:
                due = wish
        if due < self._wakes_at:
            self._wake_at(due)

    def _wake_at(self, due: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._wakes_at = due
        self._timer = self._loop.call_later(max(due - clock(), SOONEST_S), self._wake)

    def _wake(self) -> None:
        self._timer, self._wakes_at = None, inf
        self._slot.fall_due()
        self._carrier_due()
        self.handle(TimePassed())

    def _carrier_due(self) -> None:
        now = clock()
        due = self._carrier.deadline()
        for event in self._carrier.due(now) if due is not None and due <= now else ():
            if isinstance(event, Answer):
                self._carrier_leg.send(event.message)
            else:
                self.handle(event)

    def _finish(self) -> None:
        self._over = True
        if self._timer is not None:
            self._timer.cancel()
        mended = self._former_streams + Counter(self._carrier.counts())
        account = self._accounting.account(
            Counter(self._call.counts()) + Counter(self._slot.counts()) + mended
        )
        log.info("= call over", call_id=self._call.call_id, **summary(account))
        self._ended(self)
        now = clock()
        for observer in self._observers:
            observer.close(now, account)
