"""Requests to Twilio's REST API: place, change and end a call; and what the answers say.

Source: Twilio, "Call resource", "Answering Machine Detection". Forms in PascalCase go out, JSON in snake_case comes
back. Twilio has no idempotency key: a request that places a call is repeated only where Twilio certainly did nothing.
"""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Literal
from urllib.parse import quote, urlencode

from bridge.carriers.shared.dial_documents import PERSON_EVENTS
from bridge.carriers.shared.document_words import role_fields
from bridge.carriers.shared.rest import ApiAnswer, ApiRequest, RetryRule, json_object, refusal
from bridge.carriers.shared.webhooks import ENDED_STATUSES
from bridge.carriers.twilio.settings import TwilioSettings
from bridge.vocabulary.errors import CarrierRefused, ConfigurationError
from bridge.vocabulary.supervision import SupervisorRole

HARMLESS = RetryRule(answer_s=5.0, at_once=0, backoff_s=0.5, last_try_s=25.0, give_up_s=30.0)
"""For a request that may be done twice: to end a call."""

ONCE = replace(HARMLESS, may_repeat=False)

PERSON_RULE = replace(ONCE, last_try_s=4.0, give_up_s=5.0)
"""For a call to a person: a caller waits for it. What was placed without an answer shows in its webhooks."""

LOOK_RULE = replace(HARMLESS, answer_s=1.0, last_try_s=3.0, give_up_s=5.0)

CALL_IS_OVER = ("20404", "21220")
"""Codes: there is no such call, it is not in progress (Twilio, "Error and Warning Dictionary")."""

MachineDetection = Literal["Enable", "DetectMessageEnd"]


