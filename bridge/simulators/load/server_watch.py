"""Watches the processor time and the memory of a server by the number of its process, on Linux: `/proc`, see proc(5).

The process and all its descendants count together.
"""

import os
from pathlib import Path
from typing import NamedTuple

from bridge.vocabulary.errors import ConfigurationError

PROC = Path("/proc")


class ServerUse(NamedTuple):
    """What a server used since the last look. `cpu_share`: of one core."""

    cpu_share: float
    rss_mib: float


class ServerWatch:
    """Watches process `pid`. Raises `ConfigurationError` if there is none, or no `/proc`. `now`: seconds."""

    def __init__(self, pid: int, now: float, proc: Path = PROC) -> None:
        self._pid = pid
        self._proc = proc
        self._ticks_per_s = os.sysconf("SC_CLK_TCK")
        self._page_mib = os.sysconf("SC_PAGE_SIZE") / 1_048_576
        if not (proc / "self").exists() and proc == PROC:
            raise ConfigurationError("--pid: expected Linux: this system has no /proc")
        if not self._stats():
            raise ConfigurationError(f"--pid {pid}: there is no process of this number")
        self._looked_at = now
        self._cpu = self._cpu_s(self._stats())

    def look(self, now: float) -> ServerUse | None:
        """What was used since the last look; None if the server is gone."""
        stats = self._stats()
        if not stats:
            return None
        cpu, passed = self._cpu_s(stats), max(now - self._looked_at, 0.001)
        used = sum(seconds - self._cpu.get(thread, 0.0) for thread, seconds in cpu.items())
        self._cpu, self._looked_at = cpu, now
        rss = sum(int(stat[21]) for stat in stats.values()) * self._page_mib
        return ServerUse(round(used / passed, 4), round(rss, 2))

    def _cpu_s(self, stats: dict[int, list[str]]) -> dict[Path, float]:
        """What each thread has used. Ticks, of 10 ms, are too coarse for a second of a few calls: they are for systems
        without `schedstat`."""
        found: dict[Path, float] = {}
        for pid, stat in stats.items():
            process = self._proc / str(pid)
            try:
                for file in process.glob("task/*/schedstat"):
                    found[file] = int(file.read_text().split()[0]) / 1e9
            except OSError:  # it has ended
                continue
            if process / f"task/{pid}/schedstat" not in found:
                found[process] = (int(stat[11]) + int(stat[12])) / self._ticks_per_s
        return found

    def _stats(self) -> dict[int, list[str]]:
        """The fields of `stat` behind the name, of each process of the tree: the third field of proc(5) is the first."""
        found: dict[int, list[str]] = {}
        waiting = [self._pid]
        while waiting:
            pid = waiting.pop()
            try:
                fields = (self._proc / str(pid) / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if fields[0] != "Z" and pid not in found:
                found[pid] = fields
                waiting += self._children(pid)
        return found

    def _children(self, pid: int) -> list[int]:
        children: list[int] = []
        for task in (self._proc / str(pid) / "task").glob("*/children"):
            try:
                children += map(int, task.read_text().split())
            except OSError:
                continue
        return children
