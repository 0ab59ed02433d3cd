"""One call that is checked: the bridge's own core and dialect, a pretend line in front and a script that plays it.

What it leaves open: how the assistant is reached (`Dial`) and what time it is (`clock`, seconds). `advance` at `deadline`.
"""

from collections import deque
from collections.abc import Callable, Generator
from typing import Any, NamedTuple, Protocol

from bridge.core.call import Call
from bridge.core.dialogue import DialogueRules
from bridge.core.timers import Limits
from bridge.shell.assistant_slot import AssistantSlot
from bridge.simulators.check.facts import Facts
from bridge.simulators.check.line import FORMAT, Line
from bridge.simulators.check.rules import Rule
from bridge.simulators.check.watch import StreamWatch
from bridge.vocabulary.commands import (
    ClearPlayback,
    HangUp,
    OpenAssistant,
    PlayAudio,
    PressKeys,
    RunTool,
    SendMark,
    SetSensitive,
)
from bridge.vocabulary.contracts import Assistant, Connection, Leg, Lost, Message, Receive
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
"""What the caller types when he is asked to: as much of it as is wanted."""

THINKS_S = 0.5
"""The caller, before he types."""

CUT = "cut by the check"


class Way(Leg, Protocol):
    """The way to the assistant."""

    @property
    def gone(self) -> bool:
        """Whether its connection is closed, at both ends."""
        ...

    def cut(self) -> None:
        """Break the connection, with nothing said."""
        ...


Dial = Callable[[Receive, Lost], Way]
"""Opens a way to the assistant that is checked."""


class Wait(NamedTuple):
    """A script waits until something is so, but no longer than `limit_s`; it is told whether it was."""

    until: Callable[[], bool]
    limit_s: float


Script = Generator[Wait, bool, None]


class Trouble(NamedTuple):
    """What the assistant did not survive. `during`: what the script was about."""

    during: Rule
    why: str


class _NoTools:
    """The assistant is told of none."""

    def run(self, command: RunTool, answered: Callable[[str], None]) -> None:
        answered("there are no tools in this call")

    def close(self) -> None:
        pass


class _Tapped:
    """A leg with a watch on it."""

    def __init__(self, way: Way, watch: StreamWatch, clock: Callable[[], float]) -> None:
        self.way = way
        self._watch = watch
        self._clock = clock

    @property
    def stalled(self) -> bool:
        return self.way.stalled

    def send(self, message: Message) -> None:
        assert isinstance(message, (str, bytes)), "a socket carries text or bytes"
        self._watch.sent(message, self._clock())
        self.way.send(message)

    def close(self, code: int = 1000, reason: str = "") -> None:
        self.way.close(code, reason)


class CheckedCall:
    """`name`: the carrier's for the call. `play` makes the script, which begins with the call.

    `watched`: its messages are those of the stream protocol.
    """

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
        """In which the assistant, or the connection to it, was lost."""
        self._clock = clock
        self._dialect = dialect
        self._dial = dial
        self._call = Call(now, Limits(), DialogueRules(reorder_ms=0))
        self._slot = AssistantSlot(self._connect, self._handle, lambda: None, clock)
        self._waiting: deque[Event] = deque()
        self._in_round = False
        self._caller_left = False
        self._performs: dict[type[Word], Callable[[Any, float], None]] = {  # all others go to the assistant
            PlayAudio: self.line.play,
            SendMark: self.line.mark,
            ClearPlayback: self.line.clear,
            HangUp: _nothing,
            PressKeys: _nothing,
            SetSensitive: _nothing,
            **self._slot.performs,
        }
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
        """What is due by now happens."""
        now = self._clock()
        self._slot.fall_due()
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
        """The caller does."""
        self._caller_left = True
        self._handle(CallEnded())

    def break_connection(self) -> None:
        """The assistant's breaks, with nothing said, as networks do it."""
        self.ways[-1].cut()
        self._lost(1006, CUT)

    def tell(self, message: str) -> None:
        """Something that no bridge of today says."""
        self.ways[-1].send(message)

    def _resume(self, met: bool | None) -> None:
        try:
            self._wait = self._script.send(met)  # type: ignore[arg-type]  # a generator begins with None
        except StopIteration:
            self.over = True
        else:
            self._gives_up = self._clock() + self._wait.limit_s

    def _connect(self, _command: OpenAssistant, receive: Receive, lost: Lost) -> Connection:
        def received(message: Message) -> None:
            assert isinstance(message, (str, bytes)), "a socket carries text or bytes"
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
        self._waiting.append(event)
        if self._in_round:
            return
        self._in_round = True
        try:
            while self._waiting:
                self._carry(self._waiting.popleft())
        finally:
            self._in_round = False

    def _carry(self, event: Event) -> None:
        now = self._clock()
        self.facts.saw(event, now)
        match event:
            case EntryRequested():
                self._obey(event, now)
            case AssistantReady():
                self.watch.speaks(event.speaks)
            case AssistantFailed(why):
                self.troubles.append(Trouble(self.act, why))
            case LegLost(_, code, reason) if reason != CUT:
                why = f"the connection was lost: {reason or 'no reason was given'} ({code})"
                self.troubles.append(Trouble(self.act, why))
        for command in self._call.handle(event, now):
            self.facts.saw(command, now)
            self._performs.get(type(command), self._slot.tell)(command, now)

    def _obey(self, wish: EntryRequested, now: float) -> None:
        """The caller types what he is asked for."""
        ends = "#" if wish.terminator is None else wish.terminator[:1]
        self.line.type(TYPED[: wish.length or 4] + ("" if wish.length else ends), now + THINKS_S)


def _nothing(_command: Word, _now: float) -> None:
    pass
