"""Sends spans by OTLP over HTTP, in a thread of OpenTelemetry's SDK: the one module that knows the SDK.

Nothing waits for it: spans are put into a queue that is bounded, and what does not fit is dropped. A receiver that is away
costs a line in the log, at most one a second. Needs the extra `otel`.
"""

import asyncio
import logging
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from bridge.observers.tracing.span import Span
from bridge.redaction import for_log
from bridge.settings.otel import OtelSettings
from bridge.settings.proxies import ProxySettings
from bridge.shell.sampled_log import SampledLog
from bridge.vocabulary.errors import ConfigurationError
from bridge.vocabulary.trace_context import TraceContext

MOST_WAITING = 4_096
"""Spans that wait to be sent; a call has a few for each turn."""

SENT_AT_ONCE = 32
"""Spans of one request. Encoding one takes 60 µs, in which the thread keeps the interpreter from the event loop."""

EXPORT_S = 5.0
"""How long one request may take, with its repetitions."""

LAST_EXPORT_S = 3.0
"""How long a server that closes waits until the last spans are sent."""

SDK_LOGGERS = ("opentelemetry.exporter.otlp", "opentelemetry.sdk")


class _LastWords(logging.Filter):
    """Keeps what the SDK would log, a line for each attempt, for our own line."""

    def __init__(self) -> None:
        super().__init__()
        self.text = ""

    def filter(self, record: logging.LogRecord) -> bool:
        self.text = record.getMessage()
        return False


class SpanSender:
    """Takes spans, and sends them until `aclose`. Raises `ConfigurationError` if the extra is not installed.

    `unix_s`: Unix time when the session's clock was 0, in seconds.
    """

    def __init__(self, settings: OtelSettings, proxies: ProxySettings, version: str, unix_s: float) -> None:
        url = settings.traces_url
        assert url is not None
        try:
            from opentelemetry import trace
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
            from requests import Session
        except ImportError:
            raise ConfigurationError(
                "otel.endpoint: needs OpenTelemetry: pip install 'voicebridge-server[otel]'"
            ) from None
        self._api = trace
        self._unix_s = unix_s
        self._ids = _id_generator()
        self._log = SampledLog()
        self._words = _LastWords()
        self._loggers = [
            logging.getLogger(name)
            for name in logging.root.manager.loggerDict
            if name.startswith(SDK_LOGGERS)
        ]
        for logger in self._loggers:
            logger.addFilter(self._words)
        session = Session()
        session.trust_env = False  # [proxy] has the proxies of the environment
        session.max_redirects = 0  # the headers may hold a key, which is for this server only
        if (proxy := proxies.proxy_for(url)) is not None:
            session.proxies = {"http": proxy.url, "https": proxy.url}
        headers = {name: value.get_secret_value() for name, value in settings.headers.items()}
        exporter = OTLPSpanExporter(url, headers=headers, timeout=EXPORT_S, session=session)
        own = {"service.name": settings.service_name, "service.version": version}
        self._provider = TracerProvider(
            resource=Resource.create(own), id_generator=self._ids, shutdown_on_exit=False
        )
        self._provider.add_span_processor(
            BatchSpanProcessor(
                _told(exporter, self._sent),
                max_queue_size=MOST_WAITING,
                max_export_batch_size=SENT_AT_ONCE,
            )
        )
        self._tracer = self._provider.get_tracer("voicebridge", version)

    def send(self, call: TraceContext, span: Span) -> None:
        """Put a span of the trace `call` into the queue."""
        api = self._api
        parent = None
        if span.parent_id:
            is_remote = span.span_id == call.span_id
            context = api.SpanContext(call.trace_id, span.parent_id, is_remote, api.TraceFlags(1))
            parent = api.set_span_in_context(api.NonRecordingSpan(context))
        self._ids.trace_id, self._ids.span_id = call.trace_id, span.span_id
        sent = self._tracer.start_span(
            span.name,
            parent,
            api.SpanKind[span.kind.upper()],
            span.attributes,
            start_time=self._unix_ns(span.start),
        )
        for event in span.events:
            sent.add_event(event.name, event.attributes, self._unix_ns(event.at))
        if span.error:
            sent.set_attribute("error.type", span.error)
            sent.set_status(api.Status(api.StatusCode.ERROR))
        sent.end(self._unix_ns(span.end))

    def _unix_ns(self, at: float) -> int:
        return round((self._unix_s + at) * 1e9)

    def _sent(self, count: int, is_taken: bool) -> None:
        """In the SDK's thread."""
        if not is_taken:
            why = for_log(self._words.text, 200)
            self._log.write("warning", "traces", "= traces were not taken", spans=count, reason=why)

    async def aclose(self) -> None:
        """Send what waits, for `LAST_EXPORT_S` at most. A thread of its own waits: the SDK's call blocks."""
        done = asyncio.Event()
        loop = asyncio.get_running_loop()

        def shut_down() -> None:
            self._provider.shutdown()
            with suppress(RuntimeError):  # the loop did not wait any longer
                loop.call_soon_threadsafe(done.set)

        threading.Thread(target=shut_down, name="last traces", daemon=True).start()
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_EXPORT_S):
                await done.wait()
        for logger in self._loggers:
            logger.removeFilter(self._words)


def _id_generator() -> Any:
    """Gives a span the ids that it was promised: they were told to other servers before it was made."""
    from opentelemetry.sdk.trace.id_generator import IdGenerator

    class Promised(IdGenerator):
        trace_id = span_id = 0

        def generate_trace_id(self) -> int:
            return self.trace_id

        def generate_span_id(self) -> int:
            return self.span_id

    return Promised()


def _told(exporter: Any, told: Any) -> Any:
    """The same exporter, which tells what has become of each batch: how many spans, and whether they were taken."""
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

    class Told(SpanExporter):
        def export(self, spans: Sequence[Any]) -> SpanExportResult:
            is_taken = False
            with suppress(Exception):  # whatever is wrong with it, the next batch is tried
                is_taken = exporter.export(spans) is SpanExportResult.SUCCESS
            told(len(spans), is_taken)
            return SpanExportResult.SUCCESS if is_taken else SpanExportResult.FAILURE

        def shutdown(self) -> None:
            exporter.shutdown()

    return Told()
