"""The accounts at the carriers: keys that are refused, numbers that lead here, and numbers that lead elsewhere."""

from typing import Any

import pytest
from aiohttp import web

from bridge.config.settings import Settings
from bridge.shell.network import Network
from bridge.simulators.doctor.asking import Asker
from bridge.simulators.doctor.carrier_account import look_at_accounts
from bridge.simulators.doctor.clock import Clock
from bridge.simulators.doctor.findings import Finding, Level
from tests.processes import free_port
from tests.simulators.doctor.proxy import answering

SID, TOKEN = "AC" + "1" * 32, "0123456789abcdef0123456789abcdef"
KEY, PUBLIC_KEY = "KEY" + "1" * 30, "0123456789012345678901234567890123456789012="
HERE = "https://voice.acme.dev"


def number(phone: str, voice_url: str, **more: str) -> dict[str, str]:
    return {"phone_number": phone, "voice_url": voice_url, "voice_method": "POST", **more}


def twilio(*numbers: dict[str, str], status: str = "active", refused: int = 0) -> Any:
    def answer(request: web.Request) -> web.Response:
        if refused:
            return web.json_response({"code": 20003, "message": "Authenticate"}, status=refused)
        assert request.headers["Authorization"].startswith("Basic ")
        if request.path.endswith("/IncomingPhoneNumbers.json"):
            return web.json_response({"incoming_phone_numbers": list(numbers)})
        assert request.path == f"/2010-04-01/Accounts/{SID}.json"
        return web.json_response({"sid": SID, "status": status})

    return answer


