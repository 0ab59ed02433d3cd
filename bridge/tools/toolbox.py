"""The tools of one assistant in all its calls: functions by import path, HTTP requests, and the built-in tools.

Toolbox(...) when the server starts: its schemas are for the assistant's dialect
open(...) for each call: returns `Tools`, which run until they are closed
aclose() when the server stops
"""

import asyncio
import re
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

import aiohttp

from bridge.settings.assistants import ToolSettings
from bridge.settings.proxies import NO_PROXIES, ProxySettings
from bridge.tools.functions import FunctionTool
from bridge.tools.http import HttpTool, client_session
from bridge.tools.running import RunningTools
from bridge.tools.threads import Threads
from bridge.tools.tool import CallFacts
from bridge.vocabulary.built_in_tools import BUILT_IN_TOOLS
from bridge.vocabulary.call_facts import NO_CONTEXT, Facts
from bridge.vocabulary.contracts import Tools, ToolSchema
from bridge.vocabulary.errors import ConfigurationError
from bridge.vocabulary.people_tools import TRANSFER, transfer_schema
from bridge.vocabulary.trace_context import NO_TRACING, CallTracing

__all__ = ["CallFacts", "Toolbox"]

MOST_THREADS = 16
"""Functions that block, at a time, in all calls of one assistant. More of them wait, within their timeouts."""

CLOSE_TIMEOUT_S = 1.0
"""How long cancelled tools have to end when the server stops."""

NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
"""Names that the assistants' protocols accept."""

KEYS_OF_BUILT_IN = {"description"}
KEYS_OF_FUNCTION = {"function", "description", "timeout_s"}
KEYS_OF_HTTP = {"url", "method", "headers", "description", "parameters", "timeout_s", "facts"}


class Toolbox:
    """The tools of the assistant that the settings name `assistant`. Raises `ConfigurationError`.

    `connector`: makes the connections of tools that are HTTP requests.
    """

    def __init__(
        self,
        assistant: str,
        settings: Mapping[str, ToolSettings],
        *,
        proxies: ProxySettings = NO_PROXIES,
        connector: Callable[[], aiohttp.BaseConnector] = aiohttp.TCPConnector,
    ) -> None:
        self._assistant = assistant
        self._proxies = proxies
        self._connector = connector
        self._threads = Threads(MOST_THREADS)
        self._alive: set[asyncio.Task[str]] = set()
        self._http: aiohttp.ClientSession | None = None
        self._tools: dict[str, FunctionTool | HttpTool] = {}
        self.schemas: tuple[ToolSchema, ...] = tuple(self._schemas(settings))
        """The schemas for the assistant, in the order of the settings."""

    def _schemas(self, settings: Mapping[str, ToolSettings]) -> Iterator[ToolSchema]:
        for name, tool in settings.items():
            place = f"assistants.{self._assistant}.tools.{name}"
            if not NAME.fullmatch(name):
                raise ConfigurationError(
                    f"{place}: a tool's name should be 1 to 64 of a-z, A-Z, 0-9, _ and -"
                )
            try:
                yield self._schema(name, tool)
            except ConfigurationError as error:  # its text begins with a key of the tool's table
                raise ConfigurationError(f"{place}.{error}") from error.__cause__

    def _schema(self, name: str, settings: ToolSettings) -> ToolSchema:
        if (built_in := BUILT_IN_TOOLS.get(name)) is not None:
            is_transfer = built_in is TRANSFER and settings.people is not None
            keys = KEYS_OF_BUILT_IN | ({"people"} if is_transfer else set())
            _refuse_other_keys(settings, keys, "a built-in tool; leave it out, or choose another name")
            if is_transfer:
                return transfer_schema(settings.people or (), settings.description)
            schema = built_in.schema
            return schema._replace(description=settings.description or schema.description)
        tool: FunctionTool | HttpTool
        if settings.function is not None:
            _refuse_other_keys(settings, KEYS_OF_FUNCTION, "a function; leave it out")
            tool = FunctionTool(name, settings, self._threads)
        elif settings.url is not None:
            _refuse_other_keys(settings, KEYS_OF_HTTP, "a url; leave it out")
            tool = HttpTool(name, settings, self._session, self._proxies.proxy_for(settings.url))
        else:
            raise ConfigurationError(
                f"function is missing: only {', '.join(BUILT_IN_TOOLS)} are built in; any other tool should have "
                'function = "package.module:function" or url = "https://..."'
            )
        self._tools[name] = tool
        return tool.schema

    def open(
        self,
        *,
        call_id: str,
        parameters: Mapping[str, str],
        facts: Facts = NO_CONTEXT.facts,
        tracing: CallTracing = NO_TRACING,
    ) -> Tools:
        """The tools of one call, until they are closed. `parameters`, `facts`: what they may know of it."""
        known = CallFacts(call_id, self._assistant, MappingProxyType(dict(parameters)), facts)
        return RunningTools(self._tools, known, self._alive, tracing.running)

    def _session(self) -> aiohttp.ClientSession:
        """The HTTP client, made when it is first needed: it belongs to the running loop."""
        if self._http is None:
            self._http = client_session(self._connector())
        return self._http

    async def aclose(self) -> None:
        """Cancel what runs and close connections. A thread cannot be stopped: it is left to end with the process."""
        for task in self._alive:
            task.cancel()
        if self._alive:
            await asyncio.wait(self._alive, timeout=CLOSE_TIMEOUT_S)
        if self._http is not None:
            session, self._http = self._http, None
            await session.close()


def _refuse_other_keys(settings: ToolSettings, keys: set[str], what: str) -> None:
    for key in sorted(settings.model_fields_set - keys):
        if getattr(settings, key) is not None:
            raise ConfigurationError(f"{key}: does not go with {what}")
