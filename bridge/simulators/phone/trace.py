"""What crossed the wire in one call, and the file it is kept in.

The file has one JSON object in each line: `{"at_ms": 1234, "to": "bridge", "message": {...}}`, times from the start
of the stream, in the order of sending and receiving; `to` is "bridge" or "carrier". A message that is no JSON stands
there as a string.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from bridge.vocabulary.contracts import WireMessage

Direction = Literal[">", "<"]
"""As in the logs: `>` the phone sent it, `<` the phone received it."""

_RECIPIENTS = {">": "bridge", "<": "carrier"}


class TraceLine(NamedTuple):
    """One message. `at_ms`: from the start of the stream."""

    at_ms: float
    direction: Direction
    message: WireMessage


def write_trace(path: Path, trace: Iterable[TraceLine]) -> None:
    """Write the file anew."""
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
