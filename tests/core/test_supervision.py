"""A supervisor joins the talk between a caller and a person by the carrier, as call transcripts: when, what came, what we do."""

from typing import Any

import pytest

from bridge.core.dialogue import DialogueRules
from bridge.core.elsewhere import Elsewhere
from bridge.core.people import People, Person
from bridge.core.supervised_call import SupervisedCall
from bridge.core.supervision import Supervisor
from bridge.core.timers import Limits
from bridge.vocabulary.commands import CONTROL_COMMANDS, Command, ControlCommand
from bridge.vocabulary.events import CallEnded, CloseRequested
from bridge.vocabulary.people import (
    EndHandover,
    Nobody,
    Outcome,
    PeopleJoined,
    PersonAccepted,
    PersonLeft,
    ReleasePerson,
    TakeBack,
)
from bridge.vocabulary.supervision import (
    ChangeSupervisor,
    EndSupervision,
    Supervise,
    SuperviseRequested,
    SupervisionRefused,
    SupervisorJoined,
    SupervisorLeft,
    SupervisorNotReached,
    SupervisorRole,
)
from tests.core.handovers import ANSWERED, ASK, GROUPS, READY, START, STAYS, follow

LISTEN, WHISPER, BARGE, LEAVE = SupervisorRole
DESK = (("+15550121", "+15550122"), ("sip:desk@pbx.example.com",))
ALL = frozenset(CONTROL_COMMANDS)


def talking(can: frozenset[type[ControlCommand]] = STAYS, **how: Any) -> SupervisedCall:
    person = Person(**{"groups": GROUPS} | how)
    call = SupervisedCall(
        0.0,
        Limits(open_s=5, silent_s=10_000, longest_s=3600),
        DialogueRules(reorder_ms=0, can=frozenset[type[Command]](can)),
        people=People(
            {"billing": person},
            {"": ("billing",)},
            supervisors={"desk": Supervisor(DESK, ring_s=20.0), "boss": Supervisor((("+15550131",),))},
        ),
    )
    call.handle(START, 0.0)
    call.handle(READY, 0.0)
    return call


def with_person(can: frozenset[type[ControlCommand]] = STAYS) -> SupervisedCall:
    """The caller talks with the person on leg B1 since 5.0."""
    call = talking(can)
    call.handle(ASK, 1.0)
    call.handle(ANSWERED, 4.0)
    call.handle(PeopleJoined("B1"), 5.0)
    return call


def supervise(role: SupervisorRole, group: int = 0) -> Supervise:
    return Supervise("desk", DESK[group], "ours", 20.0, role, "B1")


def ask(role: SupervisorRole, supervisor: str = "desk", to: str = "person") -> SuperviseRequested:
    return SuperviseRequested(supervisor, role, to)


def refused(why: str, supervisor: str = "desk") -> list[Command]:
    return [SupervisionRefused(supervisor, why)]


def test_listen_whisper_barge_leave() -> None:
    follow(
        with_person(),
        [
            (6.0, ask(LISTEN), [supervise(LISTEN)]),
            (9.0, SupervisorJoined("desk", "S1", LISTEN), []),
            (10.0, ask(WHISPER), [ChangeSupervisor("desk", WHISPER)]),
            (11.0, ask(BARGE), [ChangeSupervisor("desk", BARGE)]),
            (12.0, ask(LEAVE), [EndSupervision("desk", "the supervisor was asked to leave")]),
            (12.1, SupervisorLeft("desk"), []),
            (13.0, ask(BARGE), [supervise(BARGE)]),
        ],
    )


def test_a_supervisor_who_joins_twice_is_called_once() -> None:
    follow(
        with_person(),
        [
            (6.0, ask(LISTEN), [supervise(LISTEN)]),
            (6.1, ask(LISTEN), []),
            (6.2, ask(WHISPER), [ChangeSupervisor("desk", WHISPER)]),
            (9.0, SupervisorJoined("desk", "S1", WHISPER), []),
            (9.1, ask(WHISPER), []),
        ],
    )


def test_the_next_group_is_called_with_the_role_of_now_and_then_nobody() -> None:
    follow(
        with_person(),
        [
            (6.0, ask(LISTEN), [supervise(LISTEN)]),
            (7.0, ask(BARGE), [ChangeSupervisor("desk", BARGE)]),
            (26.0, SupervisorNotReached("desk", Nobody.BUSY), [supervise(BARGE, 1)]),
            (46.0, SupervisorNotReached("desk", Nobody.NO_ANSWER), []),
            (47.0, ask(LEAVE), refused("the supervisor is not there")),
        ],
    )


def test_a_supervisor_who_hangs_up_can_be_asked_for_again() -> None:
    follow(
        with_person(),
        [
            (6.0, ask(LISTEN), [supervise(LISTEN)]),
            (9.0, SupervisorJoined("desk", "S1", LISTEN), []),
            (20.0, SupervisorLeft("desk"), []),
            (21.0, ask(WHISPER), [supervise(WHISPER)]),
        ],
    )


