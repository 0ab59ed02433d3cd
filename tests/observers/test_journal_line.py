"""What stands in a journal's line: no numbers, nothing twice, and nothing that the reader would refuse."""

import json
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from bridge.observers.journal_line import LINES, encode
from bridge.redaction import HIDDEN, without_numbers
from bridge.vocabulary.commands import (
    AnswerTool,
    CloseAssistant,
    EnterDigits,
    HangUp,
    OpenAssistant,
    PressKeys,
    ReportTransfer,
    RetryAssistant,
    RunTool,
    SayText,
    TellAssistant,
)
from bridge.vocabulary.events import (
    AssistantFailed,
    AssistantReady,
    AssistantReportedError,
    CallerAudio,
    CallerSaid,
    CallStarted,
    CarrierReportedError,
    CloseRequested,
    GoodbyeRequested,
    Ignored,
    LegLost,
    LegName,
    MarkReached,
    MessageRefused,
    NoteTaken,
    Opening,
    OutcomeSet,
    PressRequested,
    ReplySaid,
    Said,
    Speaker,
    SpeechStopped,
    TokensUsed,
    ToolAnswered,
    ToolCalled,
    ToolUsed,
    Word,
)
from bridge.vocabulary.operator import HangUpRequested, KeysRequested, TellRequested
from bridge.vocabulary.people import (
    BriefingDeclined,
    CallerLeft,
    CallPeople,
    CloseStream,
    EndBriefing,
    EnterQueue,
    Outcome,
    PersonAnswered,
    PersonDeclined,
    PutThrough,
    ReferCaller,
    ReleasePerson,
    ReportBriefing,
    TransferRequested,
)
from bridge.vocabulary.room import DismissMember
from bridge.vocabulary.supervision import (
    CallSupervisor,
    EndSupervision,
    Supervise,
    SuperviseRequested,
    SupervisionRefused,
    SupervisorRole,
)
from telecodecs.format import PCMU_8K

MASKED = [
    ("+15550199", "***99"),
    ("15550199", "***99"),
    ("+1 (555) 010-0199", "***99"),
    ("+1-555-010-0199", "***99"),
    ("1.555.010.0199", "***99"),
    ("0711/5550199", "***99"),
    ("sip:15550100@example.com", "sip:***00@example.com"),
    ("sip:+442079460000@example.com", "sip:***00@example.com"),
    ("tel:15550100", "tel:***00"),
    ("%2B15550100199", "***99"),
    ("%2b15550100199", "***99"),
    ("call 15550100199 now", "call ***99 now"),
    ("from=5550100199", "from=***99"),
    ("+155501001991234567", "***67"),
    ("1555010019912345", "***45"),
    ("15550100199, 15550100188", "***99, ***88"),
    ("12.345", "12.345"),
    ("code 1006 after 120 s", "code 1006 after 120 s"),
    ("", ""),
]


@pytest.mark.parametrize(("text", "masked"), MASKED)
def test_numbers_are_masked_and_nothing_else(text: str, masked: str) -> None:
    assert without_numbers(text) == masked


