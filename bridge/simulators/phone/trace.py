"""Writes every message of one call to a file.

Each line of the file is a JSON object, `{"at_ms": 1234, "to": "bridge", "message": {...}}`, in the order in which the
messages were sent and received. `at_ms` counts from the start of the stream; `to` is "bridge" or "carrier". A message
that is not JSON is kept as a string.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from bridge.vocabulary.contracts import WireMessage

Direction = Literal[">", "<"]
"""`>`: the phone sent the message; `<`: the phone received it."""

_RECIPIENTS = {">": "bridge", "<": "carrier"}


class TraceLine(NamedTuple):
    """One message. `at_ms`: from the start of the stream."""

    at_ms: float
    direction: Direction
    message: WireMessage


def write_trace(path: Path, trace: Iterable[TraceLine]) -> None:
    """Write the file; an existing one is replaced."""
    lines = (
        {"at_ms": round(at_ms), "to": _RECIPIENTS[direction], "message": _readable(message)}
        for at_ms, direction, message in trace
    )
    path.write_bytes(msgspec.json.Encoder().encode_lines(lines))


def _readable(message: WireMessage) -> object:
    try:
        return msgspec.json.decode(message)
    except (msgspec.DecodeError, RecursionError):
        return message
