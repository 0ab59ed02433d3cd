"""Requests about calls under TeXML, beside what Telnyx's own library sends; and what their answers say."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote, urlsplit

import httpx
import pytest
import telnyx
from telnyx._utils import maybe_transform
from telnyx.types.texml.accounts.call_calls_params import CallCallsParams

from bridge.carriers.shared.rest import ApiAnswer, ApiRequest
from bridge.carriers.telnyx.settings import TelnyxSettings
from bridge.carriers.telnyx.texml_rest import TexmlApi
from bridge.vocabulary.errors import CarrierRefused

KEY, ACCOUNT, CALL = "KEY0199A_secret", "acc-1", "v3:T02l/a+b=="
PERSON, NEXT = "https://voice.example.com/telnyx/person/h1", "https://voice.example.com/telnyx/next/h2"


def api(**settings: Any) -> TexmlApi:
    return TexmlApi(TelnyxSettings.model_validate({"api_key": KEY} | settings), ACCOUNT)


def on_the_wire(body: dict[str, object]) -> Any:
    """The body with the names that the library declares for the wire; it forgets to use them for a body in one piece."""
    whole: Any = maybe_transform({"body": body}, CallCallsParams)
    return whole["body"]


SAME: dict[str, tuple[ApiRequest, Callable[[telnyx.Telnyx], object]]] = {
    "call a person": (
        api(texml_application_id="1293384261075731499", machine_detection="premium").call_person(
            "+13125550142", "+13125550143", address=PERSON, ring_s=25.4
        ),
        lambda their: their.texml.accounts.calls.calls(
            ACCOUNT,
            body=on_the_wire(
                {
                    "to": "+13125550142",
                    "from_": "+13125550143",
                    "url": PERSON,
                    "url_method": "POST",
                    "timeout": 25,
                    "status_callback": PERSON,
                    "status_callback_method": "POST",
                    "status_callback_event": "initiated ringing answered completed",
                    "application_sid": "1293384261075731499",
                    "machine_detection": "Enable",
                    "detection_mode": "Premium",
                    "async_amd": True,
                    "async_amd_status_callback": PERSON,
                    "async_amd_status_callback_method": "POST",
                }
            ),
        ),
    ),
    "hang up": (
        api().hang_up(CALL),
        lambda their: their.texml.accounts.calls.update(CALL, account_sid=ACCOUNT, status="completed"),
    ),
    "redirect": (
        api().redirect(CALL, NEXT),
        lambda their: their.texml.accounts.calls.update(CALL, account_sid=ACCOUNT, url=NEXT, method="POST"),
    ),
    "look up": (
        api().look_up(CALL),
        lambda their: their.texml.accounts.calls.retrieve(CALL, account_sid=ACCOUNT),
    ),
}


@pytest.mark.parametrize("name", SAME)
def test_sends_what_telnyxs_own_library_sends(name: str) -> None:
    request, ask = SAME[name]
    got: list[httpx.Request] = []

    def answer(theirs: httpx.Request) -> httpx.Response:
        got.append(theirs)
        return httpx.Response(200, json={})

    with httpx.Client(transport=httpx.MockTransport(answer)) as http:
        ask(telnyx.Telnyx(api_key=KEY, http_client=http, max_retries=0))
    (theirs,) = got
    assert (request.method, unquote(urlsplit(request.url).path)) == (theirs.method, theirs.url.path)
    assert json.loads(request.body or b"null") == json.loads(theirs.content or b"null")
    assert request.headers["Authorization"] == theirs.headers["Authorization"]


def test_nobody_is_called_twice() -> None:
    assert not api().call_person("+1", "+2", address=PERSON, ring_s=25.0).rule.may_repeat


def test_ringing_takes_as_long_as_telnyx_allows() -> None:
    bodies = [json.loads(api().call_person("+1", "+2", address=PERSON, ring_s=s).body) for s in (1.0, 300.0)]
    assert [body["Timeout"] for body in bodies] == [5, 120]


def test_without_detection_nobody_looks_for_machines() -> None:
    request = api(detect_machines_of_people=False).call_person("+1", "+2", address=PERSON, ring_s=25.0)
    assert b"Amd" not in request.body


@pytest.mark.parametrize(
    ("data", "leg"), [({"sid": "v3:2"}, "v3:2"), ({"call_sid": "v3:2"}, "v3:2"), ({"status": "queued"}, "")]
)
def test_the_leg_in_an_answer(data: dict[str, str], leg: str) -> None:
    request = api().call_person("+1", "+2", address=PERSON, ring_s=25.0)
    assert api().leg_in(request.read(ApiAnswer(200, {}, json.dumps(data).encode()))) == leg


ENDED = b'{"errors":[{"code":"90018","title":"Call has already ended"}]}'


def test_to_end_a_call_that_has_ended_is_no_error() -> None:
    assert api().hang_up(CALL).read(ApiAnswer(422, {}, ENDED)) == {}
    with pytest.raises(CarrierRefused):
        api().redirect(CALL, NEXT).read(ApiAnswer(422, {}, ENDED))


@pytest.mark.parametrize(
    ("found", "is_over"),
    [
        ({"status": "completed"}, True),
        ({"status": "no-answer"}, True),
        ({"status": "in-progress"}, False),
        ({}, False),
        (CarrierRefused("", status=404, code="10005"), True),
        (CarrierRefused("", status=422, code="90018"), True),
        (CarrierRefused("", status=503, code=""), False),
        (CarrierRefused("", status=0, code=""), False),
    ],
)
def test_whether_a_call_is_over(found: dict[str, str] | CarrierRefused, is_over: bool) -> None:
    assert api().is_over(found) is is_over
