"""Deletes the files of calls that are older than the settings allow: when the server starts, and each hour.

It is done where the files are written, in their thread and a few at a time, so that no call waits for it.
"""

import asyncio
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import structlog

from bridge.config.settings import Settings
from bridge.observers.call_file import FileQueue
from bridge.observers.kept_files import is_too_old, names_in

SWEEP_EVERY_S = 3600.0

BATCH = 50
"""Files that are deleted before others may write."""

log = structlog.get_logger()


class Kept(NamedTuple):
    """A folder, and how many days its files are kept."""

    directory: Path
    days: int


def kept_folders(settings: Settings) -> list[Kept]:
    """The folders whose files are not kept for ever."""
    tables = (settings.journal, settings.recording)
    return [
        Kept(table.directory, table.retention_days)
        for table in tables
        if table.directory is not None and table.retention_days is not None
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
        now = datetime.now(UTC)
        old = (name for name in names_in(folder.directory) if is_too_old(name, folder.days, now))
        self._go_on(folder, old, deleted=0, failed=0)

    def _go_on(self, folder: Kept, old: Iterator[str], deleted: int, failed: int) -> None:
        batch = [] if self._is_stopped else list(islice(old, BATCH))
        for name in batch:
            try:
                (folder.directory / name).unlink(missing_ok=True)
                deleted += 1
            except OSError:
                failed += 1
        if batch:
            self._files.put(partial(self._go_on, folder, old, deleted, failed), 0)
        elif deleted or failed:
            facts = {"directory": str(folder.directory), "retention_days": folder.days, "deleted": deleted}
            if failed:
                log.error("= files of old calls cannot be deleted", **facts, failed=failed)
            else:
                log.info("= files of old calls were deleted", **facts)
