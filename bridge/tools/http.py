"""Tools that are HTTP requests, by http or https.

POST, PUT and PATCH carry the arguments as a JSON body; GET and DELETE carry them in the query, text as it is and other
values as JSON. The header X-Voicebridge-Call holds the call's id, X-Voicebridge-Facts who calls whom. The body of the response is the output; a status of 300 or
more is an error. Redirects are followed only within the origin (RFC 6454), because the headers may hold secrets.
"""

import json
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import aiohttp
import msgspec
from yarl import URL

from bridge.settings.assistants import ToolSettings
from bridge.settings.proxies import Proxy
from bridge.tools.tool import LONGEST_OUTPUT, CallFacts, ToolRefused
from bridge.vocabulary.call_facts import facts_header
from bridge.vocabulary.contracts import ToolSchema
from bridge.vocabulary.errors import ConfigurationError
from bridge.vocabulary.trace_context import TRACEPARENT

CALL_HEADER = "X-Voicebridge-Call"

IN_BODY = ("POST", "PUT", "PATCH")

MOST_BODY_BYTES = 4 * LONGEST_OUTPUT
"""Enough for the longest output in UTF-8, which has up to 4 bytes a character (RFC 3629, 3). The rest is not read."""

MOST_ERROR_CHARACTERS = 500
"""Of the body of an error response; the rest is not passed to the assistant."""

MOST_REDIRECTS = 5

NO_PARAMETERS: Mapping[str, Any] = {"type": "object", "properties": {}, "additionalProperties": False}


class LeftOrigin(Exception):
    """A redirect led to another origin."""


def client_session(connector: aiohttp.BaseConnector) -> aiohttp.ClientSession:
    """The HTTP client for all tools of an assistant. It keeps no cookies: they would carry one call's session to another."""
    trace = aiohttp.TraceConfig()
    trace.on_request_redirect.append(_stay_in_origin)
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),  # `RunningTools` has a timeout for each
        trace_configs=[trace],
    )


async def _stay_in_origin(
    _session: aiohttp.ClientSession, _context: SimpleNamespace, redirect: aiohttp.TraceRequestRedirectParams
) -> None:
    try:
        headers = redirect.response.headers  # in the order in which aiohttp looks at them
        target = redirect.url.join(URL(headers.get("Location") or headers.get("URI") or ""))
        stays = target.origin() == redirect.url.origin()
    except ValueError:  # not an address, or of another scheme
        stays = False
    if not stays:
        redirect.response.close()
        raise LeftOrigin


class HttpTool:
    """One address as a tool. Raises `ConfigurationError` if its settings do not tell an assistant how to use it."""

    def __init__(
        self,
        name: str,
        settings: ToolSettings,
        session: Callable[[], aiohttp.ClientSession],
        proxy: Proxy | None,
    ) -> None:
        assert settings.url is not None
        if not settings.description:
            raise ConfigurationError(
                "description is missing: it should tell the assistant what the tool does"
            )
        self._parameters = _checked(NO_PARAMETERS if settings.parameters is None else settings.parameters)
        self._headers = {key: value.get_secret_value() for key, value in settings.headers.items()}
        self._url = URL(settings.url)
        self._method = settings.method
        self._session = session
        self._tells_facts = settings.facts
        self._proxy = proxy  # redirects stay in the origin, so it is the same for them
        self.schema = ToolSchema(name, settings.description, self._parameters)
        self.timeout_s = settings.timeout_s

    async def run(self, arguments: str, facts: CallFacts) -> object:
        """See `Tool.run`."""
        given = self._read(arguments)
        in_body = self._method in IN_BODY
        try:
            async with self._session().request(
                self._method,
                self._url if in_body else self._with_query(given),
                json=given if in_body else None,
                headers=self._headers | self._about(facts),
                max_redirects=MOST_REDIRECTS,
                proxy=self._proxy and self._proxy.url,
            ) as response:
                return await _answer(response)
        except LeftOrigin:
            raise ToolRefused(
                "the tool's server redirects to another origin, which is not followed", "redirect"
            ) from None
        except (aiohttp.ClientHttpProxyError, aiohttp.ClientProxyConnectionError) as error:
            why = f"{type(error).__name__} at the proxy {self._proxy}"
            raise ToolRefused("the tool's server cannot be reached", why) from error
        except aiohttp.ClientConnectorError as error:
            raise ToolRefused("the tool's server cannot be reached", type(error).__name__) from error
        except (aiohttp.ClientError, OSError) as error:
            why = "the tool's server gave no answer; it may be done in part"
            raise ToolRefused(why, type(error).__name__) from error

    def _about(self, facts: CallFacts) -> dict[str, str]:
        """Headers that say which call it is, who calls whom, and where in the trace it is."""
        about = {CALL_HEADER: facts.call_id} | (facts_header(facts.facts) if self._tells_facts else {})
        return about | ({TRACEPARENT: facts.traceparent} if facts.traceparent else {})

    def _read(self, arguments: str) -> dict[str, Any]:
        try:
            given = msgspec.json.decode(arguments.strip() or "{}")
        except msgspec.DecodeError as error:
            raise ToolRefused(f"the arguments are no JSON: {error}", "arguments") from None
        if not isinstance(given, dict):
            raise ToolRefused("the arguments should be a JSON object", "arguments")
        known = self._parameters["properties"]
        faults = [f"{name} is missing" for name in self._parameters.get("required", ()) if name not in given]
        if self._parameters.get("additionalProperties", False) is False:
            faults += [
                f"{name}: there is no such parameter; known: {', '.join(known) or 'none'}"
                for name in given
                if name not in known
            ]
        if faults:
            raise ToolRefused("the arguments do not fit: " + "; ".join(faults), "arguments")
        return given

    def _with_query(self, given: dict[str, Any]) -> URL:
        """The address with the arguments in its query. Those that the settings' address has already cannot be replaced."""
        return self._url.extend_query(
            {
                name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
                for name, value in given.items()
                if value is not None and name not in self._url.query
            }
        )


def _checked(parameters: Mapping[str, Any]) -> dict[str, Any]:
    whole: dict[str, Any] = {"properties": {}, **parameters}
    if whole.get("type") != "object":
        raise ConfigurationError(f'parameters: has type = {whole.get("type")!r}; should be type = "object"')
    properties, required = whole["properties"], whole.get("required", [])
    if not isinstance(properties, dict) or not all(isinstance(one, dict) for one in properties.values()):
        raise ConfigurationError(
            'parameters.properties: should be a table of JSON schemas, such as day = { type = "string" }'
        )
    if not isinstance(required, list) or not set(map(str, required)) <= properties.keys():
        raise ConfigurationError("parameters.required: should be a list of names in parameters.properties")
    return whole


async def _answer(response: aiohttp.ClientResponse) -> object:
    text = await _text(response)
    if response.status >= 300:
        raise ToolRefused(
            f"HTTP {response.status} {text[:MOST_ERROR_CHARACTERS]}".rstrip(), f"HTTP {response.status}"
        )
    return text or {"status": response.status}


async def _text(response: aiohttp.ClientResponse) -> str:
    body = bytearray()
    while len(body) <= MOST_BODY_BYTES and (chunk := await response.content.readany()):
        body += chunk
    try:
        return body.decode(response.charset or "utf-8", errors="replace")
    except LookupError:  # a charset that Python does not know
        return body.decode(errors="replace")
