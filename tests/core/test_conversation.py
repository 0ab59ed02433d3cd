"""`Conversation`, as call transcripts: when, what came, what we do."""

from collections.abc import Sequence

from bridge.core.call import Call
from bridge.core.dialogue import DialogueRules
from bridge.core.timers import Limits
from bridge.vocabulary.commands import (
    AnswerTool,
    ClearPlayback,
    Command,
    DropReply,
    EnterDigits,
    PlayAudio,
    RunTool,
    SendMark,
    TruncateReply,
    TypeDigit,
)
from bridge.vocabulary.events import (
    AssistantReady,
    AssistantReportedError,
    CallStarted,
    DigitPressed,
    EntryEnd,
    Event,
    ReplyAudio,
    ReplyDelayed,
    SpeechStarted,
    SpeechStopped,
    TimePassed,
    ToolAnswered,
    ToolCalled,
)
from telecodecs.format import PCMU_8K

FRAME = bytes(range(160))
FIFTH = FRAME * 10  # 200 ms

Row = tuple[float, Event, Sequence[Command]]


def talking(*, keys_interrupt: bool = False) -> Call:
    call = Call(0.0, Limits(), DialogueRules(reorder_ms=40))
    call.handle(CallStarted("CA1", "MZ1", PCMU_8K), 0.0)
    call.handle(AssistantReady(PCMU_8K, PCMU_8K, keys_interrupt=keys_interrupt), 0.0)
    return call


def follow(call: Call, transcript: Sequence[Row]) -> None:
    for when, event, commands in transcript:
        assert call.handle(event, when) == list(commands), f"at {when}: {event}"


def test_keys_are_passed_on_one_by_one_and_then_as_an_entry() -> None:
    follow(
        talking(),
        [
            (1.0, DigitPressed("1"), [TypeDigit("1")]),
            (1.5, DigitPressed("2"), [TypeDigit("2")]),
            (2.4, TimePassed(), []),
            (2.5, TimePassed(), [EnterDigits("12")]),
            (3.0, DigitPressed("3"), [TypeDigit("3")]),
            (3.1, DigitPressed("#"), [TypeDigit("#"), EnterDigits("3", EntryEnd.TERMINATOR, "#")]),
        ],
    )


def test_an_entry_interrupts_where_the_assistant_wants_that() -> None:
    follow(
        talking(keys_interrupt=True),
        [
            (1.0, ReplyAudio("a", FIFTH * 2), [PlayAudio(FIFTH), SendMark("0.1"), PlayAudio(FIFTH), SendMark("0.2")]),
            (1.05, DigitPressed("7"), [ClearPlayback(2800), TruncateReply("a", 50), TypeDigit("7")]),
            (1.06, ReplyAudio("b", FRAME), [PlayAudio(FRAME)]),
            (1.07, DigitPressed("8"), [TypeDigit("8")]),
            (
                1.1,
                DigitPressed("#"),
                [
                    ClearPlayback(0),
                    TruncateReply("b", 20),
                    TypeDigit("#"),
                    EnterDigits("78", EntryEnd.TERMINATOR, "#"),
                ],
            ),
        ],
    )  # fmt: skip


def test_an_entry_is_heard_beside_what_is_played_where_it_does_not() -> None:
    call = talking()
    call.handle(ReplyAudio("a", FIFTH), 1.0)
    follow(call, [(1.1, DigitPressed("#"), [TypeDigit("#"), EnterDigits("", EntryEnd.TERMINATOR, "#")])])


def test_a_caller_who_speaks_and_does_not_interrupt() -> None:
    call = talking()
    call.handle(ReplyAudio("a", FIFTH), 1.0)
    follow(
        call,
        [
            (1.1, SpeechStarted(interrupts=False), []),
            (1.1, SpeechStarted(), [ClearPlayback(800), TruncateReply("a", 100)]),
        ],
    )


def test_tools_run_beside_the_call_and_are_answered_in_any_order() -> None:
    follow(
        talking(),
        [
            (1.0, ToolCalled("c1", "slots", "{}"), [RunTool("c1", "slots", "{}")]),
            (1.0, ToolCalled("c2", "price", "[]"), [RunTool("c2", "price", "[]")]),
            (1.2, ToolAnswered("c2", "30"), [AnswerTool("c2", "30")]),
            (1.3, ToolAnswered("c1", "9:00"), [AnswerTool("c1", "9:00")]),
            (1.3, ToolAnswered("c1", "9:00"), []),
            (1.4, AssistantReportedError("once is enough"), []),
        ],
    )


def test_an_id_that_was_answered_may_come_again() -> None:
    follow(
        talking(),
        [
            (1.0, ToolCalled("c1", "slots", "{}"), [RunTool("c1", "slots", "{}")]),
            (1.2, ToolAnswered("c1", "9:00"), [AnswerTool("c1", "9:00")]),
            (2.0, ToolCalled("c1", "price", "{}"), [RunTool("c1", "price", "{}")]),
            (2.2, ToolAnswered("c1", "30"), [AnswerTool("c1", "30")]),
        ],
    )


def test_a_reply_that_is_delayed_is_counted_and_still_expected() -> None:
    call = talking()
    conversation = call._dialogue.conversation
    follow(call, [(1.0, SpeechStarted(), []), (2.0, SpeechStopped(), []), (3.0, ReplyDelayed(4.0), [])])
    assert not conversation.is_quiet(11.9)
    assert conversation.is_quiet(12.0)
    assert call.counts() == {"replies_delayed": 1}


def test_what_was_dropped_or_cut_is_counted_once() -> None:
    call = talking()
    follow(
        call,
        [
            (1.0, ReplyAudio("a", FRAME), [PlayAudio(FRAME)]),
            (1.0, ReplyAudio("b", FRAME), [SendMark("0.1"), PlayAudio(FRAME)]),
            (1.01, SpeechStarted(), [ClearPlayback(240), TruncateReply("a", 10), DropReply("b")]),
            (1.02, SpeechStarted(), []),
        ],
    )
    assert call.counts() == {"barge_ins": 1}
