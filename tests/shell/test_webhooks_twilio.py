"""Twilio's webhooks over HTTP: who answers, who is put through, and who is not let in."""

import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from structlog.testing import capture_logs

from bridge.carriers.twilio.webhook import signature
from bridge.config.settings import Settings
from bridge.shell.server import Server
from bridge.simulators.phone.call import place_call
from bridge.simulators.phone.plan import CallPlan

AUTH_TOKEN = "12345"
CLOSED: dict[str, Any] = {"port": 0, "assistant": "echo", "twilio": {"auth_token": AUTH_TOKEN}}


async def ask(settings: dict[str, Any], path: str, **fields: str) -> tuple[int, str]:
    """Twilio's request, signed; the status and the answer."""
    form = {"CallSid": "CA1"} | fields
    async with Server(Settings.model_validate(settings)).running() as server:
        url = f"http://127.0.0.1:{server.port}{path}"
        headers = {"X-Twilio-Signature": signature(AUTH_TOKEN, url, form.items())}
        async with aiohttp.ClientSession() as http, http.post(url, data=form, headers=headers) as answer:
            return answer.status, await answer.text()


@pytest.mark.parametrize(
    ("answered_by", "settings", "is_put_through"),
    [
        ("human", {}, True),
        ("machine_start", {}, False),
        ("unknown", {}, False),
        ("unknown", {"talk_to": ["human", "unknown"]}, True),
    ],
)
async def test_who_is_put_through_where_it_was_asked_who_answered(
    answered_by: str, settings: dict[str, Any], is_put_through: bool
) -> None:
    twilio = CLOSED["twilio"] | settings
    status, twiml = await ask(CLOSED | {"twilio": twilio}, "/twilio/voice", AnsweredBy=answered_by)
    assert status == 200
    assert ("<Stream" in twiml) is is_put_through
    assert ("<Hangup" in twiml) is not is_put_through


async def test_the_address_names_who_answers(tmp_path: Path) -> None:
    settings = CLOSED | {"journal": {"directory": tmp_path}}
    async with Server(Settings.model_validate(settings)).running() as server:
        url = f"http://127.0.0.1:{server.port}/twilio/voice?assistant=parrot"
        await place_call(url, CallPlan(hang_up_at_ms=100), auth_token=AUTH_TOKEN)
    (journal,) = tmp_path.glob("*.jsonl")
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    assert [line["assistant"] for line in lines if line["what"] == "OpenAssistant"] == ["parrot"]


async def test_nobody_of_that_name_is_said_before_the_call_is_answered() -> None:
    status, text = await ask(CLOSED, "/twilio/voice?assistant=polly")
    assert (status, text) == (400, "assistant = 'polly': there is none of this name")


async def test_the_log_tells_why_a_stream_failed_and_not_its_address() -> None:
    error = "31920: wss://voice.example.com/twilio/media/token refused the handshake"
    with capture_logs() as log:
        await ask(CLOSED, "/twilio/status", StreamEvent="stream-error", StreamError=error)
    (line,) = [line for line in log if line["event"] == "< twilio status"]
    assert line["StreamError"] == "31920: (address) refused the handshake"


async def test_without_twilio_s_key_nobody_is_twilio() -> None:
    settings = {"port": 0, "telnyx": {"public_key": "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="}}
    status, text = await ask(settings, "/twilio/voice")
    assert (status, text) == (403, "twilio.auth_token is not set, so nobody can prove to be Twilio")
