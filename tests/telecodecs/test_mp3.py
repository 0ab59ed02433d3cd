"""MP3 files there and back."""

import sys
import wave
from pathlib import Path

import numpy as np
import pytest

from telecodecs.format import Samples
from telecodecs.level import dbfs
from telecodecs.mp3 import RATES_HZ, Mp3Writer, check_installed, mp3_samples
from telecodecs.packets import CodecMissing
from telecodecs.resample import resample

FIXTURES = Path(__file__).parents[2] / "fixtures"


def mp3_file(samples: Samples, rate_hz: int) -> bytes:
    writer = Mp3Writer(rate_hz)
    writer.feed(samples)
    return writer.finish()


def spoken() -> Samples:
    with wave.open(str(FIXTURES / "sentence-en-us-female.wav")) as recording:
        return np.frombuffer(recording.readframes(12_000), np.int16)


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_both_ways(rate_hz: int) -> None:
    sound = resample(spoken(), 8000, rate_hz)
    heard, heard_hz = mp3_samples(mp3_file(sound, rate_hz))
    assert heard_hz == rate_hz
    assert heard.dtype == np.int16
    assert len(heard) == len(sound), "a decoder that has_assistant the header cuts off the delay"
    assert np.corrcoef(sound, heard)[0, 1] > 0.99
    assert dbfs(heard) - dbfs(sound) == pytest.approx(-0.45, abs=0.1)


def test_a_file_begins_with_sound_and_not_with_tags() -> None:
    assert mp3_file(spoken(), 8000)[0] == 0xFF


def test_takes_any_view() -> None:
    assert mp3_file(spoken()[::2], 8000) == mp3_file(spoken()[::2].copy(), 8000)


def test_any_cut_gives_the_same_file() -> None:
    whole, cut = mp3_file(spoken(), 8000), Mp3Writer(8000)
    for at in range(0, 12_000, 1600):
        cut.feed(spoken()[at : at + 1600])
        cut.feed(spoken()[:0])
    assert cut.finish() == whole


@pytest.mark.parametrize("fed", [False, True])
def test_a_file_that_is_not_finished_leaves_nothing(fed: bool) -> None:
    writer = Mp3Writer(8000)
    if fed:
        writer.feed(spoken())
    writer.discard()


def test_refuses_a_rate_that_mp3_does_not_know() -> None:
    with pytest.raises(ValueError, match="rate_hz 44000"):
        Mp3Writer(44_000)


@pytest.mark.parametrize("file", [b"", b"\xff", b"abc", bytes(5000), b"RIFF" * 500])
def test_refuses_to_read(file: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match=f"{len(file)} bytes "):
        mp3_samples(file)
    assert capfd.readouterr() == ("", "")


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    check_installed()
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(
        CodecMissing, match=r"MP3 needs the extra mp3: pip install 'voicebridge-server\[mp3\]'"
    ):
        check_installed()
    with pytest.raises(CodecMissing):
        mp3_file(spoken(), 8000)
    with pytest.raises(CodecMissing):
        mp3_samples(b"")
