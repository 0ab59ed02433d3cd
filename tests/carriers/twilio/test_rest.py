"""Twilio's calls by REST, beside what its own library sends; and what its answers say."""

import json
from base64 import b64encode
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

import pytest
from twilio.http import HttpClient
from twilio.http.response import Response
from twilio.rest import Client

from bridge.carriers.shared.rest import ApiAnswer, ApiRequest
from bridge.carriers.twilio.rest import TwilioApi, read_answer
from bridge.carriers.twilio.settings import TwilioSettings
from bridge.vocabulary.errors import CarrierRefused, ConfigurationError

ACCOUNT, TOKEN = "AC" + "0" * 32, "1" * 32
CALL = "CA" + "2" * 32
TWIML = "<Response><Say>Grüße &amp; more</Say></Response>"


def api(**settings: Any) -> TwilioApi:
    given = {"account_sid": ACCOUNT, "auth_token": TOKEN, **settings}
    return TwilioApi(TwilioSettings.model_validate(given))


class Sent(NamedTuple):
    """What of a request matters to Twilio."""

    method: str
    url: str
    authorization: str
    form: list[tuple[str, str]]


def ours(request: ApiRequest) -> Sent:
    form = parse_qsl(request.body.decode(), keep_blank_values=True, strict_parsing=bool(request.body))
    return Sent(request.method, request.url, request.headers["Authorization"], sorted(form))


class Recorder(HttpClient):  # type: ignore[misc]  # published without types
    """Takes what Twilio's own library would send."""

    def __init__(self) -> None:
        self.sent: list[Sent] = []

    def request(
        self,
        method: str,
        url: str,
        params: object = None,
        data: dict[str, Any] | None = None,
        headers: object = None,
        auth: tuple[str, str] = ("", ""),
        timeout: object = None,
        allow_redirects: bool = False,
    ) -> Response:
        assert not params
        form = [
            (name, str(one))
            for name, value in (data or {}).items()
            for one in (value if isinstance(value, list) else [value])
        ]
        basic = f"Basic {b64encode(':'.join(auth).encode()).decode()}"
        self.sent.append(Sent(method, url, basic, sorted(form)))
        return Response(201 if method == "POST" and url.endswith("/Calls.json") else 200, "{}")


SAME: dict[str, tuple[ApiRequest, Callable[[Client], object]]] = {
    "create by address": (
        api().create_call(
            "+13125550142",
            "+13125550143",
            url="https://voice.example.com/twilio/voice?assistant=clinic",
            status_callback="https://voice.example.com/twilio/status",
            machine_detection="Enable",
        ),
        lambda their: their.calls.create(
            "+13125550142",
            "+13125550143",
            url="https://voice.example.com/twilio/voice?assistant=clinic",
            status_callback="https://voice.example.com/twilio/status",
            machine_detection="Enable",
        ),
    ),
    "create by TwiML": (
        api().create_call(
            "+13125550142",
            "+13125550143",
            twiml=TWIML,
            machine_detection="DetectMessageEnd",
        ),
        lambda their: their.calls.create(
            "+13125550142",
            "+13125550143",
            twiml=TWIML,
            machine_detection="DetectMessageEnd",
        ),
    ),
    "call a person": (
        api().call_person(
            "+13125550142",
            "+13125550143",
            address="https://voice.example.com/twilio/person/h1",
            ring_s=25.4,
            call_token="token",
        ),
        lambda their: their.calls.create(
            "+13125550142",
            "+13125550143",
            url="https://voice.example.com/twilio/person/h1",
            method="POST",
            timeout=25,
            status_callback="https://voice.example.com/twilio/person/h1",
            status_callback_method="POST",
            status_callback_event=["initiated", "ringing", "answered", "completed"],
            call_token="token",
            machine_detection="Enable",
            async_amd="true",
            async_amd_status_callback="https://voice.example.com/twilio/person/h1",
            async_amd_status_callback_method="POST",
        ),
    ),
    "redirect": (
        api().redirect(CALL, "https://voice.example.com/twilio/next/h1"),
        lambda their: their.calls(CALL).update(url="https://voice.example.com/twilio/next/h1", method="POST"),
    ),
    "look up": (api().look_up(CALL), lambda their: their.calls(CALL).fetch()),
    "hang up": (api().hang_up(CALL), lambda their: their.calls(CALL).update(status="completed")),
}


