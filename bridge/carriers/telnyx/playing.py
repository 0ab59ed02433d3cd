"""What is played to the caller, as Telnyx takes it: media, mark and clear, in RTP payloads or in MP3 files.

Wire: Telnyx, "Media streaming over WebSockets". In mode rtp a message holds 20 ms to 30 s of audio; the core's
pieces are whole frames of 20 ms, 200 ms at most. In mode mp3 a message is a file, and there may be one a second.
Units: bytes of `plays`. No clock: `now` is in seconds.
"""

from binascii import b2a_base64
from collections.abc import Callable, Sequence
from typing import assert_never

from msgspec import json

from bridge.carriers.telnyx.settings import TelnyxSettings
from bridge.carriers.telnyx.tracks import swapped
from bridge.vocabulary.commands import CarrierCommand, ClearPlayback, PlayAudio, SendMark
from bridge.vocabulary.contracts import Answer
from telecodecs import mp3
from telecodecs.byte_order import ByteOrder
from telecodecs.format import FRAME_MS, L16_16K, PCMA_8K, PCMU_8K, AudioFormat, Encoding
from telecodecs.l16 import l16_decode
from telecodecs.packets import PacketCodec, PacketEncoder, packet_encoder

GATHER_S = 0.5
"""From the first audio to its MP3 file. With less in it the caller would wait for the next file in silence."""

MP3_EVERY_S = 1.1
"""From one file to the next. Telnyx counts them where they arrive, and refuses the second of one second."""

CLEAR = '{"event":"clear"}'


def media(payload: bytes) -> str:
    """A media message."""
    return f'{{"event":"media","media":{{"payload":"{b2a_base64(payload, newline=False).decode()}"}}}}'


def mark(name: str) -> str:
    """A mark message."""
    return json.encode({"event": "mark", "mark": {"name": name}}).decode()


Payloads = Callable[[bytes], Sequence[bytes]]
"""From audio to what goes into one message each."""


class RtpPlaying:
    """Mode rtp: everything goes out at once. `plays`: the format of the audio that it is given."""

    def __init__(self, plays: AudioFormat, payloads: Payloads) -> None:
        self.plays = plays
        self._payloads = payloads

    def encode(self, command: CarrierCommand, now: float) -> Sequence[str]:
        """The messages that carry this command."""
        match command:
            case PlayAudio(audio):
                return [media(payload) for payload in self._payloads(audio)]
            case SendMark(name):
                return (mark(name),)
            case ClearPlayback():
                return (CLEAR,)
            case _:
                assert_never(command)


class Mp3Playing:
    """Mode mp3: audio is gathered into files; a mark waits for the file that holds the audio before it.

    For prompts: how much of a file an interrupted caller heard is known to a second or so, for marks come only behind
    whole files, and a clear overtakes what waits here.
    `begin` makes a file. It is coded as the audio comes, a few ms at a time: a whole one would hold up every call.
    """

    plays = L16_16K

    def __init__(self, begin: Callable[[int], mp3.Mp3Writer] = mp3.Mp3Writer) -> None:
        self._begin = begin
        self._file: mp3.Mp3Writer | None = None  # what is gathered
        self._marks: list[str] = []  # behind what is gathered
        self._due_at = 0.0  # of what is gathered
        self._next_at = 0.0  # no file before

    def encode(self, command: CarrierCommand, now: float) -> Sequence[str]:
        """The messages, none or more, that need not wait."""
        match command:
            case PlayAudio(audio):
                if self._file is None:
                    self._file = self._begin(self.plays.rate_hz)
                    self._due_at = max(self._next_at, now + GATHER_S)
                self._file.feed(l16_decode(audio))
                return ()
            case SendMark(name) if self._file is not None:
                self._marks.append(name)
                return ()
            case SendMark(name):
                return (mark(name),)
            case ClearPlayback():
                if self._file is not None:
                    self._file.discard()
                    self._file = None
                self._marks.clear()  # never sent, never returned: whoever clears waits for none of them
                return (CLEAR,)
            case _:
                assert_never(command)

    def deadline(self) -> float | None:
        """When the next file may go."""
        return None if self._file is None else self._due_at

    def due(self, now: float) -> Sequence[Answer]:
        """The file and the marks behind it."""
        if self._file is None or now < self._due_at:
            return ()
        messages = [media(self._file.finish()), *map(mark, self._marks)]
        self._file = None
        self._marks.clear()
        self._next_at = now + MP3_EVERY_S
        return list(map(Answer, messages))


def playing(settings: TelnyxSettings, order: ByteOrder | None) -> RtpPlaying | Mp3Playing:
    """As the settings say. `order`: what is measured of the caller's L16, if it is. Raises `CodecMissing`."""
    if settings.mode == "mp3":
        mp3.check_installed()
        return Mp3Playing()
    match settings.codec:
        case "PCMU":
            return RtpPlaying(PCMU_8K, _as_it_is)
        case "PCMA":
            return RtpPlaying(PCMA_8K, _as_it_is)
        case "L16":
            big = settings.l16_byteorder == "big"
            plays = AudioFormat(Encoding.L16_BE if big else Encoding.L16, settings.rate_hz)
            return RtpPlaying(plays, _as_it_is if order is None else _in_order(order))
        case "G722":
            return RtpPlaying(L16_16K, _joined(packet_encoder(PacketCodec.G722)))
        case "OPUS":
            return RtpPlaying(L16_16K, _packets(packet_encoder(PacketCodec.OPUS)))
        case _:
            assert_never(settings.codec)


def _as_it_is(audio: bytes) -> Sequence[bytes]:
    return (audio,)


def _in_order(order: ByteOrder) -> Payloads:
    return lambda audio: (swapped(audio) if order.big else audio,)


def _packets(encoder: PacketEncoder) -> Payloads:
    """One packet to a message."""
    frame = L16_16K.bytes_in(FRAME_MS)
    return lambda audio: [
        encoder.encode(l16_decode(audio[at : at + frame])) for at in range(0, len(audio), frame)
    ]


def _joined(encoder: PacketEncoder) -> Payloads:
    """All in one message."""
    packets = _packets(encoder)
    return lambda audio: (b"".join(packets(audio)),)
