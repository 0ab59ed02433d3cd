"""A file of one call: when it is made, its name, and what happens when it cannot be written.

When it cannot be written, or not as fast as the call goes on, there is a line in the log, and the call goes on. An
existing file is never overwritten: two streams of one call may begin in the same second, and the file of the second one
has "-2" behind its name. A file that lacks its end has "-truncated" behind its name. Only the owner can read it.
"""

import os
import re
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import BinaryIO, Protocol

import structlog

from bridge.redaction import safe_id
from bridge.vocabulary.commands import HangUp, OpenAssistant
from bridge.vocabulary.events import CallStarted, Word

MOST_NAMESAKES = 99
"""The most files of one call in one second."""

JOB_BYTES = 200
"""What a job costs beside its content, for a queue that counts bytes."""

log = structlog.get_logger()


class FileQueue(Protocol):
    """Does what is asked of a disk, in order: at once, or in a thread, because a disk may be slow."""

    def put(self, job: Callable[[], object], size: int) -> bool:
        """Do `job`, which holds `size` bytes and raises nothing. Returns False if too much waits; 0 bytes never do."""
        ...

    def failed(self, suffix: str) -> None:
        """A file with this suffix could not be written. It may be called in another thread."""
        ...


class AtOnce:
    """A `FileQueue` for programs that may wait for the disk."""

    def put(self, job: Callable[[], object], size: int) -> bool:
        """Do it."""
        job()
        return True

    def failed(self, suffix: str) -> None:
        """Nobody counts it: the log has it."""


AT_ONCE = AtOnce()

Encrypt = Callable[[Path], object]
"""Does what is to be done with a file that is complete, such as to encrypt it. Raises nothing."""


def stem(call_id: str, started: datetime) -> str:
    """Return a file's name without its suffix: the time, so that names sort by it, and the `call_id`, fit for a file."""
    return f"{started:%Y%m%dT%H%M%S}-{call_name(call_id)}"


def call_name(call_id: str) -> str:
    """Return the part of a file's name that is the call's."""
    return re.sub("[^A-Za-z0-9_-]", "_", safe_id(call_id))[:64]


def is_accepted(started: CallStarted | None, word: Word) -> bool:
    """Whether `word`, seen after `started`, shows that the call was accepted. A call that is refused leaves no file."""
    if started is None:
        return False
    return isinstance(word, OpenAssistant) or (started.one_way and not isinstance(word, HangUp))


class CallFile:
    """A new file. What `queue` has done has left the process. After a fault it is closed, and writing does nothing."""

    def __init__(
        self,
        directory: Path,
        call_id: str,
        started: datetime,
        suffix: str,
        queue: FileQueue = AT_ONCE,
        encrypt: Encrypt | None = None,
    ) -> None:
        self._queue = queue
        self._is_over = False
        self._file = _File(directory, stem(call_id, started), suffix, encrypt, queue.failed)
        queue.put(self._file.open, 0)

    @property
    def path(self) -> Path:
        """Where it is, once what was put before is done; encrypted it has another suffix."""
        return self._file.path

    def append(self, content: bytes) -> None:
        """Write at the end."""
        self._put(partial(self._file.append, content), len(content))

    def amend(self, at: int, content: bytes) -> None:
        """Overwrite what is there from byte `at` on, or reach past the end; the next `append` still goes to the end."""
        self._put(partial(self._file.amend, at, content), len(content))

    def close(self) -> None:
        """Close the file. A second call does nothing."""
        if not self._is_over:
            self._is_over = True
            self._queue.put(self._file.close, 0)

    def give_up(self, why: str) -> None:
        """Close the file with a line in the log, once; what was written stays, under a name that says so."""
        if not self._is_over:
            self._is_over = True
            self._queue.put(partial(self._file.truncate, why), 0)

    def _put(self, job: Callable[[], object], size: int) -> None:
        if not self._is_over and not self._queue.put(job, size + JOB_BYTES):
            self.give_up("the disk is slower than the call")


class _File:
    """The file itself: what may wait for the disk. No method raises."""

    def __init__(
        self,
        directory: Path,
        name: str,
        suffix: str,
        encrypt: Encrypt | None,
        failed: Callable[[str], None],
    ) -> None:
        self._directory = directory
        self._name = name
        self._suffix = suffix
        self.path = directory / (name + suffix)
        self._encrypt = encrypt
        self._failed = failed
        self._file: BinaryIO | None = None

    def open(self) -> None:
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file = self._open_new()
        except OSError as error:
            self._report(str(error))

    def _open_new(self) -> BinaryIO:
        for number in range(2, MOST_NAMESAKES + 1):
            with suppress(FileExistsError):
                return open_owned(self.path)
            self.path = self.path.with_name(f"{self._name}-{number}{self._suffix}")
        return open_owned(self.path)

    def append(self, content: bytes) -> None:
        if self._file is not None:
            try:
                _write_all(self._file, content)
            except OSError as error:
                self.truncate(str(error))

    def amend(self, at: int, content: bytes) -> None:
        if self._file is not None:
            try:
                self._file.seek(at)
                _write_all(self._file, content)
                self._file.seek(0, os.SEEK_END)
            except OSError as error:
                self.truncate(str(error))

    def close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            try:
                file.close()
            except OSError as error:
                self._report(str(error))
            if self._encrypt is not None:
                self._encrypt(self.path)

    def truncate(self, why: str) -> None:
        file, self._file = self._file, None
        if file is not None:
            with suppress(OSError):
                file.close()
            with suppress(OSError):
                name = f"{self.path.name.removesuffix(self._suffix)}-truncated{self._suffix}"
                self.path = self.path.rename(self.path.with_name(name))
            self._report(why)
            if self._encrypt is not None:
                self._encrypt(self.path)

    def _report(self, why: str) -> None:
        log.error(
            "a call's file cannot be written; the call goes on without it",
            file=str(self.path),
            error=why,
        )
        self._failed(self._suffix)


def open_owned(path: Path) -> BinaryIO:
    """Open a new file that only its owner can read."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb", buffering=0)


def _write_all(file: BinaryIO, content: bytes) -> None:
    """Write all of it: an unbuffered file may take only a part, and the next attempt then raises the reason."""
    rest = memoryview(content)
    while rest:
        rest = rest[file.write(rest) :]
