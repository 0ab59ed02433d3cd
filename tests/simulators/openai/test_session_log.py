"""The log of the simulated OpenAI server: what the clients sent and got, and what was heard, at its time."""

import asyncio
import json
from base64 import b64encode
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from websockets.asyncio.client import connect

from bridge.simulators.openai.server import SimulatedOpenAI
from bridge.simulators.openai.session_log import SessionLog
from bridge.simulators.openai.voice import spoken
from bridge.simulators.phone.likeness import find_sound
from bridge.vocabulary.errors import ConfigurationError
from telecodecs.codec import encoder
from telecodecs.format import L16_24K, PCMU_8K
from telecodecs.wav import wav_decode

WORDS = spoken("hello there", 8_000)


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_audio_is_where_it_came(tmp_path: Path) -> None:
    clock = Clock()
    log = SessionLog(tmp_path / "openai.jsonl", clock)
    clock.now += 0.5
    log.opened(1, "gpt-realtime")
    audio = encoder(PCMU_8K)(WORDS)
    frames = [audio[at : at + 160] for at in range(0, len(audio), 160)]
    for began in (0.5, 3.0):
        for nth, frame in enumerate(frames, 1):
            clock.now = 1_000.5 + began + nth * len(frame) / 8_000
            log.heard(1, frame, PCMU_8K)
    log.closed(1, 1000)
    log.close()
    told = lines(tmp_path / "openai.jsonl")
    assert [line["kind"] for line in told] == ["begin", "session", "audio", "audio", "session"]
    assert (told[0]["clock_ms"], told[1]["at_ms"], told[1]["model"]) == (1_000_000.0, 500.0, "gpt-realtime")
    assert sum(line["ms"] for line in told if line["kind"] == "audio") == pytest.approx(
        2 * len(audio) / 8, abs=1
    )
    assert all(-25 < line["level_dbfs"] < -15 for line in told if line["kind"] == "audio")
    heard, rate_hz = wav_decode(Path(told[-1]["heard"]).read_bytes())
    assert (rate_hz, told[-1]["code"]) == (8_000, 1000)
    assert find_sound(heard[:12_000], WORDS).at == pytest.approx(4_000, abs=1)
    assert find_sound(heard[20_000:], WORDS).at == pytest.approx(4_000, abs=1)
    assert not heard[13_000:23_000].any()


def test_a_session_that_heard_nothing_has_no_recording(tmp_path: Path) -> None:
    log = SessionLog(tmp_path / "openai.jsonl")
    log.opened(1, "gpt-realtime")
    log.heard(2, b"", PCMU_8K)
    log.close()
    closed = lines(tmp_path / "openai.jsonl")[-1]
    assert (closed["code"], "heard" in closed) == (1006, False)
    assert not [*(tmp_path / "openai.jsonl.heard").iterdir()]


def test_a_cut_sample(tmp_path: Path) -> None:
    log = SessionLog(tmp_path / "openai.jsonl")
    log.opened(1, "gpt-realtime")
    sample = np.full(2_400, 1_000, np.int16).tobytes()
    for piece in (sample[:4_001], sample[4_001:]):
        log.heard(1, piece, L16_24K)
    log.close()
    closed = lines(tmp_path / "openai.jsonl")[-1]
    heard, rate_hz = wav_decode(Path(closed["heard"]).read_bytes())
    assert rate_hz == 24_000
    assert set(heard[-2_400:]) == {1_000}


def test_a_log_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"--log .*nowhere"):
        SessionLog(Path("/dev/null/nowhere/openai.jsonl"))


async def test_what_a_client_sends_and_gets(tmp_path: Path) -> None:
    log = SessionLog(tmp_path / "openai.jsonl")
    async with asyncio.timeout(5), SimulatedOpenAI(log=log).running() as openai:
        url = f"ws://127.0.0.1:{openai.port}/v1/realtime?model=gpt-realtime"
        async with connect(url, additional_headers={"Authorization": "Bearer secret"}, proxy=None) as socket:
            pcmu = {"format": {"type": "audio/pcmu"}}
            session = {"type": "realtime", "audio": {"input": pcmu, "output": pcmu}}
            await socket.send(json.dumps({"type": "session.update", "session": session}))
            audio = b64encode(encoder(PCMU_8K)(WORDS)).decode()
            await socket.send(json.dumps({"type": "input_audio_buffer.append", "audio": audio}))
            await socket.send(json.dumps({"type": "response.create"}))
            while json.loads(await socket.recv())["type"] != "response.done":
                pass
        await openai.connections[0].over()
    log.close()
    told = lines(tmp_path / "openai.jsonl")
    client = [line["event"]["type"] for line in told if line["kind"] == "client"]
    assert client == ["session.update", "response.create"]
    server = [line["event"]["type"] for line in told if line["kind"] == "server"]
    assert {"session.created", "session.updated", "response.created", "response.done"} <= set(server)
    assert not [kind for kind in server if kind.endswith(".delta")]
    assert "secret" not in (tmp_path / "openai.jsonl").read_text()
    heard, rate_hz = wav_decode(Path(told[-1]["heard"]).read_bytes())
    assert rate_hz == 8_000
    assert find_sound(heard, WORDS).likeness >= 0.99
