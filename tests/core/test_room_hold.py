"""An operator holds the caller in a room: who hears whom, and what becomes of it when the room ends meanwhile."""

from dataclasses import replace

import pytest

from bridge.core.states import State
from bridge.vocabulary.commands import (
    OpenAssistant,
    ReportTransfer,
)
from bridge.vocabulary.events import (
    AssistantFailed,
    CallStarted,
    Event,
    LegLost,
    LegName,
    ReplyAudio,
    TimePassed,
)
from bridge.vocabulary.operator import (
    HandoverRequested,
    KeysRequested,
    OperatorEvent,
)
from bridge.vocabulary.people import (
    CallPeople,
    Nobody,
    NobodyReached,
    Outcome,
    PersonLeft,
    TakeMessage,
)
from bridge.vocabulary.room import LeaveRoom, Member
from bridge.vocabulary.supervision import SupervisorRole
from telecodecs.format import PCMU_8K
from tests.core.joined import BARGE, LISTEN, MUSIC, QUIET, WHISPER, YES, hears
from tests.core.room_of_four import (
    ALONE,
    ASSISTANT,
    CALLER,
    HOLD,
    MUTE,
    PERSON,
    SUPERVISOR,
    UNHOLD,
    UNMUTE,
    ann_says,
    in_room,
    is_music,
)
from tests.core.test_room import voice

# Who hears whom

ROOM = {CALLER: "pa", PERSON: "ca", ASSISTANT: "cp"}
HELD = {CALLER: "", PERSON: "a", ASSISTANT: "p"}
MATRICES: list[tuple[SupervisorRole | None, str, list[OperatorEvent], dict[Member, str]]] = [
    (None, "", [], ROOM),
    (None, "", [HOLD], HELD),
    (None, "", [HOLD, HOLD], HELD),
    (None, "", [HOLD, UNHOLD], ROOM),
    (None, "", [UNHOLD], ROOM),
    (None, "", [MUTE], {CALLER: "pa", PERSON: "a", ASSISTANT: "p"}),
    (None, "", [MUTE, HOLD], HELD),
    (None, "", [HOLD, MUTE], HELD),
    (None, "", [MUTE, HOLD, UNMUTE], HELD),
    (None, "", [MUTE, HOLD, UNHOLD], {CALLER: "pa", PERSON: "a", ASSISTANT: "p"}),
    (None, "", [MUTE, HOLD, UNMUTE, UNHOLD], ROOM),
    (None, "", [ALONE, HOLD], {CALLER: "", PERSON: "", ASSISTANT: "p"}),
    (None, "", [ALONE, HOLD, UNHOLD], {CALLER: "p", PERSON: "c", ASSISTANT: "cp"}),
    (None, "", [KeysRequested("1")], ROOM),
    (LISTEN, "", [], ROOM | {SUPERVISOR: "cpa"}),
    (LISTEN, "", [HOLD], HELD | {SUPERVISOR: "pa"}),
    (LISTEN, "", [HOLD, UNHOLD], ROOM | {SUPERVISOR: "cpa"}),
    (WHISPER, "person", [HOLD], {CALLER: "", PERSON: "as", ASSISTANT: "p", SUPERVISOR: "pa"}),
    (WHISPER, "assistant", [HOLD], {CALLER: "", PERSON: "a", ASSISTANT: "ps", SUPERVISOR: "pa"}),
    (WHISPER, "person", [HOLD, UNHOLD], ROOM | {PERSON: "cas", SUPERVISOR: "cpa"}),
    (BARGE, "", [HOLD], {CALLER: "", PERSON: "as", ASSISTANT: "ps", SUPERVISOR: "pa"}),
    (BARGE, "", [HOLD, UNHOLD], {CALLER: "pas", PERSON: "cas", ASSISTANT: "cps", SUPERVISOR: "cpa"}),
]


@pytest.mark.parametrize(("role", "to", "asked", "matrix"), MATRICES)
def test_who_hears_whom_after_a_verb(
    role: SupervisorRole | None, to: str, asked: list[OperatorEvent], matrix: dict[Member, str]
) -> None:
    call = in_room(role, to=to)
    call.feed(*asked)
    mixed = call.call._mixed
    assert mixed is not None
    initials = {member.value[0]: member for member in Member}
    wanted = {member: {initials[one] for one in others} for member, others in matrix.items()}
    assert {member: set(mixed.room.hears(member)) for member in mixed.room.parts} == wanted


# On hold


def test_a_caller_on_hold_hears_music_alone_and_is_heard_by_nobody() -> None:
    call = in_room(LISTEN)
    call.feed(HOLD)
    assert call.call.is_held
    assert call.call.state is State.IN_ROOM
    call.hears.clear()
    before = len(call.caller.heard)
    call.feed(ReplyAudio("r1", b"".join(voice(3))))
    call.lasts(voice(1), QUIET)
    assert is_music(b"".join(call.caller.heard[before + 1 :]))
    assert hears(call.hears, voice(1)) < 0.1
    assert hears(call.desk.sound, voice(3)) >= YES
    ann_says(call, voice(2))
    assert hears(call.hears, voice(2)) >= YES
    assert hears(call.desk.sound, voice(2)) >= YES
    assert is_music(b"".join(call.caller.heard[before + 1 :]))


