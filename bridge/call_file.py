"""A file of one call: its name, and what happens when it cannot be written: a line in the log, and the call goes on."""

import re
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
        self._write(content)

    def amend(self, at: int, content: bytes) -> None:
        """Write over what stands at byte `at`; the next append goes to the end."""
        self._write(content, at)

    def _write(self, content: bytes, at: int | None = None) -> None:
        if self._file is None:
            return
        try:
            if at is None:
                self._file.write(content)
            else:
                end = self._file.tell()
                self._file.seek(at)
                self._file.write(content)
                self._file.seek(end)
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        log.error(
            "a call's file cannot be written; the call goes on without it",
            file=str(self._path),
            error=str(error),
        )
        self.close()

    def close(self) -> None:
        """Doing it twice does no harm."""
        if self._file is not None:
            self._file.close()
            self._file = None
