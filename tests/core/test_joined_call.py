"""A supervisor joins a call of a caller and an assistant: who hears whom in each role, and what becomes of it at each end."""

from collections.abc import Callable

import pytest

from bridge.core.states import State
from bridge.vocabulary.commands import (
    ConfirmHeard,
    HangUp,
    OpenAssistant,
    TruncateReply,
)
from bridge.vocabulary.events import (
    AssistantFailed,
    CallEnded,
    CallStarted,
    DigitPressed,
    GoodbyeRequested,
    LegLost,
    LegName,
    ReplyAudio,
    ReplyEnded,
    SpeechStarted,
)
from bridge.vocabulary.operator import MuteRequested
from bridge.vocabulary.people import (
    Nobody,
)
from bridge.vocabulary.room import LeaveRoom, Member, MemberJoined, Role, SetRole
from bridge.vocabulary.supervision import (
    CallSupervisor,
    EndSupervision,
    SupervisionRefused,
    SupervisorAnswered,
    SupervisorLeft,
    SupervisorNotReached,
    SupervisorRole,
)
from telecodecs.format import L16_16K, PCMA_8K, PCMU_8K, AudioFormat
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

# How it begins


def test_the_supervisor_is_called_and_joins_when_the_stream_has_started() -> None:
    call = Supervised()
    assert call.ask(LISTEN) == [CallSupervisor("desk", ("+15550130",), "ours", 20.0)]
    call.feed(SupervisorAnswered("desk", "S1"))
    assert not call.commanded(SetRole), "there is no stream yet"
    call.feed_desk(CallStarted("S1", "MZ9", PCMU_8K))
    assert call.commanded(SetRole) == [
        SetRole(Member.CALLER, Role.TALKS),
        SetRole(Member.ASSISTANT, Role.TALKS),
        SetRole(Member.SUPERVISOR, Role.LISTENS),
    ]
    assert call.call.state is State.TALKING


def test_the_groups_of_a_supervisor_are_tried_in_turn() -> None:
    call = Supervised()
    call.ask(LISTEN)
    call.feed(SupervisorNotReached("desk", Nobody.BUSY))
    assert call.commanded(CallSupervisor)[1:] == [CallSupervisor("desk", ("+15550131",), "ours", 20.0)]
    call.feed(SupervisorNotReached("desk", Nobody.NO_ANSWER))
    assert call.ask(LEAVE) == [SupervisionRefused("desk", "the supervisor is not there")]
    assert call.ask(LISTEN) == [CallSupervisor("desk", ("+15550130",), "ours", 20.0)]


@pytest.mark.parametrize("answers", [False, True])
def test_a_supervisor_of_whom_nothing_comes_is_given_up_after_each_group_was_called(answers: bool) -> None:
    call = Supervised()
    call.ask(LISTEN)
    if answers:
        call.feed(SupervisorAnswered("desk", "S1"))
    for _ in range(16 if answers else 32):
        call.lasts(QUIET, [b""] * 100)
    groups = [
        CallSupervisor("desk", ("+15550130",), "ours", 20.0),
        CallSupervisor("desk", ("+15550131",), "ours", 20.0),
    ]
    assert call.commanded(CallSupervisor) == groups[: 1 if answers else 2], "whoever answered is the only one"
    assert call.commanded(EndSupervision) == [EndSupervision("desk", "they were not reached in time")]
    call.feed(MemberJoined(Member.SUPERVISOR, "S1", PCMU_8K))
    assert not call.commanded(SetRole)


def test_a_machine_that_is_found_out_late_is_out_of_the_room_and_the_next_group_is_called() -> None:
    call = Supervised()
    call.joins(BARGE)
    call.lasts(QUIET, voice(2))
    call.feed(SupervisorNotReached("desk", Nobody.MACHINE))
    assert call.commanded(LeaveRoom) == [LeaveRoom(Member.SUPERVISOR)]
    assert call.commanded(CallSupervisor)[1:] == [CallSupervisor("desk", ("+15550131",), "ours", 20.0)]
    is_of_two(call)


# Who hears whom

ROLES: list[tuple[SupervisorRole, bool, bool]] = [
    (LISTEN, False, False),
    (WHISPER, False, True),
    (BARGE, True, True),
]
"""A role, and whether the caller and the assistant hear the supervisor."""


