"""The server from outside, over real sockets on loopback: doors, calls, and how they end."""

import asyncio
import json
import ssl
from base64 import b64encode
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest
import trustme
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from bridge.carriers.twilio.signature import signature
from bridge.config.settings import Settings
from bridge.shell.server import Server
from bridge.simulators.phone.call import place_call
from bridge.simulators.phone.handset import Ending
from bridge.simulators.phone.plan import CallPlan, Digit
from bridge.simulators.phone.report import CallReport
from bridge.vocabulary.errors import CallRefused, ConfigurationError

AUTH_TOKEN = "12345"
OPEN: dict[str, Any] = {"port": 0, "assistant": "echo", "security": {"allow_unauthenticated": True}}
CLOSED: dict[str, Any] = {"port": 0, "assistant": "echo", "twilio": {"auth_token": AUTH_TOKEN}}

START: dict[str, Any] = {
    "event": "start",
    "sequenceNumber": "1",
    "streamSid": "MZ1",
    "start": {
        "streamSid": "MZ1",
        "callSid": "CA1",
        "tracks": ["inbound"],
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        "customParameters": {},
    },
}
PAYLOAD = b64encode(b"\x7f" * 160).decode()


def server(settings: dict[str, Any], **more: Any) -> Server:
    return Server(Settings.model_validate(settings | more))


def noise(seconds: float) -> bytes:
    return np.random.default_rng(7).integers(0, 256, int(8000 * seconds), np.uint8).tobytes()


def replied(report: CallReport) -> bytes:
    """What came back, whatever the line's jitter put between its pieces."""
    return b"".join(audio for _, audio in report.received)


def media(at_ms: int) -> str:
    body = {"track": "inbound", "chunk": "1", "timestamp": str(at_ms), "payload": PAYLOAD}
    return json.dumps({"event": "media", "sequenceNumber": "2", "streamSid": "MZ1", "media": body})


async def order(port: int, call: str, path: str = "/twilio/voice") -> tuple[int, str]:
    """What Twilio's webhook does; returns the status and the answer."""
    url = f"http://127.0.0.1:{port}{path}"
    form = {"CallSid": call, "From": "+15550199", "To": "+15550100"}
    headers = {"X-Twilio-Signature": signature(AUTH_TOKEN, url, form.items())}
    async with aiohttp.ClientSession() as http, http.post(url, data=form, headers=headers) as answer:
        return answer.status, await answer.text()


async def media_url(port: int, call: str) -> str:
    _, twiml = await order(port, call)
    return twiml.partition('url="')[2].partition('"')[0]


async def closed(socket: ClientConnection) -> tuple[int, str]:
    """Read on to the close; its code and reason."""
    with suppress(ConnectionClosed):
        async for _ in socket:
            pass
    assert socket.close_code is not None
    return socket.close_code, socket.close_reason or ""


async def test_an_echoed_call_comes_back_byte_for_byte() -> None:
    said = noise(0.5)
    async with server(CLOSED | {"keypad": {"mute_ms": 0}}).running() as running:
        report = await place_call(
            f"http://127.0.0.1:{running.port}/twilio/voice",
            CallPlan(said, (Digit("5", 100),), linger_s=0.2),
            auth_token=AUTH_TOKEN,
        )
        assert running.admission.calls == 0
    assert report.ending is Ending.QUIET
    assert said in replied(report)
    assert not report.warnings
    assert len(report.echo_ms()) >= 25
    assert [mark.cleared for mark in report.marks] == [False] * len(report.marks)


async def test_tls_on_the_same_port_for_webhook_and_media(tmp_path: Path) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    certificate.private_key_pem.write_to_path(tmp_path / "key.pem")
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    files = {"ssl_certfile": tmp_path / "cert.pem", "ssl_keyfile": tmp_path / "key.pem"}
    async with server(OPEN, **files).running() as running:
        async with aiohttp.ClientSession() as http:
            async with http.get(f"https://127.0.0.1:{running.port}/healthz", ssl=trusting) as answer:
                assert await answer.json() == {"status": "ok", "calls": 0}
            voice = f"https://127.0.0.1:{running.port}/twilio/voice"
            async with http.post(voice, data={"CallSid": "CA1"}, ssl=trusting) as answer:
                url = (await answer.text()).partition('url="')[2].partition('"')[0]
        assert url.startswith("wss://")
        async with connect(url, ssl=trusting) as socket:
            await socket.send(json.dumps(START))
            await socket.send(media(0))
            assert json.loads(await socket.recv())["media"]["payload"] == PAYLOAD


