"""A file of one call: when it is made, its name, and what happens when it cannot be written.

When it cannot be written there is a line in the log, and the call goes on. An existing file is never overwritten: two
streams of one call may begin in the same second, and the file of the second one has "-2" behind its name.
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
"""The most files of one call in one second."""

log = structlog.get_logger()


def stem(call_id: str, started: datetime) -> str:
    """Return a file's name without its suffix: the time, so that names sort by it, and the `call_id`, fit for a file."""
    return f"{started:%Y%m%dT%H%M%S}-{re.sub('[^A-Za-z0-9_-]', '_', call_id)[:64]}"


def is_accepted(started: CallStarted | None, word: Word) -> bool:
    """Whether `word`, seen after `started`, shows that the call was accepted. A call that is refused leaves no file."""
    if started is None:
        return False
    return isinstance(word, OpenAssistant) or (started.one_way and not isinstance(word, HangUp))


class CallFile:
    """A new file. What is written has left the process at once. After a fault it is closed, and writing does nothing."""

    def __init__(self, directory: Path, call_id: str, started: datetime, suffix: str) -> None:
        name = stem(call_id, started)
        self._path = directory / (name + suffix)
        self._file: BinaryIO | None = None
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._file = self._open(name, suffix)
        except OSError as error:
            self._report(str(error))

    def _open(self, name: str, suffix: str) -> BinaryIO:
        for number in range(2, MOST_NAMESAKES + 1):
            with suppress(FileExistsError):
                return self._path.open("xb", buffering=0)
            self._path = self._path.with_name(f"{name}-{number}{suffix}")
        return self._path.open("xb", buffering=0)

    def append(self, content: bytes) -> None:
        """Write at the end."""
        if self._file is not None:
            try:
                _write_all(self._file, content)
            except OSError as error:
                self.give_up(str(error))

    def amend(self, at: int, content: bytes) -> None:
        """Overwrite what is there from byte `at` on, or reach past the end; the next `append` still goes to the end."""
        if self._file is not None:
            try:
                self._file.seek(at)
                _write_all(self._file, content)
                self._file.seek(0, SEEK_END)
            except OSError as error:
                self.give_up(str(error))

    def close(self) -> None:
        """Close the file. A second call does nothing."""
        file, self._file = self._file, None
        if file is not None:
            try:
                file.close()
            except OSError as error:
                self._report(str(error))

    def give_up(self, why: str) -> None:
        """Close the file with a line in the log, once; what was written stays."""
        file, self._file = self._file, None
        if file is not None:
            self._report(why)
            with suppress(OSError):
                file.close()

    def _report(self, why: str) -> None:
        log.error(
            "a call's file cannot be written; the call goes on without it",
            file=str(self._path),
            error=why,
        )


def _write_all(file: BinaryIO, content: bytes) -> None:
    """Write all of it: an unbuffered file may take only a part, and the next attempt then raises the reason."""
    rest = memoryview(content)
    while rest:
        rest = rest[file.write(rest) :]
