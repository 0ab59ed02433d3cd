"""A person is briefed about a caller, as call transcripts: when, what came, what we do."""

from collections.abc import Sequence
from typing import Any

import pytest

from bridge.core.briefing import GONE, LEAVE_QUIET_S, LEAVE_S, QUIET_S, BriefingCall
from bridge.core.dialogue import DialogueRules
from bridge.core.failover import FailoverPlan
from bridge.core.handover import BRIEFING_S, LEAVING_S
from bridge.core.states import State
from bridge.core.timers import Limits
from bridge.vocabulary.commands import (
    CloseAssistant,
    Command,
    ConfirmHeard,
    HangUp,
    OpenAssistant,
    PlayAudio,
    ReportTransfer,
    SayText,
    SendMark,
    TypeDigit,
)
from bridge.vocabulary.events import (
    AssistantReady,
    CallEnded,
    CallStarted,
    CloseRequested,
    DigitPressed,
    Event,
    GoodbyeRequested,
    LegLost,
    LegName,
    MarkReached,
    Opening,
    ReplyAudio,
    ReplyEnded,
    Said,
    Speaker,
    TimePassed,
)
from bridge.vocabulary.people import (
    Briefing,
    BriefingAccepted,
    BriefingDeclined,
    CallerLeft,
    ReportBriefing,
    TransferRequested,
)
from telecodecs.format import PCMU_8K

START = CallStarted("CA2", "MZ2", PCMU_8K)
READY = AssistantReady(PCMU_8K, PCMU_8K)
FRAME = bytes(range(160))
ABOUT = Briefing("billing", "an invoice", "Ann, invoice 12")
HISTORY = (Said(Speaker.CALLER, "I have a question about invoice 12."),)
ACCEPTED: list[Command] = [ReportBriefing(True), CloseAssistant(), HangUp(1000, "the person takes the call")]
OVER = HangUp(1000, "the person does not take the call")

Row = tuple[float, Event, Sequence[Command]]


def briefing(**how: Any) -> BriefingCall:
    plan = FailoverPlan(("a",), briefing=ABOUT, history=HISTORY)
    return BriefingCall(
        0.0, Limits(retry_s=0, silent_s=10_000), DialogueRules(reorder_ms=0), expected="CA2", plan=plan, **how
    )


def talking(**how: Any) -> BriefingCall:
    call = briefing(**how)
    call.handle(START, 0.0)
    call.handle(READY, 0.0)
    return call


def follow(call: BriefingCall, transcript: Sequence[Row]) -> None:
    for when, event, commands in transcript:
        assert call.handle(event, when) == list(commands), f"at {when}: {event}"


def speaks(call: BriefingCall, now: float, item: str = "a", mark: str = "0.1") -> None:
    """The assistant says something, which is heard at `now`."""
    call.handle(ReplyAudio(item, FRAME), now)
    call.handle(ReplyEnded(item), now)
    call.handle(MarkReached(mark), now)


def test_a_briefing_that_is_accepted() -> None:
    opened = OpenAssistant("CA2", PCMU_8K, {}, "a", Opening.BRIEFING, HISTORY, None, briefing=ABOUT)
    call = briefing()
    follow(
        call,
        [
            (0.1, START, [opened]),
            (0.3, READY, []),
            (0.5, ReplyAudio("a", FRAME), [PlayAudio(FRAME)]),
            (0.5, ReplyEnded("a"), [SendMark("0.1")]),
            (0.6, MarkReached("0.1"), [ConfirmHeard("a")]),
            (9.0, BriefingAccepted(), ACCEPTED),
            (9.1, BriefingAccepted(), []),
        ],
    )
    assert call.state is State.ENDED


NO: list[tuple[str, Event, ReportBriefing]] = [
    ("the person declines", BriefingDeclined("a meeting"), ReportBriefing(False, "a meeting")),
    ("they hang up", CallEnded(), ReportBriefing(False, "they hung up")),
    ("their stream breaks", LegLost(LegName.CARRIER, 1006), ReportBriefing(False, "they hung up")),
    ("the assistant hangs up", CloseRequested("the assistant hung up", 1000), ReportBriefing(False, "the assistant hung up")),
    ("the assistant is lost", LegLost(LegName.ASSISTANT, 1008), ReportBriefing(False, "the assistant was lost")),
    ("the server stops", GoodbyeRequested("the server is closing", 10.0), ReportBriefing(False, "the server is closing")),
]  # fmt: skip


