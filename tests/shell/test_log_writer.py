"""The log's writer: a reader that stalls or is gone stops nobody, and what was dropped is told."""

import os
import threading
from collections import Counter

import pytest

from bridge.shell.log_writer import LogWriter


def read_all(file: int) -> list[str]:
    with os.fdopen(file, "rb") as stream:
        return stream.read().decode().splitlines()


def test_lines_are_written_in_their_order() -> None:
    reader, file = os.pipe()
    writer = LogWriter(file)
    for number in range(1_000):
        writer.write(f"line {number}")
    writer.close()
    os.close(file)
    assert read_all(reader) == [f"line {number}" for number in range(1_000)]


def test_the_lines_of_several_writers_stay_whole() -> None:
    reader, file = os.pipe()
    writers = [LogWriter(file) for _ in range(3)]  # as the worker processes of one server
    for letter, writer in zip("abc", writers, strict=True):
        for _ in range(300):
            writer.write(letter * 900)
    read: list[str] = []
    reading = threading.Thread(target=lambda: read.extend(read_all(reader)))
    reading.start()
    for writer in writers:
        writer.close()
    os.close(file)
    reading.join()
    assert Counter(read) == {letter * 900: 300 for letter in "abc"}


def test_a_reader_that_stalls_blocks_nobody_and_is_told_what_it_missed() -> None:
    reader, file = os.pipe()  # holds 64 KiB
    writer = LogWriter(file, most_bytes=10_000)
    for _ in range(1_000):
        writer.write("x" * 1_000)  # returns at once, though nobody reads
    stalled = [thread for thread in threading.enumerate() if thread.name == "log"]
    assert len(stalled) == 1

    read: list[str] = []
    reading = threading.Thread(target=lambda: read.extend(read_all(reader)))
    reading.start()
    while writer.is_waiting:
        pass
    writer.write("it reads again")
    writer.close()
    os.close(file)
    reading.join()
    dropped = sum(int(line.split()[1]) for line in read if "dropped" in line)
    assert read[-1] == "it reads again"
    assert dropped == 1_000 - read.count("x" * 1_000) > 900


def test_a_file_that_cannot_be_written_is_no_fault_of_the_call() -> None:
    reader, file = os.pipe()
    os.close(reader)  # nobody will ever read: EPIPE
    writer = LogWriter(file)
    for _ in range(10):
        writer.write("a line")
    writer.close()
    os.close(file)
    assert writer.dropped == 10


def test_after_the_end_lines_are_dropped() -> None:
    reader, file = os.pipe()
    writer = LogWriter(file)
    writer.close()
    writer.write("too late")
    os.close(file)
    assert (read_all(reader), writer.dropped) == ([], 1)


def test_a_file_that_does_not_block_loses_nothing() -> None:
    reader, file = os.pipe()
    os.set_blocking(file, False)
    writer = LogWriter(file)
    for _ in range(300):
        writer.write("x" * 1_000)
    read: list[str] = []
    reading = threading.Thread(target=lambda: read.extend(read_all(reader)))
    reading.start()
    writer.close(10.0)
    os.close(file)
    reading.join()
    assert read == ["x" * 1_000] * 300


def test_the_thread_gathers_lines_and_ends_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.shell.log_writer.GATHERS_S", 3600.0)
    reader, file = os.pipe()
    os.set_blocking(reader, False)
    writer = LogWriter(file)
    for number in range(3):
        writer.write(f"line {number}")
    with pytest.raises(
        BlockingIOError
    ):  # each line that wakes the thread takes the interpreter from the calls
        os.read(reader, 1)
    writer.close()
    os.close(file)
    assert read_all(reader) == ["line 0", "line 1", "line 2"]
