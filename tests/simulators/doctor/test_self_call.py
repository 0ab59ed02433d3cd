"""The call to oneself: through a good proxy it comes back, and through a bad one it says what the proxy does."""

import pytest
from aiohttp import web

from bridge.config.settings import Settings
from bridge.shell.server import Server
from bridge.shell.upgrade import Refusal, read_request
from bridge.simulators.carriers.twilio.exchange import TwilioExchange
from bridge.simulators.doctor.examination import Patient, examine
from bridge.simulators.doctor.findings import Finding, Group, Level
from bridge.simulators.doctor.self_call import FRAMES, Called, NotCalled, call, judge_refusal
from tests.processes import free_port
from tests.simulators.doctor.proxy import proxy

TOKEN = "0123456789abcdef0123456789abcdef"

CALLING = (Group.PUBLIC, Group.CALL)


def settings(port: int, public_url: str | None, **more: object) -> Settings:
    """Those of a server that Twilio calls, with an event loop that may be late."""
    given = {"port": port, "public_url": public_url, "twilio": {"auth_token": TOKEN}}
    return Settings.model_validate({**given, "limits": {"max_lag_ms": 0}, **more})


async def found(patient: Patient) -> dict[str, Finding]:
    return {finding.name: finding for finding in await examine(patient, CALLING)}


async def test_what_is_said_comes_back_with_the_time_it_took() -> None:
    async with Server(settings(0, None)).running() as server:
        url = f"http://127.0.0.1:{server.port}/twilio/voice?assistant=echo"
        outcome = await call(url, TwilioExchange(TOKEN))
    assert isinstance(outcome, Called), outcome
    assert outcome.came_back > FRAMES * 0.9
    assert 0 < outcome.echo_ms < 1000


async def test_a_wrong_secret_is_named() -> None:
    async with Server(settings(0, None)).running() as server:
        url = f"http://127.0.0.1:{server.port}/twilio/voice?assistant=echo"
        outcome = await call(url, TwilioExchange("f" * 32))
    assert isinstance(outcome, NotCalled)
    assert outcome.why.startswith("The webhook answered HTTP 403")
    assert "has the running server the same secret" in outcome.remedy


async def test_through_a_good_proxy_to_a_server_that_runs() -> None:
    port = free_port()
    async with proxy(port) as public, Server(settings(port, public)).running():
        said = await found(Patient(settings(port, public), runs=True, free=False))
    assert said["server"].level is Level.OK
    assert said["call by public_url"].level is Level.OK, said
    assert "work through the public address" in said["call by public_url"].found
    assert "call at the port" not in said


async def test_a_server_is_started_where_none_runs() -> None:
    port = free_port()
    async with proxy(port) as public:
        said = await found(Patient(settings(port, public), runs=False, free=True))
    assert said["call by public_url"].level is Level.OK, said


@pytest.mark.parametrize("dropped", ["upgrade", "connection"])
async def test_a_proxy_that_drops_upgrades_is_named(dropped: str) -> None:
    port = free_port()
    async with proxy(port, drops=("upgrade", "connection") if dropped == "upgrade" else (dropped,)) as public:
        said = await found(Patient(settings(port, public), runs=False, free=True))
    through = said["call by public_url"]
    assert through.level is Level.FAULT
    assert through.found.startswith("The proxy in front drops the ")
    assert "nginx, HAProxy and Caddy" in through.remedy
    assert said["call at the port"].level is Level.OK, "so the fault is in front of the server"


async def test_a_proxy_that_reaches_no_server_is_named() -> None:
    port = free_port()
    async with proxy(port, answers=lambda _: web.Response(status=502)) as public:
        said = await found(Patient(settings(port, public), runs=False, free=True))
    assert said["server"].level is Level.FAULT
    assert "answers 502: the proxy in front does not reach this server" in said["server"].found
    assert "call by public_url" not in said
    assert said["call at the port"].level is Level.OK


async def test_a_proxy_that_keeps_media_paths_to_itself_is_named() -> None:
    port = free_port()

    def page(request: web.Request) -> web.Response | None:
        return web.Response(text="<html>") if request.path.startswith("/twilio/media") else None

    async with proxy(port, answers=page) as public:
        said = await found(Patient(settings(port, public), runs=False, free=True))
    assert "was answered 200: something in front of the server took it" in said["call by public_url"].found


async def test_a_carrier_with_a_key_of_its_own_is_called_with_another_one_where_no_server_runs() -> None:
    port = free_port()
    key = "0123456789012345678901234567890123456789012="
    telnyx = Settings.model_validate({"port": port, "telnyx": {"public_key": key}})
    said = await found(Patient(telnyx, runs=False, free=True))
    assert said["call at the port"].level is Level.OK, said
    async with Server(telnyx).running():
        said = await found(Patient(telnyx, runs=True, free=False))
    assert said["call"].level is Level.SKIPPED
    assert "stop the server" in said["call"].remedy


async def test_a_port_that_somebody_else_has() -> None:
    said = await found(Patient(settings(free_port(), None), runs=False, free=False))
    assert said["call"].level is Level.SKIPPED


async def test_a_call_to_a_server_of_ours_is_in_no_journal(tmp_path) -> None:  # type: ignore[no-untyped-def]
    table = settings(free_port(), None, journal={"directory": tmp_path}, recording={"directory": tmp_path})
    said = await found(Patient(table, runs=False, free=True))
    assert said["call at the port"].level is Level.OK
    assert list(tmp_path.iterdir()) == []


def ours(*headers: str, version: str = "1.1") -> str:
    """What our server answers to an upgrade with these headers."""
    refusal = read_request("\r\n".join([f"GET / HTTP/{version}", *headers]).encode())
    assert isinstance(refusal, Refusal)
    return refusal.response().decode().partition("\r\n\r\n")[2]


@pytest.mark.parametrize(
    ("status", "body", "why"),
    [
        (426, ours("Connection: close"), "The proxy in front drops the Upgrade header: "),
        (400, ours("Upgrade: websocket"), "The proxy in front drops the Connection header: "),
        (505, ours(version="1.0"), "The proxy in front speaks HTTP/1.0 to the server at voice.example.com"),
        (426, "", "The proxy in front drops the Upgrade header (426"),
        (400, "Can \"Upgrade\" only to \"WebSocket\"", "The proxy in front drops the Upgrade header (400"),
        (403, "Forbidden", "The media socket at voice.example.com was refused (403): its token"),
        (502, "Bad Gateway", "The media socket at voice.example.com was answered 502: the proxy does not reach"),
        (404, "<html>", "The upgrade of the media socket at voice.example.com was answered 404"),
    ],
)  # fmt: skip
def test_what_a_refused_upgrade_means(status: int, body: str, why: str) -> None:
    assert judge_refusal("voice.example.com", status, body).why.startswith(why)
