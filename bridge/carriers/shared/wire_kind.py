"""Tells a carrier's message of an unknown kind, which is ignored, from a known one in a wrong shape.

Wire: a JSON object with the name of its kind under `event`.
"""

from collections.abc import Collection

from msgspec import DecodeError, Struct, ValidationError, json

from bridge.vocabulary.errors import MalformedMessage
from bridge.vocabulary.events import CloseRequested, Ignored

START = "start"
"""The kind of the message that begins a stream."""

UNREADABLE = 1007
"""The WebSocket close code for a message whose data are not consistent with its type (RFC 6455, 7.4.1)."""


class _AnyKind(Struct):
    event: str


_READ_KIND = json.Decoder(_AnyKind)


def unreadable_start(why: str) -> CloseRequested:
    """The end of a stream that has not begun, and cannot: without its `start` nobody knows which call it is."""
    return CloseRequested(f"start: cannot be read: {why}", UNREADABLE)


def unread(
    message: str, kinds: Collection[str], error: Exception, *, has_started: bool = True
) -> Ignored | CloseRequested:
    """What becomes of a message that could not be read: `Ignored`, where its kind is not among `kinds`.

    `CloseRequested` for the `start` of a stream that has not started: nothing would come after it. Raises `MalformedMessage` for a known kind, with what `error` says of it, and where no kind can be found.
    """
    try:
        kind = _READ_KIND.decode(message).event
    except (DecodeError, RecursionError):
        raise MalformedMessage("not a JSON object with an event's name") from error
    if kind in kinds:
        path = str(error) if isinstance(error, ValidationError) else "broken JSON"
        if kind == START and not has_started:
            return unreadable_start(path)
        raise MalformedMessage(f"{kind}: {path}") from error
    return Ignored(kind)
