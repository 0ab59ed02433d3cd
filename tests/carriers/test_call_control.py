"""A command that no carrier has yet, such as one that holds the caller: what it takes to add it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pytest

from bridge.carriers.telnyx import call_control as telnyx
from bridge.carriers.telnyx.phone_call import PhoneCall, SendDtmf, Step
from bridge.carriers.twilio import call_control as twilio
from bridge.carriers.twilio.rest import TwilioApi
from bridge.carriers.twilio.settings import TwilioSettings
from bridge.vocabulary.commands import PressKeys
from bridge.vocabulary.contracts import CallControl
from bridge.vocabulary.dispatch import on
from bridge.vocabulary.events import Word

if TYPE_CHECKING:
    from tests.carriers.conftest import Host


class HoldCaller(Word, frozen=True, gc=False):
    """The command: one struct."""

    is_held: bool


def twilio_control(host: "Host") -> twilio.TwilioCallControl:
    account = {"auth_token": "12345", "account_sid": "AC" + "0" * 32}
    api = TwilioApi(TwilioSettings.model_validate(account))
    return twilio.TwilioCallControl(host, api, "CA1", ends_with_stream=True)


def test_one_row_adds_it_to_twilio(host: "Host", monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[tuple[bool, float]] = []

    def hold(_control: twilio.TwilioCallControl, command: HoldCaller, now: float) -> None:
        held.append((command.is_held, now))

    assert twilio_control(host).can == frozenset()
    kind, perform = on(HoldCaller, hold)
    monkeypatch.setitem(twilio._PERFORM, kind, perform)
    control: CallControl = twilio_control(host)
    assert list[type[Word]](control.can) == [HoldCaller]
    control.perform(HoldCaller(True), 1.0)  # type: ignore[arg-type]  # it is not in the union
    assert held == [(True, 1.0)]


def test_one_row_adds_it_to_telnyx(monkeypatch: pytest.MonkeyPatch) -> None:
    def hold(_phone_call: PhoneCall, command: HoldCaller, _now: float) -> list[Step]:
        return [SendDtmf("1")] if command.is_held else []

    sent: list[tuple[Sequence[Step], float]] = []
    kind, steps = on(HoldCaller, hold)
    monkeypatch.setitem(telnyx._STEPS, kind, steps)
    control: CallControl = telnyx.TelnyxCallControl(PhoneCall(), lambda *given: sent.append(given))
    assert set[type[Word]](control.can) == {PressKeys, HoldCaller}
    control.perform(HoldCaller(True), 1.0)  # type: ignore[arg-type]  # it is not in the union
    assert sent == [([SendDtmf("1")], 1.0)]