# Doors


async def test_a_webhook_that_twilio_did_not_sign_is_turned_away() -> None:
    async with server(CLOSED).running() as running, aiohttp.ClientSession() as http:
        url = f"http://127.0.0.1:{running.port}/twilio/voice"
        for headers in ({}, {"X-Twilio-Signature": signature("54321", url, {"CallSid": "CA1"}.items())}):
            async with http.post(url, data={"CallSid": "CA1"}, headers=headers) as answer:
                assert answer.status == 403
            async with http.post(
                url.replace("voice", "status"), data={"CallSid": "CA1"}, headers=headers
            ) as answer:
                assert answer.status == 403
        status, _ = await order(running.port, "CA1", "/twilio/status")
        assert status == 204


@pytest.mark.parametrize("path", ["/twilio/media", "/twilio/media/", "/twilio/media/guess", "/twilio/listen"])
async def test_a_media_socket_without_its_token_gets_no_upgrade(path: str) -> None:
    async with server(CLOSED).running() as running:
        with pytest.raises(CallRefused, match="403"):
            await place_call(f"ws://127.0.0.1:{running.port}{path}", CallPlan())


async def test_a_token_opens_one_socket_of_one_call() -> None:
    async with server(CLOSED).running() as running:
        url = await media_url(running.port, "CA1")
        async with connect(url) as socket:
            with pytest.raises(InvalidStatus, match="403"):
                await connect(url)
            await socket.send(json.dumps(START))
            await socket.send(media(0))
            assert json.loads(await socket.recv())["event"] == "media"
        async with connect(await media_url(running.port, "CA2")) as socket:
            await socket.send(json.dumps(START))
            assert await closed(socket) == (1008, "the token was made for another call")


async def test_a_webhook_that_is_no_call_and_a_track_that_is_none_are_refused() -> None:
    async with server(CLOSED).running() as running:
        status, why = await order(running.port, "")
        assert (status, why) == (400, "CallSid is missing: this is not Twilio's voice webhook")
        status, why = await order(running.port, "CA1", "/twilio/voice?listen=everything")
        assert status == 400
        assert "both_tracks" in why
        status, why = await order(running.port, "CA1", "/twilio/voice?listen=both_tracks")
        assert status == 400
        assert "twilio.then is not set" in why


ODD_REQUESTS: list[tuple[str, dict[str, str], bytes, int]] = [
    ("a signature that is no text", {"X-Twilio-Signature": "\udcff"}, b"CallSid=CA1", 403),
    ("a body that is no text", {}, b"CallSid=\xff", 403),
    (
        "an unknown charset",
        {"Content-Type": "application/x-www-form-urlencoded; charset=foo"},
        b"CallSid=CA1",
        403,
    ),
    ("multipart", {"Content-Type": "multipart/form-data; boundary=x"}, b"--x--", 415),
    ("JSON", {"Content-Type": "application/json"}, b"{}", 415),
    ("too many fields", {}, b"&".join(b"a=1" for _ in range(300)), 400),
    ("a body too long", {}, b"a=" + b"x" * 70_000, 413),
]


@pytest.mark.parametrize(
    ("headers", "body", "status"), [row[1:] for row in ODD_REQUESTS], ids=[row[0] for row in ODD_REQUESTS]
)
async def test_an_odd_request_is_refused_and_no_fault_of_ours(
    headers: dict[str, str], body: bytes, status: int
) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    async with server(CLOSED).running() as running, aiohttp.ClientSession() as http:
        url = f"http://127.0.0.1:{running.port}/twilio/voice"
        async with http.post(url, data=body, headers=form | headers) as answer:
            assert answer.status == status


async def test_a_request_that_is_no_upgrade_does_not_spend_the_token() -> None:
    async with server(CLOSED).running() as running:
        url = await media_url(running.port, "CA1")
        async with aiohttp.ClientSession() as http, http.get(url.replace("ws:", "http:")) as answer:
            assert answer.status == 426
        assert running.admission.calls == 0
        async with connect(url):
            assert running.admission.calls == 1


