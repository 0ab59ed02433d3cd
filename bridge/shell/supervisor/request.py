"""The request of a connection as far as it has to be read to know which worker gets it. No socket, no clock.

That is the head; and the body of a webhook, which names the call that it tells of.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from bridge.carriers.registry import CARRIERS
from bridge.shell.admission import STREAMS
from bridge.shell.front_door import HEAD_BYTES
from bridge.shell.handles import owner_in
from bridge.shell.http_server import MOST_BODY_BYTES
from bridge.shell.tokens import owner_of

PAGE_CALLS = ("phone", "calls")
"""How the paths of calls from the page begin; a handle follows."""

HEAD_END = b"\r\n\r\n"
MOST_READ_BYTES = HEAD_BYTES + MOST_BODY_BYTES

_FIELD = re.compile(rb"\r\n([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\r\n]*)")


class TooLong(Exception):  # no error of ours: the peer's
    """The head is longer than any that we serve."""


class Request(NamedTuple):
    """A request. `read`: all bytes that came, but for empty lines before it."""

    method: str
    path: str
    """Decoded, without the query."""
    headers: Mapping[str, str]
    """Names in lower case; of a repeated header the last."""
    body: bytes
    """As far as it was read."""
    read: bytes


class Destination(NamedTuple):
    """What a request says of the worker that shall have it."""

    owner: str = ""
    """The worker that minted its token, or its handle."""
    call: tuple[str, str] | None = None
    """The carrier and the call that it tells of."""
    may_begin_call: bool = False
    call_id: str = ""
    """The call that it steers or watches, whichever carrier it is of."""
    is_pinned: bool = False
    """All of its kind go to the same worker: it knows requests that are sent again."""


class RequestReader:
    """Reads one request from the bytes of a connection."""

    def __init__(self) -> None:
        self._read = b""
        self._skipped = 0
        self._head: tuple[str, str, dict[str, str]] | None = None
        self._needed = 0

    def feed(self, data: bytes) -> Request | None:
        """The request, once enough of it has come. Raises `TooLong`."""
        self._read += data
        if self._head is None:
            self._skip_empty_lines()  # RFC 9112, 2.2
            end = self._read.find(HEAD_END)
            if end < 0 or end > HEAD_BYTES:
                if len(self._read) + self._skipped > HEAD_BYTES:
                    raise TooLong
                return None
            self._head = _head(self._read[: end + 2])
            self._needed = end + len(HEAD_END) + _body_bytes(*self._head)
        if len(self._read) < self._needed:
            return None
        body = self._read[self._read.find(HEAD_END) + len(HEAD_END) :]
        return Request(*self._head, body, self._read)

    def _skip_empty_lines(self) -> None:
        rest = self._read.lstrip(b"\r\n")
        self._skipped += len(self._read) - len(rest)
        self._read = rest


def destination(request: Request) -> Destination:
    """Who shall have this request, as far as it says so. Nothing of it was authenticated."""
    carrier, kind, word, *_ = [*request.path.removeprefix("/").split("/"), "", "", ""]
    if (carrier, kind) == PAGE_CALLS:
        return Destination(owner=owner_in(word), may_begin_call=not word)
    if carrier == "calls":
        call_id = _call_id_in(request.read)
        return Destination(call_id=call_id, is_pinned=not call_id)
    if carrier not in CARRIERS:
        return Destination()
    if kind in STREAMS:
        return Destination(owner=owner_of(word), may_begin_call=not word)
    if request.method != "POST":
        return Destination()
    call_id = CARRIERS[carrier].call_id_in(request.body)
    call = (carrier, call_id) if call_id else None
    return Destination(owner=owner_in(word), call=call, may_begin_call=bool(call_id))


def _call_id_in(read: bytes) -> str:
    """The word behind /calls/ of a request's target. A call's id may have slashes, which are encoded there."""
    words = read.partition(b"\r\n")[0].decode("latin-1").split(" ")
    segments = _path(words[1]).split("/") if len(words) > 1 else []
    return unquote(segments[2]) if len(segments) > 2 else ""


def _head(head: bytes) -> tuple[str, str, dict[str, str]]:
    """Method, path and headers. A malformed head is read as far as it can be: a worker refuses it."""
    words = head.partition(b"\r\n")[0].decode("latin-1").split(" ")
    method, target = words[0], words[1] if len(words) > 1 else ""
    headers = {
        name.decode().lower(): value.decode("latin-1").rstrip() for name, value in _FIELD.findall(head)
    }
    return method, unquote(_path(target)), headers


def _path(target: str) -> str:
    """The path of a request's target, which may be a whole address (RFC 9112, 3.2.2)."""
    if not target.startswith("/"):
        try:
            target = urlsplit(target).path
        except ValueError:
            return ""
    return target.partition("?")[0]


def _body_bytes(method: str, path: str, headers: Mapping[str, str]) -> int:
    """How many bytes of the body are read before the request is passed on: all of a webhook's, of others none.

    None either of a body that a worker refuses, or that the peer does not send before it is told to go on.
    """
    length = headers.get("content-length", "")
    is_webhook = method == "POST" and path.removeprefix("/").split("/")[0] in CARRIERS
    if not is_webhook or "expect" in headers or "transfer-encoding" in headers or not length.isdecimal():
        return 0
    return int(length) if len(length) < 10 and int(length) <= MOST_BODY_BYTES else 0
