"""The attacks of scripts/attack: each has its row in docs/reliability.md, and a bar that can be missed."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "scripts"))

from attacks.soak import kept_slope  # noqa: E402


@pytest.fixture(scope="module")
def listed() -> dict[str, str]:
    """Name and bars of each row."""
    command = [sys.executable, str(ROOT / "scripts/attack"), "--list"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    rows = (re.fullmatch(r"  (\S+) +(.*)", line) for line in lines)
    return {row[1]: row[2] for row in rows if row}


def test_each_attack_is_told_with_what_was_measured(listed: dict[str, str]) -> None:
    page = (ROOT / "docs/reliability.md").read_text(encoding="utf-8")
    told = re.findall(r"^\| `([\w-]+)` \|", page, re.MULTILINE)
    assert told == list(listed)


def test_each_attack_has_bars(listed: dict[str, str]) -> None:
    assert len(listed) > 30
    assert all("no good call lost" in bars and "p99" in bars for bars in listed.values())


def test_a_soak_tells_growth_from_one_step_and_from_calls_that_come_and_go() -> None:
    seconds = range(900)
    ripple = [float(second % 45) / 20 for second in seconds]  # of calls under way
    step = [(float(second), 90 + ripple[second] + (second >= 180)) for second in seconds]
    growth = [(float(second), 90 + ripple[second] + 12 * second / 3600) for second in seconds]
    assert kept_slope(step) == 0
    assert kept_slope(growth) == pytest.approx(12, abs=1)
