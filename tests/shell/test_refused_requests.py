"""What a stranger at the webhooks is told, and what the log says: one line a second for a carrier and a status."""

import aiohttp
import pytest
from structlog.testing import capture_logs

from bridge.cli.log import redacted
from bridge.config.settings import Settings
from bridge.shell.server import Server

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
TWILIO = {"twilio": {"auth_token": "0123456789abcdef" * 2}}
UNSIGNED = "its signature is not Twilio's, or not for this address; is public_url what Twilio was told?"

ROWS = {
    # method, path and query, headers, status, the log's reason
    "no such webhook": ("POST", "/twilio/voices", FORM, 404, "there is no webhook at its path"),
    "another method": ("GET", "/twilio/voice", {}, 405, "its method is GET: expected POST"),
    "no form": ("POST", "/twilio/voice", {}, 415, "this webhook has a body of application/x-www-form-urlencoded"),
    "compressed": ("POST", "/twilio/voice", FORM | {"Content-Encoding": "gzip"}, 415, "this webhook has a body without Content-Encoding"),
    "unsigned": ("POST", "/twilio/voice", FORM, 403, UNSIGNED),
    "no key": ("POST", "/telnyx/texml", FORM, 403, "telnyx.public_key is not set, so nobody can prove to be Telnyx"),
}  # fmt: skip


async def status_and_text(port: int, method: str, path: str, headers: dict[str, str]) -> tuple[int, str]:
    async with (
        aiohttp.ClientSession(skip_auto_headers=["Content-Type"]) as http,
        http.request(method, f"http://127.0.0.1:{port}{path}", headers=headers, data=b"") as answer,
    ):
        return answer.status, await answer.text()


@pytest.mark.parametrize("name", ROWS)
async def test_it_is_refused_and_the_log_says_why_once_a_second(name: str) -> None:
    method, path, headers, status, reason = ROWS[name]
    with capture_logs() as log:
        async with Server(Settings.model_validate({"port": 0} | TWILIO)).running() as server:
            for _ in range(5):
                assert (await status_and_text(server.port, method, path, headers))[0] == status
    lines = [line for line in log if line["event"] == "webhook turned away"]
    assert 1 <= len(lines) <= 4, "less than a second each"
    assert (lines[0]["log_level"], lines[0]["status"]) == ("warning", status)
    assert (lines[0]["path"], lines[0]["reason"]) == (path, reason)


async def test_a_stranger_cannot_tell_a_wrong_signature_from_a_key_that_is_not_set() -> None:
    async with Server(Settings.model_validate({"port": 0} | TWILIO)).running() as server:
        for path in ("/twilio/voice", "/twilio/status", "/telnyx/texml", "/telnyx/stream"):
            answer = await status_and_text(server.port, "POST", path, FORM)
            assert answer == (403, "the signature does not match")
        json = {"Content-Type": "application/json"}
        answer = await status_and_text(server.port, "POST", "/telnyx/webhook", json)
        assert answer == (403, "the signature does not match")


async def test_the_address_that_was_checked_survives_the_redaction_and_its_query_does_not() -> None:
    tables = {"port": 0, "public_url": "https://voice.example.com/bridge"} | TWILIO
    with capture_logs() as log:
        async with Server(Settings.model_validate(tables)).running() as server:
            await status_and_text(server.port, "POST", "/twilio/voice/sales?key=secret", FORM)
    (line,) = [line for line in log if line["event"] == "webhook turned away"]
    shown = redacted(None, "", line)
    assert shown["checked_against"] == "voice.example.com/bridge/twilio/voice/sales (https)"
    assert "secret" not in str(line)


@pytest.mark.parametrize("path", ["/admin", "/.env", "/twiliox"])
async def test_a_scan_of_other_paths_is_not_logged(path: str) -> None:
    with capture_logs() as log:
        async with Server(Settings.model_validate({"port": 0} | TWILIO)).running() as server:
            assert (await status_and_text(server.port, "GET", path, {}))[0] == 404
    assert [line for line in log if line["log_level"] != "debug"] == []
