"""What else may come of a handover, as call transcripts: the caller leaves, the request is refused, nobody is there, the server stops."""

import pytest

from bridge.core.dialogue import DialogueRules
from bridge.core.handover import LEAVING_S
from bridge.core.people_call import RETURN_S, PeopleCall
from bridge.core.states import State
from bridge.core.timers import Limits
from bridge.vocabulary.commands import (
    ClearPlayback,
    CloseAssistant,
    Command,
    ConfirmHeard,
    DropReply,
    EnterDigits,
    HangUp,
    OpenAssistant,
    PlayAudio,
    ReportTransfer,
)
from bridge.vocabulary.events import (
    AssistantFailed,
    CallEnded,
    CallerAudio,
    CloseRequested,
    DigitPressed,
    EntryRequested,
    Event,
    GoodbyeRequested,
    LegLost,
    LegName,
    MarkReached,
    ReplyAudio,
    ReplyEnded,
    TimePassed,
)
from bridge.vocabulary.people import (
    BriefingStarted,
    EndBriefing,
    EndHandover,
    EndMessage,
    Nobody,
    NobodyReached,
    Outcome,
    PeopleJoined,
    PersonDeclined,
    PersonLeft,
    ReleasePerson,
    TakeMessage,
    TransferRequested,
)
from tests.core.handovers import (
    AGAIN,
    ANSWERED,
    ASK,
    CLOSES,
    FRAME,
    MUSIC,
    READY,
    START,
    STAYS,
    called,
    follow,
    put_through,
    reported,
    returned,
    talking,
)

# The caller hangs up


def test_the_caller_hangs_up_while_it_rings() -> None:
    call = talking(is_warm=True)
    call.handle(ASK, 1.0)
    assert call.handle(CallEnded(), 3.0) == [
        ReleasePerson("", "the caller hung up"),
        EndHandover("billing", Outcome.CALLER_LEFT, 2.0),
        CloseAssistant(),
        HangUp(1000, "the call ended"),
    ]


def test_a_person_who_is_being_briefed_is_told_that_the_caller_is_gone() -> None:
    call = talking(is_warm=True)
    for when, came in ((1.0, ASK), (5.0, ANSWERED), (5.5, BriefingStarted("B1"))):
        call.handle(came, when)
    follow(
        call,
        [
            (9.0, CallEnded(), [EndBriefing("B1", "the caller hung up"), CloseAssistant()]),
            (9.1, CallEnded(), []),
            (9.2, LegLost(LegName.CARRIER, 1000), []),
            (
                12.0,
                PersonDeclined("B1", "told"),
                [
                    ReleasePerson("B1", "the caller is gone"),
                    EndHandover("billing", Outcome.CALLER_LEFT, 11.0),
                    HangUp(1000, "the call ended"),
                ],
            ),
        ],
    )
    assert call.state is State.ENDED


def test_that_the_person_was_told_is_not_waited_for_longer_than_a_sentence() -> None:
    call = talking(is_warm=True)
    for when, came in ((1.0, ASK), (5.0, ANSWERED), (9.0, CallEnded())):
        call.handle(came, when)
    assert call.deadline() == 9.0 + LEAVING_S
    assert call.handle(TimePassed(), 9.0 + LEAVING_S)[0] == ReleasePerson("B1", "the caller is gone")
    assert call.state is State.ENDED


def test_the_caller_hangs_up_while_with_a_person() -> None:
    call = talking()
    for when, came in ((1.0, ASK), (5.0, ANSWERED), (5.0, PeopleJoined("B1"))):
        call.handle(came, when)
    assert call.handle(CallEnded(), 65.0) == [
        ReleasePerson("B1", "the caller hung up"),
        EndHandover("billing", Outcome.TALKED, 4.0, 60.0),
        HangUp(1000, "the call ended"),
    ]
    assert call.state is State.ENDED