SID = "CA" + "1234567890" * 3 + "ab"
NUMBER = "+1 (555) 010-0199"
WRITTEN: list[tuple[Word, dict[str, object]]] = [
    (CallStarted(SID, "MZ15550100199", PCMU_8K, parameters={NUMBER: NUMBER}), {"call_id": SID, "stream": "MZ15550100199", "parameters": {"***99": "***99"}}),
    (OpenAssistant(SID, PCMU_8K, {"from": NUMBER}), {"call_id": SID, "parameters": {"from": "***99"}}),
    (CallStarted("+15550199", NUMBER, PCMU_8K, (NUMBER,), {"api_key": "abc", "note": "sk-abc"}), {"call_id": "***99", "stream": "***99", "tracks": ["***99"], "parameters": {"api_key": HIDDEN, "note": "***"}}),
    (OpenAssistant(SID, PCMU_8K, {"auth_token": "abc"}), {"parameters": {"auth_token": HIDDEN}}),
    (ToolCalled("c", "book", '{"password":"abc","n":1}'), {"arguments": '{"password":"' + HIDDEN + '","n":1}'}),
    (TokensUsed({NUMBER: 3}), {"tokens": {"***99": 3}}),
    (LegLost(LegName.CARRIER, 1006, NUMBER), {"reason": "***99"}),
    (MessageRefused(LegName.CARRIER, NUMBER), {"why": "***99"}),
    (Ignored(NUMBER), {"kind": "***99"}),
    (HangUp(1000, NUMBER), {"why": "***99"}),
    (TellRequested(f"call {NUMBER}"), {"text": "call ***99", "responds": True}),
    (TellAssistant(f"call {NUMBER}"), {"text": "call ***99", "responds": True}),
    (KeysRequested("123#"), {"keys": "123#"}),
    (HangUpRequested(NUMBER), {"why": "***99"}),
    (CloseRequested(NUMBER), {"why": "***99"}),
    (GoodbyeRequested(NUMBER, 10.0), {"why": "***99"}),
    (AssistantReportedError(NUMBER), {"why": "***99"}),
    (CarrierReportedError("100004", NUMBER), {"why": "***99"}),
    (AssistantFailed(NUMBER), {"why": "***99"}),
    (RetryAssistant("a", 0.25, NUMBER), {"why": "***99"}),
    (ReplySaid("item_15550100199", f"Call {NUMBER}."), {"item": "item_15550100199", "text": "Call ***99."}),
    (CallerSaid("u", NUMBER), {"text": "***99"}),
    (NoteTaken(NUMBER), {"text": "***99"}),
    (OutcomeSet(NUMBER), {"outcome": "***99"}),
    (CloseAssistant(NUMBER), {"why": "***99"}),
    (EnterDigits("15550100199"), {"digits": "15550100199"}),  # as its keys were pressed
    (PressRequested("15550100199"), {"keys": "15550100199"}),
    (PressKeys("15550100199"), {"keys": "15550100199"}),
    (ToolCalled("call_15550100199", "book", '{"phone":"+15550100199"}'), {"tool_call_id": "call_15550100199", "arguments": '{"phone":"***99"}'}),
    (ToolAnswered("c1", '{"phone":15550100199}'), {"output": '{"phone":***99}'}),
    (MarkReached("1234.5678901"), {"name": "1234.5678901"}),
    (TransferRequested("billing", NUMBER, NUMBER), {"person": "billing", "why": "***99", "summary": "***99"}),
    (PersonAnswered("CA2", "+15550199"), {"person_leg": "CA2", "to": "***99"}),
    (PersonDeclined("CA2", NUMBER), {"why": "***99"}),
    (CallPeople("billing", (NUMBER, "sip:ann@pbx.example.com"), NUMBER, 25.0, "r1"), {"group": ["***99", "sip:ann@pbx.example.com"], "from_": "***99"}),
    (PutThrough("billing", (NUMBER,), NUMBER, 25.0, "r1"), {"group": ["***99"], "from_": "***99"}),
    (ReleasePerson("CA2", NUMBER), {"why": "***99"}),
    (ReportTransfer("c1", "billing", Outcome.BUSY, NUMBER), {"outcome": "busy", "output": "***99"}),
    (SayText(NUMBER), {"text": "***99"}),
    (CallerLeft(NUMBER), {"why": "***99"}),
    (CloseStream(NUMBER), {"why": "***99"}),
    (EndBriefing("CA2", NUMBER), {"person_leg": "CA2", "why": "***99"}),
    (ReportBriefing(False, NUMBER), {"why": "***99"}),
    (BriefingDeclined(NUMBER), {"why": "***99"}),
    (EnterQueue("billing", NUMBER, "r1"), {"queue": "***99", "request_id": "r1"}),
    (ReferCaller("billing", "sip:15550100@example.com", "r1"), {"to": "sip:***00@example.com"}),
    (SuperviseRequested("desk", SupervisorRole.WHISPER, NUMBER), {"supervisor": "desk", "role": "whisper", "to": "***99"}),
    (Supervise("desk", (NUMBER,), NUMBER, 25.0, SupervisorRole.LISTEN, SID), {"group": ["***99"], "from_": "***99", "person_leg": SID}),
    (CallSupervisor("desk", (NUMBER,), NUMBER, 25.0), {"group": ["***99"], "from_": "***99"}),
    (EndSupervision("desk", NUMBER), {"why": "***99"}),
    (SupervisionRefused("desk", NUMBER), {"why": "***99"}),
    (DismissMember("v3:S1", NUMBER), {"member_leg": "v3:S1", "why": "***99"}),
]  # fmt: skip
USED = (
    ToolUsed("c1", "book", NUMBER, NUMBER),
    Said(Speaker.CALLER, NUMBER),
    ToolUsed("", "note", NUMBER, "noted"),
    ToolUsed("c2", "book", NUMBER),
)
ABRIDGED: list[tuple[Word, dict[str, object]]] = [
    (RunTool("c1", "book", NUMBER), {"what": "RunTool", "tool_call_id": "c1", "tool": "book"}),
    (AnswerTool("c1", NUMBER), {"what": "AnswerTool", "tool_call_id": "c1"}),
    (AnswerTool("c1", NUMBER, is_late=True), {"what": "AnswerTool", "tool_call_id": "c1", "is_late": True}),
    (
        OpenAssistant("CA1", PCMU_8K, {}, "backup", Opening.RECOVERED, USED),
        {"what": "OpenAssistant", "call_id": "CA1", "line": {"encoding": "pcmu", "rate_hz": 8000, "channels": 1}, "parameters": {}, "assistant": "backup", "opening": "recovered", "history": 4, "plays": None, "tools": ["c1", "c2"]},
    ),
    (
        OpenAssistant("CA1", PCMU_8K, {}, "backup", Opening.RECOVERED, (Said(Speaker.CALLER, NUMBER),) * 12),
        {"what": "OpenAssistant", "call_id": "CA1", "line": {"encoding": "pcmu", "rate_hz": 8000, "channels": 1}, "parameters": {}, "assistant": "backup", "opening": "recovered", "history": 12, "plays": None},
    ),
]  # fmt: skip
PLAIN: list[Word] = [
    SpeechStopped(),
    AssistantReady(PCMU_8K, PCMU_8K, lasts_s=3600.0),
    TokensUsed({"input_audio": 15550100}),
]
WORDS = [word for word in Word.__subclasses__() if word.__module__.startswith("bridge.")]
"""Without those that other tests make up."""

