"""The log of requests and webhooks."""

import json
from pathlib import Path

import pytest

from bridge.simulators.carriers.api_log import ApiLog
from bridge.vocabulary.errors import ConfigurationError


def test_a_line_is_there_at_once(tmp_path: Path) -> None:
    times = iter([10.0, 10.0, 10.25, 11.5])
    file = tmp_path / "api.jsonl"
    log = ApiLog(file, lambda: next(times))
    log.note("request", name="create", fields=(("To", "+15550111"),), status=201)
    log.note("webhook", name="call.hangup", status=None)
    told = [json.loads(line) for line in file.read_text().splitlines()]
    assert told == [
        {"at_ms": 0.0, "kind": "begin", "clock_ms": 10_000.0},
        {"at_ms": 250.0, "kind": "request", "name": "create", "fields": [["To", "+15550111"]], "status": 201},
        {"at_ms": 1500.0, "kind": "webhook", "name": "call.hangup", "status": None},
    ]
    log.close()
    assert log.lines[-1]["name"] == "call.hangup"


def test_a_file_that_cannot_be_written() -> None:
    with pytest.raises(ConfigurationError, match=r"--api-log /dev/null/api.jsonl: cannot write the file"):
        ApiLog(Path("/dev/null/api.jsonl"))
