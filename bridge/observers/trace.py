"""The form of a trace: every message of one call on its legs, a line of JSON for each, and how such a file is read.

    {"voicebridge_trace":1,"carrier":"…","stream":"media","assistant":"echo",…}            the header
    {"at_ms":12.345,"to":"bridge","message":{…}}                                          from the carrier
    {"at_ms":12.5,"to":"carrier","message":{…}}
    {"at_ms":13.0,"to":"assistant","leg":"assistant-1","message":{…}}
    {"at_ms":900.1,"what":"lost","leg":"carrier","code":1000}
    {"at_ms":900.2,"what":"ended"}                                                        the last line

"at_ms": milliseconds since the carrier's socket was opened, on a clock that never jumps. A message is JSON as it was sent
("message"), or other text ("text"), or bytes in base64 ("base64"). A post to an assistant over HTTP is an object under
"post", its response one under "posted". A leg is named by its peer and, from the second stream on, by a number.
"""

from base64 import b64decode
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import msgspec
from msgspec import Raw, Struct

from bridge.vocabulary.errors import ConfigurationError
from telecodecs.format import AudioFormat

VERSION = 1
"""Of the form; a reader of another one refuses the trace."""

SUFFIX = ".trace.jsonl"
"""The end of the name of a trace's file."""

CARRIER = "carrier"
BRIDGE = "bridge"
ASSISTANT = "assistant"

MASK = "•"
"""In place of a sensitive key."""


class BadTrace(ConfigurationError):
    """A file is no trace that can be replayed."""


class TraceHeader(Struct, frozen=True, kw_only=True):
    """The first line: what the messages do not say."""

    voicebridge_trace: int
    carrier: str
    stream: str = "media"
    """Or "listen": the call is only listened to."""
    call_id: str = ""
    assistant: str = ""
    """The name of the assistant that was opened first; empty where the call is only listened to."""
    kind: str = ""
    """The kind of that assistant."""
    line: AudioFormat | None = None
    """The caller's audio."""
    plays: AudioFormat | None = None
    """What is played to the caller."""
    has_assistant: bool = False
    """Whether the assistant's side was captured as well."""
    masked: bool = True
    """Whether numbers and secrets are masked; sensitive keys always are."""
    can: tuple[str, ...] = ()
    """The commands that the carrier performs beside its stream."""
    resume_s: float = 0.0
    """How long the stream may be away, in seconds."""
    recorded: str = ""
    """When, in UTC."""
    version: str = ""
    """Of voicebridge."""


class HttpMessage(Struct, frozen=True, omit_defaults=True):
    """A post or its response. Of `json`, `text` and `base64` at most one is there: the body."""

    json: Raw = Raw(b"")
    text: str = ""
    base64: bytes = b""
    headers: dict[str, str] = {}
    status: int = 0
    content_type: str = ""
    retry_after_s: float | None = None

    @property
    def body(self) -> bytes:
        """The body, decoded."""
        return bytes(self.json) or self.text.encode() or self.base64


class TraceLine(Struct, frozen=True, omit_defaults=True):
    """One line behind the header: a message, where `to` is set, or what else happened, as `what` says it."""

    at_ms: float
    to: str = ""
    what: str = ""
    """"opened", "ready", "lost", "closed": a leg; "tool": an answer of one; "told": an event of the server's; "ended"."""
    leg: str = CARRIER
    masked: bool = False
    """Keys or audio of this message were taken out, because they are sensitive."""
    message: Raw = Raw(b"")
    text: str | None = None
    base64: bytes | None = None
    post: HttpMessage | None = None
    posted: HttpMessage | None = None
    delayed_s: float | None = None
    code: int = 0
    reason: str = ""
    assistant: str = ""
    kind: str = ""
    hears: AudioFormat | None = None
    """What an assistant that is ready hears."""
    tool_call_id: str = ""
    output: str = ""
    event: str = ""
    within_s: float = 0.0

    @property
    def wire(self) -> str | bytes:
        """The WebSocket message: text as str, binary as bytes."""
        if self.base64 is not None:
            return self.base64
        return bytes(self.message).decode() if self.text is None else self.text


