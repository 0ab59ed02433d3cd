"""The assistant slot, told as a story: what each assistant was sent, and which events reached the core."""

from collections.abc import Callable, Sequence
from typing import get_args

import pytest

from bridge.shell.assistant_slot import AssistantSlot, NoLeg
from bridge.vocabulary.commands import (
    AnswerTool,
    AppendAudio,
    AssistantCommand,
    CloseAssistant,
    EnterDigits,
    OpenAssistant,
    RunTool,
    SwitchToStandby,
    TypeDigit,
)
from bridge.vocabulary.contracts import AssistantOutcome, Connection, LegMessage, Lost, Receive, WireMessage
from bridge.vocabulary.errors import MalformedMessage
from bridge.vocabulary.events import (
    AssistantFailed,
    AssistantReady,
    Event,
    LegLost,
    LegName,
    MessageRefused,
    Opening,
    ReplyEnded,
    SpeechStarted,
    ToolAnswered,
    ToolCalled,
)
from telecodecs.format import PCMU_8K

READY = AssistantReady(PCMU_8K, PCMU_8K)
SAYS: dict[LegMessage, Sequence[AssistantOutcome]] = {
    "ready": [READY],
    "spoke": [SpeechStarted(), "cancel", ReplyEnded("a")],
    "failed": [AssistantFailed("expired")],
    "books": [ToolCalled("c1", "book", "{}")],
}


class RunTools:
    """The tools of one assistant; that they are closed goes into the story."""

    def __init__(self, name: str, story: list[str]) -> None:
        self.ran: RunTool
        self.answered: Callable[[str], None]
        self._name, self._history = name, story

    def run(self, command: RunTool, answered: Callable[[str], None]) -> None:
        self.ran, self.answered = command, answered

    def close(self) -> None:
        self._history.append(f"{self._name}: tools stopped")


class Attached:
    """An assistant and its leg in one; what it is told goes into the story."""

    def __init__(self, name: str, story: list[str], receive: Receive, lost: Lost) -> None:
        self.stalled = False
        self.breaks = False
        self.tells: Sequence[AssistantOutcome] = ()
        """Of each command, beside its name."""
        self.told: list[AssistantCommand] = []
        self.due_at: float | None = None
        self.name, self.receive, self.lost = name, receive, lost
        self.tools = RunTools(name, story)
        self._history = story

    def encode(self, command: AssistantCommand, now: float) -> Sequence[AssistantOutcome]:
        if self.breaks:
            raise ZeroDivisionError("a bug")
        self.told.append(command)
        return [*self.tells, type(command).__name__]

    def decode(self, message: LegMessage, now: float) -> Sequence[AssistantOutcome]:
        if message == "a bug":
            raise ZeroDivisionError(message)
        if message not in SAYS:
            raise MalformedMessage("no word of ours")
        return SAYS[message]

    def deadline(self) -> float | None:
        return self.due_at

    def due(self, now: float) -> Sequence[AssistantOutcome]:
        self.due_at = None
        return [f"due at {now:g}"]

    def is_reply_owed(self, now: float) -> bool:
        return False

    def send(self, message: WireMessage) -> None:
        self._history.append(f"{self.name}: {message!s}")

    def close(self, code: int = 1000, reason: str = "") -> None:
        self._history.append(f"{self.name}: closed")


class Scene:
    """A slot, every assistant that was attached to it, and what the core was told."""

    def __init__(self) -> None:
        self.now = 0.0
        self.story: list[str] = []
        self.heard: list[Event] = []
        self.attached: list[Attached] = []
        self.tells: Sequence[AssistantOutcome] = ()
        """What the next one tells of each command."""
        self.slot = AssistantSlot(self._connect, self._hear, lambda: None, lambda: self.now)

    def _hear(self, event: Event, now: float) -> None:
        assert now == self.now
        self.heard.append(event)

    def _connect(self, command: OpenAssistant, receive: Receive, lost: Lost) -> Connection:
        if command.assistant == "nobody":
            raise ZeroDivisionError("a bug")
        attached = Attached(command.assistant, self.story, receive, lost)
        attached.tells = self.tells
        self.attached.append(attached)
        return Connection(attached, attached, attached.tools)

    def open(self, name: str) -> Attached | None:
        self.slot.open(OpenAssistant("CA1", PCMU_8K, {}, name, Opening.FIRST), self.now)
        return self.attached[-1] if self.attached else None

    def told(self) -> list[str]:
        told, self.story[:] = self.story[:], []
        return told


def attached_one() -> tuple[Scene, Attached]:
    scene = Scene()
    ann = scene.open("ann")
    assert ann is not None
    ann.receive("ready")
    assert scene.told() == ["ann: OpenAssistant"]
    assert scene.heard == [READY]
    scene.heard.clear()
    return scene, ann


def with_standby() -> tuple[Scene, Attached, Attached]:
    scene, ann = attached_one()
    bob = scene.open("bob")
    assert bob is not None
    assert scene.told() == ["bob: OpenAssistant"]
    return scene, ann, bob


