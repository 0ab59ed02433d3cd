"""WAV files: what was written reads back, and every kind of sample that can be read."""

import io
import struct
import wave
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from telecodecs.g711 import alaw_decode, ulaw_decode
from telecodecs.wav import wav_decode, wav_encode

EVERY_CODE = np.arange(256, dtype=np.uint8)


def riff(tag: int, channels: int, bits: int, audio: bytes, rate_hz: int = 8000) -> bytes:
    frame = channels * bits // 8
    header = struct.pack("<HHIIHH", tag, channels, rate_hz, rate_hz * frame & 0xFFFFFFFF, frame, bits)
    chunks = b"fmt " + struct.pack("<I", len(header)) + header
    chunks += b"data" + struct.pack("<I", len(audio)) + audio
    return b"RIFF" + struct.pack("<I", len(chunks) + 4) + b"WAVE" + chunks


@given(
    samples=arrays.arrays(np.int16, st.integers(0, 50)),
    rate_hz=st.sampled_from([8_000, 16_000, 44_100]),
)
def test_what_was_written_reads_back(samples: np.ndarray, rate_hz: int) -> None:
    file = wav_encode(samples, rate_hz)
    assert len(file) == 44 + 2 * len(samples)
    read, read_hz = wav_decode(file)
    assert read_hz == rate_hz
    assert read.dtype == np.int16
    assert np.array_equal(read, samples)


def test_the_bytes_are_those_of_the_standard_library() -> None:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(8000)
        writer.writeframes(b"\x01\x02\x03\x04")
    assert wav_encode(np.frombuffer(b"\x01\x02\x03\x04", "<i2"), 8000) == file.getvalue()


FORMS = [
    ("mu-law", 7, ulaw_decode(EVERY_CODE)),
    ("A-law", 6, alaw_decode(EVERY_CODE)),
    ("8 bits", 1, (np.arange(256) - 128) * 256),
]


@pytest.mark.parametrize(("tag", "samples"), [row[1:] for row in FORMS], ids=[row[0] for row in FORMS])
def test_reads_every_code(tag: int, samples: np.ndarray) -> None:
    read, _ = wav_decode(riff(tag, 1, 8, EVERY_CODE.tobytes()))
    assert read.tolist() == samples.tolist()


def test_two_channels_become_one() -> None:
    both = np.array([[100, 300], [-32_768, -32_768], [1, 2]], "<i2")
    read, _ = wav_decode(riff(1, 2, 16, both.tobytes()))
    assert read.tolist() == [200, -32_768, 2]


@given(cut=st.integers(0, 60))
def test_a_truncated_file_is_refused_or_read_as_far_as_it_goes(cut: int) -> None:
    file = wav_encode(np.arange(8, dtype=np.int16), 8_000)
    with suppress(ValueError):
        samples, _ = wav_decode(file[:cut])
        assert samples.tolist() == list(range(8))[: (cut - 44) // 2]


REFUSED = [
    (riff(1, 1, 16, b"\0\0", rate_hz=0), "rate_hz 0 is out of range"),
    (riff(1, 1, 16, b"\0\0", rate_hz=1), "rate_hz 1 is out of range; expected 4000 to 192000"),
    (riff(1, 1, 16, b"\0\0", rate_hz=0xFFFFFFFF), "rate_hz 4294967295 is out of range"),
    (riff(1, 9, 16, b"\0" * 18), "channels 9 is out of range; expected 1 to 8"),
    (riff(1, 0, 16, b""), "contradicts itself"),
    (riff(3, 1, 32, b"\0" * 4), "32 bits of WAV format 3 cannot be read"),
    (b"RIFF\0\0\0\0WAVE" + b"junk\0\0\0\0" * 1000 + riff(1, 1, 16, b"\0\0")[12:], "no format or no audio"),
]


@pytest.mark.parametrize(("file", "error_report"), REFUSED)
def test_refuses(file: bytes, error_report: str) -> None:
    with pytest.raises(ValueError, match=error_report):
        wav_decode(file)


@given(rubbish=st.binary(max_size=80))
def test_other_bytes_are_refused(rubbish: bytes) -> None:
    for file in (rubbish, b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0" + rubbish):
        with suppress(ValueError):
            wav_decode(file)
