"""The role of each party over time, and who heard it, from the lines of a journal; and what the picture writes on its lanes."""

from typing import NamedTuple

import pytest

from bridge.observers.call_history import JournalEntry, build_history
from bridge.observers.party_roles import RoleStretch, role_stretches
from bridge.observers.timeline_parties import lanes_of, name_of, texts_of
from bridge.vocabulary.room import Member

ENDED_S = 90.0


Line = tuple[float, str, dict[str, object]]


class Case(NamedTuple):
    """The lines of a journal, and each stretch: party, from, until, role, by whom it is heard."""

    lines: list[Line]
    told: list[tuple[str, float, float, str, str]]


STARTS: list[Line] = [
    (0.0, "CallStarted", {"call_id": "CA1"}),
    (1.0, "AssistantReady", {"is_standby": False}),
]
CALLS_ANN: Line = (5.0, "CallPeople", {"person": "ann"})
PUTS_THROUGH: Line = (5.0, "PutThrough", {"person": "ann"})
LEG: dict[str, object] = {"person_leg": "L1"}
DESK: dict[str, object] = {"supervisor": "desk"}


def placed(at_s: float, member: str, role: str, to: str | None = None) -> Line:
    fields: dict[str, object] = {"member": member, "role": role}
    return at_s, "SetRole", fields if to is None else fields | {"to": to}


def asked(at_s: float, role: str) -> Line:
    return at_s, "ChangeSupervisor", DESK | {"role": role}


def room_of_three(at_s: float) -> list[Line]:
    return [
        placed(at_s, "caller", "talks"),
        placed(at_s, "person", "talks"),
        placed(at_s, "assistant", "silent"),
    ]


