"""Words of calls whose assistant is lost, refuses the call or is tried again."""

from collections.abc import Sequence

from bridge.vocabulary.commands import Command, OpenAssistant, RetryAssistant
from bridge.vocabulary.events import (
    AssistantReady,
    CallStarted,
    Event,
    LegLost,
    LegName,
    Opening,
    TimePassed,
)
from telecodecs.format import PCMU_8K

START = CallStarted("CA1", "MZ1", PCMU_8K)
READY = AssistantReady(PCMU_8K, PCMU_8K)
REPLY = bytes(range(1, 161))
LOST = LegLost(LegName.ASSISTANT, 1006, "it broke")
REFUSED = LegLost(LegName.ASSISTANT, 1013, "HTTP 503")
PASSED = TimePassed()

Row = tuple[float, Event, Sequence[Command]]
"""When, in seconds; what came; what we do."""


def opened(name: str, opening: Opening = Opening.FIRST) -> OpenAssistant:
    return OpenAssistant("CA1", PCMU_8K, {}, name, opening)


def again(name: str) -> OpenAssistant:
    return opened(name, Opening.RECOVERED)


def retry(after_s: float, why: str = "HTTP 503", name: str = "a") -> RetryAssistant:
    return RetryAssistant(name, after_s, why)


def refusal(after_s: float, why: str = "HTTP 429") -> LegLost:
    return LegLost(LegName.ASSISTANT, 1013, why, after_s)
