"""How a carrier's stream ended: rows of what was seen, in order."""

import pytest

from bridge.core.timers import REASONS, Timer
from bridge.observers.stream_end import StreamEndObserver
from bridge.vocabulary.commands import HangUp
from bridge.vocabulary.contracts import StreamEnd
from bridge.vocabulary.events import CallEnded, CallStarted, LegLost, LegName, Word
from telecodecs.format import PCMU_8K

STARTED = CallStarted("CA1", "MZ1", PCMU_8K)
BROKE = LegLost(LegName.CARRIER, 1006, "")
CLOSED = LegLost(LegName.CARRIER, 1000, "")

ENDS: dict[str, tuple[list[Word], StreamEnd | None]] = {
    "it is there": ([STARTED], None),
    "nothing was seen": ([], None),
    "the carrier said stop": ([STARTED, CallEnded(), HangUp(1000, "the call ended")], StreamEnd.BY_CARRIER),
    "the carrier closed it": ([STARTED, CLOSED], StreamEnd.BY_CARRIER),
    "it broke": ([STARTED, BROKE], StreamEnd.BROKEN),
    "broken off, and the call ended by us": ([STARTED, BROKE, CallEnded()], StreamEnd.BROKEN),
    "the assistant hung up": ([STARTED, HangUp(1000, "the assistant hung up")], StreamEnd.BY_BRIDGE),
    "nothing came any more": ([STARTED, HangUp(1001, REASONS[Timer.SILENT])], StreamEnd.BROKEN),
    "the server closed": ([STARTED, HangUp(1001, "the server is closing")], StreamEnd.BY_BRIDGE),
    "it never started": ([HangUp(1008, REASONS[Timer.START])], StreamEnd.BY_BRIDGE),
    "it came back": ([STARTED, BROKE, STARTED], None),
    "it came back and stopped": ([STARTED, BROKE, STARTED, CallEnded()], StreamEnd.BY_CARRIER),
    "it did not come back": ([STARTED, BROKE, HangUp(1008, REASONS[Timer.RESUME])], StreamEnd.BROKEN),
    "the assistant's leg is another": ([STARTED, LegLost(LegName.ASSISTANT, 1006, "")], None),
}


@pytest.mark.parametrize("name", ENDS)
def test_how_the_stream_ended(name: str) -> None:
    words, end = ENDS[name]
    observer = StreamEndObserver()
    for word in words:
        assert type(word) in observer.sees
        observer.saw(word, 0.0)
    assert observer.end is end
