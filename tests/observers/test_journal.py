"""The journal: a line for each event and command, runs for audio, an item's words together, nothing lost."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bridge.observers.call_file import stem
from bridge.observers.journal import MOST_BYTES, MOST_LETTERS, MOST_SPEAKING, Journal
from bridge.observers.journal_redaction import MASK
from bridge.vocabulary.commands import (
    AppendAudio,
    ClearPlayback,
    ConfirmHeard,
    DropReply,
    HangUp,
    OpenAssistant,
    PlayAudio,
    SetSensitive,
    TruncateReply,
)
from bridge.vocabulary.contracts import Account, Turn
from bridge.vocabulary.events import (
    AssistantFailed,
    AssistantReady,
    AssistantReportedError,
    CallerAudio,
    CallerSaid,
    CallStarted,
    DigitPressed,
    Ignored,
    LegLost,
    LegName,
    MarkReached,
    ReplyAudio,
    ReplyEnded,
    ReplySaid,
    TimePassed,
    Word,
)
from bridge.vocabulary.room import JoinRoom
from bridge.vocabulary.supervision import CheckPin
from telecodecs.format import PCMU_8K

NOTHING = Account({}, {}, 0.0, 0.0, [])
ACCOUNT = Account(
    {"digits": 1},
    {"input_audio": 120},
    12.3456,
    4.0,
    [Turn(1300, 650, 400, 10, 240), Turn(None, 700, 500, None, None), Turn(None, None, None, None, None)],
)
STARTED = datetime(2026, 11, 21, 8, 30, tzinfo=UTC)
START = CallStarted("CA1", "MZ1", PCMU_8K, parameters={"from": "+15550199", "id": "15550100", "plan": "gold"})
OPEN = OpenAssistant("CA1", PCMU_8K)
REFUSED = HangUp(1008, "the token was made for another call")
LINE = {"encoding": "pcmu", "rate_hz": 8000, "channels": 1}


def begun(directory: Path) -> Journal:
    """Of a call that was accepted at 0.0."""
    journal = Journal(directory, STARTED)
    journal.saw(START, 0.0)
    journal.saw(OPEN, 0.0)
    return journal


def lines(directory: Path) -> list[dict[str, object]]:
    (file,) = directory.glob("*.jsonl")
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_one_line_each_in_order(tmp_path: Path) -> None:
    journal = Journal(tmp_path, STARTED)
    words: list[tuple[float, Word]] = [
        (100.0, START),
        (100.0, OPEN),
        (100.25, DigitPressed("4")),
        (100.5, ClearPlayback(800)),
        (101.5, MarkReached("0.1")),
        (102.0, LegLost(LegName.CARRIER, 1006, "broke")),
    ]
    for now, word in words:
        journal.saw(word, now)
    journal.close(102.5, ACCOUNT)
    assert lines(tmp_path) == [
        {
            "at": 0.0,
            "way": "<",
            "what": "CallStarted",
            "call_id": "CA1",
            "stream": "MZ1",
            "line": LINE,
            "tracks": ["inbound"],
            "one_way": False,
            "plays": None,
            "parameters": {"from": "***99", "id": "***00", "plan": "gold"},
        },
        {
            "at": 0.0,
            "way": ">",
            "what": "OpenAssistant",
            "call_id": "CA1",
            "line": LINE,
            "parameters": {},
            "assistant": "",
            "opening": "first",
            "history": 0,
            "plays": None,
        },
        {"at": 0.25, "way": "<", "what": "DigitPressed", "digit": "4", "pressed_at": ""},
        {"at": 0.5, "way": ">", "what": "ClearPlayback", "unheard_samples": 800},
        {"at": 1.5, "way": "<", "what": "MarkReached", "name": "0.1"},
        {
            "at": 2.0,
            "way": "<",
            "what": "LegLost",
            "leg": "carrier",
            "code": 1006,
            "reason": "broke",
            "retry_after_s": None,
            "final": False,
        },
        {
            "at": 2.5,
            "way": "=",
            "what": "Ended",
            "started": "2026-11-21T08:30:00.000+00:00",
            "counts": {"digits": 1},
            "tokens": {"input_audio": 120},
            "caller_s": 12.346,
            "assistant_s": 4.0,
            "turns": [
                {"wait_ms": 1300, "pause_ms": 650, "reply_ms": 400, "send_ms": 10, "play_ms": 240},
                {"pause_ms": 700, "reply_ms": 500},
                {},
            ],
        },
    ]


def test_audio_is_written_as_runs_of_a_second_and_never_its_bytes(tmp_path: Path) -> None:
    journal = begun(tmp_path)
    for n in range(75):
        journal.saw(CallerAudio(b"\x55" * 160, n * 20), n * 0.02)
        journal.saw(AppendAudio(b"\x55" * 160), n * 0.02)
    journal.saw(ReplyAudio("a", b"\x55" * 100), 1.5)
    journal.saw(ReplyAudio("b", b"\x55" * 60), 1.6)
    journal.saw(PlayAudio(b"\x55" * 160), 1.6)
    journal.close(1.7, NOTHING)
    assert lines(tmp_path)[2:-1] == [
        {"at": 0.0, "until": 1.0, "way": "<", "what": "CallerAudio", "frames": 51, "bytes": 8160},
        {"at": 0.0, "until": 0.98, "way": ">", "what": "AppendAudio", "frames": 50, "bytes": 8000},
        {"at": 1.5, "until": 1.5, "way": "<", "what": "ReplyAudio", "frames": 1, "bytes": 100, "item": "a"},
        {"at": 1.0, "until": 1.48, "way": ">", "what": "AppendAudio", "frames": 25, "bytes": 4000},
        {"at": 1.02, "until": 1.48, "way": "<", "what": "CallerAudio", "frames": 24, "bytes": 3840},
        {"at": 1.6, "until": 1.6, "way": "<", "what": "ReplyAudio", "frames": 1, "bytes": 60, "item": "b"},
        {"at": 1.6, "until": 1.6, "way": ">", "what": "PlayAudio", "frames": 1, "bytes": 160},
    ]


def test_time_passed_has_no_line(tmp_path: Path) -> None:
    journal = begun(tmp_path)
    before = lines(tmp_path)
    for n in range(20):
        journal.saw(TimePassed(), n * 0.2)
    assert lines(tmp_path) == before
    journal.close(4.0, NOTHING)


def test_what_came_before_the_acceptance_is_there_too(tmp_path: Path) -> None:
    journal = Journal(tmp_path, STARTED)
    journal.saw(Ignored("connected"), 0.0)
    journal.saw(START, 2.0)
    assert not list(tmp_path.iterdir())
    journal.saw(OPEN, 2.0)
    journal.close(2.0, NOTHING)
    assert [line["what"] for line in lines(tmp_path)] == ["Ignored", "CallStarted", "OpenAssistant", "Ended"]


@pytest.mark.parametrize("one_way", [False, True])
def test_a_call_that_is_refused_leaves_no_file(tmp_path: Path, one_way: bool) -> None:
    journal = Journal(tmp_path, STARTED)
    journal.saw(CallStarted("CA1", "MZ1", PCMU_8K, one_way=one_way), 0.0)
    journal.saw(REFUSED, 0.0)
    journal.close(0.0, NOTHING)
    assert not list(tmp_path.iterdir())


def test_a_call_that_is_listened_to_is_accepted_when_it_goes_on(tmp_path: Path) -> None:
    journal = Journal(tmp_path, STARTED)
    journal.saw(CallStarted("CA1", "MZ1", PCMU_8K, one_way=True), 0.0)
    journal.saw(CallerAudio(b"\x55" * 160, 0), 0.1)
    journal.close(0.2, NOTHING)
    assert [line["what"] for line in lines(tmp_path)] == ["CallStarted", "CallerAudio", "Ended"]


@pytest.mark.parametrize("first", [JoinRoom(PCMU_8K), CheckPin(is_right=False)])
def test_the_leg_of_a_supervisor_has_one(tmp_path: Path, first: Word) -> None:
    journal = Journal(tmp_path, STARTED)
    journal.saw(START, 0.0)
    journal.saw(SetSensitive(on=True), 0.0)
    journal.saw(DigitPressed("4"), 0.1)
    journal.saw(first, 0.1)
    journal.close(0.2, NOTHING)
    written = lines(tmp_path)
    assert [line["what"] for line in written[2:4]] == ["DigitPressed", type(first).__name__]
    assert written[2]["digit"] == MASK


def test_a_call_without_a_name_leaves_no_file(tmp_path: Path) -> None:
    journal = Journal(tmp_path, STARTED)
    journal.saw(MarkReached("early"), 0.0)
    journal.close(20.0, NOTHING)
    assert not list(tmp_path.iterdir())


FLOODS: list[list[Word]] = [
    [MarkReached("flood")],
    [Ignored("x" * 200_000)] * 10,
    [ReplyAudio("a", b"\x55"), ReplyAudio("b", b"\x55")],  # a run each
    [ReplySaid("a", "x" * 500)],
    [ReplySaid("a", "x"), ReplyEnded("a")],
    [CallerSaid("u", "x" * 500), AssistantReportedError("x" * 500)],
]


@pytest.mark.parametrize(
    "flood", FLOODS, ids=["marks", "long ones", "items", "speeches", "words", "error_reports"]
)
@pytest.mark.parametrize("before", [True, False])
def test_a_flood_is_counted_and_not_written_down(tmp_path: Path, flood: list[Word], before: bool) -> None:
    journal = Journal(tmp_path, STARTED) if before else begun(tmp_path)
    for _ in range(max(1, MOST_BYTES // len(repr(flood)))):
        for word in flood * 3:
            journal.saw(word, 0.0)
    if before:
        journal.saw(START, 0.5)
        journal.saw(OPEN, 0.5)
    ready, failed = AssistantReady(PCMU_8K, PCMU_8K), AssistantFailed("no such model", final=True)
    for word in (ready, failed, TruncateReply("a", 20), REFUSED, LegLost(LegName.CARRIER, 1006)):
        journal.saw(word, 0.6)
    journal.saw(MarkReached("x" * 99), 0.6)
    journal.saw(DigitPressed("4"), 1.7)  # in the next second there is room again
    journal.saw(MarkReached("dry"), 1.8)
    journal.close(1.9, NOTHING)
    (file,) = tmp_path.iterdir()
    assert file.stat().st_size < MOST_BYTES + 2_000
    written = [line["what"] for line in lines(tmp_path)]
    rare = ["CallStarted", "OpenAssistant"]
    rare += ["AssistantReady", "AssistantFailed", "TruncateReply", "HangUp", "LegLost"]
    assert [what for what in written if what in rare] == rare
    assert "LeftOut" in written
    assert written[-2:] == ["MarkReached", "Ended"]


def test_a_word_is_in_the_file_at_once(tmp_path: Path) -> None:
    journal = begun(tmp_path)
    for n in range(30):
        journal.saw(DigitPressed("4"), n * 0.1)
        assert lines(tmp_path)[-1]["what"] == "DigitPressed"  # a killed process loses none
    journal.close(4.0, NOTHING)


def test_a_killed_process_loses_a_second_of_marks_at_most(tmp_path: Path) -> None:
    journal = begun(tmp_path)
    for n in range(30):
        journal.saw(MarkReached(str(n)), n * 0.1)
        written = [line["name"] for line in lines(tmp_path) if line["what"] == "MarkReached"]
        assert len(written) > n - 11
    journal.close(4.0, NOTHING)


PIECES: list[tuple[float, Word]] = [
    (1.0, ReplySaid("a", "Good ")),
    (1.1, ReplySaid("b", "Bye.")),
    (1.2, ReplySaid("a", "morning.")),
]
ENDS = [ReplyEnded("a"), TruncateReply("a", 200), DropReply("a"), ConfirmHeard("a")]


@pytest.mark.parametrize("end", ENDS, ids=[type(word).__name__ for word in ENDS])
def test_the_words_of_an_item_are_one_line_when_it_is_over(tmp_path: Path, end: Word) -> None:
    journal = begun(tmp_path)
    for now, word in PIECES:
        journal.saw(word, now)
    journal.saw(end, 2.0)
    assert lines(tmp_path)[2:3] == [
        {"at": 1.0, "until": 1.2, "way": "<", "what": "ReplySaid", "item": "a", "text": "Good morning."}
    ]
    assert [line["what"] for line in lines(tmp_path)[3:]] == [type(end).__name__]
    journal.close(3.0, NOTHING)
    assert lines(tmp_path)[4:-1] == [
        {"at": 1.1, "until": 1.1, "way": "<", "what": "ReplySaid", "item": "b", "text": "Bye."}
    ]


def test_a_long_speech_is_several_lines(tmp_path: Path) -> None:
    journal = begun(tmp_path)
    for n in range(3 * MOST_LETTERS):
        journal.saw(ReplySaid("a", "x"), n / 1000)
    journal.close(20.0, NOTHING)
    written = [line["text"] for line in lines(tmp_path) if line["what"] == "ReplySaid"]
    assert "".join(map(str, written)) == "x" * 3 * MOST_LETTERS
    assert [len(str(text)) for text in written] == [MOST_LETTERS + 1, MOST_LETTERS + 1, MOST_LETTERS - 2]


def test_of_many_items_the_oldest_is_written_first(tmp_path: Path) -> None:
    journal = begun(tmp_path)
    for n in range(MOST_SPEAKING + 2):
        journal.saw(ReplySaid(str(n), "…"), 1.0)
    journal.saw(DigitPressed("4"), 1.1)
    assert [line["item"] for line in lines(tmp_path) if line["what"] == "ReplySaid"] == ["0", "1"]
    journal.close(2.0, NOTHING)


def test_a_calls_name_cannot_lead_out_of_the_folder() -> None:
    assert stem("../../etc/passwd", STARTED) == "20261121T083000-______etc_passwd"
    assert len(stem("x" * 500, STARTED)) < 100
