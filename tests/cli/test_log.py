"""The log: what a program that reads it gets."""

import json
import subprocess
import sys

from bridge.cli.log import redacted
from bridge.redaction import HIDDEN

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
LINE = {
    "event": "+15550142",
    "call_id": "+15550142",
    "auth_token": "a",
    "n": 7,
    "more": {"password": "b", "of": ["sk-abc"]},
}
SHOWN = {
    "event": "***42",
    "call_id": "***42",
    "auth_token": HIDDEN,
    "n": 7,
    "more": {"password": HIDDEN, "of": ["***"]},
}


def test_every_field_of_a_line_is_masked() -> None:
    assert redacted(None, "info", dict(LINE)) == SHOWN


def test_a_fault_is_one_line_of_json_with_its_traceback() -> None:
    done = subprocess.run([sys.executable, "-c", FAULT], capture_output=True, text=True, check=True)
    (line,) = done.stderr.splitlines()
    told = json.loads(line)
    assert (told["event"], told["level"], told["call"]) == ("= the assistant failed", "error", "CA1")
    assert "ZeroDivisionError: division by zero" in told["exception"]
    assert done.stdout == ""


CRASH = """
import threading, warnings
from bridge.cli.log import configure

configure("info")

def fail():
    raise ValueError("+15550142 sk-abc")

thread = threading.Thread(target=fail, name="files")
thread.start()
thread.join()
warnings.warn("+15550142 sk-abc")
fail()
"""


def test_what_nobody_caught_is_masked_too() -> None:
    done = subprocess.run([sys.executable, "-c", CRASH], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    lines = [line for line in done.stderr.splitlines() if line]
    thread, crash = json.loads(lines[0]), json.loads(lines[-1])
    assert (thread["event"], thread["thread"]) == ("= a thread failed", "files")
    assert "UserWarning: ***42" in lines[1]
    assert crash["event"] == "= voicebridge failed"
    assert done.stderr.count("***42 ***") >= 3
    assert "5550142" not in done.stderr
