"""A file of one call: its name, and what happens when it cannot be written: a line in the log, and the call goes on."""

import re
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

import structlog

log = structlog.get_logger()


def stem(call: str, started: datetime) -> str:
    """Sorted by time; the carrier's name for the call, fit for a file."""
    return f"{started:%Y%m%dT%H%M%S}-{re.sub('[^A-Za-z0-9_-]', '_', call)[:64]}"


class CallFile:
    """Opened anew for writing; what is written has left the process. After a fault it is closed and stays silent."""

    def __init__(self, directory: Path, call: str, started: datetime, suffix: str) -> None:
        self._path = directory / (stem(call, started) + suffix)
        self._file: BinaryIO | None = None
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("wb", buffering=0)
        except OSError as error:
            self._give_up(error)

    def append(self, content: bytes) -> None:
        """Write behind what is there."""
        if self._file is not None:
            try:
                _write_all(self._file, content)
            except OSError as error:
                self._give_up(error)

    def amend(self, at: int, content: bytes) -> None:
        """Write over what stands at byte `at`; the next append goes to the end."""
        if self._file is not None:
            try:
                end = self._file.tell()
                self._file.seek(at)
                _write_all(self._file, content)
                self._file.seek(end)
            except OSError as error:
                self._give_up(error)

    def close(self) -> None:
        """Doing it twice does no harm."""
        file, self._file = self._file, None
        if file is not None:
            try:
                file.close()
            except OSError as error:
                self._tell(error)

    def _give_up(self, error: OSError) -> None:
        self._tell(error)
        file, self._file = self._file, None
        if file is not None:
            with suppress(OSError):
                file.close()

    def _tell(self, error: OSError) -> None:
        log.error(
            "a call's file cannot be written; the call goes on without it",
            file=str(self._path),
            error=str(error),
        )


def _write_all(file: BinaryIO, content: bytes) -> None:
    """A file without a buffer may take only a part, and then the next attempt says why."""
    rest = memoryview(content)
    while rest:
        rest = rest[file.write(rest) :]
