"""Who heard whom, from the lines of a journal; and what the account has of handovers."""

from typing import NamedTuple

import pytest

from bridge.observers.call_history import JournalEntry, build_history
from bridge.observers.call_parties import Stretch, stretches
from bridge.observers.usage import Accounting, summary
from bridge.vocabulary.people import EndHandover, Outcome


class Case(NamedTuple):
    lines: list[tuple[float, str, dict[str, object]]]
    told: list[Stretch]


BILLING: dict[str, object] = {"person": "billing"}
CASES = {
    "cold, and back": Case(
        [
            (1.0, "PutThrough", BILLING),
            (9.0, "PeopleJoined", {}),
            (60.0, "TakeBack", {}),
            (61.0, "OpenAssistant", {"opening": "returned"}),
        ],
        [Stretch(1.0, 9.0, "on hold"), Stretch(9.0, 61.0, "with billing")],
    ),
    "warm, declined": Case(
        [
            (1.0, "CallPeople", BILLING),
            (9.0, "BriefPerson", {}),
            (20.0, "ReleasePerson", {}),
            (20.0, "ReportTransfer", {}),
        ],
        [Stretch(1.0, 9.0, "on hold"), Stretch(9.0, 20.0, "on hold, billing is briefed")],
    ),
    "a second group is the same wait": Case(
        [(1.0, "CallPeople", BILLING), (9.0, "CallPeople", BILLING), (20.0, "ReportTransfer", {})],
        [Stretch(1.0, 20.0, "on hold")],
    ),
    "a message to the end of the call": Case(
        [(1.0, "PutThrough", BILLING), (9.0, "TakeMessage", {})],
        [Stretch(1.0, 9.0, "on hold"), Stretch(9.0, 99.0, "leaves a message for billing")],
    ),
    "held in a room, and put through to somebody else, whom an operator asked for": Case(
        [
            (1.0, "CallPeople", BILLING),
            (12.0, "SetRole", {"member": "person", "role": "talks"}),
            (20.0, "SetRole", {"member": "caller", "role": "held"}),
            (25.0, "SetRole", {"member": "assistant", "role": "talks"}),
            (30.0, "SetRole", {"member": "caller", "role": "talks"}),
            (40.0, "EndHandover", BILLING),
            (40.0, "CallPeople", {"person": "ann"}),
            (50.0, "SetRole", {"member": "person", "role": "talks"}),
            (60.0, "SetRole", {"member": "caller", "role": "held"}),
            (70.0, "EndHandover", {"person": "ann"}),
        ],
        [
            Stretch(1.0, 12.0, "on hold"),
            Stretch(12.0, 20.0, "in a room with billing"),
            Stretch(20.0, 30.0, "on hold"),
            Stretch(30.0, 40.0, "in a room with billing and the assistant"),
            Stretch(40.0, 50.0, "on hold"),
            Stretch(50.0, 60.0, "in a room with ann"),
            Stretch(60.0, 70.0, "on hold"),
        ],
    ),
    "mixed with a person, and with an assistant that talks until it is lost": Case(
        [
            (1.0, "CallPeople", BILLING),
            (9.0, "BriefPerson", {}),
            (12.0, "SetRole", {"member": "caller", "role": "talks"}),
            (12.0, "SetRole", {"member": "person", "role": "talks"}),
            (12.0, "SetRole", {"member": "assistant", "role": "talks"}),
            (30.0, "LeaveRoom", {"member": "assistant"}),
            (60.0, "ReportTransfer", {}),
        ],
        [
            Stretch(1.0, 9.0, "on hold"),
            Stretch(9.0, 12.0, "on hold, billing is briefed"),
            Stretch(12.0, 30.0, "in a room with billing and the assistant"),
            Stretch(30.0, 60.0, "in a room with billing"),
        ],
    ),
    "mixed with a person, and with an assistant that is silent": Case(
        [
            (1.0, "CallPeople", BILLING),
            (12.0, "SetRole", {"member": "person", "role": "talks"}),
            (12.0, "SetRole", {"member": "assistant", "role": "silent"}),
            (60.0, "ReportTransfer", {}),
        ],
        [Stretch(1.0, 12.0, "on hold"), Stretch(12.0, 60.0, "in a room with billing")],
    ),
    "a request that was refused": Case([(1.0, "ReportTransfer", {})], []),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_who_heard_whom(case: Case) -> None:
    entries = [JournalEntry(at_s, ">", what, dict(fields)) for at_s, what, fields in case.lines]
    assert list(stretches(entries, 99.0)) == case.told


def test_the_history_tells_it_in_words() -> None:
    lines = [
        (1.0, "PutThrough", {"person": "billing"}),
        (5.0, "PersonAnswered", {}),
        (60.0, "PersonLeft", {}),
        (61.0, "OpenAssistant", {"assistant": "a", "opening": "first"}),
        (62.0, "OpenAssistant", {"assistant": "a", "opening": "returned"}),
    ]
    history = build_history([JournalEntry(at_s, ">", what, dict(fields)) for at_s, what, fields in lines])
    assert [note for _, note in history.notes] == [
        "put through to billing",
        "somebody answers",
        "the person has left",
        "back with the assistant",
    ]


def test_the_account_has_each_handover() -> None:
    accounting = Accounting()
    ended = [
        EndHandover("billing", Outcome.BUSY, 9.0),
        EndHandover("billing", Outcome.TALKED, 5.0, 140.0),
    ]
    for word in ended:
        accounting.saw(word, 1.0)
    account = accounting.account({})
    assert list(account.handovers) == ended
    fields = summary(account)
    assert (fields["handovers"], fields["with_person_s"]) == (2, 140.0)
    assert "handovers" not in summary(Accounting().account({}))
