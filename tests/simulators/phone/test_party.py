"""A party of a simulated call, frame by frame: what it says, presses and hears, and when it hangs up."""

import numpy as np

from bridge.simulators.phone.party import HangUp, Key, Party, PartyPlan, Sound
from telecodecs.format import Samples

RATE_HZ = 8_000
FRAME = 160
SILENCE = np.zeros(FRAME, np.int16)
LOUD = np.full(FRAME, 1_000, np.int16)


def tone(frames: int) -> Samples:
    return np.full(frames * FRAME, 500, np.int16)


def said(party: Party, frames: range) -> str:
    """A letter for each frame: # for sound."""
    return "".join("#" if party.speak(frame).any() else "." for frame in frames)


def test_it_says_its_words_at_their_times() -> None:
    plan = PartyPlan((Sound(0.04, "answered", tone(2)), Sound(0.02, "joined", tone(1))))
    party = Party("ann", "+15550111", plan, RATE_HZ, answered=10)
    assert said(party, range(10, 16)) == "..##.."
    party.note("joined", 16)
    party.note("joined", 18)
    assert said(party, range(16, 20)) == ".#.."
    assert len(party.recording(said=True)) == 20 * FRAME
    assert not party.recording(said=True)[: 12 * FRAME].any()


def test_it_presses_each_key_once() -> None:
    plan = PartyPlan(keys=(Key(0.02, "answered", "1"), Key(0.0, "heard", "2")))
    party = Party("ann", "+15550111", plan, RATE_HZ, answered=0)
    pressed = []
    for frame in range(5):
        party.hear(LOUD if frame == 3 else SILENCE, frame)
        pressed.append("".join(party.keys(frame)))
    assert pressed == ["", "1", "", "2", ""]
    assert party.pressed == ["1", "2"]


def test_it_hangs_up_after_a_time_and_since_a_moment() -> None:
    party = Party("ann", "", PartyPlan(hangs_up=HangUp(0.1, "joined")), RATE_HZ, answered=0)
    assert not party.hangs_up(100)
    party.note("joined", 100)
    assert [party.hangs_up(frame) for frame in (104, 105)] == [False, True]


def test_it_hangs_up_after_silence_but_not_before_its_last_word() -> None:
    plan = PartyPlan((Sound(0.2, "answered", tone(1)),), quiet_s=0.1)
    party = Party("caller", "", plan, RATE_HZ, answered=0)
    over = []
    for frame in range(30):
        party.speak(frame)
        party.hear(LOUD if frame == 14 else SILENCE, frame)
        over.append(party.hangs_up(frame))
    assert over.index(True) == 19


def test_it_hangs_up_at_its_longest_time() -> None:
    party = Party("caller", "", PartyPlan(longest_s=1.0), RATE_HZ, answered=50)
    assert [party.hangs_up(frame) for frame in (99, 100)] == [False, True]


def test_the_recording_begins_with_the_call() -> None:
    party = Party("ann", "", PartyPlan(), RATE_HZ, answered=2)
    party.hear(LOUD, 2)
    assert party.recording().tolist() == [0] * 320 + [1_000] * 160