def test_two_supervisors_are_there_at_the_same_time() -> None:
    follow(
        with_person(),
        [
            (6.0, ask(LISTEN), [supervise(LISTEN)]),
            (
                6.5,
                ask(BARGE, "boss"),
                [Supervise("boss", ("+15550131",), "ours", 25.0, BARGE, "B1")],
            ),
            (9.0, ask(LEAVE), [EndSupervision("desk", "the supervisor was asked to leave")]),
        ],
    )


def test_the_talk_is_over_and_nobody_is_left_on_the_line() -> None:
    call = with_person()
    call.handle(ask(LISTEN), 6.0)
    follow(
        call,
        [
            (
                45.0,
                PersonLeft("B1", 40.0),
                [
                    EndSupervision("desk", "the talk is over"),
                    EndHandover("billing", Outcome.TALKED, 4.0, 40.0),
                    TakeBack(),
                ],
            ),
            (
                45.1,
                SupervisorJoined("desk", "S1", LISTEN),
                [EndSupervision("desk", "the talk is over for them")],
            ),
            (45.2, SupervisorLeft("desk"), []),
            (
                45.3,
                ask(LISTEN),
                refused("the caller does not talk with a person on the carrier's side"),
            ),
        ],
    )


def test_the_caller_hangs_up_while_a_supervisor_is_there() -> None:
    call = with_person()
    call.handle(ask(LISTEN), 6.0)
    call.handle(SupervisorJoined("desk", "S1", LISTEN), 9.0)
    commands = call.handle(CallEnded(), 20.0)
    assert commands[:3] == [
        ReleasePerson("B1", "the caller hung up"),
        EndSupervision("desk", "the talk is over"),
        EndHandover("billing", Outcome.TALKED, 4.0, 15.0),
    ]


def test_a_server_that_stops_leaves_supervisors_with_the_two() -> None:
    call = with_person()
    call.handle(ask(LISTEN), 6.0)
    commands = call.handle(CloseRequested("the server is closing", 1001), 20.0)
    assert not [command for command in commands if isinstance(command, EndSupervision)]


NOT_NOW = "the caller does not talk with a person on the carrier's side"


def test_only_who_talks_with_a_person_can_be_supervised_by_the_carrier() -> None:
    call = talking()
    assert call.handle(ask(LISTEN), 0.5) == refused(NOT_NOW)
    call.handle(ASK, 1.0)
    assert call.handle(ask(LISTEN), 2.0) == refused(NOT_NOW), "it rings at the person's"


@pytest.mark.parametrize(
    ("event", "why"),
    [
        (ask(LISTEN, "nobody"), "there is no supervisor of this name"),
        (ask(WHISPER, to="assistant"), "only the person can be whispered to while the two talk"),
        (ask(LEAVE), "the supervisor is not there"),
        (ask(LEAVE, "nobody"), "the supervisor is not there"),
    ],
)
def test_what_is_refused(event: SuperviseRequested, why: str) -> None:
    assert with_person().handle(event, 6.0) == refused(why, event.supervisor)


@pytest.mark.parametrize("role", [LISTEN, WHISPER, BARGE])
def test_two_who_were_joined_without_a_conference_cannot_be_supervised_and_it_says_what_to_do(
    role: SupervisorRole,
) -> None:
    call = with_person(ALL)  # which closes the stream, and joins the two by <Dial>
    why = call.why_not(ask(role))
    assert 'how = "warm", or with stays = "mixes"' in why
    assert call.handle(ask(role), 6.0) == refused(why)
    assert call.why_not(ask(LEAVE)) == "the supervisor is not there"


def test_two_who_were_joined_in_a_conference_after_a_briefing_can_be_supervised() -> None:
    call = talking(ALL, is_warm=True)
    for now, event in ((1.0, ASK), (4.0, ANSWERED), (8.0, PersonAccepted("B1")), (9.0, PeopleJoined("B1"))):
        call.handle(event, now)
    assert call.why_not(ask(LISTEN)) == ""
    assert call.handle(ask(LISTEN), 10.0) == [supervise(LISTEN)]


@pytest.mark.parametrize("can", [ALL, STAYS], ids=["by a document", "by a request"])
def test_nobody_can_be_supervised_in_a_queue_of_the_carriers(can: frozenset[type[ControlCommand]]) -> None:
    call = talking(can, groups=(Elsewhere("queue", "support", "twilio"),))
    call.handle(ASK, 1.0)
    for event in (None, PeopleJoined("")):  # before somebody takes the caller, and after it
        if event is not None:
            call.handle(event, 5.0)
        why = call.why_not(ask(LISTEN))
        assert why.startswith("the carrier has the caller in its queue")
        assert call.handle(ask(LISTEN), 6.0) == refused(why)


@pytest.mark.parametrize("lacks", [Supervise, ChangeSupervisor, EndSupervision])
def test_a_carrier_that_cannot_do_it_is_not_asked(lacks: type[ControlCommand]) -> None:
    assert with_person(STAYS - {lacks}).handle(ask(LISTEN), 6.0) == refused(
        "the carrier cannot have this call supervised"
    )
