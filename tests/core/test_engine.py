"""The reaction loop, told as a story: what was seen and performed, in order. The core is a script."""

from collections.abc import Callable, Collection, Sequence
from typing import get_args

import pytest

from bridge.core.call import Call
from bridge.core.dialogue import DialogueRules
from bridge.core.engine import CallEngine, Perform
from bridge.core.timers import Limits, Timer
from bridge.vocabulary.commands import (
    AnswerTool,
    AppendAudio,
    AssistantCommand,
    ClearPlayback,
    Command,
    HangUp,
    PlayAudio,
    RunTool,
    SendMark,
    TypeDigit,
)
from bridge.vocabulary.events import (
    CallEnded,
    CallerAudio,
    DigitPressed,
    Event,
    LegLost,
    LegName,
    ReplyAudio,
    SpeechStarted,
    ToolCalled,
    Word,
)

LOST = LegLost(LegName.ASSISTANT, 1006)


class ScriptedCall(Call):
    """A core that answers each event with the commands of a script, or raises."""

    def __init__(self, script: "dict[type[Word], Sequence[Command] | Exception]") -> None:
        super().__init__(0.0, Limits(), DialogueRules(reorder_ms=0))
        self._script = script
        self.handled: list[tuple[Event, float]] = []

    def handle(self, event: Event, now: float) -> list[Command]:
        self.handled.append((event, now))
        if isinstance(event, CallEnded):
            self.timers.stop(*Timer)
        answer = self._script.get(type(event), ())
        if isinstance(answer, Exception):
            raise answer
        return [*answer]


class Watching:
    """An observer of some types, or all."""

    def __init__(self, name: str, story: list[str], sees: Collection[type[Word]] | None) -> None:
        self._name = name
        self._story = story
        self._sees = sees
        self.asked = 0

    @property
    def sees(self) -> Collection[type[Word]] | None:
        self.asked += 1
        return self._sees

    def saw(self, word: Word, _now: float) -> None:
        self._story.append(f"{self._name} saw {type(word).__name__}")


class Engine:
    """An engine, its core and what happened. `tells`: the event that comes of performing a command."""

    def __init__(
        self,
        script: "dict[type[Word], Sequence[Command] | Exception]",
        tells: dict[type[Word], Sequence[Event]] | None = None,
        sees: Sequence[Collection[type[Word]] | None] = (),
    ) -> None:
        self.story: list[str] = []
        self._tells = tells or {}
        self.call = ScriptedCall(script)
        self.observers = [Watching(f"observer {n}", self.story, kinds) for n, kinds in enumerate(sees, 1)]
        self.engine = CallEngine(self.call, self.observers)
        performers: dict[type[Word], Perform] = dict.fromkeys(get_args(Command), self._perform)
        self.engine.perform_with(performers)

    def _perform(self, command: Word, now: float) -> None:
        self.story.append(f"performed {type(command).__name__}")
        for event in self._tells.get(type(command), ()):
            self.engine.handle(event, now + 5.0)

    def handled(self) -> list[type[Event]]:
        return [type(event) for event, _ in self.call.handled]


def test_observers_see_an_event_before_the_core_and_a_command_before_it_is_performed() -> None:
    engine = Engine({DigitPressed: [TypeDigit("1"), SendMark("a")]}, sees=[None, {SendMark, DigitPressed}])
    engine.engine.handle(DigitPressed("1"), 1.0)
    assert engine.story == [
        "observer 1 saw DigitPressed",
        "observer 2 saw DigitPressed",
        "observer 1 saw TypeDigit",
        "performed TypeDigit",
        "observer 1 saw SendMark",
        "observer 2 saw SendMark",
        "performed SendMark",
    ]


def test_who_sees_a_type_is_asked_once() -> None:
    engine = Engine({}, sees=[{SendMark}])
    for _ in range(50):
        engine.engine.handle(CallerAudio(b"", 0), 1.0)
    assert engine.observers[0].asked <= 2
    assert engine.story == []


def test_events_of_a_command_wait_for_the_other_commands_of_its_round() -> None:
    engine = Engine(
        {
            DigitPressed: [TypeDigit("1"), PlayAudio(b"")],
            SpeechStarted: [ClearPlayback(0)],
            ToolCalled: [RunTool("t", "look", "{}")],
        },
        {TypeDigit: [SpeechStarted(), ToolCalled("t", "look", "{}")]},
    )
    engine.engine.handle(DigitPressed("1"), 1.0)
    assert engine.story == [
        "performed TypeDigit",
        "performed PlayAudio",
        "performed ClearPlayback",
        "performed RunTool",
    ]
    assert engine.handled() == [DigitPressed, SpeechStarted, ToolCalled]
    assert {now for _, now in engine.call.handled} == {1.0}, "one round has one time"
    assert not engine.engine.in_round


def test_what_comes_after_the_end_is_dropped() -> None:
    engine = Engine({CallEnded: [HangUp(1000, "")]}, sees=[None])
    assert engine.engine.deadline == 10.0
    engine.engine.handle(CallEnded(), 1.0)
    assert engine.engine.deadline is None
    story = list(engine.story)
    engine.engine.handle(DigitPressed("1"), 2.0)
    assert engine.handled() == [CallEnded]
    assert engine.story == story


