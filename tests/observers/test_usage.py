"""The account of a call, as transcripts: when, what was seen."""

from collections.abc import Sequence

from bridge.observers.usage import Accounting, summary
from bridge.vocabulary.commands import (
    AppendAudio,
    EnterDigits,
)
from bridge.vocabulary.contracts import Account, Turn
from bridge.vocabulary.events import (
    AssistantReady,
    CallerAudio,
    ReplyAudio,
    ReplyEnded,
    SpeechStopped,
    TokensUsed,
    ToolCalled,
)
from telecodecs.format import L16_24K, PCMU_8K
from tests.observers.accounted import show
from tests.observers.test_turn_waits import FIFTH, FRAME, HEARD, INTERRUPTED, READY, Row


def accounting(rows: Sequence[Row], ready: AssistantReady = READY) -> Accounting:
    accounting = Accounting()
    accounting.saw(ready, 0.0)
    for now, word in rows:
        show(accounting, word, now)
    return accounting


def test_an_entry_is_no_turn_where_the_assistant_does_not_take_it_for_one() -> None:
    rows: list[Row] = [(1.0, SpeechStopped()), (1.5, EnterDigits("4")), (2.0, ReplyAudio("a", FIFTH))]
    assert accounting(rows, AssistantReady(PCMU_8K, PCMU_8K)).account({}).turns == [
        Turn(None, None, 1000, None, None)
    ]


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
    turns = [
        Turn(900, 700, 150, 10, 40),
        Turn(None, 500, 900, 0, None),
        Turn(None, None, None, None, None),
        Turn(800, 500, 250, 0, 50),
        Turn(1500, 500, 950, 0, 50),
    ]
    account = Account({"turns": 5, "barge_ins": 1}, {"input_audio": 120}, 61.234, 20.06, turns)
    assert summary(account) == {
        "turns": 5,
        "barge_ins": 1,
        "tokens_input_audio": 120,
        "caller_s": 61.2,
        "assistant_s": 20.1,
        "wait_ms_p50": 900,
        "wait_ms_max": 1500,
        "pause_ms": 700,
        "reply_ms": 150,
        "send_ms": 10,
        "play_ms": 40,
    }


def test_a_summary_without_a_known_wait_names_none() -> None:
    turns = [Turn(None, None, 500, 0, 20), Turn(None, 500, 100, 0, None)]
    assert not any("ms" in name for name in summary(Account({}, {}, 0.0, 0.0, turns)))