def test_the_music_has_no_gap_and_the_carrier_never_has_more_than_two_seconds_of_it() -> None:
    call = in_room()
    call.feed(HOLD)
    before = len(call.caller.heard)
    for _ in range(20):
        call.lasts(QUIET, [b""] * 100)
    assert is_music(b"".join(call.caller.heard[before + 1 :]))
    waits = sum(len(one) for one in call.caller._queue if isinstance(one, bytes))
    assert waits <= 2 * 8000


def test_the_end_of_a_hold_stops_the_music_at_once_and_brings_the_room_back() -> None:
    call = in_room()
    call.feed(HOLD)
    call.lasts(QUIET, [b""] * 100)
    call.feed(UNHOLD)
    assert not call.call.is_held
    before = len(call.caller.heard)
    call.hears.clear()
    ann_says(call, voice(2))
    heard = b"".join(call.caller.heard[before:])
    assert MUSIC[:20] not in heard
    assert hears(heard, voice(2)) >= YES
    call.hears.clear()
    call.lasts(voice(1), [b""] * 100)
    assert hears(call.hears, voice(1)) >= YES


def test_a_stream_that_comes_back_on_hold_has_the_music_again() -> None:
    call = in_room()
    call.feed(HOLD, LegLost(LegName.CARRIER, 1006))
    call.caller._queue.clear()
    before = len(call.caller.heard)
    call.now += 1.0
    call.feed(TimePassed(), CallStarted("CA1", "MZ2", PCMU_8K))
    call.lasts(QUIET, [b""] * 100)
    assert is_music(b"".join(call.caller.heard[before:]))
    assert sum(len(one) for one in call.caller._queue if isinstance(one, bytes)) <= 2 * 8000


REFUSED: list[tuple[list[Event], OperatorEvent, str]] = [
    ([], UNHOLD, "nobody holds the call"),
    ([HOLD], HOLD, "the call is held already"),
    ([HOLD], KeysRequested("1"), "the call is held: end the hold first"),
    ([], HandoverRequested("ann"), "the caller is with ann already: expected another person"),
    ([], HandoverRequested("eve"), "there is no person 'eve'"),
    (
        [LegLost(LegName.CARRIER, 1006)],
        HandoverRequested("carol"),
        "the caller's stream is interrupted: ask again when it is back",
    ),
]


@pytest.mark.parametrize(("before", "asked", "why"), REFUSED)
def test_what_is_not_possible_says_why_and_changes_nothing(
    before: list[Event], asked: OperatorEvent, why: str
) -> None:
    call = in_room()
    call.feed(*before)
    call.did.clear()
    assert call.call.why_not(asked) == why
    call.feed(asked)
    assert not call.did
    assert call.call.state is State.IN_ROOM


# The room ends while the caller is on hold


def test_a_person_who_leaves_a_caller_on_hold_leaves_them_there_and_the_assistant_is_told_later() -> None:
    call = in_room(BARGE)
    call.feed(ReplyAudio("r1", b"".join(voice(3, 4.0))))
    call.feed(HOLD)
    call.lasts(QUIET[:20], QUIET[:20])
    before = len(call.caller.heard)
    call.feed(PersonLeft("B1"))
    assert call.call.state is State.HOLDING
    assert call.call.is_held
    assert LeaveRoom(SUPERVISOR) in call.did
    assert not call.commanded(ReportTransfer)
    call.lasts(voice(1), voice(2))
    assert is_music(b"".join(call.caller.heard[before + 2 :]))
    call.feed(UNHOLD)
    assert str(call.call.state) == "talking"
    (report,) = call.commanded(ReportTransfer)
    assert isinstance(report, ReportTransfer)
    assert (report.tool_call_id, report.outcome) == ("t1", Outcome.TALKED)
    call.lasts(voice(1), QUIET)
    assert hears(call.desk.sound, voice(1)) >= YES, "the supervisor is back"


def test_an_operator_puts_a_caller_through_whom_a_person_left_on_hold() -> None:
    call = in_room()
    call.feed(HOLD, PersonLeft("B1"), HandoverRequested("carol"))
    assert call.commanded(CallPeople)
    assert not call.call.is_held
    call.feed(NobodyReached(Nobody.BUSY, "2.1"))
    (report,) = call.commanded(ReportTransfer)
    assert isinstance(report, ReportTransfer)
    assert report.tool_call_id == "t1", "the assistant's request has an answer"


def test_an_assistant_that_was_lost_on_hold_is_opened_when_the_hold_ends() -> None:
    call = in_room()
    call.feed(HOLD, PersonLeft("B1"), AssistantFailed("gone"))
    assert not call.commanded(OpenAssistant)
    call.feed(UNHOLD)
    assert call.commanded(OpenAssistant)


def test_a_machine_that_is_found_out_ends_the_hold_for_a_message() -> None:
    call = in_room()
    handover = call.call._handover
    assert handover is not None
    handover.person = replace(handover.person, nobody="message")
    call.feed(HOLD, NobodyReached(Nobody.MACHINE, "1.1"))
    assert call.commanded(TakeMessage)
    assert not call.call.is_held