def test_an_exception_of_the_core_does_not_lose_the_events_that_wait() -> None:
    engine = Engine(
        {
            DigitPressed: [TypeDigit("1")],
            ToolCalled: ZeroDivisionError("a bug"),
            LegLost: [AnswerTool("", "")],
        },
        {TypeDigit: [ToolCalled("t", "look", "{}"), LOST, SpeechStarted()]},
    )
    with pytest.raises(ZeroDivisionError, match="a bug"):
        engine.engine.handle(DigitPressed("1"), 1.0)
    assert engine.handled() == [DigitPressed, ToolCalled, LegLost, SpeechStarted]
    assert engine.story == ["performed TypeDigit", "performed AnswerTool"]
    assert not engine.engine.in_round
    engine.engine.handle(CallEnded(), 2.0)
    assert engine.engine.deadline is None


def test_each_of_several_exceptions_costs_its_own_event_alone() -> None:
    first, second = ZeroDivisionError("first"), LookupError("second")
    engine = Engine(
        {
            DigitPressed: [TypeDigit("1")],
            ToolCalled: first,
            LegLost: second,
            SpeechStarted: [ClearPlayback(0)],
        },
        {TypeDigit: [ToolCalled("t", "look", "{}"), LOST, SpeechStarted()]},
    )
    with pytest.raises(LookupError, match="second") as raised:
        engine.engine.handle(DigitPressed("1"), 1.0)
    assert raised.value.__context__ is first
    assert engine.story == ["performed TypeDigit", "performed ClearPlayback"]


def test_an_exception_of_a_performer_surfaces_too() -> None:
    def breaks(_command: Word, _now: float) -> None:
        raise ZeroDivisionError("a bug")

    engine = Engine({DigitPressed: [PlayAudio(b"")], SpeechStarted: [TypeDigit("1")]})
    performers: dict[type[Word], Perform] = dict.fromkeys(get_args(Command), engine._perform)
    engine.engine.perform_with(performers | {PlayAudio: breaks})
    with pytest.raises(ZeroDivisionError):
        engine.engine.handle(DigitPressed("1"), 1.0)
    engine.engine.handle(SpeechStarted(), 2.0)
    assert engine.story == ["performed TypeDigit"]


def test_a_command_without_a_performer_is_refused_before_the_call_begins() -> None:
    perform: Callable[[Word, float], None] = lambda _command, _now: None  # noqa: E731
    engine = CallEngine(ScriptedCall({}))
    some: dict[type[Word], Perform] = dict.fromkeys(get_args(AssistantCommand), perform)
    with pytest.raises(
        ValueError,
        match="without a performer: BriefPerson, CallPeople, CallSupervisor, ChangeSupervisor, ClearPlayback",
    ):
        engine.perform_with(some)


FRAME, PIECE = CallerAudio(b"frame", 0), ReplyAudio("item", b"piece")
STRAIGHT: list[Command] = [PlayAudio(b"piece"), SendMark("a")]


def _caller_lane(_frame: CallerAudio, _now: float) -> list[Command]:
    return [AppendAudio(b"frame")]


def _reply_lane(_piece: ReplyAudio, _now: float) -> list[Command]:
    return [*STRAIGHT]


@pytest.mark.parametrize("straight", [True, False], ids=["by the lane", "by the general way"])
@pytest.mark.parametrize("sees", [[], [None], [{ReplyAudio}, {PlayAudio}], [{AppendAudio}], [{CallerAudio}]])
@pytest.mark.parametrize(
    "tells", [{}, {AppendAudio: [PIECE]}, {PlayAudio: [FRAME, LOST]}, {SendMark: [CallEnded(), FRAME]}]
)
@pytest.mark.parametrize("event", [FRAME, PIECE])
def test_the_ways_of_frames_do_what_the_general_way_does(
    event: CallerAudio | ReplyAudio,
    tells: dict[type[Word], Sequence[Event]],
    sees: Sequence[Collection[type[Word]] | None],
    *,
    straight: bool,
) -> None:
    def told(*, frame_way: bool) -> tuple[list[str], list[type[Event]], float | None]:
        asked = Engine({CallerAudio: [AppendAudio(b"frame")], ReplyAudio: STRAIGHT}, tells, sees)
        engine, call = asked.engine, asked.call
        if straight:
            call.lanes = {CallerAudio: _caller_lane, ReplyAudio: _reply_lane}
        engine.on_earlier = lambda: asked.story.append("earlier")
        if not frame_way:
            engine.handle(event, 1.0)
        elif isinstance(event, CallerAudio):
            engine.caller_audio(event, 1.0)
        else:
            engine.reply_audio(event, 1.0)
        return asked.story, asked.handled(), engine.deadline

    assert told(frame_way=True) == told(frame_way=False)
    assert told(frame_way=True)[0], "something happened"
