"""What a tool did outlives the assistant that called it, as call transcripts: when, what came, what we do."""

from collections.abc import Sequence
from typing import Any

import pytest

from bridge.core.call import Call
from bridge.core.conversation import INTERRUPTED
from bridge.core.dialogue import DialogueRules
from bridge.core.failover import RENEW_BEFORE_S, FailoverPlan
from bridge.core.timers import Limits
from bridge.vocabulary.commands import (
    AnswerTool,
    Command,
    EnterDigits,
    OpenAssistant,
    PressKeys,
    RunTool,
    SwitchToStandby,
    TypeDigit,
)
from bridge.vocabulary.events import (
    AssistantFailed,
    AssistantReady,
    CallerSaid,
    CallStarted,
    DigitPressed,
    EntryEnd,
    EntryRequested,
    Event,
    History,
    LegLost,
    LegName,
    NoteTaken,
    Opening,
    PressRequested,
    ReplyAudio,
    ReplySaid,
    Said,
    Speaker,
    SpeechStopped,
    TimePassed,
    ToolAnswered,
    ToolCalled,
    ToolUsed,
)
from telecodecs.format import PCMU_8K

START = CallStarted("CA1", "MZ1", PCMU_8K)
READY = AssistantReady(PCMU_8K, PCMU_8K)
STANDBY = AssistantReady(PCMU_8K, PCMU_8K, 3600, is_standby=True)
LOST = LegLost(LegName.ASSISTANT, 1011, "the connection broke")
LOST_FOR_GOOD = LegLost(LegName.ASSISTANT, 1008)
CALLED = ToolCalled("c1", "book", '{"day":"friday"}')
RUN = RunTool("c1", "book", '{"day":"friday"}')
RUNS = ToolUsed("c1", "book", '{"day":"friday"}')
BOOKED = ToolUsed("c1", "book", '{"day":"friday"}', "booked")
ASKED = Said(Speaker.CALLER, "Book me Friday.")

Row = tuple[float, Event, Sequence[Command]]


def opened(name: str, opening: Opening = Opening.FIRST, *history: Said | ToolUsed) -> OpenAssistant:
    return OpenAssistant("CA1", PCMU_8K, {}, name, opening, history)


def call(*names: str, can: frozenset[type[Command]] = frozenset()) -> Call:
    rules = DialogueRules(reorder_ms=40, can=can)
    return Call(0.0, Limits(open_s=5, silent_s=10_000), rules, plan=FailoverPlan(names))


def follow(call: Call, transcript: Sequence[Row]) -> None:
    for when, event, commands in transcript:
        assert call.handle(event, when) == list(commands), f"at {when}: {event}"


ASKS: list[Row] = [
    (0.0, START, [opened("a")]),
    (0.1, READY, []),
    (1.0, SpeechStopped("u"), []),
    (1.2, CallerSaid("u", "Book me Friday."), []),
    (1.5, CALLED, [RUN]),
]
"""The caller asks for something, and the model calls a tool for it."""

CASES: dict[str, list[Row]] = {
    "the output comes after the next assistant is ready": [
        (2.0, LOST, [opened("a", Opening.RECOVERED, ASKED, RUNS)]),
        (2.2, READY, []),
        (4.5, ToolAnswered("c1", "booked"), [AnswerTool("c1", "booked", is_late=True)]),
        (4.5, ToolAnswered("c1", "booked"), []),
        (5.0, LOST_FOR_GOOD, [opened("b", Opening.RECOVERED, ASKED, BOOKED)]),
    ],
    "it comes while the next one is opened": [
        (2.0, LOST, [opened("a", Opening.RECOVERED, ASKED, RUNS)]),
        (2.1, ToolAnswered("c1", "booked"), []),
        (2.2, READY, [AnswerTool("c1", "booked", is_late=True)]),
        (2.3, AssistantReady(PCMU_8K, PCMU_8K, 60), []),  # told once
        (5.0, LOST_FOR_GOOD, [opened("b", Opening.RECOVERED, ASKED, BOOKED)]),
    ],
    "and that one is lost before it was told": [
        (2.0, LOST, [opened("a", Opening.RECOVERED, ASKED, RUNS)]),
        (2.1, ToolAnswered("c1", "booked"), []),
        (2.2, LOST_FOR_GOOD, [opened("b", Opening.RECOVERED, ASKED, RUNS)]),
        (2.4, READY, [AnswerTool("c1", "booked", is_late=True)]),
    ],
    "it had the output before it was lost": [
        (1.8, ToolAnswered("c1", "booked"), [AnswerTool("c1", "booked")]),
        (2.0, LOST, [opened("a", Opening.RECOVERED, ASKED, BOOKED)]),
        (2.2, READY, []),
    ],
    "another kind of assistant takes over": [
        (2.0, LOST_FOR_GOOD, [opened("b", Opening.RECOVERED, ASKED, RUNS)]),
        (2.2, READY, []),
        (4.5, ToolAnswered("c1", "booked"), [AnswerTool("c1", "booked", is_late=True)]),
    ],
    "two tools, one of each assistant": [
        (2.0, LOST, [opened("a", Opening.RECOVERED, ASKED, RUNS)]),
        (2.2, READY, []),
        (2.5, ToolCalled("c2", "price", "{}"), [RunTool("c2", "price", "{}")]),
        (2.6, ToolAnswered("c2", "30"), [AnswerTool("c2", "30")]),
        (4.5, ToolAnswered("c1", "booked"), [AnswerTool("c1", "booked", is_late=True)]),
        (
            5.0,
            LOST_FOR_GOOD,
            [opened("b", Opening.RECOVERED, ASKED, BOOKED, ToolUsed("c2", "price", "{}", "30"))],
        ),
    ],
}


