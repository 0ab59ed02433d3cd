"""The history of a call from its journal, and which lines are refused."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from bridge.observers.call_history import (
    CallHistory,
    Cut,
    JournalEntry,
    Mark,
    Reply,
    ToolRun,
    Wait,
    Words,
    build_history,
    read_journal,
)
from bridge.observers.journal import Journal
from bridge.observers.usage import Accounting
from bridge.vocabulary.commands import (
    AnswerTool,
    AppendAudio,
    ConfirmHeard,
    EnterDigits,
    HangUp,
    OpenAssistant,
    PlayAudio,
    RunTool,
    SendMark,
    TruncateReply,
)
from bridge.vocabulary.errors import ConfigurationError
from bridge.vocabulary.events import (
    AssistantFailed,
    AssistantReady,
    CallerAudio,
    CallerSaid,
    CallStarted,
    LegLost,
    LegName,
    MarkReached,
    NoteTaken,
    Opening,
    ReplyAudio,
    ReplyEnded,
    ReplySaid,
    Said,
    Speaker,
    SpeechStarted,
    SpeechStopped,
    TokensUsed,
    ToolAnswered,
    ToolCalled,
    Word,
)
from telecodecs.format import PCMU_8K
from tests.observers.accounted import show

CALL = Path(__file__).with_name("call-journal.jsonl").read_text()


def journal(folder: Path, text: str) -> Path:
    path = folder / "journal.jsonl"
    path.write_text(text)
    return path


def test_lines_come_by_time(tmp_path: Path) -> None:
    entries = read_journal(journal(tmp_path, CALL))
    assert len(entries) == CALL.count("\n")
    assert [one.at_s for one in entries] == sorted(one.at_s for one in entries)
    first = entries[0]
    assert (first.at_s, first.way, first.what, first.fields["call_id"]) == (0.0, "<", "CallStarted", "CA1")


@pytest.mark.parametrize(
    "tail", ["", '{"at":5', '{"at":5,"way":"<"', '{"at":5,"way":"<","what":"MarkReached","na']
)
def test_a_last_line_that_was_not_finished_is_left_out(tmp_path: Path, tail: str) -> None:
    assert read_journal(journal(tmp_path, CALL + tail)) == read_journal(journal(tmp_path, CALL))


def test_a_last_line_that_only_lacks_its_newline_counts(tmp_path: Path) -> None:
    assert read_journal(journal(tmp_path, CALL.rstrip())) == read_journal(journal(tmp_path, CALL))


BROKEN = [
    ("no JSON\n", "malformed"),
    ("\n", "truncated"),
    ("[]\n", "array"),
    ('{"at":"soon","way":"<","what":"SpeechStarted"}\n', "at"),
    ('{"at":0,"way":"?","what":"SpeechStarted"}\n', "way"),
    ('{"at":0,"way":">","what":"ClearPlayback"}\n', "unheard_samples"),
    ('{"at":0,"way":"<","what":"MarkReached","name":7}\n', "name"),
    ('{"at":0,"way":">","what":"RunTool","tool_call_id":"c1"}\n', "tool"),
    (
        '{"at":0,"way":">","what":"OpenAssistant","call_id":"CA1","line":{"encoding":"pcmu","rate_hz":8000},"history":[]}\n',
        "history",
    ),
    ('{"at":0,"way":"=","what":"Ended","turns":[{"wait_ms":"soon"}]}\n', "turns"),
    ('{"at":0,"until":null,"way":"<","what":"CallerAudio","frames":50,"bytes":8000}\n', "until"),
    ('{"at":0,"until":1,"way":"<","what":"ReplyAudio","frames":1,"bytes":160,"item":[]}\n', "item"),
    ('{"at":0,"until":"soon","way":"<","what":"CallerAudio","frames":50,"bytes":8000}\n', "until"),
]


@pytest.mark.parametrize(("line", "why"), BROKEN)
def test_a_broken_line_is_named(tmp_path: Path, line: str, why: str) -> None:
    path = journal(tmp_path, CALL + line + CALL)
    with pytest.raises(ConfigurationError, match=f"journal.jsonl, line {CALL.count(chr(10)) + 1}: .*{why}"):
        read_journal(path)


def test_bytes_that_are_no_text_are_named(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_bytes(b'{"at":0,"way":"<","what":"\xff\xfe"}\n')
    with pytest.raises(ConfigurationError, match="line 1"):
        read_journal(path)


def test_a_missing_journal_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="nowhere"):
        read_journal(tmp_path / "nowhere.jsonl")


def test_a_history_counts_from_the_first_sound(tmp_path: Path) -> None:
    history = build_history(read_journal(journal(tmp_path, CALL)))
    assert history.call_id == "CA1"
    assert history.ended_s == 4.0
    assert history.notes == [(-0.25, "call starts"), (4.0, "hang-up: the call ended")]
    assert history.turns == [(0.75, 1.75), (2.125, 4.0)]
    assert history.digits == [(3.0, "4")]
    assert not history.other_party


def test_a_barge_in_is_a_clear_that_the_caller_caused(tmp_path: Path) -> None:
    history = build_history(read_journal(journal(tmp_path, CALL)))
    barge_in = Cut(2.125, 0.3, barge_in=True)
    assert history.cuts == [barge_in, Cut(3.75, 0, barge_in=False)]
    assert history.barge_ins == [barge_in]


def test_a_reply_is_heard_from_when_it_came_or_the_one_before_it_was_over(tmp_path: Path) -> None:
    history = build_history(read_journal(journal(tmp_path, CALL)))
    assert history.replies == [Reply("chime-1", -0.25, 0.125), Reply("reply-2", 1.75, 2.125, 300)]
    both_at_once = [
        JournalEntry(0.0, "<", "ReplyAudio", {"item": "tones-1"}),
        JournalEntry(0.1, "<", "ReplyAudio", {"item": "tones-2"}),
        JournalEntry(0.3, ">", "ConfirmHeard", {"item": "tones-1"}),
        JournalEntry(0.5, ">", "ConfirmHeard", {"item": "tones-2"}),
    ]
    assert build_history(both_at_once).replies == [Reply("tones-1", 0.0, 0.3), Reply("tones-2", 0.3, 0.5)]


def test_unheard_samples_become_seconds(tmp_path: Path) -> None:
    wideband = CALL.replace('"rate_hz":8000', '"rate_hz":16000')
    assert build_history(read_journal(journal(tmp_path, wideband))).cuts[0] == Cut(2.125, 0.15, barge_in=True)


def test_a_mark_that_returns_after_a_clear_proves_nothing(tmp_path: Path) -> None:
    history = build_history(read_journal(journal(tmp_path, CALL)))
    assert history.marks == [
        Mark(-0.125, 0.125, heard=True),
        Mark(1.75, 2.0, heard=True),
        Mark(1.75, 2.25, heard=False),
        Mark(1.75, None, heard=False),
    ]


def test_a_stream_of_both_tracks_has_another_party() -> None:
    history = build_history(
        [JournalEntry(1.0, "<", "OtherPartyAudio", {"frames": 1}), JournalEntry(3.0, "<", "CallEnded", {})]
    )
    assert history.other_party
    assert history.ended_s == 2.0


READY = AssistantReady(PCMU_8K, PCMU_8K, keys_interrupt=True)
SOUND = b"\x55" * 1600
LOUD, QUIET = b"\x55", b"\xff"
HISTORY = (Said(Speaker.CALLER, "Hello"),)
CONVERSATION: list[tuple[float, Word]] = [
    (0.0, CallStarted("CA1", "MZ1", PCMU_8K, parameters={"from": "+15550100199"})),
    (0.0, OpenAssistant("CA1", PCMU_8K, {}, "first")),
    (0.0, CallerAudio(b"\x55" * 160, 0)),
    (0.25, READY),
    (1.0, SpeechStarted()),
    *((1.25 + index / 50, AppendAudio((LOUD if index < 12 else QUIET) * 160)) for index in range(38)),
    (2.0, SpeechStopped("u1")),
    (2.125, ToolCalled("c1", "book", '{"day":"Monday"}')),
    (2.125, RunTool("c1", "book", '{"day":"Monday"}')),
    (2.25, ToolCalled("c2", "hangs", "{}")),
    (2.25, RunTool("c2", "hangs", "{}")),
    (2.5, CallerSaid("u1", " A table, please. ")),
    (2.75, ToolAnswered("c1", "done")),
    (2.75, AnswerTool("c1", "done")),
    (3.0, ReplySaid("a", "It is ")),
    (3.0, ReplyAudio("a", SOUND)),
    (3.0, PlayAudio(SOUND)),
    (3.0, SendMark("0.1")),
    (3.0, ReplySaid("a", "booked.")),
    (3.0, ReplyEnded("a")),
    (3.0, TokensUsed({"input_audio": 7})),
    (3.25, MarkReached("0.1")),
    (3.25, ConfirmHeard("a")),
    (4.0, EnterDigits("42")),
    (4.5, ReplyAudio("b", SOUND)),
    (4.5, ReplySaid("b", "Thank you.")),
    (4.75, TruncateReply("b", 100)),
    (5.0, NoteTaken("table 42")),
    (6.0, LegLost(LegName.ASSISTANT, 1006)),
    (6.0, OpenAssistant("CA1", PCMU_8K, {}, "first", Opening.RECOVERED, HISTORY)),
    (7.0, READY),
    (8.0, OpenAssistant("CA1", PCMU_8K, {}, "first", Opening.RENEWED, HISTORY)),
    (9.0, AssistantFailed("quota", final=True)),
    (9.0, OpenAssistant("CA1", PCMU_8K, {}, "backup", Opening.RECOVERED, HISTORY)),
    (10.0, CallerSaid("u9", "from nowhere")),
    (11.0, HangUp(1000, "the call ended")),
]


@pytest.fixture
def conversation(tmp_path: Path) -> CallHistory:
    """As the journal tells it."""
    journal, accounting = Journal(tmp_path, datetime(2026, 11, 21, tzinfo=UTC)), Accounting()
    for now, word in CONVERSATION:
        journal.saw(word, 100 + now)
        show(accounting, word, 100 + now)
    journal.close(111.0, accounting.account({}))
    (path,) = tmp_path.iterdir()
    return build_history(read_journal(path))


def test_words_stand_where_they_were_spoken(conversation: CallHistory) -> None:
    assert conversation.said == [
        Words(1.0, "A table, please."),
        Words(4.0, "42", typed=True),
        Words(10.0, "from nowhere"),
    ]
    assert conversation.replies == [
        Reply("a", 3.0, 3.25, None, "It is booked."),
        Reply("b", 4.5, 4.75, 100, "Thank you."),
    ]


def test_a_wait_is_from_voice_to_voice(conversation: CallHistory) -> None:
    """The reply to the entry was not heard: how long that wait was is not known."""
    (wait,) = conversation.waits
    assert (wait.began_s, wait.ended_s) == pytest.approx((1.47, 3.05), abs=0.0015)
    assert wait.parts == {"pause": 530, "reply": 1000, "send": 0, "play": 50}


WAITED = {"wait_ms": 1000, "pause_ms": 500, "reply_ms": 400, "send_ms": 20, "play_ms": 80}


def test_an_entry_is_no_turn_where_the_assistant_does_not_take_it_for_one() -> None:
    entries = [
        JournalEntry(0.0, "<", "AssistantReady", {"keys_interrupt": False}),
        JournalEntry(1.0, "<", "SpeechStopped", {}),
        JournalEntry(1.5, ">", "EnterDigits", {"digits": "4"}),
        JournalEntry(9.0, "=", "Ended", {"turns": [WAITED]}),
    ]
    assert build_history(entries).waits == [
        Wait(0.5, 1.5, {"pause": 500, "reply": 400, "send": 20, "play": 80})
    ]


def test_a_journal_that_lacks_turns_tells_no_waits() -> None:
    entries = [
        JournalEntry(1.0, "<", "SpeechStopped", {}),
        JournalEntry(2.0, "<", "SpeechStopped", {}),
        JournalEntry(9.0, "=", "Ended", {"turns": [WAITED]}),
    ]
    assert build_history(entries).waits == []
    assert build_history(entries[:2]).waits == []


def test_a_tool_runs_until_the_assistant_knows(conversation: CallHistory) -> None:
    assert conversation.tools == [ToolRun("book", 2.125, 2.75), ToolRun("hangs", 2.25, None)]


def test_a_tool_names_the_assistant_that_was_told_late() -> None:
    entries = [
        JournalEntry(0.0, ">", "OpenAssistant", {"assistant": "first"}),
        JournalEntry(1.0, ">", "RunTool", {"tool_call_id": "c1", "tool": "book"}),
        JournalEntry(1.5, ">", "RunTool", {"tool_call_id": "c2", "tool": "look"}),
        JournalEntry(2.0, ">", "AnswerTool", {"tool_call_id": "c2"}),
        JournalEntry(3.0, ">", "OpenAssistant", {"assistant": "backup", "tools": ["c1", "c2"]}),
        JournalEntry(4.0, ">", "AnswerTool", {"tool_call_id": "c1", "is_late": True}),
    ]
    assert build_history(entries).tools == [
        ToolRun("book", 1.0, 4.0, told_to="backup"),
        ToolRun("look", 1.5, 2.0),
    ]


def test_who_has_the_call_is_noted(conversation: CallHistory) -> None:
    assert conversation.notes == [
        (0.0, "call starts"),
        (5.0, "note: table 42"),
        (6.0, "assistant lost, code 1006"),
        (6.0, "reconnecting"),
        (8.0, "renewing"),
        (9.0, "assistant failed: quota"),
        (9.0, "fallback to backup"),
        (11.0, "hang-up: the call ended"),
    ]


def test_a_stream_that_came_back_is_noted() -> None:
    start = {"call_id": "v2:C1", "line": {"rate_hz": 8000}}
    entries = [
        JournalEntry(0.0, "<", "CallStarted", start),
        JournalEntry(2.0, "<", "LegLost", {"leg": "carrier", "code": 1006}),
        JournalEntry(3.0, "<", "CallStarted", start),
    ]
    assert build_history(entries).notes == [
        (0.0, "call starts"),
        (2.0, "carrier lost, code 1006"),
        (3.0, "the stream came back"),
    ]


def test_the_summary_of_a_conversation(conversation: CallHistory) -> None:
    assert conversation.summary() == (
        "Turns of the caller: 1. Keys: 0. Replies heard: 2. Barge-ins: 0. Tools: 2. "
        "Waits: median 1.58 s (pause 0.53, reply 1.00, send 0.00, play 0.05), longest 1.58 s."
    )


def test_nothing_happened() -> None:
    history = build_history([])
    assert (history.ended_s, history.cuts, history.summary()) == (
        0.0,
        [],
        "Turns of the caller: 0. Keys: 0. Replies heard: 0. Barge-ins: 0.",
    )


def test_the_summary_counts(tmp_path: Path) -> None:
    history = build_history(read_journal(journal(tmp_path, CALL)))
    assert history.summary() == (
        "Turns of the caller: 2. Keys: 1. Replies heard: 2. Barge-ins: 1; 0.3 s thrown away unheard."
    )


def test_a_stream_that_ends_because_the_carrier_joins_the_two_is_not_noted_as_lost() -> None:
    """As under Call Control, where it ends when somebody has answered."""
    started = {"call_id": "v3:a", "line": {"encoding": "pcmu", "rate_hz": 8000}}
    lost, leg = {"leg": "carrier", "code": 1000}, {"person_leg": "v3:b"}
    entries = [
        JournalEntry(0.0, "<", "CallStarted", started),
        JournalEntry(3.0, "<", "LegLost", lost),
        JournalEntry(4.0, "<", "CallStarted", started),
        JournalEntry(5.0, ">", "PutThrough", {"person": "ann"}),
        JournalEntry(8.0, "<", "PersonAnswered", leg),
        JournalEntry(8.0, "<", "LegLost", lost),
        JournalEntry(8.1, "<", "PeopleJoined", leg),
    ]
    assert build_history(entries).notes == [
        (0.0, "call starts"),
        (3.0, "carrier lost, code 1000"),
        (4.0, "the stream came back"),
        (5.0, "put through to ann"),
        (8.0, "somebody answers"),
    ]


def test_a_stream_that_is_left_to_the_carrier_is_not_noted_as_lost() -> None:
    started = {"call_id": "CA1", "line": {"encoding": "pcmu", "rate_hz": 8000}}
    lost = {"leg": "carrier", "code": 1000}
    entries = [
        JournalEntry(0.0, "<", "CallStarted", started),
        JournalEntry(5.0, ">", "PutThrough", {"person": "ann"}),
        JournalEntry(5.0, ">", "CloseStream", {"why": ""}),
        JournalEntry(5.1, "<", "LegLost", lost),
        JournalEntry(8.0, "<", "PersonAnswered", {}),
        JournalEntry(20.0, "<", "CallStarted", started),
        JournalEntry(30.0, "<", "LegLost", lost),
    ]
    assert build_history(entries).notes == [
        (0.0, "call starts"),
        (5.0, "put through to ann"),
        (8.0, "somebody answers"),
        (30.0, "carrier lost, code 1000"),
    ]