def telnyx(**lists: list[dict[str, object]]) -> Any:
    def answer(request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == f"Bearer {KEY}"
        return web.json_response({"data": lists.get(request.path.rpartition("/")[2], [])})

    return answer


async def found(tables: dict[str, Any], answer: Any, *, clock: Clock | None = None) -> dict[str, Finding]:
    async with answering(answer) as url:
        given = {"public_url": HERE, **tables}
        for carrier in ("twilio", "telnyx"):
            if carrier in given:
                given[carrier] = {**given[carrier], "api_url": url}
        return await looked_up(given, clock)


async def looked_up(tables: dict[str, Any], clock: Clock | None = None) -> dict[str, Finding]:
    network = Network()
    try:
        async with Asker(network, clock or Clock()) as asker:
            findings = await look_at_accounts(Settings.model_validate(tables), asker)
    finally:
        await network.aclose()
    return {finding.name: finding for finding in findings}


TWILIO: dict[str, Any] = {"twilio": {"auth_token": TOKEN, "account_sid": SID}}
TELNYX: dict[str, Any] = {"telnyx": {"api_key": KEY, "public_key": PUBLIC_KEY}}


async def test_a_number_that_leads_here() -> None:
    clock = Clock()
    said = await found(TWILIO, twilio(number("+15550100", f"{HERE}/twilio/voice/sales?x=1")), clock=clock)
    assert said["twilio account"].level is Level.OK
    assert said["twilio numbers"].found == "+15550100 lead here."
    assert clock.findings()[0].level is Level.OK, "its Date was read"


@pytest.mark.parametrize("status", [401, 403])
async def test_a_wrong_key(status: int) -> None:
    said = await found(TWILIO, twilio(refused=status))
    account = said["twilio account"]
    assert account.level is Level.FAULT
    assert account.found == f"Its REST API refuses: Twilio 20003 ({status}): Authenticate."
    assert "copy it again from Twilio's portal (TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN)" in account.remedy
    assert list(said) == ["twilio account"]


async def test_an_account_that_is_suspended() -> None:
    said = await found(TWILIO, twilio(status="suspended"))
    assert said["twilio account"].found == "The keys work, and the account is suspended."


@pytest.mark.parametrize(
    ("goes_to", "shown"),
    [
        (number("+15550100", "https://me:secret@other.acme.dev/voice"), "https://***@other.acme.dev/voice"),
        (number("+15550100", f"{HERE}/twilio/voices"), f"{HERE}/twilio/voices"),
        (number("+15550100", f"{HERE}/twilio/voice", trunk_sid="TK1"), "a SIP trunk"),
        (number("+15550100", f"{HERE}/twilio/voice", voice_application_sid="AP1"), "a TwiML application"),
        (number("+15550100", ""), "nowhere"),
    ],
)
async def test_a_number_that_points_elsewhere(goes_to: dict[str, str], shown: str) -> None:
    numbers = (await found(TWILIO, twilio(goes_to)))["twilio numbers"]
    assert numbers.level is Level.FAULT
    assert numbers.found == f"No number leads here: +15550100 goes to {shown}."
    assert f"Set its voice webhook to {HERE}/twilio/voice (POST)" in numbers.remedy


async def test_a_number_of_a_route_must_lead_here_and_another_one_need_not() -> None:
    routed = {**TWILIO, "routes": [{"to": "+1 555 0101", "assistant": "echo"}]}
    numbers = [
        number("+15550100", f"{HERE}/twilio/voice"),
        number("+15550101", "https://x/"),
        number("+15550102", ""),
    ]
    findings = await found(routed, twilio(*numbers))
    assert findings["twilio numbers"].level is Level.OK, "the last one of that name"
    async with answering(twilio(*numbers)) as url:
        table = {"public_url": HERE, **routed, "twilio": {**TWILIO["twilio"], "api_url": url}}
        network = Network()
        async with Asker(network, Clock()) as asker:
            every = await look_at_accounts(Settings.model_validate(table), asker)
        await network.aclose()
    faults = [finding.found for finding in every if finding.level is Level.FAULT]
    assert faults == ["+15550101 is in [[routes]], and its calls go to https://x/."]


async def test_a_webhook_that_is_called_with_get() -> None:
    one = number("+15550100", f"{HERE}/twilio/voice") | {"voice_method": "GET"}
    async with answering(twilio(one)) as url:
        table = {"public_url": HERE, "twilio": {**TWILIO["twilio"], "api_url": url}}
        network = Network()
        async with Asker(network, Clock()) as asker:
            every = await look_at_accounts(Settings.model_validate(table), asker)
        await network.aclose()
    assert "+15550100 calls its webhook with GET." in [finding.found for finding in every]


async def test_telnyx_by_the_application_of_each_number() -> None:
    said = await found(
        TELNYX,
        telnyx(
            phone_numbers=[
                {"phone_number": "+15550100", "connection_id": "1"},
                {"phone_number": "+15550101", "connection_id": "2"},
                {"phone_number": "+15550102", "connection_id": "3"},
                {"phone_number": "+15550103", "connection_id": ""},
            ],
            call_control_applications=[{"id": "1", "webhook_event_url": f"{HERE}/telnyx/webhook"}],
            texml_applications=[{"id": "2", "voice_url": f"{HERE}/telnyx/texml", "voice_method": "post"}],
        ),
    )
    assert said["telnyx account"].level is Level.OK
    assert said["telnyx numbers"].found == "+15550100, +15550101 lead here."


async def test_telnyx_that_points_elsewhere_or_nowhere() -> None:
    rows: list[dict[str, object]] = [
        {"phone_number": "+15550100", "connection_id": "1"},
        {"phone_number": "+15550101", "connection_id": None},
    ]
    numbers = (await found(TELNYX, telnyx(phone_numbers=rows)))["telnyx numbers"]
    assert numbers.found == (
        "No number leads here: +15550100 goes to another kind of connection, +15550101 goes to nowhere."
    )


async def test_telnyx_refuses_the_key() -> None:
    def refuse(_: web.Request) -> web.Response:
        fault = {"code": "10009", "title": "Authentication failed", "detail": f"No such key {KEY}"}
        return web.json_response({"errors": [fault]}, status=401)

    account = (await found(TELNYX, refuse))["telnyx account"]
    assert account.level is Level.FAULT
    assert "Telnyx 10009 (401): Authentication failed" in account.found
    assert KEY not in account.found


async def test_an_api_that_cannot_be_reached() -> None:
    table = {"twilio": {**TWILIO["twilio"], "api_url": f"http://127.0.0.1:{free_port()}"}}
    account = (await looked_up(table))["twilio account"]
    assert account.level is Level.FAULT
    assert "cannot be reached" in account.found


@pytest.mark.parametrize("body", ["", "[]", "<html>", '{"data": 1}', '{"incoming_phone_numbers": [1, {}]}'])
@pytest.mark.parametrize("tables", [TWILIO, TELNYX])
async def test_answers_that_are_none(tables: dict[str, Any], body: str) -> None:
    said = await found(tables, lambda _: web.Response(text=body, content_type="application/json"))
    assert said, "and no exception"


async def test_without_keys_nothing_is_asked() -> None:
    said = await looked_up({})
    assert [finding.level for finding in said.values()] == [Level.SKIPPED]
    said = await looked_up({"twilio": {"auth_token": TOKEN}})
    assert said["twilio account"].found == (
        "Its REST API was not asked: twilio.account_sid is missing; calls are placed and ended with it."
    )
