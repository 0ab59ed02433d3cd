"""`voicebridge call --people`: a call with several parties from the command line, and its files.

The server is not the bridge: a program of its own that answers webhooks with fixed documents.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from bridge.cli.app import app
from bridge.config.audio_file import read_wav, write_wav
from bridge.simulators.openai.voice import spoken
from bridge.simulators.phone.likeness import find_sound
from telecodecs.codec import decoder
from telecodecs.format import L16_8K, PCMU_8K, Samples

OFFICE = """
from http.server import BaseHTTPRequestHandler, HTTPServer

ANSWERS = {
    "/voice": '<Dial action="/back"><Number>+15550111</Number></Dial>',
    "/nobody": '<Dial action="/back"><Number>+15550112</Number></Dial>',
    "/back": "<Hangup/>",
    "/busy": '<Reject reason="busy"/>',
}

class Office(BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        body = f"<Response>{ANSWERS[self.path]}</Response>".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

server = HTTPServer(("127.0.0.1", 0), Office)
print(server.server_port, flush=True)
server.serve_forever()
"""
PEOPLE = """
[people.ann]
to = "+15550111"
answers_after_s = 0.2
says = [{ at_s = 0.1, words = "an answer" }]
presses = "5@0.2s"
hangs_up_after_s = 1.0
"""


@pytest.fixture(scope="module")
def office() -> Iterator[str]:
    with subprocess.Popen([sys.executable, "-c", OFFICE], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        process.kill()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_wav(tmp_path / "said.wav", spoken("my question", 8_000).tobytes(), L16_8K)
    (tmp_path / "people.toml").write_text(PEOPLE)
    return tmp_path


def run(folder: Path, url: str, *options: str) -> Any:
    files = ("--audio", str(folder / "said.wav"), "--people", str(folder / "people.toml"))
    return CliRunner().invoke(app, ["call", url, *files, *options])


def heard(path: Path) -> Samples:
    return decoder(PCMU_8K)(read_wav(path))


@pytest.mark.parametrize("carrier", ["twilio", "telnyx"])
def test_a_call_with_a_person(folder: Path, office: str, carrier: str) -> None:
    out, log = folder / "out", folder / "api.jsonl"
    numbers = ("--from", "+15551000", "--to", "+15552000")
    options = (*numbers, "--carrier", carrier, "--out", str(out), "--api-log", str(log), "--json")
    done = run(folder, f"{office}/voice", *options)
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert [(one["name"], one["number"], one["pressed"]) for one in told["parties"]] == [
        ("caller", "+15551000", ""),
        ("ann", "+15550111", "5"),
    ]
    assert told["notes"][1].startswith("ann (+15550111) answered at ")
    assert told["files"] == [str(out / name) for name in ("caller-heard.wav", "trace.jsonl", "heard-ann.wav")]
    assert find_sound(heard(out / "caller-heard.wav"), spoken("an answer", 8_000)).likeness >= 0.9
    said = spoken("my question", 8_000)
    rest = len(said) - 2_400  # Ann answers while the caller speaks
    assert find_sound(heard(out / "heard-ann.wav"), said[-rest:]).likeness >= 0.9
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    webhooks = [line for line in lines if line["kind"] == "webhook"]
    assert [line["url"].rpartition("/")[2] for line in webhooks] == ["voice", "back"]
    assert webhooks[0]["fields"]["To"] == "+15552000"
    assert webhooks[1]["fields"]["DialCallStatus"] == "completed"


def test_a_number_that_nobody_has(folder: Path, office: str) -> None:
    log = folder / "api.jsonl"
    done = run(folder, f"{office}/nobody", "--api-log", str(log))
    assert done.exit_code == 0
    assert '"DialCallStatus":"failed"' in log.read_text()


REFUSED = [
    (("/busy",), "rejected the call (busy)"),
    (("/voice", "--texml"), "--texml: Twilio has no TeXML"),
    (("/voice", "--api-log", "/dev/null/api.jsonl"), "--api-log /dev/null/api.jsonl: cannot write the file"),
]


@pytest.mark.parametrize(("asked", "why"), REFUSED)
def test_what_is_refused(folder: Path, office: str, asked: tuple[str, ...], why: str) -> None:
    path, *options = asked
    done = run(folder, f"{office}{path}", *options)
    assert why in str(done.exception), done.output


def test_people_need_a_webhook(folder: Path) -> None:
    done = run(folder, "ws://127.0.0.1:9/twilio/media")
    assert "need a voice webhook" in str(done.exception)
