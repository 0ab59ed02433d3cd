"""A supervisor calls in: a call waits for them or not, a PIN is typed or not, and what becomes of it at each end."""

import pytest

from bridge.core.called_in_call import ON_CARRIERS_SIDE
from bridge.core.pin_entry import PinEntry, Typed
from bridge.core.states import State
from bridge.core.supervisor_leg import PIN_S
from bridge.vocabulary.commands import Command, HangUp, SetSensitive
from bridge.vocabulary.events import SERVER_CLOSES, CallEnded, DigitPressed, GoodbyeRequested, TimePassed
from bridge.vocabulary.operator import HoldRequested
from bridge.vocabulary.room import DismissMember, JoinRoom, Member, MemberJoined, Role, SetRole
from bridge.vocabulary.supervision import (
    CallSupervisor,
    CheckPin,
    EndSupervision,
    SuperviseRequested,
    SupervisionRefused,
    SupervisorAnswered,
    SupervisorCalledIn,
    SupervisorRole,
)
from telecodecs.format import PCMU_8K
from tests.core.joined import BARGE, LEAVE, LISTEN, QUIET, WHISPER, YES, Supervised, hears, is_of_two
from tests.core.test_room import voice

NOBODY = frozenset[type[Command]]()
"""What a carrier performs without the key for its requests."""


def awaited(role: SupervisorRole = LISTEN, **kwargs: str) -> Supervised:
    """A call that waits for the desk."""
    call = Supervised(can=NOBODY, **kwargs)  # type: ignore[arg-type]  # pin
    call.feed(SuperviseRequested("desk", role, calls_in=True))
    return call


# The room


def test_a_call_that_waits_calls_nobody_and_gives_the_role_that_was_asked_for() -> None:
    call = awaited(BARGE)
    assert call.call.awaits == ("desk", 0.0)
    assert call.commanded(CallSupervisor) == []
    call.now = 2.0
    call.calls_in()
    assert call.call.awaits is None
    said = voice(3)
    call.lasts(QUIET, said)
    assert hears(call.caller.sound, said) >= YES
    assert hears(call.hears, said) >= YES


def test_who_is_not_waited_for_listens() -> None:
    call = Supervised(can=NOBODY)
    call.calls_in()
    assert SetRole(Member.SUPERVISOR, Role.LISTENS) in call.did
    said = voice(3)
    call.lasts(said, QUIET)
    assert hears(call.desk.sound, said) >= YES


def test_listen_barge_whisper_and_leave_as_for_one_who_was_called() -> None:
    call = Supervised(can=NOBODY)
    call.calls_in()
    said = voice(3)
    for role, caller_hears, assistant_hears in ((LISTEN, 0, 0), (BARGE, 1, 1), (WHISPER, 0, 1)):
        assert call.call.why_not(SuperviseRequested("desk", role)) == ""
        call.ask(role)
        call.lasts(QUIET, said)
        assert (hears(call.caller.sound, said) >= YES) is bool(caller_hears), role
        assert (hears(call.hears, said) >= YES) is bool(assistant_hears), role
    assert DismissMember("S1", "the supervisor was asked to leave") in call.ask(LEAVE)
    assert call.leg.state is State.ENDED
    is_of_two(call)


def test_who_calls_in_hangs_up_and_may_call_again() -> None:
    call = Supervised(can=NOBODY)
    call.calls_in()
    call.feed_desk(CallEnded())
    assert call.commanded(EndSupervision) == []
    assert call.call.why_not_join("desk") == ""
    is_of_two(call)


# No call for them


def hold(call: Supervised) -> None:
    call.feed(HoldRequested(on=True))


def is_called(call: Supervised) -> None:
    call.ask(LISTEN)


def another_is_there(call: Supervised) -> None:
    call.ask(LISTEN, "boss")


def is_there(call: Supervised) -> None:
    call.calls_in()


