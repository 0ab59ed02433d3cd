"""Transcripts of calls: words in, spans out. Times are seconds on the session's clock."""

from itertools import count
from typing import Any

import pytest

from bridge.observers.tracing.call_trace import CallTrace, TracedCall
from bridge.observers.tracing.span import MOST_EVENTS, Span
from bridge.observers.tracing.turn_spans import MOST_OPEN
from bridge.vocabulary.commands import (
    AppendAudio,
    ClearPlayback,
    CloseAssistant,
    DropReply,
    EnterDigits,
    OpenAssistant,
    PlayAudio,
    RunTool,
    SendMark,
    SwitchToStandby,
    TruncateReply,
)
from bridge.vocabulary.contracts import Account, Turn
from bridge.vocabulary.events import (
    AssistantFailed,
    AssistantReady,
    CallEnded,
    CallerAudio,
    CallerSaid,
    CallStarted,
    EntryEnd,
    LegLost,
    LegName,
    MarkReached,
    Opening,
    ReplyAudio,
    ReplyEnded,
    ReplySaid,
    SpeechDismissed,
    SpeechStarted,
    TokensUsed,
    ToolAnswered,
    Word,
)
from bridge.vocabulary.people import (
    CallPeople,
    EndHandover,
    Outcome,
    PeopleJoined,
    PersonAnswered,
    PersonLeft,
)
from bridge.vocabulary.trace_context import NewTrace, TraceContext
from telecodecs.format import PCMU_8K

START = CallStarted("CA1", "MZ1", PCMU_8K)
READY = AssistantReady(PCMU_8K, PCMU_8K)
ROOT = 77
HEARD = Turn(wait_ms=900, pause_ms=300, reply_ms=400, send_ms=0, play_ms=200)

Row = tuple[float, Word]


def opened(name: str, opening: Opening = Opening.FIRST) -> OpenAssistant:
    return OpenAssistant("CA1", PCMU_8K, assistant=name, opening=opening)


class Traced:
    """A call that is traced, and its spans."""

    def __init__(self, *rows: Row, content: bool = False) -> None:
        self.spans: list[Span] = []
        trace = NewTrace(TraceContext(0xABC, ROOT, is_sampled=True), 5)
        about: dict[str, Any] = {"gen_ai.agent.name": "sales", "gen_ai.request.model": "m1"}
        call = TracedCall(
            trace, "twilio", "inbound", str.lower, lambda _: about, lambda _: ("price",), content
        )
        self.call = CallTrace(call, 0.0, count(100).__next__, self.spans.append)
        self.saw(*rows)

    def saw(self, *rows: Row) -> "Traced":
        for at, word in rows:
            assert type(word) in self.call.sees
            self.call.saw(word, at)
        return self

    def end(self, now: float = 60.0) -> "Traced":
        self.call.close(now, Account({"turns": 3}, {"input_audio": 9}, 0.0, 0.0, ()))
        return self

    def __getitem__(self, name: str) -> Span:
        (span,) = [one for one in self.spans if one.name == name]
        return span


def ours(span: Span) -> dict[str, Any]:
    return {
        name.removeprefix("voicebridge."): value
        for name, value in span.attributes.items()
        if name.startswith("voicebridge.")
    }


def test_no_word_of_a_frame_or_of_a_mark_is_seen() -> None:
    frames = {CallerAudio, AppendAudio, ReplyAudio, PlayAudio, SendMark, MarkReached}
    for content in (False, True):
        assert not Traced(content=content).call.sees & frames


def test_the_root_is_the_call_and_comes_last() -> None:
    traced = Traced((1.0, START), (1.0, opened("sales")), (1.3, READY), (59.0, CallEnded())).end()
    root = traced.spans[-1]
    assert (root.name, root.span_id, root.parent_id, root.start, root.end) == ("call", ROOT, 5, 0.0, 60.0)
    assert ours(root) == {
        "carrier": "twilio",
        "direction": "inbound",
        "call.id": "ca1",
        "assistant": "sales",
        "ended_by": "caller_or_carrier",
        "turns": 3,
        "tokens.input_audio": 9,
    }
    assert root.error == ""
    assert traced["assistant.connect"].end == 1.3


def test_a_call_that_broke_is_an_error() -> None:
    lost = Traced((1.0, START), (9.0, LegLost(LegName.CARRIER, 1006, "gone"))).end()
    assert lost["call"].error == "fault"
    assert [event.name for event in lost["call"].events] == ["stream_lost"]
    returned = Traced((1.0, START), (9.0, LegLost(LegName.CARRIER, 1006)), (9.5, START), (20.0, CallEnded()))
    assert [event.name for event in returned.end()["call"].events] == ["stream_lost", "stream_resumed"]
    assert returned["call"].error == ""


