"""The log: what a program that reads it gets."""

import json
import subprocess
import sys

FAULT = """
import structlog
from bridge.cli.log import configure

configure("info")
log = structlog.get_logger()
log.debug("too quiet")
try:
    1 / 0
except ZeroDivisionError:
    log.exception("= the assistant failed", call="CA1")
"""


def test_a_fault_is_one_line_of_json_with_its_traceback() -> None:
    done = subprocess.run([sys.executable, "-c", FAULT], capture_output=True, text=True, check=True)
    (line,) = done.stderr.splitlines()
    told = json.loads(line)
    assert (told["event"], told["level"], told["call"]) == ("= the assistant failed", "error", "CA1")
    assert "ZeroDivisionError: division by zero" in told["exception"]
    assert done.stdout == ""