@pytest.mark.parametrize(
    ("before", "why"),
    [
        (hold, "the caller is on hold"),
        (is_called, "the supervisor is there, or is being called"),
        (is_there, "the supervisor is there, or is being called"),
        (another_is_there, "boss supervises the call; it can have one supervisor at a time"),
    ],
)
def test_who_cannot_join_is_hung_up_on(before: object, why: str) -> None:
    call = Supervised()
    before(call)  # type: ignore[operator]
    assert call.call.why_not_join("desk") == why
    count = len(call.did)
    call.feed(SupervisorCalledIn("desk", "S2"), MemberJoined(Member.SUPERVISOR, "S2", PCMU_8K))
    assert call.did[count:] == [SupervisionRefused("desk", why), DismissMember("S2", why)]


def test_nobody_of_this_name() -> None:
    assert Supervised().call.why_not_join("chief") == "there is no supervisor of this name"


def test_the_call_has_not_begun_or_is_over() -> None:
    call = Supervised()
    call.feed(CallEnded())
    assert call.call.why_not_join("desk") == "the call has not begun, or is about to end"


# Waiting


def test_who_does_not_call_in_time_is_waited_for_no_more() -> None:
    call = awaited()
    call.now = 120.0
    call.feed(TimePassed())
    assert call.did[-1:] == [SupervisionRefused("desk", "they were not reached in time")]
    assert call.call.awaits is None
    is_of_two(call)


def test_who_is_waited_for_may_be_called_after_all() -> None:
    call = Supervised()
    assert call.call.why_not(SuperviseRequested("desk", LISTEN, calls_in=True)) == ""
    call.feed(SuperviseRequested("desk", LISTEN, calls_in=True))
    assert [type(one) for one in call.ask(BARGE)] == [CallSupervisor]
    assert call.call.awaits is None
    assert call.call.why_not_join("desk") == "the supervisor is there, or is being called"


def test_asked_for_again_it_waits_on_with_the_other_role() -> None:
    call = awaited()
    call.now = 2.0
    call.feed(SuperviseRequested("desk", BARGE, calls_in=True))
    assert call.call.awaits == ("desk", 0.0)
    call.calls_in()
    assert SetRole(Member.SUPERVISOR, Role.TALKS) in call.did


def test_asked_to_leave_nobody_is_waited_for() -> None:
    call = awaited()
    assert call.ask(LEAVE) == [SupervisionRefused("desk", "the supervisor was asked to leave")]
    assert call.call.awaits is None


def test_on_hold_who_is_waited_for_may_come_and_hears_nobody() -> None:
    call = awaited()
    hold(call)
    call.calls_in()
    said = voice(3)
    call.lasts(said, QUIET)
    assert hears(call.desk.sound, said) < YES
    call.feed(HoldRequested(on=False))
    call.lasts(said, QUIET)
    assert hears(call.desk.sound, said) >= YES


def test_an_answer_to_an_earlier_call_comes_too_late() -> None:
    call = awaited()
    call.feed(SupervisorAnswered("desk", "S9"))
    assert call.did[-1] == EndSupervision("desk", "they call in")
    assert call.call.awaits == ("desk", 0.0)


def test_a_call_without_a_key_for_requests_can_wait_and_cannot_call() -> None:
    call = Supervised(can=NOBODY)
    assert call.call.why_not(SuperviseRequested("desk", LISTEN, calls_in=True)) == ""
    assert (
        call.call.why_not(SuperviseRequested("desk", LISTEN))
        == "the carrier cannot have this call supervised"
    )


@pytest.mark.parametrize("waits", [True, False])
def test_a_server_that_stops_ends_the_call_with_the_supervisor(waits: bool) -> None:
    call = awaited()
    if not waits:
        call.calls_in()
    call.feed(GoodbyeRequested(SERVER_CLOSES, 0.0, 1001))
    call.now += 30.0
    call.feed(TimePassed())
    assert call.call.state is State.ENDED
    last = SupervisionRefused("desk", SERVER_CLOSES) if waits else DismissMember("S1", SERVER_CLOSES)
    assert last in call.did
    assert waits or call.leg.state is State.ENDED


