"""Requests to Telnyx's REST API about calls under TeXML: call a person, change, end and look up a call.

Source: Telnyx, "TeXML REST commands": JSON with names in PascalCase, answers with names in snake_case and without `data`.
There is no `command_id`: a request that calls somebody is repeated only where Telnyx certainly did nothing. The answer to
it need not name the leg, which then is learnt from its webhooks.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any
from urllib.parse import quote

from msgspec import json

from bridge.carriers.shared.dial_documents import PERSON_EVENTS
from bridge.carriers.shared.document_words import role_fields
from bridge.carriers.shared.rest import ApiAnswer, ApiRequest, RetryRule, json_object
from bridge.carriers.shared.webhooks import ENDED_STATUSES
from bridge.carriers.telnyx.rest import CALL_IS_OVER, TelnyxApi, read_answer
from bridge.carriers.telnyx.settings import TelnyxSettings
from bridge.vocabulary.errors import CarrierRefused
from bridge.vocabulary.supervision import SupervisorRole

HARMLESS = RetryRule(answer_s=2.0, at_once=1, backoff_s=0.5, last_try_s=8.0, give_up_s=10.0)
"""For a request that may be done twice."""

PERSON_RULE = replace(HARMLESS, last_try_s=4.0, give_up_s=5.0, may_repeat=False)
"""For a call to a person: a caller waits for it."""


class TexmlApi:
    """Words the requests; see `DocumentApi`. `account_sid`: as the webhooks of the call have it.

    Raises `ConfigurationError` where the key is missing or of a wrong shape.
    """

    def __init__(self, settings: TelnyxSettings, account_sid: str) -> None:
        self._settings = settings
        self._headers = TelnyxApi(settings).headers
        account = f"{settings.api_url}/texml/Accounts/{quote(account_sid, safe='')}"
        self._calls, self._conferences = f"{account}/Calls", f"{account}/Conferences"

    def call_person(
        self, to: str, from_: str, *, address: str, ring_s: float, call_token: str | None = None
    ) -> ApiRequest:
        """Call a person; see `DocumentApi`. A machine is looked for beside."""
        settings = self._settings
        body: dict[str, object] = {
            "To": to,
            "From": from_,
            "Url": address,
            "UrlMethod": "POST",
            "Timeout": min(max(round(ring_s), 5), 120),
            "StatusCallback": address,
            "StatusCallbackMethod": "POST",
            "StatusCallbackEvent": " ".join(PERSON_EVENTS),
        }
        if settings.texml_application_id is not None:
            body["ApplicationSid"] = settings.texml_application_id
        if settings.detect_machines_of_people:
            body |= {
                "MachineDetection": "Enable",
                "DetectionMode": "Premium" if settings.machine_detection == "premium" else "Regular",
                "AsyncAmd": True,
                "AsyncAmdStatusCallback": address,
                "AsyncAmdStatusCallbackMethod": "POST",
            }
        return self._request("call person", "", self._calls, body, PERSON_RULE)

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
        """Call a supervisor, who joins the conference. Telnyx documents its id here, and not the name that it was given."""
        body: dict[str, object] = {
            "To": to,
            "From": from_,
            **role_fields(role, person_leg),
            "Beep": "false",
            "EndConferenceOnExit": False,
            "Timeout": min(max(round(ring_s), 5), 120),
            "StatusCallback": address,
            "StatusCallbackMethod": "POST",
            "StatusCallbackEvent": " ".join(PERSON_EVENTS),
        }
        url = f"{self._conferences}/{quote(conference, safe='')}/Participants"
        return self._request("call supervisor", "", url, body, PERSON_RULE)

    def change_supervisor(
        self, conference: str, leg: str, *, role: SupervisorRole, person_leg: str
    ) -> ApiRequest:
        """Give a supervisor who is in the conference another role."""
        url = f"{self._conferences}/{quote(conference, safe='')}/Participants/{quote(leg, safe='')}"
        return self._request("change supervisor", leg, url, role_fields(role, person_leg))

    def hang_up(self, call_id: str) -> ApiRequest:
        """End the call. That it has ended already is no error."""
        request = self._request("end call", call_id, self._call(call_id), {"Status": "completed"})
        return replace(request, read=partial(_read, done=(CALL_IS_OVER,)))

    def redirect(self, call_id: str, url: str) -> ApiRequest:
        """Have the call follow the TeXML at `url` now."""
        return self._request("redirect call", call_id, self._call(call_id), {"Url": url, "Method": "POST"})

    def look_up(self, call_id: str) -> ApiRequest:
        """What has become of the call."""
        request = self._request("look up call", call_id, self._call(call_id), {}, PERSON_RULE)
        return replace(request, method="GET", body=b"")

    def leg_in(self, data: Mapping[str, Any]) -> str:
        """The leg in the data of an answer; empty if it names none."""
        return str(data.get("sid") or data.get("call_sid") or "")

    def is_over(self, found: Mapping[str, Any] | CarrierRefused) -> bool:
        """Whether the answer to `look_up` says that the call is over; one that is not there is."""
        if isinstance(found, CarrierRefused):
            return found.code == CALL_IS_OVER or found.status == 404
        return found.get("status") in ENDED_STATUSES

    def _call(self, call_id: str) -> str:
        return f"{self._calls}/{quote(call_id, safe='')}"

    def _request(
        self,
        command: str,
        call_id: str,
        url: str,
        body: Mapping[str, object],
        rule: RetryRule = HARMLESS,
    ) -> ApiRequest:
        return ApiRequest(
            carrier="Telnyx",
            command=command,
            call_id=call_id,
            method="POST",
            url=url,
            headers=self._headers,
            body=json.encode(body),
            rule=rule,
            read=_read,
        )


def _read(answer: ApiAnswer, done: tuple[str, ...] = ()) -> dict[str, Any]:
    """The call as Telnyx describes it. Raises `CarrierRefused`."""
    found = read_answer(answer, done)
    return found or (json_object(answer.body) or {} if answer.status < 300 else {})
