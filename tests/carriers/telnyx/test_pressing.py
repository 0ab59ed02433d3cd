"""Keys that an assistant presses towards the far end, as steps of a phone call under Call Control."""

from base64 import b64decode

import pytest

from bridge.carriers.telnyx.events import CallEvent
from bridge.carriers.telnyx.phone_call import (
    MOST_KEYS_WAITING,
    Answer,
    ClientState,
    HangUp,
    PhoneCall,
    SendDtmf,
    Stage,
    StartStreaming,
    Step,
)
from bridge.carriers.telnyx.rest import sounding_s

RINGS = CallEvent("call.initiated", "v2:abc", direction="incoming")
ANSWERED = CallEvent("call.answered", "v2:abc")
WANTS_HUMAN = b64decode(ClientState(wants_human=True).encode()).decode()
SCREENED = CallEvent("call.answered", "v2:abc", client_state=WANTS_HUMAN)


def streaming() -> PhoneCall:
    phone_call = PhoneCall()
    phone_call.handle(RINGS)
    phone_call.handle(ANSWERED)
    assert phone_call.stage is Stage.STREAMING
    return phone_call


def test_keys_are_pressed_one_command_at_a_time() -> None:
    phone_call = streaming()
    first: list[Step] = [SendDtmf("12w3")]
    assert phone_call.press("12w3") == first
    assert phone_call.press("4") == []
    assert phone_call.press("5#") == []
    assert phone_call.taken(first[0]) == [SendDtmf("45#")]
    assert phone_call.taken(SendDtmf("45#")) == []
    assert phone_call.press("6") == [SendDtmf("6")]


@pytest.mark.parametrize("code", ["10015", "90034", "no answer"])
def test_keys_that_are_refused_do_not_keep_back_those_of_the_next_wish(code: str) -> None:
    phone_call = streaming()
    phone_call.press("1")
    phone_call.press("2")
    assert phone_call.refused(SendDtmf("1"), code) == [SendDtmf("2")]
    assert phone_call.refused(SendDtmf("2"), code) == []
    assert phone_call.stage is Stage.STREAMING
    assert phone_call.press("3") == [SendDtmf("3")]


def test_keys_are_pressed_only_while_the_assistant_has_the_call() -> None:
    assert PhoneCall().press("1") == []
    phone_call = PhoneCall()
    phone_call.handle(SCREENED)
    assert phone_call.press("1") == []
    phone_call = streaming()
    phone_call.press("1")
    phone_call.press("2")
    phone_call.handle(CallEvent("call.hangup", "v2:abc"))
    assert phone_call.taken(SendDtmf("1")) == []
    assert phone_call.press("3") == []


def test_who_presses_keys_and_hangs_up_hangs_up_after_them() -> None:
    phone_call = streaming()
    phone_call.press("1")
    phone_call.press("2#")
    assert phone_call.stream_over() == []
    assert phone_call.stage is Stage.HANGING_UP
    assert phone_call.press("3") == []
    assert phone_call.handle(CallEvent("streaming.stopped", "v2:abc")) == []
    assert phone_call.taken(SendDtmf("1")) == [SendDtmf("2#")]
    assert phone_call.refused(SendDtmf("2#"), "no answer") == [HangUp("the stream is over")]
    assert phone_call.taken(HangUp("the stream is over")) == []


def test_a_server_that_closes_waits_for_no_keys() -> None:
    at_once = streaming()
    at_once.press("1")
    at_once.press("2")
    assert at_once.server_closes() == [HangUp("the server is closing")]
    assert at_once.taken(SendDtmf("1")) == []
    hanging_up = streaming()
    hanging_up.press("1")
    hanging_up.stream_over()
    assert hanging_up.server_closes() == [HangUp("the stream is over")]
    assert hanging_up.taken(SendDtmf("1")) == []


SOUNDING_S = [("", 0), ("1", 0.35), ("1w#W", 2.2)]


@pytest.mark.parametrize(("keys", "sounding"), SOUNDING_S)
def test_how_long_keys_sound(keys: str, sounding: float) -> None:
    assert sounding_s(keys) == pytest.approx(sounding)


def test_only_so_many_keys_wait() -> None:
    phone_call = streaming()
    phone_call.press("1")
    for _ in range(MOST_KEYS_WAITING):
        phone_call.press("23")
    (step,) = phone_call.taken(SendDtmf("1"))
    assert step == SendDtmf("23" * (MOST_KEYS_WAITING // 2))


def test_keys_are_not_shown() -> None:
    assert "42" not in repr(SendDtmf("4242"))


def test_the_other_steps_bring_nothing_when_they_are_taken() -> None:
    for step in (Answer(), StartStreaming(), HangUp("")):
        assert streaming().taken(step) == []
