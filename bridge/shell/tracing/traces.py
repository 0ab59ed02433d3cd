"""The traces of one server: which calls are traced, with which ids, and what watches them."""

import hashlib
import secrets
import time
from collections.abc import Callable, Collection, Mapping
from functools import partial

from bridge.assistants.registry import ASSISTANTS
from bridge.carriers.shared.webhooks import ExpectedCall
from bridge.config.settings import Settings
from bridge.observers.tracing import names
from bridge.observers.tracing.call_trace import CallTrace, TracedCall
from bridge.observers.tracing.span import Value
from bridge.redaction import safe_id
from bridge.settings.otel import OtelSettings
from bridge.shell.program import program_version
from bridge.shell.session import clock
from bridge.shell.tracing.exporter import SpanSender
from bridge.vocabulary.trace_context import (
    NO_TRACING,
    CallTracing,
    NewTrace,
    TraceContext,
    read_traceparent,
)

HASHED_CHARACTERS = 32
"""Half of a SHA-256 in hexadecimal."""


def span_id() -> int:
    """A new one: 64 bits, not 0."""
    return secrets.randbits(64) or 1


class Traces:
    """Those of one server. `settings`: what holds until it stops. Raises `ConfigurationError` if the extra is missing."""

    def __init__(self, settings: Settings) -> None:
        self._settings: OtelSettings = settings.otel
        self._sender: SpanSender | None = None
        if self.is_on:
            self._sender = SpanSender(settings.otel, settings.proxy, program_version(), time.time() - clock())

    @property
    def is_on(self) -> bool:
        """Whether calls are traced."""
        return self._settings.traces_url is not None

    def begin(self, traceparent: str = "") -> NewTrace | None:
        """The trace of a call that will come, whose webhook had this header. None: calls are not traced."""
        if not self.is_on:
            return None
        if (webhook := read_traceparent(traceparent)) is not None:
            return NewTrace(webhook.child(span_id()), webhook.span_id)
        trace_id = secrets.randbits(128) or 1
        is_sampled = trace_id % 2**64 < self._settings.sample_ratio * 2**64
        return NewTrace(TraceContext(trace_id, span_id(), is_sampled))

    def of(self, carrier: str, expected: ExpectedCall, settings: Settings) -> CallTracing:
        """What traces a new call, which has these settings: a `CallTrace`, which is an observer, if it is of the sample."""
        trace = expected.trace or self.begin()
        if trace is None or self._sender is None:
            return NO_TRACING
        if not trace.root.is_sampled:
            return UnsampledCall(trace)
        call = TracedCall(
            trace,
            carrier,
            expected.direction,
            _hashed if self._settings.call_id == "hashed" else safe_id,
            partial(_about, settings),
            _tools_of(settings),
            self._settings.content,
        )
        return CallTrace(call, clock(), span_id, partial(self._sender.send, trace.root))

    async def aclose(self) -> None:
        """Send what waits."""
        if self._sender is not None:
            await self._sender.aclose()


def _hashed(call_id: str) -> str:
    return hashlib.sha256(call_id.encode()).hexdigest()[:HASHED_CHARACTERS]


def _about(settings: Settings, assistant: str) -> Mapping[str, Value]:
    """What a trace says of an assistant: its name, its vendor and its model, where it has them."""
    if assistant not in settings.assistant_kinds:
        return {}
    table = settings.assistant_settings(assistant)
    vendor = ASSISTANTS[table.kind].vendor
    about: dict[str, Value] = {names.AGENT: assistant}
    about[names.PROVIDER] = table.kind if vendor is None else vendor.name
    if isinstance(model := getattr(table, "model", None), str):
        about[names.MODEL] = model
    return about


def _tools_of(settings: Settings) -> Callable[[str], Collection[str]]:
    assistants = settings.assistants
    return lambda name: assistants[name].tools if name in assistants else ()


class UnsampledCall:
    """The trace of a call that is not one of the sample: whoever gets a request is told so."""

    def __init__(self, trace: NewTrace) -> None:
        self._traceparent = trace.root.traceparent

    def opening(self) -> str:
        """See `CallTracing`."""
        return self._traceparent

    def asking(self) -> str:
        """See `CallTracing`."""
        return self._traceparent

    def running(self, tool_call_id: str) -> str:
        """See `CallTracing`."""
        return self._traceparent
