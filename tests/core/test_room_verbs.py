"""An operator takes the caller back from a room, puts them through to another person, or presses keys there."""

from dataclasses import replace

import pytest

from bridge.core.key_tones import keys_sound
from bridge.core.states import State
from bridge.vocabulary.commands import (
    Command,
    HangUp,
    PlayAudio,
    PressKeys,
    ReportTransfer,
    TellAssistant,
)
from bridge.vocabulary.events import (
    Event,
    ReplyAudio,
)
from bridge.vocabulary.operator import (
    HandoverRequested,
    KeysRequested,
    OperatorEvent,
    ReturnRequested,
)
from bridge.vocabulary.people import (
    BriefingStarted,
    CallPeople,
    EndHandover,
    Nobody,
    NobodyReached,
    Outcome,
    PeopleJoined,
    PersonAccepted,
    PersonAnswered,
    PersonLeft,
    PutThrough,
    ReleasePerson,
)
from bridge.vocabulary.room import LeaveRoom, MemberJoined, Role, SetRole
from bridge.vocabulary.supervision import EndSupervision
from telecodecs.format import PCMU_8K
from tests.core.joined import BARGE, CAN, LISTEN, MUSIC, QUIET, SILENCE, YES, Supervised, hears
from tests.core.room_of_four import (
    HOLD,
    MUTE,
    PERSON,
    SUPERVISOR,
    ann_says,
    in_room,
    is_music,
)
from tests.core.test_room import voice

# Back to the assistant


@pytest.mark.parametrize("before", [[], [HOLD], [MUTE]], ids=["in the room", "on hold", "muted"])
def test_give_back_sends_the_person_away_and_the_assistant_has_the_caller(before: list[Event]) -> None:
    call = in_room()
    call.feed(*before)
    call.lasts(QUIET[:20], [b""] * 20)
    assert call.call.why_not(ReturnRequested()) == ""
    call.feed(ReturnRequested())
    assert call.commanded(ReleasePerson) == [ReleasePerson("B1", "an operator took the caller back")]
    assert str(call.call.state) == "talking"
    assert not call.call.is_held
    (report,) = call.commanded(ReportTransfer)
    assert isinstance(report, ReportTransfer)
    assert report.outcome is Outcome.TALKED
    call.hears.clear()
    call.feed(ReplyAudio("r9", b"".join(voice(8))))
    call.lasts(voice(1), [b""] * 100)
    assert hears(call.caller.sound, voice(8)) >= YES
    assert (hears(call.hears, voice(1)) >= YES) is (before != [MUTE])


def test_give_back_holds_also_where_the_settings_end_the_call_after_the_person() -> None:
    call = in_room()
    handover = call.call._handover
    assert handover is not None
    handover.person = replace(handover.person, comes_back=False)
    call.feed(ReturnRequested())
    assert str(call.call.state) == "talking"
    assert not call.commanded(HangUp)


def test_with_a_supervisor_there_give_back_leaves_a_room_of_three() -> None:
    call = in_room(BARGE)
    call.feed(ReturnRequested())
    call.lasts(QUIET, voice(2))
    assert hears(call.caller.sound, voice(2)) >= YES
    assert not call.commanded(EndSupervision)


# To another person


def test_a_transfer_sends_the_person_away_and_calls_the_next() -> None:
    call = in_room()
    call.feed(ReplyAudio("r1", b"".join(voice(3, 4.0))))
    call.lasts(QUIET[:20], [b""] * 20)
    assert call.call.why_not(HandoverRequested("carol")) == ""
    call.feed(HandoverRequested("carol"))
    assert str(call.call.state) == "holding"
    why = "an operator puts the caller through to carol"
    assert call.commanded(ReleasePerson) == [ReleasePerson("B1", why)]
    (ended,) = call.commanded(EndHandover)
    assert isinstance(ended, EndHandover)
    assert (ended.person, ended.outcome) == ("ann", Outcome.TALKED)
    (called,) = call.commanded(CallPeople)
    assert isinstance(called, CallPeople)
    assert (called.person, called.request_id) == ("carol", "2.1")
    before = len(call.caller.heard)
    call.hears.clear()
    call.lasts(voice(1), [b""] * 100)
    assert is_music(b"".join(call.caller.heard[before + 9 :]))
    assert not call.hears
    call.feed(PersonAnswered("B2", "+15550113"), BriefingStarted("B2"), PersonAccepted("B2"))
    assert call.call.state is State.IN_ROOM
    call.feed(MemberJoined(PERSON, "B2", PCMU_8K), PersonLeft("B2"))
    assert str(call.call.state) == "talking"
    (report,) = call.commanded(ReportTransfer)
    assert isinstance(report, ReportTransfer)
    assert (report.tool_call_id, report.person) == ("t1", "carol")


def test_who_was_sent_away_is_not_heard_in_the_next_room() -> None:
    """Their leg may still send, where the carrier is slow to end it."""
    call = in_room()
    call.feed(HandoverRequested("carol"), PersonAnswered("B2", "+15550113"), PersonAccepted("B2"))
    call.feed(MemberJoined(PERSON, "B2", PCMU_8K))
    before = len(call.caller.heard)
    ann_says(call, voice(2))
    assert not b"".join(call.caller.heard[before:]).strip(SILENCE[:1] + MUSIC[:1])


