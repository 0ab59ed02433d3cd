"""Deletes the files of calls that are older than the settings allow: when the server starts, and each hour.

Where files are encrypted, it does that with those that a process left plain when it was killed.

It is done where the files are written, in their thread and a few at a time, so that no call waits for it.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import structlog

from bridge.config.settings import Settings
from bridge.observers.call_file import FileQueue
from bridge.observers.kept_files import is_too_old, names_in, started_at
from bridge.shell.encryption import UNFINISHED, Encryption, encryptions

SWEEP_EVERY_S = 3600.0

BATCH = 50
"""Files that are looked at before others may write."""

LEFT_S = 3600.0
"""A plain file that nobody wrote to for so long was left behind: a call is never silent for an hour."""

PLAIN = (".wav", ".jsonl")

log = structlog.get_logger()


class Kept(NamedTuple):
    """A folder, and how many days its files are kept."""

    directory: Path
    days: int | None
    encrypt: Encryption | None = None


def kept_folders(settings: Settings) -> list[Kept]:
    """The folders whose files are not kept for ever, or not plain."""
    encrypted = encryptions(settings)
    tables = (
        (settings.journal, encrypted.journal),
        (settings.recording, encrypted.recording),
        (settings.capture, encrypted.capture),
    )
    return [
        Kept(table.directory, table.retention_days, encrypt)
        for table, encrypt in tables
        if table.directory is not None and (table.retention_days is not None or encrypt is not None)
    ]


class Retention:
    """The sweeper of one server. Nothing is done before `start`, nor after `stop`."""

    def __init__(self, folders: Sequence[Kept], files: FileQueue) -> None:
        self._folders = folders
        self._files = files
        self._timer: asyncio.TimerHandle | None = None
        self._is_stopped = False

    def start(self) -> None:
        """Sweep now, and each hour."""
        if not self._folders:
            return
        for folder in self._folders:
            self._files.put(partial(self._sweep, folder), 0)
        self._timer = asyncio.get_running_loop().call_later(SWEEP_EVERY_S, self.start)

    def stop(self) -> None:
        """Sweep no more; what is under way stops behind its batch."""
        self._is_stopped = True
        if self._timer is not None:
            self._timer.cancel()

    # In the thread of the files; no method raises

    def _sweep(self, folder: Kept) -> None:
        self._go_on(folder, names_in(folder.directory), Counter())

    def _go_on(self, folder: Kept, names: Iterator[str], counts: Counter[str]) -> None:
        now, is_over = datetime.now(UTC), True
        for name in () if self._is_stopped else islice(names, BATCH):
            is_over = False
            try:
                took_long = self._look_at(folder, name, now, counts)
            except OSError:
                counts["failed"] += 1
            else:
                if took_long:
                    break
        if not is_over:
            self._files.put(partial(self._go_on, folder, names, counts), 0)
        elif counts:
            write = log.error if counts["failed"] else log.info
            write("= files of old calls were looked after", directory=str(folder.directory), **+counts)

    def _look_at(self, folder: Kept, name: str, now: datetime, counts: Counter[str]) -> bool:
        """Returns whether it took so long that other files should be written first."""
        file = folder.directory / name
        if folder.days is not None and is_too_old(name, folder.days, now):
            file.unlink(missing_ok=True)
            counts["deleted"] += 1
        elif folder.encrypt is not None and _is_left(file, now):
            if file.suffix in PLAIN:
                counts["encrypted" if folder.encrypt(file) else "failed"] += 1
                return True
            if name.endswith(UNFINISHED):
                file.unlink(missing_ok=True)
        return False


def _is_left(file: Path, now: datetime) -> bool:
    """Whether nobody has written to this file of ours for long."""
    return started_at(file.name) is not None and now.timestamp() - file.stat().st_mtime > LEFT_S
