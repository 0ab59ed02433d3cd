"""ByteOrder: which sounds of a telephone line show the byte order, and which do not."""

import wave
from pathlib import Path

import numpy as np
import pytest

from telecodecs.byte_order import ByteOrder
from telecodecs.dtmf import tones
from telecodecs.format import Samples
from telecodecs.g711 import alaw_decode, ulaw_decode, ulaw_encode
from telecodecs.resample import resample

FIXTURES = Path(__file__).parents[2] / "fixtures"


def recorded(name: str) -> Samples:
    with wave.open(str(FIXTURES / name)) as recording:
        return np.frombuffer(recording.readframes(recording.getnframes()), np.int16)


def noise(level_dbfs: float) -> Samples:
    amplitude = 32_768 * 2**-0.5 * 10 ** (level_dbfs / 20)
    loud = np.random.default_rng(5).normal(0, amplitude, 8000)
    return np.rint(loud).clip(-32_768, 32_767).astype(np.int16)


def sine(frequency_hz: float, level_dbfs: float) -> Samples:
    amplitude = 32_767 * 10 ** (level_dbfs / 20)
    return np.rint(amplitude * np.sin(2 * np.pi * frequency_hz * np.arange(8000) / 8000)).astype(np.int16)


SOUNDS = {file.name: recorded(file.name) for file in sorted(FIXTURES.glob("*.wav"))} | {
    "keys": tones("0123456789", 8000),
    "a loud low tone": sine(440, 0),
    "a high tone": sine(3400, -12),
    "noise at -60 dBFS": noise(-60),
    "noise at -20 dBFS": noise(-20),
    "wideband speech": resample(recorded("sentence-de-female.wav"), 8000, 16_000),
    "a line that was mu-law": ulaw_decode(ulaw_encode(recorded("sentence-es-male.wav"))),
}


def written(samples: Samples, *, big: bool) -> bytes:
    return samples.astype(">i2" if big else "<i2").tobytes()


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("name", SOUNDS)
def test_finds_the_order_in_the_first_frame_with_sound(name: str, big: bool) -> None:
    order = ByteOrder(8000, big=not big)
    audio = written(SOUNDS[name], big=big)
    for at in range(0, len(audio), 320):
        order.feed(audio[at : at + 320])
        if order.big == big:
            break
    assert at <= 320 * 3, "comfort noise tells, too"
    for later in range(at + 320, len(audio), 320):
        order.feed(audio[later : later + 320])
        assert order.big == big
    assert order.settled


SILENCES = {
    "digital": np.zeros(8000, np.int16),
    "a constant": np.full(8000, 1000, np.int16),
    "A-law, idle": alaw_decode(np.full(8000, 0xD5, np.uint8)),
    "one step in a frame": np.where(np.arange(8000) % 160 == 80, 1, 0).astype(np.int16),
    "as rough as can be": np.random.default_rng(5).integers(-32_768, 32_767, 8000, np.int16),
}


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("name", SILENCES)
def test_audio_that_is_no_evidence_changes_nothing(name: str, big: bool) -> None:
    order = ByteOrder(8000, big=big)
    for at in range(0, 8000, 160):
        order.feed(written(SILENCES[name][at : at + 160], big=True))
    assert order.big == big
    assert not order.settled


@pytest.mark.parametrize("rate_hz", [8000, 16_000])
def test_settles_after_half_a_second_of_evidence(rate_hz: int) -> None:
    order = ByteOrder(rate_hz)
    frame = written(noise(-30)[: rate_hz // 50], big=True)
    for _ in range(10):
        order.feed(bytes(len(frame)))
    for _ in range(24):
        order.feed(frame)
    assert not order.settled
    order.feed(frame)
    assert order.settled
    for _ in range(100):
        order.feed(written(noise(-30), big=False))
    assert order.big


def test_corrects_a_first_guess() -> None:
    order = ByteOrder(8000)
    order.feed(written(noise(-30)[:20], big=True))
    assert order.big
    order.feed(written(noise(-30)[:2000], big=False))
    assert not order.big


def test_half_a_sample_is_ignored() -> None:
    order = ByteOrder(8000)
    for audio in (b"", b"\1", b"\1\2", b"\1\2\3"):
        order.feed(audio)
    order.feed(written(noise(-30)[:160], big=True) + b"\1")
    assert order.big
