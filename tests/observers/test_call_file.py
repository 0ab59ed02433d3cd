"""A call's file: written during the call; if it cannot be, there is one line in the log, and the call goes on."""

import errno
import io
import os
import stat
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from bridge.observers import call_file
from bridge.observers.call_file import MOST_NAMESAKES, CallFile, is_accepted
from bridge.vocabulary.commands import HangUp, OpenAssistant
from bridge.vocabulary.events import CallEnded, CallerAudio, CallStarted, Word
from telecodecs.format import PCMU_8K

STARTED = datetime(2026, 11, 21, 8, 30, tzinfo=UTC)
NAME = "20261121T083000-CA1.wav"


def new_file(directory: Path) -> CallFile:
    return CallFile(directory, "CA1", STARTED, ".wav")


def use(file: CallFile) -> None:
    """A short call's worth of writing."""
    for _ in range(3):
        file.append(b"sound")
        file.amend(0, b"head")
    file.close()


class Disk(io.BytesIO):
    """A file on a disk with so much room; `closes`: whether even closing it fails, as over a network it may."""

    def __init__(self, room: int, *, closes: bool = True) -> None:
        super().__init__()
        self._room = room
        self._closes = closes

    def write(self, content: Any, /) -> int:
        if self.tell() + len(content) > self._room:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(content)

    def close(self) -> None:
        was_open = not self.closed
        super().close()
        if was_open and not self._closes:
            raise OSError(errno.EIO, "Input/output error")


def put_on(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call_file, "open_owned", lambda _path: disk)


def only_line(logs: list[Any]) -> Any:
    (line,) = logs
    assert line["event"] == "a call's file cannot be written; the call goes on without it"
    assert line["log_level"] == "error"
    return line


def test_what_is_appended_stands_behind_and_what_is_amended_leaves_the_end(tmp_path: Path) -> None:
    file = new_file(tmp_path / "deep" / "down")
    written = tmp_path / "deep" / "down" / NAME
    file.append(b"....one ")
    file.append(b"two ")
    file.amend(0, b"head")
    assert written.read_bytes() == b"headone two ", "it has left the process"
    file.append(b"three")
    file.amend(4, b"ONE")
    file.append(b" four")
    file.close()
    assert written.read_bytes() == b"headONE two three four"


def test_only_the_owner_can_read_it(tmp_path: Path) -> None:
    use(new_file(tmp_path / "calls"))
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "calls", tmp_path / "calls" / NAME)]
    assert [oct(mode) for mode in modes] == ["0o700", "0o600"]


class SlowDisk:
    """A queue that takes so many jobs with content; it does them when it is told to."""

    def __init__(self, takes: int) -> None:
        self._takes = takes
        self._jobs: list[Callable[[], object]] = []
        self.failures: list[str] = []

    def failed(self, suffix: str) -> None:
        self.failures.append(suffix)

    def put(self, job: Callable[[], object], size: int) -> bool:
        if size:
            self._takes -= 1
            if self._takes < 0:
                return False
        self._jobs.append(job)
        return True

    def do_all(self) -> None:
        for job in self._jobs:
            job()


def test_a_disk_that_is_too_slow_truncates_the_file_and_its_name_says_so(tmp_path: Path) -> None:
    disk = SlowDisk(takes=2)
    file = CallFile(tmp_path, "CA1", STARTED, ".wav", disk)
    for said in (b"one ", b"two ", b"three ", b"four "):
        file.append(said)
    file.close()
    assert list(tmp_path.iterdir()) == [], "nothing waits for the disk"
    with capture_logs() as logs:
        disk.do_all()
    assert only_line(logs)["error"] == "the disk is slower than the call"
    (path,) = tmp_path.iterdir()
    assert (path.name, path.read_bytes()) == ("20261121T083000-CA1-truncated.wav", b"one two ")


def test_a_file_of_that_name_is_left_alone(tmp_path: Path) -> None:
    """A listened-to stream and then a spoken one: the same call, and it may be the same second."""
    for said in (b"one", b"two", b"three"):
        file = new_file(tmp_path)
        file.append(said)
        file.close()
    files = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert files == {
        "20261121T083000-CA1.wav": b"one",
        "20261121T083000-CA1-2.wav": b"two",
        "20261121T083000-CA1-3.wav": b"three",
    }


