"""Tells a carrier's message of an unknown kind, which is ignored, from a known one in a wrong shape.

Wire: a JSON object with the name of its kind under `event`.
"""

from collections.abc import Collection

from msgspec import DecodeError, Struct, ValidationError, json

from bridge.vocabulary.errors import MalformedMessage
from bridge.vocabulary.events import Ignored


class _AnyKind(Struct):
    event: str


_READ_KIND = json.Decoder(_AnyKind)


def unread(message: str, kinds: Collection[str], error: Exception) -> Ignored:
    """What becomes of a message that could not be read: `Ignored`, where its kind is not among `kinds`.

    Raises `MalformedMessage` for a known kind, with what `error` says of it, and where no kind can be found.
    """
    try:
        kind = _READ_KIND.decode(message).event
    except (DecodeError, RecursionError):
        raise MalformedMessage("not a JSON object with an event's name") from error
    if kind in kinds:
        path = str(error) if isinstance(error, ValidationError) else "broken JSON"
        raise MalformedMessage(f"{kind}: {path}") from error
    return Ignored(kind)