NAMES = {
    "call_id",
    "tool_call_id",
    "request_id",
    "placeholder",
    "stream",
    "item",
    "name",
    "digit",
    "person",
    "person_leg",
    "supervisor",
    "supervisor_leg",
    "member_leg",
    "tool",
    "assistant",
    "digits",
} | {
    *("pressed_at", "terminator", "asked", "sensitive"),
}
"""Texts that are given by a machine, for itself."""


def ids(rows: Sequence[tuple[Word, object]]) -> list[str]:
    return [type(word).__name__ for word, _ in rows]


@pytest.mark.parametrize(("word", "written"), WRITTEN, ids=ids(WRITTEN))
def test_a_text_that_may_hold_a_number_is_masked(word: Word, written: dict[str, object]) -> None:
    line = json.loads(encode(word))
    assert {name: line[name] for name in written} == written


HIDING = [
    *(
        ReplySaid("a", "It is 1234."),
        CallerSaid("u", "1234"),
        NoteTaken("1234"),
        AssistantReportedError("1234"),
    ),
    *(
        ToolCalled("c", "pay", '{"pin":"1234"}'),
        ToolAnswered("c", '{"paid":1234}'),
        RunTool("c", "pay", "1234"),
    ),
    *(
        PressRequested("w1234"),
        PressKeys("w1234"),
        CallStarted(SID, "MZ", PCMU_8K, parameters={"1234": "1234"}),
    ),
]


@pytest.mark.parametrize("word", HIDING)
def test_sensitive_digits_are_hidden_in_every_text(word: Word) -> None:
    assert b"1234" not in encode(word, lambda text: text.replace("1234", "entry-1")).replace(
        SID.encode(), b""
    )


@pytest.mark.parametrize(("word", "written"), ABRIDGED, ids=ids(ABRIDGED))
def test_a_command_that_repeats_an_event_is_abridged(word: Word, written: dict[str, object]) -> None:
    assert json.loads(encode(word)) == written


def test_no_word_with_a_text_is_forgotten() -> None:
    def holds_text(word: type[Word]) -> bool:
        fields = msgspec.structs.fields(word)
        return any(field.type in {str, dict[str, str]} and field.name not in NAMES for field in fields)

    covered = {type(word) for word, _ in WRITTEN + ABRIDGED}
    assert {word for word in WORDS if holds_text(word)} <= covered


@pytest.mark.parametrize("word", [*(word for word, _ in WRITTEN + ABRIDGED), *PLAIN])
def test_what_is_written_can_be_read(word: Word) -> None:
    line: Any = msgspec.json.decode(encode(word), type=LINES[type(word).__name__])
    assert msgspec.json.encode(line) == encode(word)


def test_every_word_has_a_line() -> None:
    ours = {name for name, line in LINES.items() if line.__module__.startswith("bridge.")}  # a test adds one
    assert {word.__name__ for word in WORDS} == ours
    assert LINES["CallerAudio"] is CallerAudio
