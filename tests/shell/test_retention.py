"""The sweeper: what it deletes, what it says, and that a server starts it."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from bridge.config.settings import Settings
from bridge.observers.call_file import AT_ONCE, stem
from bridge.shell.retention import BATCH, SWEEP_EVERY_S, Kept, Retention
from bridge.shell.server import Server


def files_of(directory: Path, call_id: str, days_old: float, number: int = 1) -> list[Path]:
    started = datetime.now(UTC) - timedelta(days=days_old)
    made = [directory / f"{stem(f'{call_id}x{n}', started)}.wav" for n in range(number)]
    for file in made:
        file.touch()
    return made


async def test_what_is_too_old_is_deleted_and_counted(
    tmp_path: Path, timers_left: Callable[[], list[asyncio.TimerHandle]]
) -> None:
    old, young = files_of(tmp_path, "old", 8, BATCH * 2 + 1), files_of(tmp_path, "young", 6)
    (tmp_path / "notes.txt").touch()
    sweeper = Retention([Kept(tmp_path, 7)], AT_ONCE)
    with capture_logs() as lines:
        sweeper.start()
    assert sorted(tmp_path.iterdir()) == [*young, tmp_path / "notes.txt"]
    assert lines == [
        {
            "event": "= files of old calls were looked after",
            "log_level": "info",
            "directory": str(tmp_path),
            "deleted": len(old),
        }
    ]
    (timer,) = timers_left()
    assert timer.when() - asyncio.get_running_loop().time() == pytest.approx(SWEEP_EVERY_S, abs=5)
    sweeper.stop()
    assert timers_left() == []


async def test_a_sweep_that_finds_nothing_says_nothing(tmp_path: Path) -> None:
    files_of(tmp_path, "young", 1)
    sweeper = Retention([Kept(tmp_path, 7), Kept(tmp_path / "missing", 7)], AT_ONCE)
    with capture_logs() as lines:
        sweeper.start()
    sweeper.stop()
    assert lines == []


async def test_what_cannot_be_deleted_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files_of(tmp_path, "old", 8, 3)

    def refuses(self: Path, missing_ok: bool = False) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "unlink", refuses)
    sweeper = Retention([Kept(tmp_path, 7)], AT_ONCE)
    with capture_logs() as lines:
        sweeper.start()
    sweeper.stop()
    (line,) = lines
    assert (line["log_level"], line["failed"], "deleted" in line) == ("error", 3, False)


async def test_without_the_setting_nothing_is_swept(
    tmp_path: Path, timers_left: Callable[[], list[asyncio.TimerHandle]]
) -> None:
    sweeper = Retention([], AT_ONCE)
    sweeper.start()
    assert timers_left() == []


async def test_a_server_sweeps_when_it_starts(tmp_path: Path) -> None:
    journals, recordings, traces = tmp_path / "journal", tmp_path / "recordings", tmp_path / "traces"
    for folder in (journals, recordings, traces):
        folder.mkdir()
        files_of(folder, "old", 8)
    settings = Settings.model_validate(
        {
            "port": 0,
            "assistant": "echo",
            "security": {"allow_unauthenticated": True},
            "journal": {"directory": journals, "retention_days": 7},
            "recording": {"directory": recordings},
            "capture": {"directory": traces, "retention_days": 7},
        }
    )
    async with Server(settings).running(), asyncio.timeout(5.0):
        while [*journals.iterdir(), *traces.iterdir()]:  # until the thread has been there  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert len(list(recordings.iterdir())) == 1, "kept for ever"