@pytest.mark.parametrize(("event", "report"), [row[1:] for row in NO], ids=[row[0] for row in NO])
def test_a_briefing_that_ends_without_a_yes_is_a_no_and_is_told_once(
    event: Event, report: ReportBriefing
) -> None:
    call = talking()
    came = call.handle(event, 9.0) + call.handle(CallEnded(), 9.1)
    assert [command for command in came if isinstance(command, ReportBriefing)] == [report]
    assert call.state is State.ENDED


def test_a_briefing_lasts_two_minutes_at_most() -> None:
    call = talking()
    assert call.handle(TimePassed(), BRIEFING_S)[0] == ReportBriefing(False, "the briefing took too long")
    assert BRIEFING_S == 120.0


def test_a_person_who_is_briefed_cannot_be_put_through_to_others() -> None:
    asked = talking().handle(TransferRequested("billing", tool_call_id="x"), 1.0)
    assert not any(isinstance(command, ReportTransfer) for command in asked)


@pytest.mark.parametrize(("key", "report"), [("1", ReportBriefing(True)), ("2", ReportBriefing(False))])
def test_a_key_takes_the_call_or_not(key: str, report: ReportBriefing) -> None:
    assert talking(accept="key").handle(DigitPressed(key), 2.0)[0] == report


def test_where_words_are_asked_for_a_key_is_a_key() -> None:
    assert talking(accept="word").handle(DigitPressed("1"), 2.0) == [TypeDigit("1")]


def test_who_does_not_hang_up_takes_the_call_when_the_words_were_heard() -> None:
    call = talking(accept="none")
    speaks(call, 1.0)
    assert call.handle(TimePassed(), 1.0 + QUIET_S) == ACCEPTED


def test_a_pause_between_two_items_is_not_the_end_of_the_words() -> None:
    call = talking(accept="none")
    speaks(call, 1.0)
    call.handle(ReplyAudio("b", FRAME * 100), 1.5)
    assert not any(
        isinstance(command, ReportBriefing) for command in call.handle(TimePassed(), 1.0 + QUIET_S)
    )


def test_a_recording_briefs_without_an_assistant() -> None:
    call = briefing(accept="none", recording=FRAME)
    assert call.handle(START, 0.0) == [PlayAudio(FRAME), SendMark("0.1")]
    call.handle(MarkReached("0.1"), 0.1)
    assert call.handle(TimePassed(), 0.1 + QUIET_S)[0] == ReportBriefing(True)


def test_a_recording_and_a_key() -> None:
    call = briefing(accept="key", recording=FRAME)
    call.handle(START, 0.0)
    call.handle(MarkReached("0.1"), 0.1)
    assert call.handle(TimePassed(), 5.0) == []
    assert call.handle(DigitPressed("1"), 6.0)[0] == ReportBriefing(True)


def test_the_person_is_told_that_the_caller_is_gone() -> None:
    call = talking()
    speaks(call, 1.0)
    follow(
        call,
        [
            (5.0, CallerLeft("the caller hung up"), [SayText(GONE)]),
            (5.1, CallerLeft("the caller hung up"), []),
            (5.5, BriefingAccepted(), []),  # too late
        ],
    )
    speaks(call, 6.0, "b", "0.2")
    assert call.handle(TimePassed(), 6.0 + LEAVE_QUIET_S) == [
        ReportBriefing(False, "the caller is gone"),
        CloseAssistant(),
        OVER,
    ]


def test_an_assistant_that_says_nothing_of_it_is_not_waited_for() -> None:
    call = talking()
    call.handle(CallerLeft("the caller hung up"), 5.0)
    assert call.handle(TimePassed(), 5.0 + LEAVE_S)[0] == ReportBriefing(False, "the caller is gone")
    assert LEAVE_S < LEAVING_S <= 10.0


def test_a_recording_is_followed_by_a_beep_where_the_caller_is_gone() -> None:
    call = briefing(accept="key", recording=FRAME * 100)
    call.handle(START, 0.0)
    came = call.handle(CallerLeft("the caller hung up"), 1.0)
    assert sum(len(command.audio) for command in came if isinstance(command, PlayAudio)) == 3200
    assert not any(isinstance(command, ReportBriefing) for command in came)


def test_a_caller_who_is_gone_before_the_stream_starts() -> None:
    assert briefing().handle(CallerLeft("the caller hung up"), 0.5) == [
        ReportBriefing(False, "the caller hung up"),
        HangUp(1000, "the caller hung up"),
    ]