@pytest.mark.parametrize(("role", "by_caller", "by_assistant"), ROLES)
def test_who_hears_the_supervisor(role: SupervisorRole, by_caller: bool, by_assistant: bool) -> None:
    call = Supervised()
    call.joins(role)
    call.lasts(QUIET, QUIET)
    desk = voice(2)
    call.lasts(QUIET, desk)
    for heard, is_heard in ((call.caller.sound, by_caller), (call.hears, by_assistant)):
        assert hears(heard, desk) >= YES if is_heard else hears(heard, desk) <= NO
    assert hears(call.desk.sound, desk) <= NO, "nobody hears themselves"


@pytest.mark.parametrize("role", [LISTEN, WHISPER, BARGE])
def test_the_supervisor_hears_both_and_they_hear_each_other(role: SupervisorRole) -> None:
    call = Supervised()
    call.joins(role)
    call.lasts(QUIET, QUIET)
    caller, assistant = voice(1), voice(3)
    call.lasts(caller, QUIET)
    assert hears(call.desk.sound, caller) >= YES
    assert hears(call.hears, caller) >= YES
    call.feed(ReplyAudio("r1", b"".join(assistant)), ReplyEnded("r1"))
    call.lasts(QUIET, QUIET)
    assert hears(call.desk.sound, assistant) >= YES
    assert hears(call.caller.sound, assistant) >= YES
    assert hears(call.hears, assistant) <= NO