@pytest.mark.parametrize("rows", CASES.values(), ids=CASES)
def test_an_output_is_told_to_the_assistant_that_is_there(rows: list[Row]) -> None:
    lost = call("a", "b")
    follow(lost, [*ASKS, *rows])
    late = any(isinstance(one, AnswerTool) and one.is_late for _, _, commands in rows for one in commands)
    assert lost.counts().get("late_tool_answers", 0) == late


def test_an_output_of_no_call_is_counted() -> None:
    strange = call("a")
    follow(strange, [*ASKS, (2.0, ToolAnswered("c9", "?"), [])])
    assert strange.counts()["stray_tool_answers"] == 1


def test_a_tool_of_an_assistant_that_failed_runs_on() -> None:
    failed = call("a", "b")
    follow(failed, ASKS)
    *_, after = failed.handle(AssistantFailed("no reply", final=True), 2.0)
    assert after == opened("b", Opening.RECOVERED, ASKED, RUNS)
    follow(
        failed,
        [(2.2, READY, []), (4.5, ToolAnswered("c1", "booked"), [AnswerTool("c1", "booked", is_late=True)])],
    )


# Renewal


def renewing() -> tuple[Call, float]:
    lasting = call("a")
    follow(lasting, [(0.0, START, [opened("a")]), (0.0, AssistantReady(PCMU_8K, PCMU_8K, 3600), [])])
    return lasting, 3600 - RENEW_BEFORE_S


def test_no_standby_takes_over_while_a_tool_runs_and_the_next_one_knows_its_output() -> None:
    lasting, at = renewing()
    follow(
        lasting,
        [
            (at, TimePassed(), [opened("a", Opening.RENEWED)]),
            (at + 0.1, CALLED, [RUN]),
            (at + 0.2, STANDBY, []),
            (at + 1.2, TimePassed(), []),
            (at + 1.3, ToolAnswered("c1", "booked"), [AnswerTool("c1", "booked")]),
            (at + 2.2, TimePassed(), []),  # a reply is on its way
            (at + 7.2, TimePassed(), [opened("a", Opening.RENEWED, BOOKED)]),
            (at + 7.4, STANDBY, [SwitchToStandby()]),
        ],
    )


def test_a_standby_that_was_opened_before_a_tool_was_used_is_not_up_to_date() -> None:
    lasting, at = renewing()
    follow(
        lasting,
        [
            (at, TimePassed(), [opened("a", Opening.RENEWED)]),
            (at + 0.1, NoteTaken("call back"), []),
            (at + 0.2, STANDBY, []),
            (at + 1.2, TimePassed(), [opened("a", Opening.RENEWED, noted("call back"))]),
            (at + 1.4, STANDBY, [SwitchToStandby()]),
        ],
    )


def test_an_assistant_is_not_renewed_while_a_tool_of_a_lost_one_runs() -> None:
    lasting, at = renewing()
    rows: list[Row] = [
        (1.0, CALLED, [RUN]),
        (2.0, LOST, [opened("a", Opening.RECOVERED, RUNS)]),
        (2.0, AssistantReady(PCMU_8K, PCMU_8K, 3600), []),
        (2.0 + at, TimePassed(), []),
        (3.0 + at, TimePassed(), []),
    ]
    follow(lasting, rows)