class Trace(NamedTuple):
    """A trace as it was read."""

    header: TraceHeader
    lines: tuple[TraceLine, ...]
    is_cut_off: bool = False
    """The last lines are missing: the process was killed, or the disk was full."""


_ENCODER = msgspec.json.Encoder()
_READ_LINE = msgspec.json.Decoder(TraceLine)
_READ_HEADER = msgspec.json.Decoder(TraceHeader)
_WHATS = frozenset({"opened", "ready", "lost", "closed", "tool", "told", "ended"})


def encode(line: TraceHeader | TraceLine) -> bytes:
    """One line of the file, with its end."""
    return _ENCODER.encode(line) + b"\n"


def as_message(message: str | bytes) -> dict[str, Any]:
    """The field of a `TraceLine` that holds this message."""
    if isinstance(message, bytes):
        return {"base64": message}
    if "\n" not in message and message[:1] in ("{", "["):
        try:
            msgspec.json.decode(message, type=Raw)
        except (msgspec.DecodeError, RecursionError):
            return {"text": message}
        return {"message": Raw(message.encode())}
    return {"text": message}


def read_trace(content: bytes, name: str = "the trace") -> Trace:
    """Read a file's content. Raises `BadTrace` with `name` where it is no trace of this version.

    A last line that is cut off, or one that does not say that the call ended, is not refused: see `Trace.is_cut_off`.
    """
    rows = content.split(b"\n")
    header = _header(rows[0], name)
    lines = tuple(_lines(rows, name))
    return Trace(header, lines, is_cut_off=not lines or lines[-1].what != "ended")


def _header(row: bytes, name: str) -> TraceHeader:
    expected = f'expected {{"voicebridge_trace":{VERSION},…}}, as `serve --capture` writes it'
    try:
        found = msgspec.json.decode(row, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise BadTrace(f"{name}: the first line is not the header of a trace: {expected}") from None
    version = found.get("voicebridge_trace")
    if version is None:
        raise BadTrace(f"{name}: the first line is not the header of a trace: {expected}")
    if version != VERSION:
        raise BadTrace(f"{name}: a trace of version {version!r}: expected version {VERSION}")
    try:
        return _READ_HEADER.decode(row)
    except (msgspec.DecodeError, ValueError) as error:
        raise BadTrace(f"{name}: the header: {error}") from None


def _lines(rows: list[bytes], name: str) -> Iterator[TraceLine]:
    at_ms = 0.0
    for number, row in enumerate(rows[1:], 2):
        if not row:
            if number < len(rows):
                raise BadTrace(f"{name}, line {number}: an empty line: expected a message")
            return
        try:
            line = _READ_LINE.decode(row)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            if number == len(rows):  # without its end: it is cut off
                return
            raise BadTrace(f"{name}, line {number}: {error}") from None
        if fault := _fault(line, at_ms):
            raise BadTrace(f"{name}, line {number}: {fault}")
        at_ms = line.at_ms
        yield line


def _fault(line: TraceLine, before_ms: float) -> str:
    if line.at_ms < before_ms:
        return f"at_ms = {line.at_ms:g} is earlier than the line before: expected the order of time"
    if line.what:
        return (
            ""
            if line.what in _WHATS
            else f"what = {line.what!r}: expected one of {', '.join(sorted(_WHATS))}"
        )
    if line.to not in (BRIDGE, CARRIER, ASSISTANT):
        return f"to = {line.to!r}: expected {BRIDGE}, {CARRIER} or {ASSISTANT}"
    has_message = bytes(line.message) or line.text is not None or line.base64 is not None
    if not (has_message or line.post or line.posted or line.delayed_s is not None):
        return "it has no message: expected message, text, base64, post, posted or delayed_s"
    return ""


def written(header: TraceHeader, lines: Iterable[TraceLine]) -> bytes:
    """The content of a file."""
    return b"".join([encode(header), *map(encode, lines)])


def decoded_base64(text: str) -> bytes | None:
    """The bytes of a text in base64; None if it is none."""
    try:
        return b64decode(text, validate=True)
    except ValueError:
        return None
