"""Who watches the turns of a call is told of each: when it began, when a reply began, and once when it is over."""

from collections.abc import Sequence

import pytest

from bridge.observers.usage import Accounting
from bridge.vocabulary.commands import ClearPlayback, PlayAudio, SendMark
from bridge.vocabulary.contracts import Turn
from bridge.vocabulary.events import CallStarted, MarkReached, ReplyAudio, SpeechStarted, SpeechStopped
from telecodecs.format import PCMU_8K
from tests.observers.accounted import show
from tests.observers.test_turn_waits import FIFTH, READY, Row, frames, turns


class Watcher:
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[object, ...]] = []

    def turn_began(self, number: int, since: float | None, now: float) -> None:
        self.told.append(("began", number, since, now))

    def reply_began(self, item: str, now: float) -> None:
        self.told.append(("reply", item, now))

    def turn_over(self, number: int, turn: Turn, now: float) -> None:
        self.told.append(("over", number, turn.wait_ms, now))


def watched(rows: Sequence[Row]) -> list[tuple[object, ...]]:
    accounting, watcher = Accounting(), Watcher()
    accounting.waits.watchers = [watcher]
    accounting.saw(CallStarted("CA1", "MZ1", PCMU_8K), 0.0)
    accounting.saw(READY, 0.0)
    for now, word in rows:
        show(accounting, word, now)
    accounting.waits.finish(99.0)
    accounting.waits.finish(99.0)
    return watcher.told


STOPPED = (2.0, SpeechStopped("u1"))
SAID: list[Row] = [(2.5, ReplyAudio("a", FIFTH)), (2.5, PlayAudio(FIFTH)), (2.5, SendMark("m1"))]
BEGAN = [("began", 1, None, 2.0), ("reply", "a", 2.5)]


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([STOPPED, *SAID, (2.8, MarkReached("m1"))], [*BEGAN, ("over", 1, None, 2.8)]),
        ([STOPPED, *SAID], [*BEGAN, ("over", 1, None, 99.0)]),
        ([STOPPED, *SAID, (2.6, ClearPlayback(800))], [*BEGAN, ("over", 1, None, 2.6)]),
        ([STOPPED, *SAID[:2], (2.6, ClearPlayback(800))], [*BEGAN, ("over", 1, None, 2.6)]),
        ([STOPPED, SAID[0], (2.6, SpeechStarted())], [*BEGAN, ("over", 1, None, 2.6)]),
        ([STOPPED, (2.6, SpeechStarted())], [BEGAN[0], ("over", 1, None, 2.6)]),
        (
            [STOPPED, (3.0, SpeechStopped("u2"))],
            [BEGAN[0], ("over", 1, None, 3.0), ("began", 2, None, 3.0), ("over", 2, None, 99.0)],
        ),
    ],
)
def test_who_watches_is_told_of_each_turn_once(rows: list[Row], told: list[tuple[object, ...]]) -> None:
    assert watched(rows) == told


def test_who_watches_is_told_when_the_speech_ended_and_how_long_the_wait_was() -> None:
    rows = [*frames("xx........"), (1.0, SpeechStopped("u1")), (1.2, ReplyAudio("a", FIFTH))]
    rows += [(1.2, PlayAudio(FIFTH)), (1.2, SendMark("m1")), (1.5, MarkReached("m1"))]
    (began, _, over) = watched(rows)
    assert began == ("began", 1, pytest.approx(0.2, abs=0.03), 1.0)
    assert over[2] == turns(rows)[0].wait_ms
