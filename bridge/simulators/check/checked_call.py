"""One call that checks an assistant: the bridge's own core and dialect, a simulated line and a script that plays it.

How the assistant is reached (`Dial`) and what time it is (`clock`, seconds) is left open. Call `advance` at `deadline`.
"""

from collections.abc import Callable, Collection, Generator
from typing import Any, NamedTuple, Protocol

from bridge.core.call import Call
from bridge.core.dialogue import DialogueRules
from bridge.core.engine import CallEngine
from bridge.core.timers import Limits
from bridge.shell.assistant_slot import AssistantSlot
from bridge.simulators.check.facts import Facts
from bridge.simulators.check.line import FORMAT, Line
from bridge.simulators.check.rules import Rule
from bridge.simulators.check.watch import StreamWatch
from bridge.vocabulary.commands import (
    CONTROL_COMMANDS,
    SHELL_COMMANDS,
    ClearPlayback,
    HangUp,
    OpenAssistant,
    PlayAudio,
    RunTool,
    SendMark,
)
from bridge.vocabulary.contracts import (
    Assistant,
    Connection,
    Leg,
    LegMessage,
    Lost,
    Receive,
    WireMessage,
)
from bridge.vocabulary.dispatch import on_bound
from bridge.vocabulary.events import (
    AssistantFailed,
    AssistantReady,
    CallEnded,
    CallStarted,
    EntryRequested,
    Event,
    LegLost,
    TimePassed,
    Word,
)

TYPED = "1234567890" * 13
"""What the caller types when asked to: as much of it as is wanted."""

THINKS_S = 0.5
"""How long the caller thinks before typing."""

CUT = "cut by the check"


class Way(Leg[Any], Protocol):
    """A leg to the assistant that can be cut."""

    @property
    def gone(self) -> bool:
        """Whether its connection is closed, at both ends."""
        ...

    def cut(self) -> None:
        """Break the connection, with nothing said."""
        ...


Dial = Callable[[Receive, Lost], Way]
"""Opens a leg to the assistant that is checked."""


class Wait(NamedTuple):
    """A script waits until a condition is met, but no longer than `limit_s`; it gets back whether it was met."""

    until: Callable[[], bool]
    limit_s: float


Script = Generator[Wait, bool, None]


class Trouble(NamedTuple):
    """A fault that lost the assistant. `during`: the rule that the script was checking."""

    during: Rule
    why: str


class _NoTools:
    """The assistant has no tools."""

    def run(self, command: RunTool, answered: Callable[[str], None]) -> None:
        answered("there are no tools in this call")

    def close(self) -> None:
        pass


class _Tapped:
    """A leg whose messages the `StreamWatch` sees too."""

    def __init__(self, way: Way, watch: StreamWatch, clock: Callable[[], float]) -> None:
        self.way = way
        self._watch = watch
        self._clock = clock

    @property
    def stalled(self) -> bool:
        return self.way.stalled

    def send(self, message: WireMessage) -> None:
        self._watch.sent(message, self._clock())
        self.way.send(message)

    def close(self, code: int = 1000, reason: str = "") -> None:
        self.way.close(code, reason)


