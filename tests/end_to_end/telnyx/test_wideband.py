"""A wideband line and an assistant at 24 kHz: no part of the path is limited to the telephone band."""

import asyncio
from base64 import b64decode
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from bridge.config.audio_file import read_wav
from bridge.config.settings import Settings
from bridge.shell.server import Server
from bridge.simulators.carriers.contract import CallOptions
from bridge.simulators.carriers.telnyx.exchange import telnyx_exchange
from bridge.simulators.openai.script import OpenAIScript
from bridge.simulators.openai.server import RealtimeConnection, SimulatedOpenAI
from bridge.simulators.openai.voice import Speech, utter
from bridge.simulators.phone.call import place_call
from bridge.simulators.phone.plan import CallPlan
from bridge.simulators.phone.report import CallReport
from telecodecs.codec import decoder, encoder
from telecodecs.format import L16_16K, L16_24K, Samples
from telecodecs.resample import resample

SENTENCE = Path(__file__).parents[3] / "fixtures" / "sentence-en-us-male.wav"
GREETING, REPLY = "Hello.", "On Friday."
FROM_MS, SAID_MS = 1200, 700
CODECS = {"L16": 0.99, "G722": 0.95}
"""How like itself everything must come through."""


def said() -> Samples:
    """A word, and with it a tone that no telephone of 8 kHz lets through."""
    word = decoder(L16_16K)(read_wav(SENTENCE, L16_16K))[16 * SAID_MS :][: 16 * SAID_MS]
    tone = 3000 * np.sin(np.arange(len(word)) * 2 * np.pi * 6000 / 16_000)
    both: Samples = np.rint(word * 0.5 + tone).astype(np.int16)
    return both


def spoken(text: str) -> Samples:
    """The audio of the simulated model."""
    audio = b"".join(b64decode(delta.audio) for delta in utter(Speech(text), L16_24K, 1))
    return decoder(L16_24K)(audio)


def likeness(sound: Samples, track: Samples) -> float:
    """The correlation where the sound is best found in the track."""
    length = len(sound) + len(track)
    products = np.fft.irfft(np.conj(np.fft.rfft(sound, length)) * np.fft.rfft(track, length))
    lag = int(products[: len(track) - len(sound) + 1].argmax())
    return float(np.corrcoef(sound, track[lag : lag + len(sound)])[0, 1])


class KeepingOpenAI(SimulatedOpenAI):
    """A simulated server that keeps the audio it gets."""

    heard = b""

    def _judge(self, path: str, headers: Any) -> Any:
        connection = super()._judge(path, headers)
        assert isinstance(connection, RealtimeConnection)
        buffer = connection.conversation.audio_buffer
        append = buffer.append

        def keep(audio: bytes) -> Any:
            self.heard += audio
            return append(audio)

        buffer.append = keep  # type: ignore[method-assign]
        return connection


class Carried(NamedTuple):
    report: CallReport
    heard: bytes
    """By the assistant."""


async def carry(codec: str) -> Carried:
    exchange = telnyx_exchange(CallOptions(codec=codec))
    plan = CallPlan(bytes(L16_16K.bytes_in(FROM_MS)) + encoder(L16_16K)(said()), linger_s=0.8, longest_s=6.0)
    script = OpenAIScript.model_validate(
        {"first_audio_s": 0.1, "heard": ["When?"], "replies": [{"say": REPLY}]}
    )
    simulator = KeepingOpenAI(script)
    async with simulator.running():
        receptionist = {
            "kind": "openai-realtime",
            "base_url": simulator.url,
            "api_key": "sk-test",
            "greeting": GREETING,
            "turn_detection": {"type": "server_vad", "silence_duration_ms": 200},
        }
        settings = {
            "port": 0,
            "security": {"allow_unauthenticated": True},
            "assistant": "receptionist",
            "assistants": {"receptionist": receptionist},
            "telnyx": {"codec": codec},
        }
        async with Server(Settings.model_validate(settings)).running() as server:
            url = f"ws://127.0.0.1:{server.port}/telnyx/media"
            report = await place_call(url, plan, carrier=exchange)
            await server.admission.idle()
            await server.files.written()
        return Carried(report, simulator.heard)


@pytest.fixture(scope="module")
def calls() -> dict[str, Carried]:
    async def carry_all() -> list[Carried]:
        return await asyncio.gather(*map(carry, CODECS))

    return dict(zip(CODECS, asyncio.run(carry_all()), strict=True))


@pytest.mark.parametrize("codec", CODECS)
def test_the_assistant_hears_what_a_telephone_would_not_let_through(
    codec: str, calls: dict[str, Carried]
) -> None:
    heard = decoder(L16_24K)(calls[codec].heard)
    assert likeness(resample(said(), 16_000, 24_000), heard) >= CODECS[codec]


@pytest.mark.parametrize("codec", CODECS)
def test_the_caller_hears_the_greeting_and_the_reply(codec: str, calls: dict[str, Carried]) -> None:
    report = calls[codec].report
    assert report.plays == L16_16K
    heard = resample(decoder(L16_16K)(report.heard), 16_000, 24_000)
    for text in (GREETING, REPLY):
        assert likeness(spoken(text), heard) >= CODECS[codec]
    assert not report.warnings
