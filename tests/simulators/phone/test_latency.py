"""Latency as a phone measures it."""

import numpy as np
import pytest

from bridge.simulators.phone.earpiece import Earpiece
from bridge.simulators.phone.latency import Latency, echo_ms, turns_ms
from telecodecs.codec import encoder
from telecodecs.format import L16_16K, PCMU_8K, AudioFormat

LOUD = bytes([0x20, 0xA0]) * 80
QUIET = PCMU_8K.silence * 160
NOISE = [np.random.default_rng(index).integers(0, 256, 160, np.uint8).tobytes() for index in range(50)]
EVERY_20_MS = [index / 50 for index in range(50)]


def test_an_echo_is_timed_frame_by_frame() -> None:
    received = [(at + 0.005 * (1 + index % 2), NOISE[index]) for index, at in enumerate(EVERY_20_MS)]
    assert echo_ms(b"".join(NOISE), EVERY_20_MS, received) == pytest.approx([5, 10] * 25)


def test_an_echo_may_begin_late_and_come_in_pieces_of_any_size() -> None:
    back = b"".join(NOISE[10:40])
    received = [(0.25, back[:200]), (0.26, back[200:400]), (0.9, back[400:])]
    expected = [50, 40] + [(0.9 - at) * 1000 for at in EVERY_20_MS[12:40]]
    assert echo_ms(b"".join(NOISE), EVERY_20_MS, received) == pytest.approx(expected)


NO_ECHOES = [
    ("nothing came", []),
    ("only silence came", [(0.1, QUIET)]),
    ("a frame is missing", [(0.1, NOISE[0]), (0.2, NOISE[2])]),
    ("something else came", [(0.1, LOUD)]),
    ("it came only when all was said", [(0.5, NOISE[0] + NOISE[1] + NOISE[2])]),
]


@pytest.mark.parametrize("received", [row[1] for row in NO_ECHOES], ids=[row[0] for row in NO_ECHOES])
def test_is_not_an_echo(received: list[tuple[float, bytes]]) -> None:
    assert echo_ms(b"".join([*NOISE[:-1], QUIET]), EVERY_20_MS, received) == []


def turns(said: str, replies: list[tuple[float, bytes]]) -> list[float]:
    """`said`: a letter for each 100 ms, x is sound. A turn ends when its last frame is sent: 80 ms into its letter."""
    sent = b"".join((LOUD if letter == "x" else QUIET) * 5 for letter in said)
    return turns_ms(
        PCMU_8K, sent, [index / 50 for index in range(5 * len(said))], PCMU_8K, played(PCMU_8K, replies)
    )


def played(plays: AudioFormat, replies: list[tuple[float, bytes]]) -> bytes:
    """What the earpiece plays of pieces that arrive at these times."""
    earpiece = Earpiece(plays, 0.0)
    for at, audio in replies:
        earpiece.play(audio, at)
    earpiece.advance(3.0)
    return earpiece.heard


TURNS = [
    ("nobody answers", "..xx........", [], []),
    ("an answer", "..xx........", [(0.78, LOUD), (0.8, LOUD)], [400]),
    ("silence is no answer", "..xx........", [(0.5, QUIET), (0.98, LOUD)], [600]),
    ("a pause within the turn", "..xx...xx.........", [(1.08, LOUD)], [200]),
    ("two turns", "xx.......xx.......", [(0.38, LOUD), (1.28, LOUD)], [200, 200]),
    ("only the second is answered", "xx.......xx.......", [(1.28, LOUD)], [200]),
    ("a greeting that goes on is no answer", "..xx........", [(at / 10, LOUD * 5) for at in range(8)], []),
    ("an empty message", "..xx........", [(0.5, b""), (0.78, LOUD)], [400]),
    ("nobody speaks", "............", [(0.5, LOUD)], []),
    ("the answer begins with silence", "..xx........", [(0.78, QUIET * 8 + LOUD * 2)], [560]),
    ("it waits behind silence", "..xx........", [(0.58, QUIET * 20), (0.6, LOUD)], [600]),
]


@pytest.mark.parametrize(
    ("said", "replies", "expected"), [row[1:] for row in TURNS], ids=[row[0] for row in TURNS]
)
def test_turns(said: str, replies: list[tuple[float, bytes]], expected: list[float]) -> None:
    assert turns(said, replies) == pytest.approx(expected)


def test_the_formats_of_both_directions_may_differ() -> None:
    said = QUIET * 10 + LOUD * 10 + QUIET * 40
    replies = played(L16_16K, [(0.5, bytes(640)), (0.78, b"\x00\x20" * 320)])
    sent_at = [index / 50 for index in range(60)]
    assert turns_ms(PCMU_8K, said, sent_at, L16_16K, replies) == pytest.approx([400])


def test_a_caller_in_noise_has_turns() -> None:
    rng = np.random.default_rng(3)
    noise = rng.normal(0, 400, 60 * 160)  # -35 dBFS
    voice = np.where(np.arange(60 * 160) // 160 < 20, 8000 * np.sin(np.arange(60 * 160)), 0)
    said = encoder(PCMU_8K)((noise + voice).astype(np.int16))
    sent_at = [index / 50 for index in range(60)]
    assert turns_ms(PCMU_8K, said, sent_at, PCMU_8K, played(PCMU_8K, [(0.98, LOUD)])) == pytest.approx([600])


def test_percentiles_are_measured_latencies() -> None:
    assert Latency.of([]) is None
    assert Latency.of([7.0]) == Latency(1, 7, 7, 7, 7)
    assert Latency.of(list(range(200, 0, -1))) == Latency(200, 100, 190, 198, 200)
