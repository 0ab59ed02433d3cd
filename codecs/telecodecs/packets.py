"""Encodes and decodes the codecs whose packets are not samples: G722, Opus and AMR-WB.

Sources: ITU-T G.722 (64 kbit/s), RFC 6716 (Opus), RFC 4867 and 3GPP TS 26.190 (AMR-WB). One channel. Units: samples, Hz.
A packet is the payload of RTP, in most cases 20 ms. The libraries are G722 for the first codec and PyAV for the others;
extras install them, and they are imported when first needed. Packets are expected in order; `packet_order` sorts them.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np

from telecodecs.amr_wb import SPEECH_LOST, amr_wb_frames
from telecodecs.format import Samples
from telecodecs.resample import RATES_HZ, Resampler

if TYPE_CHECKING:
    from av import AudioCodecContext

_PACKETS_HZ = 50  # of 20 ms


class PacketCodec(StrEnum):
    """A codec; the value is also the name of the extra that installs its library."""

    G722 = "g722"
    """160 bytes in 20 ms. Audio at 16 kHz, although its RTP clock is 8000 Hz (RFC 3551, section 4.5.2)."""
    OPUS = "opus"
    AMR_WB = "amr-wb"
    """Decoded only: no available library encodes it."""


class CodecMissing(Exception):
    """A codec's library is not installed, or cannot encode.

    `codec`: the name as people write it. `extra`: the extra that installs the library; None if there is no library.
    """

    def __init__(self, codec: str, extra: str | None) -> None:
        remedy = (
            f"needs the extra {extra}: pip install 'voicebridge-server[{extra}]'"
            if extra
            else "can be received but not sent: no library encodes it"
        )
        super().__init__(f"{codec} {remedy}")
        self.codec = codec
        self.extra = extra


class PacketDecoder(Protocol):
    """Decodes the packets of one stream."""

    rate_hz: int
    """Of the samples that it returns."""

    def decode(self, packet: bytes) -> Samples:
        """The samples of the next packet. Raises ValueError if it is not valid; the next one can be decoded anyway."""
        ...

    def conceal(self) -> Samples:
        """20 ms of audio in place of a lost packet."""
        ...


class PacketEncoder(Protocol):
    """Encodes the samples of one stream."""

    rate_hz: int
    """Of the samples that it takes."""

    def encode(self, samples: Samples) -> bytes:
        """The packet of exactly 20 ms. Raises ValueError on fewer or more samples."""
        ...


def packet_decoder(codec: PacketCodec, rate_hz: int = 16_000) -> PacketDecoder:
    """A decoder for one stream. `rate_hz`: 16000; for Opus one of `resample.RATES_HZ`.

    Raises CodecMissing if the library is not installed, ValueError on a rate that the codec does not have.
    """
    return _DECODERS[codec](rate_hz)


def packet_encoder(codec: PacketCodec, rate_hz: int = 16_000) -> PacketEncoder:
    """An encoder for one stream, with the rates of `packet_decoder`.

    Raises CodecMissing if the library is not installed, and always for AMR-WB; ValueError as `packet_decoder` does.
    """
    if codec not in _ENCODERS:
        raise CodecMissing(codec.upper(), None)
    return _ENCODERS[codec](rate_hz)


def check_installed(codec: PacketCodec, *, sending: bool) -> None:
    """Raise CodecMissing if the codec cannot be used; to be asked at start-up instead of in the first call.

    `sending`: whether it is to be encoded, too.
    """
    packet_decoder(codec)
    if sending:
        packet_encoder(codec)


class _G722Decoder:
    """A lost packet is replaced by silence; the predictor adapts again with the packets after it."""

    def __init__(self, rate_hz: int) -> None:
        try:
            from G722 import G722
        except ImportError as missing:
            raise CodecMissing("G722", PacketCodec.G722) from missing
        self.rate_hz = _wideband(PacketCodec.G722, rate_hz)
        self._decoder = G722(rate_hz, 64_000)

    def decode(self, packet: bytes) -> Samples:
        if not packet:
            raise ValueError("0 bytes are not a packet of G722")
        return np.asarray(self._decoder.decode(packet), np.int16)

    def conceal(self) -> Samples:
        return np.zeros(self.rate_hz // _PACKETS_HZ, np.int16)


class _G722Encoder:
    """Encoder and decoder delay the sound by 22 samples together: the delay of their filter banks."""

    def __init__(self, rate_hz: int) -> None:
        try:
            from G722 import G722
        except ImportError as missing:
            raise CodecMissing("G722", PacketCodec.G722) from missing
        self.rate_hz = _wideband(PacketCodec.G722, rate_hz)
        self._encoder = G722(rate_hz, 64_000)

    def encode(self, samples: Samples) -> bytes:
        packet: bytes = self._encoder.encode(_whole_packet(samples, self.rate_hz))
        return packet


class _OpusDecoder:
    """libopus, mixed to one channel. PyAV always returns 48 kHz, which is resampled; libopus conceals lost packets."""

    def __init__(self, rate_hz: int) -> None:
        self.rate_hz = rate_hz
        self._resampler = Resampler(48_000, rate_hz)
        self._context = _context(PacketCodec.OPUS, "libopus", "r")
        self._lost = _opus_lost(0x48)

    def decode(self, packet: bytes) -> Samples:
        samples = _decode(self._context, packet, PacketCodec.OPUS)
        self._lost = _opus_lost(packet[0])
        return self._resampler.feed(samples)

    def conceal(self) -> Samples:
        return self._resampler.feed(_decode(self._context, self._lost, PacketCodec.OPUS))


class _OpusEncoder:
    """libopus for speech: 24 kbit/s, packets of up to about 100 bytes, without discontinuous transmission.

    The encoder looks 6.5 ms ahead, which delays the sound by 104 samples at 16 kHz.
    """

    def __init__(self, rate_hz: int) -> None:
        if rate_hz not in RATES_HZ:
            raise ValueError(f"rate_hz {rate_hz} is not a rate of OPUS; expected one of {RATES_HZ}")
        self.rate_hz = rate_hz
        self._context = _context(PacketCodec.OPUS, "libopus", "w")
        self._context.sample_rate = rate_hz
        self._context.bit_rate = 24_000
        # Of 0 to 10: speech is as close to the original as at 10, which takes three times as long.
        self._context.options = {"application": "voip", "frame_duration": "20", "compression_level": "1"}

    def encode(self, samples: Samples) -> bytes:
        from av import AudioFrame

        whole = _whole_packet(samples, self.rate_hz)
        frame = AudioFrame.from_ndarray(whole[np.newaxis], "s16", "mono")
        frame.sample_rate = self.rate_hz
        (packet,) = self._context.encode(frame)
        return bytes(packet)


class _AmrWbDecoder:
    """OpenCORE's decoder. It conceals frames that were lost or not sent, and fades to silence if there are more."""

    def __init__(self, rate_hz: int) -> None:
        self.rate_hz = _wideband(PacketCodec.AMR_WB, rate_hz)
        self._context = _context(PacketCodec.AMR_WB, "libopencore_amrwb", "r")

    def decode(self, packet: bytes) -> Samples:
        frames = [_decode(self._context, frame, PacketCodec.AMR_WB) for frame in amr_wb_frames(packet)]
        return frames[0] if len(frames) == 1 else np.concatenate(frames)

    def conceal(self) -> Samples:
        return _decode(self._context, SPEECH_LOST, PacketCodec.AMR_WB)


