"""Replays a trace without a server: the dialects and the core alone, with the trace's own times as the clock.

What the carrier said, and what the assistant said, is said again at its time; what falls due between is done at its
time. There is no socket, no chance and no other clock, so the trace that comes out is the same on every run, byte by byte.
A built-in assistant answers anew, for what it says depends on what it hears alone.
"""

from collections import defaultdict, deque
from collections.abc import Callable
from typing import NamedTuple

from bridge.assistants.registry import ASSISTANTS
from bridge.carriers.registry import CARRIERS
from bridge.config.people import people_of
from bridge.config.settings import Settings
from bridge.observers.capture import Capture, CapturedCall, CaptureRules
from bridge.observers.trace import BRIDGE, CARRIER, MASK, BadTrace, Trace, TraceLine
from bridge.shell.assistant_slot import NoLeg
from bridge.shell.call_rules import announcement_of, failover_plan, goodbye_of, new_call
from bridge.simulators.replay.dry_session import NO_ACCOUNT, DrySession, Stream
from bridge.simulators.replay.marks import Marks, mark_name
from bridge.tools.toolbox import Toolbox
from bridge.vocabulary.commands import CONTROL_COMMANDS, Command, OpenAssistant, RunTool
from bridge.vocabulary.contracts import Carrier, Connection, LegMessage, Lost, PostDelayed, Posted, Receive
from bridge.vocabulary.events import CallEnded, CloseRequested, Event, GoodbyeRequested, LegLost, LegName

PLAYED_KEY = "D"
"""What is pressed in place of a sensitive key: any key does, and no text has this one for another reason."""

LINGER_S = 1.0
"""How long the call may go on behind the last line of the trace."""

NO_PLACE = "ws://replay.invalid"
"""The address of an assistant that the settings do not have: nothing is sent there."""


class _Peer(NamedTuple):
    """An assistant as the trace plays it."""

    receive: Receive
    lost: Lost


class _TraceLeg:
    """The leg to an assistant that the trace plays: what is sent is in the capture."""

    stalled = False

    def send(self, message: object) -> None:
        pass

    def close(self, code: int = 1000, reason: str = "") -> None:
        pass


class _TraceTools:
    """Tools whose outputs are in the trace."""

    def __init__(self, running: dict[str, Callable[[str], None]]) -> None:
        self._running = running

    def run(self, command: RunTool, answered: Callable[[str], None]) -> None:
        self._running[command.tool_call_id] = answered

    def close(self) -> None:
        pass


class _Memory:
    """The trace that comes out."""

    def __init__(self) -> None:
        self.content = bytearray()

    def append(self, content: bytes) -> None:
        self.content += content

    def close(self) -> None:
        pass

    def give_up(self, why: str) -> None:
        raise BadTrace(why)


def replay_settings(trace: Trace, settings: Settings | None) -> Settings:
    """The settings with which a trace is replayed: those given, or the defaults with the trace's assistants.

    Raises `BadTrace` where the trace cannot be replayed without a server.
    """
    header = trace.header
    if header.carrier not in CARRIERS:
        raise BadTrace(f"carrier = {header.carrier!r}: expected one of {', '.join(sorted(CARRIERS))}")
    opened = {line.assistant: line.kind for line in trace.lines if line.what == "opened"}
    for name, kind in opened.items():
        if kind not in ASSISTANTS:
            raise BadTrace(
                f"the kind of the assistant {name!r} is {kind!r}: expected one of {', '.join(ASSISTANTS)}"
            )
    if settings is None:
        settings = Settings.model_validate(
            {"assistants": {n: _table(n, k) for n, k in opened.items() if n != k}}
        )
    for name, kind in opened.items():
        found = settings.assistant_kinds.get(name)
        if found != kind:
            have = "there is none" if found is None else f"it is {found!r}"
            raise BadTrace(
                f"the trace has an assistant {name!r} of kind {kind!r}, and in the settings {have}: expected the settings "
                "of the server that wrote the trace"
            )
        if settings.assistant_settings(name).address() is not None and not header.has_assistant:
            raise BadTrace(
                f"the trace lacks the side of the assistant {name!r}, of kind {kind!r}: expected one written by `serve "
                "--capture DIR --capture-assistant`; without it a trace can be replayed against a server alone"
            )
    return settings


def _table(name: str, kind: str) -> dict[str, str]:
    fields = ASSISTANTS[kind].settings.model_fields
    return {"kind": kind} | ({"url": NO_PLACE} if "url" in fields and fields["url"].is_required() else {})


