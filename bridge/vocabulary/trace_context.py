"""The place of a call in a trace, as it goes from one server to the next (W3C Trace Context, the header `traceparent`)."""

import re
from typing import NamedTuple, Protocol

TRACEPARENT = "traceparent"
"""The name of the header."""

_FORM = re.compile(
    r"(?P<version>[0-9a-f]{2})-(?P<trace>[0-9a-f]{32})-(?P<span>[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})(?P<more>-.*)?"
)


class TraceContext(NamedTuple):
    """A span of a trace. `trace_id`: 128 bits, `span_id`: 64 bits; neither is 0."""

    trace_id: int
    span_id: int
    is_sampled: bool

    @property
    def traceparent(self) -> str:
        """The value of the header."""
        return f"00-{self.trace_id:032x}-{self.span_id:016x}-{self.is_sampled:02x}"

    def child(self, span_id: int) -> "TraceContext":
        """Another span of the trace."""
        return self._replace(span_id=span_id)


class NewTrace(NamedTuple):
    """What is known of the trace of a call before the call begins."""

    root: TraceContext
    """The span of the call."""
    parent_id: int = 0
    """The span of the webhook's `traceparent`; 0 if it had none."""


class CallTracing(Protocol):
    """The trace of one call, for whoever makes requests for it. Each method returns a `traceparent`; empty: none is sent."""

    def opening(self) -> str:
        """For the assistant that is opened now."""
        ...

    def asking(self) -> str:
        """For a message to the assistant that goes out now."""
        ...

    def running(self, tool_call_id: str) -> str:
        """For the tool of this call."""
        ...


class NoTracing:
    """A call without a trace."""

    def opening(self) -> str:
        """See `CallTracing`."""
        return ""

    def asking(self) -> str:
        """See `CallTracing`."""
        return ""

    def running(self, tool_call_id: str) -> str:
        """See `CallTracing`."""
        return ""


NO_TRACING = NoTracing()


def read_traceparent(text: str) -> TraceContext | None:
    """The context of a header. None where it is not valid: the trace begins anew then (Trace Context, 4.3)."""
    found = _FORM.fullmatch(text.strip())
    if found is None or found["version"] == "ff" or (found["version"] == "00" and found["more"]):
        return None
    trace_id, span_id = int(found["trace"], 16), int(found["span"], 16)
    if not trace_id or not span_id:
        return None
    return TraceContext(trace_id, span_id, bool(int(found["flags"], 16) & 1))