def test_what_it_says_is_heard_and_what_it_answers_is_sent_in_order() -> None:
    scene, ann = attached_one()
    ann.receive("spoke")
    assert scene.heard == [SpeechStarted(), ReplyEnded("a")]
    assert scene.told() == ["ann: cancel"]


def test_a_malformed_message_is_dropped() -> None:
    scene, ann = attached_one()
    ann.receive("rubbish")
    assert scene.heard == [MessageRefused(LegName.ASSISTANT, "no word of ours")]
    scene.slot.send_command(TypeDigit("1"), 0.0)
    assert scene.told() == ["ann: TypeDigit"]


def test_a_standby_becomes_active_when_the_core_says_so() -> None:
    scene, ann, bob = with_standby()
    scene.slot.send_command(TypeDigit("1"), 0.0)
    bob.receive("spoke")  # its events do not count yet, its messages go out
    assert scene.heard == []
    assert scene.told() == ["ann: TypeDigit", "bob: cancel"]
    bob.receive("ready")
    assert scene.heard == [AssistantReady(PCMU_8K, PCMU_8K, is_standby=True)]
    assert scene.told() == []
    scene.slot.switch_to_standby(SwitchToStandby(), 0.0)
    assert scene.told() == ["ann: closed"]
    ann.receive("spoke")
    ann.lost(1000, "")
    scene.slot.send_command(TypeDigit("2"), 0.0)
    assert scene.told() == ["bob: TypeDigit"]
    assert len(scene.heard) == 1


def test_without_a_standby_there_is_no_switch() -> None:
    scene, _ = attached_one()
    scene.slot.switch_to_standby(SwitchToStandby(), 0.0)
    scene.slot.send_command(TypeDigit("1"), 0.0)
    assert scene.told() == ["ann: TypeDigit"]


@pytest.mark.parametrize("how", ["lost", "failed", "a bug"])
def test_a_standby_that_comes_to_nothing_leaves_the_slot_as_it_is(how: str) -> None:
    scene, ann, bob = with_standby()
    if how == "lost":
        bob.lost(1006, "")
    else:
        bob.receive(how)
    (lost,) = scene.heard
    assert isinstance(lost, LegLost)
    assert lost.leg is LegName.STANDBY
    assert scene.told() == ([] if how == "lost" else ["bob: closed"])
    ann.receive("ready")
    assert scene.heard[1:] == [READY]


def test_another_standby_replaces_the_one_that_waits() -> None:
    scene, _, bob = with_standby()
    scene.open("cid")
    assert scene.told() == ["bob: closed", "cid: OpenAssistant"]
    bob.receive("ready")
    assert scene.heard == []


def test_after_a_loss_the_next_one_is_active_at_once() -> None:
    scene, ann, _ = with_standby()
    ann.lost(1006, "gone")
    assert scene.heard == [LegLost(LegName.ASSISTANT, 1006, "gone")]
    assert scene.told() == ["bob: closed"]
    scene.open("cid")
    assert scene.told() == ["cid: OpenAssistant"]
    scene.slot.send_command(TypeDigit("1"), 0.0)
    assert scene.told() == ["cid: TypeDigit"]


def test_closing_frees_the_slot_and_closes_the_standby() -> None:
    scene, ann, bob = with_standby()
    scene.slot.close(CloseAssistant(), 0.0)
    assert scene.told() == ["ann: CloseAssistant", "ann: closed", "bob: closed"]
    ann.lost(1000, "")
    bob.lost(1000, "")
    scene.slot.close(CloseAssistant(), 0.0)
    scene.slot.send_command(TypeDigit("1"), 0.0)
    assert scene.told() == []
    assert scene.heard == []


def test_an_exception_in_an_assistant_closes_it() -> None:
    scene, ann = attached_one()
    ann.breaks = True
    scene.slot.send_command(TypeDigit("1"), 0.0)
    assert scene.told() == ["ann: closed"]
    assert scene.heard == [LegLost(LegName.ASSISTANT, 1011, "a fault in the assistant")]


@pytest.mark.parametrize(("before", "leg"), [([], LegName.ASSISTANT), (["ann"], LegName.STANDBY)])
def test_one_that_cannot_even_be_opened(before: list[str], leg: LegName) -> None:
    scene = Scene()
    for name in before:
        scene.open(name)
    scene.open("nobody")
    assert scene.heard == [LegLost(leg, 1011, "a fault in the assistant")]


def test_one_that_reads_too_slowly_hears_less() -> None:
    scene, ann = attached_one()
    ann.stalled = True
    scene.slot.append(AppendAudio(b""), 0.0)
    scene.slot.send_command(TypeDigit("1"), 0.0)
    ann.stalled = False
    scene.slot.append(AppendAudio(b""), 0.0)
    assert scene.told() == ["ann: TypeDigit", "ann: AppendAudio"]
    assert scene.slot.counts() == {"not_sent_to_assistant": 1}


def test_what_falls_due_is_asked_for_in_time() -> None:
    scene, ann, bob = with_standby()
    assert scene.slot.deadline() is None
    ann.due_at = 2.0
    assert scene.slot.deadline() == 2.0
    bob.due_at = 1.0
    assert scene.slot.deadline() == 1.0
    scene.now = 1.5
    scene.slot.fall_due(scene.now)
    assert scene.told() == ["bob: due at 1.5"]
    assert scene.slot.deadline() == 2.0