def test_the_caller_hangs_up_and_so_do_we_on_the_supervisor() -> None:
    call = Supervised(can=NOBODY)
    call.calls_in()
    call.feed(CallEnded())
    assert DismissMember("S1", "the caller hung up") in call.did
    assert call.leg.state is State.ENDED


# The PIN


def types(call: Supervised, keys: str) -> None:
    call.feed_desk(*map(DigitPressed, keys))


@pytest.mark.parametrize("keys", ["4711", "12344711", "47*4711", "99#4711", "12349999#4711", "#4711"])
def test_with_the_right_pin_they_are_in(keys: str) -> None:
    call = Supervised(pin="4711")
    call.calls_in()
    call.lasts(QUIET, QUIET)
    assert SetSensitive(on=True) in call.desk_did, "the keys are not in the journal"
    assert any(frame.strip(b"\xff") for frame in call.desk.heard), "a beep asks for it"
    assert SetRole(Member.SUPERVISOR, Role.LISTENS) not in call.did
    types(call, keys)
    assert call.desk_did[-2:] == [SetSensitive(on=False), CheckPin(is_right=True)]
    assert SetRole(Member.SUPERVISOR, Role.LISTENS) in call.did
    said = voice(3)
    call.lasts(said, QUIET)
    assert hears(call.desk.sound, said) >= YES


@pytest.mark.parametrize("keys", ["123456789012", "1#2#3#", "471*#0000111122223333"])
def test_a_wrong_pin_three_times(keys: str) -> None:
    call = Supervised(pin="4711")
    call.calls_in()
    types(call, keys)
    assert [one for one in call.desk_did if isinstance(one, CheckPin)] == [CheckPin(is_right=False)] * 3
    assert call.desk_did[-1] == HangUp(1000, "the PIN was wrong")
    assert call.leg.state is State.ENDED
    types(call, "4711")
    assert call.did == Supervised(pin="4711").did, "the call knows nothing of it"
    is_of_two(call)


def test_nobody_types() -> None:
    call = Supervised(pin="4711")
    call.calls_in()
    call.now = PIN_S
    call.feed_desk(TimePassed())
    assert call.desk_did[-1] == HangUp(1000, "no PIN was typed in time")


@pytest.mark.parametrize("keys", ["", "47"])
def test_who_hangs_up_before_is_gone(keys: str) -> None:
    call = Supervised(pin="4711")
    call.calls_in()
    types(call, keys)
    call.feed_desk(CallEnded())
    assert call.leg.state is State.ENDED
    assert not [one for one in call.desk_did if isinstance(one, JoinRoom | CheckPin)]
    is_of_two(call)


def test_the_room_is_not_heard_before_the_pin() -> None:
    call = Supervised(pin="4711")
    call.calls_in()
    said = voice(3)
    call.lasts(said, said)
    assert hears(call.desk.sound, said) < YES
    assert hears(call.caller.sound, said) < YES


@pytest.mark.parametrize(
    ("keys", "typed"),
    [
        ("47", [Typed.MORE, Typed.MORE]),
        ("4711", [Typed.MORE, Typed.MORE, Typed.MORE, Typed.RIGHT]),
        ("4712", [Typed.MORE, Typed.MORE, Typed.MORE, Typed.WRONG]),
        ("47#", [Typed.MORE, Typed.MORE, Typed.WRONG]),
        ("1#1#1#", [Typed.MORE, Typed.WRONG, Typed.MORE, Typed.WRONG, Typed.MORE, Typed.FAILED]),
        ("A#", [Typed.MORE, Typed.WRONG]),
    ],
)
def test_an_entry(keys: str, typed: list[Typed]) -> None:
    entry = PinEntry("4711")
    assert [entry.press(key) for key in keys] == typed


def test_with_a_person_on_the_carriers_side_nobody_calls_in() -> None:
    call = Supervised()
    call.call.state = State.WITH_PERSON
    assert call.call.why_not_join("desk") == ON_CARRIERS_SIDE
    assert call.call.why_not(SuperviseRequested("desk", LISTEN, calls_in=True)) == ON_CARRIERS_SIDE
