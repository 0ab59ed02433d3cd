"""Who answers a call, by its webhook: rows of an address, a form or an event, and the assistant that is expected."""

import asyncio
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, NamedTuple
from urllib.parse import urlencode

import aiohttp
import pytest
from msgspec import json

from bridge.carriers.shared.webhooks import ExpectedCall, StreamKind
from bridge.carriers.telnyx.phone_call import ClientState
from bridge.carriers.twilio.signature import signature
from bridge.config.settings import Settings
from bridge.shell.admission import Admission
from bridge.shell.server import Server
from bridge.simulators.carriers.telnyx.server import SimulatedTelnyx
from bridge.simulators.carriers.telnyx.webhooks import Signer

AUTH_TOKEN = "12345"
FORM = "application/x-www-form-urlencoded"
TIMEOUT_S = 5.0
NAMES = ("front", "legacy", "sales", "gold", "german", "telnyx")
ROUTES = [
    {"to": "+1 (555) 0100", "assistant": "legacy"},
    {"path": "sales", "assistant": "sales"},
    {"parameters": {"plan": "gold"}, "from": "+1*", "assistant": "gold"},
    {"from": "+49*", "assistant": "german"},
    {"parameters": {"plan": "brass"}, "assistant": "telnyx"},
    {"path": "nobody", "to": "+4420", "assistant": "echo"},
]
SEED = b64encode(bytes(range(32))).decode()
SIGNER = Signer(SEED)
SETTINGS: dict[str, Any] = {
    "port": 0,
    "assistant": "front",
    "assistants": {name: {"kind": "echo"} for name in NAMES},
    "routes": ROUTES,
    "twilio": {"auth_token": AUTH_TOKEN},
}


class House(NamedTuple):
    """A server, and the calls that it expects."""

    server: Server
    expected: list[ExpectedCall]

    async def twilio(self, path: str, **form: str) -> tuple[int, str]:
        """Twilio's request, signed."""
        url = f"http://127.0.0.1:{self.server.port}{path}"
        form = {"CallSid": "CA1"} | form
        return await post(url, form, {"X-Twilio-Signature": signature(AUTH_TOKEN, url, form.items())})

    async def telnyx(self, path: str, **form: str) -> tuple[int, str]:
        """A form of TeXML's, signed."""
        body = urlencode({"CallSid": "v3:1"} | form).encode()
        headers = SIGNER.headers(body, int(time.time())) | {"Content-Type": FORM}
        return await post(f"http://127.0.0.1:{self.server.port}{path}", body, headers)

    async def tell(self, path: str, **event: Any) -> tuple[int, str]:
        """An event of Call Control's, signed."""
        body = json.encode({"data": event})
        headers = SIGNER.headers(body, int(time.time())) | {"Content-Type": "application/json"}
        return await post(f"http://127.0.0.1:{self.server.port}{path}", body, headers)


async def post(url: str, body: Any, headers: dict[str, str]) -> tuple[int, str]:
    async with aiohttp.ClientSession() as http, http.post(url, data=body, headers=headers) as answer:
        return answer.status, await answer.text()


Open = Callable[..., AbstractAsyncContextManager[House]]


@pytest.fixture
def house(monkeypatch: pytest.MonkeyPatch) -> Open:
    """`more`: settings."""
    expected: list[ExpectedCall] = []
    expect = Admission.expect

    def notice(admission: Admission, carrier: str, call: ExpectedCall, kind: StreamKind = "media") -> str:
        expected.append(call)
        return expect(admission, carrier, call, kind)

    monkeypatch.setattr(Admission, "expect", notice)

    @asynccontextmanager
    async def run(**more: Any) -> AsyncIterator[House]:
        settings = SETTINGS | {"telnyx": {"public_key": SIGNER.public_key}} | more
        async with asyncio.timeout(TIMEOUT_S), Server(Settings.model_validate(settings)).running() as server:
            yield House(server, expected)

    return run


US, GERMAN, OLD, NEW = "+15550199", "+4930123456", "+15550100", "+15550101"

WHO: list[tuple[str, dict[str, str], str]] = [
    # behind /twilio/voice or /telnyx/texml, the form, who answers
    ("", {"To": NEW, "From": US}, ""),
    ("", {"To": OLD, "From": US}, "legacy"),
    ("", {"To": OLD, "From": GERMAN}, "legacy"),
    ("", {"To": NEW, "From": GERMAN}, "german"),
    ("", {"To": NEW, "From": "anonymous"}, ""),
    ("", {}, ""),
    ("/sales", {"To": NEW, "From": GERMAN}, "sales"),
    ("/sales", {"To": OLD, "From": GERMAN}, "legacy"),
    ("/nobody", {"To": NEW, "From": US}, ""),
    ("?plan=gold", {"To": NEW, "From": US}, "gold"),
    ("?plan=gold&plan=silver", {"To": NEW, "From": US}, "gold"),
    ("?plan=gold", {"To": NEW, "From": GERMAN}, "german"),
    ("/sales?assistant=front&plan=gold", {"To": OLD, "From": US}, "front"),
    ("", {"To": OLD, "From": US, "Direction": "inbound"}, "legacy"),
    # placed by us: the other way round
    ("", {"To": OLD, "From": GERMAN, "Direction": "outbound-api"}, ""),
    ("/sales", {"To": OLD, "From": GERMAN, "Direction": "outbound-api"}, "sales"),
    ("?assistant=gold", {"To": OLD, "From": GERMAN, "Direction": "outbound-api"}, "gold"),
]