REFUSED_SETTINGS = [
    ({"public_url": "https://voice.example.com"}, "TWILIO_AUTH_TOKEN"),
    ({"host": "0.0.0.0", "security": {"allow_unauthenticated": True}}, "host"),
    (
        {"host": "0.0.0.0", "security": {"allow_unauthenticated": True}, "twilio": {"auth_token": "x"}},
        "host",
    ),
    ({"host": "0.0.0.0", "twilio": {"auth_token": "x"}}, "public_url"),
]


@pytest.mark.parametrize(("settings", "named"), REFUSED_SETTINGS)
async def test_does_not_start_with_an_open_door(settings: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        server(settings)


# Streams that only listen


async def test_a_stream_that_only_listens_is_recorded_and_never_spoken_into(tmp_path: Path) -> None:
    folders = {"journal": {"directory": tmp_path}, "recording": {"directory": tmp_path}}
    twilio = {"auth_token": AUTH_TOKEN, "then": "https://example.com/dial.xml"}
    async with server(CLOSED, twilio=twilio, **folders).running() as running:
        report = await place_call(
            f"http://127.0.0.1:{running.port}/twilio/voice?listen=both_tracks",
            CallPlan(noise(0.4), other_party=noise(0.6), hang_up_at_ms=600),
            auth_token=AUTH_TOKEN,
        )
    assert not report.received
    assert not report.marks
    assert not report.warnings
    (journal,) = tmp_path.glob("*.jsonl")
    kinds = {json.loads(line)["what"] for line in journal.read_text().splitlines()}
    assert {"CallStarted", "CallerAudio", "OtherPartyAudio", "Ended"} <= kinds
    assert not kinds & {"OpenAssistant", "PlayAudio", "SendMark"}
    (recording,) = tmp_path.glob("*.wav")
    stereo = np.frombuffer(recording.read_bytes()[44:], "<i2").reshape(-1, 2)
    assert len(stereo) == pytest.approx(0.6 * 8000, abs=160)
    assert np.any(stereo[:, 0])
    assert np.any(stereo[:, 1])


# Bad input: the call goes on, or ends with a code

CONNECTED = '{"event":"connected","protocol":"Call","version":"1.0.0"}'
GOES_ON: list[tuple[str, list[str | bytes], str]] = [
    ("malformed JSON", ['{"event":'], "refused_from_carrier"),
    ("JSON that is no object", ["[1,2,3]"], "refused_from_carrier"),
    ("wrong types", ['{"event":"media","streamSid":"MZ1","media":7}'], "refused_from_carrier"),
    (
        "bad base64",
        ['{"event":"media","streamSid":"MZ1","media":{"payload":"*","timestamp":"0"}}'],
        "refused_from_carrier",
    ),
    ("a foreign streamSid", [media(0).replace("MZ1", "MZ2")], "refused_from_carrier"),
    ("a second start", [json.dumps(START)], "refused_from_carrier"),
    ("a binary frame", [b"\x00\x01\x02"], "refused_from_carrier"),
    ("an unknown event", ['{"event":"novelty"}'], "ignored"),
    ("a mark nobody sent", ['{"event":"mark","streamSid":"MZ1","mark":{"name":"9.9"}}'], "stray_marks"),
    ("a frame twice", [media(0), media(0)], "repeated"),
    ("a frame too late", [media(at_ms) for at_ms in (0, 5000, 5020, 5040, 5060, 20)], "late"),
]


@pytest.mark.parametrize(
    ("rubbish", "counted"), [row[1:] for row in GOES_ON], ids=[row[0] for row in GOES_ON]
)
async def test_the_call_goes_on_after(rubbish: list[str | bytes], counted: str, tmp_path: Path) -> None:
    async with server(OPEN, journal={"directory": tmp_path}).running() as running:
        async with connect(f"ws://127.0.0.1:{running.port}/twilio/media") as socket:
            await socket.send(CONNECTED)
            await socket.send(json.dumps(START))
            for message in rubbish:
                await socket.send(message)
            await socket.send(media(10_000))
            await socket.send(media(10_020))
            while json.loads(await socket.recv()).get("media", {}).get("payload") != PAYLOAD:
                pass
            await socket.send('{"event":"stop","streamSid":"MZ1"}')
            assert await closed(socket) == (1000, "the call ended")
        assert running.admission.calls == 0
    (journal,) = tmp_path.glob("*.jsonl")
    ended = json.loads(journal.read_text().splitlines()[-1])
    assert ended["counts"][counted] >= 1


async def test_media_before_start_is_refused_and_the_call_starts_all_the_same() -> None:
    async with server(OPEN).running() as running:
        async with connect(f"ws://127.0.0.1:{running.port}/twilio/media") as socket:
            for message in (media(0), json.dumps(START), media(20)):
                await socket.send(message)
            assert json.loads(await socket.recv())["event"] == "media"


ENDS: list[tuple[str, list[str | bytes], int]] = [
    ("never says start", [CONNECTED], 1008),
    ("says rubbish instead of start", ["rubbish"], 1008),
    ("a message above 64 KiB", [json.dumps(START), "x" * 65_537], 1009),
    ("stop before start", ['{"event":"stop","streamSid":"MZ1"}'], 1008),
]


@pytest.mark.parametrize(("messages", "code"), [row[1:] for row in ENDS], ids=[row[0] for row in ENDS])
async def test_the_call_ends_after(messages: list[str | bytes], code: int) -> None:
    async with server(OPEN, limits={"start_s": 0.1}).running() as running:
        async with connect(f"ws://127.0.0.1:{running.port}/twilio/media") as socket:
            for message in messages:
                await socket.send(message)
            assert (await closed(socket))[0] == code
        assert running.admission.calls == 0


async def test_a_socket_that_dies_without_stop_leaves_nothing() -> None:
    async with server(OPEN).running() as running:
        url = f"ws://127.0.0.1:{running.port}/twilio/media"
        report = await place_call(url, CallPlan(noise(0.2), die_at_ms=100))
        assert report.ending is Ending.DIED
        await running.admission.idle()
        await running.files.written()
        assert running.admission.calls == 0


async def test_closing_lets_the_last_words_be_heard() -> None:
    async with server(OPEN, assistant="parrot").running() as running:
        async with connect(f"ws://127.0.0.1:{running.port}/twilio/media") as socket:
            await socket.send(json.dumps(START))
            chime = [json.loads(await socket.recv()) for _ in range(8)]
            assert [message["event"] for message in chime] == ["media", "mark"] * 4
            running.admission.close()
            await asyncio.sleep(0)
            assert running.admission.calls == 1
            for mark in chime[1::2]:
                await socket.send(json.dumps({"event": "mark", "streamSid": "MZ1", "mark": mark["mark"]}))
            assert await closed(socket) == (1001, "the server is closing")
            await running.admission.idle()
            await running.files.written()


async def test_a_call_that_does_not_end_is_broken_off_in_the_end() -> None:
    async with server(OPEN, assistant="parrot").running() as running:
        socket = await connect(f"ws://127.0.0.1:{running.port}/twilio/media")
        await socket.send(json.dumps(START))
        await socket.recv()
        for _ in range(3):
            running.lifecycle.signal()
        await running.lifecycle.finished()
        assert await closed(socket) == (1006, "")


async def test_a_full_server_refuses_the_next_call_and_carries_on_with_those_it_has() -> None:
    async with server(CLOSED, limits={"max_calls": 1}, busy={"say": "Later, please."}).running() as running:
        url = f"http://127.0.0.1:{running.port}/twilio/voice"
        async with connect(await media_url(running.port, "CA1")) as socket:
            await socket.send(json.dumps(START))
            status, twiml = await order(running.port, "CA2")
            assert (status, "<Say>Later, please.</Say><Hangup />" in twiml) == (200, True)
            with pytest.raises(CallRefused, match="hung up before any stream"):
                await place_call(url, CallPlan(), auth_token=AUTH_TOKEN)
            await socket.send(media(0))
            assert json.loads(await socket.recv())["event"] == "media"
        await running.admission.idle()
        assert "<Stream" in (await order(running.port, "CA3"))[1]


async def test_a_closing_server_takes_no_calls() -> None:
    async with server(OPEN).running() as running, aiohttp.ClientSession() as http:
        running.lifecycle.signal()
        async with http.get(f"http://127.0.0.1:{running.port}/readyz") as answer:
            assert answer.status == 503
        async with http.get(f"http://127.0.0.1:{running.port}/healthz") as answer:
            assert answer.status == 200
        with pytest.raises(CallRefused, match=r"rejected the call \(busy\)"):
            await place_call(f"http://127.0.0.1:{running.port}/twilio/voice", CallPlan())
        with pytest.raises(CallRefused, match="503"):
            await place_call(f"ws://127.0.0.1:{running.port}/twilio/media", CallPlan())
