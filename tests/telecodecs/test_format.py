"""AudioFormat: bytes and time of each encoding, and what is refused."""

from typing import Any

import msgspec
import pytest

from telecodecs.format import L16_8K, L16_16K, L16_24K, PCMA_8K, PCMU_8K, AudioFormat, Encoding

STEREO = AudioFormat(Encoding.L16_BE, 48_000, channels=2)

FORMATS = [  # format, printed, bytes a sample, one silent sample, bytes in 20 ms
    (PCMU_8K, "pcmu/8000", 1, b"\xff", 160),
    (PCMA_8K, "pcma/8000", 1, b"\xd5", 160),
    (L16_8K, "l16/8000", 2, b"\0\0", 320),
    (L16_16K, "l16/16000", 2, b"\0\0", 640),
    (L16_24K, "l16/24000", 2, b"\0\0", 960),
    (STEREO, "l16be/48000/2", 4, b"\0\0\0\0", 3840),
]


@pytest.mark.parametrize(("audio", "printed", "sample_bytes", "silence", "frame_bytes"), FORMATS)
def test_bytes_and_time(
    audio: AudioFormat, printed: str, sample_bytes: int, silence: bytes, frame_bytes: int
) -> None:
    assert str(audio) == printed
    assert audio.sample_bytes == sample_bytes
    assert audio.silence == silence
    assert audio.bytes_in(20) == frame_bytes
    assert audio.duration_ms(frame_bytes) == 20.0
    assert audio.samples_in(frame_bytes) * 50 == audio.rate_hz


def test_counts_whole_samples_only() -> None:
    assert L16_8K.samples_in(5) == 2
    assert AudioFormat(Encoding.L16, 11_025).bytes_in(20) == 440  # 220.5 samples


def test_compares_by_value() -> None:
    assert AudioFormat(Encoding.PCMU, 8000) == PCMU_8K
    assert len({AudioFormat(Encoding.PCMU, 8000), PCMU_8K, PCMA_8K}) == 2


def test_is_encoded_as_its_three_fields_and_checked_when_decoded() -> None:
    """The journal writes formats with msgspec."""
    written = msgspec.json.encode(L16_24K)
    assert written == b'{"encoding":"l16","rate_hz":24000,"channels":1}'
    assert msgspec.json.decode(written, type=AudioFormat) == L16_24K
    with pytest.raises(msgspec.ValidationError, match="rate_hz 0"):
        msgspec.json.decode(b'{"encoding":"l16","rate_hz":0}', type=AudioFormat)


REFUSES: list[tuple[tuple[Any, ...], str]] = [
    (("opus", 48_000), r"encoding 'opus' .* pcmu, pcma, l16, l16be"),
    ((Encoding.PCMU, 0), r"rate_hz 0 .* 4000 to 192000"),
    ((Encoding.PCMU, -8000), "rate_hz -8000"),
    ((Encoding.PCMU, 8000.5), r"rate_hz 8000\.5"),
    ((Encoding.PCMU, "8000"), "rate_hz '8000'"),
    ((Encoding.PCMU, 8000, 0), r"channels 0 .* 1 to 8"),
]


@pytest.mark.parametrize(("fields", "error_report"), REFUSES)
def test_refuses(fields: tuple[Any, ...], error_report: str) -> None:
    with pytest.raises(ValueError, match=error_report):
        AudioFormat(*fields)
