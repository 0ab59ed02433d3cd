"""Who is shown in a call with a person, in a room, and with supervisors: rows of words, and who then hears whom."""

from typing import Any

import pytest

from bridge.core.states import State
from bridge.observers.live.live_calls import LiveCalls
from bridge.vocabulary.people import EndHandover, Outcome
from bridge.vocabulary.room import LeaveRoom, Member, Role, SetRole
from bridge.vocabulary.supervision import (
    ChangeSupervisor,
    EndSupervision,
    SupervisorJoined,
    SupervisorLeft,
    SupervisorRole,
)
from bridge.vocabulary.word import Word
from tests.observers.live.test_live_calls import PlayedCall

CALLER, PERSON, ASSISTANT, SUPERVISOR = Member.CALLER, Member.PERSON, Member.ASSISTANT, Member.SUPERVISOR

ROOM: list[Word] = [SetRole(CALLER, Role.TALKS), SetRole(PERSON, Role.TALKS), SetRole(ASSISTANT, Role.SILENT)]
"""A person has joined, and the assistant is silent."""

ENDS = EndHandover("billing", Outcome.TALKED, 1.0, 1.0)

JOINS = SupervisorJoined("boss", "CA9", SupervisorRole.LISTEN)

ROWS: list[tuple[str, State, list[Word], list[str]]] = [
    (
        "a silent assistant hears both",
        State.IN_ROOM,
        ROOM,
        ["caller talks: person", "assistant silent: caller person", "person talks: caller"],
    ),
    (
        "an assistant that talks",
        State.IN_ROOM,
        [*ROOM, SetRole(ASSISTANT, Role.TALKS)],
        ["caller talks: assistant person", "assistant talks: caller person", "person talks: caller assistant"],
    ),
    (
        "the assistant has left",
        State.IN_ROOM,
        [*ROOM, LeaveRoom(ASSISTANT)],
        ["caller talks: person", "person talks: caller"],
    ),
    (
        "a caller on hold",
        State.IN_ROOM,
        [*ROOM, LeaveRoom(ASSISTANT), SetRole(CALLER, Role.HELD)],
        ["caller held:", "person talks:"],
    ),
    (
        "a supervisor whispers to the person",
        State.IN_ROOM,
        [*ROOM, SetRole(SUPERVISOR, Role.WHISPERS, PERSON)],
        [
            "caller talks: person",
            "assistant silent: caller person",
            "person talks: caller supervisor",
            "supervisor whispers: caller person",
        ],
    ),
    (
        "a supervisor listens to caller and assistant",
        State.TALKING,
        [SetRole(CALLER, Role.TALKS), SetRole(ASSISTANT, Role.TALKS), SetRole(SUPERVISOR, Role.LISTENS)],
        ["caller talks: assistant", "assistant talks: caller", "supervisor listens: caller assistant"],
    ),
    (
        "the room is over, the assistant talks again",
        State.TALKING,
        [*ROOM, ENDS],
        ["caller talks: assistant", "assistant talks: caller"],
    ),
    ("a room of which nothing is known yet", State.IN_ROOM, [], ["caller talks:"]),
    (
        "the carrier supervises",
        State.WITH_PERSON,
        [JOINS],
        ["caller talks: person", "person talks: caller", "supervisor listens: caller person"],
    ),
    (
        "it whispers for a supervisor",
        State.WITH_PERSON,
        [JOINS, ChangeSupervisor("boss", SupervisorRole.WHISPER)],
        ["caller talks: person", "person talks: caller supervisor", "supervisor whispers: caller person"],
    ),
    (
        "a supervisor barges in",
        State.WITH_PERSON,
        [JOINS, ChangeSupervisor("boss", SupervisorRole.BARGE)],
        ["caller talks: person supervisor", "person talks: caller supervisor", "supervisor talks: caller person"],
    ),
    ("one who rings is not there", State.WITH_PERSON, [ChangeSupervisor("boss", SupervisorRole.BARGE)], ["caller talks: person", "person talks: caller"]),
    ("one has left", State.WITH_PERSON, [JOINS, SupervisorLeft("boss")], ["caller talks: person", "person talks: caller"]),
    ("one was asked to leave", State.WITH_PERSON, [JOINS, EndSupervision("boss", "")], ["caller talks: person", "person talks: caller"]),
]  # fmt: skip


@pytest.mark.parametrize(("state", "words", "expected"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])  # fmt: skip
def test_who_hears_whom(state: State, words: list[Word], expected: list[str]) -> None:
    live = LiveCalls(lambda: 0.0)
    told: list[bytes] = []
    live.watch(told.append)
    call: Any = PlayedCall(live, "CA1", 0.0)
    call.state = state
    live.look()
    told.clear()
    before = live.calls().calls[0].parties
    for word in words:
        assert type(word) in call.shown.sees
        call.see(word, 1.0)
    found = [
        f"{party.name} {party.role}: {' '.join(party.hears)}".rstrip()
        for party in live.calls().calls[0].parties
    ]
    assert found == expected
    live.look()
    assert bool(told) == (live.calls().calls[0].parties != before), "watchers are told"