def test_take_calls_the_next_person_without_a_briefing() -> None:
    call = in_room()
    call.feed(HandoverRequested("carol", at_once=True), PersonAnswered("B2", "+15550113"))
    call.feed(BriefingStarted("B2"), PersonAccepted("B2"), MemberJoined(PERSON, "B2", PCMU_8K))
    assert call.call.state is State.IN_ROOM
    handover = call.call._handover
    assert handover is not None
    assert not handover.person.is_warm


def test_where_the_next_person_is_not_there_the_assistant_has_the_caller() -> None:
    call = in_room()
    call.feed(HandoverRequested("carol"), NobodyReached(Nobody.BUSY, "2.1"))
    assert str(call.call.state) == "talking"
    (report,) = call.commanded(ReportTransfer)
    assert isinstance(report, ReportTransfer)
    assert (report.tool_call_id, report.outcome) == ("t1", Outcome.BUSY)


def test_an_assistant_that_asked_for_nobody_is_told_in_words() -> None:
    call = Supervised()
    call.feed(HandoverRequested("ann", at_once=True), PersonAnswered("B1", "+15550111"), PersonAccepted("B1"))
    call.feed(MemberJoined(PERSON, "B1", PCMU_8K), HandoverRequested("carol"))
    call.feed(NobodyReached(Nobody.BUSY, "2.1"))
    assert not call.commanded(ReportTransfer)
    assert call.commanded(TellAssistant)


def test_a_caller_on_hold_in_the_room_is_put_through_too() -> None:
    call = in_room()
    call.feed(HOLD, HandoverRequested("carol"))
    assert not call.call.is_held
    assert call.commanded(CallPeople)
    assert call.call.state is State.HOLDING


@pytest.mark.parametrize("at_once", [False, True], ids=["transfer", "take"])
def test_a_supervisor_waits_while_the_next_person_is_called_and_is_in_the_next_room(at_once: bool) -> None:
    call = in_room(LISTEN)
    call.feed(HandoverRequested("carol", at_once=at_once))
    assert LeaveRoom(SUPERVISOR) in call.did
    heard = len(call.desk.heard)
    call.lasts(voice(1), voice(2))
    assert not b"".join(call.desk.heard[heard + 9 :]).strip(SILENCE[:1])
    call.feed(PersonAnswered("B2", "+15550113"), BriefingStarted("B2"), PersonAccepted("B2"))
    call.feed(MemberJoined(PERSON, "B2", PCMU_8K))
    assert call.commanded(SetRole)[-1] == SetRole(SUPERVISOR, Role.LISTENS)
    call.lasts(voice(1), QUIET)
    assert hears(call.desk.sound, voice(1)) >= YES


def test_a_person_on_the_carriers_side_may_follow_and_leaves_the_supervisor_out() -> None:
    call = in_room(LISTEN)
    call.feed(HandoverRequested("bob"))
    assert call.commanded(PutThrough)
    call.feed(PersonAnswered("B2", "+15550112"), PeopleJoined("B2"))
    assert call.call.state is State.WITH_PERSON
    assert call.commanded(EndSupervision)


# Keys


def test_the_carrier_presses_keys_for_the_caller_in_the_room() -> None:
    call = in_room()
    call.feed(KeysRequested("12#"))
    assert call.commanded(PressKeys) == [PressKeys("12#")]


def test_where_the_carrier_presses_none_the_caller_alone_hears_their_tones() -> None:
    call = in_room(LISTEN, can=CAN - {PressKeys})
    tones = keys_sound("12", PCMU_8K)
    before = len(call.caller.heard)
    call.hears.clear()
    call.feed(KeysRequested("12"))
    ann_says(call, voice(2))
    heard = b"".join(call.caller.heard[before:])
    assert tones in heard
    assert heard.index(tones) <= 160 * 8
    assert tones not in call.desk.sound
    assert tones not in call.hears
    ann_says(call, voice(4))
    call.lasts(QUIET[:10], QUIET[:10])
    assert b"".join(voice(4)[10:]) in call.caller.sound, "the voices are back"
    assert call.call.why_not(KeysRequested("W" * 9)).startswith("their tones last longer than 5 s")


def test_keys_follow_each_other_and_what_is_too_much_is_dropped_and_counted() -> None:
    call = in_room(can=CAN - {PressKeys})
    before = len(call.caller.heard)
    call.feed(*[KeysRequested("1234567890")] * 9)
    dropped = call.call.counts()["keys_dropped"]
    assert 0 < dropped < 8
    for _ in range(6):
        call.lasts(QUIET, [b""] * 100)
    assert keys_sound("1234567890", PCMU_8K) * (9 - dropped) in b"".join(call.caller.heard[before:])


# With a supervisor, and no person


VERBS: list[tuple[OperatorEvent, type[Command]]] = [
    (KeysRequested("1"), PressKeys),
    (HandoverRequested("carol"), CallPeople),
    (HandoverRequested("carol", at_once=True), CallPeople),
    (HandoverRequested("bob"), PutThrough),
    (HOLD, PlayAudio),
]


@pytest.mark.parametrize(("asked", "does"), VERBS)
def test_a_supervisor_in_the_call_forbids_no_verb(asked: OperatorEvent, does: type[Command]) -> None:
    call = Supervised()
    call.joins(BARGE)
    call.lasts(QUIET[:20], QUIET[:20])
    assert call.call.why_not(asked) == ""
    assert any(isinstance(one, does) for one in call.call.handle(asked, call.now))
