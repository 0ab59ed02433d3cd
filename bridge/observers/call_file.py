"""A file of one call: when it is due, its name, and what happens when it cannot be written.

That is a line in the log, and the call goes on. A file that is there already is never written over: two streams of
one call may begin in the same second, and the second gets "-2" behind its name.
"""

import re
from contextlib import suppress
from datetime import datetime
from os import SEEK_END
from pathlib import Path
from typing import BinaryIO

import structlog

from bridge.vocabulary.commands import HangUp, OpenAssistant
from bridge.vocabulary.events import CallStarted, Word

MOST_NAMESAKES = 99
"""Files of one call and one second, at the most."""

log = structlog.get_logger()


def stem(call_id: str, started: datetime) -> str:
    """Sorted by time; the carrier's name for the call, fit for a file."""
    return f"{started:%Y%m%dT%H%M%S}-{re.sub('[^A-Za-z0-9_-]', '_', call_id)[:64]}"


def accepted(started: CallStarted | None, word: Word) -> bool:
    """Whether `word`, seen after `started`, shows that the call is carried: one that is turned away leaves no file."""
    if started is None:
        return False
    return isinstance(word, OpenAssistant) or (started.one_way and not isinstance(word, HangUp))


class CallFile:
    """Opened anew for writing; what is written has left the process. After a fault it is closed and stays silent."""

    def __init__(self, directory: Path, call_id: str, started: datetime, suffix: str) -> None:
        name = stem(call_id, started)
        self._path = directory / (name + suffix)
        self._file: BinaryIO | None = None
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._file = self._open(name, suffix)
        except OSError as error:
            self._tell(str(error))

    def _open(self, name: str, suffix: str) -> BinaryIO:
        for number in range(2, MOST_NAMESAKES + 1):
            with suppress(FileExistsError):
                return self._path.open("xb", buffering=0)
            self._path = self._path.with_name(f"{name}-{number}{suffix}")
        return self._path.open("xb", buffering=0)

    def append(self, content: bytes) -> None:
        """Write behind what is there."""
        if self._file is not None:
            try:
                _write_all(self._file, content)
            except OSError as error:
                self.give_up(str(error))

    def amend(self, at: int, content: bytes) -> None:
        """Write over what stands from byte `at` on, and past the end if it is longer; the next append goes to the end."""
        if self._file is not None:
            try:
                self._file.seek(at)
                _write_all(self._file, content)
                self._file.seek(0, SEEK_END)
            except OSError as error:
                self.give_up(str(error))

    def close(self) -> None:
        """Doing it twice does no harm."""
        file, self._file = self._file, None
        if file is not None:
            try:
                file.close()
            except OSError as error:
                self._tell(str(error))

    def give_up(self, why: str) -> None:
        """Say so, once; what was written stays."""
        file, self._file = self._file, None
        if file is not None:
            self._tell(why)
            with suppress(OSError):
                file.close()

    def _tell(self, why: str) -> None:
        log.error(
            "a call's file cannot be written; the call goes on without it",
            file=str(self._path),
            error=why,
        )


def _write_all(file: BinaryIO, content: bytes) -> None:
    """A file without a buffer may take only a part, and then the next attempt says why."""
    rest = memoryview(content)
    while rest:
        rest = rest[file.write(rest) :]
