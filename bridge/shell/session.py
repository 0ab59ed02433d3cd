"""Runs one call: connects the call's engine with the carrier stream, the assistant slot, a timer and the clock.

Everything happens synchronously: a message arrives, the core answers it with commands, and the commands are performed.
An event that results from performing a command waits until the other commands of its round were performed. There is
no task of its own, no await, and no queue between tasks.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import inf

import structlog

from bridge.core.call import Call
from bridge.core.called_in_call import CalledInCall
from bridge.core.engine import CallEngine, Perform, SeesWords
from bridge.core.operated_call import OperatedCall
from bridge.core.people import BriefingNotes
from bridge.core.people_call import PeopleCall
from bridge.core.states import State
from bridge.observers.turn_waits import TurnWatcher
from bridge.observers.usage import Accounting
from bridge.shell.assistant_slot import AssistantSlot
from bridge.shell.close_frames import INTERNAL_ERROR, NORMAL_CLOSURE
from bridge.vocabulary.commands import (
    CONTROL_COMMANDS,
    SHELL_COMMANDS,
    CarrierCommand,
    ClearPlayback,
    ControlCommand,
    HangUp,
    PlayAudio,
    SendMark,
)
from bridge.vocabulary.contracts import (
    CallControl,
    Carrier,
    CarrierOutcome,
    Connect,
    Leg,
    Observer,
    WireMessage,
)
from bridge.vocabulary.dispatch import on_bound
from bridge.vocabulary.errors import MalformedMessage
from bridge.vocabulary.events import (
    CallEnded,
    CallerAudio,
    CallStarted,
    Event,
    Ignored,
    LegLost,
    LegName,
    MessageRefused,
    TimePassed,
    Word,
)
from bridge.vocabulary.message_rate import BadMessages
from bridge.vocabulary.operator import OperatorEvent
from bridge.vocabulary.people import CloseStream

clock = time.monotonic
"""The session's clock, in seconds. It is not the loop's `time()`, which in uvloop has whole milliseconds."""

SOONEST_S = 0.001
"""The shortest timer, in seconds. The event loop counts whole milliseconds, so a shorter one may fire too early."""

BAD_MESSAGES: frozenset[type[object]] = frozenset({Ignored, MessageRefused})
"""What comes of a message of the carrier's that is of an unknown kind, or malformed."""

log = structlog.get_logger()