# Tools


def run(scene: Scene, of: Attached, arguments: str = "{}") -> str:
    """A tool that this assistant calls; returns the id of the call."""
    of.receive("books")
    (called,) = scene.heard
    assert isinstance(called, ToolCalled)
    scene.slot.run_tool(RunTool(called.tool_call_id, called.tool, arguments), 0.0)
    scene.heard.clear()
    return called.tool_call_id


def test_a_tool_is_answered_through_the_core() -> None:
    scene, ann = attached_one()
    assert run(scene, ann) == "c1"
    assert ann.tools.ran == RunTool("c1", "book", "{}")
    ann.tools.answered("nine o'clock")
    assert scene.heard == [ToolAnswered("c1", "nine o'clock")]


def test_a_sensitive_entry_is_opened_for_tools_alone() -> None:
    scene, ann = attached_one()
    scene.slot.enter(EnterDigits("4711", placeholder="entry-1"), 0.0)
    run(scene, ann, '{"card":"entry-1"}')
    assert ann.tools.ran == RunTool("c1", "book", '{"card":"4711"}')
    ann.tools.answered("4711 was charged")
    assert scene.heard == [ToolAnswered("c1", "entry-1 was charged")]


def lose(scene: Scene, ann: Attached, how: str) -> None:
    match how:
        case "lost":
            ann.lost(1011, "")
        case "it failed":
            scene.slot.close(CloseAssistant(), 0.0)
        case "renewed":
            bob = scene.open("bob")
            assert bob is not None
            scene.slot.switch_to_standby(SwitchToStandby(), 0.0)
        case "a bug":
            ann.receive("a bug")


@pytest.mark.parametrize("how", ["lost", "it failed", "renewed", "a bug"])
def test_a_tool_outlives_its_assistant_and_ends_with_the_call(how: str) -> None:
    scene, ann = attached_one()
    scene.slot.enter(EnterDigits("4711", placeholder="entry-1"), 0.0)
    run(scene, ann)
    lose(scene, ann, how)
    assert "ann: tools stopped" not in scene.told()
    scene.heard.clear()
    ann.tools.answered("4711 was charged")
    assert scene.heard == [ToolAnswered("c1", "entry-1 was charged")]
    scene.slot.end()
    assert scene.told() == ["ann: tools stopped"]


def test_a_tool_is_run_though_its_assistant_is_gone_since_it_was_called() -> None:
    scene, ann = attached_one()
    ann.receive("books")
    ann.lost(1011, "")
    scene.slot.run_tool(RunTool("c1", "book", "{}"), 0.0)
    assert ann.tools.ran == RunTool("c1", "book", "{}")


def test_two_assistants_may_give_their_calls_the_same_id() -> None:
    scene, ann = attached_one()
    assert run(scene, ann) == "c1"
    ann.lost(1011, "")
    scene.heard.clear()
    bob = scene.open("bob")
    assert bob is not None
    assert [run(scene, bob), run(scene, bob)] == ["c1.2", "c1.2"]  # as often as it likes
    ann.tools.answered("ann's")
    bob.tools.answered("bob's")
    assert scene.heard == [ToolAnswered("c1", "ann's"), ToolAnswered("c1.2", "bob's")]
    bob.told.clear()
    scene.slot.answer_tool(AnswerTool("c1", "ann's", is_late=True), 0.0)
    scene.slot.answer_tool(AnswerTool("c1.2", "bob's"), 0.0)
    assert bob.told == [AnswerTool("c1", "ann's", is_late=True), AnswerTool("c1", "bob's")]
    scene.slot.end()
    assert scene.told()[-2:] == ["ann: tools stopped", "bob: tools stopped"]


def test_events_and_messages_of_a_command_are_told_in_order() -> None:
    scene, ann = attached_one()
    ann.tells = ["before", SpeechStarted(), "between", ReplyEnded("a")]
    scene.slot.append(AppendAudio(b""), 0.0)
    assert scene.told() == ["ann: before", "ann: between", "ann: AppendAudio"]
    assert scene.heard == [SpeechStarted(), ReplyEnded("a")]


def test_what_a_standby_tells_of_a_command_does_not_count_but_that_it_is_ready() -> None:
    scene, _ = attached_one()
    scene.tells = [SpeechStarted(), READY]
    scene.open("bob")
    assert scene.told() == ["bob: OpenAssistant"]
    assert scene.heard == [AssistantReady(PCMU_8K, PCMU_8K, is_standby=True)]


def test_every_command_to_an_assistant_has_a_performer() -> None:
    performers = Scene().slot.performers
    assert performers.keys() == {*get_args(AssistantCommand), SwitchToStandby, RunTool}


def test_an_assistant_in_this_process_can_send_nothing() -> None:
    leg = NoLeg()
    with pytest.raises(TypeError, match="sends no messages: str"):
        leg.send("a message")
    leg.close()
    assert not leg.stalled