async def test_who_answers_a_call_that_a_form_tells_of(house: Open) -> None:
    async with house() as home:
        for behind, form, _ in WHO:
            assert (await home.twilio(f"/twilio/voice{behind}", **form))[0] == 200
            assert (await home.telnyx(f"/telnyx/texml{behind}", **form))[0] == 200
    answers = [call.assistant for call in home.expected]
    assert list(zip(answers[::2], answers[1::2], strict=True)) == [(who, who) for *_, who in WHO]


async def test_the_parameters_of_every_stream_count_too(house: Open) -> None:
    parameters = {"parameters": {"plan": "brass"}}
    async with house(telnyx={"public_key": SIGNER.public_key} | parameters) as home:
        await home.telnyx("/telnyx/texml")
        await home.telnyx("/telnyx/texml?plan=iron")
        await home.twilio("/twilio/voice")
    assert [call.assistant for call in home.expected] == ["telnyx", "", ""]


async def test_a_call_that_is_only_listened_to_may_have_a_word_too(house: Open) -> None:
    async with house(twilio={"auth_token": AUTH_TOKEN, "then": "https://example.com/x"}) as home:
        status, twiml = await home.twilio("/twilio/voice/sales?listen=both_tracks")
    assert (status, "<Start" in twiml) == (200, True)


REFUSED = [
    ("/salse", (404, "'salse': no route in the settings has this path")),
    (
        "/sales?assistant=polly",
        (400, "assistant = 'polly': unknown assistant: expected a name from the settings"),
    ),
]


@pytest.mark.parametrize(("behind", "answer"), REFUSED)
async def test_an_address_that_nobody_answers_at_is_refused(
    behind: str, answer: tuple[int, str], house: Open
) -> None:
    async with house(telnyx={"public_key": SIGNER.public_key, "api_key": "KEY"}) as home:
        assert await home.twilio(f"/twilio/voice{behind}") == answer
        assert await home.telnyx(f"/telnyx/texml{behind}") == answer
        call = {"call_control_id": "v3:1", "direction": "incoming"}
        initiated = {"event_type": "call.initiated", "payload": call}
        assert await home.tell(f"/telnyx/webhook{behind}", **initiated) == answer
        of_a_call_that_is_under_way = {"event_type": "call.answered", "payload": call}
        assert await home.tell(f"/telnyx/webhook{behind}", **of_a_call_that_is_under_way) == (204, "")
        status, _ = await post(f"http://127.0.0.1:{home.server.port}/twilio/voice{behind}", b"", {})
        assert status in (403, 415), "a stranger is not told which there are"
    assert home.expected == []


# Call Control

UNDER_CALL_CONTROL: list[tuple[str, dict[str, str], str]] = [
    ("", {"called": NEW, "caller": US}, ""),
    ("", {"called": OLD, "caller": US}, "legacy"),
    ("", {"called": NEW, "caller": GERMAN}, "german"),
    ("/sales", {"called": NEW, "caller": GERMAN}, "sales"),
    ("/sales?plan=gold", {"called": NEW, "caller": US}, "sales"),
    ("?plan=gold", {"called": NEW, "caller": US}, "gold"),
    ("?assistant=front", {"called": OLD, "caller": US}, "front"),
]


def telnyx_of(fake: SimulatedTelnyx) -> dict[str, Any]:
    return {"public_key": fake.public_key, "api_key": fake.api_key, "api_url": fake.url}


async def test_who_answers_a_call_that_an_event_tells_of(house: Open) -> None:
    async with SimulatedTelnyx(seed=SEED).running() as fake, house(telnyx=telnyx_of(fake)) as home:
        for number, (behind, numbers, _) in enumerate(UNDER_CALL_CONTROL, 1):
            url = f"http://127.0.0.1:{home.server.port}/telnyx/webhook{behind}"
            call = fake.ring(url, **numbers)
            await fake.commanded("streaming_start", number)
            fake.hang_up(call)
            await fake.over(call)
    assert [call.assistant for call in home.expected] == [who for *_, who in UNDER_CALL_CONTROL]


@pytest.mark.parametrize("named", ["gold", ""])
async def test_a_call_that_we_placed_keeps_its_own_assistant(named: str, house: Open) -> None:
    state = ClientState(named).encode()
    payload = {
        "call_control_id": "v3:1",
        "direction": "outgoing",
        "to": OLD,
        "from": GERMAN,
        "client_state": state,
    }
    async with SimulatedTelnyx(seed=SEED).running() as fake, house(telnyx=telnyx_of(fake)) as home:
        for number, kind in enumerate(("call.initiated", "call.answered")):
            event = {"event_type": kind, "id": str(number), "payload": payload}
            assert await home.tell("/telnyx/webhook/sales?plan=gold", **event) == (204, "")
        await fake.commanded("streaming_start")
    assert [call.assistant for call in home.expected] == [named]


async def test_who_answers_is_known_again_after_a_restart(house: Open) -> None:
    """By what the answer gave along: the webhooks that follow do not tell which routes there were."""
    async with SimulatedTelnyx(seed=SEED).running() as fake, house(telnyx=telnyx_of(fake)) as home:
        fake.ring(f"http://127.0.0.1:{home.server.port}/telnyx/webhook/sales", called=NEW)
        answer = await fake.commanded("answer")
        assert answer.body["client_state"] == ClientState("sales").encode()