def test_a_stream_that_breaks_while_a_briefing_goes_on_may_come_back() -> None:
    call = talking(is_warm=True)
    for when, came in ((1.0, ASK), (5.0, ANSWERED), (5.5, BriefingStarted("B1"))):
        call.handle(came, when)
    call.handle(LegLost(LegName.CARRIER, 1006), 6.0)
    assert call.handle(AGAIN, 7.0) == []
    call.handle(LegLost(LegName.CARRIER, 1006), 8.0)
    assert EndBriefing("B1", "the caller hung up") in call.handle(TimePassed(), 8.0 + RETURN_S)


def test_a_caller_who_does_not_come_back_is_gone() -> None:
    call = talking(CLOSES)
    for when, came in ((1.0, ASK), (5.0, ANSWERED), (5.0, PeopleJoined("B1")), (9.0, PersonLeft("B1", 4.0))):
        call.handle(came, when)
    assert isinstance(call.handle(TimePassed(), 9.0 + RETURN_S)[-1], HangUp)
    assert call.state is State.ENDED


# The assistant meanwhile


def test_on_hold_the_assistant_hears_nothing_and_is_not_heard() -> None:
    call = talking()
    follow(
        call,
        [
            (1.0, ASK, [put_through(0)]),
            (1.1, CallerAudio(FRAME, 0), []),
            (1.2, DigitPressed("1"), []),
            (1.3, ReplyAudio("b", FRAME), [DropReply("b")]),
            (1.4, ReplyAudio("b", FRAME), []),
            (1.5, EntryRequested("e"), [EnterDigits("", request_id="e")]),
            (9.0, NobodyReached(Nobody.BUSY), [put_through(1)]),
            (
                9.1,
                NobodyReached(Nobody.BUSY),
                [EndHandover("billing", Outcome.BUSY, 8.1), reported(Outcome.BUSY)],
            ),
            (9.2, ReplyAudio("b", FRAME), []),  # the rest of what nobody was to hear
            (9.3, ReplyAudio("c", FRAME), [PlayAudio(FRAME)]),
        ],
    )
    assert call.counts()["keys_on_hold"] == 1


@pytest.mark.parametrize("loss", [LegLost(LegName.ASSISTANT, 1006), AssistantFailed("it failed")])
def test_an_assistant_that_is_lost_on_hold_is_opened_when_the_caller_is_back(loss: Event) -> None:
    call = talking(groups=(("+15550111",),))
    call.handle(ASK, 1.0)
    assert OpenAssistant not in {type(command) for command in call.handle(loss, 2.0)}
    assert call.handle(NobodyReached(Nobody.BUSY), 9.0)[1:] == [returned(outcome=Outcome.BUSY)]


def test_hold_music_is_played_over_and_over_a_little_ahead() -> None:
    call = talking(is_warm=True, hold=MUSIC * 30)
    came = call.handle(ASK, 1.0)
    assert came[0] == called(0)
    played = sum(len(command.audio) for command in came if isinstance(command, PlayAudio))
    assert played == 2 * 8000
    now = 1.0
    while now < 30.0:
        now = call.deadline() or 0.0
        played += sum(len(c.audio) for c in call.handle(TimePassed(), now) if isinstance(c, PlayAudio))
        assert 1.4 <= played / 8000 - (now - 1.0) <= 2.0, "there is no gap, and not too much of it"
    stopped = call.handle(NobodyReached(Nobody.BUSY, "1.1"), now)
    assert not any(isinstance(command, ClearPlayback) for command in stopped), "the next group is called"
    back = call.handle(NobodyReached(Nobody.BUSY, "1.2"), now)
    assert isinstance(back[1], ClearPlayback)
    assert back[-1] == reported(Outcome.BUSY)


# Requests that are refused


