"""Media of one track: where a chunk lies in time, and packets put in order and decoded."""

import numpy as np
import pytest

from bridge.carriers.telnyx.tracks import PacketTrack, SampleTrack, swapped
from bridge.core.media import Uplink
from bridge.vocabulary.errors import MalformedMessage
from bridge.vocabulary.events import CallerAudio, OtherPartyAudio
from telecodecs.byte_order import ByteOrder
from telecodecs.format import L16_16K, PCMU_8K, AudioFormat, Encoding, Samples
from telecodecs.l16 import l16_encode, l16be_encode

SPACED: list[tuple[AudioFormat, list[tuple[int | None, int, int]]]] = [  # chunk, bytes, at ms
    (PCMU_8K, [(1, 160, 0), (2, 160, 20), (3, 160, 40)]),
    (PCMU_8K, [(3, 160, 40), (1, 160, 0), (2, 160, 20), (4, 160, 60)]),  # any order
    (PCMU_8K, [(1, 160, 0), (1, 160, 0), (2, 160, 20), (2, 160, 20)]),  # repeated
    (PCMU_8K, [(1, 160, 0), (5, 160, 80), (6, 160, 100)]),  # a hole
    (PCMU_8K, [(101, 160, 2000), (102, 160, 2020)]),  # it need not begin with 1
    (PCMU_8K, [(0, 160, -20), (1, 160, 0)]),
    (PCMU_8K, [(None, 160, 0), (None, 160, 20), (None, 160, 40)]),  # no numbers: counted
    (PCMU_8K, [(1, 80, 0), (2, 160, 10), (3, 160, 30), (5, 160, 70)]),  # a short one
    (PCMU_8K, [(1, 100, 0), (2, 100, 12), (3, 100, 25), (4, 100, 37)]),  # no whole milliseconds
    (L16_16K, [(1, 640, 0), (2, 640, 20), (4, 640, 60)]),
    (AudioFormat(Encoding.L16_BE, 8_000), [(1, 320, 0), (2, 320, 20)]),
    (AudioFormat(Encoding.L16, 48_000), [(7, 1920, 120), (8, 1920, 140)]),
]


@pytest.mark.parametrize(("line", "rows"), SPACED)
def test_a_chunk_lies_where_its_number_says(
    line: AudioFormat, rows: list[tuple[int | None, int, int]]
) -> None:
    track = SampleTrack(line, CallerAudio, None)
    for chunk, length, at_ms in rows:
        audio = bytes(length)
        (heard,) = track.feed(chunk, audio, 0.0)
        assert heard == CallerAudio(audio, at_ms)
        assert heard.audio is audio


def test_of_two_tracks_the_later_begins_where_the_other_is() -> None:
    """Whatever its chunks are counted from."""
    inbound = SampleTrack(PCMU_8K, CallerAudio, None)
    outbound = SampleTrack(PCMU_8K, OtherPartyAudio, None)
    inbound.beside, outbound.beside = outbound, inbound
    frame = bytes(160)
    assert [outbound.feed(chunk, frame, 0.0)[0].at_ms for chunk in (7, 8, 9)] == [0, 20, 40]
    assert [inbound.feed(chunk, frame, 0.0)[0].at_ms for chunk in (1, 3, 2)] == [40, 80, 60]
    assert outbound.feed(10, frame, 0.0)[0].at_ms == 60


@pytest.mark.parametrize(("line", "length"), [(PCMU_8K, 0), (L16_16K, 0), (L16_16K, 639), (L16_16K, 1)])
def test_half_a_sample_costs_its_message_only(line: AudioFormat, length: int) -> None:
    track = SampleTrack(line, CallerAudio, None)
    frame = line.silence * 160
    assert len(track.feed(1, frame, 0.0)) == 1
    with pytest.raises(MalformedMessage, match=f"media: a payload of {length} bytes: expected whole samples"):
        track.feed(2, bytes(length), 0.02)
    (heard,) = track.feed(3, frame, 0.04)
    assert heard.at_ms == 2 * line.duration_ms(len(frame))


