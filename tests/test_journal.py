"""The journal: a line for each event and command, runs for audio, no numbers, nothing lost."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bridge.call_file import stem
from bridge.events import (
    AppendAudio,
    CallerAudio,
    CallStarted,
    ClearPlayback,
    DigitPressed,
    LegLost,
    LegName,
    MarkReached,
    PlayAudio,
    ReplyAudio,
    Word,
)
from bridge.journal import MOST_LINES, Journal, mask
from telecodecs.format import PCMU_8K

STARTED = datetime(2026, 11, 21, 8, 30, tzinfo=UTC)
START = CallStarted("CA1", "MZ1", PCMU_8K, parameters={"from": "+15550199", "id": "15550100", "plan": "gold"})
LINE = {"encoding": "pcmu", "rate_hz": 8000, "channels": 1}


def lines(directory: Path) -> list[dict[str, object]]:
    (file,) = directory.glob("*.jsonl")
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_one_line_each_in_order(tmp_path: Path) -> None:
    journal = Journal(tmp_path, STARTED)
    told: list[tuple[float, Word]] = [
        (100.0, START),
        (100.25, DigitPressed("4")),
        (100.5, ClearPlayback(800)),
        (101.5, MarkReached("0.1")),
        (102.0, LegLost(LegName.CARRIER, 1006, "broke")),
    ]
    for now, word in told:
        journal.saw(word, now)
    journal.close(102.5, {"digits": 1})
    assert lines(tmp_path) == [
        {
            "at": 0.0,
            "way": "<",
            "what": "CallStarted",
            "call": "CA1",
            "stream": "MZ1",
            "line": LINE,
            "tracks": ["inbound"],
            "one_way": False,
            "parameters": {"from": "***99", "id": "***00", "plan": "gold"},
        },
        {"at": 0.25, "way": "<", "what": "DigitPressed", "digit": "4"},
        {"at": 0.5, "way": ">", "what": "ClearPlayback", "unheard_samples": 800},
        {"at": 1.5, "way": "<", "what": "MarkReached", "name": "0.1"},
        {"at": 2.0, "way": "<", "what": "LegLost", "leg": "carrier", "code": 1006, "reason": "broke"},
        {
            "at": 2.5,
            "way": "=",
            "what": "Ended",
            "started": "2026-11-21T08:30:00.000+00:00",
            "counts": {"digits": 1},
        },
    ]


def test_audio_is_told_in_runs_of_a_second_and_its_sound_never(tmp_path: Path) -> None:
    journal = Journal(tmp_path, STARTED)
    journal.saw(START, 0.0)
    for n in range(75):
        journal.saw(CallerAudio(b"\x55" * 160, n * 20), n * 0.02)
        journal.saw(AppendAudio(b"\x55" * 160), n * 0.02)
    journal.saw(ReplyAudio("a", b"\x55" * 100), 1.5)
    journal.saw(ReplyAudio("b", b"\x55" * 60), 1.6)
    journal.saw(PlayAudio(b"\x55" * 160), 1.6)
    journal.close(1.7, {})
    assert lines(tmp_path)[1:-1] == [
        {"at": 0.0, "until": 1.0, "way": "<", "what": "CallerAudio", "frames": 51, "bytes": 8160},
        {"at": 0.0, "until": 0.98, "way": ">", "what": "AppendAudio", "frames": 50, "bytes": 8000},
        {"at": 1.5, "until": 1.5, "way": "<", "what": "ReplyAudio", "frames": 1, "bytes": 100, "item": "a"},
        {"at": 1.0, "until": 1.48, "way": ">", "what": "AppendAudio", "frames": 25, "bytes": 4000},
        {"at": 1.02, "until": 1.48, "way": "<", "what": "CallerAudio", "frames": 24, "bytes": 3840},
        {"at": 1.6, "until": 1.6, "way": "<", "what": "ReplyAudio", "frames": 1, "bytes": 60, "item": "b"},
        {"at": 1.6, "until": 1.6, "way": ">", "what": "PlayAudio", "frames": 1, "bytes": 160},
    ]


def test_what_came_before_the_start_is_there_too(tmp_path: Path) -> None:
    journal = Journal(tmp_path, STARTED)
    journal.saw(MarkReached("early"), 0.0)
    assert not list(tmp_path.iterdir())
    journal.saw(START, 2.0)
    journal.close(2.0, {})
    assert [line["what"] for line in lines(tmp_path)] == ["MarkReached", "CallStarted", "Ended"]


def test_a_call_without_a_name_leaves_no_file(tmp_path: Path) -> None:
    journal = Journal(tmp_path, STARTED)
    journal.saw(MarkReached("early"), 0.0)
    journal.close(20.0, {})
    assert not list(tmp_path.iterdir())


def test_a_flood_is_counted_and_not_written_down(tmp_path: Path) -> None:
    journal = Journal(tmp_path, STARTED)
    for _ in range(MOST_LINES + 100):
        journal.saw(MarkReached("flood"), 0.0)
    journal.saw(START, 0.5)
    journal.saw(MarkReached("flood"), 0.5)
    journal.saw(MarkReached("last drop"), 1.0)
    journal.saw(DigitPressed("4"), 1.1)
    journal.close(1.2, {})
    told = [line["what"] for line in lines(tmp_path)]
    assert told[MOST_LINES:] == ["CallStarted", "LeftOut", "DigitPressed", "Ended"]
    assert lines(tmp_path)[MOST_LINES + 1]["lines"] == 102


def test_a_killed_process_loses_a_second_at_most(tmp_path: Path) -> None:
    journal = Journal(tmp_path, STARTED)
    journal.saw(START, 0.0)
    for n in range(30):
        journal.saw(MarkReached(str(n)), n * 0.1)
    assert len(lines(tmp_path)) > 20  # and `close` was never called
    journal.close(3.0, {})


MASKED = [
    (b'{"x":"+15550199"}', b'{"x":"***99"}'),
    (b'{"x":"15550199"}', b'{"x":"***99"}'),
    (b'{"x":"sip:+442079460000@example.com"}', b'{"x":"sip:***00@example.com"}'),
    (b'{"bytes":15550199,"name":"0.12","call":"CA1234567890ABCDE"}', None),
]


@pytest.mark.parametrize(("line", "masked"), MASKED)
def test_numbers_are_masked_and_nothing_else(line: bytes, masked: bytes | None) -> None:
    assert mask(line) == (masked or line)


def test_a_calls_name_cannot_lead_out_of_the_folder() -> None:
    assert stem("../../etc/passwd", STARTED) == "20261121T083000-______etc_passwd"
    assert len(stem("x" * 500, STARTED)) < 100
