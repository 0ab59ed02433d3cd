"""The transcript of a call that is over: of what was said as it ended, only what the caller heard."""

import pytest

from bridge.core.call import Call
from bridge.core.dialogue import DialogueRules
from bridge.core.failover import FailoverPlan
from bridge.core.timers import Limits
from bridge.vocabulary.call_facts import CallContext, Facts
from bridge.vocabulary.commands import OpenAssistant, SendMark
from bridge.vocabulary.events import (
    AssistantReady,
    CallEnded,
    CallerSaid,
    CallStarted,
    Event,
    LegLost,
    LegName,
    MarkReached,
    ReplyAudio,
    ReplyEnded,
    ReplySaid,
    Said,
    Speaker,
    SpeechStopped,
)
from telecodecs.format import PCMU_8K

START = CallStarted("CA1", "MZ1", PCMU_8K, parameters={"plan": "silver", "clinic": "north"})
READY = AssistantReady(PCMU_8K, PCMU_8K)
TEN_WORDS = "one two three four five six seven eight nine ten"
CALLER = Said(Speaker.CALLER, "Count, please.")


def talked(*events: tuple[float, Event]) -> Call:
    call = Call(0.0, Limits(), DialogueRules(reorder_ms=40), plan=FailoverPlan())
    begun: list[tuple[float, Event]] = [(0.0, START), (0.1, READY), (0.5, SpeechStopped("u"))]
    for when, event in (*begun, (0.6, CallerSaid("u", CALLER.text)), *events):
        call.handle(event, when)
    return call


@pytest.mark.parametrize("end", [CallEnded(), LegLost(LegName.CARRIER, 1006)])
def test_a_reply_that_the_hang_up_cut_keeps_the_words_that_were_heard(end: Event) -> None:
    call = talked(
        (1.0, ReplySaid("a", TEN_WORDS)),
        (1.0, ReplyAudio("a", bytes(8_000 * 4))),
        (1.0, ReplyEnded("a")),
        *((1.0 + n / 5, MarkReached(f"0.{n}")) for n in range(1, 11)),
        (3.0, end),
    )
    first, cut = call.heard(3.0)
    assert isinstance(cut, Said)
    assert first == CALLER
    assert cut.text.endswith(" …")
    assert 0.3 < len(cut.text) / len(TEN_WORDS) < 0.7, "two of four seconds were heard"
    assert TEN_WORDS.startswith(cut.text.removesuffix(" …"))


def test_words_without_audio_were_not_heard() -> None:
    call = talked((1.0, ReplySaid("a", TEN_WORDS)), (1.1, CallEnded()))
    assert call.heard(1.1) == (CALLER,)


def test_what_was_heard_to_its_end_stays_whole() -> None:
    call = talked((1.0, ReplySaid("a", "Yes.")), (1.0, ReplyAudio("a", bytes(800))))
    (mark,) = call.handle(ReplyEnded("a"), 1.0)
    assert isinstance(mark, SendMark)
    call.handle(MarkReached(mark.name), 1.2)
    call.handle(CallEnded(), 2.0)
    assert call.heard(2.0) == (CALLER, Said(Speaker.ASSISTANT, "Yes."))


def test_of_a_call_that_never_began_nothing_was_heard() -> None:
    call = Call(0.0, Limits(), DialogueRules(reorder_ms=40))
    call.handle(CallEnded(), 1.0)
    assert call.heard(1.0) == ()


def test_each_assistant_is_told_who_calls_and_its_parameters_take_the_place_of_the_stream_s() -> None:
    context = CallContext(Facts("+15550199"), parameters={"plan": "gold"})
    plan = FailoverPlan(("first", "second"), context=context)
    call = Call(0.0, Limits(retry_s=0.0), DialogueRules(reorder_ms=40), plan=plan)
    opened = [*call.handle(START, 0.0), *call.handle(LegLost(LegName.ASSISTANT, 1006), 1.0)]
    told = [command for command in opened if isinstance(command, OpenAssistant)]
    assert [(one.assistant, one.context) for one in told] == [("first", context), ("second", context)]
    assert {tuple(one.parameters.items()) for one in told} == {(("plan", "gold"), ("clinic", "north"))}