def test_a_turn_has_its_waits_from_the_end_of_the_speech_on() -> None:
    traced = Traced((0.0, opened("sales")), (0.5, READY))
    traced.call.turn_began(1, 4.7, 5.0)
    traced.call.reply_began("a", 5.4)
    traced.call.turn_over(1, HEARD, 5.7)
    assert [span.name for span in traced.spans] == ["assistant.connect"]  # it goes on until the next one
    traced.saw((7.0, ReplyEnded("a"))).end()
    turn, reply = traced["turn"], traced["generate_content m1"]
    assert ours(turn) == {"turn.number": 1, "turn.reply_ms": 700, "turn.sent_ms": 700, "turn.heard_ms": 900}
    assert (turn.parent_id, turn.start, turn.end) == (ROOT, 4.7, 7.0)
    assert (reply.parent_id, reply.start, reply.end) == (turn.span_id, 5.0, 7.0)
    assert [(event.name, event.at) for event in reply.events] == [("first_audio", 5.4)]


def test_a_turn_that_is_heard_after_the_next_one_began_has_its_wait() -> None:
    traced = Traced()
    traced.call.turn_began(1, None, 5.0)
    traced.call.turn_began(2, None, 6.0)
    assert traced.spans == []
    traced.call.turn_over(1, HEARD, 6.2)
    assert ours(traced["turn"])["turn.heard_ms"] == 900


def test_turns_of_which_nothing_more_is_known_are_bounded() -> None:
    traced = Traced()
    for number in range(1, MOST_OPEN + 3):
        traced.call.turn_began(number, None, float(number))
    assert len(traced.spans) == 2
    traced.call.turn_over(1, HEARD, 200.0)
    assert len(traced.end().spans) == MOST_OPEN + 3


def test_the_tools_of_a_turn_are_below_it_and_a_name_that_was_made_up_is_another() -> None:
    traced = Traced((0.0, opened("sales")))
    traced.call.turn_began(1, 4.7, 5.0)
    traced.saw((5.1, RunTool("t1", "price", '{"pin":"1"}')), (5.2, RunTool("+15550142", "made up", "{}")))
    tool = traced.call.running("t1")
    traced.saw((5.9, ToolAnswered("t1", "11 euros")), (6.0, ToolAnswered("+15550142", '{"error":"no"}')))
    traced.end()
    price, other = traced["execute_tool price"], traced["execute_tool other"]
    assert price.parent_id == other.parent_id == traced["turn"].span_id
    assert (price.start, price.end, price.error, other.error) == (5.1, 5.9, "", "tool_error")
    assert tool == f"00-{0xABC:032x}-{price.span_id:016x}-01"
    assert "gen_ai.tool.call.arguments" not in price.attributes
    assert "15550142" not in str(other.attributes)


def test_a_tool_that_runs_when_the_call_ends_is_broken_off() -> None:
    assert Traced((5.1, RunTool("t1", "price", "{}"))).end()["execute_tool price"].error == "broken_off"


def test_an_interruption_is_an_event_of_its_turn_with_what_was_heard() -> None:
    traced = Traced((0.0, opened("sales")))
    traced.call.turn_began(1, 4.7, 5.0)
    traced.saw((6.0, SpeechDismissed()), (8.0, SpeechStarted()), (8.0, ClearPlayback(800)))
    traced.saw((8.0, TruncateReply("a", 1200)), (8.0, DropReply("b"))).end()
    turn = traced["turn"]
    assert ours(turn) == {"turn.number": 1, "turn.interrupted": True, "turn.heard_of_ms": 1200}
    assert [event.name for event in turn.events] == ["false_interruption", "barge_in"]
    assert turn.end == 8.0


def test_a_greeting_that_is_interrupted_is_an_event_of_the_call() -> None:
    traced = Traced((8.0, SpeechStarted()), (8.0, ClearPlayback(800))).end()
    assert [event.name for event in traced["call"].events] == ["barge_in"]


def test_an_entry_is_told_by_why_it_was_complete_and_not_by_its_digits() -> None:
    traced = Traced((0.0, opened("sales")))
    traced.call.turn_began(1, 4.7, 5.0)
    traced.saw((5.0, EnterDigits("4711", EntryEnd.TERMINATOR, "#")), (9.0, EnterDigits("1"))).end()
    assert ours(traced["turn"]) == {"turn.number": 1, "turn.entry": "terminator"}
    assert "4711" not in str(traced.spans)


