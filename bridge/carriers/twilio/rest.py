"""Twilio's calls by REST: to place, change and end one, as requests, and what the answers say.

Wire: Twilio, "Call resource", "Answering Machine Detection". Forms in PascalCase go out, JSON in snake_case comes
back. There is no key by which Twilio has_assistant a request again: one that places a call is not repeated unless it is
certain that Twilio did nothing.
"""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Literal
from urllib.parse import quote, urlencode

from bridge.carriers.shared.rest import ApiAnswer, ApiRequest, RetryRule, json_object, refusal
from bridge.carriers.twilio.settings import TwilioSettings
from bridge.vocabulary.errors import ConfigurationError

HARMLESS = RetryRule(answer_s=5.0, at_once=0, backoff_s=0.5, last_try_s=25.0, give_up_s=30.0)
"""For what may be done twice: to end a call."""

ONCE = replace(HARMLESS, may_repeat=False)

CALL_IS_OVER = ("20404", "21220")

MachineDetection = Literal["Enable", "DetectMessageEnd"]


class TwilioApi:
    """Makes the requests. `call`: its sid. Raises `ConfigurationError` where the settings do not allow one."""

    def __init__(self, settings: TwilioSettings) -> None:
        if settings.account_sid is None:
            raise ConfigurationError("twilio.account_sid is missing; calls are placed and ended with it")
        if settings.auth_token is None:
            raise ConfigurationError("twilio.auth_token is missing; calls are placed and ended with it")
        credentials = f"{settings.account_sid}:{settings.auth_token.get_secret_value()}"
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
        """Place a call that goes by the TwiML at `url`, or by `twiml`. The data names it: `sid`."""
        form = {
            "To": to,
            "From": from_,
            **_instructions(url, twiml),
            "StatusCallback": status_callback,
            "MachineDetection": machine_detection,
        }
        return self._request("create call", "", "/Calls.json", form, rule=ONCE)

    def hang_up(self, call_id: str) -> ApiRequest:
        """End the call; one that is over already is no error."""
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
            body=urlencode(given).encode(),
            rule=rule,
            read=partial(read_answer, done=done),
        )


def _path(call_id: str) -> str:
    return f"/Calls/{quote(call_id, safe='')}.json"


def _instructions(url: str | None, twiml: str | None) -> dict[str, object]:
    assert (url is None) is not (twiml is None), "TwiML, or the address of one"
    return {"Url": url, "Twiml": twiml}


def read_answer(answer: ApiAnswer, done: tuple[str, ...] = ()) -> dict[str, Any]:
    """The call as Twilio describes it; nothing where the answer is a refusal with a code of `done`.

    Raises `CarrierRefused` with Twilio's own code and words; newer services word them as RFC 9457 does.
    """
    found = json_object(answer.body)
    if 200 <= answer.status < 300:
        if found is None:
            raise refusal("Twilio", answer.status, None, "the answer should be a JSON object, and is none")
        return found
    fault = found or {}
    code = fault.get("code")
    if str(code) in done:
        return {}
    said = (fault.get("message"),) if "message" in fault else (fault.get("title"), fault.get("detail"))
    raise refusal("Twilio", answer.status, code, *said)
