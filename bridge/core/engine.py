"""The reaction loop of one call: feed the core, have its commands performed, show both to observers.

No clock and no I/O: whoever drives it brings the events and the time, and performs the commands.
"""

from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from types import MethodType
from typing import Any, Protocol, get_args

from bridge.core.call import Call
from bridge.vocabulary.commands import AppendAudio, Command, PlayAudio
from bridge.vocabulary.events import CallerAudio, Event, ReplyAudio, Word

Perform = Callable[[Any, float], None]
"""Performs one command; `now` is seconds on the session's clock."""

COMMANDS: frozenset[type[Word]] = frozenset(get_args(Command))


class SeesWords(Protocol):
    """Whoever is shown events and commands; an `Observer` is, and the account of the call."""

    @property
    def sees(self) -> Collection[type[Word]] | Mapping[type[Word], Callable[[Any, Any, float], None]] | None:
        """The types that it wants to see, or a table of its class with the method that sees each of them; None: all."""
        ...

    def saw(self, word: Word, now: float) -> None:
        """An event before the core gets it, or a command before it is performed."""
        ...


class _Seen(dict[type[Word], tuple[Callable[[Any, float], None], ...]]):
    """Who sees words of a type; a type that nobody wants costs one look-up. A table in `sees` is used in place of `saw`."""

    def __init__(self, observers: Sequence[SeesWords]) -> None:
        super().__init__()
        self._observers = [(one, one.sees) for one in observers]

    def __missing__(self, kind: type[Word]) -> tuple[Callable[[Any, float], None], ...]:
        found = [(one, sees) for one, sees in self._observers if sees is None or kind in sees]
        self[kind] = tuple(
            MethodType(sees[kind], one) if isinstance(sees, Mapping) else one.saw for one, sees in found
        )
        return self[kind]


def _nothing() -> None:
    pass


def _perform_nothing(_command: Word, _now: float) -> None:
    pass


class CallEngine:
    """Feeds one call and has its commands performed. `perform_with` comes before the first event."""

    def __init__(self, call: Call, observers: Sequence[SeesWords] = ()) -> None:
        self._call = call
        self._observers = list(observers)
        self._show()
        self._performers: Mapping[type[Word], Perform] = {}
        self._append: Perform = _perform_nothing
        self._play: Perform = _perform_nothing
        self._waiting: deque[Event] = deque()
        self.in_round = False
        """Whether an event is being handled: one that comes now waits for its turn."""
        self._timers = call.timers
        self.deadline = call.deadline()
        """When the call wants `TimePassed`, at the latest; None once it has ended. Valid outside a round."""
        self.on_earlier: Callable[[], None] = _nothing
        """Called at the end of a round in which the deadline moved to an earlier time, or the call ended."""

    def watch(self, observer: SeesWords) -> None:
        """From the next event on show words to this observer as well, until `unwatch`."""
        if self.deadline is not None:
            self._observers.append(observer)
            self._show()

    def unwatch(self, observer: SeesWords) -> None:
        """Show it no more words."""
        if observer in self._observers:
            self._observers.remove(observer)
            self._show()

    def _show(self) -> None:
        """Words are shown to the observers that there are now."""
        self._seen = _Seen(self._observers)
        self._sees_caller = bool(self._seen[CallerAudio] or self._seen[AppendAudio])
        self._see_reply, self._see_play = self._seen[ReplyAudio], self._seen[PlayAudio]

    def perform_with(self, performers: Mapping[type[Word], Perform]) -> None:
        """What performs each type of command. Raises ValueError if one of them is missing."""
        if missing := sorted(kind.__name__ for kind in COMMANDS - performers.keys()):
            raise ValueError(f"commands without a performer: {', '.join(missing)}")
        self._performers = performers
        self._append, self._play = performers[AppendAudio], performers[PlayAudio]

    def caller_audio(self, event: CallerAudio, now: float) -> None:
        """As `handle`, in fewer steps where the frame goes straight through and no observer wants it. The hot path."""
        lane = None if self.in_round or self._sees_caller else self._call.lanes.get(CallerAudio)
        commands = None if lane is None else lane(event, now)
        if commands is None:
            self.handle(event, now)
            return
        self.in_round = True
        append = self._append
        try:
            for command in commands:
                if type(command) is AppendAudio:
                    append(command, now)
                else:  # of a room
                    self._perform((command,), now)
        finally:
            self.in_round = False
            if self._waiting:
                self.handle(self._waiting.popleft(), now)

    def reply_audio(self, event: ReplyAudio, now: float) -> None:
        """As `handle`, in fewer steps where the piece goes straight through. The hot path."""
        lane = None if self.in_round else self._call.lanes.get(ReplyAudio)
        if lane is None:
            self.handle(event, now)
            return
        self.in_round = True
        play = self._play
        try:
            for saw in self._see_reply:
                saw(event, now)
            commands = lane(event, now)
            if commands is None:
                self._perform(self._call.handle(event, now), now)
                return
            for command in commands:
                if type(command) is not PlayAudio:
                    self._perform([command], now)
                    continue
                for saw in self._see_play:
                    saw(command, now)
                play(command, now)
        finally:
            self.in_round = False
            if self._waiting:
                self.handle(self._waiting.popleft(), now)
            if self._timers.next_due != self.deadline:
                self._follow_timers()

    def handle(self, event: Event, now: float) -> None:
        """Feed the core one event and have its commands performed; then the events that came meanwhile, in order.

        They get the same `now`. What comes after the call has ended is dropped.

        An exception of the core, of a performer or of an observer ends the handling of one event: the rest of its
        commands is not performed. The events that wait are handled all the same, for one may say that a leg is lost;
        then the exception surfaces (the last one, with the others as its context). Where it surfaces in a socket's
        callback, picows logs it and drops that connection, and its loss ends the call, or replaces the assistant, in
        order.
        """
        if self.in_round:
            self._waiting.append(event)
            return
        if self.deadline is None:
            return
        self.in_round = True
        waiting, call, seen, performers = self._waiting, self._call, self._seen, self._performers
        try:
            while True:
                kind: type[Word] = type(event)
                for saw in seen[kind]:
                    saw(event, now)
                lane = call.lanes.get(kind)
                commands = None if lane is None else lane(event, now)
                for command in call.handle(event, now) if commands is None else commands:
                    kind = type(command)
                    for saw in seen[kind]:
                        saw(command, now)
                    performers[kind](command, now)
                if not waiting:
                    break
                event = waiting.popleft()
        finally:
            self.in_round = False
            if waiting:  # after an exception
                self.handle(self._waiting.popleft(), now)
            if self._timers.next_due != self.deadline:
                self._follow_timers()

    def _perform(self, commands: Sequence[Command], now: float) -> None:
        seen, performers = self._seen, self._performers
        for command in commands:
            kind = type(command)
            for saw in seen[kind]:
                saw(command, now)
            performers[kind](command, now)

    def _follow_timers(self) -> None:
        due, before = self._timers.next_due, self.deadline
        self.deadline = due
        if due is None or (before is not None and due < before):
            self.on_earlier()
        if due is None:  # so that nothing refers to whoever drives this in a circle
            self._observers.clear()
            self._show()
            self._performers, self.on_earlier = {}, _nothing
            self._append = self._play = _perform_nothing
