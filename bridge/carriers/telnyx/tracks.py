"""Decodes the media of one track of a Telnyx stream: samples, or packets of a codec.

Source: Telnyx, "Media streaming over WebSockets". `start.media_format` names the codec. One message carries one RTP
payload and, as `chunk`, its number on its track; messages may come in any order. `timestamp` is not used: its unit is
not documented, and the example in the documents (5 for the second chunk) fits no unit. The position is counted from
the audio that came. Each track counts its own chunks, so the track that comes later begins at the position of the
other. There is no clock here: `now` is in seconds.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from math import inf

from bridge.vocabulary.errors import MalformedMessage
from bridge.vocabulary.events import CallerAudio, OtherPartyAudio
from telecodecs.byte_order import ByteOrder
from telecodecs.format import L16_16K, AudioFormat, Encoding, Samples
from telecodecs.l16 import l16_encode, l16be_decode
from telecodecs.packet_order import PacketOrder
from telecodecs.packets import PacketCodec, PacketDecoder

Heard = CallerAudio | OtherPartyAudio

_RATES_HZ: Mapping[str, tuple[int, ...]] = {
    "PCMU": (8_000,),
    "PCMA": (8_000,),
    "L16": (8_000, 16_000, 24_000, 48_000),
    "G722": (8_000, 16_000),
    "OPUS": (8_000, 16_000, 24_000, 48_000),
    "AMR-WB": (8_000, 16_000),
}
"""The rates that each codec may be announced with. Packet codecs are all decoded to 16 kHz, whatever the rate says."""

LONGEST_MS = 1_000
"""The most audio in one message; Telnyx sends 20 ms. Longer audio would move the position past what comes next."""

LONGEST_PACKET_BYTES = 8_000
"""A second of G.722; no other codec that comes in packets needs as many bytes."""

READABLE = f"{', '.join(_RATES_HZ)} of one channel"


def line_of(
    encoding: str, rate_hz: int, channels: int, *, big_endian: bool
) -> tuple[AudioFormat, PacketCodec | None] | None:
    """Return the format of the audio, and its codec if it comes in packets; None if it cannot be decoded."""
    name = encoding.upper()
    two = name == "OPUS" and channels == 2  # Opus is always announced with 2 channels (RFC 7587, section 7)
    if rate_hz not in _RATES_HZ.get(name, ()) or not (channels == 1 or two):
        return None
    match name:
        case "PCMU" | "PCMA":
            return AudioFormat(Encoding(name.lower()), rate_hz), None
        case "L16":
            return AudioFormat(Encoding.L16_BE if big_endian else Encoding.L16, rate_hz), None
        case _:
            return L16_16K, PacketCodec(name.lower())


def swapped(audio: bytes) -> bytes:
    """Return L16 audio with its bytes swapped to the other order."""
    return l16_encode(l16be_decode(audio))


class SampleTrack:
    """A track of a codec without packets: the bytes are not changed, and the core sorts the frames.

    A missing message is counted with the length of the one before it. `order`: detects the byte order of L16; bytes
    that come big-endian are swapped.
    """

    def __init__(self, line: AudioFormat, heard: type[Heard], order: ByteOrder | None) -> None:
        self._sample_bytes = line.sample_bytes
        self._ms_bytes = line.bytes_in(1)
        self._longest = line.bytes_in(LONGEST_MS)
        self._heard = heard
        self._order = order
        self._next = 1  # chunk
        self._end = 0  # where the next one begins, in bytes
        self._length = 0  # of the message before it
        self.beside: Track | None = None
        """The other track of the stream; None if there is none."""

    @property
    def at_ms(self) -> int:
        """Where the last message began, in ms from the start of the stream."""
        return (self._end - self._length) // self._ms_bytes

    def feed(self, chunk: int | None, payload: bytes, now: float) -> Sequence[Heard]:
        """Decode one message into one event. A message without `chunk` follows the one before it.

        Raises `MalformedMessage` if the payload is not whole samples, or longer than `LONGEST_MS`.
        """
        length = len(payload)
        if length > self._longest:
            raise MalformedMessage(
                f"media: {length // self._ms_bytes} ms of audio: expected at most {LONGEST_MS} ms"
            )
        if not length or length % self._sample_bytes:
            raise MalformedMessage(
                f"media: a payload of {length} bytes: expected whole samples of {self._sample_bytes} bytes"
            )
        if not self._length and self.beside is not None:
            self._end = self.beside.at_ms * self._ms_bytes
            self._next = self._next if chunk is None else chunk
        ahead = 0 if chunk is None else chunk - self._next
        at = self._end + ahead * (self._length or length)
        if ahead >= 0:
            self._next += ahead + 1
            self._end = at + length
            self._length = length
        if self._order is not None:
            self._order.feed(payload)
            if self._order.big:
                payload = swapped(payload)
        return (self._heard(payload, at // self._ms_bytes),)


class PacketTrack:
    """A track of a codec with packets: they are sorted and decoded here, and lost packets are concealed."""

    def __init__(self, decoder: PacketDecoder, heard: type[Heard], window_s: float) -> None:
        self._decoder = decoder
        self._heard = heard
        self._order = PacketOrder(window_s)
        self._chunk: int | None = None  # of the packet that came last
        self._given = 0  # samples, from the start of the stream
        self._concealed = 0  # samples
        self._undecodable = 0
        self._packet = decoder.rate_hz // 50  # samples in 20 ms
        self.at_ms = 0
        """Where the last packet began, in ms from the start of the stream."""
        self.beside: Track | None = None
        """The other track of the stream; None if there is none."""

    def feed(self, chunk: int | None, payload: bytes, now: float) -> Sequence[Heard]:
        """Take one message, and return the audio that is due now. A message without `chunk` follows the one before it.

        Raises `MalformedMessage` if the payload is empty or too long. A packet that is found to be longer than
        `LONGEST_MS` when it is decoded is counted as undecodable.
        """
        if not payload:
            raise MalformedMessage("media: the payload is empty: expected a packet")
        if len(payload) > LONGEST_PACKET_BYTES:
            raise MalformedMessage(
                f"media: a packet of {len(payload)} bytes: expected at most {LONGEST_PACKET_BYTES}"
            )
        if self._chunk is None:
            self._chunk = 0
            if self.beside is not None:
                self._given = self.beside.at_ms * self._decoder.rate_hz // 1000
        self._chunk = self._chunk + 1 if chunk is None else chunk
        return self._decode(self._order.feed(self._chunk, payload, now))

    def deadline(self) -> float | None:
        """Return when to stop waiting for a missing packet, in seconds; None: no packet is missing."""
        return self._order.deadline()

    def due(self, now: float) -> Sequence[Heard]:
        """Return the audio of packets that have waited long enough for a missing one."""
        return self._decode(self._order.release(now))

    def rest(self) -> Sequence[Heard]:
        """Return the audio of all packets that still wait, at the end of the stream."""
        return self._decode(self._order.release(inf))

    def _decode(self, packets: Sequence[bytes | None]) -> Sequence[Heard]:
        heard: list[Heard] = []
        for packet in packets:
            samples = None if packet is None else self._samples(packet)
            if samples is None:
                samples = self._decoder.conceal()
                self._concealed += len(samples)
            at = self._given + self._order.skipped * self._packet
            self.at_ms = at * 1000 // self._decoder.rate_hz
            self._given += len(samples)
            heard.append(self._heard(l16_encode(samples), self.at_ms))
        return heard

    def _samples(self, packet: bytes) -> Samples | None:
        with suppress(ValueError):
            samples = self._decoder.decode(packet)
            if len(samples) <= self._decoder.rate_hz * LONGEST_MS // 1000:
                return samples
        self._undecodable += 1
        return None

    def counts(self) -> dict[str, int]:
        """Return what was wrong with the packets, by the names that the bridge uses for frames; `filled_ms` in ms."""
        order = self._order
        return {
            "late": order.late,
            "repeated": order.repeated,
            "holes": order.holes,
            "undecodable": self._undecodable,
            "filled_ms": self._concealed * 1000 // self._decoder.rate_hz,
        }


Track = SampleTrack | PacketTrack
