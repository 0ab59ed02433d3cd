"""The account of a call, as transcripts: when, what was seen; and how long each wait was."""

from collections.abc import Sequence

import pytest

from bridge.observers.usage import Accounting, summary
from bridge.vocabulary.commands import (
    AnswerTool,
    AppendAudio,
    ClearPlayback,
    EnterDigits,
    PlayAudio,
    RunTool,
    SendMark,
)
from bridge.vocabulary.contracts import Account, Turn
from bridge.vocabulary.events import (
    AssistantReady,
    CallerAudio,
    MarkReached,
    ReplyAudio,
    ReplyEnded,
    SpeechStarted,
    SpeechStopped,
    TokensUsed,
    ToolAnswered,
    ToolCalled,
    Word,
)
from telecodecs.format import L16_24K, PCMU_8K

FRAME = b"\x55" * 160
FIFTH = FRAME * 10
READY = AssistantReady(PCMU_8K, PCMU_8K, keys_interrupt=True)

Row = tuple[float, Word]


def accounting(rows: Sequence[Row], ready: AssistantReady = READY) -> Accounting:
    accounting = Accounting()
    accounting.saw(ready, 0.0)
    for now, word in rows:
        accounting.saw(word, now)
    return accounting


HEARD: list[Row] = [
    (1.0, SpeechStarted()),
    (2.0, SpeechStopped("u1")),
    (2.5, ReplyAudio("a", FIFTH)),
    (2.51, PlayAudio(FIFTH)),
    (2.51, SendMark("0.1")),
    (2.6, ReplyAudio("a", FIFTH)),
    (2.6, PlayAudio(FIFTH)),
    (2.6, SendMark("0.2")),
    (2.75, MarkReached("0.1")),
    (2.95, MarkReached("0.2")),
]
INTERRUPTED: list[Row] = [
    (10.0, SpeechStopped()),
    (10.5, ReplyAudio("b", FIFTH)),
    (10.5, PlayAudio(FIFTH)),
    (10.5, SendMark("0.3")),
    (10.6, SpeechStarted()),
    (10.6, ClearPlayback(1000)),
    (10.65, MarkReached("0.3")),  # thrown away, not heard
]
TURNS: list[tuple[str, list[Row], list[Turn]]] = [
    ("heard", HEARD, [Turn(500, 510, 750)]),
    ("cleared before it was heard", INTERRUPTED, [Turn(500, 500, None)]),
    (
        "cleared before its first mark was sent",
        [*INTERRUPTED[:3], *INTERRUPTED[4:6], (11.0, SendMark("1.4")), (11.2, MarkReached("1.4"))],
        [Turn(500, 500, None)],
    ),
    (
        "cleared after it was heard",
        [*HEARD, (3.0, SpeechStarted()), (3.0, ClearPlayback(100))],
        [Turn(500, 510, 750)],
    ),
    ("one after the other", [*HEARD, *INTERRUPTED], [Turn(500, 510, 750), Turn(500, 500, None)]),
    ("never replied to", HEARD[:2], [Turn(None, None, None)]),
    ("replied to and never sent", HEARD[:3], [Turn(500, None, None)]),
    (
        "the caller goes on: only the last utterance is waited on",
        [(1.0, SpeechStopped()), (1.2, SpeechStarted()), *HEARD[1:]],
        [Turn(None, None, None), Turn(500, 510, 750)],
    ),
    (
        "the caller goes on and the assistant speaks meanwhile",
        [(1.0, SpeechStopped()), (1.2, SpeechStarted()), (1.4, ReplyAudio("a", FIFTH)), (1.4, PlayAudio(FIFTH))],
        [Turn(None, None, None)],
    ),
    (
        "the caller hums, and is not meant to interrupt",
        [*HEARD[:5], (2.6, SpeechStarted(interrupts=False)), (2.7, SpeechStopped()), (2.75, MarkReached("0.1"))],
        [Turn(500, 510, 750), Turn(None, None, None)],
    ),
    (
        "the tail of an earlier reply is no answer",
        [
            (1.0, ReplyAudio("greeting", FIFTH)),
            (2.0, SpeechStopped()),
            (2.1, ReplyAudio("greeting", FIFTH)),
            (2.1, PlayAudio(FIFTH)),
            (2.1, SendMark("0.1")),
            (2.2, MarkReached("0.1")),
            (3.0, ReplyAudio("a", FIFTH)),
        ],
        [Turn(1000, None, None)],
    ),
    (
        "the greeting is no turn",
        [(0.5, ReplyAudio("g", FIFTH)), (0.5, PlayAudio(FIFTH)), (0.5, SendMark("0.1")), (0.9, MarkReached("0.1"))],
        [],
    ),
    (
        "a tool is part of the wait",
        [
            (1.0, SpeechStopped()),
            (1.3, ToolCalled("c1", "book", "{}")),
            (1.3, RunTool("c1", "book", "{}")),
            (3.0, ToolAnswered("c1", "done")),
            (3.0, AnswerTool("c1", "done")),
            (3.5, ReplyAudio("a", FIFTH)),
        ],
        [Turn(2500, None, None)],
    ),
    (
        "an entry",
        [(5.0, EnterDigits("4711")), (5.4, ReplyAudio("a", FIFTH)), (5.4, PlayAudio(FIFTH))],
        [Turn(400, 400, None)],
    ),
    (
        "an entry that interrupts",
        [*INTERRUPTED[:4], (10.6, ClearPlayback(1000)), (10.6, EnterDigits("1")), (11.0, ReplyAudio("c", FIFTH))],
        [Turn(500, 500, None), Turn(400, None, None)],
    ),
    (
        "another assistant takes over, with the same names",
        [
            (1.0, ReplyAudio("reply-1", FIFTH)),
            (2.0, SpeechStopped()),
            (4.0, AssistantReady(PCMU_8K, PCMU_8K)),
            (4.2, ReplyAudio("reply-1", FIFTH)),
        ],
        [Turn(2200, None, None)],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("rows", "turns"), [row[1:] for row in TURNS], ids=[row[0] for row in TURNS])
def test_a_turn_is_timed_from_the_pause(rows: list[Row], turns: list[Turn]) -> None:
    account = accounting(rows).account({})
    assert account.turns == turns
    assert account.counts.get("turns", 0) == len(turns)


def test_an_entry_is_no_turn_where_the_assistant_does_not_take_it_for_one() -> None:
    rows: list[Row] = [(1.0, SpeechStopped()), (1.5, EnterDigits("4")), (2.0, ReplyAudio("a", FIFTH))]
    assert accounting(rows, AssistantReady(PCMU_8K, PCMU_8K)).account({}).turns == [Turn(1000, None, None)]


def test_audio_is_counted_in_seconds_by_the_assistants_formats() -> None:
    account = accounting(
        [
            (0.1, CallerAudio(FRAME, 0)),  # the line's, not the assistant's
            (0.1, AppendAudio(FRAME * 50)),
            (0.2, ReplyAudio("a", FRAME * 25)),
            (1.0, AssistantReady(L16_24K, L16_24K)),
            (1.1, AppendAudio(bytes(48_000))),
            (1.2, ReplyAudio("b", bytes(96_000))),
        ]
    ).account({})
    assert (account.caller_s, account.assistant_s) == (2.0, 2.5)


def test_audio_before_an_assistant_is_ready_is_not_counted() -> None:
    accounting = Accounting()
    accounting.saw(ReplyAudio("a", FRAME), 0.0)
    assert accounting.account({}).assistant_s == 0


def test_tokens_are_added_up() -> None:
    account = accounting(
        [
            (1.0, TokensUsed({"input_audio": 100, "output_text": 7})),
            (2.0, TokensUsed({"input_audio": 20, "cached": 0})),
        ]
    ).account({})
    assert account.tokens == {"input_audio": 120, "output_text": 7}


def test_the_counts_of_the_core_are_added() -> None:
    rows: list[Row] = [*HEARD, (3.0, ReplyEnded("a")), *INTERRUPTED, (11.0, ToolCalled("c1", "book", "{}"))]
    assert accounting(rows).account({"barge_ins": 1, "digits": 0}).counts == {
        "turns": 2,
        "replies": 2,
        "tools": 1,
        "barge_ins": 1,
    }


def test_a_call_in_which_nothing_happened() -> None:
    account = Accounting().account({})
    assert account == Account({}, {}, 0.0, 0.0, [])
    assert summary(account) == {"caller_s": 0.0, "assistant_s": 0.0}


def test_the_summary_is_one_line() -> None:
    turns = [Turn(400, 410, 700), Turn(900, 900, None), Turn(None, None, None), Turn(500, 500, 800)]
    account = Account({"turns": 4, "barge_ins": 1}, {"input_audio": 120}, 61.234, 20.06, turns)
    assert summary(account) == {
        "turns": 4,
        "barge_ins": 1,
        "tokens_input_audio": 120,
        "caller_s": 61.2,
        "assistant_s": 20.1,
        "reply_ms_p50": 500,
        "reply_ms_max": 900,
        "heard_ms_p50": 700,
        "heard_ms_max": 800,
    }
