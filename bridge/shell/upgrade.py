"""The head of a WebSocket upgrade: a request is read and checked, a response is put into plain form. No I/O.

`Connection` and `Upgrade` are lists of tokens, in any case and order, perhaps in several lines (RFC 9110, 5.6.1, 7.6.1
and 7.8; RFC 6455, 4.1 and 4.2.1). picows compares the whole value with one token, so it is given a plain head: one that
says the same with one token in each.
"""

import re
from base64 import b64decode
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import NamedTuple

from multidict import CIMultiDict

HEAD_END = b"\r\n\r\n"

HEAD_BYTES = 16_384
"""The longest head of a request or a response."""

VERSION = "13"
"""The version of the protocol (RFC 6455)."""

KEY_BYTES = 16

_FIELD = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):([\t -~\x80-\xff]*)")
"""A field line (RFC 9112, 5): no blank before the colon, no line that goes on."""


class UpgradeRequest(NamedTuple):
    """A request for an upgrade that can be granted. `target`: the path and the query, as they were sent."""

    target: str
    headers: Mapping[str, str]
    key: str


class Refusal(NamedTuple):
    """Why an upgrade is refused. `reason`: for the log, and for the body of the response."""

    status: HTTPStatus
    reason: str
    headers: tuple[str, ...] = ()

    def response(self) -> bytes:
        """The response as it is sent. The connection is closed after it."""
        options = "close, Upgrade" if self.status is HTTPStatus.UPGRADE_REQUIRED else "close"
        body = f"{self.reason}\n".encode()
        lines = [
            f"HTTP/1.1 {self.status.value} {self.status.phrase}",
            f"Connection: {options}",
            *self.headers,
            "Content-Type: text/plain; charset=utf-8",
            f"Content-Length: {len(body)}",
        ]
        return "\r\n".join(lines).encode() + HEAD_END + body


def read_request(head: bytes) -> UpgradeRequest | Refusal:
    """Read the head of a request, without its empty line: an upgrade that can be granted, or why it cannot."""
    first, *lines = head.decode("latin-1").split("\r\n")
    words = first.split(" ")
    if len(words) != 3 or not all(words):
        return Refusal(HTTPStatus.BAD_REQUEST, "the request line is malformed: expected GET PATH HTTP/1.1")
    method, target, version = words
    if version != "HTTP/1.1":
        return Refusal(
            HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, "another version of HTTP: expected HTTP/1.1 for an upgrade"
        )
    if method != "GET":
        return Refusal(
            HTTPStatus.METHOD_NOT_ALLOWED, "another method: expected GET for an upgrade", ("Allow: GET",)
        )
    headers = _fields(lines)
    if headers is None:
        return Refusal(HTTPStatus.BAD_REQUEST, "a header is malformed: expected NAME: VALUE on one line")
    return _refused(headers) or UpgradeRequest(target, headers, headers["Sec-WebSocket-Key"])


def _refused(headers: CIMultiDict[str]) -> Refusal | None:
    """Why these headers ask for nothing that can be granted."""
    if "Transfer-Encoding" in headers or headers.get("Content-Length", "0").strip("0"):
        return Refusal(HTTPStatus.BAD_REQUEST, "the request has a body: expected none for an upgrade")
    if "websocket" not in tokens(headers.getall("Upgrade", ())):
        return Refusal(
            HTTPStatus.UPGRADE_REQUIRED,
            "no upgrade to WebSocket is asked for: expected websocket in Upgrade",
            ("Upgrade: websocket",),
        )
    if "upgrade" not in tokens(headers.getall("Connection", ())):
        return Refusal(HTTPStatus.BAD_REQUEST, "upgrade is missing in Connection")
    versions = headers.getall("Sec-WebSocket-Version", [])
    if not versions:
        return Refusal(HTTPStatus.BAD_REQUEST, f"Sec-WebSocket-Version is missing: expected {VERSION}")
    if versions != [VERSION]:
        return Refusal(
            HTTPStatus.UPGRADE_REQUIRED,
            f"another version of WebSocket: expected Sec-WebSocket-Version: {VERSION}",
            ("Upgrade: websocket", f"Sec-WebSocket-Version: {VERSION}"),
        )
    keys = headers.getall("Sec-WebSocket-Key", [])
    if len(keys) != 1 or not _is_key(keys[0]):
        wrong = "is not valid" if keys else "is missing"
        return Refusal(
            HTTPStatus.BAD_REQUEST, f"Sec-WebSocket-Key {wrong}: expected {KEY_BYTES} bytes in base64"
        )
    return None


def plain_request(request: UpgradeRequest) -> bytes:
    """The head of a request that picows grants whatever the peer wrote: what it looks at and nothing else."""
    return (
        "GET / HTTP/1.1\r\nHost: peer\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Version: {VERSION}\r\nSec-WebSocket-Key: {request.key}\r\n\r\n"
    ).encode()


def is_interim(read: bytes) -> bool:
    """Whether a response begins here behind which another one follows (RFC 9110, 15.2): 1xx, but not 101."""
    return re.match(rb"HTTP/1\.1 1(?!01)\d\d[ \r]", read) is not None


def lacks_body(read: bytes, most: int) -> bool:
    """Whether a response that is no upgrade should go on, by its own word, and less than `most` bytes of its body are there.

    `read`: its head and what came behind it.
    """
    head, _, body = read.partition(HEAD_END)
    first, *lines = head.split(b"\r\n")
    headers = _fields(line.decode("latin-1") for line in lines)
    if headers is None or first.split(b" ")[1:2] == [b"101"] or len(body) >= most:
        return False
    if "chunked" in tokens(headers.getall("Transfer-Encoding", ())):
        return not body.endswith(b"0\r\n\r\n")
    length = headers.get("Content-Length", "")
    return length.isascii() and length.isdigit() and len(body) < int(length[:9])


def plain_response(read: bytes) -> bytes:
    """A response of 101 with `Connection: Upgrade` and `Upgrade: websocket`, if it says that in other words.

    `read`: the head and what came behind it. What is not an upgrade to WebSocket stays as it is.
    """
    head, end, rest = read.partition(HEAD_END)
    first, *lines = head.split(b"\r\n")
    headers = _fields(line.decode("latin-1") for line in lines)
    if first.split(b" ")[1:2] != [b"101"] or headers is None:
        return read
    if "upgrade" not in tokens(headers.getall("Connection", ())):
        return read
    if set(tokens(headers.getall("Upgrade", ()))) != {"websocket"}:  # nothing else was offered
        return read
    others = (line for line in lines if line.partition(b":")[0].lower() not in (b"connection", b"upgrade"))
    return b"\r\n".join([first, b"Upgrade: websocket", b"Connection: Upgrade", *others]) + end + rest


def tokens(values: Iterable[str]) -> list[str]:
    """The members of a header that is a list of tokens, from the values of all its lines, in lower case."""
    members = (member.strip(" \t").lower() for value in values for member in value.split(","))
    return [member for member in members if member]


def _fields(lines: Iterable[str]) -> CIMultiDict[str] | None:
    """The headers; None if a line is malformed."""
    headers: CIMultiDict[str] = CIMultiDict()
    for line in lines:
        field = _FIELD.fullmatch(line)
        if field is None:
            return None
        headers.add(field[1], field[2].strip(" \t"))
    return headers


def _is_key(key: str) -> bool:
    try:
        return len(b64decode(key, validate=True)) == KEY_BYTES
    except ValueError:
        return False
