"""Logging in to the page over real sockets: the form for strangers, the cookie, wrong tokens, and pages of other sites."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from bridge.config.settings import Settings
from bridge.shell.server import Server

TOKEN = "r4Zk0-Wm2Qv8_Tn6Ly1Xc5Bd9"
METRICS_TOKEN = "u8Jh3-Pf7Gs2_Ke9Ra4Vb6Nw1"
OPEN: dict[str, Any] = {
    "port": 0,
    "assistant": "echo",
    "security": {"allow_unauthenticated": True},
    "control": {
        "tokens": [
            {"name": "ops", "token": TOKEN, "can": ["see", "end"]},
            {"name": "prometheus", "token": METRICS_TOKEN, "can": ["metrics"]},
        ]
    },
}
FORWARDED = {"X-Forwarded-For": "192.0.2.7"}


@pytest.fixture
async def port() -> AsyncIterator[int]:
    async with Server(Settings.model_validate(OPEN)).running() as running:
        yield running.port


class Answer:
    def __init__(self, answer: aiohttp.ClientResponse, body: bytes, told: Any) -> None:
        self.status, self.headers, self.body, self.told = answer.status, answer.headers, body, told


async def ask(port: int, path: str, method: str = "GET", body: Any = None, **headers: str) -> Answer:
    async with aiohttp.ClientSession() as http:
        url = f"http://127.0.0.1:{port}{path}"
        async with http.request(method, url, headers=FORWARDED | headers, json=body) as answer:
            content = await answer.read()
            is_json = answer.content_type == "application/json"
            return Answer(answer, content, await answer.json() if is_json else None)


def own(port: int) -> dict[str, str]:
    return {"Origin": f"http://127.0.0.1:{port}"}


async def log_in(port: int, token: str = TOKEN) -> str:
    answer = await ask(port, "/session", "POST", {"token": token}, **own(port))
    assert answer.status == 204
    return answer.headers["Set-Cookie"]


async def test_a_stranger_gets_the_form_and_nothing_else(port: int) -> None:
    page = await ask(port, "/")
    assert (page.status, page.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert b'<input id="token" name="token" type="password"' in page.body
    assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
    found = {path: (await ask(port, path)).status for path in ("/web/login.js", "/web/style.css", "/login")}
    assert set(found.values()) == {200}
    closed = ("/web/main.js", "/web/call.js", "/calls/CA1/history", "/calls/CA1/recording")
    assert {(await ask(port, path)).status for path in closed} <= {401, 404}
    assert (await ask(port, "/session")).status == 401


async def test_the_cookie_of_a_login(port: int) -> None:
    cookie = await log_in(port)
    value, *attributes = cookie.split("; ")
    assert value.startswith("voicebridge_control=ops~")
    assert TOKEN not in cookie
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(attributes)
    assert "Secure" not in attributes  # on plain HTTP a browser would not keep it
    page = await ask(port, "/", Cookie=value)
    assert (page.status, b"web/main.js" in page.body) == (200, True)
    session = (await ask(port, "/session", Cookie=value)).told
    assert (session["name"], session["can"], session["by"]) == ("ops", ["end", "see"], "cookie")
    out = await ask(port, "/session", "DELETE", Cookie=value, **own(port))
    assert (out.status, 'voicebridge_control=""' in out.headers["Set-Cookie"]) == (204, True)
    assert "Max-Age=0" in out.headers["Set-Cookie"]


async def test_behind_a_proxy_with_tls_the_cookie_is_secure() -> None:
    settings = Settings.model_validate(
        OPEN | {"public_url": "https://bridge.example.com", "security": {}, "twilio": {"auth_token": "12345"}}
    )
    async with Server(settings).running() as running:
        answer = await ask(
            running.port, "/session", "POST", {"token": TOKEN}, Origin="https://bridge.example.com"
        )
    assert (answer.status, "Secure" in answer.headers["Set-Cookie"]) == (204, True)


@pytest.mark.parametrize("token", ["", "wrong", TOKEN + "x", TOKEN[:-1], "é" * 30])
async def test_a_wrong_token(port: int, token: str) -> None:
    answer = await ask(port, "/session", "POST", {"token": token}, **own(port))
    assert (answer.status, "Set-Cookie" in answer.headers) == (401, False)


@pytest.mark.parametrize("body", [None, {}, [], {"token": 1}, {"token": TOKEN, "more": 1}])
async def test_no_token(port: int, body: Any) -> None:
    answer = await ask(port, "/session", "POST", body, **own(port))
    assert (answer.status, "Set-Cookie" in answer.headers) == (400, False)


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "", "http://127.0.0.1:1", "x"])
@pytest.mark.parametrize("method", ["POST", "DELETE"])
async def test_another_sites_page_neither_logs_in_nor_out(port: int, method: str, origin: str) -> None:
    headers = {"Origin": origin} if origin else {}
    answer = await ask(port, "/session", method, {"token": TOKEN}, **headers)
    assert (answer.status, "Set-Cookie" in answer.headers) == (403, False)


async def test_a_token_that_may_not_see_calls_sees_no_page(port: int) -> None:
    bearer = {"Authorization": f"Bearer {METRICS_TOKEN}"}
    assert (await ask(port, "/", **bearer)).status == 401
    assert (await ask(port, "/web/main.js", **bearer)).status == 404
    assert (await ask(port, "/", Authorization=f"Bearer {TOKEN}")).status == 200


@pytest.mark.parametrize("value", ["ops", "ops~99999999999~00", "", "~~", "ops~0~x"])
async def test_a_forged_cookie(port: int, value: str) -> None:
    assert (await ask(port, "/session", Cookie=f"voicebridge_control={value}")).status == 401


async def test_where_the_control_api_has_a_port_of_its_own_the_page_is_there() -> None:
    control = OPEN["control"] | {"port": 0}
    async with Server(Settings.model_validate(OPEN | {"control": control})).running() as running:
        assert running.control_port is not None
        bearer = {"Authorization": f"Bearer {TOKEN}"}
        assert (await ask(running.control_port, "/", **bearer)).status == 200
        assert (await ask(running.port, "/", **bearer)).status == 404
        assert (await ask(running.port, "/web/main.js", **bearer)).status == 404
