"""A call's file: written as it happens; and where it cannot be, one line in the log, and nobody else is troubled."""

import errno
import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from bridge.call_file import CallFile

STARTED = datetime(2026, 11, 21, 8, 30, tzinfo=UTC)
NAME = "20261121T083000-CA1.wav"


def call_file(directory: Path) -> CallFile:
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
    monkeypatch.setattr(Path, "open", lambda *_, **__: disk)


def only_line(logs: list[Any]) -> Any:
    (line,) = logs
    assert line["event"] == "a call's file cannot be written; the call goes on without it"
    assert line["log_level"] == "error"
    return line


def test_what_is_appended_stands_behind_and_what_is_amended_leaves_the_end(tmp_path: Path) -> None:
    file = call_file(tmp_path / "deep" / "down")
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


def test_a_file_of_that_name_is_written_anew(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(b"much longer than what comes now")
    file = call_file(tmp_path)
    file.append(b"new")
    file.close()
    assert (tmp_path / NAME).read_bytes() == b"new"


def test_closed_is_closed(tmp_path: Path) -> None:
    file = call_file(tmp_path)
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
        use(call_file(tmp_path / "calls"))
    line = only_line(logs)
    assert line["file"] == str(tmp_path / "calls" / NAME)
    assert "File exists" in line["error"]


def test_a_directory_where_the_file_should_be(tmp_path: Path) -> None:
    (tmp_path / NAME).mkdir()
    with capture_logs() as logs:
        use(call_file(tmp_path))
    assert "Is a directory" in only_line(logs)["error"]


@pytest.mark.parametrize("refuses", ["mkdir", "open"])
def test_a_directory_that_is_not_ours(tmp_path: Path, refuses: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, refuses, refuse)  # root, who may run this test, may write anywhere
    with capture_logs() as logs:
        use(call_file(tmp_path / "calls"))
    assert "Permission denied" in only_line(logs)["error"]


@pytest.mark.parametrize("room", [0, 5, 12])
def test_a_disk_that_fills_up(tmp_path: Path, room: int, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk(room)
    put_on(disk, monkeypatch)
    with capture_logs() as logs:
        use(call_file(tmp_path))
    assert "No space left on device" in only_line(logs)["error"]
    assert disk.closed


@pytest.mark.parametrize("room", [0, 100], ids=["full", "roomy"])
def test_a_disk_that_fails_to_close(tmp_path: Path, room: int, monkeypatch: pytest.MonkeyPatch) -> None:
    put_on(Disk(room, closes=False), monkeypatch)
    with capture_logs() as logs:
        use(call_file(tmp_path))
    only_line(logs)
