"""What Telnyx may send and should not, over real sockets on loopback: the call goes on, or ends with a code and a line in
the log.
"""

import json
import sys
import wave
from base64 import b64decode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from structlog.testing import capture_logs
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from bridge.cli.app import main
from bridge.config.settings import Settings
from bridge.shell.server import Server
from bridge.simulators.carriers.telnyx.coding import PCMU, Coding
from bridge.simulators.carriers.telnyx.media import SimulatedTelnyxStream
from bridge.vocabulary.errors import ConfigurationError
from telecodecs.format import L16_16K

FRAME = b"\x7f\x20" * 80


def settings(folder: Path, **more: Any) -> Settings:
    directory = {"directory": folder}
    return Settings.model_validate(
        {
            "port": 0,
            "assistant": "echo",
            "security": {"allow_unauthenticated": True},
            "journal": directory,
            "recording": directory,
            **more,
        }
    )


def caller(says: Coding = PCMU) -> SimulatedTelnyxStream:
    return SimulatedTelnyxStream(call_control_id="C1", stream_id="S1", says=says)


def start(encoding: str = "PCMU", rate_hz: int = 8000, channels: int = 1) -> str:
    media_format = {"encoding": encoding, "sample_rate": rate_hz, "channels": channels}
    body = {"call_control_id": "C1", "media_format": media_format}
    return json.dumps({"event": "start", "sequence_number": "1", "stream_id": "S1", "start": body})


@asynccontextmanager
async def opened(server: Server, carrier: str = "telnyx") -> AsyncIterator[ClientConnection]:
    async with connect(f"ws://127.0.0.1:{server.port}/{carrier}/media") as socket:
        yield socket


async def closed(socket: ClientConnection) -> tuple[int, str]:
    """Read on to the close; its code and reason."""
    with suppress(ConnectionClosed):
        async for _ in socket:
            pass
    assert socket.close_code is not None
    return socket.close_code, socket.close_reason or ""


async def echoed(socket: ClientConnection) -> bytes:
    """The next audio that comes back."""
    while (message := json.loads(await socket.recv()))["event"] != "media":
        pass
    payload: str = message["media"]["payload"]
    return b64decode(payload)


def counts(folder: Path) -> dict[str, int]:
    (journal,) = folder.glob("*.jsonl")
    ended: dict[str, dict[str, int]] = json.loads(journal.read_text().splitlines()[-1])
    return ended["counts"]


# What cannot be decoded

CANNOT_BE_DECODED = [("SPEEX", 8000, 1), ("L16", 22_050, 1), ("PCMA", 8000, 2)]


@pytest.mark.parametrize("media_format", CANNOT_BE_DECODED, ids=lambda row: row[0])
async def test_a_format_that_cannot_be_decoded_ends_the_call_and_is_never_heard(
    media_format: tuple[str, int, int], tmp_path: Path
) -> None:
    phone = caller()
    connected, _ = phone.opening()
    with capture_logs() as log:
        async with Server(settings(tmp_path)).running() as server, opened(server) as socket:
            for message in (connected, start(*media_format), phone.media("inbound", FRAME, 0)):
                await socket.send(message)
            code, reason = await closed(socket)
            assert server.admission.calls == 0
    encoding, rate_hz, channels = media_format
    told = f"start: media_format '{encoding}', {rate_hz} Hz, {channels} channels cannot be decoded"
    assert (code, reason[: len(told)]) == (1003, told)
    (line,) = [line for line in log if line["event"] == "> the call was hung up"]
    assert (line["log_level"], line["code"]) == ("warning", 1003)
    assert line["why"].startswith(told)
    assert list(tmp_path.iterdir()) == []


async def test_a_message_with_an_odd_byte_of_l16_is_dropped(tmp_path: Path) -> None:
    phone = caller(Coding("L16"))
    frame = b"\x00\x10\x00\xf0" * 160
    messages = [phone.media("inbound", audio, 20 * n) for n, audio in enumerate([frame, frame[:-1], frame])]
    async with Server(settings(tmp_path, telnyx={"codec": "L16"})).running() as server:
        async with opened(server) as socket:
            for message in [*phone.opening(), *messages]:
                await socket.send(message)
            heard = b""
            while len(heard) < 3 * len(frame):
                heard += await echoed(socket)
            await socket.send(phone.closing())
            assert await closed(socket) == (1000, "the call ended")
    assert heard == frame + bytes(640) + frame
    assert counts(tmp_path)["refused_from_carrier"] == 1
    (recording,) = tmp_path.glob("*.wav")
    with wave.open(str(recording)) as file:
        stereo = np.frombuffer(file.readframes(960), "<i2").reshape(-1, 2)
        assert file.getframerate() == L16_16K.rate_hz
    assert stereo[:, 0].tobytes() == heard


# Errors of Telnyx's, and rubbish


