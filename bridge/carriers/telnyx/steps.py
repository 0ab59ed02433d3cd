"""Sends the steps of phone calls under Call Control as REST requests, and tells each phone call the outcome.

Units: seconds. No clock: `now` is passed in.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from msgspec import structs

from bridge.carriers.shared.rest import ApiRequest
from bridge.carriers.shared.webhooks import CallHost, ExpectedCall
from bridge.carriers.telnyx.call_control import TelnyxCallControl
from bridge.carriers.telnyx.handovers import Handovers
from bridge.carriers.telnyx.held_steps import HeldSteps
from bridge.carriers.telnyx.listening import StartListening, StopListening
from bridge.carriers.telnyx.phone_call import (
    Answer,
    HangUp,
    PhoneCall,
    Reject,
    SendDtmf,
    StartStreaming,
    Step,
)
from bridge.carriers.telnyx.rest import PERSON_RULE, RULE, TelnyxApi, sounding_s
from bridge.vocabulary.call_facts import NO_CONTEXT, cleaned
from bridge.vocabulary.errors import CarrierRefused

STOPPED_S = 1.0
"""Telnyx says by a webhook that a stream has ended; so long after its answer that is taken to be so in any case."""


class StepSender:
    """The steps of all phone calls of one server. `closed`: the server closes, and no key that sounds is waited for."""

    def __init__(self, host: CallHost, api: TelnyxApi) -> None:
        self.closed = False
        self.held = HeldSteps()
        self._host = host
        self._api = api
        self.handovers = Handovers(host, api, self.send)
        self._sounding: dict[str, tuple[float, PhoneCall, SendDtmf | StopListening]] = {}
        """By call: the keys that sound now, or the stream that ends, and until when. A phone call presses no others
        meanwhile."""

    def send(self, call_id: str, phone_call: PhoneCall, steps: Sequence[Step], now: float) -> None:
        """Send a request for each of these steps, but for those that have to wait."""
        for step in self.held.pass_on(call_id, steps):
            self._host.send(
                self._request(call_id, phone_call, step, now),
                partial(self._taken, call_id, phone_call, step),
                partial(self._refused, call_id, phone_call, step),
            )

    def deadline(self) -> float | None:
        """The first of: keys that sound have ended, the verdict on a person who is called is overdue."""
        dues = (*(due for due, _, _ in self._sounding.values()), self.handovers.deadline())
        return min((due for due in dues if due is not None), default=None)

    def due(self, now: float) -> None:
        """Tell the phone calls whose keys have ended by `now`, and the handovers whose verdict is overdue."""
        self.handovers.due(now)
        for call_id, (due, phone_call, step) in list(self._sounding.items()):
            if due <= now:
                del self._sounding[call_id]
                self.send(call_id, phone_call, phone_call.taken(step), now)

    def _taken(
        self, call_id: str, phone_call: PhoneCall, step: Step, _data: Mapping[str, Any], now: float
    ) -> None:
        if isinstance(step, SendDtmf) and not self.closed:
            self._sounding[call_id] = (now + sounding_s(step.keys), phone_call, step)
        elif isinstance(step, StopListening):
            self._sounding[call_id] = (now + STOPPED_S, phone_call, step)
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
            case Reject(cause):
                return self._api.reject(call_id, command_id, cause)
            case StartStreaming(continues):
                expected = self._expected(call_id, phone_call)._replace(continues=continues)
                url = self._host.expect(expected)
                return self._api.start_streaming(call_id, command_id, url)
            case StartListening():
                expected = ExpectedCall(call_id, opens_s=PERSON_RULE.give_up_s, listens=True)
                return self._api.start_listening(call_id, command_id, self._host.expect(expected, "listen"))
            case StopListening():
                return self._api.stop_streaming(call_id, command_id)
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
        handover = self.handovers.of(call_id, phone_call) if self._host.puts_through() else None
        control = TelnyxCallControl(phone_call, partial(self.send, call_id, phone_call), handover)
        context = phone_call.context or NO_CONTEXT
        facts = structs.replace(context.facts, answered_by=cleaned(phone_call.answered_by))
        return ExpectedCall(
            call_id,
            assistant,
            opens_s=RULE.give_up_s,
            control=control,
            direction=phone_call.direction,
            context=structs.replace(context, facts=facts),
        )
