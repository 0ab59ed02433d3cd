"""A supervisor is in a call that goes on hold, or to a person: who hears whom there, and who comes back."""

import pytest

from bridge.core.states import State
from bridge.vocabulary.commands import CloseAssistant
from bridge.vocabulary.events import Event, ReplyAudio
from bridge.vocabulary.operator import HoldRequested
from bridge.vocabulary.people import (
    BriefingStarted,
    PeopleJoined,
    PersonAccepted,
    PersonAnswered,
    PersonLeft,
    TransferRequested,
)
from bridge.vocabulary.room import LeaveRoom, Member, MemberJoined
from bridge.vocabulary.supervision import EndSupervision, SupervisionRefused, SupervisorRole
from telecodecs.format import PCMU_8K
from tests.core.joined import (
    BARGE,
    LEAVE,
    LISTEN,
    NO,
    QUIET,
    SILENCE,
    WHISPER,
    YES,
    Supervised,
    hears,
    is_of_two,
)
from tests.core.test_room import voice

# On hold, and to a person


@pytest.mark.parametrize("role", [LISTEN, WHISPER, BARGE])
def test_on_hold_nobody_hears_the_supervisor_who_is_back_after_it(role: SupervisorRole) -> None:
    call = Supervised()
    call.joins(role)
    call.lasts(voice(1), voice(2))
    call.feed(HoldRequested(on=True))
    call.hears.clear()
    call.lasts(voice(1), voice(2))
    assert hears(call.caller.sound, voice(2)) <= NO
    assert not call.hears
    assert call.commanded(LeaveRoom) == [LeaveRoom(Member.SUPERVISOR)]
    call.feed(HoldRequested(on=False))
    call.lasts(voice(1), QUIET)
    assert hears(call.desk.sound, voice(1)) >= YES
    call.lasts(QUIET, voice(2))
    assert (hears(call.caller.sound, voice(2)) >= YES) is (role is BARGE)
    call.ask(LEAVE)
    is_of_two(call)


def test_nobody_joins_on_hold() -> None:
    call = Supervised()
    call.feed(HoldRequested(on=True))
    assert call.ask(LISTEN) == [SupervisionRefused("desk", "the caller is on hold")]


def to(call: Supervised, person: str, *events: Event) -> None:
    """The assistant puts the caller through."""
    call.feed(TransferRequested(person, tool_call_id="t1"), *events)


def test_a_person_on_the_carriers_side_leaves_the_supervisor_out() -> None:
    call = Supervised()
    call.joins(BARGE)
    call.lasts(QUIET, QUIET)
    to(call, "bob", PersonAnswered("B1", "+15550112"), PeopleJoined("B1"))
    why = "the caller talks with a person on the carrier's side"
    assert call.commanded(EndSupervision) == [EndSupervision("desk", why)]
    assert call.call.state is State.WITH_PERSON
    assert call.commanded(CloseAssistant)


@pytest.mark.parametrize(
    ("role", "addressee", "member"),
    [
        (LISTEN, "", None),
        (WHISPER, "", Member.PERSON),
        (WHISPER, "person", Member.PERSON),
        (WHISPER, "assistant", Member.ASSISTANT),
        (BARGE, "", None),
    ],
)
def test_a_person_whom_the_bridge_mixes_comes_to_the_supervisor(
    role: SupervisorRole, addressee: str, member: Member | None
) -> None:
    call = Supervised()
    call.joins()
    call.lasts(QUIET, QUIET)
    to(call, "ann", PersonAnswered("B1", "+15550111"), BriefingStarted("B1"))
    call.feed(PersonAccepted("B1"), MemberJoined(Member.PERSON, "B1", PCMU_8K))
    assert call.call.state is State.IN_ROOM
    call.ask(role, to=addressee)
    parts = call.call._mixed.room.parts  # type: ignore[union-attr]
    assert parts[Member.SUPERVISOR].to is member
    call.lasts(voice(1), voice(2))
    assert hears(call.desk.sound, voice(1)) >= YES
    assert (hears(call.caller.sound, voice(2)) >= YES) is (role is BARGE)
    assert (hears(call.hears[-16000:], voice(2)) > 0.3) is (role is BARGE or member is Member.ASSISTANT)
    call.feed(PersonLeft("B1"))
    assert str(call.call.state) == "talking"
    call.lasts(voice(1), QUIET)
    assert hears(call.desk.sound, voice(1)) >= YES
    call.ask(LEAVE)
    is_of_two(call)


def test_an_assistant_that_speaks_as_the_person_leaves_is_heard_without_a_gap() -> None:
    call = Supervised()
    call.joins()
    call.lasts(QUIET, QUIET)
    to(call, "ann", PersonAnswered("B1", "+15550111"), BriefingStarted("B1"))
    call.feed(PersonAccepted("B1"), MemberJoined(Member.PERSON, "B1", PCMU_8K))
    call.feed(ReplyAudio("r1", b"".join(voice(3, 4.0))))
    call.lasts(QUIET[:50], QUIET[:50])
    call.feed(PersonLeft("B1"))
    before = len(call.caller.heard)
    call.lasts(QUIET[:50], QUIET[:50])
    heard = call.caller.heard[before:]
    assert sum(frame == SILENCE for frame in heard) <= 3
    assert call.caller.sound.strip(b"\xff") in b"".join(voice(3, 4.0))
