"""Mixing: each party hears all whom the matrix says, and nobody else, judged by correlation with what was said."""

import numpy as np
import pytest

from bridge.simulators.carriers.mixer import Mixer
from bridge.simulators.carriers.room import MUSIC, Member, hearing
from telecodecs.format import Samples

RATE_HZ = 8_000
NAMES = ("ann", "bob", "cat")


def noise(seed: int) -> Samples:
    return np.random.default_rng(seed).integers(-9_000, 9_000, RATE_HZ).astype(np.int16)


SAID = {name: noise(seed) for seed, name in enumerate(NAMES)}
MUSIC_ON_HOLD = noise(9)


def alike(one: Samples, other: Samples) -> float:
    if not one.any() or not other.any():
        return 0.0
    return float(np.corrcoef(one.astype(float), other.astype(float))[0, 1])


def mixed(members: dict[str, Member]) -> dict[str, Samples]:
    """What each party of a room heard in a second."""
    mixer = Mixer(RATE_HZ)
    for name, sources in hearing(members).items():
        mixer.hear(name, sources)
    size = mixer.frame_samples
    heard: dict[str, list[Samples]] = {name: [] for name in members}
    for at in range(0, RATE_HZ, size):
        frames = {name: SAID[name][at : at + size] for name in members} | {
            MUSIC: MUSIC_ON_HOLD[at : at + size]
        }
        for name, frame in mixer.mix(frames).items():
            heard[name].append(frame)
    return {name: np.concatenate(frames) for name, frames in heard.items()}


ROOMS: list[tuple[dict[str, Member], dict[str, str]]] = [
    ({"ann": Member(), "bob": Member()}, {"ann": "bob", "bob": "ann"}),
    (
        {"ann": Member(), "bob": Member(), "cat": Member()},
        {"ann": "bob cat", "bob": "ann cat", "cat": "ann bob"},
    ),
    (
        {"ann": Member(muted=True), "bob": Member(), "cat": Member()},
        {"ann": "bob cat", "bob": "cat", "cat": "bob"},
    ),
    (
        {"ann": Member(on_hold=True), "bob": Member(), "cat": Member()},
        {"ann": MUSIC, "bob": "cat", "cat": "bob"},
    ),
    ({"ann": Member(on_hold=True, hold_source=""), "bob": Member()}, {"ann": "", "bob": ""}),
    (
        {"ann": Member(), "bob": Member(), "cat": Member(whispers_to=frozenset({"ann"}))},
        {"ann": "bob cat", "bob": "ann", "cat": "ann bob"},
    ),
    ({"ann": Member(), "bob": Member(whispers_to=frozenset())}, {"ann": "", "bob": "ann"}),
    ({"ann": Member()}, {"ann": ""}),
]


@pytest.mark.parametrize(("members", "expected"), ROOMS)
def test_who_hears_whom(members: dict[str, Member], expected: dict[str, str]) -> None:
    heard = mixed(members)
    for listener, sources in expected.items():
        audible = set(sources.split())
        for name, said in {**SAID, MUSIC: MUSIC_ON_HOLD}.items():
            likeness = alike(heard[listener], said)
            assert (likeness >= 0.65) if name in audible else (abs(likeness) < 0.05), (listener, name)
        if len(audible) == 1:
            assert np.array_equal(heard[listener], {**SAID, MUSIC: MUSIC_ON_HOLD}[sources])
        if not audible:
            assert not heard[listener].any()


def test_a_sum_is_exact_and_saturates() -> None:
    mixer = Mixer(RATE_HZ)
    mixer.hear("ann", ["bob", "cat", "ann"])
    full = np.full(mixer.frame_samples, 30_000, np.int16)
    low = np.full(mixer.frame_samples, -30_000, np.int16)
    small = np.full(mixer.frame_samples, 1_234, np.int16)
    assert set(mixer.mix({"bob": full, "cat": full})["ann"]) == {32_767}
    assert set(mixer.mix({"bob": low, "cat": low})["ann"]) == {-32_768}
    assert set(mixer.mix({"bob": full, "cat": low, "ann": small})["ann"]) == {0}
    assert set(mixer.mix({"bob": small, "cat": small})["ann"]) == {2_468}


def test_a_listener_that_is_forgotten_and_a_source_that_is_gone() -> None:
    mixer = Mixer(RATE_HZ)
    mixer.hear("ann", ["bob"])
    mixer.hear("bob", ["ann"])
    mixer.forget("bob")
    assert mixer.matrix == {"ann": ("bob",)}
    (frame,) = mixer.mix({"ann": noise(1)[: mixer.frame_samples]}).values()
    assert len(frame) == 160
    assert not frame.any()
