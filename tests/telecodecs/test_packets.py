"""G722, Opus and AMR-WB: speech there and back, what is lost, what is no packet, what is not installed."""

import sys
import wave
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from telecodecs.format import Samples
from telecodecs.level import dbfs
from telecodecs.packets import CodecMissing, PacketCodec, check_installed, packet_decoder, packet_encoder
from telecodecs.resample import RATES_HZ, resample

FIXTURES = Path(__file__).parents[2] / "fixtures"
SENTENCES = sorted(file.name for file in FIXTURES.glob("sentence-*.wav"))

G722, OPUS, AMR_WB = PacketCodec


def spoken(name: str = "sentence-en-us-female.wav", rate_hz: int = 16_000) -> Samples:
    """The first two seconds of it."""
    with wave.open(str(FIXTURES / name)) as recording:
        return resample(np.frombuffer(recording.readframes(16_000), np.int16), 8000, rate_hz)


def packets_of(sound: Samples, codec: PacketCodec, rate_hz: int = 16_000) -> list[bytes]:
    encoder = packet_encoder(codec, rate_hz)
    return [encoder.encode(sound[at : at + rate_hz // 50]) for at in range(0, len(sound), rate_hz // 50)]


def heard_from(packets: list[bytes], codec: PacketCodec, rate_hz: int = 16_000) -> Samples:
    decoder = packet_decoder(codec, rate_hz)
    return np.concatenate([decoder.decode(packet) for packet in packets])


def likeness(sound: Samples, heard: Samples) -> tuple[float, int]:
    """The highest correlation, and how many samples later `heard` then is; at most 12 ms at 16 kHz."""
    return max((np.corrcoef(heard[lag:], sound[: len(sound) - lag])[0, 1], lag) for lag in range(200))


# The half second of that sentence from 0.5 s on, as VisualOn's encoder wrote it at 12.65 kbit/s: 32 bytes in 20 ms,
# of which the last three bits are filling, behind a byte that says so.
_AMR_WB = (FIXTURES / "half-second.awb").read_bytes().removeprefix(b"#!AMR-WB\n")
AMR_WB_FRAMES = [_AMR_WB[at + 1 : at + 33] for at in range(0, len(_AMR_WB), 33)]
AMR_WB_OCTET_ALIGNED = [b"\xf0\x14" + frame for frame in AMR_WB_FRAMES]
AMR_WB_EFFICIENT = [
    (0b1111_0_0010_1 << 254 | int.from_bytes(frame) >> 3 << 1).to_bytes(33) for frame in AMR_WB_FRAMES
]
AMR_WB_NO_DATA = b"\xf7\xc0"

PACKETS = {
    G722: packets_of(spoken()[8000:16_000], G722),
    OPUS: packets_of(spoken()[8000:16_000], OPUS),
    AMR_WB: AMR_WB_EFFICIENT,
}


@pytest.mark.parametrize("name", SENTENCES)
@pytest.mark.parametrize(("codec", "alike", "delay"), [(G722, 0.99, 22), (OPUS, 0.95, 121)])
def test_speech_there_and_back(codec: PacketCodec, alike: float, delay: int, name: str) -> None:
    sound = spoken(name)
    heard = heard_from(packets_of(sound, codec), codec)
    assert heard.dtype == np.int16
    assert len(heard) == len(sound)
    assert dbfs(heard) - dbfs(sound) == pytest.approx(0, abs=0.5)
    correlation, lag = likeness(sound, heard)
    assert correlation >= alike
    assert lag == pytest.approx(delay, abs=1)


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_opus_at_any_rate(rate_hz: int) -> None:
    sound = spoken(rate_hz=rate_hz)
    heard = heard_from(packets_of(sound, OPUS, rate_hz), OPUS, rate_hz)
    assert len(heard) == len(sound)
    at_16_khz = resample(sound, rate_hz, 16_000), resample(heard, rate_hz, 16_000)
    assert likeness(*at_16_khz)[0] > 0.95


def test_opus_from_one_rate_to_another() -> None:
    packets = packets_of(spoken(rate_hz=24_000)[:24_000], OPUS, 24_000)
    assert likeness(spoken()[:16_000], heard_from(packets, OPUS, 16_000))[0] > 0.95


def test_opus_sends_every_packet_through_a_pause() -> None:
    packets = packets_of(np.zeros(16_000, np.int16), OPUS)
    assert len(packets) == 50
    assert min(map(len, packets)) > 2, "one or two bytes would be a pause"


def test_g722_is_160_bytes_of_20_ms() -> None:
    assert {len(packet) for packet in PACKETS[G722]} == {160}


@given(cuts=st.lists(st.integers(0, 8000 // 2), max_size=20))
def test_any_cut_of_g722_gives_the_same_samples(cuts: list[int]) -> None:
    stream = b"".join(PACKETS[G722])
    pieces = [stream[a:b] for a, b in pairwise([0, *sorted(set(cuts) - {0}), len(stream)]) if a < b]
    np.testing.assert_array_equal(heard_from(pieces, G722), heard_from(PACKETS[G722], G722))


@pytest.mark.parametrize(
    "packets", [AMR_WB_OCTET_ALIGNED, AMR_WB_EFFICIENT], ids=["octet-aligned", "efficient"]
)
def test_amr_wb_packed_either_way(packets: list[bytes]) -> None:
    sound, heard = spoken()[8000:16_000], heard_from(packets, AMR_WB)
    assert len(heard) == len(sound)
    assert dbfs(heard) - dbfs(sound) == pytest.approx(0, abs=0.5)
    assert likeness(sound, heard)[0] > 0.95


def test_amr_wb_of_several_frames() -> None:
    joined = [
        b"\xf0\x94\x14" + first + second
        for first, second in zip(AMR_WB_FRAMES[:-1:2], AMR_WB_FRAMES[1::2], strict=False)
    ]
    np.testing.assert_array_equal(heard_from(joined, AMR_WB), heard_from(AMR_WB_EFFICIENT[:-1], AMR_WB))


def test_a_pause_of_amr_wb_is_quiet() -> None:
    comfort_noise = bytes.fromhex("f0 4c 4cebfe33b2")
    pause = [comfort_noise, *[AMR_WB_NO_DATA] * 7] * 4
    heard = heard_from(AMR_WB_EFFICIENT + pause, AMR_WB)
    assert len(heard) == 320 * (25 + 32)
    assert dbfs(heard[-320 * 16 :]) < -40


@pytest.mark.parametrize("codec", PacketCodec)
def test_what_is_lost_is_20_ms_and_soon_silent(codec: PacketCodec) -> None:
    decoder = packet_decoder(codec)
    spoken_dbfs = dbfs(np.concatenate([decoder.decode(packet) for packet in PACKETS[codec][:15]]))
    concealed = [decoder.conceal() for _ in range(25)]
    assert {len(samples) for samples in concealed} == {320}
    assert max(map(dbfs, concealed)) < spoken_dbfs + 6
    assert dbfs(np.concatenate(concealed[15:])) < -60
    after = np.concatenate([decoder.decode(packet) for packet in PACKETS[codec][15:]])
    undisturbed = heard_from(PACKETS[codec], codec)[15 * 320 :]
    assert np.corrcoef(after[640:], undisturbed[640:])[0, 1] > 0.9


@pytest.mark.parametrize("codec", PacketCodec)
def test_a_loss_before_the_first_packet_is_silence(codec: PacketCodec) -> None:
    decoder = packet_decoder(codec)
    assert dbfs(decoder.conceal()) < -60
    assert len(decoder.decode(PACKETS[codec][0])) == 320


@pytest.mark.parametrize("length_ms", [2.5, 5, 10, 20, 40, 60])
def test_opus_of_any_length_is_concealed_by_20_ms(length_ms: float) -> None:
    """Configurations of RFC 6716, table 2, each with one empty frame."""
    lengths = {
        **{mode: [10, 20, 40, 60][mode % 4] for mode in range(12)},
        **{mode: [10, 20][mode % 2] for mode in range(12, 16)},
        **{mode: [2.5, 5, 10, 20][mode % 4] for mode in range(16, 32)},
    }
    for mode in (mode for mode, ms in lengths.items() if ms == length_ms):
        decoder = packet_decoder(OPUS)
        assert len(decoder.decode(bytes([mode << 3]))) == length_ms * 16
        assert len(decoder.conceal()) == 320


RUBBISH = {G722: [b""], OPUS: [b"", b"\xff", b"\x4b\x41", b"\x01abc"], AMR_WB: [b"", b"\xf0", b"\xff" * 33]}


@pytest.mark.parametrize("codec", PacketCodec)
def test_no_packet_is_refused_and_disturbs_nothing(
    codec: PacketCodec, capfd: pytest.CaptureFixture[str]
) -> None:
    decoder = packet_decoder(codec)
    heard = []
    for packet in PACKETS[codec]:
        for rubbish in RUBBISH[codec]:
            with pytest.raises(ValueError, match=f"{len(rubbish)} bytes are no {codec.upper()} pa"):
                decoder.decode(rubbish)
        heard.append(decoder.decode(packet))
    np.testing.assert_array_equal(np.concatenate(heard), heard_from(PACKETS[codec], codec))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("codec", PacketCodec)
@given(packets=st.lists(st.binary(max_size=100), max_size=10))
def test_after_any_rubbish_a_packet_is_heard(codec: PacketCodec, packets: list[bytes]) -> None:
    decoder = packet_decoder(codec)
    for packet in packets:
        try:
            assert decoder.decode(packet).dtype == np.int16
        except ValueError:
            continue
    assert len(decoder.decode(PACKETS[codec][0])) == 320
    assert len(decoder.conceal()) == 320


@pytest.mark.parametrize("codec", [G722, OPUS])
@pytest.mark.parametrize("samples", [0, 319, 321, 640])
def test_refuses_what_is_not_20_ms(codec: PacketCodec, samples: int) -> None:
    encoder = packet_encoder(codec)
    with pytest.raises(ValueError, match=f"{samples} samples are no packet; 320 are right"):
        encoder.encode(np.zeros(samples, np.int16))
    assert encoder.encode(np.zeros(320, np.int16))


@pytest.mark.parametrize("codec", [G722, OPUS])
def test_takes_any_view(codec: PacketCodec) -> None:
    view = spoken()[8000:8640:2]
    assert packet_encoder(codec).encode(view) == packet_encoder(codec).encode(view.copy())


@pytest.mark.parametrize(("codec", "rate_hz"), [(G722, 8000), (OPUS, 11_025), (AMR_WB, 8000)])
def test_refuses_a_rate(codec: PacketCodec, rate_hz: int) -> None:
    with pytest.raises(ValueError, match=f"{rate_hz}"):
        packet_decoder(codec, rate_hz)
    if codec != AMR_WB:
        with pytest.raises(ValueError, match=f"{rate_hz}"):
            packet_encoder(codec, rate_hz)


@pytest.mark.parametrize("codec", PacketCodec)
def test_without_the_library(codec: PacketCodec, monkeypatch: pytest.MonkeyPatch) -> None:
    check_installed(codec, sending=codec != AMR_WB)
    monkeypatch.setitem(sys.modules, "av", None)
    monkeypatch.setitem(sys.modules, "G722", None)
    text = rf"^{codec.upper()} needs the extra {codec}: pip install 'voicebridge-server\[{codec}\]'$"
    with pytest.raises(CodecMissing, match=text) as missing:
        check_installed(codec, sending=False)
    assert (missing.value.codec, missing.value.extra) == (codec.upper(), codec)
    if codec != AMR_WB:
        with pytest.raises(CodecMissing, match=text):
            packet_encoder(codec)


def test_amr_wb_is_not_sent() -> None:
    with pytest.raises(CodecMissing, match="AMR-WB can be received but not sent") as missing:
        check_installed(AMR_WB, sending=True)
    assert missing.value.extra is None
