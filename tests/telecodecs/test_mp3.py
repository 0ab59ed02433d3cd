"""MP3 files there and back."""

import sys
import wave
from pathlib import Path

import numpy as np
import pytest

from telecodecs.format import Samples
from telecodecs.level import dbfs
from telecodecs.mp3 import RATES_HZ, check_installed, mp3_file, mp3_samples
from telecodecs.packets import CodecMissing
from telecodecs.resample import resample

FIXTURES = Path(__file__).parents[2] / "fixtures"


def spoken() -> Samples:
    with wave.open(str(FIXTURES / "sentence-en-us-female.wav")) as recording:
        return np.frombuffer(recording.readframes(12_000), np.int16)


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_both_ways(rate_hz: int) -> None:
    sound = resample(spoken(), 8000, rate_hz)
    heard, heard_hz = mp3_samples(mp3_file(sound, rate_hz))
    assert heard_hz == rate_hz
    assert heard.dtype == np.int16
    assert len(heard) == len(sound), "a decoder that knows the header cuts off the delay"
    assert np.corrcoef(sound, heard)[0, 1] > 0.99
    assert dbfs(heard) - dbfs(sound) == pytest.approx(-0.45, abs=0.1)


def test_a_file_begins_with_sound_and_not_with_tags() -> None:
    assert mp3_file(spoken(), 8000)[0] == 0xFF


def test_takes_any_view() -> None:
    assert mp3_file(spoken()[::2], 8000) == mp3_file(spoken()[::2].copy(), 8000)


@pytest.mark.parametrize(
    ("samples", "rate_hz", "complaint"), [(0, 8000, "0 samples"), (9, 44_000, "rate_hz 44000")]
)
def test_refuses_to_write(samples: int, rate_hz: int, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        mp3_file(np.zeros(samples, np.int16), rate_hz)


@pytest.mark.parametrize("file", [b"", b"\xff", b"abc", bytes(5000), b"RIFF" * 500])
def test_refuses_to_read(file: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match=f"{len(file)} bytes "):
        mp3_samples(file)
    assert capfd.readouterr() == ("", "")


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    check_installed()
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(CodecMissing, match=r"MP3 needs the extra mp3: pip install 'voicebridge\[mp3\]'"):
        check_installed()
    with pytest.raises(CodecMissing):
        mp3_file(spoken(), 8000)
    with pytest.raises(CodecMissing):
        mp3_samples(b"")
