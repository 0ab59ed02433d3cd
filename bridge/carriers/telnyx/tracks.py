"""What Telnyx sends of one track: sample by sample, or in packets that only a decoder understands.

Wire: the codec is what `start.media_format` says; one message carries one RTP payload and, as `chunk`, its number on
its track. Messages may come in any order. `timestamp` is not used: its unit is not documented, and the documents' own
example (5 for the second chunk) fits none. Time is counted in the audio that came. Each track counts its own chunks, so
of two tracks the one that comes later begins where the other one is. No clock: `now` is in seconds.
"""

from collections.abc import Mapping, Sequence
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
"""By the codec's name, what its rate may be called. That of a packet codec is a label: they all sound at 16 kHz."""

READABLE = f"{', '.join(_RATES_HZ)} of one channel can"


def line_of(
    encoding: str, rate_hz: int, channels: int, *, big_endian: bool
) -> tuple[AudioFormat, PacketCodec | None] | None:
    """What is heard under this name, and the codec of its packets where it comes in packets; None: it cannot be read."""
    name = encoding.upper()
    two = name == "OPUS" and channels == 2  # so it is always called in SDP (RFC 7587, section 7)
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
    """The same L16 in the other byte order."""
    return l16_encode(l16be_decode(audio))


class SampleTrack:
    """Of a codec that is samples: the bytes pass untouched, and whoever hears them puts them in order.

    A missing message counts as long as the one before it. `order`: swaps the bytes that come in the wrong order.
    """

    def __init__(self, line: AudioFormat, heard: type[Heard], order: ByteOrder | None) -> None:
        self._sample_bytes = line.sample_bytes
        self._ms_bytes = line.bytes_in(1)
        self._heard = heard
        self._order = order
        self._next = 1  # chunk
        self._end = 0  # where it begins, in bytes
        self._length = 0  # of the message before it
        self.beside: Track | None = None
        """The stream's other track, where it has one."""

    @property
    def at_ms(self) -> int:
        """Where the last message began."""
        return (self._end - self._length) // self._ms_bytes

    def feed(self, chunk: int | None, payload: bytes, now: float) -> Sequence[Heard]:
        """One message in, one event out; without a `chunk` it is the next one. Raises `MalformedMessage`."""
        length = len(payload)
        if not length or length % self._sample_bytes:
            raise MalformedMessage(
                f"media: a payload of {length} bytes; whole samples of {self._sample_bytes} would be right"
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
    """Of a codec whose packets are no samples: they are put in order here, and what is lost is concealed."""

    def __init__(self, decoder: PacketDecoder, heard: type[Heard], window_s: float) -> None:
        self._decoder = decoder
        self._heard = heard
        self._order = PacketOrder(window_s)
        self._chunk: int | None = None  # the one that came last
        self._given = 0  # samples, from where the stream began
        self._concealed = 0  # samples
        self._undecodable = 0
        self._packet = decoder.rate_hz // 50  # samples in 20 ms
        self.at_ms = 0
        """As `SampleTrack` has it, and this."""
        self.beside: Track | None = None

    def feed(self, chunk: int | None, payload: bytes, now: float) -> Sequence[Heard]:
        """One message in; what is due now, out. As `SampleTrack` else."""
        if not payload:
            raise MalformedMessage("media: the payload is empty")
        if self._chunk is None:
            self._chunk = 0
            if self.beside is not None:
                self._given = self.beside.at_ms * self._decoder.rate_hz // 1000
        self._chunk = self._chunk + 1 if chunk is None else chunk
        return self._decode(self._order.feed(self._chunk, payload, now))

    def deadline(self) -> float | None:
        """When a missing packet is waited for no longer."""
        return self._order.deadline()

    def due(self, now: float) -> Sequence[Heard]:
        """What waited for a packet that is now given up."""
        return self._decode(self._order.release(now))

    def rest(self) -> Sequence[Heard]:
        """At the end of the stream, all that waited."""
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
        try:
            return self._decoder.decode(packet)
        except ValueError:
            self._undecodable += 1
            return None

    def counts(self) -> dict[str, int]:
        """What was wrong with the packets, by the names under which the bridge counts frames."""
        order = self._order
        return {
            "late": order.late,
            "repeated": order.repeated,
            "holes": order.holes,
            "undecodable": self._undecodable,
            "filled_ms": self._concealed * 1000 // self._decoder.rate_hz,
        }


Track = SampleTrack | PacketTrack
