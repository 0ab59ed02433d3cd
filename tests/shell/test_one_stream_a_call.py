"""One stream has a call, over real sockets: what replaces it, what the carrier says is over, and who may not come in."""

import json
from base64 import b64encode
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
from structlog.testing import capture_logs
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from bridge.carriers.twilio.signature import signature
from bridge.config.settings import Settings
from bridge.shell.server import Server

AUTH_TOKEN = "12345"
PAYLOAD = b64encode(b"\x7f" * 160).decode()
REPLACED = (1000, "another stream has the call")
ENDED = (1000, "the call ended")


def server(**more: Any) -> Server:
    plain = {"port": 0, "assistant": "echo", "twilio": {"auth_token": AUTH_TOKEN}, "limits": {"drain_s": 0.0}}
    return Server(Settings.model_validate(plain | more))


async def post(running: Server, path: str, **form: str) -> tuple[int, str]:
    """A signed webhook of the call CA1."""
    url = f"http://127.0.0.1:{running.port}{path}"
    fields = {"CallSid": "CA1"} | form
    headers = {"X-Twilio-Signature": signature(AUTH_TOKEN, url, fields.items())}
    async with aiohttp.ClientSession() as http, http.post(url, data=fields, headers=headers) as answer:
        return answer.status, await answer.text()


async def announced(running: Server, query: str = "", **form: str) -> str:
    """Where the call's stream is expected, as its webhook is answered."""
    status, twiml = await post(running, f"/twilio/voice{query}", **form)
    assert status == 200, twiml
    return twiml.partition('url="')[2].partition('"')[0]


def start(stream: str, call: str = "CA1") -> str:
    media_format = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
    body = {"streamSid": stream, "callSid": call, "tracks": ["inbound"], "mediaFormat": media_format}
    return json.dumps({"event": "start", "streamSid": stream, "start": body})


async def started(url: str, stream: str) -> ClientConnection:
    socket = await connect(url)
    await socket.send(start(stream))
    return socket


async def echoes(socket: ClientConnection, stream: str, at_ms: int = 0) -> None:
    """The call lives: what is said comes back."""
    media = {"track": "inbound", "timestamp": str(at_ms), "payload": PAYLOAD}
    await socket.send(json.dumps({"event": "media", "streamSid": stream, "media": media}))
    while json.loads(await socket.recv())["event"] != "media":
        pass


async def closed(socket: ClientConnection) -> tuple[int | None, str | None]:
    with suppress(ConnectionClosed):
        async for _ in socket:
            pass
    return socket.close_code, socket.close_reason


async def is_refused(url: str, **headers: Any) -> bool:
    try:
        async with connect(url, **headers):
            return False
    except InvalidStatus as error:
        return error.response.status_code == 403


# Two streams of one call


async def test_a_webhook_that_is_replayed_thirty_times_leaves_one_session() -> None:
    async with server().running() as running:
        sockets = []
        for n in range(30):
            sockets.append(await started(await announced(running), f"MZ{n}"))
            await echoes(sockets[-1], f"MZ{n}")
            assert running.admission.calls == 1
        assert [await closed(socket) for socket in sockets[:-1]] == [REPLACED] * 29
        await echoes(sockets[-1], "MZ29", 20)


async def test_of_many_announcements_the_token_of_the_last_is_good() -> None:
    async with server().running() as running:
        *older, newest = [await announced(running) for _ in range(30)]
        assert [await is_refused(url) for url in older] == [True] * 29
        await echoes(await started(newest, "MZ1"), "MZ1")
        assert running.admission.calls == 1


async def test_a_socket_takes_the_call_over_with_its_start_and_not_before() -> None:
    async with server().running() as running:
        old = await started(await announced(running), "MZ1")
        await echoes(old, "MZ1")
        silent = await connect(await announced(running))
        stranger = await connect(await announced(running))
        assert await closed(silent) == REPLACED
        await stranger.send(start("MZ2", "CA2"))
        assert await closed(stranger) == (1008, "the token was made for another call")
        await echoes(old, "MZ1", 20)
        new = await started(await announced(running), "MZ3")
        await echoes(new, "MZ3")
        assert await closed(old) == REPLACED
        assert running.admission.calls == 1


async def test_a_stream_that_is_listened_to_ends_none_and_is_ended_by_none() -> None:
    twilio = {"auth_token": AUTH_TOKEN, "then": "https://example.com/next.xml"}
    async with server(twilio=twilio).running() as running:
        spoken = await started(await announced(running), "MZ1")
        await echoes(spoken, "MZ1")
        listening = [
            await started(await announced(running, "?listen=inbound_track"), f"MX{n}") for n in range(4)
        ]
        await echoes(spoken, "MZ1", 20)
        assert running.admission.calls == 5
        assert await is_refused(await announced(running, "?listen=inbound_track")), "a fifth"
        newer = await started(await announced(running), "MZ2")
        await echoes(newer, "MZ2")
        assert await closed(spoken) == REPLACED
        assert running.admission.calls == 5
        await post(running, "/twilio/status", CallStatus="completed")
        assert [await closed(socket) for socket in (newer, *listening)] == [ENDED] * 5


