"""The carrier takes the caller by itself, into a queue or to another line, as call transcripts; and comes back, or does not."""

import pytest

from bridge.core.elsewhere import REFER_S, Elsewhere
from bridge.core.people import People, Person
from bridge.core.states import State
from bridge.core.timers import REASONS, Timer
from bridge.vocabulary.commands import CloseAssistant, Command, ControlCommand, HangUp, ReportTransfer
from bridge.vocabulary.events import CallEnded, CloseRequested, TimePassed
from bridge.vocabulary.people import (
    EndHandover,
    EnterQueue,
    Nobody,
    NobodyReached,
    Outcome,
    PeopleJoined,
    PersonLeft,
    PutThrough,
    ReferCaller,
    ReleasePerson,
    TakeBack,
)
from tests.core.handovers import AGAIN, ASK, CLOSED, CLOSES, READY, STAYS, follow, returned, talking

QUEUE = Elsewhere("queue", "support", "twilio")
REFER = Elsewhere("refer", "sip:ann@pbx.example.com")
NUMBER = ("+15550111",)
IN_QUEUE = EnterQueue("billing", "support", "1.1")
REFERRED = ReferCaller("billing", "sip:ann@pbx.example.com", "1.1")
RELEASED = HangUp(1000, "the caller was referred to another line")


@pytest.mark.parametrize(
    ("can", "closed"), [(CLOSES, [CLOSED]), (STAYS, [])], ids=["by a document", "by a request"]
)
def test_somebody_takes_the_caller_out_of_the_queue_and_they_come_back(
    can: frozenset[type[ControlCommand]], closed: list[Command]
) -> None:
    call = talking(can, groups=(QUEUE,))
    follow(call, [(1.0, ASK, [IN_QUEUE, *closed, CloseAssistant()])])
    assert call.state is State.WITH_PERSON, "the assistant costs nothing in the queue"
    assert call.expects_stream_end
    follow(
        call,
        [
            (61.0, PeopleJoined(""), []),
            (101.0, PersonLeft("", 40.0), [EndHandover("billing", Outcome.TALKED, 60.0, 40.0), TakeBack()]),
            (101.5, AGAIN, [returned(outcome=Outcome.TALKED, talked_s=40.0)]),
            (102.0, READY, []),
        ],
    )
    assert str(call.state) == "talking"


def test_a_carrier_that_says_only_at_the_end_that_they_have_talked() -> None:
    call = talking(CLOSES, groups=(QUEUE,))
    follow(
        call,
        [
            (1.0, ASK, [IN_QUEUE, CLOSED, CloseAssistant()]),
            (101.0, PersonLeft("", 40.0), [EndHandover("billing", Outcome.TALKED, 60.0, 40.0), TakeBack()]),
        ],
    )


@pytest.mark.parametrize("why", list(Nobody))
@pytest.mark.parametrize(("where", "command"), [(QUEUE, IN_QUEUE), (REFER, REFERRED)], ids=["queue", "refer"])
def test_nobody_takes_the_caller_and_the_assistant_goes_on_with_the_reason(
    where: Elsewhere, command: Command, why: Nobody
) -> None:
    call, outcome = talking(CLOSES, groups=(where,)), Outcome(why)
    follow(
        call,
        [
            (1.0, ASK, [command, CLOSED, CloseAssistant()]),
            (31.0, NobodyReached(why, "1.1"), [EndHandover("billing", outcome, 30.0), TakeBack()]),
            (31.5, AGAIN, [returned(outcome=outcome, why="")]),
        ],
    )


def test_a_queue_comes_after_a_number_and_a_number_after_a_queue() -> None:
    call = talking(CLOSES, groups=(NUMBER, QUEUE, ("+15550112",)))
    follow(
        call,
        [
            (1.0, ASK, [PutThrough("billing", NUMBER, "ours", 25.0, "1.1"), CLOSED]),
            (
                9.0,
                NobodyReached(Nobody.BUSY, "1.1"),
                [EnterQueue("billing", "support", "1.2"), CloseAssistant()],
            ),
            (9.1, NobodyReached(Nobody.BUSY, "1.1"), []),
            (
                99.0,
                NobodyReached(Nobody.REFUSED, "1.2"),
                [PutThrough("billing", ("+15550112",), "ours", 25.0, "1.3")],
            ),
            (105.0, PeopleJoined("B1"), []),
        ],
    )
    assert call.state is State.WITH_PERSON


