"""A stream that is dropped and resumed: the call goes on, and nothing is played meanwhile."""

from collections.abc import Sequence

import pytest

from bridge.core.call import Call
from bridge.core.dialogue import DialogueRules
from bridge.core.states import State
from bridge.core.timers import Limits
from bridge.vocabulary.commands import (
    AppendAudio,
    ClearPlayback,
    CloseAssistant,
    Command,
    HangUp,
    PlayAudio,
    SendMark,
    TruncateReply,
)
from bridge.vocabulary.events import (
    AssistantReady,
    AssistantReportedError,
    CallEnded,
    CallerAudio,
    CallStarted,
    CloseRequested,
    DigitPressed,
    Event,
    LegLost,
    LegName,
    MarkReached,
    MessageRefused,
    OtherPartyAudio,
    ReplyAudio,
    ReplyEnded,
    TimePassed,
)
from telecodecs.format import L16_16K, PCMA_8K, PCMU_8K

FRAME = bytes(range(160))
FIFTH = FRAME * 10  # 200 ms
START = CallStarted("v3:1", "first", PCMU_8K)
AGAIN = CallStarted("v3:1", "second", PCMU_8K)
BROKE = LegLost(LegName.CARRIER, 1006, "the connection broke")
READY = AssistantReady(PCMU_8K, PCMU_8K)

Row = tuple[float, Event, Sequence[Command]]


def started(*, resume_s: float = 10.0) -> Call:
    call = Call(0.0, Limits(resume_s=resume_s), DialogueRules(reorder_ms=100))
    call.handle(START, 0.0)
    return call


def talking(*, resume_s: float = 10.0) -> Call:
    call = started(resume_s=resume_s)
    call.handle(READY, 0.0)
    return call


def dropped() -> Call:
    call = talking()
    call.handle(BROKE, 1.0)
    return call


def follow(call: Call, transcript: Sequence[Row]) -> None:
    for when, event, commands in transcript:
        assert call.handle(event, when) == list(commands), f"at {when}: {event}"


def test_the_call_is_taken_up_again_where_the_caller_stopped_hearing() -> None:
    call = talking()
    sent: list[Command] = []
    for n in range(1, 4):
        sent += [PlayAudio(FIFTH), SendMark(f"0.{n}")]
    follow(
        call,
        [
            (1.0, ReplyAudio("a", FIFTH * 3), sent),
            (1.2, MarkReached("0.1"), []),
            (1.3, CallerAudio(FRAME, 1300), [AppendAudio(FRAME)]),
            (1.3, BROKE, [ClearPlayback(2400), TruncateReply("a", 300)]),
            (1.4, ReplyAudio("a", FIFTH), []),  # was under way
            (1.5, ReplyEnded("a"), []),
            (2.0, ReplyAudio("b", FIFTH), []),  # waits for the caller
            (2.1, ReplyEnded("b"), []),
            (5.0, AGAIN, [PlayAudio(FIFTH), SendMark("1.4")]),
            (5.0, CallerAudio(FRAME, 0), [AppendAudio(FRAME)]),  # the new stream counts anew
            (5.02, CallerAudio(FRAME, 20), [AppendAudio(FRAME)]),
        ],
    )
    assert call.state is State.TALKING
    assert call.counts() == {"stream_drops": 1, "late_replies": 1}


def test_it_may_be_dropped_again() -> None:
    call = dropped()
    follow(call, [(2.0, AGAIN, []), (3.0, BROKE, []), (3.1, BROKE, []), (4.0, AGAIN, [])])
    assert call.counts() == {"stream_drops": 2}


def test_a_frame_that_waited_behind_a_hole_is_not_lost() -> None:
    follow(
        talking(),
        [
            (1.00, CallerAudio(FRAME, 0), [AppendAudio(FRAME)]),
            (1.02, CallerAudio(FRAME, 40), []),
            (1.03, BROKE, []),
            (1.08, AGAIN, [AppendAudio(b"\xff" * 160), AppendAudio(FRAME)]),
            (1.09, CallerAudio(FRAME, 0), [AppendAudio(FRAME)]),
        ],
    )


def test_it_may_be_resumed_before_the_assistant_is_ready() -> None:
    call = started()
    follow(
        call,
        [
            (1.0, BROKE, []),
            (1.5, READY, []),
            (1.6, ReplyAudio("hello", FIFTH), []),
            (2.0, AGAIN, [PlayAudio(FIFTH), SendMark("0.1")]),
        ],
    )
    assert call.state is State.TALKING


def test_a_stream_that_breaks_before_it_started_may_return() -> None:
    call = Call(0.0, Limits(start_s=120.0, resume_s=10.0), DialogueRules(reorder_ms=100), expected="v3:1")
    assert call.handle(BROKE, 1.0) == []
    assert call.handle(BROKE, 1.5) == []
    assert (call.state, call.deadline()) == (State.WAITING, 11.0)
    other = CallStarted("v3:2", "s", PCMU_8K)
    assert call.refusal(other) == "the token was made for another call"
    call.handle(AGAIN, 2.0)
    assert (call.state, call.call_id) == (State.OPENING, "v3:1")
    assert call.counts() == {"stream_drops": 1}