BEFORE = [("caller", 0.0, 1.0, "talks", ""), ("caller", 1.0, 5.0, "talks", "assistant")]
CASES = {
    "nobody but the two": Case([*STARTS, (9.0, "HoldRequested", {"on": True})], []),
    "mixed with a supervisor alone: listens, whispers, barges in, leaves": Case(
        [
            *STARTS,
            (2.0, "CallSupervisor", DESK),
            (4.0, "SupervisorAnswered", DESK | {"supervisor_leg": "L2"}),
            placed(5.0, "caller", "talks"),
            placed(5.0, "assistant", "talks"),
            placed(5.0, "supervisor", "listens"),
            placed(10.0, "supervisor", "whispers", "assistant"),
            placed(20.0, "supervisor", "talks"),
            (30.0, "EndSupervision", DESK),
            (30.0, "LeaveRoom", {"member": "supervisor"}),
        ],
        [
            *BEFORE,
            ("caller", 5.0, 30.0, "talks", "assistant, desk"),
            ("caller", 30.0, 90.0, "talks", "assistant"),
            ("assistant", 1.0, 5.0, "talks", "caller"),
            ("assistant", 5.0, 30.0, "talks", "caller, desk"),
            ("assistant", 30.0, 90.0, "talks", "caller"),
            ("desk", 2.0, 4.0, "called", ""),
            ("desk", 4.0, 5.0, "waits", ""),
            ("desk", 5.0, 10.0, "listens", ""),
            ("desk", 10.0, 20.0, "whispers", "assistant"),
            ("desk", 20.0, 30.0, "barges in", "caller, assistant"),
        ],
    ),
    "mixed with a person and a supervisor, who is there before and hears nothing on hold": Case(
        [
            *STARTS,
            (1.0, "CallSupervisor", DESK),
            (2.0, "SupervisorAnswered", DESK),
            placed(2.0, "caller", "talks"),
            placed(2.0, "assistant", "talks"),
            placed(2.0, "supervisor", "listens"),
            CALLS_ANN,
            (5.0, "LeaveRoom", {"member": "supervisor"}),
            (7.0, "BriefPerson", LEG),
            *room_of_three(10.0),
            placed(10.0, "supervisor", "listens"),
            placed(20.0, "supervisor", "whispers", "person"),
            (30.0, "MemberLeft", {"member": "person"}),
            (30.0, "EndHandover", {"person": "ann"}),
            (30.0, "ReportTransfer", {}),
            placed(30.0, "caller", "talks"),
            placed(30.0, "assistant", "talks"),
            placed(30.0, "supervisor", "whispers", "assistant"),
            (40.0, "HangUp", {"why": "the call ended"}),
        ],
        [
            ("caller", 0.0, 1.0, "talks", ""),
            ("caller", 1.0, 2.0, "talks", "assistant"),
            ("caller", 2.0, 5.0, "talks", "assistant, desk"),
            ("caller", 5.0, 10.0, "on hold", ""),
            ("caller", 10.0, 30.0, "talks", "ann, assistant, desk"),
            ("caller", 30.0, 40.0, "talks", "assistant, desk"),
            ("ann", 5.0, 7.0, "called", ""),
            ("ann", 7.0, 10.0, "briefed", ""),
            ("ann", 10.0, 30.0, "talks", "caller, assistant, desk"),
            ("assistant", 1.0, 2.0, "talks", "caller"),
            ("assistant", 2.0, 5.0, "talks", "caller, desk"),
            ("assistant", 5.0, 10.0, "waits", ""),
            ("assistant", 10.0, 30.0, "silent", ""),
            ("assistant", 30.0, 40.0, "talks", "caller, desk"),
            ("desk", 1.0, 2.0, "called", ""),
            ("desk", 2.0, 5.0, "listens", ""),
            ("desk", 5.0, 10.0, "waits", ""),
            ("desk", 10.0, 20.0, "listens", ""),
            ("desk", 20.0, 30.0, "whispers", "ann"),
            ("desk", 30.0, 40.0, "whispers", "assistant"),
        ],
    ),
    "mixed, and the assistant is lost": Case(
        [*STARTS, CALLS_ANN, *room_of_three(10.0), (20.0, "LeaveRoom", {"member": "assistant"})],
        [
            *BEFORE,
            ("caller", 5.0, 10.0, "on hold", ""),
            ("caller", 10.0, 20.0, "talks", "ann, assistant"),
            ("caller", 20.0, 90.0, "talks", "ann"),
            ("ann", 5.0, 10.0, "called", ""),
            ("ann", 10.0, 20.0, "talks", "caller, assistant"),
            ("ann", 20.0, 90.0, "talks", "caller"),
            ("assistant", 1.0, 5.0, "talks", "caller"),
            ("assistant", 5.0, 10.0, "waits", ""),
            ("assistant", 10.0, 20.0, "silent", ""),
        ],
    ),
    "joined by the carrier, supervised by the carrier, and back": Case(
        [
            *STARTS,
            PUTS_THROUGH,
            (8.0, "PersonAnswered", LEG),
            (8.0, "ReleasePerson", {"person_leg": "another of the group"}),
            (10.0, "PeopleJoined", LEG),
            (10.0, "CloseAssistant", {}),
            (12.0, "Supervise", DESK | {"role": "listen"}),
            asked(13.0, "barge"),  # while they ring
            (14.0, "SupervisorJoined", DESK | {"role": "listen"}),
            asked(20.0, "whisper"),
            asked(30.0, "barge"),
            (40.0, "SupervisorLeft", DESK),
            (50.0, "PersonLeft", LEG),
            (50.0, "EndHandover", {"person": "ann"}),
            (51.0, "OpenAssistant", {"opening": "returned"}),
            (52.0, "AssistantReady", {}),
        ],
        [
            *BEFORE,
            ("caller", 5.0, 10.0, "on hold", ""),
            ("caller", 10.0, 14.0, "talks", "ann"),
            ("caller", 14.0, 40.0, "talks", "ann, desk"),
            ("caller", 40.0, 50.0, "talks", "ann"),
            ("caller", 50.0, 51.0, "on hold", ""),
            ("caller", 51.0, 52.0, "talks", ""),
            ("caller", 52.0, 90.0, "talks", "assistant"),
            ("ann", 5.0, 10.0, "called", ""),
            ("ann", 10.0, 14.0, "talks", "caller"),
            ("ann", 14.0, 40.0, "talks", "caller, desk"),
            ("ann", 40.0, 50.0, "talks", "caller"),
            ("assistant", 1.0, 5.0, "talks", "caller"),
            ("assistant", 5.0, 10.0, "waits", ""),
            ("assistant", 52.0, 90.0, "talks", "caller"),
            ("desk", 12.0, 14.0, "called", ""),
            ("desk", 14.0, 20.0, "listens", ""),
            ("desk", 20.0, 30.0, "whispers", "ann"),
            ("desk", 30.0, 40.0, "barges in", "caller, ann"),
        ],
    ),
    "the assistant listens": Case(
        [*STARTS, PUTS_THROUGH, (10.0, "PeopleJoined", LEG), (11.0, "ListeningStarted", {}), (20.0, "ListeningLost", {})],
        [
            *BEFORE,
            ("caller", 5.0, 10.0, "on hold", ""),
            ("caller", 10.0, 11.0, "talks", "ann"),
            ("caller", 11.0, 20.0, "talks", "ann, assistant"),
            ("caller", 20.0, 90.0, "talks", "ann"),
            ("ann", 5.0, 10.0, "called", ""),
            ("ann", 10.0, 11.0, "talks", "caller"),
            ("ann", 11.0, 20.0, "talks", "caller, assistant"),
            ("ann", 20.0, 90.0, "talks", "caller"),
            ("assistant", 1.0, 5.0, "talks", "caller"),
            ("assistant", 5.0, 10.0, "waits", ""),
            ("assistant", 11.0, 20.0, "listens", ""),
        ],
    ),
    "nobody is reached, and the caller leaves a message": Case(
        [*STARTS, CALLS_ANN, (9.0, "NobodyReached", {}), (9.0, "EndHandover", {"person": "ann"}), (9.0, "TakeMessage", {}), (20.0, "HangUp", {})],
        [
            *BEFORE,
            ("caller", 5.0, 9.0, "on hold", ""),
            ("caller", 9.0, 20.0, "leaves a message", ""),
            ("ann", 5.0, 9.0, "called", ""),
            ("assistant", 1.0, 5.0, "talks", "caller"),
            ("assistant", 5.0, 20.0, "waits", ""),
        ],
    ),
    "an operator mutes the caller, and the supervisor is not reached": Case(
        [
            *STARTS,
            (5.0, "CallSupervisor", DESK),
            (6.0, "MuteRequested", {"who": "caller", "muted": True}),
            (8.0, "SupervisorNotReached", DESK),
            (9.0, "MuteRequested", {"who": "caller", "muted": False}),
        ],
        [
            ("caller", 0.0, 1.0, "talks", ""),
            ("caller", 1.0, 6.0, "talks", "assistant"),
            ("caller", 6.0, 9.0, "muted", ""),
            ("caller", 9.0, 90.0, "talks", "assistant"),
            ("assistant", 1.0, 90.0, "talks", "caller"),
            ("desk", 5.0, 8.0, "called", ""),
        ],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_each_party_has_a_role_and_is_heard_by(case: Case) -> None:
    entries = [JournalEntry(at_s, "<", what, dict(fields)) for at_s, what, fields in case.lines]
    found = [
        (one.name, one.began_s, one.ended_s, one.role, ", ".join(one.heard_by))
        for one in role_stretches(entries, ENDED_S)
    ]
    assert found == case.told


def test_a_person_and_a_supervisor_of_the_same_name_have_a_lane_each() -> None:
    roles = [
        RoleStretch(Member.PERSON, "ann", 1.0, 2.0, "talks", ("caller",)),
        RoleStretch(Member.SUPERVISOR, "ann", 1.0, 2.0, "listens", ()),
        RoleStretch(Member.PERSON, "ann", 3.0, 4.0, "talks", ("caller",)),
    ]
    lanes = lanes_of(roles, top_y=0.0)
    assert [name_of(party) for party in lanes] == ["ann", "supervisor\nann"]
    assert len(set(lanes.values())) == 2


def test_a_bar_says_the_role_and_who_hears_it_where_there_is_room() -> None:
    whispers = RoleStretch(Member.SUPERVISOR, "desk", 1.0, 2.0, "whispers", ("ann",))
    assert texts_of(whispers) == ("whispers\n→ ann", "→ ann", "whispers")
    assert texts_of(whispers._replace(role="listens", heard_by=())) == ("listens",)


def test_a_note_says_to_whom_a_supervisor_is_to_whisper() -> None:
    asked_for = [
        JournalEntry(1.0, "<", "SuperviseRequested", DESK | {"role": "whisper", "to": "person"}),
        JournalEntry(2.0, "<", "SuperviseRequested", DESK | {"role": "listen"}),
    ]
    notes = [note for _, note in build_history(asked_for).notes]
    assert notes == ["supervisor desk: whisper to the person", "supervisor desk: listen"]