class DryReplay:
    """One replay. Raises `BadTrace` as `replay_settings` does, and where the carrier's messages are not its own."""

    def __init__(self, trace: Trace, settings: Settings | None = None) -> None:
        self._settings = settings = replay_settings(trace, settings)
        self._header = header = trace.header
        self._is_cut_off = trace.is_cut_off
        self._now = 0.0
        self._lines = deque(line for line in trace.lines if _is_input(line))
        self._ends_s = trace.lines[-1].at_ms / 1000 if trace.lines else 0.0
        self._late: deque[TraceLine] = deque()
        self._not_open: defaultdict[str, list[TraceLine]] = defaultdict(list)
        self._peers: dict[str, _Peer] = {}
        self._running: dict[str, Callable[[str], None]] = {}
        self._assistants = 0
        self._schemas = {
            name: Toolbox(name, settings.assistant_settings(name).tools).schemas
            for name in settings.assistant_kinds
        }
        sent = (mark_name(line.wire) for line in trace.lines if line.to == CARRIER and not line.what)
        self._marks = Marks([name for name in sent if name is not None])
        self._trace = _Memory()
        self._session = self._new_session(header.recorded)
        self._streams: dict[str, Stream] = {CARRIER: self._session.first}

    @property
    def now_s(self) -> float:
        """How far the replay has come, in seconds since the carrier's socket was opened."""
        return self._now

    def _new_session(self, recorded: str) -> DrySession:
        settings, header = self._settings, self._header
        can = frozenset[type[Command]](kind for kind in CONTROL_COMMANDS if kind.__name__ in header.can)
        dialect = self._dialect()
        call = new_call(
            settings,
            dialect,
            0.0,
            random=lambda: 0.5,
            people=people_of(settings).at(header.carrier),
            can=can,
            resume_s=header.resume_s,
            announcement=announcement_of(settings),
            plan=failover_plan(settings, header.assistant or settings.assistant, goodbye_of(settings)),
        )
        capture = Capture(
            CapturedCall(header.carrier, header.stream, can, header.resume_s),
            recorded,
            CaptureRules(has_assistant=True, shows=not header.masked, version=header.version),
            lambda _call_id: self._trace,
            lambda name: settings.assistant_kinds.get(name, ""),
            lambda: self._now,
        )
        return DrySession(dialect, call, capture, self._connect, lambda: self._now, self._sent)

    def _dialect(self) -> Carrier:
        header = self._header
        return CARRIERS[header.carrier].stream(
            self._settings.carrier(header.carrier), header.stream == "listen"
        )

    def run(self) -> bytes:
        """Replay all of it. Returns the content of the trace that comes out."""
        while not self._session.is_over and self._step():
            pass
        if not self._trace.content and self._header.call_id:
            raise BadTrace(
                f"no message of the carrier starts the call: expected messages of {self._header.carrier}'s, as the header has it"
            )
        return bytes(self._trace.content)

    def stop(self) -> bytes:
        """End the replay where it is. Returns the trace so far."""
        self._session.capture.close(self._now, NO_ACCOUNT)
        return bytes(self._trace.content)

    def _step(self) -> bool:
        """Do what comes next. Returns False when nothing does."""
        due = self._session.deadline()
        if self._late:
            self._feed(self._late.popleft())
            return True
        line = self._lines[0] if self._lines else None
        if line is not None and (due is None or line.at_ms / 1000 <= due):
            self._now = max(self._now, line.at_ms / 1000)
            self._feed(self._lines.popleft())
            return True
        if due is None or due > self._ends_s + (0.0 if self._is_cut_off else LINGER_S):
            return False
        self._now = max(self._now, due)
        self._session.wake()
        return True

    # What the trace says

    def _feed(self, line: TraceLine) -> None:
        if line.what == "tool":
            if (answered := self._running.pop(line.tool_call_id, None)) is not None:
                answered(line.output)
        elif line.what == "told":
            if (event := _told(line)) is not None:
                self._session.handle(event)
        elif line.leg.startswith(CARRIER):
            self._feed_carrier(line)
        elif (peer := self._peers.get(line.leg)) is None:
            self._not_open[line.leg].append(line)
        elif line.what:
            peer.lost(line.code, line.reason)
        else:
            peer.receive(_leg_message(line))

    def _feed_carrier(self, line: TraceLine) -> None:
        stream = self._streams.get(line.leg)
        if stream is None:
            stream = self._streams[line.leg] = Stream(self._session, self._dialect())
        if line.what:
            stream.taps.lost(line.code, line.reason)
            return
        wire = line.wire
        if isinstance(wire, str):
            if line.masked:
                wire = wire.replace(f'"{MASK}"', f'"{PLAYED_KEY}"')
            said = self._marks.returned(wire)
            if said is None:
                return
            wire = said
        stream.taps.receive(wire)

    def _sent(self, message: str | bytes) -> None:
        """A message was sent to the carrier: a mark may be one whose return is due."""
        if (returned := self._marks.sent(message)) is not None:
            self._late.append(TraceLine(self._now * 1000, BRIDGE, text=returned))

    # The assistants

    def _connect(self, command: OpenAssistant, receive: Receive, lost: Lost) -> Connection:
        self._assistants += 1
        leg = f"assistant-{self._assistants}"
        settings = self._settings.assistant_settings(command.assistant)
        dialect = ASSISTANTS[settings.kind].dialect(settings, self._schemas[command.assistant])
        tools = _TraceTools(self._running)
        if settings.address() is None:
            return Connection(dialect, NoLeg(), tools)
        self._peers[leg] = _Peer(receive, lost)
        self._late += self._not_open.pop(leg, ())
        return Connection(dialect, _TraceLeg(), tools)


def _is_input(line: TraceLine) -> bool:
    return line.to == BRIDGE or line.what in ("lost", "tool", "told")


def _leg_message(line: TraceLine) -> LegMessage:
    if line.posted is not None:
        posted = line.posted
        return Posted(posted.status, posted.content_type, posted.body, posted.retry_after_s)
    return line.wire if line.delayed_s is None else PostDelayed(line.delayed_s)


def _told(line: TraceLine) -> Event | None:
    match line.event:
        case "CallEnded":
            return CallEnded()
        case "CloseRequested":
            return CloseRequested(line.reason, line.code)
        case "GoodbyeRequested":
            return GoodbyeRequested(line.reason, line.within_s, line.code)
        case "LegLost":
            return LegLost(LegName.CARRIER, line.code, line.reason)
    return None
