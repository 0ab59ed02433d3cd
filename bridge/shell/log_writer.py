"""Writes the lines of the log in a thread, so that a reader that stalls, or a disk that is full, never stops a call.

A line that does not fit into the buffer, or that cannot be written, is dropped and counted; the next line that can be
written is preceded by one that tells the number.
"""

import os
import select
import threading
from collections import deque
from collections.abc import Iterable, Iterator

MOST_WAITING_BYTES = 1_048_576
"""Bytes of lines that wait: some thousand lines."""

CLOSE_TIMEOUT_S = 1.0
"""How long the end of the process waits for the last lines, in seconds."""

GATHERS_S = 0.02
"""A thread that is woken waits so long for more lines: each wake-up of a thread takes the interpreter from the calls."""

IDLE_S = 0.2
"""After so long without a line the thread ends, in seconds; the next line starts another one."""


class LogWriter:
    """Lines in, one file out. `write` may be called from any thread; it never blocks and never raises.

    `file`: the descriptor of an open file, not an object of Python's, whose lock a thread that is stuck would keep.
    """

    def __init__(self, file: int, most_bytes: int = MOST_WAITING_BYTES) -> None:
        self._file = file
        self._most_bytes = most_bytes
        self._lines: deque[str] = deque()
        self._waiting_bytes = 0
        self._dropped = 0
        self._closed = False
        self._changed = threading.Condition()
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def is_waiting(self) -> bool:
        """Whether there are lines that nobody began to write."""
        return bool(self._lines)

    @property
    def dropped(self) -> int:
        """Lines that were dropped, and of which no line tells yet."""
        return self._dropped

    def write(self, line: str) -> None:
        """Write one line, which has no line feed at its end."""
        with self._changed:
            if self._closed or self._waiting_bytes + len(line) > self._most_bytes:
                self._dropped += 1
                return
            self._lines.append(line)
            self._waiting_bytes += len(line)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="log", daemon=True)
                self._thread.start()
            if len(self._lines) == 1:  # else the thread knows that there are some
                self._changed.notify()

    def close(self, timeout_s: float = CLOSE_TIMEOUT_S) -> None:
        """Wait until all lines are written, at most `timeout_s`; later lines are dropped."""
        with self._changed:
            self._closed = True
            thread = self._thread
            self._ending.set()
            self._changed.notify()
        if thread is not None:
            thread.join(timeout_s)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._lines or self._closed, IDLE_S)
                if not self._lines:
                    self._thread = None
                    return
            self._ending.wait(GATHERS_S)
            with self._changed:
                lines, dropped = list(self._lines), self._dropped
                self._lines.clear()
                self._waiting_bytes = self._dropped = 0
            if dropped:
                lines.insert(
                    0, f"voicebridge: {dropped} lines of the log were dropped: its reader was too slow"
                )
            try:
                for piece in _pieces(lines):
                    self._write_all(piece)
            except OSError:  # a full disk, a closed pipe
                with self._changed:
                    self._dropped += len(lines) - bool(dropped) + dropped

    def _write_all(self, data: bytes) -> None:
        while data:
            try:
                data = data[os.write(self._file, data) :]
            except BlockingIOError:  # whoever shares the file made it non-blocking
                select.select([], [self._file], [])


def _pieces(lines: Iterable[str]) -> Iterator[bytes]:
    """Whole lines, as many at once as a pipe keeps together where several processes write to it (pipe(7), PIPE_BUF)."""
    piece = b""
    for line in lines:
        data = f"{line}\n".encode("utf-8", "replace")
        if piece and len(piece) + len(data) > select.PIPE_BUF:
            yield piece
            piece = b""
        piece += data
    yield piece
