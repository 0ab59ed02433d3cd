"""A receiver of traces, as a collector is one: OTLP over HTTP on loopback, decoded by the protocol's own classes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span


class Receiver:
    """What came. `status`: what each request is answered with."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.resources: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.bodies: list[bytes] = []
        self.status = 200
        self.came = asyncio.Event()
        self.answers = asyncio.Event()
        self.answers.set()
        app = web.Application()
        app.router.add_post("/v1/traces", self._take)
        self.server = TestServer(app)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.port}"

    async def _take(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.came.set()
        await self.answers.wait()
        if self.status == 200:
            self.bodies.append(body)
            self.headers.append(dict(request.headers))
            asked = ExportTraceServiceRequest.FromString(body)
            for of_resource in asked.resource_spans:
                self.resources.append(attributes(of_resource.resource))
                for of_scope in of_resource.scope_spans:
                    self.spans += of_scope.spans
        return web.Response(status=self.status)

    def named(self, name: str) -> list[Span]:
        """The spans of this name, by their beginnings."""
        return sorted(
            (one for one in self.spans if one.name == name), key=lambda one: one.start_time_unix_nano
        )

    def one(self, name: str) -> Span:
        """The only span of this name."""
        (span,) = self.named(name)
        return span


@asynccontextmanager
async def receiver() -> AsyncIterator[Receiver]:
    made = Receiver()
    await made.server.start_server()
    try:
        yield made
    finally:
        await made.server.close()


def attributes(of: Any) -> dict[str, Any]:
    """Of a span, an event or a resource."""
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in of.attributes}


def traceparent(span: Span) -> str:
    """As a request within this span has it."""
    return f"00-{span.trace_id.hex()}-{span.span_id.hex()}-01"