def test_a_stream_that_breaks_before_it_started_and_does_not_return_ends_the_call() -> None:
    call = Call(0.0, Limits(start_s=120.0, resume_s=10.0), DialogueRules(reorder_ms=100))
    why = "the carrier's stream broke and did not come back"
    follow(call, [(1.0, BROKE, []), (11.0, TimePassed(), [HangUp(1008, why)])])


def test_a_stream_that_may_not_return_ends_the_call_before_it_started() -> None:
    call = Call(0.0, Limits(resume_s=0.0), DialogueRules(reorder_ms=100))
    follow(call, [(1.0, BROKE, [])])
    assert call.state is State.ENDED


def test_whether_another_stream_can_have_the_call_is_known_before_it_has_it() -> None:
    call = talking()
    assert call.refusal(AGAIN) == ""
    assert call.refusal(CallStarted("v3:2", "s", PCMU_8K)) == "another call came back"
    assert call.refusal(CallStarted("v3:1", "s", PCMA_8K)) == "the call came back in another format"
    assert call.state is State.TALKING
    call.handle(CallEnded(), 1.0)
    assert call.refusal(AGAIN) == "the call is about to end"


def test_a_stream_that_is_not_resumed_in_time_ends_the_call() -> None:
    call = dropped()
    assert call.deadline() == 11.0
    why = "the carrier's stream broke and did not come back"
    follow(call, [(11.0, TimePassed(), [CloseAssistant(), HangUp(1008, why)])])
    assert call.state is State.ENDED


def test_silence_is_not_counted_while_it_is_dropped() -> None:
    call = Call(0.0, Limits(silent_s=5.0, resume_s=30.0), DialogueRules(reorder_ms=100))
    call.handle(START, 1.0)
    call.handle(READY, 1.0)
    follow(call, [(2.0, BROKE, []), (20.0, TimePassed(), []), (21.0, AGAIN, []), (25.9, TimePassed(), [])])
    assert call.handle(TimePassed(), 26.0)[-1] == HangUp(1001, "the carrier sends nothing any more")


SILENT = HangUp(1001, "the carrier sends nothing any more")

SIGNS_OF_LIFE = [  # what the carrier sends, whether it counts
    (CallerAudio(FRAME, 0), True),
    (OtherPartyAudio(FRAME, 0), True),
    (DigitPressed("4"), True),
    (MarkReached("0.1"), True),
    (MarkReached("never sent"), True),
    (MessageRefused(LegName.CARRIER, "malformed"), False),
    (ReplyAudio("a", FIFTH), False),
    (AssistantReportedError("busy"), False),
]


@pytest.mark.parametrize(("event", "counts"), SIGNS_OF_LIFE, ids=lambda value: type(value).__name__)
def test_whatever_the_carrier_means_by_it_shows_that_it_is_there(event: Event, counts: bool) -> None:
    call = Call(0.0, Limits(silent_s=5.0), DialogueRules(reorder_ms=100))
    for at, what in ((1.0, START), (1.0, READY), (4.0, event)):
        call.handle(what, at)
    assert (call.handle(TimePassed(), 6.0)[-1:] == [SILENT]) is not counts
    if counts:
        call.handle(TimePassed(), 8.9)
        assert call.handle(TimePassed(), 9.0)[-1] == SILENT


@pytest.mark.parametrize(
    "event", [CallerAudio(FRAME, 0), OtherPartyAudio(FRAME, 0), DigitPressed("4")], ids=str
)
def test_so_it_is_on_a_stream_that_is_only_listened_to(event: Event) -> None:
    call = Call(0.0, Limits(silent_s=5.0), DialogueRules(reorder_ms=100))
    call.handle(CallStarted("v3:1", "s", PCMU_8K, one_way=True), 1.0)
    call.handle(event, 4.0)
    assert call.handle(TimePassed(), 8.9) == []
    assert call.handle(TimePassed(), 9.0) == [SILENT]


@pytest.mark.parametrize(
    ("start", "why"),
    [
        (CallStarted("v3:2", "s", PCMU_8K), "another call came back"),
        (CallStarted("v3:1", "s", PCMA_8K), "the call came back in another format"),
        (CallStarted("v3:1", "s", PCMU_8K, plays=L16_16K), "the call came back in another format"),
    ],
    ids=["another call", "another line", "plays another format"],
)
def test_a_resumed_stream_has_the_same_call_or_is_refused(start: CallStarted, why: str) -> None:
    follow(dropped(), [(2.0, start, [CloseAssistant(), HangUp(1008, why)])])


def test_a_call_that_is_to_close_does_not_wait_for_it() -> None:
    follow(dropped(), [(2.0, CloseRequested("bye"), [CloseAssistant(), HangUp(1001, "bye")])])


def test_a_stream_that_said_stop_is_not_resumed() -> None:
    follow(
        talking(),
        [
            (1.0, CallEnded(), [CloseAssistant(), HangUp(1000, "the call ended")]),
            (1.1, BROKE, []),
            (2.0, AGAIN, []),
        ],
    )


def test_without_resumption_a_dropped_stream_ends_the_call() -> None:
    follow(talking(resume_s=0.0), [(1.0, BROKE, [CloseAssistant()])])


def test_a_stream_that_only_listens_is_not_resumed() -> None:
    call = Call(0.0, Limits(resume_s=10.0), DialogueRules(reorder_ms=100))
    listening = CallStarted("v3:1", "s", PCMU_8K, one_way=True)
    follow(call, [(0.0, listening, []), (1.0, BROKE, [])])
    assert call.state is State.ENDED