@pytest.mark.parametrize("name", SAME)
def test_sends_what_twilios_own_library_sends(name: str) -> None:
    request, ask = SAME[name]
    recorder = Recorder()
    ask(Client(ACCOUNT, TOKEN, http_client=recorder))
    assert [ours(request)] == recorder.sent


def test_the_name_of_a_call_is_one_part_of_the_path() -> None:
    address = f"https://api.dublin.ie1.twilio.com/2010-04-01/Accounts/{ACCOUNT}/Calls/a%2Fb.json"
    assert api(api_url="https://api.dublin.ie1.twilio.com").hang_up("a/b").url == address


REPEATED = [
    (api().create_call("+1", "+2", twiml=TWIML), False),
    (api().hang_up(CALL), True),
]


@pytest.mark.parametrize(("request_", "repeated"), REPEATED)
def test_only_what_does_no_harm_twice_is_repeated(request_: ApiRequest, repeated: bool) -> None:
    assert request_.rule.may_repeat is repeated


@pytest.mark.parametrize("missing", ["account_sid", "auth_token"])
def test_needs_an_account(missing: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"twilio\.{missing} is missing"):
        api(**{missing: None})


# Answers


def test_reads_a_call() -> None:
    body = json.dumps({"sid": CALL, "status": "queued"}).encode()
    assert api().create_call("+1", "+2", twiml=TWIML).read(ApiAnswer(200, {}, body)) == {
        "sid": CALL,
        "status": "queued",
    }


REFUSALS = [  # status, body, code, what is told
    (
        400,
        b'{"code":21211,"message":"The \'To\' number +13125550142 is not valid.","more_info":"https://x","status":400}',
        "21211",
        "Twilio 21211 (400): The 'To' number ***42 is not valid.",
    ),
    (401, b'{"code":"20003","message":"Authenticate"}', "20003", "Twilio 20003 (401): Authenticate"),
    (
        403,
        b'{"type":"https://x","title":"Forbidden","status":403,"code":20403,"detail":"Not yours."}',
        "20403",
        "Twilio 20403 (403): Forbidden: Not yours.",
    ),
    (400, b'{"code":null,"message":"Bad"}', "", "Twilio (400): Bad"),
    (404, b"", "", "Twilio (404): no reason given"),
    (503, b"<html>later</html>", "", "Twilio (503): no reason given"),
    (500, b"[]", "", "Twilio (500): no reason given"),
    (307, b"", "", "Twilio (307): no reason given"),
    (200, b"<html>Sign in</html>", "", "Twilio (200): the answer should be a JSON object"),
    (201, b"", "", "Twilio (201): the answer should be a JSON object"),
]


@pytest.mark.parametrize(("status", "body", "code", "told"), REFUSALS)
def test_reads_a_refusal(status: int, body: bytes, code: str, told: str) -> None:
    with pytest.raises(CarrierRefused) as refused:
        read_answer(ApiAnswer(status, {}, body))
    assert told in str(refused.value)
    assert (refused.value.status, refused.value.code) == (status, code)


OVER = [  # of a call to be ended: status, body, whether that is as good as done
    (404, b'{"code":20404,"message":"Not found"}', True),
    (400, b'{"code":"21220","message":"Call is not in-progress"}', True),
    (404, b"<html>No such page</html>", False),  # who says so may not be Twilio
    (400, b'{"code":21211,"message":"Invalid"}', False),
]


@pytest.mark.parametrize(("status", "body", "done"), OVER)
def test_what_is_over_already_need_not_be_ended(status: int, body: bytes, done: bool) -> None:
    answer = ApiAnswer(status, {}, body)
    with pytest.raises(CarrierRefused):
        api().create_call("+1", "+2", twiml=TWIML).read(answer)
    if done:
        assert api().hang_up(CALL).read(answer) == {}
    else:
        with pytest.raises(CarrierRefused):
            api().hang_up(CALL).read(answer)
