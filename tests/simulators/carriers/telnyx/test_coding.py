"""The codecs and rates that Telnyx names, and their audio."""

from pathlib import Path

import numpy as np
import pytest

from bridge.config.audio_file import read_wav
from bridge.simulators.carriers.telnyx.coding import PCMU, RATES_HZ, Coding, unpack_mp3
from bridge.vocabulary.errors import ConfigurationError
from telecodecs.codec import decoder, encoder
from telecodecs.format import L16_16K, PCMA_8K, PCMU_8K, AudioFormat, Encoding

FORMATS = [
    (PCMU, PCMU_8K),
    (Coding("PCMA"), PCMA_8K),
    (Coding("L16"), L16_16K),
    (Coding("L16", 24_000, "big"), AudioFormat(Encoding.L16_BE, 24_000)),
    (Coding("G722"), L16_16K),
    (Coding("OPUS", 8_000), L16_16K),
    (Coding("AMR-WB"), L16_16K),
]
REFUSED = [
    (("SPEEX", 0), "unknown codec 'SPEEX'; expected one of PCMU, PCMA, L16, G722, OPUS, AMR-WB"),
    (("pcmu", 0), "unknown codec 'pcmu'"),
    (("PCMU", 16_000), "PCMU has no rate of 16000 Hz; expected 8000 Hz"),
    (("L16", 22_050), "L16 has no rate of 22050 Hz; expected 8000, 16000, 24000, 48000 Hz"),
]
TONE = np.asarray(8000 * np.sin(2 * np.pi * 440 * np.arange(160) / 8000), np.int16)


@pytest.mark.parametrize(("coding", "format"), FORMATS)
def test_the_format_of_decoded_audio(coding: Coding, format: AudioFormat) -> None:
    assert coding.format == format


@pytest.mark.parametrize("codec", RATES_HZ)
def test_every_codec_has_a_default_rate(codec: str) -> None:
    assert Coding(codec) == Coding(codec, RATES_HZ[codec][0])


@pytest.mark.parametrize(("coding", "why"), REFUSED)
def test_refuses_what_telnyx_does_not_have(coding: tuple[str, int], why: str) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        Coding(*coding)
    assert str(refusal.value).startswith(why)


@pytest.mark.parametrize("coding", [PCMU, Coding("PCMA"), Coding("L16"), Coding("L16", byteorder="big")])
def test_sample_formats_are_not_changed(coding: Coding) -> None:
    audio = encoder(coding.format)(TONE)
    assert coding.unpack()(coding.pack(coding.format)(audio)) == audio


def sentence() -> bytes:
    return read_wav(Path(__file__).parents[4] / "fixtures/sentence-en-us-male.wav", L16_16K)[:64_000]


def likeness(said: bytes, heard: bytes) -> float:
    """Normalised cross-correlation at the best lag."""
    a, b = (np.frombuffer(audio, np.int16).astype(float) for audio in (said, heard))
    length = len(a) + len(b)
    products = np.fft.irfft(np.conj(np.fft.rfft(a, length)) * np.fft.rfft(b, length))
    return float(products.max() / np.sqrt((a @ a) * (b @ b)))


@pytest.mark.parametrize(("codec", "library", "least"), [("G722", "G722", 0.95), ("OPUS", "av", 0.9)])
def test_a_sentence_comes_back_from_packets(codec: str, library: str, least: float) -> None:
    pytest.importorskip(library)
    said, pack, unpack = sentence(), Coding(codec).pack(L16_16K), Coding(codec).unpack()
    packets = [pack(said[at : at + 640]) for at in range(0, len(said), 640)]
    assert likeness(said, b"".join(map(unpack, packets))) >= least


def test_a_sentence_comes_back_from_an_mp3_file() -> None:
    pytest.importorskip("av")
    from telecodecs.mp3 import Mp3Writer

    said = sentence()
    writer = Mp3Writer(16_000)
    writer.feed(np.frombuffer(said, np.int16))
    assert likeness(said, unpack_mp3()(writer.finish())) >= 0.95


def test_amr_wb_cannot_be_sent() -> None:
    with pytest.raises(ConfigurationError, match="AMR-WB can be received but not sent"):
        Coding("AMR-WB").pack(L16_16K)


def test_transcodes_from_one_law_to_the_other() -> None:
    heard = decoder(PCMA_8K)(Coding("PCMA").pack(PCMU_8K)(encoder(PCMU_8K)(TONE)))
    assert np.abs(heard.astype(int) - TONE).max() < 600
