"""A recorded call whose caller is told so: what the phone heard, and what the recording has."""

import asyncio
from pathlib import Path

import numpy as np

from bridge.config.audio_file import read_wav, write_wav
from bridge.config.settings import Settings
from bridge.shell.server import Server
from bridge.simulators.phone.call import place_call
from bridge.simulators.phone.plan import CallPlan
from telecodecs.codec import decoder
from telecodecs.format import PCMU_8K
from telecodecs.wav import wav_encode

TIMEOUT_S = 20.0


async def test_the_caller_hears_it_first_and_the_recording_begins_with_it(tmp_path: Path) -> None:
    words = np.random.default_rng(7).integers(0, 256, 4_000, np.uint8).tobytes()  # half a second
    write_wav(tmp_path / "recorded.wav", words)
    words = read_wav(tmp_path / "recorded.wav")
    settings = Settings.model_validate(
        {
            "port": 0,
            "assistant": "echo",
            "security": {"allow_unauthenticated": True},
            "recording": {
                "directory": tmp_path / "recordings",
                "announce": {"play": tmp_path / "recorded.wav"},
            },
        }
    )
    said = b"\x20" * 8_000
    async with asyncio.timeout(TIMEOUT_S), Server(settings).running() as server:
        report = await place_call(f"http://127.0.0.1:{server.port}/twilio/voice", CallPlan(said))
    heard = b"".join(audio for _, audio in report.received)
    assert heard.startswith(words), "before the echo of the first frame"
    (file,) = (tmp_path / "recordings").iterdir()
    stereo = np.frombuffer(file.read_bytes()[44:], "<i2").reshape(-1, 2)
    first = int(np.flatnonzero(stereo[:, 1])[0])
    assert first < 800, "a tenth of a second"
    wanted = np.frombuffer(wav_encode(decoder(PCMU_8K)(words), 8_000)[44:], "<i2")
    skipped = int(np.flatnonzero(wanted)[0])
    assert np.array_equal(stereo[first : first + 3_000, 1], wanted[skipped : skipped + 3_000])