class TwilioApi:
    """Words the requests. `call_id`: Twilio's CallSid. Raises `ConfigurationError` where the account is not set."""

    def __init__(self, settings: TwilioSettings) -> None:
        if settings.account_sid is None:
            raise ConfigurationError("twilio.account_sid is missing; calls are placed and ended with it")
        if settings.auth_token is None:
            raise ConfigurationError("twilio.auth_token is missing; calls are placed and ended with it")
        credentials = f"{settings.account_sid}:{settings.auth_token.get_secret_value()}"
        self._settings = settings
        self._account = f"{settings.api_url}/2010-04-01/Accounts/{settings.account_sid}"
        self._headers = {
            "Authorization": f"Basic {b64encode(credentials.encode()).decode()}",
            "Accept": "application/json",
            "Content-Type": "application/x-www-form-urlencoded",
        }

    def create_call(
        self,
        to: str,
        from_: str,
        *,
        url: str | None = None,
        twiml: str | None = None,
        status_callback: str | None = None,
        machine_detection: MachineDetection | None = None,
    ) -> ApiRequest:
        """Place a call that follows the TwiML at `url`, or `twiml`. The answer's data has its id: `sid`."""
        form = {
            "To": to,
            "From": from_,
            **_instructions(url, twiml),
            "StatusCallback": status_callback,
            "MachineDetection": machine_detection,
        }
        return self._request("create call", "", "/Calls.json", form, rule=ONCE)

    def call_person(
        self,
        to: str,
        from_: str,
        *,
        address: str,
        ring_s: float,
        call_token: str | None = None,
    ) -> ApiRequest:
        """Call a person for a handover. The answer's data has the leg's id: `sid`.

        `address`: where Twilio tells of the leg, and asks for its TwiML at the answer. A machine is looked for beside.
        `call_token`: of the caller's call, where the person is shown the caller's number.
        """
        form = {
            "To": to,
            "From": from_,
            "Url": address,
            "Method": "POST",
            "Timeout": round(ring_s),
            "StatusCallback": address,
            "StatusCallbackMethod": "POST",
            "StatusCallbackEvent": list(PERSON_EVENTS),
            "CallToken": call_token,
        }
        if self._settings.detect_machines_of_people:
            form |= {
                "MachineDetection": self._settings.machine_detection,
                "AsyncAmd": "true",
                "AsyncAmdStatusCallback": address,
                "AsyncAmdStatusCallbackMethod": "POST",
            }
        return self._request("call person", "", "/Calls.json", form, rule=PERSON_RULE)

    def add_supervisor(
        self,
        conference: str,
        to: str,
        from_: str,
        *,
        role: SupervisorRole,
        person_leg: str,
        address: str,
        ring_s: float,
    ) -> ApiRequest:
        """Call a supervisor, who joins the conference. The answer's data has `call_sid` and `conference_sid`."""
        form = {
            "To": to,
            "From": from_,
            **_flags(role_fields(role, person_leg)),
            "Beep": "false",
            "EndConferenceOnExit": "false",
            "Timeout": round(ring_s),
            "StatusCallback": address,
            "StatusCallbackMethod": "POST",
            "StatusCallbackEvent": list(PERSON_EVENTS),
        }
        path = f"/Conferences/{quote(conference, safe='')}/Participants.json"
        return self._request("call supervisor", "", path, form, rule=PERSON_RULE)

    def change_supervisor(
        self, conference: str, leg: str, *, role: SupervisorRole, person_leg: str
    ) -> ApiRequest:
        """Give a supervisor who is in the conference another role."""
        path = f"/Conferences/{quote(conference, safe='')}/Participants/{quote(leg, safe='')}.json"
        return self._request("change supervisor", leg, path, _flags(role_fields(role, person_leg)))

    def redirect(self, call_id: str, url: str) -> ApiRequest:
        """Have the call follow the TwiML at `url` now, whatever it does. A call that has ended stays ended."""
        return self._request("redirect call", call_id, _path(call_id), {"Url": url, "Method": "POST"})

    def look_up(self, call_id: str) -> ApiRequest:
        """What has become of the call: the answer's data has its `status`."""
        request = self._request("look up call", call_id, _path(call_id), {}, rule=LOOK_RULE)
        return replace(request, method="GET")

    def leg_in(self, data: Mapping[str, Any]) -> str:
        """The id of a call in the data of an answer; empty if there is none."""
        return str(data.get("sid") or "")

    def is_over(self, found: Mapping[str, Any] | CarrierRefused) -> bool:
        """Whether the answer to `look_up` says that the call is over; one that is not there is."""
        if isinstance(found, CarrierRefused):
            return found.code in CALL_IS_OVER or found.status == 404
        return found.get("status") in ENDED_STATUSES

    def hang_up(self, call_id: str) -> ApiRequest:
        """End the call. That it has ended already is no error."""
        return self._request("end call", call_id, _path(call_id), {"Status": "completed"}, done=CALL_IS_OVER)

    def _request(
        self,
        command: str,
        call_id: str,
        path: str,
        form: Mapping[str, object],
        *,
        rule: RetryRule = HARMLESS,
        done: tuple[str, ...] = (),
    ) -> ApiRequest:
        given = {name: value for name, value in form.items() if value is not None}
        return ApiRequest(
            carrier="Twilio",
            command=command,
            call_id=call_id,
            method="POST",
            url=self._account + path,
            headers=self._headers,
            body=urlencode(given, doseq=True).encode(),
            rule=rule,
            read=partial(read_answer, done=done),
        )


def _path(call_id: str) -> str:
    return f"/Calls/{quote(call_id, safe='')}.json"


def _instructions(url: str | None, twiml: str | None) -> dict[str, object]:
    assert (url is None) is not (twiml is None), "either TwiML or the address of some"
    return {"Url": url, "Twiml": twiml}


def _flags(fields: Mapping[str, str | bool]) -> dict[str, str]:
    return {name: str(value).lower() if isinstance(value, bool) else value for name, value in fields.items()}


def read_answer(answer: ApiAnswer, done: tuple[str, ...] = ()) -> dict[str, Any]:
    """The call as Twilio describes it; empty where Twilio refused with one of the codes in `done`.

    Raises `CarrierRefused` with Twilio's own code and words. Newer services use the fields of RFC 9457 (3.1).
    """
    found = json_object(answer.body)
    if 200 <= answer.status < 300:
        if found is None:
            raise refusal("Twilio", answer.status, None, "the answer should be a JSON object, and is not one")
        return found
    fault = found or {}
    code = fault.get("code")
    if str(code) in done:
        return {}
    said = (fault.get("message"),) if "message" in fault else (fault.get("title"), fault.get("detail"))
    raise refusal("Twilio", answer.status, code, *said)