REFUSED: list[tuple[str, TransferRequested, str]] = [
    ("nobody of this name", TransferRequested("sales", "", "", "x"), "there is no person 'sales'; person should be one of billing, and never a number"),
    ("one of another assistant", TransferRequested("boss", "", "", "x"), "there is no person 'boss'; person should be one of billing, and never a number"),
    ("a number", TransferRequested("+15550199", "", "", "x"), "there is no person '+15550199'; person should be one of billing, and never a number"),
]  # fmt: skip


@pytest.mark.parametrize(("asked", "why"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_whom_the_settings_do_not_name_is_not_called(asked: TransferRequested, why: str) -> None:
    call = talking()
    assert call.handle(asked, 1.0) == [
        ReportTransfer("x", asked.person, Outcome.NOT_POSSIBLE, f"error: {why}")
    ]
    assert call.state is State.TALKING


def test_an_assistant_that_may_put_nobody_through() -> None:
    call = PeopleCall(0.0, Limits(), DialogueRules(reorder_ms=0, can=frozenset[type[Command]](STAYS)))
    call.handle(START, 0.0)
    call.handle(READY, 0.0)
    why = "error: there is nobody whom you can put the caller through to"
    assert call.handle(ASK, 1.0) == [ReportTransfer("call_1", "billing", Outcome.NOT_POSSIBLE, why)]


@pytest.mark.parametrize("is_warm", [False, True])
def test_a_carrier_that_cannot_do_it(is_warm: bool) -> None:
    call = talking(frozenset(), is_warm=is_warm)
    why = "error: callers cannot be put through on this telephone line"
    assert call.handle(ASK, 1.0) == [ReportTransfer("call_1", "billing", Outcome.NOT_POSSIBLE, why)]


def test_a_transfer_that_is_asked_for_twice() -> None:
    again = TransferRequested("billing", tool_call_id="call_2")
    why = "error: the caller is being put through to billing already; wait for the answer"
    refused = ReportTransfer("call_2", "billing", Outcome.NOT_POSSIBLE, why)
    call = talking()
    call.handle(ReplyAudio("a", FRAME), 1.0)
    call.handle(ReplyEnded("a"), 1.0)
    follow(
        call,
        [
            (1.0, ASK, []),
            (1.1, again, [refused]),
            (1.2, MarkReached("0.1"), [ConfirmHeard("a"), put_through(0)]),
            (2.0, again, [refused]),  # while it rings
        ],
    )


@pytest.mark.parametrize("sensitive", [True, False])
def test_a_transfer_while_the_caller_is_typing(sensitive: bool) -> None:
    call = talking()
    call.handle(EntryRequested("e", 4, sensitive=sensitive), 1.0)
    call.handle(DigitPressed("1"), 1.5)
    why = "error: the caller is typing an entry; wait until it is complete"
    assert call.handle(ASK, 2.0) == [ReportTransfer("call_1", "billing", Outcome.NOT_POSSIBLE, why)]
    for key in "234":
        call.handle(DigitPressed(key), 2.1)
    assert put_through(0) in call.handle(ASK, 3.0)


def test_a_transfer_after_the_caller_has_left() -> None:
    call = talking()
    call.handle(CallEnded(), 1.0)
    assert call.handle(ASK, 1.0) == []


def test_a_transfer_when_the_call_is_about_to_end() -> None:
    call = talking()
    call.handle(ReplyAudio("a", FRAME), 1.0)
    call.handle(GoodbyeRequested("the server is closing", 10.0), 1.0)
    why = "error: the call is about to end; nobody can be called any more"
    assert call.handle(ASK, 1.1) == [ReportTransfer("call_1", "billing", Outcome.NOT_POSSIBLE, why)]


# Nobody: a message, or the end


def test_a_caller_leaves_a_message() -> None:
    call = talking(groups=(("+15550111",),), nobody="message", message_s=30.0)
    call.handle(ASK, 1.0)
    came = call.handle(NobodyReached(Nobody.NO_ANSWER), 26.0)
    assert came[:3] == [
        EndHandover("billing", Outcome.NO_ANSWER, 25.0),
        CloseAssistant(),
        TakeMessage("billing", 30.0),
    ]
    assert sum(len(command.audio) for command in came if isinstance(command, PlayAudio)) == 3200
    follow(
        call,
        [
            (27.0, CallerAudio(FRAME, 0), []),
            (56.4, TimePassed(), [EndMessage("billing", 30.0), HangUp(1000, "a message was taken")]),
        ],
    )


@pytest.mark.parametrize("ends", [CallEnded(), DigitPressed("#"), LegLost(LegName.CARRIER, 1006)])
def test_a_message_ends_when_the_caller_says_so(ends: Event) -> None:
    call = talking(groups=(("+15550111",),), nobody="message")
    call.handle(ASK, 1.0)
    call.handle(NobodyReached(Nobody.NO_ANSWER), 26.0)
    assert EndMessage("billing", 9.6) in call.handle(ends, 36.0)
    assert call.state is State.ENDED


def test_a_caller_for_whom_nobody_is_there_is_hung_up_on() -> None:
    call = talking(groups=(("+15550111",),), nobody="hang_up")
    call.handle(ASK, 1.0)
    assert call.handle(NobodyReached(Nobody.NO_ANSWER), 26.0) == [
        EndHandover("billing", Outcome.NO_ANSWER, 25.0),
        CloseAssistant(),
        HangUp(1000, "nobody was reached"),
    ]


# The server stops; limits


def test_two_who_talk_are_left_alone_when_the_server_stops() -> None:
    call = talking()
    for when, came in ((1.0, ASK), (5.0, ANSWERED), (5.0, PeopleJoined("B1"))):
        call.handle(came, when)
    assert call.handle(GoodbyeRequested("the server is closing", 10.0), 9.0) == [
        EndHandover("billing", Outcome.TALKED, 4.0, 4.0),
        HangUp(1001, "the server is closing"),
    ]
    assert call.leaves_people


def test_somebody_who_is_being_called_is_released_when_the_server_stops() -> None:
    call = talking()
    call.handle(ASK, 1.0)
    assert call.handle(CloseRequested("the server is closing"), 3.0) == [
        ReleasePerson("", "the server is closing"),
        EndHandover("billing", Outcome.CALLER_LEFT, 2.0),
        CloseAssistant(),
        HangUp(1001, "the server is closing"),
    ]
    assert not call.leaves_people


def test_a_talk_may_last_as_long_as_a_call_may() -> None:
    call = talking()
    for when, came in ((1.0, ASK), (5.0, ANSWERED), (5.0, PeopleJoined("B1"))):
        call.handle(came, when)
    assert call.handle(TimePassed(), 3604.9) == []
    cut = call.handle(TimePassed(), 3605.0)
    assert cut[0] == ReleasePerson("B1", "the call reached its longest duration")
    assert call.state is State.ENDED


# Late


def test_whoever_answers_when_the_caller_does_not_wait_any_more_is_hung_up_on() -> None:
    call = talking(groups=(("+15550111",),))
    call.handle(ASK, 1.0)
    call.handle(NobodyReached(Nobody.NO_ANSWER), 26.0)
    assert call.handle(ANSWERED, 27.0) == [ReleasePerson("B1", "the caller does not wait any more")]
    assert call.handle(ANSWERED, 27.1) == []
    assert call.counts()["late_person_events"] == 2


def test_a_caller_who_is_back_though_nobody_said_that_the_person_has_left() -> None:
    call = talking(CLOSES)
    for when, came in ((1.0, ASK), (5.0, ANSWERED), (5.0, PeopleJoined("B1"))):
        call.handle(came, when)
    assert call.handle(AGAIN, 65.0) == [
        ReleasePerson("B1", "the caller is not with them any more"),
        EndHandover("billing", Outcome.TALKED, 4.0, 60.0),
        returned(outcome=Outcome.TALKED, talked_s=60.0),
    ]
    assert call.handle(PersonLeft("B1", 60.0), 65.5) == []
