"""One call's two legs and its clock: feed the heart, perform what it commands, wake it at its deadline.

Everything happens in one synchronous stack: a message arrives, the heart answers, the answers are written. What an
assistant in this process says while it is spoken to waits for the end of the round. No queue, no task, no await.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from math import inf

import structlog

from bridge.call import Call, State
from bridge.contracts import Assistant, Carrier, Connect, Leg, Message, Receive, WireMessage, Witness
from bridge.errors import MalformedMessage
from bridge.events import (
    AssistantCommand,
    ClearPlayback,
    CloseAssistant,
    Command,
    Event,
    HangUp,
    LegLost,
    LegName,
    MessageRefused,
    OpenAssistant,
    PlayAudio,
    SendMark,
    TimePassed,
    Word,
)

clock = time.monotonic
"""The session's clock, in seconds. uvloop's own `time()` has whole milliseconds."""

SOONEST_S = 0.001
"""The loop's own step: asked for less it may fire too early, again and again."""

log = structlog.get_logger()


class MemoryLeg:
    """The leg to an assistant in this process: what its dialect sends is what it says."""

    def __init__(self, receive: Receive) -> None:
        self.send = receive

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Nothing to close."""


class Session:
    """One carrier stream from its upgrade to its end. `ended` is called once, when the call is over."""

    def __init__(
        self,
        carrier: Carrier,
        call: Call,
        connect: Connect,
        witnesses: Sequence[Witness],
        ended: Callable[["Session"], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._carrier = carrier
        self._call = call
        self._connect = connect
        self._witnesses = list(witnesses)
        self._ended = ended
        self._over = False
        self._carrier_leg: Leg
        self._assistant: Assistant
        self._assistant_leg: Leg
        self._round: deque[Event] = deque()
        self._in_round = False
        self._timer: asyncio.TimerHandle | None = None
        self._wakes_at = inf

    def attach(self, carrier_leg: Leg) -> None:
        """The leg on which `carrier_said` and `carrier_lost` are called; the clock runs from here."""
        self._carrier_leg = carrier_leg
        self._arm()

    def carrier_said(self, message: WireMessage) -> None:
        """One message from the carrier."""
        try:
            event: Event = self._carrier.decode(message)
        except MalformedMessage as error:
            event = MessageRefused(LegName.CARRIER, str(error))
        self.handle(event)

    def carrier_lost(self, code: int, reason: str) -> None:
        """The carrier's leg is gone."""
        self.handle(LegLost(LegName.CARRIER, code, reason))

    def _assistant_said(self, message: Message) -> None:
        try:
            events: Sequence[Event] = self._assistant.decode(message)
        except MalformedMessage as error:
            events = (MessageRefused(LegName.ASSISTANT, str(error)),)
        for event in events:
            self.handle(event)

    def _assistant_lost(self, code: int, reason: str) -> None:
        self.handle(LegLost(LegName.ASSISTANT, code, reason))

    def handle(self, event: Event) -> None:
        """Feed the heart one event and perform what it commands, then what that brought about."""
        waiting = self._round
        waiting.append(event)
        if self._in_round or self._over:
            return
        self._in_round = True
        try:
            while waiting:
                self._feed(waiting.popleft())
        finally:
            self._in_round = False
            waiting.clear()
        if self._call.state is State.ENDED:
            self._finish()
        else:
            self._arm()

    def _feed(self, event: Event) -> None:
        now = clock()
        self._show(event, now)
        for command in self._call.handle(event, now):
            self._show(command, now)
            self._perform(command)

    def _perform(self, command: Command) -> None:
        match command:
            case PlayAudio() | SendMark() | ClearPlayback():
                self._carrier_leg.send(self._carrier.encode(command))
            case HangUp(code, why):
                self._carrier_leg.close(code, why)
            case _:
                self._tell_assistant(command)

    def _tell_assistant(self, command: AssistantCommand) -> None:
        if isinstance(command, OpenAssistant):
            connected = self._connect(command, self._assistant_said, self._assistant_lost)
            self._assistant, self._assistant_leg = connected
        for message in self._assistant.encode(command):
            self._assistant_leg.send(message)
        if isinstance(command, CloseAssistant):
            self._assistant_leg.close()

    def _show(self, word: Word, now: float) -> None:
        try:
            for witness in self._witnesses:
                witness.saw(word, now)
        except OSError as error:
            log.error("a witness cannot write and is sent away; the call goes on", error=str(error))
            self._witnesses.remove(witness)

    def _arm(self) -> None:
        """One timer follows the deadline. It is moved only when the deadline comes nearer: early is harmless."""
        due = self._call.deadline()
        if due is None or due >= self._wakes_at:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._wakes_at = due
        self._timer = self._loop.call_later(max(due - clock(), SOONEST_S), self._wake)

    def _wake(self) -> None:
        self._timer, self._wakes_at = None, inf
        due = self._call.deadline()
        if due is not None and due <= clock():
            self.handle(TimePassed())
        else:
            self._arm()

    def _finish(self) -> None:
        self._over = True
        if self._timer is not None:
            self._timer.cancel()
        counts = self._call.counts()
        now = clock()
        for witness in self._witnesses:
            try:
                witness.close(now, counts)
            except OSError as error:
                log.error("a witness could not finish", error=str(error))
        log.info("= call over", call=self._call.name, **counts)
        self._ended(self)
