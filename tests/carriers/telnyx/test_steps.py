"""The steps of a phone call under Call Control become requests, and what its control is told becomes steps."""

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import pytest
from msgspec import json

from bridge.carriers.shared.webhooks import ExpectedCall
from bridge.carriers.telnyx.call_control import TelnyxCallControl
from bridge.carriers.telnyx.events import CallEvent
from bridge.carriers.telnyx.phone_call import MOST_KEYS_WAITING, PhoneCall
from bridge.carriers.telnyx.rest import TelnyxApi, sounding_s
from bridge.carriers.telnyx.settings import TelnyxSettings
from bridge.carriers.telnyx.steps import StepSender
from bridge.vocabulary.commands import PressKeys
from bridge.vocabulary.contracts import StreamEnd

if TYPE_CHECKING:
    from tests.carriers.conftest import Host

CALL = "v3:1"


class Phone(NamedTuple):
    """A phone call, whose steps are sent."""

    sender: StepSender
    phone_call: PhoneCall
    host: "Host"

    def says(self, kind: str, direction: str = "incoming") -> None:
        """Its webhook came."""
        steps = self.phone_call.handle(CallEvent(kind, CALL, direction=direction))
        self.sender.send(CALL, self.phone_call, steps, 0.0)

    @property
    def control(self) -> TelnyxCallControl:
        return TelnyxCallControl(self.phone_call, partial(self.sender.send, CALL, self.phone_call))

    def pressed(self) -> list[str]:
        """The keys of each command."""
        requests = [sent.request for sent in self.host.sent if sent.request.command == "send_dtmf"]
        return [json.decode(request.body)["digits"] for request in requests]


@pytest.fixture
def ringing(host: "Host") -> Phone:
    api = TelnyxApi(TelnyxSettings.model_validate({"api_key": "KEY"}))
    phone = Phone(StepSender(host, api), PhoneCall(), host)
    phone.says("call.initiated")
    return phone


@pytest.fixture
def streaming(ringing: Phone) -> Phone:
    ringing.host.take(0.0)
    ringing.says("call.answered")
    ringing.host.take(0.0)
    return ringing


def test_each_step_is_a_command_of_its_own(streaming: Phone) -> None:
    host = streaming.host
    assert host.commands == ["answer", "streaming_start"]
    assert all(sent.request.call_id == CALL for sent in host.sent)
    assert len({json.decode(sent.request.body)["command_id"] for sent in host.sent}) == 2


def test_the_stream_is_expected_with_its_control(streaming: Phone) -> None:
    ((call, kind),) = streaming.host.expected
    expected = ExpectedCall(CALL, opens_s=60.0, direction="inbound")
    assert (call._replace(control=None), kind) == (expected, "media")
    assert call.control is not None
    assert call.control.can == {PressKeys}


def test_a_refusal_is_told_to_the_call_that_then_hangs_up(ringing: Phone) -> None:
    ringing.host.refuse(0.0, "10009")
    assert ringing.host.commands == ["answer", "hangup"]
    why = {"call_id": CALL, "why": "it could not be answered: 10009"}
    assert ringing.host.lines == [("info", "> telnyx hangup", why)]


def test_a_refusal_without_a_code_is_told_by_its_status(ringing: Phone) -> None:
    ringing.host.refuse(0.0, "")
    assert ringing.host.lines[-1][2]["why"] == "it could not be answered: 422"


def test_keys_are_pressed_one_command_after_the_other_has_sounded(streaming: Phone) -> None:
    sender, host = streaming.sender, streaming.host
    streaming.control.perform(PressKeys("4242w"), 1.0)
    streaming.control.perform(PressKeys("5"), 1.0)
    assert streaming.pressed() == ["4242w"]
    assert sender.deadline() is None, "it is not known yet when they begin"
    host.take(2.0)
    assert sender.deadline() == pytest.approx(2.0 + sounding_s("4242w"))
    sender.due(2.0 + sounding_s("4242w") - 0.001)
    assert streaming.pressed() == ["4242w"]
    sender.due(2.0 + sounding_s("4242w"))
    assert streaming.pressed() == ["4242w", "5"]
    assert sender.deadline() is None
    assert "4242" not in repr(host.lines), "keys are in no log"
    assert "4242" not in repr([sent.request for sent in host.sent])


def test_keys_that_are_refused_do_not_keep_those_after_them(streaming: Phone) -> None:
    streaming.control.perform(PressKeys("1"), 1.0)
    streaming.control.perform(PressKeys("2"), 1.0)
    streaming.host.refuse(1.5, "90000")
    assert streaming.pressed() == ["1", "2"]


def test_more_keys_than_anybody_would_wait_for_are_left_out(streaming: Phone) -> None:
    for keys in ("1", "2" * 100, "3" * 100):
        streaming.control.perform(PressKeys(keys), 1.0)
    streaming.host.take(1.0)
    streaming.sender.due(100.0)
    assert len(streaming.pressed()[-1]) == MOST_KEYS_WAITING


@pytest.mark.parametrize("end", StreamEnd)
def test_the_call_is_hung_up_once_however_its_stream_ended(end: StreamEnd, streaming: Phone) -> None:
    streaming.control.hang_up(end, 5.0)
    streaming.control.hang_up(end, 5.0)
    assert streaming.host.commands[2:] == ["hangup"]


def test_a_hang_up_waits_for_the_keys_before_it(streaming: Phone) -> None:
    streaming.control.perform(PressKeys("1"), 1.0)
    streaming.control.hang_up(StreamEnd.BY_BRIDGE, 1.0)
    streaming.host.take(1.0)
    assert streaming.host.commands[2:] == ["send_dtmf"]
    streaming.sender.due(1.0 + sounding_s("1"))
    assert streaming.host.commands[2:] == ["send_dtmf", "hangup"]


def test_of_several_calls_the_keys_that_end_first_wake_it(streaming: Phone) -> None:
    other = streaming._replace(phone_call=PhoneCall())
    other.says("call.initiated")
    other.says("call.answered")
    control = TelnyxCallControl(other.phone_call, partial(streaming.sender.send, "v3:2", other.phone_call))
    streaming.control.perform(PressKeys("1234"), 1.0)
    streaming.host.take(1.0)
    control.perform(PressKeys("1"), 1.0)
    streaming.host.take(1.0)
    assert streaming.sender.deadline() == pytest.approx(1.0 + sounding_s("1"))
    streaming.sender.due(1.0 + sounding_s("1"))
    assert streaming.sender.deadline() == pytest.approx(1.0 + sounding_s("1234"))
