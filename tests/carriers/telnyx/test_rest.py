"""Telnyx's commands as requests, beside what its own library sends; and what its answers say."""

import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

import httpx
import pytest
import telnyx

from bridge.carriers.shared.rest import ApiAnswer, ApiRequest
from bridge.carriers.telnyx.rest import TelnyxApi, read_answer
from bridge.carriers.telnyx.settings import TelnyxSettings
from bridge.vocabulary.errors import CarrierRefused, ConfigurationError

KEY = "KEY0199A_secret"
CALL = "v3:T02l/a+b=="
COMMAND = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"
URL = "wss://voice.example.com/telnyx/media/t0ken"
STATE = "aGF2ZQ=="


def api(**settings: Any) -> TelnyxApi:
    given = {"api_key": KEY, "connection_id": "7267", **settings}
    return TelnyxApi(TelnyxSettings.model_validate(given))


class Sent(NamedTuple):
    """What of a request matters to Telnyx."""

    method: str
    host: str
    path: str
    authorization: str
    body: Any


def ours(request: ApiRequest) -> Sent:
    parts = urlsplit(request.url)
    body = json.loads(request.body) if request.body else None
    return Sent(request.method, parts.netloc, unquote(parts.path), request.headers["Authorization"], body)


Theirs = Callable[[Callable[[telnyx.Telnyx], object]], Sent]


@pytest.fixture(scope="module")
def theirs() -> Iterator[Theirs]:
    """What Telnyx's own library sends."""
    got: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        got.append(request)
        return httpx.Response(200, json={"data": {}})

    with httpx.Client(transport=httpx.MockTransport(answer)) as http:
        client = telnyx.Telnyx(api_key=KEY, http_client=http, max_retries=0)

        def sent(ask: Callable[[telnyx.Telnyx], object]) -> Sent:
            ask(client)
            request = got.pop()
            body = json.loads(request.content) if request.content else None
            path = unquote(request.url.raw_path.decode())
            return Sent(request.method, request.url.host, path, request.headers["Authorization"], body)

        yield sent


SAME: dict[str, tuple[ApiRequest, Callable[[telnyx.Telnyx], object]]] = {
    "answer": (
        api().answer(CALL, COMMAND, client_state=STATE),
        lambda their: their.calls.actions.answer(CALL, command_id=COMMAND, client_state=STATE),
    ),
    "hangup": (
        api().hang_up(CALL, COMMAND),
        lambda their: their.calls.actions.hangup(CALL, command_id=COMMAND),
    ),
    "streaming_start": (
        api(parameters={"plan": "<silver>", "day": "Monday"}, stream_codec="PCMU").start_streaming(
            CALL, COMMAND, URL
        ),
        lambda their: their.calls.actions.start_streaming(
            CALL,
            command_id=COMMAND,
            stream_url=URL,
            stream_track="inbound_track",
            stream_codec="PCMU",
            stream_bidirectional_mode="rtp",
            stream_bidirectional_codec="PCMU",
            stream_bidirectional_sampling_rate=8000,
            stream_bidirectional_target_legs="self",
            custom_parameters=[{"name": "plan", "value": "<silver>"}, {"name": "day", "value": "Monday"}],
        ),
    ),
    "streaming_stop": (
        api().stop_streaming(CALL, COMMAND),
        lambda their: their.calls.actions.stop_streaming(CALL, command_id=COMMAND),
    ),
    "bridge": (
        api().bridge(CALL, COMMAND, "v3:other"),
        lambda their: their.calls.actions.bridge(
            CALL,
            call_control_id_to_bridge_with="v3:other",
            park_after_unbridge="self",
            mute_dtmf="none",
            command_id=COMMAND,
        ),
    ),
    "call a person": (
        api(machine_detection="premium").call_person(
            "+13125550142",
            "+13125550143",
            COMMAND,
            call_id=CALL,
            ring_s=25.4,
            webhook_url="https://voice.example.com/telnyx/leg/h1",
            client_state=STATE,
            shows_caller=True,
        ),
        lambda their: their.calls.dial(
            connection_id="7267",
            to="+13125550142",
            from_="+13125550143",
            command_id=COMMAND,
            webhook_url="https://voice.example.com/telnyx/leg/h1",
            client_state=STATE,
            answering_machine_detection="premium",
            link_to=CALL,
            bridge_intent=True,
            timeout_secs=25,
        ),
    ),
    "send_dtmf": (
        api().send_dtmf(CALL, COMMAND, "1www2WABCDw9*#"),
        lambda their: their.calls.actions.send_dtmf(
            CALL, command_id=COMMAND, digits="1www2WABCDw9*#", duration_millis=250
        ),
    ),
    "dial": (
        api().dial(
            "+13125550142",
            "+13125550143",
            COMMAND,
            webhook_url="https://voice.example.com/telnyx/webhook",
            client_state=STATE,
            answering_machine_detection="premium",
        ),
        lambda their: their.calls.dial(
            connection_id="7267",
            to="+13125550142",
            from_="+13125550143",
            command_id=COMMAND,
            webhook_url="https://voice.example.com/telnyx/webhook",
            client_state=STATE,
            answering_machine_detection="premium",
        ),
    ),
}


@pytest.mark.parametrize("name", SAME)
def test_sends_what_telnyxs_own_library_sends(theirs: Theirs, name: str) -> None:
    request, ask = SAME[name]
    assert ours(request) == theirs(ask)


def test_the_name_of_a_call_is_one_part_of_the_path() -> None:
    path = "https://api.telnyx.eu/v2/calls/v3%3AT02l%2Fa%2Bb%3D%3D/actions/answer"
    assert api(api_url="https://api.telnyx.eu/v2").answer(CALL, COMMAND).url == path