def test_names_run_out(tmp_path: Path) -> None:
    for _ in range(MOST_NAMESAKES):
        new_file(tmp_path).close()
    with capture_logs() as logs:
        use(new_file(tmp_path))
    assert "File exists" in only_line(logs)["error"]
    assert len(list(tmp_path.iterdir())) == MOST_NAMESAKES


def test_what_is_amended_may_reach_past_the_end(tmp_path: Path) -> None:
    file = new_file(tmp_path)
    file.append(b"head")
    file.amend(2, b"long tail")
    file.append(b".")
    file.close()
    assert (tmp_path / NAME).read_bytes() == b"helong tail."


def test_giving_up_is_said_once_and_what_was_written_stays(tmp_path: Path) -> None:
    file = new_file(tmp_path)
    file.append(b"one")
    with capture_logs() as logs:
        file.give_up("it is full")
        file.give_up("it is full")
        use(file)
    assert only_line(logs)["error"] == "it is full"
    (path,) = tmp_path.iterdir()
    assert (path.name, path.read_bytes()) == ("20261121T083000-CA1-truncated.wav", b"one")


TALKED = CallStarted("CA1", "MZ1", PCMU_8K)
LISTENED = CallStarted("CA1", "MZ1", PCMU_8K, one_way=True)
REFUSED = HangUp(1008, "the token was made for another call")
ACCEPTED: list[tuple[CallStarted | None, Word, bool]] = [
    (None, CallEnded(), False),
    (TALKED, REFUSED, False),
    (TALKED, CallerAudio(b"", 0), False),
    (TALKED, OpenAssistant("CA1", PCMU_8K), True),
    (LISTENED, REFUSED, False),
    (LISTENED, CallerAudio(b"", 0), True),
]


@pytest.mark.parametrize(("started", "word", "due"), ACCEPTED)
def test_a_file_is_due_when_the_call_is_accepted(started: CallStarted | None, word: Word, due: bool) -> None:
    assert is_accepted(started, word) is due


def test_closed_is_closed(tmp_path: Path) -> None:
    file = new_file(tmp_path)
    file.append(b"one")
    with capture_logs() as logs:
        file.close()
        file.close()
        use(file)
    assert (tmp_path / NAME).read_bytes() == b"one"
    assert logs == []


def test_a_file_where_the_directory_should_be(tmp_path: Path) -> None:
    (tmp_path / "calls").write_text("not a directory")
    with capture_logs() as logs:
        use(new_file(tmp_path / "calls"))
    line = only_line(logs)
    assert line["file"] == str(tmp_path / "calls" / NAME)
    assert "File exists" in line["error"]


def test_a_directory_where_the_file_should_be(tmp_path: Path) -> None:
    (tmp_path / NAME).mkdir()
    file = new_file(tmp_path)
    file.append(b"beside it")
    file.close()
    assert (tmp_path / "20261121T083000-CA1-2.wav").read_bytes() == b"beside it"


@pytest.mark.parametrize(("owner", "refuses"), [(Path, "mkdir"), (os, "open")])
def test_a_directory_that_is_not_ours(
    tmp_path: Path, owner: Any, refuses: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(owner, refuses, refuse)  # root, who may run this test, may write anywhere
    with capture_logs() as logs:
        use(new_file(tmp_path / "calls"))
    assert "Permission denied" in only_line(logs)["error"]


@pytest.mark.parametrize("room", [0, 5, 12])
def test_a_disk_that_fills_up(tmp_path: Path, room: int, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk(room)
    put_on(disk, monkeypatch)
    with capture_logs() as logs:
        use(new_file(tmp_path))
    assert "No space left on device" in only_line(logs)["error"]
    assert disk.closed


def test_a_disk_that_fills_up_where_it_is_written_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_on(Disk(room=6), monkeypatch)
    file = new_file(tmp_path)
    file.append(b"sound")
    with capture_logs() as logs:
        file.amend(3, b"tail")
        use(file)
    assert "No space left on device" in only_line(logs)["error"]


@pytest.mark.parametrize("room", [0, 100], ids=["full", "roomy"])
def test_a_disk_that_fails_to_close(tmp_path: Path, room: int, monkeypatch: pytest.MonkeyPatch) -> None:
    put_on(Disk(room, closes=False), monkeypatch)
    with capture_logs() as logs:
        use(new_file(tmp_path))
    only_line(logs)