def test_what_a_reply_is_billed_is_in_its_span() -> None:
    traced = Traced((0.0, opened("sales")))
    traced.call.reply_began("a", 1.0)
    traced.saw((2.0, TokensUsed({"input_audio": 10, "input_text": 5, "input_cached": 8, "output_audio": 7})))
    attributes = traced.end()["generate_content m1"].attributes
    assert attributes["gen_ai.usage.input_tokens"] == 15
    assert attributes["gen_ai.usage.output_tokens"] == 7
    assert attributes["voicebridge.tokens.input_cached"] == 8


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        (LegLost(LegName.ASSISTANT, 1006), "connection"),
        (LegLost(LegName.ASSISTANT, 1013), "busy"),
        (AssistantFailed("+15550142", final=True), "refused"),
        (CloseAssistant("no reply came"), "stalled"),
    ],
)
def test_a_loss_and_the_recovery_are_events_of_the_call(word: Word, reason: str) -> None:
    rows: list[Row] = [(0.0, opened("sales")), (2.0, word), (2.5, opened("backup", Opening.RECOVERED))]
    traced = Traced(*rows, (3.0, READY)).end()
    lost, recovery = traced["call"].events
    assert (lost.name, lost.attributes) == ("assistant_lost", {"assistant": "sales", "reason": reason})
    assert (recovery.name, recovery.attributes) == ("assistant_recovery", {"assistant": "backup"})
    first, second = [span for span in traced.spans if span.name == "assistant.connect"]
    assert (first.end, first.error, second.end, second.error) == (2.0, reason, 3.0, "")


def test_a_standby_takes_over() -> None:
    rows: list[Row] = [(0.0, opened("sales")), (0.5, READY), (9.0, opened("next", Opening.RENEWED))]
    rows += [(9.2, AssistantReady(PCMU_8K, PCMU_8K, is_standby=True)), (10.0, SwitchToStandby())]
    root = Traced(*rows).end()["call"]
    assert ours(root)["assistant"] == "next"
    assert [event.name for event in root.events] == ["assistant_renewed"]


def test_a_handover_has_what_became_of_it_and_no_number() -> None:
    people = CallPeople("billing", ("+15550142000",), "ours", 20.0, "h1")
    rows: list[Row] = [(10.0, people), (15.0, PersonAnswered("CA2", "+15550142000")), (16.0, PeopleJoined("CA2"))]  # fmt: skip
    rows += [(76.0, PersonLeft("CA2", 60.0)), (76.0, EndHandover("billing", Outcome.TALKED, 7.0, 60.0))]
    traced = Traced(*rows).end(99.0)
    span = traced["handover"]
    assert ours(span) == {"person": "billing", "outcome": "talked", "talked_ms": 60_000}
    assert (span.parent_id, span.start, span.end) == (ROOT, 9.0, 76.0)
    assert [event.name for event in span.events] == ["calling", "answered", "joined", "person_left"]
    assert "15550142" not in str(traced.spans)


def test_a_handover_that_was_refused_does_not_have_the_name_that_a_model_made_up() -> None:
    span = Traced((9.0, EndHandover("+15550142", Outcome.NOT_POSSIBLE, 0.0))).end()["handover"]
    assert ours(span) == {"outcome": "not_possible", "talked_ms": 0}


def test_what_was_said_is_there_where_it_may_be_and_masked() -> None:
    traced = Traced((0.0, opened("sales")), content=True)
    traced.call.turn_began(1, 4.7, 5.0)
    traced.saw((5.1, CallerSaid("u1", "call +1 555 014 2000")), (5.2, ReplySaid("a", "Eleven ")))
    traced.saw((5.3, ReplySaid("a", "euros")), (5.4, RunTool("t1", "price", '{"api_key":"hunter2"}')))
    traced.call.reply_began("a", 5.4)
    traced.saw((5.9, ToolAnswered("t1", "sk-live-0123456789"))).end()
    assert "call ***00" in str(traced["turn"].attributes["gen_ai.input.messages"])
    assert "Eleven euros" in str(traced["generate_content m1"].attributes["gen_ai.output.messages"])
    assert not [leak for leak in ("hunter2", "sk-live", "2000") if leak in str(traced.spans)]


def test_events_of_one_span_are_bounded() -> None:
    rows: list[Row] = [(float(at), LegLost(LegName.STANDBY, 1006)) for at in range(MOST_EVENTS + 10)]
    assert len(Traced(*rows).end()["call"].events) == MOST_EVENTS