# Built-in tools


def noted(text: str) -> ToolUsed:
    return ToolUsed("", "note", f'{{"text":"{text}"}}', "noted")


def test_keys_are_not_pressed_and_notes_not_taken_twice_for_a_loss() -> None:
    follow(
        call("a", can=frozenset({PressKeys})),
        [
            (0.0, START, [opened("a")]),
            (0.1, READY, []),
            (1.0, PressRequested("12#"), [PressKeys("12#")]),
            (1.1, NoteTaken("menu 12"), []),
            (
                2.0,
                LOST,
                [
                    opened(
                        "a",
                        Opening.RECOVERED,
                        ToolUsed("", "send_digits", '{"digits":"12#"}', '{"sent":"12#"}'),
                        noted("menu 12"),
                    )
                ],
            ),
        ],
    )


def test_a_request_for_an_entry_that_is_lost_is_told_and_what_is_typed_comes_as_another_entry() -> None:
    arguments = '{"length":4,"terminator":"#","timeout":20.0}'
    asked = ToolUsed("", "collect_digits", arguments, INTERRUPTED.decode())
    follow(
        call("a"),
        [
            (0.0, START, [opened("a")]),
            (0.1, READY, []),
            (1.0, EntryRequested("e", 4, "#", 20.0), []),
            (2.0, LOST, [opened("a", Opening.RECOVERED, asked)]),
            (2.5, DigitPressed("1"), []),
            (2.6, READY, [TypeDigit("1")]),
            (3.0, DigitPressed("#"), [TypeDigit("#"), EnterDigits("1", EntryEnd.TERMINATOR, "#")]),
        ],
    )


# Sensitive digits


def history_of(events: Sequence[Event]) -> History:
    """Of a call with the sensitive entry 4711, named entry-1, and then these events."""
    secret = call("a", can=frozenset({PressKeys}))
    commands: list[Any] = []
    typed: list[Event] = [EntryRequested("e", length=4, sensitive=True), *map(DigitPressed, "4711")]
    for number, event in enumerate([START, READY, *typed, *events, LOST]):
        commands += secret.handle(event, number * 0.1)
    assert [one.placeholder for one in commands if isinstance(one, EnterDigits)] == ["entry-1"]
    (recovered,) = [one for one in commands[1:] if isinstance(one, OpenAssistant)]
    history: History = recovered.history
    return history


@pytest.mark.parametrize(
    ("events", "told"),
    [
        (
            [ToolCalled("c1", "pay", '{"card":"entry-1"}'), ToolAnswered("c1", "entry-1 was charged")],
            ToolUsed("c1", "pay", '{"card":"entry-1"}', "entry-1 was charged"),
        ),
        (
            [ToolCalled("c1", "pay", '{"card":"4711"}'), ToolAnswered("c1", "4711 was charged")],
            ToolUsed("c1", "pay", '{"card":"entry-1"}', "entry-1 was charged"),
        ),
        (
            [ToolCalled("c1", "pay", '{"x":"' + "x" * 3_991 + '4711"}')],  # shortened behind its digits
            ToolUsed("c1", "pay", '{"shortened":"'),
        ),
        (
            [PressRequested("4711")],
            ToolUsed("", "send_digits", '{"digits":"entry-1"}', '{"sent":"entry-1"}'),
        ),
        ([NoteTaken("the PIN is 4 7 1 1")], noted("the PIN is entry-1")),
        ([CallerSaid("u", "It is 4711.")], Said(Speaker.CALLER, "It is entry-1.")),
    ],
    ids=["placeholder", "digits", "a long text", "keys", "a note", "words"],
)
def test_the_next_assistant_is_told_the_placeholder(events: Sequence[Event], told: Said | ToolUsed) -> None:
    typed, last = history_of(events)
    assert typed == Said(Speaker.CALLER, "[keypad: entry-1]")
    if isinstance(told, ToolUsed) and told.arguments.startswith('{"shortened'):
        assert isinstance(last, ToolUsed)
        assert "47" not in last.arguments
    else:
        assert last == told


def test_words_of_a_reply_hide_the_digits_too() -> None:
    sound = ReplyAudio("r", bytes(160) * 100)
    assert history_of([ReplySaid("r", "You typed 47"), sound, ReplySaid("r", "11.")]) == (
        Said(Speaker.CALLER, "[keypad: entry-1]"),
        Said(Speaker.ASSISTANT, "You typed entry-1."),
    )
