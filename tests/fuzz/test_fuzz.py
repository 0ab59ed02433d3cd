"""The same cases of the fuzz corpus each time. `scripts/fuzz` plays others, for as long as one likes."""

from random import Random

import pytest

from tests.fuzz.mutations import mutated
from tests.fuzz.targets import TARGETS, Finding, Target, check_bounded, converse

CASES = 250
"""Conversations of each target: all targets together take about 20 s."""


@pytest.mark.parametrize("target", TARGETS, ids=[target.name for target in TARGETS])
def test_no_message_does_what_it_must_not(target: Target) -> None:
    for seed in range(CASES):
        try:
            target.play(Random(f"{target.name} {seed}"))
        except Finding as finding:
            raise AssertionError(f"{target.name}, seed {seed}: {finding}") from finding


def test_the_changes_differ_and_leave_the_corpus_alone() -> None:
    good = {"event": "media", "media": {"payload": "AAAA", "chunk": "2"}}
    changed = {str(mutated(good, [good], Random(seed))) for seed in range(100)}
    assert len(changed) > 30
    assert good == {"event": "media", "media": {"payload": "AAAA", "chunk": "2"}}


class Broken:
    """A dialect with a fault."""

    def decode(self, message: str | bytes, now: float) -> list[str]:
        raise KeyError(message[:3])

    def deadline(self) -> None:
        return None


def test_a_fault_is_found() -> None:
    with pytest.raises(Finding, match="KeyError"):
        converse(Broken(), [], [{"event": "media"}], Random(1))
    with pytest.raises(Finding, match="bytes of outcomes"):
        check_bounded("short", ["a" * 200_000])
