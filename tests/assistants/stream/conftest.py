"""Both ends of a line to an imagined assistant of the stream protocol.

Text is written as its fields, and sound as bytes, in both directions; what is for the core is an event.
"""

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from bridge.assistants.stream.dialect import StreamDialect
from bridge.assistants.stream.settings import StreamSettings
from bridge.vocabulary.commands import AssistantCommand, OpenAssistant
from bridge.vocabulary.contracts import ToolSchema
from bridge.vocabulary.events import AssistantReady, History, LegName, MessageRefused
from telecodecs.format import PCMU_8K

TOOLS = (ToolSchema("look", "Looks.", {}), ToolSchema("book", "Books.", {}))

Came = AssistantCommand | dict[str, Any] | bytes | str | None
"""A command, or a message from the assistant, or nothing but time."""

Row = tuple[float, Came, list[Any]]
"""When, what came, what became of it. {"refused": why}: the core and the assistant were told why."""


class StreamLine:
    """One connection, and its clock."""

    def __init__(self, *, tools: Sequence[ToolSchema] = TOOLS, **settings: Any) -> None:
        self.dialect = StreamDialect(StreamSettings(url="ws://127.0.0.1/", **settings), tools)

    def open(self, *, history: History = (), **hello: Any) -> "StreamLine":
        """Up to the assistant's choice; unless it says otherwise it hears turns itself."""
        self.pass_on(0.0, OpenAssistant("CA1", PCMU_8K, history=history))
        (ready,) = self.pass_on(0.1, {"type": "hello", "turns": "assistant"} | hello)
        assert isinstance(ready, AssistantReady)
        return self

    def pass_on(self, now: float, came: Came) -> list[Any]:
        """What became of it, and what fell due."""
        became: list[Any] = []
        if isinstance(came, AssistantCommand):
            became += map(shown, self.dialect.encode(came, now))
        elif came is not None:
            became += self._hear(json.dumps(came) if isinstance(came, dict) else came, now)
        while (due := self.dialect.deadline()) is not None and due <= now:
            became += map(shown, self.dialect.due(now))
        return became

    def _hear(self, message: bytes | str, now: float) -> list[Any]:
        outcomes = [shown(outcome) for outcome in self.dialect.decode(message, now)]
        match outcomes:
            case [MessageRefused(leg, why), told]:
                assert leg is LegName.ASSISTANT
                assert told == {"type": "error", "why": why}
                return [{"refused": why}]
            case _:
                return outcomes

    def play(self, rows: Sequence[Row]) -> None:
        for now, came, became in rows:
            assert self.pass_on(now, came) == became, (now, came)


def shown(outcome: Any) -> Any:
    """Text for the assistant as its fields."""
    return json.loads(outcome) if isinstance(outcome, str) else outcome


Dial = Callable[..., StreamLine]


@pytest.fixture(scope="session")
def dial() -> Dial:
    """A line with these settings, not yet opened."""
    return StreamLine
