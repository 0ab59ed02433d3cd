"""A call that the bridge mixes with a person: who is heard by whom, and what becomes of it when somebody leaves."""

import pytest

from bridge.core.states import State
from bridge.vocabulary.commands import (
    CloseAssistant,
    DropReply,
    HangUp,
    OpenAssistant,
    PlayAudio,
    ReportTransfer,
    SendMark,
    TruncateReply,
)
from bridge.vocabulary.events import (
    AssistantFailed,
    CallEnded,
    CallStarted,
    CloseRequested,
    DigitPressed,
    Event,
    GoodbyeRequested,
    LegLost,
    LegName,
    ReplyAudio,
    ReplyEnded,
    SpeechStarted,
)
from bridge.vocabulary.people import (
    BriefPerson,
    CallPeople,
    EndHandover,
    JoinPerson,
    Nobody,
    NobodyReached,
    Outcome,
    PersonLeft,
    PutThrough,
    ReleasePerson,
)
from bridge.vocabulary.room import (
    AssistantAddressed,
    LeaveRoom,
    Member,
    MemberJoined,
    Role,
    RoleRequested,
    SetRole,
)
from telecodecs.format import L16_16K, PCMA_8K, PCMU_8K, AudioFormat
from tests.core.rooms import Talk
from tests.core.test_room import SILENCE, likeness, samples, voice

QUIET = [SILENCE] * 100


def in_room(line: AudioFormat = PCMU_8K, **how: object) -> Talk:
    talk = Talk(line, line, **how)
    talk.answers()
    assert talk.call.state is State.IN_ROOM
    return talk


def heard(audio: bytes | bytearray) -> bytes:
    """Without the silence at its ends."""
    return bytes(audio).strip(b"\xff")


# How it begins


def test_a_cold_person_is_called_on_a_stream_of_ours_and_joined_as_soon_as_it_starts() -> None:
    talk = Talk()
    assert talk.commanded(CallPeople)
    assert not talk.commanded(PutThrough)
    talk.answers()
    assert talk.commanded(BriefPerson) == [BriefPerson("B1")]
    assert not talk.commanded(JoinPerson)
    assert talk.call.state is State.IN_ROOM
    assert talk.leg.state is State.IN_ROOM
    assert not talk.commanded(CloseAssistant)
    assert talk.commanded(SetRole) == [
        SetRole(Member.CALLER, Role.TALKS),
        SetRole(Member.PERSON, Role.TALKS),
        SetRole(Member.ASSISTANT, Role.SILENT),
    ]


def test_a_warm_person_is_briefed_and_joins_by_accepting() -> None:
    talk = Talk(is_warm=True)
    talk.answers()
    assert str(talk.call.state) == "holding"
    assert any(isinstance(one, OpenAssistant) for one in talk.of_person)
    talk.feed_person(DigitPressed("1"))
    assert talk.call.state is State.IN_ROOM
    assert any(isinstance(one, CloseAssistant) for one in talk.of_person)
    assert not any(isinstance(one, HangUp) for one in talk.of_person), "the leg stays"


def test_a_warm_person_who_declines_is_hung_up_on_and_the_assistant_goes_on() -> None:
    talk = Talk(is_warm=True)
    talk.answers()
    talk.feed_person(DigitPressed("2"))
    assert talk.call.state is State.TALKING
    assert talk.commanded(ReleasePerson)


def test_the_hold_music_stops_when_they_are_joined() -> None:
    talk = Talk(hold=b"\x55" * 8000)
    assert talk.caller.heard
    talk.answers()
    assert talk.caller.came[-1][1] == b"", "what the carrier has of it is cleared"


# Who hears whom