class CheckedCall:
    """One call. `name`: its call id. `play` makes the script, which begins with the call.

    `watched`: the assistant speaks the stream protocol, and its messages are checked one by one.
    """

    sees: Collection[type[Word]] = frozenset({EntryRequested, AssistantReady, AssistantFailed, LegLost})

    def __init__(
        self,
        name: str,
        dialect: Callable[[], Assistant],
        dial: Dial,
        play: Callable[["CheckedCall"], Script],
        clock: Callable[[], float],
        *,
        watched: bool = True,
    ) -> None:
        now = clock()
        self._watched = watched
        self.facts = Facts()
        self.watch = StreamWatch()
        self.line = Line(now)
        self.over = False
        """The script has come to its end, or the call has."""
        self.act = Rule.HELLO
        """What the script is about."""
        self.troubles: list[Trouble] = []
        """Faults that lost the assistant, or the connection to it."""
        self._clock = clock
        self._dialect = dialect
        self._dial = dial
        self._call = Call(now, Limits(), DialogueRules(reorder_ms=0))
        self._engine = CallEngine(self._call, [self.facts, self])
        self._slot = AssistantSlot(self._connect, self._engine.handle, _no_timer, clock)
        performers = [
            on_bound(PlayAudio, self.line.play),
            on_bound(SendMark, self.line.mark),
            on_bound(ClearPlayback, self.line.clear),
            on_bound(HangUp, _nothing),
        ]
        performers += [on_bound(kind, _nothing) for kind in (*CONTROL_COMMANDS, *SHELL_COMMANDS)]
        self._engine.perform_with({**dict(performers), **self._slot.performers})
        self._caller_left = False
        self.ways: list[Way] = []
        """Its connections, in order."""
        self._lost: Lost
        self._script = play(self)
        self._wait = Wait(lambda: True, 0.0)
        self._gives_up = now
        self._handle(CallStarted(name, name, FORMAT))
        self._resume(None)

    @property
    def now(self) -> float:
        """Seconds on the call's clock."""
        return self._clock()

    def deadline(self) -> float:
        """When `advance` wants to be called next, at the latest."""
        wishes = (self._call.deadline(), self._slot.deadline(), self.line.deadline())
        return min(at for at in wishes if at is not None)

    def advance(self) -> None:
        """Do what is due by now."""
        now = self._clock()
        self._slot.fall_due(now)
        for event in self.line.due(now):
            self._handle(event)
        if (due := self._call.deadline()) is not None and due <= now:
            self._handle(TimePassed())
        while not self.over and ((met := self._wait.until()) or now >= self._gives_up):
            self._resume(met)
        if not self.over and not self._caller_left and self._call.deadline() is None:
            self.over = True
            self._script.close()

    def hang_up(self) -> None:
        """The caller hangs up."""
        self._caller_left = True
        self._handle(CallEnded())

    def break_connection(self) -> None:
        """Break the connection to the assistant without a close, as networks do."""
        self.ways[-1].cut()
        self._lost(1006, CUT)

    def tell(self, message: str) -> None:
        """Send the assistant a message that no bridge of today sends."""
        self.ways[-1].send(message)

    def _resume(self, met: bool | None) -> None:
        try:
            self._wait = self._script.send(met)  # type: ignore[arg-type]  # a generator begins with None
        except StopIteration:
            self.over = True
        else:
            self._gives_up = self._clock() + self._wait.limit_s

    def _connect(self, _command: OpenAssistant, receive: Receive, lost: Lost) -> Connection:
        def received(message: LegMessage) -> None:
            if isinstance(message, str | bytes):
                self.watch.received(message, self._clock())
            receive(message)

        if self.ways:
            self.watch.reconnected()
        self._lost = lost
        way = self._dial(received if self._watched else receive, lost)
        self.ways.append(way)
        leg = _Tapped(way, self.watch, self._clock) if self._watched else way
        return Connection(self._dialect(), leg, _NoTools())

    def _handle(self, event: Event) -> None:
        self._engine.handle(event, self._clock())

    def saw(self, word: Word, now: float) -> None:
        """As an observer of the call: what the caller, the watch and the report have to know."""
        match word:
            case EntryRequested():
                self._type(word, now)
            case AssistantReady():
                self.watch.speaks(word.speaks)
            case AssistantFailed(why):
                self.troubles.append(Trouble(self.act, why))
            case LegLost(_, code, reason) if reason != CUT:
                why = f"the connection was lost: {reason or 'no reason was given'} ({code})"
                self.troubles.append(Trouble(self.act, why))

    def _type(self, wanted: EntryRequested, now: float) -> None:
        """The caller types what the assistant asks for."""
        ends = "#" if wanted.terminator is None else wanted.terminator[:1]
        self.line.type(TYPED[: wanted.length or 4] + ("" if wanted.length else ends), now + THINKS_S)


def _nothing(_command: Word, _now: float) -> None:
    pass


def _no_timer() -> None:
    """A deadline has changed: there is no timer to move, `deadline` is asked after each step."""
