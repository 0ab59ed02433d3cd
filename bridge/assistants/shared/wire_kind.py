"""The kind of a message that could not be decoded, to tell an unknown kind from a known one in a wrong shape.

Wire: a JSON object with the name of its kind under `type`.
"""

from msgspec import DecodeError, Struct, json

UNREADABLE = (DecodeError, RecursionError, UnicodeEncodeError)
"""What decoding a text message may raise, however broken it is."""


class _AnyKind(Struct):
    type: str


_READ_KIND = json.Decoder(_AnyKind)


def kind_of(message: str) -> str | None:
    """The kind of a message; None if it is not a JSON object with a kind."""
    try:
        return _READ_KIND.decode(message).type
    except UNREADABLE:
        return None