@pytest.mark.parametrize("line", [PCMU_8K, PCMA_8K, L16_16K], ids=str)
def test_who_is_heard_alone_is_heard_byte_for_byte(line: AudioFormat) -> None:
    call = Supervised(line, line)
    call.joins()
    frame = line.bytes_in(20)
    silent = [line.silence * (frame // line.sample_bytes)] * 100
    call.lasts(silent, silent)
    loud = [bytes([at % 90 + 1, at % 60 + 1]) * (frame // 2) for at in range(100)]
    call.lasts(loud, silent)
    assert b"".join(loud)[: -2 * frame] in call.desk.sound


@pytest.mark.parametrize("line", [PCMA_8K, L16_16K], ids=str)
def test_a_leg_of_another_format_is_converted(line: AudioFormat) -> None:
    call = Supervised(PCMU_8K, line)
    call.joins(BARGE)
    silent = [line.silence * (line.bytes_in(20) // line.sample_bytes)] * 100
    call.lasts(voice(1), silent)
    assert len(call.desk.sound.strip(line.silence)) > 90 * line.bytes_in(20)


def test_another_role_holds_within_60_ms() -> None:
    call = Supervised()
    call.joins(LISTEN)
    tone = [b"\x11" * 160] * 100
    call.lasts(QUIET, tone)
    assert not call.caller.sound.strip(b"\xff")
    for role, is_heard in ((BARGE, True), (WHISPER, False), (BARGE, True), (LISTEN, False)):
        call.ask(role)
        call.lasts(QUIET[:3], tone[:3])
        at = len(call.caller.heard)
        call.lasts(QUIET[:20], tone[:20])
        heard = call.caller.heard[at:]
        assert all((b"\x11" in frame) is is_heard for frame in heard), role
    assert len(call.commanded(CallSupervisor)) == 1, "nobody is called twice"


def test_a_whisper_without_an_addressee_goes_to_the_assistant() -> None:
    call = Supervised()
    call.joins(WHISPER)
    assert call.commanded(SetRole)[-1] == SetRole(Member.SUPERVISOR, Role.WHISPERS, Member.ASSISTANT)
    refused = [SupervisionRefused("desk", "there is no person who could be whispered to")]
    assert call.ask(WHISPER, to="person") == refused


def test_keys_reach_the_assistant_and_a_muted_caller_does_not() -> None:
    call = Supervised()
    call.joins()
    call.feed(MuteRequested("caller", True))
    call.lasts(voice(1), QUIET)
    assert hears(call.hears, voice(1)) <= NO
    call.feed(MuteRequested("caller", False))
    call.lasts(voice(1), QUIET)
    assert hears(call.hears, voice(1)) >= YES
    call.feed(DigitPressed("5"))
    assert call.call.counts()["digits"] == 1
    call.feed(MuteRequested("assistant", True), ReplyAudio("r1", b"".join(voice(3))))
    call.lasts(QUIET, QUIET)
    assert not hears(call.caller.sound, voice(3))


# What the caller heard of the assistant is what the carrier says


def test_all_of_a_reply_is_heard_though_the_supervisor_joins_and_leaves_in_it() -> None:
    call = Supervised()
    call.lasts(QUIET[:10], QUIET[:10])
    said = voice(3, 6.0)
    call.feed(ReplyAudio("r1", b"".join(said)), ReplyEnded("r1"))
    call.lasts(QUIET[:50], [b""] * 50)
    call.joins()
    for _ in range(2):
        call.lasts(QUIET, QUIET)
    assert b"".join(said[120:200]) in call.caller.sound, "in one piece across the seam"
    call.ask(LEAVE)
    call.lasts(QUIET, [b""] * 100)
    call.lasts(QUIET, [b""] * 100)
    assert b"".join(said) in call.caller.sound.replace(SILENCE, b"")
    assert call.commanded(ConfirmHeard) == [ConfirmHeard("r1")]
    assert call.call.counts().get("stray_marks", 0) == 0


@pytest.mark.parametrize("role", [LISTEN, BARGE])
def test_a_cut_is_where_the_carrier_was(role: SupervisorRole) -> None:
    call = Supervised()
    call.joins(role)
    call.lasts(QUIET, QUIET)
    call.feed(ReplyAudio("r1", b"\x11" * 160 * 100))
    call.lasts(QUIET[:50], QUIET[:50])
    call.feed(SpeechStarted())
    call.lasts(QUIET, QUIET)
    (cut,) = call.commanded(TruncateReply)
    assert isinstance(cut, TruncateReply)
    assert cut.heard_ms == pytest.approx(call.caller.sound.count(b"\x11") / 8, abs=40)
    call.feed(ReplyAudio("r2", b"\x12" * 160 * 10), ReplyEnded("r2"))
    call.lasts(QUIET, QUIET)
    assert call.caller.sound.count(b"\x12") == 1600
    assert call.commanded(ConfirmHeard)[-1] == ConfirmHeard("r2")


def test_a_reply_is_confirmed_when_the_carrier_has_played_it() -> None:
    call = Supervised()
    call.joins()
    call.lasts(QUIET, QUIET)
    began = call.now
    call.feed(ReplyAudio("r1", b"\x11" * 160 * 50), ReplyEnded("r1"))
    call.lasts(QUIET, QUIET)
    (at,) = [at for at, one in zip(call.did_at, call.did, strict=True) if one == ConfirmHeard("r1")]
    assert 1.0 <= at - began <= 1.1


def test_who_barges_in_cuts_what_is_left_from_before_the_room() -> None:
    call = Supervised()
    call.feed(ReplyAudio("r1", b"\x11" * 160 * 500))
    call.lasts(QUIET[:50], [b""] * 50)
    call.joins()
    call.lasts(QUIET[:10], QUIET[:10])
    assert not call.commanded(TruncateReply)
    call.ask(BARGE)
    desk = voice(2)
    call.lasts(QUIET, desk)
    assert hears(call.caller.sound, desk) >= YES
    (cut,) = call.commanded(TruncateReply)
    assert isinstance(cut, TruncateReply)
    assert cut.heard_ms == pytest.approx(1200, abs=40)


# It ends


LEAVES: list[tuple[str, Callable[[Supervised], object], str]] = [
    ("is asked to leave", lambda call: call.ask(LEAVE), "the supervisor was asked to leave"),
    ("hangs up", lambda call: call.feed(SupervisorLeft("desk")), ""),
    ("the leg dies", lambda call: call.feed_desk(LegLost(LegName.CARRIER, 1006)), "their stream has ended"),
    ("the stream ends", lambda call: call.feed_desk(CallEnded()), "their stream has ended"),
]


@pytest.mark.parametrize("role", [LISTEN, WHISPER, BARGE])
@pytest.mark.parametrize(("leave", "why"), [row[1:] for row in LEAVES], ids=[row[0] for row in LEAVES])
def test_the_supervisor_leaves(leave: Callable[[Supervised], object], why: str, role: SupervisorRole) -> None:
    call = Supervised()
    call.joins(role)
    call.lasts(voice(1), voice(2))
    leave(call)
    if call.leg.state is State.ENDED and not call.commanded(EndSupervision):
        call.feed(SupervisorLeft("desk"))
    assert call.commanded(EndSupervision) == ([EndSupervision("desk", why)] if why else [])
    assert call.commanded(LeaveRoom) == [LeaveRoom(Member.SUPERVISOR)]
    is_of_two(call)
    call.ask(LISTEN)
    assert len(call.commanded(CallSupervisor)) == 2


def test_asked_for_twice_the_role_changes_and_nobody_is_called_again() -> None:
    call = Supervised()
    call.ask(LISTEN)
    assert call.ask(BARGE) == []
    call.feed(SupervisorAnswered("desk", "S1"))
    call.feed_desk(CallStarted("S1", "MZ9", PCMU_8K))
    assert call.commanded(SetRole)[-1] == SetRole(Member.SUPERVISOR, Role.TALKS)
    why = "desk supervises the call; it can have one supervisor at a time"
    assert call.ask(LISTEN, "boss") == [SupervisionRefused("boss", why)]
    assert len(call.commanded(CallSupervisor)) == 1


def test_a_leg_that_nobody_waits_for_is_hung_up_on() -> None:
    call = Supervised()
    call.ask(LISTEN)
    call.ask(LEAVE)
    call.feed(SupervisorAnswered("desk", "S1"))
    assert call.commanded(EndSupervision)[-1] == EndSupervision("desk", "nobody waits for them any more")


@pytest.mark.parametrize("role", [LISTEN, WHISPER, BARGE])
@pytest.mark.parametrize("joined", [False, True])
def test_the_caller_hangs_up(role: SupervisorRole, joined: bool) -> None:
    call = Supervised()
    if joined:
        call.joins(role)
        call.lasts(voice(1), voice(2))
    else:
        call.ask(role)
    call.feed(CallEnded())
    assert call.call.state is State.ENDED
    assert call.commanded(EndSupervision) == [EndSupervision("desk", "the caller hung up")]
    assert call.call.deadline() is None


@pytest.mark.parametrize("role", [LISTEN, WHISPER, BARGE])
def test_the_assistant_is_lost_in_the_room(role: SupervisorRole) -> None:
    call = Supervised()
    call.joins(role)
    call.lasts(QUIET, QUIET)
    call.feed(AssistantFailed("it failed"))
    assert call.call.state is State.OPENING
    desk = voice(2)
    call.lasts(QUIET, desk)
    assert hears(call.caller.sound, desk) >= YES if role is BARGE else hears(call.caller.sound, desk) <= NO
    assert call.commanded(OpenAssistant)
    assert not call.commanded(EndSupervision)


def test_the_call_says_goodbye_to_its_end() -> None:
    call = Supervised()
    call.joins()
    call.lasts(QUIET, QUIET)
    call.feed(ReplyAudio("r1", b"\x11" * 160 * 50), ReplyEnded("r1"), GoodbyeRequested("a stop", 10.0))
    call.lasts(QUIET, QUIET)
    call.lasts(QUIET[:40], QUIET[:40])
    assert call.caller.sound.count(b"\x11") == 50 * 160
    assert call.call.state is State.ENDED
    assert call.commanded(EndSupervision) == [EndSupervision("desk", "a stop")]
    assert call.commanded(HangUp)


def test_the_callers_stream_breaks_and_comes_back() -> None:
    call = Supervised()
    call.joins(BARGE)
    call.lasts(voice(1), QUIET)
    call.feed(LegLost(LegName.CARRIER, 1006))
    call.lasts([b""] * 100, QUIET)
    call.feed(CallStarted("CA1", "MZ2", PCMU_8K))
    call.lasts(QUIET, voice(2))
    assert hears(call.caller.sound, voice(2)) >= YES
    call.lasts(voice(1), QUIET)
    assert hears(call.desk.sound, voice(1)) >= YES
    assert hears(call.hears, voice(1)) >= YES