def test_a_leg_of_the_group_before_that_ends_late_says_nothing_of_the_queue() -> None:
    call = talking(CLOSES, groups=(NUMBER, QUEUE))
    call.handle(ASK, 1.0)
    call.handle(NobodyReached(Nobody.BUSY, "1.1"), 9.0)
    follow(
        call,
        [
            (9.1, PersonLeft("B1"), []),
            (9.2, PeopleJoined("B1"), [ReleasePerson("B1", "the caller is not with them")]),
            (60.0, PeopleJoined(""), []),
            (61.0, PersonLeft("B1", 50.0), []),
            (99.0, PersonLeft(""), [EndHandover("billing", Outcome.TALKED, 59.0, 39.0), TakeBack()]),
        ],
    )


def test_a_referral_that_is_done_ends_the_call() -> None:
    call = talking(CLOSES, groups=(REFER,))
    follow(
        call,
        [
            (1.0, ASK, [REFERRED, CLOSED, CloseAssistant()]),
            (4.0, PeopleJoined(""), [EndHandover("billing", Outcome.SENT_ON, 3.0), RELEASED]),
        ],
    )
    assert call.state is State.ENDED


def test_a_referral_of_which_nothing_is_heard_is_given_up() -> None:
    call = talking(CLOSES, groups=(REFER,))
    call.handle(ASK, 1.0)
    assert call.handle(TimePassed(), 1.0 + REFER_S) == [
        EndHandover("billing", Outcome.FAILED, REFER_S),
        TakeBack(),
    ]


def test_in_a_queue_the_caller_waits_as_long_as_a_call_may_last() -> None:
    call = talking(CLOSES, groups=(QUEUE,))
    call.handle(ASK, 1.0)
    came: list[Command] = []
    now = 1.0
    while not came:
        due = call.deadline()
        assert due is not None
        now = due
        came = list(call.handle(TimePassed(), now))
    assert now == 3601.0
    why = REASONS[Timer.LONGEST]
    taken_out = [ReleasePerson("", why), EndHandover("billing", Outcome.CALLER_LEFT, 3600.0)]
    assert came == [*taken_out, HangUp(1000, why)]


def test_a_caller_who_hangs_up_in_the_queue_left_before_anybody_came() -> None:
    call = talking(CLOSES, groups=(QUEUE,))
    call.handle(ASK, 1.0)
    came = call.handle(CallEnded(), 11.0)
    assert came[:2] == [
        ReleasePerson("", "the caller hung up"),
        EndHandover("billing", Outcome.CALLER_LEFT, 10.0),
    ]


def test_a_caller_whose_stream_is_back_unasked_leaves_a_message_on_hold() -> None:
    call = talking(CLOSES, groups=(QUEUE,), nobody="message")
    call.handle(ASK, 1.0)
    call.handle(AGAIN, 5.0)
    assert call.state is State.HOLDING, "nobody is with the caller"
    call.handle(CloseRequested("the assistant hung up", 1000), 6.0)


def test_a_server_that_stops_leaves_the_caller_in_the_queue() -> None:
    call = talking(CLOSES, groups=(QUEUE,))
    call.handle(ASK, 1.0)
    came = call.handle(CloseRequested("the server is closing", 1001), 11.0)
    assert came[0] == EndHandover("billing", Outcome.SENT_ON, 10.0)
    assert call.leaves_people


@pytest.mark.parametrize("where", [QUEUE, REFER], ids=["queue", "refer"])
def test_a_carrier_that_cannot_do_it_is_not_asked(where: Elsewhere) -> None:
    call = talking(STAYS - {where.needs}, groups=(where,))
    (answer,) = call.handle(ASK, 1.0)
    assert isinstance(answer, ReportTransfer)
    assert answer.outcome is Outcome.NOT_POSSIBLE


def test_a_queue_is_there_for_the_calls_of_its_carrier_alone() -> None:
    people = People({"support": Person(groups=(QUEUE, NUMBER)), "agents": Person(groups=(QUEUE,))})
    assert people.at("twilio") is people
    elsewhere = people.at("telnyx")
    assert elsewhere.persons["support"].groups == (NUMBER,)
    assert (
        elsewhere.why_not_at_once("agents", STAYS) == "callers cannot be put through on this telephone line"
    )
    assert elsewhere.why_not_at_once("support", STAYS) == ""