class Session:
    """One call, from the upgrade of its carrier stream to its end.

    `ended` is called once, when the call is over. `control`: performs what the carrier can do beside the stream; None
    if it can do nothing. `handover`: performs what connects this call with a person's; without it observers alone see that.
    """

    def __init__(
        self,
        carrier: Carrier,
        call: Call,
        connect: Connect,
        observers: Sequence[Observer],
        ended: Callable[["Session"], None],
        control: CallControl | None = None,
        handover: Mapping[type[Word], Perform] | None = None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._carrier = carrier
        self._call = call
        self._accounting = Accounting()
        self._observers = tuple(observers)
        self._accounting.waits.watchers = [one for one in observers if isinstance(one, TurnWatcher)]
        self._engine = CallEngine(call, [self._accounting, self._accounting.waits, *observers])
        self._slot = AssistantSlot(
            connect,
            self._engine.handle,
            self._follow_deadline,
            clock,
            self._accounting.caller,
            self._engine.reply_audio,
        )
        self._engine.on_earlier = self._note_deadline
        performers = [
            on_bound(PlayAudio, self._tell_carrier),
            on_bound(SendMark, self._tell_carrier),
            on_bound(ClearPlayback, self._tell_carrier),
            on_bound(HangUp, self._hang_up),
        ]
        performers += [on_bound(kind, self._nothing) for kind in SHELL_COMMANDS]  # observers need them
        perform = _cannot if control is None else control.perform
        performers += [on_bound(kind, perform) for kind in CONTROL_COMMANDS]
        performers.append(on_bound(CloseStream, self._close_stream))
        self._engine.perform_with({**dict(performers), **self._slot.performers, **(handover or {})})
        self._ended = ended
        self._over = False
        self._carrier_leg: Leg[WireMessage]
        self._is_leg_closed = False  # by us, or lost
        self._bad_messages = BadMessages()  # of the carrier's present stream
        self._former_streams: Counter[str] = Counter()  # what the dialects of former streams repaired
        self._timer: asyncio.TimerHandle | None = None
        self._wakes_at = inf

    @property
    def playout_ahead_s(self) -> float:
        """Seconds of audio that the carrier has and the caller has not heard yet."""
        return self._call.playout_ahead_s(clock())

    def attach(self, carrier_leg: Leg[WireMessage]) -> None:
        """Start the call's timers. `carrier_leg`: the leg whose messages and loss are given to this session."""
        self._carrier_leg = carrier_leg
        self._follow_deadline()

    def watch(self, observer: SeesWords) -> None:
        """See `CallEngine.watch`."""
        self._engine.watch(observer)

    def unwatch(self, observer: SeesWords) -> None:
        """See `CallEngine.unwatch`."""
        self._engine.unwatch(observer)

    def why_not(self, event: OperatorEvent) -> str:
        """Why an operator's request cannot be done now; empty if it can. See `OperatedCall.why_not`."""
        if isinstance(self._call, OperatedCall):
            return self._call.why_not(event)
        return "this stream is not that of a caller"

    @property
    def awaits(self) -> tuple[str, float] | None:
        """The supervisor who is to call in, and since when; see `CalledInCall.awaits`."""
        return self._call.awaits if isinstance(self._call, CalledInCall) else None

    def why_not_join(self, supervisor: str) -> str:
        """Why a supervisor who calls in cannot join; empty if they can. See `CalledInCall.why_not_join`."""
        if isinstance(self._call, CalledInCall):
            return self._call.why_not_join(supervisor)
        return "this stream is not that of a caller"

    @property
    def state(self) -> State:
        """The state of the call."""
        return self._call.state

    @property
    def last_wait_ms(self) -> int | None:
        """How long the caller waited for the last reply; see `Turn.wait_ms`."""
        return self._accounting.waits.last_ms

    @property
    def call_id(self) -> str:
        """The carrier's name for the call; empty until it started."""
        return self._call.call_id

    @property
    def leaves_people(self) -> bool:
        """Whether it ended while the caller talked with a person, and both are to go on talking."""
        return isinstance(self._call, PeopleCall) and self._call.leaves_people

    @property
    def has_no_stream(self) -> bool:
        """Whether the carrier has the caller, and a stream may be opened to continue the call, with any token of it."""
        return self._call.expects_stream_end

    def briefing(self, person_leg: str) -> BriefingNotes | None:
        """What this person is to be told; None where they are not being briefed about this caller."""
        return self._call.briefing(person_leg) if isinstance(self._call, PeopleCall) else None

    def stream_ended(self) -> None:
        """The carrier says that the stream is over, and with it the call, unless the call goes on without it."""
        self.handle(self._end_of_stream(CallEnded()))

    def _end_of_stream(self, event: CallEnded) -> CallEnded | LegLost:
        if self._call.expects_stream_end:
            return LegLost(LegName.CARRIER, NORMAL_CLOSURE, "the carrier ended the stream")
        return event

    @property
    def can_rejoin(self) -> bool:
        """Whether another stream could continue the call; see `Call.can_resume`."""
        return self._call.can_resume

    def refusal(self, start: CallStarted) -> str:
        """Why a stream that starts so cannot continue the call; see `Call.refusal`."""
        return self._call.refusal(start)

    def rejoin(self, carrier: Carrier, leg: Leg[WireMessage], start: CallStarted) -> None:
        """Continue the call on another stream of the carrier, with a new object of the dialect.

        `start`: what that stream said, which `refusal` finds good. The leg of the stream before is dropped.
        """
        for outcome in self._carrier.due(
            inf
        ):  # keys, and packets behind a gap; the old leg takes no messages
            if isinstance(outcome, Word):
                self.handle(outcome)
        self.carrier_lost(self._carrier, 1006, "the carrier opened another stream for this call")
        if self._over:  # by a key that waited
            leg.close(1000, "the call ended")
            return
        self._former_streams.update(self._carrier.counts())
        self._carrier, self._carrier_leg, self._is_leg_closed = carrier, leg, False
        self._bad_messages = BadMessages()
        self.handle(start)

    def carrier_said(self, message: WireMessage) -> None:
        """Handle one message from the carrier. The hot path: a frame that comes alone moves no deadline."""
        now = clock()
        outcomes: Sequence[CarrierOutcome | MessageRefused]
        try:
            outcomes = self._carrier.decode(message, now)
        except MalformedMessage as error:
            outcomes = (MessageRefused(LegName.CARRIER, str(error)),)
        try:
            alone = outcomes[0] if len(outcomes) == 1 else None
            if type(alone) is CallerAudio:
                self._engine.caller_audio(alone, now)
            else:
                self._take(outcomes, now)
        finally:
            if self._slot.deadline_moved:
                self._follow_deadline()

    def _take(self, outcomes: Sequence[CarrierOutcome | MessageRefused], now: float) -> None:
        self._slot.deadline_moved = True
        if outcomes and type(outcomes[0]) in BAD_MESSAGES and self._bad_messages.add(now):
            self._carrier_leg.close(1008, str(self._bad_messages))  # it is lost then, and may return
        for outcome in outcomes:
            if isinstance(outcome, CallEnded):
                self._engine.handle(self._end_of_stream(outcome), now)
            elif isinstance(outcome, Word):
                self._engine.handle(outcome, now)
            else:
                self._carrier_leg.send(outcome)

    def carrier_lost(self, carrier: Carrier, code: int, reason: str) -> None:
        """Handle the loss of the leg of `carrier`; the loss of a former stream's leg is ignored."""
        if carrier is self._carrier:
            self._is_leg_closed = True
            self.handle(LegLost(LegName.CARRIER, code, reason))

    def break_off(self, why: str) -> None:
        """End the call at once, before its leg is dropped."""
        self.carrier_lost(self._carrier, 1006, why)
        self.handle(CallEnded())  # for a call that would wait for the carrier to come back

    def handle(self, event: Event) -> None:
        """Handle an event that does not come from a leg; see `CallEngine.handle`."""
        try:
            self._engine.handle(event, clock())
        finally:
            self._follow_deadline()

    def handle_frame(self, event: Event) -> None:
        """As `handle`, for a frame of a room: it moves no deadline to a later time, and the engine tells of an earlier one."""
        self._engine.handle(event, clock())
        if self._slot.deadline_moved:
            self._follow_deadline()

    def _tell_carrier(self, command: CarrierCommand, now: float) -> None:
        """The hot path: a command of which one message comes alone moves no deadline."""
        outcomes = self._carrier.encode(command, now)
        if len(outcomes) == 1 and not isinstance(outcomes[0], Word):
            self._carrier_leg.send(outcomes[0])
        else:
            self._take(outcomes, now)

    def _hang_up(self, command: HangUp, _now: float) -> None:
        self._is_leg_closed = True
        self._carrier_leg.close(command.code, command.why)

    def _close_stream(self, command: CloseStream, _now: float) -> None:
        self._is_leg_closed = True
        self._carrier_leg.close(NORMAL_CLOSURE, command.why)

    def _nothing(self, _command: Word, _now: float) -> None:
        pass

    def _note_deadline(self) -> None:
        self._slot.deadline_moved = True

    def _follow_deadline(self) -> None:
        """Set the timer to the next deadline. It is moved only to an earlier time: waking early does no harm."""
        if self._engine.in_round or self._over:
            return
        self._slot.deadline_moved = False
        due = self._engine.deadline
        if due is None:
            self._finish()
            return
        for wanted in (self._slot.deadline(), self._carrier.deadline()):
            if wanted is not None and wanted < due:
                due = wanted
        if due < self._wakes_at:
            self._wake_at(due)

    def _wake_at(self, due: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._wakes_at = due
        self._timer = self._loop.call_later(max(due - clock(), SOONEST_S), self._wake)

    def _wake(self) -> None:
        self._timer, self._wakes_at = None, inf
        try:
            self._slot.fall_due(clock())
            self._carrier_due(clock())
            self._engine.handle(TimePassed(), clock())
        finally:
            self._follow_deadline()

    def _carrier_due(self, now: float) -> None:
        due = self._carrier.deadline()
        for outcome in self._carrier.due(now) if due is not None and due <= now else ():
            if isinstance(outcome, Word):
                self._engine.handle(outcome, now)
            else:
                self._carrier_leg.send(outcome)

    def _finish(self) -> None:
        """End the session. Each step is taken, whatever another one raises.

        The leg is still open only where an exception kept `HangUp` from being performed.
        """
        self._over = True
        if self._timer is not None:
            self._timer.cancel()
        now = clock()
        self._accounting.waits.finish(now)
        mended = self._former_streams + Counter(self._carrier.counts())
        account = self._accounting.account(
            Counter(self._call.counts()) + Counter(self._slot.counts()) + mended
        )
        close_leg = partial(self._carrier_leg.close, INTERNAL_ERROR, "a fault in the bridge")
        close_observers = [partial(observer.close, now, account) for observer in self._observers]
        for step in (
            *([] if self._is_leg_closed else [close_leg]),
            partial(self._slot.end),
            partial(self._ended, self),
            *close_observers,
        ):
            try:
                step()
            except Exception:  # a fault of one must not keep the others from their last line
                log.exception("= ending the call failed", call_id=self._call.call_id)


def _cannot(command: ControlCommand, _now: float) -> None:
    raise AssertionError(
        f"{type(command).__name__}: the core gave this command: expected none that the carrier cannot perform"
    )
