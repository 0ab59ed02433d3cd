"""WAV files in and out."""

import struct
import wave
from pathlib import Path

import numpy as np
import pytest

from bridge.config.audio_file import read_wav, write_wav
from bridge.vocabulary.errors import ConfigurationError
from telecodecs.codec import decoder
from telecodecs.format import L16_16K, PCMA_8K, AudioFormat, Encoding
from telecodecs.g711 import ulaw_decode

EVERY_CODE = bytes(range(256))


def riff(
    tag: int, channels: int, rate_hz: int, bits: int, audio: bytes, *, data_length: int | None = None
) -> bytes:
    frame = channels * bits // 8
    header = struct.pack("<HHIIHH", tag, channels, rate_hz, rate_hz * frame, frame, bits)
    if tag == 0xFFFE:
        header += struct.pack("<HHIH14x", 22, bits, 0, 1)
    chunks = b"LIST" + struct.pack("<I", 3) + b"abc\0"
    chunks += b"fmt " + struct.pack("<I", len(header)) + header
    chunks += b"data" + struct.pack("<I", len(audio) if data_length is None else data_length) + audio
    return b"RIFF" + struct.pack("<I", len(chunks) + 4) + b"WAVE" + chunks


def tone(rate_hz: int, ms: int = 500) -> np.ndarray:
    return np.asarray(8000 * np.sin(2 * np.pi * 440 * np.arange(rate_hz * ms // 1000) / rate_hz), dtype="<i2")


def test_what_was_written_reads_back_exactly(tmp_path: Path) -> None:
    path = tmp_path / "heard.wav"
    audible = EVERY_CODE.replace(b"\x7f", b"\xff")  # two codes mean zero
    write_wav(path, audible)
    assert read_wav(path) == audible
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 8000)


LINEAR = tone(8000).tobytes()
FILES = [
    ("mu-law", riff(7, 1, 8000, 8, EVERY_CODE.replace(b"\x7f", b"\xff"))),
    ("extensible", riff(0xFFFE, 1, 8000, 16, LINEAR)),
    ("a pipe's length", riff(1, 1, 8000, 16, LINEAR, data_length=0xFFFFFFFF)),
    ("half a sample at the end", riff(1, 1, 8000, 16, LINEAR + b"\x01")),
]


@pytest.mark.parametrize("file", [row[1] for row in FILES], ids=[row[0] for row in FILES])
def test_reads(tmp_path: Path, file: bytes) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(file)
    audio = read_wav(path)
    if b"LIST" in file and len(audio) == 256:
        assert audio == EVERY_CODE.replace(b"\x7f", b"\xff")
    else:
        difference = ulaw_decode(np.frombuffer(audio, np.uint8)).astype(int) - tone(8000)
        assert abs(difference).max() <= 256


@pytest.mark.parametrize("rate_hz", [8000, 11_025, 16_000, 44_100, 48_000])
def test_any_rate_becomes_8000_hz(tmp_path: Path, rate_hz: int) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(riff(1, 1, rate_hz, 16, tone(rate_hz).tobytes()))
    heard = ulaw_decode(np.frombuffer(read_wav(path), np.uint8)).astype(float)
    assert len(heard) == pytest.approx(4000, abs=2)
    spectrum = np.abs(np.fft.rfft(heard[1000:3000]))
    assert np.argmax(spectrum) == 110  # 440 Hz in steps of 4 Hz


@pytest.mark.parametrize("line", [PCMA_8K, L16_16K, AudioFormat(Encoding.L16_BE, 24_000)], ids=str)
def test_any_line_has_its_own_format(tmp_path: Path, line: AudioFormat) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(riff(1, 1, 16_000, 16, tone(16_000).tobytes()))
    audio = read_wav(path, line)
    assert line.duration_ms(len(audio)) == pytest.approx(500, abs=1)
    heard = decoder(line)(audio).astype(float)
    spectrum = np.abs(np.fft.rfft(heard[: line.rate_hz // 4]))
    assert np.argmax(spectrum) == 110  # 440 Hz in steps of 4 Hz
    write_wav(path, audio, line)
    assert read_wav(path, line) == audio
    with wave.open(str(path)) as file:
        assert (file.getsampwidth(), file.getframerate()) == (2, line.rate_hz)


def test_channels_become_one(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    left = tone(8000)
    path.write_bytes(riff(1, 2, 8000, 16, np.stack([left, np.zeros_like(left)], axis=1).tobytes()))
    heard = ulaw_decode(np.frombuffer(read_wav(path), np.uint8))
    assert heard.max() == pytest.approx(4000, rel=0.05)


FAULTS = [
    (b"", "not a WAV file"),
    (b"RIFF\0\0\0\0WAVE", "no format or no audio"),
    (riff(1, 1, 8000, 24, b"\0" * 6), "24 bits of WAV format 1"),
    (riff(1, 0, 8000, 16, b""), "contradicts itself"),
    (riff(1, 1, 8000, 16, b"")[:40], "no format or no audio|unpack"),
]


@pytest.mark.parametrize(("file", "why"), FAULTS)
def test_names_the_file_and_the_fault(tmp_path: Path, file: bytes, why: str) -> None:
    path = tmp_path / "broken.wav"
    path.write_bytes(file)
    with pytest.raises(ConfigurationError, match=rf"broken\.wav: .*({why})"):
        read_wav(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"none\.wav: No such file"):
        read_wav(tmp_path / "none.wav")