async def test_two_sockets_of_a_call_that_nobody_announced() -> None:
    async with server(security={"allow_unauthenticated": True}).running() as running:
        url = f"ws://127.0.0.1:{running.port}/twilio/media"
        old = await started(url, "MZ1")
        await echoes(old, "MZ1")
        await echoes(await started(url, "MZ2"), "MZ2")
        assert await closed(old) == REPLACED
        assert running.admission.calls == 1


# What the carrier says is over


@pytest.mark.parametrize("status", ["completed", "busy", "failed", "no-answer", "canceled"])
async def test_a_final_status_ends_the_session_at_once_and_leaves_no_way_in(status: str) -> None:
    async with server().running() as running:
        socket = await started(await announced(running), "MZ1")
        await echoes(socket, "MZ1")
        unspent = await announced(running)
        await post(running, "/twilio/status", CallStatus=status, CallSid="CA2")
        await echoes(socket, "MZ1", 20)
        assert (await post(running, "/twilio/status", CallStatus=status))[0] == 204
        assert await closed(socket) == ENDED
        assert running.admission.calls == 0
        assert await is_refused(unspent)
        assert await post(running, "/twilio/voice") == (410, "this call has ended")


@pytest.mark.parametrize("event", ["stream-stopped", "stream-error"])
async def test_the_end_of_its_stream_ends_the_session_and_not_the_next_one_of_the_call(event: str) -> None:
    async with server().running() as running:
        first = await started(await announced(running), "MZ1")
        await echoes(first, "MZ1")
        await post(running, "/twilio/status", StreamEvent=event, StreamSid="MZ0")  # of nobody we know
        await echoes(first, "MZ1", 20)
        await post(running, "/twilio/status", StreamEvent=event, StreamSid="MZ1")
        assert await closed(first) == ENDED
        url = await announced(running)
        await post(running, "/twilio/status", StreamEvent=event, StreamSid="MZ1")  # late, once more
        second = await started(url, "MZ2")
        await echoes(second, "MZ2")
        await post(running, "/twilio/status", StreamEvent=event, StreamSid="MZ1")
        await echoes(second, "MZ2", 20)


async def test_a_stream_that_could_not_be_opened_takes_its_token_with_it() -> None:
    async with server().running() as running:
        url = await announced(running)
        await post(running, "/twilio/status", StreamEvent="stream-error", StreamSid="MZ1")
        assert await is_refused(url)
        socket = await connect(await announced(running))  # the call comes again, and its stream is opened
        await post(running, "/twilio/status", StreamEvent="stream-error", StreamSid="MZ1")  # late, once more
        await socket.send(start("MZ2"))
        await echoes(socket, "MZ2")


async def test_a_stream_that_could_not_be_opened_does_not_take_the_token_of_the_next_one() -> None:
    async with server().running() as running:
        await announced(running)
        url = await announced(running)  # by `then`; what happened to the first stream is told later
        await post(running, "/twilio/status", StreamEvent="stream-error", StreamSid="MZ1")
        await echoes(await started(url, "MZ2"), "MZ2")


# Starts, signatures, pages


async def test_a_start_that_cannot_be_read_closes_the_socket_at_once_and_is_logged() -> None:
    with capture_logs() as log:
        async with server(limits={"start_s": 60.0}).running() as running:
            socket = await connect(await announced(running))
            await socket.send('{"event":"start","streamSid":"MZ1","start":{"callSid":7}}')
            code, reason = await closed(socket)
            assert running.admission.calls == 0
    assert (code, str(reason)[:23]) == (1007, "start: cannot be read: ")
    (line,) = [line for line in log if line["event"] == "> the call was hung up"]
    assert (line["code"], line["why"]) == (1007, reason)


def signed(url: str) -> dict[str, str]:
    return {"x-twilio-signature": signature(AUTH_TOKEN, url)}


@pytest.mark.parametrize(
    ("check", "given", "is_let_in"),
    [
        ("auto", "right", True),
        ("auto", "wrong", False),
        ("auto", "none", True),
        (True, "right", True),
        (True, "none", False),
        (False, "wrong", True),
    ],
)
async def test_the_signature_of_the_upgrade(check: object, given: str, is_let_in: bool) -> None:
    twilio = {"auth_token": AUTH_TOKEN, "check_upgrade": check}
    with capture_logs() as log:
        async with server(twilio=twilio).running() as running:
            url = await announced(running)
            headers = {"right": signed(url), "wrong": signed(url + "x"), "none": {}}[given]
            if is_let_in:
                async with connect(url, additional_headers=headers):
                    assert running.admission.calls == 1
                return
            assert await is_refused(url, additional_headers=headers)
            async with connect(url, additional_headers=signed(url)):
                assert running.admission.calls == 1, "the token is still good"
    (line,) = [line for line in log if line["event"] == "media socket turned away"]
    assert "X-Twilio-Signature" in line["reason"]
    assert urlsplit(url).path.rpartition("/")[2] not in str(line)


@pytest.mark.parametrize(
    ("origins", "is_let_in"),
    [([], False), (["https://phone.example.com"], True), (["https://example.com"], False), (["*"], True)],
)
async def test_a_page_in_a_browser_opens_a_media_socket_only_where_it_is_listed(
    origins: list[str], is_let_in: bool
) -> None:
    async with server(security={"origins": origins}).running() as running:
        url = await announced(running)
        assert await is_refused(url, origin="https://phone.example.com") is not is_let_in
