"""What a room plays to one leg, against a far end with a clock of its own and a network that holds marks up."""

import random

import numpy as np
import pytest

from bridge.core.far_buffer import ENOUGH_S, FarBuffer
from bridge.vocabulary.commands import PlayAudio, SendMark
from telecodecs.codec import encoder
from telecodecs.format import PCMU_8K

LOUD = encoder(PCMU_8K)(np.full(160, 5_000, np.int16))
SILENCE = b"\xff" * 160


class FarEnd:
    """Plays what it is sent by its own clock, which runs `drift` too fast, and returns marks after `trip_s` or more."""

    def __init__(self, drift: float = 0.0, trip_s: float = 0.08, jitter_s: float = 0.0) -> None:
        self.buffer = FarBuffer(PCMU_8K)
        self.heard = bytearray()
        self.deepest_s = 0.0
        self.dry = 0
        """How often it had nothing to play."""
        self._speed, self._trip_s, self._jitter_s = 1 + drift, trip_s, jitter_s
        self._random = random.Random(1)
        self._ends_at = 0.0  # on the clock of the bridge
        self._marks: list[tuple[float, str]] = []

    def play(self, frame: bytes, now: float) -> None:
        while self._marks and self._marks[0][0] <= now:
            due_at, name = self._marks.pop(0)
            self.buffer.mark_reached(name, due_at)
        for command in self.buffer.play(frame, now):
            if isinstance(command, PlayAudio):
                self.dry += self._ends_at < now - 1e-6
                self._ends_at = max(self._ends_at, now) + len(command.audio) / 8000 / self._speed
                self.heard += command.audio
            elif isinstance(command, SendMark):
                late_s = self._trip_s + self._random.random() * self._jitter_s
                self._marks.append((self._ends_at + late_s, command.name))
                self._marks.sort()
        self.deepest_s = max(self.deepest_s, self._ends_at - now)


@pytest.mark.parametrize("drift", [200e-6, -200e-6])
@pytest.mark.parametrize("jitter_s", [0.0, 0.05])
def test_drift_of_200_ppm_over_ten_minutes_of_speech_keeps_the_far_buffer_below_160_ms(
    drift: float, jitter_s: float
) -> None:
    far = FarEnd(drift, jitter_s=jitter_s)
    for at in range(30_000):
        far.play(SILENCE if at % 50 > 40 else LOUD, at * 0.02)
    assert far.deepest_s <= 0.16
    assert far.dry <= 10  # it runs dry once, or where a mark says too late that it did
    assert far.buffer.skipped + far.buffer.added <= 40


def test_speech_without_a_pause_is_held_below_160_ms_too() -> None:
    far = FarEnd(-2e-3)
    for at in range(10_000):
        far.play(LOUD, at * 0.02)
    assert far.deepest_s <= 0.165
    assert far.buffer.skipped >= 1


def test_without_drift_every_byte_of_speech_is_sent_behind_one_silent_frame() -> None:
    far = FarEnd(jitter_s=0.03)
    said = [bytes([at % 100]) * 160 for at in range(200)]
    for at, frame in enumerate(said):
        far.play(frame, at * 0.02)
    assert bytes(far.heard) == SILENCE + b"".join(said)
    assert far.dry == 0


def test_what_came_all_at_once_is_cut_to_160_ms_and_quiet_makes_up_for_it() -> None:
    far = FarEnd()
    for _ in range(150):
        far.play(LOUD, 0.0)
    assert far.deepest_s <= 0.16
    for at in range(10):
        far.play(SILENCE, 0.02 * at)
    assert far.buffer.ahead_s(0.18) <= ENOUGH_S + 0.021
    assert far.buffer.skipped >= 142


def test_a_pause_of_the_speaker_begins_anew_and_marks_of_before_mean_nothing() -> None:
    buffer = FarBuffer(PCMU_8K)
    sent = [one for at in range(9) for one in buffer.play(LOUD, at * 0.02)]
    (mark,) = [one for one in sent if isinstance(one, SendMark)]
    assert buffer.play(LOUD, 9.0) == [PlayAudio(SILENCE), PlayAudio(LOUD)]
    buffer.mark_reached(mark.name, 9.0)
    buffer.mark_reached("0.1", 9.0)
    assert buffer.ahead_s(9.0) == pytest.approx(0.04)
