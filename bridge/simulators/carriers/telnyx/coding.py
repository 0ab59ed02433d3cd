"""One direction's audio as Telnyx names it: a codec, the rate on its label, and the way there and back.

Wire: Telnyx, "Media streaming over WebSockets"; L16 is little endian unless said otherwise. G722 sounds at 16 kHz
under the label of 8000, OPUS and AMR-WB under any. This side of a codec audio is bytes, sample by sample.
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
"""Labels that each codec may have, the usual one first."""

_G711 = {"PCMU": PCMU_8K, "PCMA": PCMA_8K}

Mode = Literal["off", "mp3", "rtp"]
"""How the server may be heard: not at all, by MP3 files, or by payloads of a codec."""

Convert = Callable[[bytes], bytes]
"""One payload to another."""


@dataclass(frozen=True, slots=True)
class Coding:
    """Raises `ConfigurationError` for what Telnyx does not have. `rate_hz` 0: the usual one."""

    codec: str = "PCMU"
    rate_hz: int = 0
    byteorder: Literal["little", "big"] = "little"
    """Of L16."""

    def __post_init__(self) -> None:
        rates = RATES_HZ.get(self.codec)
        if rates is None:
            raise ConfigurationError(f"codec {self.codec!r} is none; one of {', '.join(RATES_HZ)} is right")
        if self.rate_hz == 0:
            object.__setattr__(self, "rate_hz", rates[0])
        if self.rate_hz not in rates:
            allowed = ", ".join(map(str, sorted(rates)))
            raise ConfigurationError(f"{self.codec} at {self.rate_hz} Hz cannot be; {allowed} Hz can")

    @property
    def format(self) -> AudioFormat:
        """What is this side of the codec."""
        if self.codec == "L16":
            return AudioFormat(Encoding.L16_BE if self.byteorder == "big" else Encoding.L16, self.rate_hz)
        return _G711.get(self.codec, L16_16K)

    def pack(self, line: AudioFormat) -> Convert:
        """For one stream: 20 ms of `line`'s audio to a payload. Raises `ConfigurationError` if a library is missing."""
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
        """For one stream: a payload to audio in `format`; it raises ValueError at what is none.

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
"""What is spoken if nothing else is said."""


def unpack_mp3() -> Convert:
    """An MP3 file to its sound at 16 kHz; it raises ValueError at what is none.

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
