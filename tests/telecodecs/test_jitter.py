"""Reorder, as transcripts: (timestamp, frame, what is due then)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telecodecs.format import L16_24K, PCMU_8K, AudioFormat, Encoding
from telecodecs.jitter import Reorder


def frame(n: int, ms: int = 20) -> bytes:
    """A frame of mu-law that can be told from the others and from silence."""
    return bytes([n % 250]) * PCMU_8K.bytes_in(ms)


def silence(ms: int) -> bytes:
    return b"\xff" * PCMU_8K.bytes_in(ms)


A, B, C, D, E, F = (frame(n) for n in range(6))

Transcript = list[tuple[int, bytes, list[bytes]]]
TRANSCRIPTS: dict[str, tuple[int, Transcript]] = {
    "in order": (100, [(0, A, [A]), (20, B, [B]), (40, C, [C])]),
    "begins anywhere": (100, [(70_000, A, [A]), (70_020, B, [B])]),
    "begins below zero": (100, [(-40, A, [A]), (-20, B, [B]), (0, C, [C])]),
    "two swapped": (20, [(0, A, [A]), (40, C, []), (20, B, [B, C]), (60, D, [D])]),
    "reversed": (60, [(0, A, [A]), (60, D, []), (40, C, []), (20, B, [B, C, D])]),
    "two holes": (100, [(0, A, [A]), (40, C, []), (80, E, []), (20, B, [B, C]), (60, D, [D, E])]),
    "lost, window full": (40, [(0, A, [A]), (40, C, []), (60, D, []), (80, E, [silence(20), C, D, E])]),
    "lost, no window": (0, [(0, A, [A]), (40, C, [silence(20), C]), (60, D, [D])]),
    "two holes, first given up": (
        40,
        [(0, A, [A]), (40, C, []), (80, E, [silence(20), C]), (60, D, [D, E])],
    ),
    "late after filling": (0, [(0, A, [A]), (40, C, [silence(20), C]), (20, B, []), (60, D, [D])]),
    "before the first": (100, [(20, B, [B]), (0, A, []), (40, C, [C])]),
    "repeated": (100, [(0, A, [A]), (0, A, []), (20, B, [B]), (0, A, []), (40, C, [C])]),
    "repeated, half a frame ahead": (100, [(0, A, [A]), (30, B, [B]), (30, B, []), (40, C, [C])]),
    "repeated, half a frame ahead, while holding": (
        100,
        [(0, A, [A]), (30, B, [B]), (70, D, []), (30, B, []), (50, C, [C, D])],
    ),
    "half hidden by a longer one": (100, [(0, A, [A]), (60, D, []), (20, C * 2 + C[:80], [C * 2 + C[:80]])]),
    "repeated while held": (100, [(0, A, [A]), (40, C, []), (40, C, []), (20, B, [B, C])]),
    "stamps that wander": (100, [(0, A, [A]), (29, B, [B]), (31, C, [C]), (70, D, [D]), (71, E, [E])]),
    "more than half a frame early": (100, [(0, A, [A]), (9, B, []), (20, C, [C])]),
    "frames of any length": (100, [(0, frame(9, 30), [frame(9, 30)]), (30, B, [B]), (50, C * 9, [C * 9])]),
    "a short frame hides in a longer one": (
        100,
        [(0, A, [A]), (60, frame(9, 10), []), (40, C, []), (20, frame(8, 50), [frame(8, 50)]), (70, D, [D])],
    ),
    "empty": (0, [(0, b"", []), (0, A, [A]), (400, b"", []), (20, B, [B])]),
}  # fmt: skip


@pytest.mark.parametrize("name", TRANSCRIPTS)
def test_transcript(name: str) -> None:
    window_ms, transcript = TRANSCRIPTS[name]
    reorder = Reorder(PCMU_8K, window_ms)
    for at_ms, audio, due in transcript:
        assert reorder.feed(at_ms, audio) == due, at_ms


COUNTS = {  # transcript: late, repeated, holes, filled_ms
    "in order": (0, 0, 0, 0),
    "two swapped": (0, 0, 0, 0),
    "lost, window full": (0, 0, 1, 20),
    "late after filling": (1, 0, 1, 20),
    "before the first": (1, 0, 0, 0),
    "repeated": (0, 2, 0, 0),
    "repeated while held": (0, 1, 0, 0),
    "repeated, half a frame ahead": (0, 1, 0, 0),
    "repeated, half a frame ahead, while holding": (0, 1, 0, 0),
    "half hidden by a longer one": (1, 0, 0, 0),
    "more than half a frame early": (1, 0, 0, 0),
    "a short frame hides in a longer one": (2, 0, 0, 0),
}


@pytest.mark.parametrize("name", COUNTS)
def test_counts(name: str) -> None:
    window_ms, transcript = TRANSCRIPTS[name]
    reorder = Reorder(PCMU_8K, window_ms)
    for at_ms, audio, _ in transcript:
        reorder.feed(at_ms, audio)
    assert (reorder.late, reorder.repeated, reorder.holes, reorder.filled_ms) == COUNTS[name]


def test_a_frame_in_order_is_returned_as_the_same_object() -> None:
    reorder = Reorder(PCMU_8K, window_ms=100)
    audio = frame(7)
    assert reorder.feed(0, frame(6))[0] is not audio
    assert reorder.feed(20, audio)[0] is audio


def test_release_gives_up_on_every_hole() -> None:
    reorder = Reorder(PCMU_8K, window_ms=500)
    reorder.feed(0, A)
    assert not reorder.holding
    assert reorder.release() == []
    reorder.feed(40, C)
    reorder.feed(100, F)
    assert reorder.holding
    assert reorder.release() == [silence(20), C, silence(40), F]
    assert not reorder.holding
    assert (reorder.holes, reorder.filled_ms) == (2, 60)
    assert reorder.feed(120, A) == [A]


def test_a_wide_gap_is_filled_in_part_and_the_position_jumps() -> None:
    reorder = Reorder(PCMU_8K, window_ms=0, max_gap_ms=300)
    reorder.feed(0, A)
    assert reorder.feed(5020, B) == [silence(300), B]
    assert reorder.feed(5040, C) == [C]
    assert (reorder.holes, reorder.filled_ms) == (1, 300)


def test_gaps_may_be_left_unfilled() -> None:
    reorder = Reorder(PCMU_8K, window_ms=0, max_gap_ms=0)
    reorder.feed(0, A)
    assert reorder.feed(60, B) == [B]
    assert (reorder.holes, reorder.filled_ms) == (1, 0)


def test_after_a_clock_is_set_back_frames_are_late_for_one_second_only() -> None:
    reorder = Reorder(PCMU_8K, window_ms=100)
    for n in range(100):
        reorder.feed(60_000 + 20 * n, frame(n))
    heard = [reorder.feed(20 * n, frame(n)) for n in range(100)]
    assert heard == [[]] * 50 + [[frame(n)] for n in range(50, 100)]
    assert reorder.late == 50


def test_a_clock_set_back_behind_a_hole_loses_nothing_held() -> None:
    reorder = Reorder(PCMU_8K, window_ms=100)
    reorder.feed(60_000, A)
    reorder.feed(60_040, C)
    heard = [reorder.feed(20 * n, frame(n)) for n in range(52)]
    assert heard == [[]] * 50 + [[silence(20), C, frame(50)], [frame(51)]]


def test_scattered_late_frames_do_not_set_the_clock_back() -> None:
    reorder = Reorder(PCMU_8K, window_ms=0)
    reorder.feed(10_000, A)
    for n in range(1, 200):
        assert reorder.feed(10_000 + 20 * n, frame(n)) == [frame(n)]
        assert reorder.feed(10 * n, frame(n)) == []


def test_silence_is_made_of_whole_samples() -> None:
    odd = AudioFormat(Encoding.L16, 11_025)
    reorder = Reorder(odd, window_ms=0)
    for n in range(0, 5000, 50):
        for audio in reorder.feed(n, b"\1\2" * 221):
            assert len(audio) % 2 == 0
    assert reorder.filled_ms == pytest.approx(5000 - 100 * 20, abs=50)
    wide = Reorder(L16_24K, window_ms=0)
    wide.feed(0, bytes(960))
    assert wide.feed(40, bytes(960))[0] == bytes(960)


A, SILENCE = frame(1), b"\xff"

PAUSES = [  # the frame before, so much filled in, the stamp of the next frame, what it gives
    ("a pause that was filled in to its end", 200, 220, [A]),
    ("one that was longer", 200, 320, [SILENCE * 800, A]),
    ("no pause but a delay: nothing is lost", 200, 20, [A]),
    ("a delay of which a part was a pause", 200, 120, [A]),
]


@pytest.mark.parametrize(
    ("filled_ms", "at_ms", "given"), [row[1:] for row in PAUSES], ids=[row[0] for row in PAUSES]
)
def test_a_pause_of_the_sender_is_filled_in(filled_ms: int, at_ms: int, given: list[bytes]) -> None:
    reorder = Reorder(PCMU_8K, window_ms=0)
    reorder.feed(0, A)
    assert reorder.fill_in(filled_ms * 8) == SILENCE * filled_ms * 8
    assert reorder.feed(at_ms, A) == given
    assert reorder.feed(at_ms + 20, A) == [A]
    assert (reorder.late, reorder.repeated) == (0, 0)


def test_audio_from_before_a_pause_is_late_after_it() -> None:
    reorder = Reorder(PCMU_8K, window_ms=0)
    reorder.feed(100, A)
    reorder.fill_in(800)
    assert reorder.feed(60, A) == []
    assert reorder.late == 1
    assert reorder.feed(220, A) == [A]


def test_a_hole_may_be_filled_with_something_else() -> None:
    reorder = Reorder(PCMU_8K, window_ms=0, fill=lambda samples: b"n" * samples)
    reorder.feed(0, A)
    assert reorder.feed(40, A) == [b"n" * 160, A]
    assert reorder.filled_ms == 20
    assert reorder.fill_in(80) == b"n" * 80


def test_refuses() -> None:
    with pytest.raises(ValueError, match="window_ms -1"):
        Reorder(PCMU_8K, window_ms=-1)


@given(
    delays=st.lists(st.integers(0, 5), min_size=1, max_size=60),
    jitter=st.lists(st.integers(-2, 2), min_size=60, max_size=60),
    frame_ms=st.sampled_from([10, 20, 60]),
)
def test_any_order_within_the_window_gives_the_same_bytes(
    delays: list[int], jitter: list[int], frame_ms: int
) -> None:
    """Each frame but the first is overtaken by up to five; its stamp wanders by less than half a frame."""
    frames = [(n * frame_ms + jitter[n], frame(n, frame_ms)) for n in range(len(delays))]
    arrival = sorted(range(len(frames)), key=lambda n: (n + delays[n] if n else -1, n))
    reorder = Reorder(PCMU_8K, window_ms=6 * frame_ms)
    heard = [audio for n in arrival for audio in reorder.feed(*frames[n])]
    assert heard == [audio for _, audio in frames]
    assert not reorder.holding
    assert (reorder.late, reorder.repeated, reorder.holes) == (0, 0, 0)


@given(
    arrivals=st.lists(st.tuples(st.integers(0, 3000), st.integers(1, 400)), min_size=1),
    window_ms=st.integers(0, 300),
)
def test_nothing_is_lost_uncounted_and_little_is_held(
    arrivals: list[tuple[int, int]], window_ms: int
) -> None:
    reorder = Reorder(PCMU_8K, window_ms)
    heard: list[bytes] = []
    for at_ms, length in arrivals:
        heard += reorder.feed(at_ms, bytes(length))
    heard += reorder.release()
    spoken = [audio for audio in heard if audio[0] == 0]
    assert len(spoken) + reorder.late + reorder.repeated == len(arrivals)
    assert sum(map(len, heard)) - sum(map(len, spoken)) == pytest.approx(reorder.filled_ms * 8, abs=8)
    assert not reorder.holding