ERROR = {"code": 100004, "title": "invalid_media", "detail": "payload " + "QUJD" * 20}
GOES_ON: list[tuple[str, str | bytes, str]] = [
    ("an error", json.dumps({"event": "error", "payload": ERROR, "stream_id": "S1"}), "carrier_errors"),
    ("an error without words", '{"event":"error","payload":{"code":"100002"}}', "carrier_errors"),
    ("an error without a code", '{"event":"error","payload":{}}', "refused_from_carrier"),
    ("malformed JSON", '{"event":', "refused_from_carrier"),
    ("a binary frame", b"\x00\x01", "refused_from_carrier"),
    ("a foreign stream", caller().media("inbound", FRAME, 0).replace("S1", "S2"), "refused_from_carrier"),
    ("an empty payload", caller().media("inbound", b"", 0), "refused_from_carrier"),
    (
        "no base64",
        '{"event":"media","stream_id":"S1","media":{"chunk":"1","payload":"*"}}',
        "refused_from_carrier",
    ),
    ("a second start", start(), "refused_from_carrier"),
    ("a second start in another format", start("SPEEX"), "refused_from_carrier"),
    ("an unknown event", '{"event":"novelty"}', "ignored"),
    ("a mark nobody sent", caller().mark("9.9"), "stray_marks"),
]


@pytest.mark.parametrize(
    ("rubbish", "counted"), [row[1:] for row in GOES_ON], ids=[row[0] for row in GOES_ON]
)
async def test_the_call_goes_on_after(rubbish: str | bytes, counted: str, tmp_path: Path) -> None:
    phone = caller()
    async with Server(settings(tmp_path)).running() as server, opened(server) as socket:
        for message in [*phone.opening(), rubbish, phone.media("inbound", FRAME, 0)]:
            await socket.send(message)
        assert await echoed(socket) == FRAME
        await socket.send(phone.closing())
        assert await closed(socket) == (1000, "the call ended")
        assert server.admission.calls == 0
    assert counts(tmp_path)[counted] == 1


async def test_telnyxs_error_is_logged_with_its_code_and_without_our_audio(tmp_path: Path) -> None:
    phone = caller()
    with capture_logs() as log:
        async with Server(settings(tmp_path)).running() as server, opened(server) as socket:
            for message in [*phone.opening(), GOES_ON[0][1], phone.closing()]:
                await socket.send(message)
            await closed(socket)
    (line,) = [line for line in log if line["event"] == "< the carrier reported an error"]
    assert (line["log_level"], line["call_id"], line["code"]) == ("warning", "C1", "100004")
    assert line["why"] == "invalid_media: payload …"


# Starts and stops


async def test_a_start_after_the_stop_is_ignored(tmp_path: Path) -> None:
    phone = caller()
    opening = phone.opening()
    late = [start().replace("C1", "C2"), phone.media("inbound", FRAME, 0)]
    async with Server(settings(tmp_path)).running() as server, opened(server) as socket:
        for message in [*opening, phone.media("inbound", FRAME, 0), phone.closing(), *late]:
            with suppress(ConnectionClosed):
                await socket.send(message)
        assert await closed(socket) == (1000, "the call ended")
        assert server.admission.calls == 0
    assert len(list(tmp_path.glob("*.wav"))) == len(list(tmp_path.glob("*.jsonl"))) == 1
    assert "refused_from_carrier" not in counts(tmp_path)


async def test_a_socket_that_closes_with_neither_start_nor_stop_leaves_nothing(tmp_path: Path) -> None:
    connected, _ = caller().opening()
    async with Server(settings(tmp_path)).running() as server:
        for said in ([], [connected]):
            async with opened(server) as socket:
                for message in said:
                    await socket.send(message)
            await server.admission.idle()
            await server.files.written()
    assert list(tmp_path.iterdir()) == []


async def test_telnyx_may_open_the_socket_long_before_the_call_is_answered(tmp_path: Path) -> None:
    phone = caller()
    connected, begin = phone.opening()
    async with Server(settings(tmp_path, limits={"start_s": 0.1})).running() as server:
        async with opened(server) as rings, opened(server, "twilio") as impatient:
            await rings.send(connected)
            code, _ = await closed(impatient)
            assert code == 1008
            for message in (begin, phone.media("inbound", FRAME, 0)):
                await rings.send(message)
            assert await echoed(rings) == FRAME


async def test_a_socket_without_a_start_is_closed_after_a_while(tmp_path: Path) -> None:
    async with Server(settings(tmp_path, telnyx={"start_s": 0.1})).running() as server:
        async with opened(server) as rings:
            assert await closed(rings) == (1008, "the carrier never said start")


# Codecs that are not installed

MISSING = [
    ('codec = "G722"', "telnyx: G722 needs the extra g722: pip install 'voicebridge-server[g722]'"),
    ('stream_codec = "G722"', "telnyx: G722 needs the extra g722: "),
    ('codec = "OPUS"', "telnyx: OPUS needs the extra opus: "),
    ('stream_codec = "AMR-WB"', "telnyx: AMR-WB needs the extra amr-wb: "),
    ('mode = "mp3"', "telnyx: MP3 needs the extra mp3: "),
]


@pytest.mark.parametrize(("asked", "why"), MISSING, ids=[row[0] for row in MISSING])
def test_a_codec_that_is_not_installed_is_refused_before_any_call(
    asked: str,
    why: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    name, _, value = asked.partition(" = ")
    (tmp_path / "voicebridge.toml").write_text(
        f"[security]\nallow_unauthenticated = true\n[telnyx]\n{asked}\n"
    )
    monkeypatch.chdir(tmp_path)
    for library in ("G722", "av"):
        monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ConfigurationError) as refusal:
        Server(settings(tmp_path, telnyx={name: json.loads(value)}))
    assert str(refusal.value).startswith(why)
    monkeypatch.setattr(sys, "argv", ["voicebridge", "config", "check"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith(f"voicebridge: {why}")
