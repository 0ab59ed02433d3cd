"""One call's two legs and its clock: feed the heart, perform what it commands, wake it at its deadline.

Everything happens in one synchronous stack: a message arrives, the heart answers, the answers are written. What an
assistant in this process says while it is spoken to waits for the end of the round. No queue, no task, no await.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from math import inf
from typing import Any

import structlog

from bridge.call import Call
from bridge.contracts import Assistant, Carrier, Connect, Leg, Message, Receive, WireMessage, Witness
from bridge.errors import MalformedMessage
from bridge.events import (
    AssistantCommand,
    CarrierCommand,
    ClearPlayback,
    CloseAssistant,
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
        self._witnesses = tuple(witnesses)
        self._ended = ended
        self._over = False
        self._carrier_leg: Leg
        self._assistant: Assistant
        self._assistant_leg: Leg
        self._round: deque[Event] = deque()
        self._in_round = False
        self._timer: asyncio.TimerHandle | None = None
        self._wakes_at = inf
        self._performs: dict[type[Word], Callable[[Any], None]] = {  # all others go to the assistant
            PlayAudio: self._tell_carrier,
            SendMark: self._tell_carrier,
            ClearPlayback: self._tell_carrier,
            HangUp: self._hang_up,
            OpenAssistant: self._open_assistant,
            CloseAssistant: self._close_assistant,
        }

    def attach(self, carrier_leg: Leg) -> None:
        """The leg on which `carrier_said` and `carrier_lost` are called; the clock runs from here."""
        self._carrier_leg = carrier_leg
        if (due := self._call.deadline()) is not None:
            self._wake_at(due)

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
        except Exception:  # noqa: BLE001  # as below
            self._assistant_failed()
            return
        for event in events:
            self.handle(event)

    def _assistant_lost(self, code: int, reason: str) -> None:
        self.handle(LegLost(LegName.ASSISTANT, code, reason))

    def handle(self, event: Event) -> None:
        """Feed the heart one event and perform what it commands, then what that brought about."""
        if self._over:
            return
        self._round.append(event)
        if self._in_round:
            return
        self._in_round = True
        try:
            self._carry_round()
        finally:
            self._in_round = False
            self._round.clear()
            due = self._call.deadline()
            if due is None:
                self._finish()
            elif due < self._wakes_at:
                self._wake_at(due)

    def _carry_round(self) -> None:
        now = clock()
        waiting, heart, witnesses = self._round, self._call.handle, self._witnesses
        performs, otherwise = self._performs, self._tell_assistant
        while waiting:
            event = waiting.popleft()
            for witness in witnesses:
                witness.saw(event, now)
            for command in heart(event, now):
                for witness in witnesses:
                    witness.saw(command, now)
                performs.get(type(command), otherwise)(command)

    def _tell_carrier(self, command: CarrierCommand) -> None:
        self._carrier_leg.send(self._carrier.encode(command))

    def _hang_up(self, command: HangUp) -> None:
        self._carrier_leg.close(command.code, command.why)

    def _open_assistant(self, command: OpenAssistant) -> None:
        try:
            connected = self._connect(command, self._assistant_said, self._assistant_lost)
        except Exception:  # noqa: BLE001  # whatever is wrong in an assistant costs the assistant, not the caller
            self._assistant_failed()
        else:
            self._assistant, self._assistant_leg = connected
            self._tell_assistant(command)

    def _close_assistant(self, command: CloseAssistant) -> None:
        self._tell_assistant(command)
        self._assistant_leg.close()

    def _tell_assistant(self, command: AssistantCommand) -> None:
        try:
            for message in self._assistant.encode(command):
                self._assistant_leg.send(message)
        except Exception:  # noqa: BLE001  # as above
            self._assistant_failed()

    def _assistant_failed(self) -> None:
        log.exception("= the assistant failed", call=self._call.name)
        self._assistant_lost(1011, "a fault in the assistant")

    def _wake_at(self, due: float) -> None:
        """One timer follows the deadline. It is moved only when the deadline comes nearer: early is harmless."""
        if self._timer is not None:
            self._timer.cancel()
        self._wakes_at = due
        self._timer = self._loop.call_later(max(due - clock(), SOONEST_S), self._wake)

    def _wake(self) -> None:
        self._timer, self._wakes_at = None, inf
        self.handle(TimePassed())

    def _finish(self) -> None:
        self._over = True
        if self._timer is not None:
            self._timer.cancel()
        counts = self._call.counts()
        log.info("= call over", call=self._call.name, **counts)
        self._ended(self)
        now = clock()
        for witness in self._witnesses:
            witness.close(now, counts)
