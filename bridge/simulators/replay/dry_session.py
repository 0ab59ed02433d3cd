"""A session without sockets, timers and a clock: the dialects and the core, driven by whoever knows the time.

It does what `shell.session` does, in the same order: decode a message, handle its events, perform the commands.
"""

from collections.abc import Callable, Sequence
from math import inf

from bridge.core.call import Call
from bridge.core.engine import CallEngine
from bridge.observers.capture import Capture, Taps
from bridge.shell.assistant_slot import AssistantSlot
from bridge.vocabulary.commands import (
    CONTROL_COMMANDS,
    SHELL_COMMANDS,
    CarrierCommand,
    ClearPlayback,
    HangUp,
    PlayAudio,
    SendMark,
)
from bridge.vocabulary.contracts import Account, Carrier, CarrierOutcome, Connect, Leg, WireMessage
from bridge.vocabulary.dispatch import on_bound
from bridge.vocabulary.errors import MalformedMessage
from bridge.vocabulary.events import (
    CallStarted,
    CloseRequested,
    Event,
    LegLost,
    LegName,
    MessageRefused,
    TimePassed,
    Word,
)

NO_ACCOUNT = Account({}, {}, 0.0, 0.0, ())


Sent = Callable[[WireMessage], None]
"""Is told of each message that is sent to the carrier."""


class _CarrierLeg:
    """The carrier's leg: what is sent is in the capture."""

    stalled = False

    def __init__(self, sent: Sent) -> None:
        self.send = sent

    def close(self, code: int = 1000, reason: str = "") -> None:
        pass


class Stream:
    """One stream of the carrier's. `dialect`: a new one. Its messages are given to `taps.receive`."""

    def __init__(self, session: "DrySession", dialect: Carrier) -> None:
        self.dialect = dialect
        self.has_call = False
        self.taps: Taps = session.capture.carrier(
            lambda message: session.carrier_said(self, message),
            lambda code, reason: session.carrier_lost(self, code, reason),
        )
        self.leg: Leg[WireMessage] = self.taps.leg(_CarrierLeg(session.sent))


class DrySession:
    """One call. `clock`: seconds, moved by the caller; call `wake` at `deadline`. `dialect`: of the first stream."""

    def __init__(
        self,
        dialect: Carrier,
        call: Call,
        capture: Capture,
        connect: Connect,
        clock: Callable[[], float],
        sent: Sent,
    ) -> None:
        self.capture = capture
        self.sent = sent
        self.is_over = False
        self._call = call
        self._clock = clock
        self._engine = CallEngine(call, [capture])
        self._slot = AssistantSlot(capture.connect(connect), self._engine.handle, lambda: None, clock)
        performers = [
            on_bound(PlayAudio, self._tell_carrier),
            on_bound(SendMark, self._tell_carrier),
            on_bound(ClearPlayback, self._tell_carrier),
            on_bound(HangUp, self._hang_up),
            *(on_bound(kind, _nothing) for kind in (*CONTROL_COMMANDS, *SHELL_COMMANDS)),
        ]
        self._engine.perform_with({**dict(performers), **self._slot.performers})
        self.first = self._stream = Stream(self, dialect)
        self.first.has_call = True

    def carrier_said(self, stream: Stream, message: WireMessage) -> None:
        """A message of a stream; see `Session.carrier_said`. Another stream than the first has the call from its start on."""
        now = self._clock()
        outcomes: Sequence[CarrierOutcome | MessageRefused]
        try:
            outcomes = stream.dialect.decode(message, now)
        except MalformedMessage as error:
            outcomes = (MessageRefused(LegName.CARRIER, str(error)),) if stream.has_call else ()
        for outcome in outcomes:
            if stream.has_call:
                self._outcome(stream, outcome, now)
            elif isinstance(outcome, CallStarted):
                self._rejoin(stream, outcome)
            elif isinstance(outcome, CloseRequested):
                stream.leg.close(outcome.code, outcome.why)
        self._follow()

    def _outcome(self, stream: Stream, outcome: CarrierOutcome | MessageRefused, now: float) -> None:
        if not isinstance(outcome, Word):
            stream.leg.send(outcome)
        elif stream is self._stream:
            self._engine.handle(outcome, now)

    def _rejoin(self, stream: Stream, start: CallStarted) -> None:
        """See `Session.rejoin`."""
        if why := self._call.refusal(start):
            stream.leg.close(1008, why)
            return
        for outcome in self._stream.dialect.due(inf):
            if isinstance(outcome, Word):
                self._engine.handle(outcome, self._clock())
        self.carrier_lost(self._stream, 1006, "the carrier opened another stream for this call")
        stream.has_call = True
        self._stream = stream
        self.handle(start)

    def carrier_lost(self, stream: Stream, code: int, reason: str) -> None:
        """The leg of a stream is gone."""
        if stream is self._stream:
            self.handle(LegLost(LegName.CARRIER, code, reason))

    def handle(self, event: Event) -> None:
        """An event that does not come from a leg."""
        self._engine.handle(event, self._clock())
        self._follow()

    def deadline(self) -> float | None:
        """When `wake` wants to be called, at the latest, in seconds; None: the call is over."""
        due = self._engine.deadline
        if due is None:
            return None
        for wanted in (self._slot.deadline(), self._stream.dialect.deadline()):
            if wanted is not None and wanted < due:
                due = wanted
        return due

    def wake(self) -> None:
        """Do what is due by now."""
        now = self._clock()
        self._slot.fall_due(now)
        due = self._stream.dialect.deadline()
        for outcome in self._stream.dialect.due(now) if due is not None and due <= now else ():
            self._outcome(self._stream, outcome, now)
        self._engine.handle(TimePassed(), now)
        self._follow()

    def _follow(self) -> None:
        if self._engine.deadline is None and not self.is_over and not self._engine.in_round:
            self.is_over = True
            self._slot.end()
            self.capture.close(self._clock(), NO_ACCOUNT)

    def _tell_carrier(self, command: CarrierCommand, now: float) -> None:
        for outcome in self._stream.dialect.encode(command, now):
            self._outcome(self._stream, outcome, now)

    def _hang_up(self, command: HangUp, _now: float) -> None:
        self._stream.leg.close(command.code, command.why)


def _nothing(_command: Word, _now: float) -> None:
    pass
