"""Encodes what is played to the caller on a Telnyx stream: media, mark and clear, with RTP payloads or MP3 files.

Source: Telnyx, "Media streaming over WebSockets". In mode rtp a message holds 20 ms to 30 s of audio; the core sends
whole frames of 20 ms, at most 200 ms at a time. In mode mp3 a message holds a file, and Telnyx takes one a second.
Audio is bytes in the format `plays`. There is no clock here: `now` is in seconds.
"""

from binascii import b2a_base64
from collections.abc import Callable, Sequence
from typing import assert_never

from msgspec import json

from bridge.carriers.telnyx.settings import TelnyxSettings
from bridge.carriers.telnyx.tracks import swapped
from bridge.vocabulary.commands import CarrierCommand, ClearPlayback, PlayAudio, SendMark
from telecodecs import mp3
from telecodecs.byte_order import ByteOrder
from telecodecs.format import FRAME_MS, L16_16K, PCMA_8K, PCMU_8K, AudioFormat, Encoding
from telecodecs.l16 import l16_decode
from telecodecs.packets import PacketCodec, PacketEncoder, packet_encoder

GATHER_S = 0.5
"""Time from the first audio to its MP3 file. A shorter file would end before the next one may be sent."""

MP3_EVERY_S = 1.1
"""Time from one file to the next. Telnyx counts files when they arrive, and refuses a second one within a second."""

CLEAR = '{"event":"clear"}'


MEDIA_HEAD, MEDIA_TAIL = '{"event":"media","media":{"payload":"', '"}}'
"""What is around the base64 of a payload: see `media`."""


def media(payload: bytes) -> str:
    """Return a media message with this payload."""
    return f"{MEDIA_HEAD}{b2a_base64(payload, newline=False).decode()}{MEDIA_TAIL}"


def mark(name: str) -> str:
    """Return a mark message."""
    return json.encode({"event": "mark", "mark": {"name": name}}).decode()


Payloads = Callable[[bytes], Sequence[bytes]]
"""Splits and encodes audio into payloads, one for each message."""


class RtpPlaying:
    """Mode rtp: every command is sent at once. `plays`: the format of the audio in `PlayAudio`."""

    def __init__(self, plays: AudioFormat, payloads: Payloads) -> None:
        self.plays = plays
        self.is_untouched = payloads is _as_it_is
        """Whether the audio is the one payload of its message, as it is."""
        self._payloads = payloads

    def encode(self, command: CarrierCommand, now: float) -> Sequence[str]:
        """Encode a command as messages."""
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
    """Mode mp3: audio is collected into files. A mark waits for the file that holds the audio before it.

    This mode is for prompts. Marks are sent only behind whole files, and a clear drops what waits here; so the bridge
    knows only to about a second how much an interrupted caller heard.
    `begin` creates a file for a rate in Hz. It is encoded while the audio comes, a few ms at a time: encoding a whole
    file at once would delay every call.
    """

    plays = L16_16K
    is_untouched = False

    def __init__(self, begin: Callable[[int], mp3.Mp3Writer] = mp3.Mp3Writer) -> None:
        self._begin = begin
        self._file: mp3.Mp3Writer | None = None  # the file being collected
        self._marks: list[str] = []  # behind that file
        self._due_at = 0.0  # when that file may be sent
        self._next_at = 0.0  # no file may be sent before this

    def encode(self, command: CarrierCommand, now: float) -> Sequence[str]:
        """Take a command, and return the messages that need not wait."""
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
                self._marks.clear()  # they are dropped: after a clear the core waits for no mark
                return (CLEAR,)
            case _:
                assert_never(command)

    def deadline(self) -> float | None:
        """Return when the next file may be sent, in seconds; None: no file waits."""
        return None if self._file is None else self._due_at

    def due(self, now: float) -> Sequence[str]:
        """Return the file and the marks behind it if it may be sent now."""
        if self._file is None or now < self._due_at:
            return ()
        messages = [media(self._file.finish()), *map(mark, self._marks)]
        self._file = None
        self._marks.clear()
        self._next_at = now + MP3_EVERY_S
        return messages


def playing(settings: TelnyxSettings, order: ByteOrder | None) -> RtpPlaying | Mp3Playing:
    """Create the encoder that the settings ask for.

    `order`: the byte order detected in the caller's L16; None: the settings say it. Raises `CodecMissing` if the codec
    is not installed.
    """
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
    """Encode each frame of 20 ms as a packet in a message of its own."""
    frame = L16_16K.bytes_in(FRAME_MS)
    return lambda audio: [
        encoder.encode(l16_decode(audio[at : at + frame])) for at in range(0, len(audio), frame)
    ]


def _joined(encoder: PacketEncoder) -> Payloads:
    """Encode all frames as packets in one message."""
    packets = _packets(encoder)
    return lambda audio: (b"".join(packets(audio)),)
