"""The writer of calls' files: jobs in order, in a thread, and no more bytes in memory than may wait."""

import asyncio
import threading
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from bridge.observers.call_file import CallFile
from bridge.shell.file_writer import FileWriter

STARTED = datetime(2026, 11, 21, 8, 30, tzinfo=UTC)


async def test_jobs_are_done_in_their_order_in_one_thread() -> None:
    writer, done = FileWriter(), list[tuple[int, str]]()

    def note(number: int) -> None:
        done.append((number, threading.current_thread().name))

    for number in range(100):
        writer.put(partial(note, number), 1)
    await writer.aclose()
    assert done == [(number, "files") for number in range(100)]


async def test_a_disk_that_stalls_takes_no_more_memory_than_it_may() -> None:
    writer, stall, done = FileWriter(most_bytes=1_000), threading.Event(), list[str]()
    writer.put(stall.wait, 600)
    assert not writer.put(lambda: done.append("too much"), 401)
    assert writer.put(lambda: done.append("fits"), 400)
    assert not writer.put(lambda: done.append("one byte more"), 1)
    assert writer.put(lambda: done.append("close"), 0), "what holds no content is always done"
    stall.set()
    await writer.aclose()
    assert done == ["fits", "close"]


async def test_a_disk_that_does_not_come_back_does_not_keep_the_server() -> None:
    writer, stall = FileWriter(), threading.Event()
    writer.put(stall.wait, 1)
    with capture_logs() as logs:
        await writer.aclose(timeout_s=0.01)
    stall.set()
    assert [line["event"] for line in logs] == [
        "files of calls are not complete: the disk did not take them in time"
    ]


async def test_a_call_never_waits_for_its_file(tmp_path: Path) -> None:
    writer, stall = FileWriter(), threading.Event()
    writer.put(stall.wait, 0)
    file = CallFile(tmp_path, "CA1", STARTED, ".wav", writer)
    file.append(b"one")  # returns, though the disk stands still
    file.close()
    assert list(tmp_path.iterdir()) == []
    stall.set()
    await asyncio.wait_for(writer.aclose(), 5.0)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"one"]


async def test_it_tells_when_all_so_far_is_written() -> None:
    writer, done = FileWriter(), list[int]()
    for number in range(100):
        writer.put(partial(done.append, number), 1)
    await writer.written()
    assert done == [*range(100)]
    await writer.aclose()


async def test_the_thread_gathers_jobs_and_hurries_when_somebody_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("bridge.shell.file_writer.GATHERS_S", 3600.0)
    writer, done = FileWriter(), list[int]()
    for number in range(3):
        writer.put(partial(done.append, number), 1)
    assert done == [], "each job that wakes the thread takes the interpreter from the calls"
    await asyncio.wait_for(writer.written(), 5.0)
    assert done == [0, 1, 2]
    writer.put(partial(done.append, 3), 1)
    await asyncio.wait_for(writer.aclose(), 5.0)
    assert done == [0, 1, 2, 3]
