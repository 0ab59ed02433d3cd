"""docs/control.md: each of its curl lines runs, in its order, against a server on loopback."""

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

from tests.shell.control.conftest import OPS, calling, serving, until

DOCUMENT = Path(__file__).parents[3] / "docs" / "control.md"

CURL = re.findall(r"^curl .*$", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE)

CUT_OFF = 28
"""What curl exits with after --max-time: a stream has no end."""

REFUSED = {"transfer": "409", "take": "409", "give-back": "409", "supervise": "409", "calls": "400"}
"""This call has a socket alone: nobody can be put through, and no carrier places calls."""


def expected(line: str) -> str:
    if "-X" not in line:
        return "200"
    words = line.replace("https://voice.example.com", "").split()
    path = next(word for word in words if word.startswith("/calls"))
    return REFUSED.get(path.rsplit("/", 1)[-1], "202")


@pytest.fixture
def settings() -> dict[str, Any]:
    turns = {"kind": "turn-based", "url": "http://127.0.0.1:9/"}
    return {"assistant": "turns", "assistants": {"turns": turns}}


async def test_every_line_runs(settings: dict[str, Any]) -> None:
    assert len(CURL) >= 16
    lines = sorted(CURL, key=lambda line: "DELETE" in line)
    async with serving(**settings) as running:
        async with calling(running.port, echoes=False) as caller, caller.speaking():
            await until(lambda: len(running.admission.live) == 1)
            statuses = [await run(line, running.port) for line in lines]
    assert dict(zip(lines, statuses, strict=True)) == {line: expected(line) for line in lines}


async def run(line: str, port: int) -> str:
    """The status that a line is answered with."""
    local = line.replace("https://voice.example.com", f"http://127.0.0.1:{port}")
    command = f"{local} --max-time 5 -s -o /dev/null -w '%{{http_code}}'"
    if " -N " in line:
        command = command.replace("--max-time 5", "--max-time 0.5")
    shell = await asyncio.create_subprocess_exec(
        "sh", "-c", command, env={"TOKEN": OPS, "PATH": "/usr/bin:/bin"}, stdout=asyncio.subprocess.PIPE
    )
    status, _ = await shell.communicate()
    assert shell.returncode == (CUT_OFF if " -N " in line else 0), line
    return status.decode()
