"""What a room must get right where two things come together: an end and a stream that is gone, two formats, an old reply."""

import pytest

from bridge.core.media import Conversion
from bridge.core.states import State
from bridge.vocabulary.commands import DropReply
from bridge.vocabulary.events import CallerAudio, CallStarted, LegLost, LegName, ReplyAudio, ReplyEnded
from bridge.vocabulary.people import (
    BriefingStarted,
    Nobody,
    NobodyReached,
    PersonAnswered,
    PersonLeft,
    TakeBack,
    TakeMessage,
)
from bridge.vocabulary.room import AssistantAddressed
from telecodecs.format import L16_16K, PCMA_8K, PCMU_8K, AudioFormat
from tests.core.rooms import Talk
from tests.core.test_room import SILENCE, voice

QUIET = [SILENCE] * 100


def in_room(**how: object) -> Talk:
    talk = Talk(**how)  # type: ignore[arg-type]
    talk.answers()
    assert talk.call.state is State.IN_ROOM
    return talk


# The room is over, and the call goes on without it


def test_a_machine_that_is_found_out_in_the_room_lets_the_caller_leave_a_message() -> None:
    talk = in_room(nobody="message")
    talk.feed(NobodyReached(Nobody.MACHINE, "1.1"))
    assert talk.call.state is State.HOLDING
    assert talk.commanded(TakeMessage)
    talk.feed(CallerAudio(SILENCE, 0))
    assert talk.call.counts().get("out_of_place", 0) == 0


def test_a_caller_whose_stream_is_gone_when_the_person_leaves_comes_back_to_the_assistant() -> None:
    talk = in_room()
    talk.feed(LegLost(LegName.CARRIER, 1006, "gone"))
    talk.feed(PersonLeft("B1"))
    assert talk.call.state is State.HOLDING
    assert talk.commanded(TakeBack)
    talk.feed(CallStarted("CA1", "MZ3", PCMU_8K))
    assert str(talk.call.state) == "talking"
    said = voice(1)
    for at, frame in enumerate(said):
        talk.feed(CallerAudio(frame, at * 20))
    assert b"".join(said[10:90]) in talk.hears


# A leg that is sent another format than it sends


@pytest.mark.parametrize("plays", [PCMA_8K, L16_16K], ids=str)
def test_a_person_hears_the_room_in_the_format_that_the_leg_plays(plays: AudioFormat) -> None:
    talk = Talk()
    talk.feed(PersonAnswered("B1", "+15550111"), BriefingStarted("B1"))
    talk.feed_person(CallStarted("B1", "MZ2", PCMU_8K, plays=plays))
    assert talk.call.state is State.IN_ROOM
    said, played = voice(1), Conversion(PCMU_8K, plays)
    talk.lasts(said, QUIET)
    assert b"".join([played.feed(frame) for frame in said][10:90]) in talk.person.heard


# What falls due together with an event


def test_hold_music_that_is_due_as_the_room_opens_is_the_callers_and_not_a_part_of_the_room() -> None:
    talk = Talk(hold=b"\x55" * 8000)
    talk.feed(PersonAnswered("B1", "+15550111"), BriefingStarted("B1"))
    played = len(talk.caller.heard)
    talk.now += 1.0
    talk.feed_person(CallStarted("B1", "MZ2", PCMU_8K))
    assert talk.call.state is State.IN_ROOM
    assert talk.caller.came[-1][1] == b"", "what the carrier has of it is cleared"
    assert len(talk.caller.heard) > played, "more of it was due"
    talk.lasts(QUIET, QUIET)
    assert b"\x55" not in talk.person.heard
    assert talk.call.counts().get("stray_marks", 0) == 0


# An assistant that is addressed


def test_the_end_of_an_earlier_reply_does_not_take_the_turn_of_an_assistant_that_is_addressed() -> None:
    talk = in_room()
    talk.lasts(QUIET[:20], QUIET[:20])
    talk.feed(ReplyAudio("r1", b"\x11" * 8000), AssistantAddressed(), ReplyEnded("r1"))
    talk.feed(ReplyAudio("r2", b"\x12" * 8000), ReplyEnded("r2"), ReplyAudio("r3", b"\x13" * 8000))
    talk.lasts(QUIET, QUIET)
    assert b"\x12" * 8000 in talk.caller.heard
    assert talk.commanded(DropReply) == [DropReply("r1"), DropReply("r3")]
