"""What an operator can do in a room: tell the assistant something, mute who talks in it, end the call."""

from bridge.core.states import State
from bridge.vocabulary.commands import TellAssistant
from bridge.vocabulary.events import AssistantFailed, ReplyAudio, ReplyEnded
from bridge.vocabulary.operator import HangUpRequested, MuteRequested, TellRequested
from bridge.vocabulary.people import ReleasePerson
from bridge.vocabulary.room import Member, Role, SetRole
from tests.core.rooms import Talk
from tests.core.test_room import voice
from tests.core.test_room_call import QUIET, heard, in_room


def test_an_operator_tells_a_silent_assistant_something_and_its_reply_is_heard() -> None:
    talk = in_room()
    talk.lasts(QUIET[:20], QUIET[:20])
    assert talk.call.why_not(TellRequested("x")) == ""
    talk.feed(TellRequested("say when we close", responds=False), ReplyAudio("r0", b"\x13" * 1600))
    assert talk.commanded(SetRole)[-1] == SetRole(Member.ASSISTANT, Role.SILENT)
    talk.feed(ReplyEnded("r0"), TellRequested("say when we close"))
    assert talk.commanded(TellAssistant)[-1] == TellAssistant("say when we close", responds=True)
    talk.feed(ReplyAudio("r1", b"\x11" * 8000), ReplyEnded("r1"), ReplyAudio("r2", b"\x12" * 8000))
    talk.lasts(QUIET, QUIET)
    for far in (talk.caller, talk.person):
        assert b"\x11" * 8000 in far.heard
        assert b"\x12" not in far.heard
        assert b"\x13" not in far.heard
    talk.feed(AssistantFailed("gone"))
    assert talk.call.why_not(TellRequested("x"))


def test_an_operator_mutes_the_caller_in_the_room_and_ends_the_call() -> None:
    talk = in_room()
    talk.feed(MuteRequested("caller", muted=True))
    talk.lasts(voice(1), QUIET)
    assert not heard(talk.person.heard)
    talk.feed(MuteRequested("caller", muted=False))
    talk.lasts(voice(2), QUIET)
    assert b"".join(voice(2)) in talk.person.heard
    talk.feed(HangUpRequested("an operator ended it"))
    assert talk.call.state is State.ENDED
    assert talk.commanded(ReleasePerson)


def test_who_was_muted_before_is_muted_in_the_room() -> None:
    talk = Talk(assistant_talks=True)
    talk.feed(MuteRequested("caller", muted=True), MuteRequested("assistant", muted=True))
    talk.answers()
    roles = {one.member: one.role for one in talk.commanded(SetRole) if isinstance(one, SetRole)}
    assert (roles[Member.CALLER], roles[Member.ASSISTANT]) == (Role.MUTED, Role.SILENT)
