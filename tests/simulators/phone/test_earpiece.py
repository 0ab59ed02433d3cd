"""The playout buffer and what the caller hears, second by second; no sockets, no clock."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.simulators.phone.earpiece import Cleared, Earpiece, MarkReturned
from telecodecs.codec import decoder, encoder
from telecodecs.format import L16_16K, PCMA_8K, PCMU_8K, AudioFormat

START = 1_000_000.25  # a machine that is up for days: the coarsest float the clock gives
QUIET = PCMU_8K.silence


def speech(ms: int) -> bytes:
    return b"\x20" * PCMU_8K.bytes_in(ms)


def silence(ms: int) -> bytes:
    return QUIET * PCMU_8K.bytes_in(ms)


def earpiece() -> Earpiece:
    return Earpiece(PCMU_8K, START)


def test_audio_plays_when_it_comes_and_silence_before_and_after() -> None:
    buffer = earpiece()
    buffer.play(speech(100), START + 0.2)
    buffer.advance(START + 0.5)
    assert buffer.heard == silence(200) + speech(100) + silence(200)


def test_pieces_play_one_after_another_however_fast_they_came() -> None:
    buffer = earpiece()
    buffer.play(b"a" * 800, START)
    buffer.play(b"b" * 800, START)
    buffer.advance(START + 0.15)
    assert buffer.heard == b"a" * 800 + b"b" * 400


def test_a_mark_comes_back_when_all_before_it_was_played() -> None:
    buffer = earpiece()
    buffer.play(speech(200), START)
    assert buffer.mark("one", START) == []
    buffer.play(speech(100), START + 0.1)
    assert buffer.mark("two", START + 0.1) == []
    assert buffer.deadline() == pytest.approx(START + 0.2)
    assert buffer.advance(START + 0.199) == []
    assert buffer.advance(START + 0.2) == ["one"]
    assert buffer.deadline() == pytest.approx(START + 0.3)
    assert buffer.advance(START + 1.0) == ["two"]
    assert buffer.deadline() is None
    assert buffer.marks == [MarkReturned("one", 200, cleared=False), MarkReturned("two", 300, cleared=False)]


def test_a_mark_on_an_empty_buffer_comes_back_at_once() -> None:
    buffer = earpiece()
    assert buffer.mark("first", START) == ["first"]
    buffer.play(speech(20), START)
    assert buffer.mark("second", START) == []
    assert buffer.mark("third", START + 0.02) == ["second", "third"]


def test_a_clear_drops_what_is_not_played_and_returns_every_mark() -> None:
    buffer = earpiece()
    buffer.play(speech(1000), START)
    buffer.mark("a", START)
    buffer.play(speech(1000), START)
    buffer.mark("b", START)
    assert buffer.clear(START + 0.25) == ["a", "b"]
    buffer.play(b"n" * 800, START + 0.5)
    buffer.advance(START + 0.6)
    assert buffer.heard == speech(250) + silence(250) + b"n" * 800
    assert buffer.clears == [Cleared(at_ms=250, dropped_ms=1750)]
    assert buffer.marks == [MarkReturned("a", 250, cleared=True), MarkReturned("b", 250, cleared=True)]


def test_a_clear_of_an_empty_buffer_is_recorded_and_changes_nothing() -> None:
    buffer = earpiece()
    assert buffer.clear(START + 0.1) == []
    assert buffer.clears == [Cleared(at_ms=100, dropped_ms=0)]


def test_sounds_end_with_the_last_sound_and_not_with_the_buffered_silence() -> None:
    buffer = earpiece()
    assert buffer.sounds_until == START
    buffer.play(speech(100) + silence(400), START)
    buffer.play(silence(1000), START)
    assert buffer.sounds_until == pytest.approx(START + 0.1)
    buffer.play(speech(100), START)
    assert buffer.sounds_until == pytest.approx(START + 1.6)
    buffer.clear(START + 0.05)
    assert buffer.sounds_until == pytest.approx(START + 0.05)


def test_near_silence_from_a_codec_is_not_sound() -> None:
    buffer = Earpiece(L16_16K, START)
    loud, hush = b"\x00\x02" * 1600, b"\x20\x00\xe0\xff" * 800
    buffer.play(loud + hush * 5, START)
    buffer.play(hush, START)
    assert buffer.sounds_until == pytest.approx(START + 0.1)
    buffer.play(loud, START)
    assert buffer.sounds_until == pytest.approx(START + 0.8)


@pytest.mark.parametrize(("plays", "other"), [(PCMU_8K, PCMA_8K), (PCMA_8K, PCMU_8K)])
def test_near_silence_from_transcoding_is_not_sound(plays: AudioFormat, other: AudioFormat) -> None:
    buffer = Earpiece(plays, START)
    hush = encoder(plays)(decoder(other)(other.silence * 800))
    buffer.play(speech(100) + hush, START)
    buffer.play(hush, START)
    assert buffer.sounds_until == pytest.approx(START + 0.1)


def test_a_broken_stream_loses_the_audio_that_is_not_played() -> None:
    buffer = earpiece()
    buffer.play(speech(1000), START)
    buffer.mark("end", START)
    buffer.cut(START + 0.25)
    assert buffer.mark("anew", START + 0.5) == ["anew"]
    assert buffer.heard == speech(250) + silence(250)
    assert buffer.deadline() is None
    assert buffer.clears == [], "nobody asked for it"
    assert [mark.name for mark in buffer.marks] == ["anew"]


def test_positions_are_samples_in_formats_with_more_bytes() -> None:
    buffer = Earpiece(L16_16K, START)
    buffer.play(b"\x01\x02" * 1600, START + 0.1)
    assert buffer.mark("end", START + 0.1) == []
    assert buffer.advance(START + 0.2) == ["end"]
    assert buffer.heard == bytes(3200) + b"\x01\x02" * 1600


def test_ten_minutes_of_frames_do_not_drift() -> None:
    buffer = earpiece()
    frames = 30_000
    for index in range(frames):
        buffer.play(speech(20), START + index * 0.02)
    assert buffer.mark("end", START + (frames - 1) * 0.02) == []
    assert buffer.advance(START + frames * 0.02) == ["end"]
    assert buffer.heard == speech(20 * frames)


@given(
    st.lists(
        st.tuples(
            st.integers(0, 3_000),  # samples that pass before it
            st.one_of(
                st.integers(0, 4_000).map(lambda samples: b"\x20" * samples),
                st.just("mark"),
                st.just("clear"),
            ),
        ),
        max_size=40,
    )
)
def test_the_track_is_as_long_as_the_call_and_marks_come_back_once_and_in_order(
    doings: list[tuple[int, bytes | str]],
) -> None:
    buffer = earpiece()
    asked: list[str] = []
    returned: list[str] = []
    samples = 0
    for passed, what in doings:
        samples += passed
        now = START + samples / 8000
        if isinstance(what, bytes):
            buffer.play(what, now)
        elif what == "clear":
            returned += buffer.clear(now)
            assert returned == asked
        else:
            asked.append(f"m{len(asked)}")
            returned += buffer.mark(asked[-1], now)
        assert len(buffer.heard) == samples
        while (deadline := buffer.deadline()) is not None and deadline <= now:
            reached = buffer.advance(deadline)
            assert reached, "a deadline that has come sets a mark free"
            returned += reached
    samples += 8000 * 60
    returned += buffer.advance(START + samples / 8000)
    assert returned == asked == [mark.name for mark in buffer.marks]
    assert len(buffer.heard) == samples
