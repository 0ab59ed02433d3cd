"""Speaks with the control API of a running server, for `voicebridge calls`: requests, answers, and server-sent events.

Source: RFC 9457 (problem details), the HTML standard, 9.2 (server-sent events). Nothing is repeated by itself.
"""

import http.client
import json
import ssl
import uuid
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

from bridge.config.addresses import LOOPBACK
from bridge.vocabulary.errors import BridgeError, ConfigurationError

ANSWER_S = 10.0
"""How long one answer may take."""

QUIET_S = 45.0
"""How long the events may be silent: a comment comes every 15 s."""

MOST_BYTES = 8_388_608

MOST_LINE_BYTES = 1_048_576

EXIT_CODES = {HTTPStatus.NOT_FOUND: 3, HTTPStatus.CONFLICT: 4}
"""No such call, and a verb that does not go with its state, tell scripts to go on; everything else is 1."""


class Refused(BridgeError):
    """The server refused; the text is a sentence."""

    def __init__(self, why: str, exit_code: int = 1) -> None:
        super().__init__(why)
        self.exit_code = exit_code


class Event(NamedTuple):
    """A server-sent event: its name, and its data, read as JSON."""

    name: str
    data: Any


class ControlClient:
    """A client of one server. `url`: its address, to which the paths are added; `token`: empty for none.

    Raises `ConfigurationError` if the address is none.
    """

    def __init__(self, url: str, token: str = "", answer_s: float = ANSWER_S) -> None:
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:  # a port out of range, a bracket left open
            parts, port = urlsplit(""), None
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigurationError(f"--url {url!r}: should be an address such as http://127.0.0.1:8080")
        if not (token.isascii() and token.isprintable()) or " " in token:
            raise ConfigurationError("the token has other characters than ASCII without blanks")
        self._host = parts.hostname
        self._port = port
        self._is_tls = parts.scheme == "https"
        self._path = parts.path.rstrip("/")
        self._token = token
        self._answer_s = answer_s

    @property
    def sends_in_clear(self) -> bool:
        """Whether the token can be read on the way."""
        return bool(self._token) and not self._is_tls and self._host not in LOOPBACK

    def get(self, *path: str) -> Any:
        """What is at a path. Raises `Refused`."""
        return self._ask("GET", path)

    def post(self, *path: str, body: dict[str, object]) -> Any:
        """The answer to a verb. Raises `Refused`."""
        return self._ask("POST", path, body)

    def delete(self, *path: str) -> Any:
        """The answer to the end of something. Raises `Refused`."""
        return self._ask("DELETE", path)

    def events(self, *path: str) -> Iterator[Event]:
        """The events, until the server ends them. Raises `Refused` if it does not, or the connection breaks."""
        connection = self._connection(QUIET_S)
        try:
            response = self._send(connection, "GET", path, None, {"Accept": "text/event-stream"})
            yield from read_events(_lines(response))
        except (OSError, http.client.HTTPException) as error:
            raise Refused(f"the events of {self._shown} broke off: {error or type(error).__name__}") from None
        finally:
            connection.close()

    def _ask(self, method: str, path: Iterable[str], body: dict[str, object] | None = None) -> Any:
        connection = self._connection(self._answer_s)
        try:
            response = self._send(connection, method, path, body, {"Accept": "application/json"})
            text = response.read(MOST_BYTES)
        except (OSError, http.client.HTTPException) as error:
            raise self._unreachable(error) from None
        finally:
            connection.close()
        return _json(text) if text else None

    def _send(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        path: Iterable[str],
        body: dict[str, object] | None,
        headers: dict[str, str],
    ) -> http.client.HTTPResponse:
        target = self._path + "".join(f"/{quote(part, safe='')}" for part in path)
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        if method != "GET":
            headers["Idempotency-Key"] = str(uuid.uuid4())
        data = None if body is None else json.dumps(body).encode()
        if data is not None:
            headers["Content-Type"] = "application/json"
        try:
            connection.request(method, target, data, headers)
            response = connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            raise self._unreachable(error) from None
        if response.status >= HTTPStatus.MULTIPLE_CHOICES:
            raise problem(response.status, response.read(MOST_BYTES), response.getheader("Retry-After"))
        return response

    def _connection(self, timeout_s: float) -> http.client.HTTPConnection:
        if not self._is_tls:
            return http.client.HTTPConnection(self._host, self._port, timeout=timeout_s)
        context = ssl.create_default_context()
        if self._host in LOOPBACK:  # the certificate bears the public name, and nobody is between
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return http.client.HTTPSConnection(self._host, self._port, timeout=timeout_s, context=context)

    def _unreachable(self, error: Exception) -> Refused:
        why = f"no answer within {self._answer_s:g} s" if isinstance(error, TimeoutError) else str(error)
        return Refused(f"no server answers at {self._shown}: {why or type(error).__name__}")

    @property
    def _shown(self) -> str:
        return self._host if self._port is None else f"{self._host}, port {self._port}"


def problem(status: int, body: bytes, retry_after: str | None = None) -> Refused:
    """A refusal as a sentence, from its problem details if it has some."""
    found = _json(body)
    told = found if isinstance(found, dict) else {}
    why = str(told.get("detail") or told.get("title") or _MEANINGS.get(status) or "the server refused")
    if not told and status == HTTPStatus.NOT_FOUND:
        why = "there is no control API at this address: [control] tokens should be set, and --url be right"
    if told.get("state"):
        why += f"; the call is {told['state']}"
    if retry_after:
        why += f"; try again in {retry_after} s"
    return Refused(f"{why} ({status})", EXIT_CODES.get(HTTPStatus(status), 1) if status in _STATUSES else 1)


_STATUSES = {status.value for status in HTTPStatus}

_MEANINGS = {
    401: "the token is missing, or is not one of this server's",
    403: "this token may not do that",
    429: "there were too many requests",
    503: "the server is closing",
}


def _json(text: bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _lines(response: http.client.HTTPResponse) -> Iterator[str]:
    while line := response.readline(MOST_LINE_BYTES):
        yield line.decode("utf-8", "replace").rstrip("\r\n")


def read_events(lines: Iterable[str]) -> Iterator[Event]:
    """The events in lines of a stream. Comments, and data that is not JSON, are left out."""
    name = "message"
    data: list[str] = []
    for line in lines:
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line:
            found = _json("\n".join(data).encode()) if data else None
            if found is not None:
                yield Event(name, found)
            name, data = "message", []
        elif field == "event":
            name = value
        elif field == "data":
            data.append(value)