def test_what_came_in_any_order_is_heard_in_the_right_one() -> None:
    track, uplink = SampleTrack(PCMU_8K, CallerAudio, None), Uplink(PCMU_8K, 100)
    frames = [bytes([number]) * 160 for number in range(8)]
    given = uplink.open(PCMU_8K)
    for number in (0, 2, 1, 1, 3, 5, 6, 7):  # 4 is lost
        (heard,) = track.feed(number + 1, frames[number], 0.0)
        given += uplink.convert(uplink.order(heard.audio, heard.at_ms))
    given += uplink.convert(uplink.release())
    assert given == [*frames[:4], b"\xff" * 160, *frames[5:]]
    assert {name: count for name, count in uplink.counts().items() if count} == {
        "repeated": 1,
        "holes": 1,
        "filled_ms": 20,
    }


def hum(samples: int = 320) -> Samples:
    wave: Samples = np.rint(8000 * np.sin(np.arange(samples) * 2 * np.pi * 200 / 16_000)).astype(np.int16)
    return wave


def test_samples_in_the_wrong_order_are_swapped_once_that_was_measured() -> None:
    track = SampleTrack(L16_16K, CallerAudio, ByteOrder(16_000))
    heard = [track.feed(chunk, l16be_encode(hum()), 0.0)[0].audio for chunk in range(1, 51)]
    assert heard[-1] == l16_encode(hum())


def test_samples_in_the_right_order_are_left_alone() -> None:
    track = SampleTrack(L16_16K, CallerAudio, ByteOrder(16_000))
    audio = l16_encode(hum())
    assert all(track.feed(chunk, audio, 0.0)[0].audio is audio for chunk in range(1, 51))


def test_swapped_twice_is_as_before() -> None:
    assert swapped(b"\x01\x02\x03\x04") == b"\x02\x01\x04\x03"
    assert swapped(swapped(b"\x01\x02\x03\x04")) == b"\x01\x02\x03\x04"


class Numbered:
    """A decoder whose packets are one byte, and sound like it; 0 is none."""

    rate_hz = 16_000

    def decode(self, packet: bytes) -> Samples:
        if packet == b"\0":
            raise ValueError("it is 0")
        return np.full(320, packet[0], np.int16)

    def conceal(self) -> Samples:
        return np.zeros(320, np.int16)


def packets(*came: tuple[float, int | None, int]) -> tuple[list[tuple[float, int, int]], dict[str, int]]:
    """(when, chunk, packet) in; (when, sound, at ms) out, and what was counted. `due` is called at each deadline."""
    track = PacketTrack(Numbered(), OtherPartyAudio, 0.1)
    heard: list[tuple[float, int, int]] = []

    def note(now: float, *events: object) -> None:
        for event in events:
            assert isinstance(event, OtherPartyAudio)
            assert len(event.audio) == 640
            heard.append((round(now, 6), event.audio[0], event.at_ms))

    for now, chunk, packet in came:
        while (due := track.deadline()) is not None and due <= now:
            note(due, *track.due(due))
        note(now, *track.feed(chunk, bytes([packet]), now))
    while (due := track.deadline()) is not None:
        note(due, *track.due(due))
    return heard, {name: count for name, count in track.counts().items() if count}


def test_packets_in_order_leave_at_once() -> None:
    assert packets((0.0, 1, 1), (0.02, 2, 2), (0.04, 3, 3)) == (
        [(0.0, 1, 0), (0.02, 2, 20), (0.04, 3, 40)],
        {},
    )


def test_packets_are_decoded_in_the_order_of_their_numbers() -> None:
    assert packets((0.0, 7, 1), (0.02, 9, 3), (0.03, 8, 2), (0.06, 10, 4)) == (
        [(0.0, 1, 0), (0.03, 2, 20), (0.03, 3, 40), (0.06, 4, 60)],
        {},
    )


