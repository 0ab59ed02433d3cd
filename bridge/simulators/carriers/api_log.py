"""Writes what a simulated carrier and the server under test say to each other by HTTP, one JSON object a line.

`{"at_ms": 1234.5, "kind": "request", "name": "create", "fields": {...}, "status": 201}`. `at_ms` counts from the start of
the log on a clock that never goes back, which is also where the recordings of the parties begin. Kinds: `request` (the
server's REST requests), `webhook` (with the answer, when it came), `stream`, `party` and `hears` (who hears whom from
now on). The first line, `begin`, has `clock_ms`, the machine's monotonic clock, by which other logs can be compared. The numbers are those of simulated parties, so they are shown.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from bridge.vocabulary.errors import ConfigurationError

_write = msgspec.json.Encoder().encode


class ApiLog:
    """The log of one simulated carrier; without a file the lines are only kept. `clock`: seconds."""

    def __init__(self, path: Path | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.lines: list[dict[str, Any]] = []
        self.started = clock()
        """The zero of `at_ms`, on the clock."""
        self._clock = clock
        try:
            self._file = None if path is None else path.open("wb", buffering=0)
        except OSError as error:
            raise ConfigurationError(f"--api-log {path}: cannot write the file: {error.strerror}") from error
        self.note("begin", clock_ms=round(self.started * 1000, 1))

    def note(self, kind: str, **fields: Any) -> None:
        """Write a line now."""
        line = {"at_ms": round((self._clock() - self.started) * 1000, 1), "kind": kind, **fields}
        self.lines.append(line)
        if self._file is not None:
            self._file.write(_write(line) + b"\n")

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None