VOICES = [  # settings, what is asked for
    ({"codec": "L16"}, {"codec": "L16", "sampling_rate": 16000}),
    ({"codec": "L16", "sampling_rate": 8000}, {"codec": "L16", "sampling_rate": 8000}),
    ({"codec": "G722"}, {"codec": "G722", "sampling_rate": 8000}),
    ({"codec": "OPUS"}, {"codec": "OPUS", "sampling_rate": 16000}),
    ({"mode": "mp3"}, {}),
    ({"mode": "mp3", "codec": "L16", "sampling_rate": 16000}, {}),
]


@pytest.mark.parametrize(("settings", "asked"), VOICES)
def test_asks_for_the_voices_format(settings: dict[str, Any], asked: dict[str, object]) -> None:
    body = json.loads(api(**settings).start_streaming(CALL, COMMAND, URL).body)
    voice = {
        name.removeprefix("stream_bidirectional_"): value
        for name, value in body.items()
        if name.startswith("stream_bidirectional_")
    }
    assert voice == {"mode": settings.get("mode", "rtp"), "target_legs": "self", **asked}


def test_what_is_not_given_is_not_sent() -> None:
    assert json.loads(api().answer(CALL, COMMAND).body) == {"command_id": COMMAND}
    assert "custom_parameters" not in json.loads(api().start_streaming(CALL, COMMAND, URL).body)


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"api_key": None}, "telnyx.api_key is missing"),
        ({"api_key": "KEY\n"}, "telnyx.api_key: should be one word"),
        ({"api_key": "two words"}, "telnyx.api_key: should be one word"),
        ({"api_key": "schlüssel"}, "telnyx.api_key: should be one word"),
    ],
)
def test_needs_a_key(settings: dict[str, Any], why: str) -> None:
    with pytest.raises(ConfigurationError, match=why) as error:
        api(**settings)
    assert str(settings["api_key"]) not in str(error.value)


def test_needs_an_application_to_place_calls() -> None:
    with pytest.raises(ConfigurationError, match=r"telnyx\.connection_id is missing"):
        api(connection_id=None).dial("+13125550142", "+13125550143", COMMAND)


# Answers


def failed(code: object, title: str = "Title", detail: str = "Detail.") -> bytes:
    return json.dumps({"errors": [{"code": code, "title": title, "detail": detail}]}).encode()


DATA: list[tuple[bytes, dict[str, Any]]] = [
    (b'{"data":{"result":"ok"}}', {"result": "ok"}),
    (b'{"data":{"call_control_id":"v3:x","is_alive":false}}', {"call_control_id": "v3:x", "is_alive": False}),
    (b'{"data":null}', {}),
    (b"{}", {}),
    (b"", {}),
]


@pytest.mark.parametrize(("body", "data"), DATA)
def test_reads_data(body: bytes, data: dict[str, Any]) -> None:
    assert api().answer(CALL, COMMAND).read(ApiAnswer(200, {}, body)) == data


REFUSALS = [  # status, body, code, what is told
    (
        422,
        failed("90034", "Call has not been answered", "It rings."),
        "90034",
        "Telnyx 90034 (422): Call has not been answered: It rings.",
    ),
    (
        401,
        failed(10009, "Authentication failed"),
        "10009",
        "Telnyx 10009 (401): Authentication failed: Detail.",
    ),
    (422, failed("10016", "Not E.164", "+1 312 555 0142 is none"), "10016", "***42 is none"),
    (429, b'{"errors":[{"code":"10011"}]}', "10011", "Telnyx 10011 (429): no reason given"),
    (404, b"", "", "Telnyx (404): no reason given"),
    (502, b"<html><h1>Bad gateway</h1></html>", "", "Telnyx (502): no reason given"),
    (400, b'{"errors":[]}', "", "Telnyx (400): no reason given"),
    (400, b'{"errors":["text", 1]}', "", "Telnyx (400): no reason given"),
    (400, b'{"errors":{"code":"1"}}', "", "Telnyx (400): no reason given"),
    (400, b'{"errors":[{"code":null,"title":7,"detail":["x"]}]}', "", "Telnyx (400): no reason given"),
    (307, b"", "", "Telnyx (307): no reason given"),
    (200, b"<html>Sign in</html>", "", "Telnyx (200): the answer should be a JSON object"),
]


@pytest.mark.parametrize(("status", "body", "code", "told"), REFUSALS)
def test_reads_a_refusal(status: int, body: bytes, code: str, told: str) -> None:
    with pytest.raises(CarrierRefused) as refused:
        read_answer(ApiAnswer(status, {}, body))
    assert told in str(refused.value)
    assert (refused.value.status, refused.value.code) == (status, code)


def test_a_refusal_of_keys_does_not_quote_them() -> None:
    request = api().send_dtmf(CALL, COMMAND, "4242#")
    body = failed("10015", "Invalid value", "The 'digits' 4242# are none.")
    with pytest.raises(CarrierRefused) as refused:
        request.read(ApiAnswer(422, {}, body))
    assert str(refused.value) == "Telnyx 10015 (422): Invalid value"
    assert "4242" not in repr(request)


DONE = [
    (api().hang_up(CALL, COMMAND), "90018", True),
    (api().hang_up(CALL, COMMAND), 90018, True),
    (api().hang_up(CALL, COMMAND), "90015", False),
    (api().answer(CALL, COMMAND), "90018", False),
]


@pytest.mark.parametrize(("request_", "code", "done"), DONE)
def test_what_is_over_already_need_not_be_ended(request_: ApiRequest, code: object, done: bool) -> None:
    answer = ApiAnswer(422, {}, failed(code))
    if done:
        assert request_.read(answer) == {}
    else:
        with pytest.raises(CarrierRefused):
            request_.read(answer)