_DECODERS: dict[PacketCodec, Callable[[int], PacketDecoder]] = {
    PacketCodec.G722: _G722Decoder,
    PacketCodec.OPUS: _OpusDecoder,
    PacketCodec.AMR_WB: _AmrWbDecoder,
}

_ENCODERS: dict[PacketCodec, Callable[[int], PacketEncoder]] = {
    PacketCodec.G722: _G722Encoder,
    PacketCodec.OPUS: _OpusEncoder,
}


def _context(codec: PacketCodec, library: str, mode: Literal["r", "w"]) -> "AudioCodecContext":
    try:
        from av import AudioCodecContext, CodecContext

        context = CodecContext.create(library, mode)
    except (ImportError, ValueError) as missing:  # ValueError: a PyAV that was built without it
        raise CodecMissing(codec.upper(), codec) from missing
    assert isinstance(context, AudioCodecContext)
    context.format = "s16"
    context.layout = "mono"
    return context


def _decode(context: "AudioCodecContext", packet: bytes, codec: PacketCodec) -> Samples:
    from av import FFmpegError, Packet

    if not packet:  # the library takes it for the end of the stream and decodes nothing more
        raise ValueError(f"0 bytes are not a packet of {codec.upper()}")
    try:
        frames = context.decode(Packet(packet))
    except FFmpegError as error:
        raise ValueError(f"{len(packet)} bytes are not a packet of {codec.upper()}") from error
    samples: Samples = frames[0].to_ndarray()[0].astype(np.int16, copy=False)
    return samples


def _opus_lost(contents: int) -> bytes:
    """A packet of one empty 20 ms frame, which libopus takes for a lost one (RFC 6716, sections 3.1 and 3.2.1).

    `contents`: the first byte of a packet, whose mode and bandwidth it keeps.
    """
    mode = contents >> 3
    if mode < 12:
        mode = mode & ~3 | 1  # SILK: 10, 20, 40, 60 ms
    elif mode < 16:
        mode |= 1  # hybrid: 10, 20 ms
    else:
        mode |= 3  # CELT: 2.5, 5, 10, 20 ms
    return bytes([mode << 3])


def _wideband(codec: PacketCodec, rate_hz: int) -> int:
    if rate_hz != 16_000:
        raise ValueError(f"rate_hz {rate_hz} is not a rate of {codec.upper()}; expected 16000")
    return rate_hz


def _whole_packet(samples: Samples, rate_hz: int) -> Samples:
    if len(samples) != rate_hz // _PACKETS_HZ:
        raise ValueError(
            f"{len(samples)} samples are not one packet; expected {rate_hz // _PACKETS_HZ}, 20 ms"
        )
    return np.ascontiguousarray(samples)
