"""The report of a call, told as what its observer sees: who called, what was typed, and how it ended."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec import json

from bridge.observers.call_report import MOST_ENTRIES, CallReport, Report
from bridge.redaction import HIDDEN
from bridge.vocabulary.call_facts import CallContext, Facts
from bridge.vocabulary.commands import EnterDigits, HangUp, OpenAssistant, SetSensitive
from bridge.vocabulary.contracts import Account, Turn
from bridge.vocabulary.events import (
    CallEnded,
    CallStarted,
    DigitPressed,
    EntryEnd,
    History,
    LegLost,
    LegName,
    NoteTaken,
    OutcomeSet,
    Said,
    Speaker,
    ToolUsed,
    Word,
)
from bridge.vocabulary.people import CloseStream, EndHandover, EndMessage, Outcome, PeopleJoined, TakeMessage
from telecodecs.format import PCMU_8K

STARTED = CallStarted("CA1", "MZ1", PCMU_8K, parameters={"plan": "gold", "api_token": "abcdefgh"})
FACTS = Facts("+15550199", "+15550100", "inbound", "Ann", verified=True)
OPENED = OpenAssistant(
    "CA1", PCMU_8K, STARTED.parameters | {"tenant": "7"}, "front", context=CallContext(FACTS)
)
ACCOUNT = Account({"barge_ins": 1}, {"input_text": 5}, 10.0, 4.0004, [Turn(900, 400, 500, None, None)])
SAID: History = (
    Said(Speaker.ASSISTANT, "Hello, Ann."),
    Said(Speaker.CALLER, "My token is abcdefgh, and my PIN 4711."),
    ToolUsed("t", "book", "{}", "done"),
)


def report_of(
    words: Sequence[Word], heard: History = SAID, *, accepted: bool = True, account: Account = ACCOUNT
) -> Report:
    """The report of a call of 12.5 s."""
    found: list[Report] = []
    begun = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    observer = CallReport("id1", "twilio", "inbound", begun, lambda _now: heard, found.append)
    for word in (STARTED, OPENED, *words) if accepted else words:
        if type(word) in observer.sees:
            observer.saw(word, 100.0)
    observer.close(112.5, account)
    (report,) = found
    return report


def test_a_whole_report() -> None:
    typed = [DigitPressed("1"), DigitPressed("2"), EnterDigits("12", EntryEnd.TERMINATOR, "#")]
    words = [*typed, NoteTaken("called twice"), OutcomeSet("asked"), OutcomeSet("booked"), CallEnded()]
    assert json.decode(json.encode(report_of(words))) == {
        "id": "id1",
        "call": "CA1",
        "carrier": "twilio",
        "direction": "inbound",
        "facts": {
            "from": "+15550199",
            "to": "+15550100",
            "direction": "inbound",
            "caller_name": "Ann",
            "verified": True,
        },
        "parameters": {"plan": "gold", "api_token": HIDDEN, "tenant": "7"},
        "started": "2026-01-02T03:04:05.000+00:00",
        "ended": "2026-01-02T03:04:17.500+00:00",
        "duration_s": 12.5,
        "ended_by": "caller_or_carrier",
        "reason": "the carrier said that the call is over",
        "outcome": "booked",
        "assistants": ["front"],
        "transcript": [
            {"who": "assistant", "text": "Hello, Ann."},
            {"who": "caller", "text": f"My token is {HIDDEN}, and my PIN 4711."},
        ],
        "entries": [{"digits": "12", "reason": "terminator", "terminator": "#"}],
        "notes": ["called twice"],
        "handovers": [],
        "counts": {"barge_ins": 1},
        "tokens": {"input_text": 5},
        "caller_s": 10.0,
        "assistant_s": 4.0,
        "turns": [{"wait_ms": 900, "pause_ms": 400, "reply_ms": 500}],
        "message": None,
        "recording": "",
    }


def test_to_whom_the_call_was_put_through_and_the_message_that_was_left() -> None:
    words: list[Word] = [TakeMessage("billing", 120.0), EndMessage("billing", 4.2), CallEnded()]
    nobody = EndHandover("billing", Outcome.NO_ANSWER, 26.1)
    talked = EndHandover("sales", Outcome.TALKED, 3.0, 75.2)
    report = report_of(words, account=ACCOUNT._replace(handovers=(talked, nobody)))
    told = json.decode(json.encode(report.recorded("/calls/CA1.wav")))
    assert told["handovers"] == [
        {"person": "sales", "outcome": "talked", "waited_s": 3.0, "talked_s": 75.2},
        {"person": "billing", "outcome": "no_answer", "waited_s": 26.1, "talked_s": 0.0},
    ]
    assert told["message"] == {
        "person": "billing",
        "begins_s": 0.0,
        "length_s": 4.2,
        "recording": "/calls/CA1.wav",
    }
    assert told["recording"] == "/calls/CA1.wav"


PIN = [DigitPressed(digit) for digit in "4711"]
ENTERED = EnterDigits("4711", EntryEnd.FULL)
SENSITIVE: dict[str, list[Word]] = {
    "with its name": [*PIN, EnterDigits("4711", EntryEnd.FULL, placeholder="entry-1")],
    "while keys are sensitive": [SetSensitive(True), *PIN, ENTERED, SetSensitive(False)],
    "found to be sensitive later": [*PIN, SetSensitive(True), ENTERED, SetSensitive(False)],
    "only at its beginning": [SetSensitive(True), *PIN, SetSensitive(False), ENTERED],
    "typed ahead of another": [
        SetSensitive(True),
        *PIN,
        EnterDigits("4"),
        SetSensitive(False),
        EnterDigits("711"),
    ],
}


@pytest.mark.parametrize("name", SENSITIVE)
def test_a_sensitive_entry_is_nowhere_in_it(name: str) -> None:
    words = [*SENSITIVE[name], NoteTaken("PIN 4711"), DigitPressed("9"), EnterDigits("9"), CallEnded()]
    report = report_of(words)
    assert [entry.digits for entry in report.entries] == ["9"]
    if name != "typed ahead of another":  # there each part is too short to be found in a text
        assert b"4711" not in json.encode(report)


def test_the_entry_behind_a_sensitive_one_is_told() -> None:
    words: list[Word] = [
        SetSensitive(True),
        *PIN,
        EnterDigits("4711", placeholder="entry-1"),
        SetSensitive(False),
    ]
    report = report_of([*words, DigitPressed("1"), EnterDigits("1")])
    assert [entry.digits for entry in report.entries] == ["1"]


ENDS: list[tuple[list[Word], tuple[str, str]]] = [
    ([], ("fault", "a fault in the bridge")),
    ([HangUp(1000, "the assistant hung up")], ("assistant", "the assistant hung up")),
    ([LegLost(LegName.CARRIER, 1006), STARTED, CallEnded()], ("caller_or_carrier", "the carrier said that the call is over")),
    ([LegLost(LegName.CARRIER, 1006, "broke"), HangUp(1000, "later")], ("fault", "broke")),
]  # fmt: skip


@pytest.mark.parametrize(("words", "end"), ENDS)
def test_who_ended_it(words: list[Word], end: tuple[str, str]) -> None:
    report = report_of(words)
    assert (report.ended_by, report.reason) == end


def test_who_answered_one_after_the_other() -> None:
    again: list[Any] = [OpenAssistant("CA1", PCMU_8K, {}, name) for name in ("front", "back", "front")]
    assert report_of(again).assistants == ["front", "back", "front"]


def test_what_it_holds_is_bounded() -> None:
    many = [word for _ in range(MOST_ENTRIES + 5) for word in (EnterDigits("1"), NoteTaken("x"))]
    report = report_of(many)
    assert (len(report.entries), len(report.notes)) == (MOST_ENTRIES, MOST_ENTRIES)


@pytest.mark.parametrize("words", [[], [STARTED], [STARTED, HangUp(1008, "refused")]])
def test_a_call_that_was_not_accepted_has_none(words: list[Word]) -> None:
    with pytest.raises(ValueError, match="not enough values"):
        report_of(words, accepted=False)


LEFT = LegLost(LegName.CARRIER, 1000, "the caller is put through")
HUNG_UP = "the carrier said that the call is over"
LEFT_ENDS: list[tuple[list[Word], str]] = [
    ([CloseStream("the caller is put through"), LEFT, PeopleJoined("B1"), CallEnded()], HUNG_UP),
    ([CloseStream("the caller is put through"), LEFT, CallEnded()], HUNG_UP),
    ([LEFT, PeopleJoined("B1"), HangUp(1000, "the person left")], "the person left"),
    (
        [CloseStream(""), LEFT, STARTED, LegLost(LegName.CARRIER, 1000, "")],
        "the carrier closed its stream with code 1000",
    ),
]


@pytest.mark.parametrize(("words", "why"), LEFT_ENDS)
def test_a_stream_that_is_left_to_the_carrier_is_not_the_end_of_the_call(words: list[Word], why: str) -> None:
    assert report_of(words).reason == why
