"""What goes to Telnyx: payloads by codec in mode rtp, and files with their marks in mode mp3."""

import json
from base64 import b64decode
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from bridge.carriers.telnyx.playing import GATHER_S, MP3_EVERY_S, Mp3Playing, RtpPlaying, playing
from bridge.carriers.telnyx.settings import TelnyxSettings
from bridge.vocabulary.commands import CarrierCommand, ClearPlayback, PlayAudio, SendMark
from telecodecs.byte_order import ByteOrder
from telecodecs.format import L16_16K, Samples
from telecodecs.l16 import l16_encode, l16be_encode
from telecodecs.mp3 import Mp3Writer
from telecodecs.packets import PacketCodec, packet_decoder

FRAME = L16_16K.bytes_in(20)
HUM = np.rint(8000 * np.sin(np.arange(3200) * 2 * np.pi * 200 / 16_000)).astype(np.int16)


def as_set(order: ByteOrder | None = None, **settings: Any) -> RtpPlaying | Mp3Playing:
    return playing(TelnyxSettings(**settings), order)


def payloads(way: RtpPlaying | Mp3Playing, audio: bytes) -> list[bytes]:
    messages = [json.loads(message) for message in way.encode(PlayAudio(audio), 0.0)]
    assert all(message.keys() == {"event", "media"} for message in messages)
    return [b64decode(message["media"]["payload"]) for message in messages]


def test_g722_goes_out_in_one_message() -> None:
    (payload,) = payloads(as_set(codec="G722"), l16_encode(HUM))
    assert len(payload) == 10 * 160


def test_the_g722_coder_lives_as_long_as_the_stream() -> None:
    way, at_once = as_set(codec="G722"), as_set(codec="G722")
    audio = l16_encode(HUM)
    halves = payloads(way, audio[: len(audio) // 2])
    way.encode(ClearPlayback(0), 0.0)
    halves += payloads(way, audio[len(audio) // 2 :])
    assert b"".join(halves) == b"".join(payloads(at_once, audio))


def test_an_opus_packet_has_a_message_to_itself() -> None:
    decoder = packet_decoder(PacketCodec.OPUS)
    sent = payloads(as_set(codec="OPUS"), l16_encode(HUM))
    assert [len(decoder.decode(payload)) for payload in sent] == [320] * 10


def test_l16_follows_the_byte_order_that_was_measured() -> None:
    order, audio = ByteOrder(16_000), l16_encode(HUM)
    way = as_set(order, codec="L16", l16_byteorder="auto")
    assert payloads(way, audio) == [audio]
    order.feed(l16be_encode(np.tile(HUM, 10)))
    assert payloads(way, audio) == [l16be_encode(HUM)]


def test_l16_is_little_endian_where_nothing_can_be_measured() -> None:
    assert payloads(as_set(codec="L16", l16_byteorder="auto"), b"\x01\x02") == [b"\x01\x02"]


def test_an_mp3_file_goes_out() -> None:
    way = as_set(mode="mp3")
    assert isinstance(way, Mp3Playing)
    way.encode(PlayAudio(l16_encode(np.tile(HUM, 5))), 0.0)
    (message,) = way.due(GATHER_S)
    file = b64decode(json.loads(message)["media"]["payload"])
    assert file.startswith((b"ID3", b"\xff\xf3", b"\xff\xf2"))  # a tag, or the sync word of MPEG-2 layer III


# Files and marks, in time: rows of (when, what is commanded), then what goes out when


def frames(*sounds: int) -> PlayAudio:
    return PlayAudio(b"".join(bytes([sound, 0]) * (FRAME // 2) for sound in sounds))


class Told(Mp3Writer):
    """A file that tells which frames are in it."""

    def __init__(self, rate_hz: int) -> None:
        assert rate_hz == 16_000
        self._told = b""

    def feed(self, samples: Samples) -> None:
        self._told += samples[:: FRAME // 2].astype(np.uint8).tobytes()

    def finish(self) -> bytes:
        return self._told

    def discard(self) -> None:
        self._told = b""


def transcript(*came: tuple[float, CarrierCommand]) -> list[tuple[float, object]]:
    way = Mp3Playing(Told)
    sent: list[tuple[float, object]] = []

    def note(now: float, messages: Sequence[object]) -> None:
        for message in messages:
            assert isinstance(message, str)
            match json.loads(message):
                case {"event": "media", "media": {"payload": str(file)}}:
                    sent.append((round(now, 6), list(b64decode(file))))
                case {"event": "mark", "mark": {"name": str(name)}}:
                    sent.append((round(now, 6), name))
                case other:
                    sent.append((round(now, 6), other))

    def wait(until: float) -> None:
        while (due := way.deadline()) is not None and due <= until:
            assert not way.due(due - 0.001)
            note(due, way.due(due))

    for now, command in came:
        wait(now)
        note(now, way.encode(command, now))
    wait(1000.0)
    assert not way.due(1000.0)
    return sent


CLEARED = {"event": "clear"}
SECOND_AT = GATHER_S + MP3_EVERY_S

TRANSCRIPTS: list[tuple[list[tuple[float, CarrierCommand]], list[tuple[float, object]]]] = [
    # a prompt that comes at once is one file
    ([(0.0, frames(1, 2)), (0.0, frames(3)), (0.0, SendMark("a"))], [(GATHER_S, [1, 2, 3]), (GATHER_S, "a")]),
    # marks within it wait for it, and keep their order
    (
        [(0.0, frames(1)), (0.0, SendMark("a")), (0.25, frames(2)), (0.25, SendMark("b"))],
        [(GATHER_S, [1, 2]), (GATHER_S, "a"), (GATHER_S, "b")],
    ),
    # a mark with no audio to wait for goes at once
    ([(0.0, SendMark("a"))], [(0.0, "a")]),
    ([(0.0, frames(1)), (0.75, SendMark("a"))], [(GATHER_S, [1]), (0.75, "a")]),
    # one file a second, however much comes
    (
        [(0.0, frames(1)), (0.75, frames(2)), (1.0, frames(3)), (1.0, SendMark("a"))],
        [(GATHER_S, [1]), (SECOND_AT, [2, 3]), (SECOND_AT, "a")],
    ),
    # after a while it is as at first
    ([(0.0, frames(1)), (5.0, frames(2))], [(GATHER_S, [1]), (5.0 + GATHER_S, [2])]),
    # a clear throws away what is gathered and the marks behind it
    (
        [(0.0, frames(1)), (0.0, SendMark("a")), (0.25, ClearPlayback(320)), (0.25, SendMark("b"))],
        [(0.25, CLEARED), (0.25, "b")],
    ),
    # and does not set the clock of the files back
    (
        [(0.0, frames(1)), (0.75, frames(2)), (1.0, ClearPlayback(320)), (1.0, frames(3))],
        [(GATHER_S, [1]), (1.0, CLEARED), (SECOND_AT, [3])],
    ),
]


@pytest.mark.parametrize(("came", "sent"), TRANSCRIPTS)
def test_files_go_out_in_time(
    came: list[tuple[float, CarrierCommand]], sent: list[tuple[float, object]]
) -> None:
    assert transcript(*came) == sent


def test_nothing_is_lost_between_files() -> None:
    came = [(place / 50, frames(place % 256)) for place in range(500)]
    files = [file for _, file in transcript(*came) if isinstance(file, list)]
    assert [sound for file in files for sound in file] == [place % 256 for place in range(500)]
