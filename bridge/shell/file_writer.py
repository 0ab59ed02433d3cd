"""Writes the files of all calls in one thread: a disk that is slow stops no call."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable

import structlog

MOST_WAITING_BYTES = 16_777_216
"""Content that waits for the disk, in bytes: with more, files are given up. Fifty recorded calls for ten seconds."""

GATHERS_S = 0.02
"""The thread waits so long for more jobs before it does some: each wake-up takes the interpreter from the calls."""

CLOSE_TIMEOUT_S = 10.0
"""How long a server that closes waits for the disk, in seconds."""

log = structlog.get_logger()


class FileWriter:
    """See `FileQueue`. Jobs are done in their order, in a thread that the first one starts."""

    def __init__(self, most_bytes: int = MOST_WAITING_BYTES) -> None:
        self._most_bytes = most_bytes
        self._jobs: deque[tuple[Callable[[], object], int]] = deque()
        self._waiting_bytes = 0
        self._closed = False
        self._changed = threading.Condition()
        self._hurry = threading.Event()  # somebody waits until all is done
        self._thread: threading.Thread | None = None
        self.count_failure: Callable[[str], None] = lambda _suffix: None
        """Called, in the thread, with the suffix of each file that could not be written."""

    def failed(self, suffix: str) -> None:
        """See `FileQueue`."""
        self.count_failure(suffix)

    def put(self, job: Callable[[], object], size: int) -> bool:
        """Do `job` soon. Returns False, and does not do it, if more bytes would wait than may."""
        with self._changed:
            if size and self._waiting_bytes + size > self._most_bytes:
                return False
            self._waiting_bytes += size
            self._jobs.append((job, size))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="files", daemon=True)
                self._thread.start()
            if len(self._jobs) == 1:  # else the thread knows that there are some
                self._changed.notify()
        return True

    async def written(self) -> None:
        """Wait until all that was put before is done."""
        loop = asyncio.get_running_loop()
        done = asyncio.Event()
        self.put(lambda: loop.call_soon_threadsafe(done.set), 0)
        self._hurry.set()
        await done.wait()
        self._hurry.clear()

    async def aclose(self, timeout_s: float = CLOSE_TIMEOUT_S) -> None:
        """Wait until everything is done, at most `timeout_s`."""
        with self._changed:
            self._closed = True
            thread = self._thread
            self._hurry.set()
            self._changed.notify()
        if thread is None:
            return
        await asyncio.to_thread(thread.join, timeout_s)
        if thread.is_alive():
            log.error(
                "files of calls are not complete: the disk did not take them in time", jobs=len(self._jobs)
            )

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._jobs or self._closed)
                if not self._jobs:
                    return
            self._hurry.wait(GATHERS_S)
            while self._jobs:  # nobody else takes any
                job, size = self._jobs.popleft()
                job()
                with self._changed:
                    self._waiting_bytes -= size
