"""The toy carrier's REST API: what can be asked, as requests, and what an answer says. JSON both ways."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from msgspec import json

from bridge.carriers.shared.rest import ApiAnswer, ApiRequest, RetryRule, json_object, refusal
from bridge.vocabulary.errors import ConfigurationError
from tests.carriers.toy.settings import ToySettings

RULE = RetryRule(answer_s=5.0, at_once=0, backoff_s=0.5, last_try_s=5.0, give_up_s=10.0, may_repeat=False)


class ToyApi:
    """Makes the requests. Raises `ConfigurationError` without a password."""

    def __init__(self, settings: ToySettings) -> None:
        if settings.password is None:
            raise ConfigurationError("toy.password is missing; calls are placed and ended with it")
        self._url = settings.api_url
        self._headers = {
            "Authorization": f"Bearer {settings.password.get_secret_value()}",
            "Content-Type": "application/json",
        }

    def place_call(self, to: str, from_: str, webhook: str) -> ApiRequest:
        """Phone `to`; the webhook is asked once somebody answers. The answer names the call: `call`."""
        return self._request("place call", "", "/calls", {"to": to, "from": from_, "webhook": webhook})

    def press_keys(self, call_id: str, keys: str) -> ApiRequest:
        """Press keys for who is at the far end."""
        return self._request("press keys", call_id, f"/calls/{quote(call_id, safe='')}/keys", {"keys": keys})

    def hang_up(self, call_id: str) -> ApiRequest:
        """End the call."""
        return self._request("hang up", call_id, f"/calls/{quote(call_id, safe='')}/end", {})

    def _request(self, command: str, call_id: str, path: str, body: Mapping[str, str]) -> ApiRequest:
        return ApiRequest(
            carrier="Toy",
            command=command,
            call_id=call_id,
            method="POST",
            url=self._url + path,
            headers=self._headers,
            body=json.encode(body),
            rule=RULE,
            read=read_answer,
        )


def read_answer(answer: ApiAnswer) -> dict[str, Any]:
    """The answer's object. Raises `CarrierRefused` for any status but 200."""
    found = json_object(answer.body) or {}
    if answer.status != 200:
        raise refusal("Toy", answer.status, None, found.get("why"))
    return found