@pytest.mark.parametrize("line", [PCMU_8K, PCMA_8K, L16_16K], ids=str)
def test_each_hears_the_other_byte_for_byte(line: AudioFormat) -> None:
    talk = in_room(line)
    length = line.bytes_in(20)
    loud = [bytes([at % 90 + 1, at % 60 + 1]) * (length // 2) for at in range(100)]
    silent = [line.silence * (length // line.sample_bytes)] * 100
    talk.lasts(loud, silent)
    assert b"".join(loud) in talk.person.heard
    talk.lasts(silent, loud)
    assert b"".join(loud) in talk.caller.heard


def test_legs_of_different_formats_are_converted() -> None:
    talk = Talk(PCMU_8K, PCMA_8K)
    talk.answers()
    said = voice(1)
    talk.lasts(QUIET, [b"\x35" * 160] * 100)
    talk.lasts(said, [b"\xd5" * 160] * 100)
    assert len(talk.person.heard) >= 100 * 160
    assert likeness(samples([bytes(talk.caller.heard)]), samples([b"\x35" * 160])) is not None


def test_a_silent_assistant_hears_both_and_is_not_heard() -> None:
    talk = in_room()
    one, other = voice(1), voice(2)
    talk.lasts(one, QUIET)
    talk.lasts(QUIET, other)
    told = samples([bytes(talk.hears)])
    assert likeness(told[: 100 * 160], samples(one)) >= 0.9
    assert likeness(told[100 * 160 :], samples(other)) >= 0.9
    talk.feed(ReplyAudio("r1", b"\x11" * 1600))
    talk.lasts(QUIET, QUIET)
    assert talk.commanded(DropReply) == [DropReply("r1")]
    assert b"\x11" not in talk.caller.heard
    assert b"\x11" not in talk.person.heard


def test_an_assistant_that_talks_is_heard_by_both_in_its_time() -> None:
    talk = in_room(assistant_talks=True)
    said = voice(3)
    talk.lasts(QUIET, QUIET)
    began = talk.now
    talk.feed(ReplyAudio("r1", b"".join(said)), ReplyEnded("r1"))
    talk.lasts(QUIET, QUIET)
    talk.lasts(QUIET, QUIET)
    for far in (talk.caller, talk.person):
        assert b"".join(said) in far.heard
        when = [now for now, audio in far.came if audio in said]
        assert when[0] - began <= 0.04
        assert 1.9 <= when[-1] - began <= 2.1
    assert not talk.commanded(DropReply)
    assert talk.call.counts().get("stray_marks", 0) == 0


def test_the_assistant_does_not_hear_itself() -> None:
    talk = in_room(assistant_talks=True)
    talk.lasts(QUIET, QUIET)
    talk.feed(ReplyAudio("r1", b"".join(voice(3))), ReplyEnded("r1"))
    talk.lasts(QUIET, QUIET)
    assert not heard(talk.hears)


def test_speech_cuts_what_the_assistant_says_to_what_was_heard() -> None:
    talk = in_room(assistant_talks=True)
    talk.lasts(QUIET, QUIET)
    talk.feed(ReplyAudio("r1", b"\x11" * 160 * 100))
    talk.lasts(QUIET[:50], QUIET[:50])
    talk.feed(SpeechStarted())
    before = talk.caller.heard.count(b"\x11")
    talk.lasts(QUIET, QUIET)
    assert talk.caller.heard.count(b"\x11") - before <= 2 * 160
    (cut,) = talk.commanded(TruncateReply)
    assert isinstance(cut, TruncateReply)
    assert cut.heard_ms == pytest.approx(1000, abs=60)


def test_another_role_of_the_assistant_holds_at_once() -> None:
    talk = in_room()
    talk.feed(RoleRequested(Member.ASSISTANT, Role.TALKS), ReplyAudio("r1", b"\x11" * 16000))
    talk.lasts(QUIET[:20], QUIET[:20])
    assert b"\x11" in talk.caller.heard
    talk.feed(RoleRequested(Member.ASSISTANT, Role.SILENT))
    before = len(heard(talk.caller.heard))
    talk.lasts(QUIET, QUIET)
    assert len(heard(talk.caller.heard)) - before <= 2 * 160
    talk.feed(RoleRequested(Member.SUPERVISOR, Role.TALKS))
    assert talk.call.counts()["out_of_place"] == 1


def test_a_silent_assistant_that_is_addressed_is_heard_for_one_reply() -> None:
    talk = in_room()
    talk.lasts(QUIET[:20], QUIET[:20])
    talk.feed(AssistantAddressed(), ReplyAudio("r1", b"\x11" * 8000), ReplyEnded("r1"))
    talk.feed(ReplyAudio("r2", b"\x12" * 8000))
    talk.lasts(QUIET, QUIET)
    for far in (talk.caller, talk.person):
        assert b"\x11" * 8000 in far.heard
        assert b"\x12" not in far.heard
    assert talk.commanded(DropReply) == [DropReply("r2")]
    assert talk.commanded(SetRole)[-1] == SetRole(Member.ASSISTANT, Role.SILENT)


def test_a_muted_person_is_not_heard_and_hears() -> None:
    talk = in_room()
    talk.feed(RoleRequested(Member.PERSON, Role.MUTED))
    talk.lasts(voice(1), voice(2))
    assert not talk.caller.heard
    assert b"".join(voice(1)) in talk.person.heard


# Somebody leaves

LEAVES: list[tuple[str, list[Event], bool]] = [
    ("the carrier says that the person has left", [PersonLeft("B1")], False),
    ("their stream ends", [], True),
]


@pytest.mark.parametrize(("events", "ends"), [row[1:] for row in LEAVES], ids=[row[0] for row in LEAVES])
@pytest.mark.parametrize("talks", [False, True])
def test_the_person_leaves_and_the_same_assistant_has_the_call_again(
    events: list[Event], ends: bool, talks: bool
) -> None:
    talk = in_room(assistant_talks=talks)
    talk.lasts(voice(1), voice(2))
    if ends:
        talk.feed_person(CallEnded())
    talk.feed(*events)
    assert talk.call.state is State.TALKING
    (ended,) = talk.commanded(EndHandover)
    assert isinstance(ended, EndHandover)
    assert (ended.outcome, ended.talked_s) == (Outcome.TALKED, 2.0)
    assert len(talk.commanded(ReportTransfer)) == 1
    assert not talk.commanded(OpenAssistant)[1:]
    talk.feed(ReplyAudio("r2", b"\x11" * 1600), ReplyEnded("r2"))
    assert b"\x11" * 1600 in talk.caller.heard
    talk.lasts(voice(3), [b""] * 100)
    assert likeness(samples([bytes(talk.hears[-100 * 160 :])]), samples(voice(3))) >= 0.9
    assert talk.call.counts().get("stray_marks", 0) == 0


def test_with_back_false_the_call_ends_with_the_person() -> None:
    talk = in_room(comes_back=False)
    talk.feed(PersonLeft("B1"))
    assert talk.call.state is State.ENDED


def test_what_the_assistant_was_saying_goes_on_when_the_person_leaves() -> None:
    talk = in_room(assistant_talks=True)
    talk.lasts(QUIET, QUIET)
    talk.feed(ReplyAudio("r1", bytes(range(1, 101)) * 160), ReplyEnded("r1"))
    talk.lasts(QUIET[:20], QUIET[:20])
    talk.feed(PersonLeft("B1"))
    assert bytes(range(1, 101)) * 160 in talk.caller.heard


def test_the_caller_hangs_up_and_the_person_is_hung_up_on() -> None:
    talk = in_room()
    talk.feed(CallEnded())
    assert talk.call.state is State.ENDED
    assert ReleasePerson("B1", "the caller hung up") in talk.did
    assert talk.commanded(CloseAssistant)


@pytest.mark.parametrize(
    "lost",
    [
        AssistantFailed("no credit"),
        LegLost(LegName.ASSISTANT, 1006, "gone"),
        CloseRequested("the assistant hung up", 1000),
    ],
    ids=lambda lost: type(lost).__name__,
)
@pytest.mark.parametrize("talks", [False, True])
def test_the_assistant_is_lost_and_the_two_go_on(lost: Event, talks: bool) -> None:
    talk = in_room(assistant_talks=talks)
    talk.lasts(QUIET, QUIET)
    if talks:
        talk.feed(ReplyAudio("r1", b"\x11" * 160 * 100))
        talk.lasts(QUIET[:10], QUIET[:10])
    talk.feed(lost)
    assert talk.call.state is State.IN_ROOM
    assert talk.commanded(LeaveRoom) == [LeaveRoom(Member.ASSISTANT)]
    said = voice(4)
    talk.lasts(said, QUIET)
    assert b"".join(said) in talk.person.heard
    assert b"\x11" * 1600 not in talk.person.heard[-100 * 160 :]
    opened = len(talk.commanded(OpenAssistant))
    talk.feed(PersonLeft("B1"))
    assert len(talk.commanded(OpenAssistant)) == opened + 1


def test_a_server_that_stops_ends_the_call_of_both() -> None:
    talk = in_room()
    talk.feed(GoodbyeRequested("the server is closing", 5.0))
    assert talk.call.state is State.ENDED
    assert not talk.call.leaves_people
    assert talk.commanded(ReleasePerson)


def test_the_caller_s_stream_breaks_and_comes_back() -> None:
    talk = in_room()
    talk.feed(LegLost(LegName.CARRIER, 1006))
    assert talk.call.can_resume
    before = len(talk.caller.heard)
    talk.lasts([b""] * 100, voice(1))
    assert len(talk.caller.heard) == before
    talk.feed(CallStarted("CA1", "MZ3", PCMU_8K))
    talk.lasts(voice(2), voice(1))
    assert b"".join(voice(1)) in talk.caller.heard
    assert b"".join(voice(2)) in talk.person.heard


def test_a_machine_that_was_taken_for_a_person_is_hung_up_on() -> None:
    talk = in_room()
    talk.feed(NobodyReached(Nobody.MACHINE, "1.1"))
    assert talk.call.state is State.TALKING
    (ended,) = talk.commanded(EndHandover)
    assert isinstance(ended, EndHandover)
    assert ended.outcome is Outcome.MACHINE


def test_a_person_whose_sound_cannot_be_mixed_is_hung_up_on() -> None:
    talk = in_room()
    talk.feed(MemberJoined(Member.PERSON, "B1", AudioFormat(PCMU_8K.encoding, 8000, 2)))
    assert talk.commanded(ReleasePerson)
    assert talk.call.state is State.TALKING


def test_a_person_who_stalls_for_three_seconds_leaves_no_gap_for_the_assistant_and_the_call_goes_on() -> None:
    talk = in_room(assistant_talks=True)
    talk.lasts(voice(1), voice(2))
    before = len(talk.hears)
    talk.lasts(voice(3, 3.0), [b""] * 150)
    assert len(talk.hears) - before >= 148 * 160
    assert talk.call.state is State.IN_ROOM


def test_a_call_that_is_not_mixed_has_its_lanes_and_no_room() -> None:
    talk = Talk()
    talk.feed(PersonLeft("B9"), NobodyReached(Nobody.BUSY))
    assert talk.call.state is State.TALKING
    assert talk.call.lanes
    assert talk.call._mixed is None


@pytest.mark.parametrize("kind", [PlayAudio, SendMark])
def test_keys_of_the_room_have_no_effect(kind: type) -> None:
    talk = in_room()
    talk.feed(DigitPressed("5"))
    talk.feed_person(DigitPressed("1"))
    assert talk.call.counts()["keys_in_room"] == 1
    assert not talk.commanded(kind)
