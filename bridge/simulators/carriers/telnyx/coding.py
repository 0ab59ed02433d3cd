"""Encodes and decodes the audio of one direction of a Telnyx stream, by the codec and rate that Telnyx names.

Wire: Telnyx, "Media streaming over WebSockets"; L16 is little endian unless said otherwise. G722 is audio at 16 kHz
although its rate is named 8000; OPUS and AMR-WB are audio at 16 kHz whatever rate is named.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from bridge.vocabulary.errors import ConfigurationError
from telecodecs.codec import Decode, Encode, decoder, encoder
from telecodecs.format import L16_16K, PCMA_8K, PCMU_8K, AudioFormat, Encoding, Samples
from telecodecs.l16 import l16_encode
from telecodecs.resample import resample

RATES_HZ: dict[str, tuple[int, ...]] = {
    "PCMU": (8_000,),
    "PCMA": (8_000,),
    "L16": (16_000, 8_000, 24_000, 48_000),
    "G722": (8_000,),
    "OPUS": (16_000, 8_000, 24_000, 48_000),
    "AMR-WB": (16_000, 8_000),
}
"""The rates, Hz, that may be named for each codec; the default is first."""

_G711 = {"PCMU": PCMU_8K, "PCMA": PCMA_8K}

Mode = Literal["off", "mp3", "rtp"]
"""What the server may send: nothing, MP3 files, or payloads of a codec."""

Convert = Callable[[bytes], bytes]
"""Converts audio from one encoding to another, both as bytes."""


@dataclass(frozen=True, slots=True)
class Coding:
    """A codec and its rate. `rate_hz` 0: the codec's default. Raises `ConfigurationError` if Telnyx does not have it."""

    codec: str = "PCMU"
    rate_hz: int = 0
    byteorder: Literal["little", "big"] = "little"
    """Of L16."""

    def __post_init__(self) -> None:
        rates = RATES_HZ.get(self.codec)
        if rates is None:
            raise ConfigurationError(f"unknown codec {self.codec!r}; expected one of {', '.join(RATES_HZ)}")
        if self.rate_hz == 0:
            object.__setattr__(self, "rate_hz", rates[0])
        if self.rate_hz not in rates:
            allowed = ", ".join(map(str, sorted(rates)))
            raise ConfigurationError(f"{self.codec} has no rate of {self.rate_hz} Hz; expected {allowed} Hz")

    @property
    def format(self) -> AudioFormat:
        """The format of the decoded audio."""
        if self.codec == "L16":
            return AudioFormat(Encoding.L16_BE if self.byteorder == "big" else Encoding.L16, self.rate_hz)
        return _G711.get(self.codec, L16_16K)

    @property
    def on_the_wire(self) -> str:
        """Codec and rate as Telnyx names them, in the form of the formats: `g722/8000`, `l16/16000`."""
        return f"{self.codec.lower()}/{self.rate_hz}" if self._in_packets else str(self.format)

    def pack(self, line: AudioFormat) -> Convert:
        """Make an encoder for one stream: from 20 ms of audio in the format `line` to a payload.

        Raises `ConfigurationError` if a library is missing.
        """
        assert line.rate_hz == self.format.rate_hz, "a telephone network changes the law, not the rate"
        if not self._in_packets:
            return _unchanged if line == self.format else _through(decoder(line), encoder(self.format))
        from telecodecs.packets import CodecMissing, PacketCodec, packet_encoder

        try:
            encode = packet_encoder(PacketCodec(self.codec.lower())).encode
        except CodecMissing as error:
            raise ConfigurationError(str(error)) from None
        return _through(decoder(line), encode)

    def unpack(self) -> Convert:
        """Make a decoder for one stream: from a payload to audio in `format`. It raises ValueError on invalid payloads.

        Raises `ConfigurationError` if a library is missing.
        """
        if not self._in_packets:
            return self._whole
        from telecodecs.packets import CodecMissing, PacketCodec, packet_decoder

        try:
            decode = packet_decoder(PacketCodec(self.codec.lower())).decode
        except CodecMissing as error:
            raise ConfigurationError(str(error)) from None
        return _through(decode, encoder(self.format))

    @property
    def _in_packets(self) -> bool:
        return self.codec in ("G722", "OPUS", "AMR-WB")

    def _whole(self, payload: bytes) -> bytes:
        if len(payload) % self.format.sample_bytes:
            raise ValueError(f"{len(payload)} bytes of {self.codec} end within a sample")
        return payload


PCMU = Coding()
"""The default codec of a call."""


def unpack_mp3() -> Convert:
    """Make a decoder from an MP3 file to L16 at 16 kHz. It raises ValueError if the bytes are not an MP3 file.

    Raises `ConfigurationError` if a library is missing.
    """
    from telecodecs.mp3 import check_installed, mp3_samples
    from telecodecs.packets import CodecMissing

    try:
        check_installed()
    except CodecMissing as error:
        raise ConfigurationError(str(error)) from None
    return lambda file: _at_16k(*mp3_samples(file))


def _at_16k(samples: Samples, rate_hz: int) -> bytes:
    return l16_encode(resample(samples, rate_hz, L16_16K.rate_hz))


def _unchanged(audio: bytes) -> bytes:
    return audio


def _through(decode: Decode, encode: Encode) -> Convert:
    return lambda audio: encode(decode(audio))
