"""The report of a call for people and for programs, and its files."""

import json
import wave
from dataclasses import replace
from pathlib import Path

import pytest

from bridge.config.audio_file import read_wav
from bridge.simulators.carriers.contract import Warned
from bridge.simulators.phone.earpiece import Cleared, MarkReturned
from bridge.simulators.phone.handset import Ending
from bridge.simulators.phone.network_disorder import DisorderCounts
from bridge.simulators.phone.report import CallReport
from bridge.simulators.phone.summary import keep, make_folder, show
from bridge.simulators.phone.trace import TraceLine
from bridge.vocabulary.errors import ConfigurationError
from telecodecs.format import L16_16K, PCMA_8K, PCMU_8K

FRAME = 160
SILENT, LOUD = b"\xff" * FRAME, bytes([0x10, 0x90]) * (FRAME // 2)
SENT_AT = tuple(n * 0.02 for n in range(50))

CALL = CallReport(
    call_sid="CA0123456789abcdef",
    stream_sid="MZ1",
    ending=Ending.QUIET,
    close_code=1000,
    close_reason="",
    line=PCMU_8K,
    plays=PCMU_8K,
    said=LOUD * 10 + SILENT * 40,  # a turn that ends after 200 ms
    heard=SILENT * 25 + LOUD * 24 + SILENT,
    sent_at=(*SENT_AT[:-1], SENT_AT[-1] + 0.00123),
    received=((0.5, LOUD * 5), (0.6, LOUD * 4)),
    marks=(
        MarkReturned("0.1", 500.0, cleared=False),
        MarkReturned("0.2", 600.0, cleared=False),
        MarkReturned("0.3", 700.0, cleared=True),
    ),
    clears=(Cleared(at_ms=700.0, dropped_ms=1250.0),),
    digits="42",
    warnings=(Warned(31951, "streamSid is not that of this stream"),),
    trace=(
        TraceLine(0.0, ">", '{"event":"connected"}'),
        TraceLine(1.6, "<", '{"event":"clear"}'),
        TraceLine(2.0, "<", "no JSON"),
    ),
    disorder_counts=DisorderCounts(),
    reconnects=0,
)
SAID = LOUD + SILENT * 49  # so short that it comes back only after it was all sent: still an echo
ECHOED = replace(
    CALL,
    said=SAID,
    heard=SAID,
    received=tuple((at + 0.002, SAID[n * FRAME : (n + 1) * FRAME]) for n, at in enumerate(SENT_AT) if n < 49),
)
QUIET = replace(CALL, received=(), heard=SILENT * 50, marks=(), clears=(), digits="", warnings=(), trace=())


def told(report: CallReport, capsys: pytest.CaptureFixture[str], *files: Path) -> str:
    """The report for people, without the table's padding."""
    show(report, files, as_json=False)
    return "\n".join(" ".join(line.split()) for line in capsys.readouterr().out.splitlines())


def test_report_for_people(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    assert told(CALL, capsys, Path("out/caller-heard.wav"), Path("out/trace.jsonl")).splitlines() == [
        "Call CA01234567…: the caller had nothing left to say, and the line was quiet",
        "length 1.0 s, 50 frames from the caller",
        "marks 2 played to the end, 1 returned by a clear",
        "barge-in at 0.70 s; 1.25 s of the reply not played",
        "keys 4 2",
        "waits 0.32 s from voice to voice",
        "warning 31951: streamSid is not that of this stream",
        "wrote out/caller-heard.wav",
        "wrote out/trace.jsonl",
    ]


def test_report_of_an_echo_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    out = told(ECHOED, capsys)
    assert "echo each frame back after 2.00 ms (p99 2.00 ms)" in out
    assert "waits" not in out


def test_reports_keys_that_the_server_had_pressed(capsys: pytest.CaptureFixture[str]) -> None:
    assert "pressed 1 2 w by the server" in told(replace(CALL, pressed="12w"), capsys).splitlines()


ASTRAY = replace(
    CALL,
    line=L16_16K,
    plays=PCMA_8K,
    said=bytes(2 * 320 * 50),
    disorder_counts=DisorderCounts(swapped=3, lost=1),
    reconnects=1,
)


def test_an_unusual_line_is_reported(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    assert told(ASTRAY, capsys).splitlines()[2:5] == [
        "audio l16/16000 from the caller, pcma/8000 to the caller",
        "network 3 frames swapped with the next, 1 lost, 0 repeated",
        "reconnects 1",
    ]
    show(ASTRAY, [], as_json=True)
    facts = json.loads(capsys.readouterr().out)
    assert (facts["line"], facts["plays"]) == ("l16/16000", "pcma/8000")
    assert facts["frames_astray"] == {"swapped": 3, "lost": 1, "repeated": 0}


def test_report_of_an_empty_call_is_short(capsys: pytest.CaptureFixture[str]) -> None:
    words = {line.partition(" ")[0] for line in told(QUIET, capsys).splitlines()}
    assert {"length", "marks"} <= words
    assert not words & {"barge-in", "keys", "echo", "waits", "warning", "wrote"}


FACTS = {
    "call": "CA0123456789abcdef",
    "stream": "MZ1",
    "ending": "the caller had nothing left to say, and the line was quiet",
    "close_code": 1000,
    "line": "pcmu/8000",
    "plays": "pcmu/8000",
    "length_ms": 1000.0,
    "frames_sent": 50,
    "frames_astray": {"swapped": 0, "lost": 0, "repeated": 0},
    "reconnects": 0,
    "messages_received": 2,
    "marks_played": 2,
    "marks_cleared": 1,
    "clears": [{"at_ms": 700.0, "dropped_ms": 1250.0}],
    "digits": "42",
    "pressed": "",
    "warnings": [{"code": 31951, "why": "streamSid is not that of this stream"}],
    "phone_late_ms": 1.23,
    "echo_latency": None,
    "files": ["out/trace.jsonl"],
    "notes": [],
}


def test_report_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    show(CALL, [Path("out/trace.jsonl")], as_json=True)
    facts = json.loads(capsys.readouterr().out)
    turns = facts.pop("turn_latency")
    assert facts == FACTS
    assert turns["count"] == 1
    assert turns["p50_ms"] == turns["max_ms"] == pytest.approx(320)


def test_notes_about_the_files_are_in_both_reports(capsys: pytest.CaptureFixture[str]) -> None:
    note = "no timeline.png: it needs what [report] installs, and this sentence is longer than a terminal is wide"
    show(CALL, [], [note], as_json=True)
    assert json.loads(capsys.readouterr().out)["notes"] == [note]
    show(CALL, [], [note], as_json=False)
    assert capsys.readouterr().out.splitlines()[-1] == note


def test_report_of_an_echo_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    show(ECHOED, [], as_json=True)
    facts = json.loads(capsys.readouterr().out)
    assert facts["echo_latency"]["count"] == 49
    assert facts["echo_latency"]["p99_ms"] == pytest.approx(2)
    assert facts["turn_latency"] is None
    assert facts["files"] == []


def test_report_of_an_empty_call_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    show(QUIET, [], as_json=True)
    facts = json.loads(capsys.readouterr().out)
    assert facts["echo_latency"] is facts["turn_latency"] is None
    assert facts["clears"] == facts["warnings"] == []


def test_writes_the_audio_heard_and_every_message(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "down"
    make_folder(folder)
    heard, trace = keep(CALL, folder)
    assert [heard, trace] == [folder / "caller-heard.wav", folder / "trace.jsonl"]
    assert read_wav(heard) == CALL.heard
    with wave.open(str(heard)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getnframes()) == (8000, 1, 8000)
    assert [json.loads(line) for line in trace.read_text().splitlines()] == [
        {"at_ms": 0, "to": "bridge", "message": {"event": "connected"}},
        {"at_ms": 2, "to": "carrier", "message": {"event": "clear"}},
        {"at_ms": 2, "to": "carrier", "message": "no JSON"},
    ]
    assert keep(QUIET, folder) == [heard, trace], "and again, over what is there"
    assert trace.read_text() == ""


def test_the_audio_heard_is_written_at_its_own_rate(tmp_path: Path) -> None:
    heard = bytes(range(256)) * 125
    keep(replace(CALL, heard=heard, plays=L16_16K), tmp_path)
    assert read_wav(tmp_path / "caller-heard.wav", L16_16K) == heard


def test_a_folder_that_cannot_be_made_is_reported_before_the_call(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match=r"--out .*file: "):
        make_folder(tmp_path / "file")
