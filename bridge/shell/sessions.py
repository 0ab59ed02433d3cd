"""Makes the session of each media socket that was let in, with its observers and its files, and takes leave of it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial

import structlog

from bridge.carriers.shared.webhooks import ExpectedCall, StreamKind
from bridge.config.settings import Settings
from bridge.core.call import Call
from bridge.core.engine import Perform
from bridge.observers.call_file import FileQueue
from bridge.observers.capture import CapturedCall, taps_of
from bridge.observers.live.live_call import LiveCall
from bridge.observers.live.live_calls import LiveCalls
from bridge.observers.stream_end import StreamEndObserver
from bridge.observers.tracing.call_trace import CallTrace
from bridge.settings.assistants import Pings
from bridge.shell import websocket
from bridge.shell.active_calls import ActiveCall, ActiveCalls, StartObserver
from bridge.shell.after_call import AfterCall
from bridge.shell.call_ins import CallIns
from bridge.shell.call_observers import CallObservers
from bridge.shell.call_rules import announcement_of
from bridge.shell.captures import Captures
from bridge.shell.encryption import encryptions
from bridge.shell.handovers import Handovers
from bridge.shell.kept_traces import KeptTraces
from bridge.shell.metrics.process_metrics import ProcessMetrics
from bridge.shell.new_call import briefing_call, caller_call, commands_of, listening_stream, supervisor_leg
from bridge.shell.returning_stream import ReturningStream
from bridge.shell.session import Session, clock
from bridge.shell.setups import Setup
from bridge.shell.talks import TalkObserver
from bridge.shell.tokens import MediaToken
from bridge.shell.tracing.traces import Traces
from bridge.vocabulary.contracts import Carrier, Connect, Observer, StreamEnd
from bridge.vocabulary.events import CallStarted, Word
from bridge.vocabulary.message_rate import carrier_rate
from bridge.vocabulary.trace_context import NO_TRACING

log = structlog.get_logger()


class Sessions:
    """The sessions of one server, which are kept in `active`. `settings`: what holds until the server stops.

    Raises `ConfigurationError` if the announcement of recordings cannot be read, or nothing can be encrypted.
    """

    def __init__(
        self,
        settings: Settings,
        active: ActiveCalls,
        files: FileQueue,
        after_call: AfterCall,
        metrics: ProcessMetrics,
        traces: Traces,
        live: LiveCalls,
        call_ins: CallIns,
    ) -> None:
        self._live = live
        self._settings = settings
        self._active = active
        self._after_call = after_call
        self._traces = traces
        keys = encryptions(settings)
        self._observers = CallObservers(settings, files, keys, metrics)
        self._announcement = announcement_of(settings)
        self.kept_traces = KeptTraces()
        """The traces that are kept in memory."""
        self._captures = Captures(settings, files, keys.capture, self.kept_traces)
        self._handovers = Handovers(self._caller, call_ins)

    def begin(
        self,
        name: str,
        kind: StreamKind,
        carrier: Carrier,
        expected: ExpectedCall,
        token: MediaToken | None,
        setup: Setup,
    ) -> websocket.SocketLeg | None:
        """A session for a media socket of the carrier `name`. None: it is of a person for whom nobody waits any more."""
        if expected.listens:
            return self._listen(name, kind, carrier, expected, token, setup)
        control, is_briefing = expected.control, bool(expected.briefs)
        call: Call
        live: LiveCall | None = None
        if is_briefing:
            member = self._member(name, carrier, expected, setup)
            if member is None:
                return None
            call, connected = member
        else:
            call = caller_call(setup, carrier, expected, self._announcement, name=name)
            live = self._live_call(name, call, expected)
            connected = self._handovers.of_caller(name)
        end = StreamEndObserver()
        start = StartObserver(call, lambda event: self._started(session, event))
        observers: list[Observer] = [end, start, setup.call_log(name, expected)]
        observers += self._observers.of(setup, call, name, expected)
        after_call = setup.settings.after_call
        if report := self._after_call.observer(after_call, name, expected, call, observers):
            observers.append(report)
        if live is not None:
            observers.append(live)
        capture = self._captures.begin(
            CapturedCall(name, kind, commands_of(expected), expected.returns_s), setup, expected.call_id
        )
        tracing = NO_TRACING if is_briefing else self._traces.of(name, expected, setup.settings)
        if isinstance(tracing, CallTrace):
            observers.append(tracing)
        connect: Connect = partial(setup.switchboard.connect, tracing=tracing)
        if capture is not None:
            observers.append(capture)
            connect = capture.connect(connect)
        session = Session(carrier, call, connect, observers, self._over, control, connected)
        if live is not None:
            live.session = session
        taps = taps_of(capture, session.carrier_said, partial(session.carrier_lost, carrier))
        leg = websocket.SocketLeg(taps.receive, taps.lost, rate=carrier_rate(), pings=self._pings())
        self._active.add(
            ActiveCall(
                name, kind, expected, token, session, leg, end, setup, expected.call_id, capture=capture
            )
        )
        if is_briefing:
            self._member_begins(name, expected, session)
        session.attach(taps.leg(leg))
        return leg

    def _member(
        self, name: str, carrier: Carrier, expected: ExpectedCall, setup: Setup
    ) -> tuple[Call, Mapping[type[Word], Perform]] | None:
        """The call of the leg of a person or a supervisor, and what connects it with the caller's; None: that is over."""
        caller, leg = expected.briefs, expected.call_id
        if expected.supervises:
            if self._caller(name, caller) is None:
                return None
            connected = self._handovers.of_supervisor(name, caller, leg, expected.calls_in)
            return supervisor_leg(setup, carrier, expected), connected
        notes = self._handovers.notes(name, caller, leg)
        if notes is None:
            return None
        return briefing_call(setup, carrier, expected, notes), self._handovers.of_person(name, caller, leg)

    def _member_begins(self, name: str, expected: ExpectedCall, session: Session) -> None:
        handovers = self._handovers
        begins = handovers.supervisor_begins if expected.supervises else handovers.begins
        begins(name, expected.call_id, session)

    def _live_call(self, name: str, call: Call, expected: ExpectedCall) -> LiveCall:
        """What is shown of a caller's call while it is under way."""
        facts, now = expected.context.facts, datetime.now(UTC)
        return self._live.begin(name, call, now, facts, direction=expected.direction, route=expected.route)

    def _listen(
        self,
        name: str,
        kind: StreamKind,
        carrier: Carrier,
        expected: ExpectedCall,
        token: MediaToken | None,
        setup: Setup,
    ) -> websocket.SocketLeg | None:
        """A session that hands what the caller and a person say to the caller's; None: that is over."""
        find_caller = partial(self._caller, name, expected.call_id)
        if find_caller() is None:
            return None
        call = listening_stream(setup, carrier, expected)
        end = StreamEndObserver()
        start = StartObserver(call, lambda event: self._started(session, event))
        session = Session(
            carrier,
            call,
            setup.switchboard.connect,
            [end, start, TalkObserver(call, find_caller)],
            self._over,
        )
        lost = partial(session.carrier_lost, carrier)
        leg = websocket.SocketLeg(session.carrier_said, lost, rate=carrier_rate(), pings=self._pings())
        self._active.add(ActiveCall(name, kind, expected, token, session, leg, end, setup, expected.call_id))
        session.attach(leg)
        return leg

    def _started(self, session: Session, event: CallStarted) -> None:
        active = self._active.started(session, event)
        if active.expected.briefs and not active.expected.supervises:
            self._handovers.started(active.carrier, active.expected.briefs, active.expected.call_id)

    def _caller(self, carrier: str, call_id: str) -> Session | None:
        """The session of this call that can be spoken into."""
        active = self._active.with_call(carrier, call_id)
        return None if active is None else active.session

    def let_return(self, active: ActiveCall, carrier: Carrier) -> websocket.SocketLeg:
        """Another socket of a call under way: it has the call once it has said `start`."""

        def taken_over(leg: websocket.SocketLeg) -> None:
            log.info("= the stream came back", call_id=active.expected.call_id)
            active.leg.abort()
            active.leg, active.returning = leg, None

        active.close_returning("another stream of its call came")
        start_s = carrier.start_s or self._settings.limits.start_s
        active.returning = ReturningStream(
            active.session, carrier, start_s, taken_over, self._pings(), active.capture
        )
        return active.returning.leg

    def _pings(self) -> Pings:
        """The pings that find a half-open line: its carrier neither sends nor answers."""
        half_s = self._settings.limits.silent_s / 2
        return Pings(half_s, half_s)

    def _over(self, session: Session) -> None:
        active = self._active.remove(session)
        if active is None:
            return
        if briefs := active.expected.briefs:
            handovers = self._handovers
            is_over = handovers.supervisor_is_over if active.expected.supervises else handovers.is_over
            is_over(active.carrier, briefs, active.expected.call_id, session)
        if active.expected.control is not None and not session.leaves_people:
            active.expected.control.hang_up(active.end.end or StreamEnd.BY_BRIDGE, clock())