def test_a_packet_that_is_waited_for_too_long_is_concealed() -> None:
    heard, counts = packets((0.0, 1, 1), (0.02, 3, 3), (0.04, 4, 4), (0.5, 2, 2), (0.5, 5, 5))
    assert heard == [(0.0, 1, 0), (0.12, 0, 20), (0.12, 3, 40), (0.12, 4, 60), (0.5, 5, 80)]
    assert counts == {"holes": 1, "late": 1, "filled_ms": 20}


def test_a_packet_that_cannot_be_decoded_is_concealed_and_counted() -> None:
    heard, counts = packets((0.0, 1, 1), (0.02, 2, 0), (0.04, 3, 3))
    assert heard == [(0.0, 1, 0), (0.02, 0, 20), (0.04, 3, 40)]
    assert counts == {"undecodable": 1, "filled_ms": 20}


def test_a_hole_of_seconds_is_not_concealed_but_keeps_its_length() -> None:
    heard, counts = packets((0.0, 1, 1), (5.02, 252, 2), (5.04, 253, 3))
    assert heard == [(0.0, 1, 0), (5.12, 2, 5020), (5.12, 3, 5040)]
    assert counts == {}


def test_packets_without_numbers_are_counted() -> None:
    assert packets((0.0, None, 1), (0.02, None, 2)) == ([(0.0, 1, 0), (0.02, 2, 20)], {})


def test_an_empty_packet_costs_its_message_only() -> None:
    track = PacketTrack(Numbered(), CallerAudio, 0.1)
    with pytest.raises(MalformedMessage, match="empty"):
        track.feed(1, b"", 0.0)
    assert len(track.feed(1, b"\x01", 0.0)) == 1


@pytest.mark.parametrize(
    "line",
    [
        PCMU_8K,
        AudioFormat(Encoding.PCMA, 8_000),
        L16_16K,
        *(AudioFormat(Encoding.L16, hz) for hz in (8_000, 24_000, 48_000)),
    ],
    ids=str,
)
def test_more_than_a_second_of_audio_in_one_message_is_refused(line: AudioFormat) -> None:
    """What comes behind it keeps its place."""
    track = SampleTrack(line, CallerAudio, None)
    frame = bytes(line.bytes_in(20))
    assert [one.at_ms for one in track.feed(1, frame, 0.0)] == [0]
    for ms in (6_000, 1_001):
        with pytest.raises(MalformedMessage, match=f"media: {ms} ms of audio: expected at most 1000 ms"):
            track.feed(2, bytes(line.bytes_in(ms)), 0.0)
    assert [one.at_ms for one in track.feed(3, frame, 0.0)] == [40]
    assert len(track.feed(4, bytes(line.bytes_in(1_000)), 0.0)) == 1


@pytest.mark.parametrize(("seconds", "undecodable"), [(1.0, 0), (1.1, 1), (6.0, 1)])
def test_a_packet_that_holds_more_than_a_second_is_concealed(seconds: float, undecodable: int) -> None:
    track = PacketTrack(Long(seconds), CallerAudio, 0.1)
    (heard,) = track.feed(1, b"x", 0.0)
    assert len(heard.audio) == (640 if undecodable else 32_000)
    assert track.counts()["undecodable"] == undecodable


class Long:
    """A codec whose packets each hold so many seconds."""

    rate_hz = 16_000

    def __init__(self, seconds: float) -> None:
        self._samples = round(seconds * self.rate_hz)

    def decode(self, packet: bytes) -> Samples:
        return np.zeros(self._samples, np.int16)

    def conceal(self) -> Samples:
        return np.zeros(320, np.int16)


def test_a_packet_that_is_too_long_is_not_decoded() -> None:
    track = PacketTrack(Long(0.02), CallerAudio, 0.1)
    with pytest.raises(MalformedMessage, match="media: a packet of 8001 bytes: expected at most 8000"):
        track.feed(1, bytes(8_001), 0.0)
    assert len(track.feed(1, bytes(8_000), 0.0)) == 1
