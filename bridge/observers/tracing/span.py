"""A span as data: what a trace has of one thing that took some time. No clock and no library."""

from typing import Literal

from msgspec import Struct, field

Value = str | int | float | bool
"""Of an attribute."""

MOST_EVENTS = 64
"""Events of one span; further ones are left out. OpenTelemetry's own limit is 128."""


class SpanEvent(Struct, frozen=True):
    """Something that happened at a moment of a span. `at`: seconds on the session's clock."""

    name: str
    at: float
    attributes: dict[str, Value] = {}


class Span(Struct):
    """One span of a trace. Times are seconds on the session's clock."""

    name: str
    span_id: int
    parent_id: int
    """0: it has no parent."""
    start: float
    end: float
    kind: Literal["internal", "server", "client"] = "internal"
    attributes: dict[str, Value] = field(default_factory=dict)
    events: list[SpanEvent] = field(default_factory=list)
    error: str = ""
    """Why it failed, a word of this program; empty: it did not."""

    def note(self, name: str, at: float, **attributes: Value) -> None:
        """Something happened now."""
        if len(self.events) < MOST_EVENTS:
            self.events.append(SpanEvent(name, at, attributes))

    def reach(self, at: float) -> None:
        """It lasted until then at least."""
        self.end = max(self.end, at)
