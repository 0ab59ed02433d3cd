"""Sends the steps of phone calls under Call Control as REST requests, and tells each phone call the outcome.

Also what Telnyx can do to a call beside its stream (`TelnyxCallControl`), which becomes steps. Units: seconds.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from bridge.carriers.shared.rest import ApiRequest
from bridge.carriers.shared.webhooks import CallHost, ExpectedCall
from bridge.carriers.telnyx.call_control import (
    Answer,
    HangUp,
    PhoneCall,
    SendDtmf,
    StartStreaming,
    Step,
)
from bridge.carriers.telnyx.rest import TelnyxApi, sounding_s
from bridge.vocabulary.commands import ControlCommand, PressKeys
from bridge.vocabulary.contracts import StreamEnd
from bridge.vocabulary.errors import CarrierRefused


class StepSender:
    """The steps of all phone calls of one server. `closed`: the server closes, and no key that sounds is waited for."""

    def __init__(self, host: CallHost, api: TelnyxApi) -> None:
        self.closed = False
        self._host = host
        self._api = api
        self._sounding: dict[str, tuple[float, PhoneCall, SendDtmf]] = {}
        """By call: the keys that sound now, and until when. A phone call presses no others meanwhile."""

    def send(self, call_id: str, phone_call: PhoneCall, steps: Sequence[Step], now: float) -> None:
        """Send a request for each of these steps."""
        for step in steps:
            self._host.send(
                self._request(call_id, phone_call, step, now),
                partial(self._taken, call_id, phone_call, step),
                partial(self._refused, call_id, phone_call, step),
            )

    def deadline(self) -> float | None:
        """When the first of the keys that sound have ended."""
        return min((due for due, _, _ in self._sounding.values()), default=None)

    def due(self, now: float) -> None:
        """Tell the phone calls whose keys have ended by `now`."""
        for call_id, (due, phone_call, step) in list(self._sounding.items()):
            if due <= now:
                del self._sounding[call_id]
                self.send(call_id, phone_call, phone_call.taken(step), now)

    def _taken(
        self, call_id: str, phone_call: PhoneCall, step: Step, _data: Mapping[str, Any], now: float
    ) -> None:
        if isinstance(step, SendDtmf) and not self.closed:
            self._sounding[call_id] = (now + sounding_s(step.keys), phone_call, step)
        else:
            self.send(call_id, phone_call, phone_call.taken(step), now)

    def _refused(
        self, call_id: str, phone_call: PhoneCall, step: Step, refused: CarrierRefused, now: float
    ) -> None:
        code = refused.code or str(refused.status or "no answer")
        self.send(call_id, phone_call, phone_call.refused(step, code), now)

    def _request(self, call_id: str, phone_call: PhoneCall, step: Step, now: float) -> ApiRequest:
        command_id = self._host.unique_id()
        match step:
            case Answer():
                return self._api.answer(call_id, command_id, client_state=phone_call.client_state.encode())
            case StartStreaming():
                url = self._host.expect(self._expected(call_id, phone_call))
                return self._api.start_streaming(call_id, command_id, url)
            case HangUp(why):
                self._host.log("info", "> telnyx hangup", call_id=call_id, why=why)
                return self._api.hang_up(call_id, command_id)
            case SendDtmf(keys):
                self._host.log("info", "> telnyx send_dtmf", call_id=call_id, keys=len(keys))
                return self._api.send_dtmf(call_id, command_id, keys)

    def _expected(self, call_id: str, phone_call: PhoneCall) -> ExpectedCall:
        assistant = phone_call.client_state.assistant
        if not self._host.has_assistant(assistant):
            self._host.log(
                "warning",
                "= there is no such assistant; the default one answers",
                call_id=call_id,
                assistant=assistant,
            )
            assistant = ""
        return ExpectedCall(call_id, assistant, control=TelnyxCallControl(self, call_id, phone_call))


class TelnyxCallControl:
    """One call under Call Control; see `contracts.CallControl`."""

    def __init__(self, steps: StepSender, call_id: str, phone_call: PhoneCall) -> None:
        self._steps = steps
        self._call_id = call_id
        self._phone_call = phone_call

    @property
    def can(self) -> frozenset[type[ControlCommand]]:
        """The commands of the table below."""
        return frozenset(_STEPS)

    def perform(self, command: ControlCommand, now: float) -> None:
        """Send the steps that this command asks for."""
        steps = _STEPS[type(command)](self._phone_call, command)
        self._steps.send(self._call_id, self._phone_call, steps, now)

    def hang_up(self, _end: StreamEnd, now: float) -> None:
        """End the call however the stream ended: Telnyx would keep the caller on a silent line (its sheet, section 3)."""
        self._steps.send(self._call_id, self._phone_call, self._phone_call.stream_over(), now)


_STEPS: Mapping[type[ControlCommand], Callable[[PhoneCall, ControlCommand], Sequence[Step]]] = {
    PressKeys: lambda phone_call, command: phone_call.press(command.keys),
}
"""What a command becomes, as steps of the phone call."""
