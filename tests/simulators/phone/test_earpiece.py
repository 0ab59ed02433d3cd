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
    ear = earpiece()
    ear.play(speech(100), START + 0.2)
    ear.advance(START + 0.5)
    assert ear.heard == silence(200) + speech(100) + silence(200)


def test_pieces_play_one_after_another_however_fast_they_came() -> None:
    ear = earpiece()
    ear.play(b"a" * 800, START)
    ear.play(b"b" * 800, START)
    ear.advance(START + 0.15)
    assert ear.heard == b"a" * 800 + b"b" * 400


def test_a_mark_comes_back_when_all_before_it_was_played() -> None:
    ear = earpiece()
    ear.play(speech(200), START)
    assert ear.mark("one", START) == []
    ear.play(speech(100), START + 0.1)
    assert ear.mark("two", START + 0.1) == []
    assert ear.deadline() == pytest.approx(START + 0.2)
    assert ear.advance(START + 0.199) == []
    assert ear.advance(START + 0.2) == ["one"]
    assert ear.deadline() == pytest.approx(START + 0.3)
    assert ear.advance(START + 1.0) == ["two"]
    assert ear.deadline() is None
    assert ear.marks == [MarkReturned("one", 200, cleared=False), MarkReturned("two", 300, cleared=False)]


def test_a_mark_on_an_empty_buffer_comes_back_at_once() -> None:
    ear = earpiece()
    assert ear.mark("first", START) == ["first"]
    ear.play(speech(20), START)
    assert ear.mark("second", START) == []
    assert ear.mark("third", START + 0.02) == ["second", "third"]


def test_a_clear_drops_what_is_not_played_and_returns_every_mark() -> None:
    ear = earpiece()
    ear.play(speech(1000), START)
    ear.mark("a", START)
    ear.play(speech(1000), START)
    ear.mark("b", START)
    assert ear.clear(START + 0.25) == ["a", "b"]
    ear.play(b"n" * 800, START + 0.5)
    ear.advance(START + 0.6)
    assert ear.heard == speech(250) + silence(250) + b"n" * 800
    assert ear.clears == [Cleared(at_ms=250, dropped_ms=1750)]
    assert ear.marks == [MarkReturned("a", 250, cleared=True), MarkReturned("b", 250, cleared=True)]


def test_a_clear_of_an_empty_buffer_is_recorded_and_changes_nothing() -> None:
    ear = earpiece()
    assert ear.clear(START + 0.1) == []
    assert ear.clears == [Cleared(at_ms=100, dropped_ms=0)]


def test_sounds_end_with_the_last_sound_and_not_with_the_buffered_silence() -> None:
    ear = earpiece()
    assert ear.sounds_until == START
    ear.play(speech(100) + silence(400), START)
    ear.play(silence(1000), START)
    assert ear.sounds_until == pytest.approx(START + 0.1)
    ear.play(speech(100), START)
    assert ear.sounds_until == pytest.approx(START + 1.6)
    ear.clear(START + 0.05)
    assert ear.sounds_until == pytest.approx(START + 0.05)


def test_near_silence_from_a_codec_is_not_sound() -> None:
    ear = Earpiece(L16_16K, START)
    loud, hush = b"\x00\x02" * 1600, b"\x20\x00\xe0\xff" * 800
    ear.play(loud + hush * 5, START)
    ear.play(hush, START)
    assert ear.sounds_until == pytest.approx(START + 0.1)
    ear.play(loud, START)
    assert ear.sounds_until == pytest.approx(START + 0.8)


@pytest.mark.parametrize(("plays", "other"), [(PCMU_8K, PCMA_8K), (PCMA_8K, PCMU_8K)])
def test_near_silence_from_transcoding_is_not_sound(plays: AudioFormat, other: AudioFormat) -> None:
    ear = Earpiece(plays, START)
    hush = encoder(plays)(decoder(other)(other.silence * 800))
    ear.play(speech(100) + hush, START)
    ear.play(hush, START)
    assert ear.sounds_until == pytest.approx(START + 0.1)


def test_a_broken_stream_loses_the_audio_that_is_not_played() -> None:
    ear = earpiece()
    ear.play(speech(1000), START)
    ear.mark("end", START)
    ear.cut(START + 0.25)
    assert ear.mark("anew", START + 0.5) == ["anew"]
    assert ear.heard == speech(250) + silence(250)
    assert ear.deadline() is None
    assert ear.clears == [], "nobody asked for it"
    assert [mark.name for mark in ear.marks] == ["anew"]


def test_positions_are_samples_in_formats_with_more_bytes() -> None:
    ear = Earpiece(L16_16K, START)
    ear.play(b"\x01\x02" * 1600, START + 0.1)
    assert ear.mark("end", START + 0.1) == []
    assert ear.advance(START + 0.2) == ["end"]
    assert ear.heard == bytes(3200) + b"\x01\x02" * 1600


def test_ten_minutes_of_frames_do_not_drift() -> None:
    ear = earpiece()
    frames = 30_000
    for index in range(frames):
        ear.play(speech(20), START + index * 0.02)
    assert ear.mark("end", START + (frames - 1) * 0.02) == []
    assert ear.advance(START + frames * 0.02) == ["end"]
    assert ear.heard == speech(20 * frames)


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
    ear = earpiece()
    asked: list[str] = []
    returned: list[str] = []
    samples = 0
    for passed, what in doings:
        samples += passed
        now = START + samples / 8000
        if isinstance(what, bytes):
            ear.play(what, now)
        elif what == "clear":
            returned += ear.clear(now)
            assert returned == asked
        else:
            asked.append(f"m{len(asked)}")
            returned += ear.mark(asked[-1], now)
        assert len(ear.heard) == samples
        while (deadline := ear.deadline()) is not None and deadline <= now:
            reached = ear.advance(deadline)
            assert reached, "a deadline that has come sets a mark free"
            returned += reached
    samples += 8000 * 60
    returned += ear.advance(START + samples / 8000)
    assert returned == asked == [mark.name for mark in ear.marks]
    assert len(ear.heard) == samples
