"""No fault of an assistant loses the call, as call transcripts: when, what came, what we do."""

from collections.abc import Sequence

import pytest

from bridge.core.call import Call
from bridge.core.dialogue import DialogueRules
from bridge.core.failover import SERVED_S, FailoverPlan
from bridge.core.timers import Limits
from bridge.vocabulary.commands import (
    AppendAudio,
    CloseAssistant,
    Command,
    ConfirmHeard,
    EnterDigits,
    HangUp,
    OpenAssistant,
    PlayAudio,
    RetryAssistant,
    SendMark,
    TypeDigit,
)
from bridge.vocabulary.events import (
    AssistantFailed,
    AssistantHangingUp,
    AssistantReady,
    CallerAudio,
    CallerSaid,
    CallStarted,
    DigitPressed,
    Event,
    LegLost,
    LegName,
    MarkReached,
    Opening,
    ReplyAudio,
    ReplyEnded,
    ReplySaid,
    Said,
    Speaker,
    SpeechStarted,
    SpeechStopped,
    TimePassed,
)
from telecodecs.format import L16_8K, PCMU_8K

START = CallStarted("CA1", "MZ1", PCMU_8K)
READY = AssistantReady(PCMU_8K, PCMU_8K)
FRAME = bytes(range(160))
LOST = LegLost(LegName.ASSISTANT, 1006, "the connection broke")

Row = tuple[float, Event, Sequence[Command]]
ANY: list[Command] = []
"""Whatever is done then, is looked at elsewhere."""


def opened(name: str, opening: Opening = Opening.FIRST, *history: Said) -> OpenAssistant:
    return OpenAssistant("CA1", PCMU_8K, {}, name, opening, history)


def call(*names: str, sentence: bytes = b"") -> Call:
    """Each assistant is tried again once, at once, for the bound is over before the first pause."""
    plan = FailoverPlan(names, sentence, spoken=L16_8K)
    limits = Limits(open_s=5, silent_s=10_000, retry_s=0.2)
    return Call(0.0, limits, DialogueRules(reorder_ms=40), plan=plan)


def follow(call: Call, transcript: Sequence[Row]) -> None:
    for when, event, commands in transcript:
        came = call.handle(event, when)
        assert commands is ANY or came == list(commands), f"at {when}: {event}"


def test_a_lost_assistant_is_opened_again_with_what_was_said() -> None:
    history = (Said(Speaker.ASSISTANT, "Good morning."), Said(Speaker.CALLER, "I have a toothache."))
    follow(
        call("dentist", "backup"),
        [
            (0.0, START, [opened("dentist")]),
            (0.1, READY, []),
            (1.0, ReplySaid("a", "Good morning."), []),
            (1.0, ReplyAudio("a", FRAME), [PlayAudio(FRAME)]),
            (1.0, ReplyEnded("a"), [SendMark("0.1")]),
            (1.1, MarkReached("0.1"), [ConfirmHeard("a")]),
            (2.0, SpeechStarted(), []),
            (3.0, SpeechStopped("u"), []),
            (3.5, CallerSaid("u", "I have a toothache."), []),
            (4.0, LOST, [opened("dentist", Opening.RECOVERED, *history)]),
            (4.1, CallerAudio(FRAME, 4100), []),  # too old by the time somebody listens
            (4.2, DigitPressed("1"), []),
            (4.25, READY, [TypeDigit("1")]),
            (4.27, CallerAudio(FRAME, 4120), [AppendAudio(b"\xff" * 160)]),  # its tone may sound
            (4.41, CallerAudio(FRAME, 4140), [AppendAudio(FRAME)]),
        ],
    )


def test_what_it_had_said_is_heard_while_the_next_one_comes() -> None:
    lost_in_mid_sentence = call("a")
    follow(
        lost_in_mid_sentence,
        [
            (0.0, START, [opened("a")]),
            (0.1, READY, []),
            (1.0, ReplySaid("so", "So"), []),
            (1.0, ReplyAudio("so", FRAME), [PlayAudio(FRAME)]),
            (1.01, LOST, [SendMark("0.1"), opened("a", Opening.RECOVERED)]),  # too little for a word
            (1.1, MarkReached("0.1"), [ConfirmHeard("so")]),
            (1.2, READY, []),
            (1.3, ReplyAudio("sorry", FRAME), [PlayAudio(FRAME)]),
        ],
    )
    assert lost_in_mid_sentence.counts()["assistants_lost"] == 1


def test_lost_again_its_fallback_takes_over_and_then_nobody() -> None:
    follow(
        call("a", "b"),
        [
            (0.0, START, [opened("a")]),
            (0.1, READY, []),
            (1.0, LOST, [opened("a", Opening.RECOVERED)]),
            (1.2, LOST, [opened("b", Opening.RECOVERED)]),
            (1.3, READY, []),
            (2.0, LOST, [opened("b", Opening.RECOVERED)]),
            (3.0, TimePassed(), [CloseAssistant("it was not ready in time"), HangUp(1011, "the assistant was lost")]),
        ],
    )  # fmt: skip


def test_one_that_has_served_is_tried_for_the_whole_bound_again() -> None:
    served = SERVED_S + 10
    follow(
        call("a", "b"),
        [
            (0.0, START, [opened("a")]),
            (0.1, READY, []),
            (1.0, LOST, [opened("a", Opening.RECOVERED)]),
            (1.15, READY, []),
            (2.0, ReplyAudio("a", FRAME), [PlayAudio(FRAME)]),
            (2.1, ReplyEnded("a"), [SendMark("0.1")]),
            (served, LOST, [opened("a", Opening.RECOVERED)]),
            (served + 0.15, READY, []),
            (served + 1, LOST, [RetryAssistant("a", 0.05, LOST.reason)]),
            (served + 1.06, TimePassed(), [opened("a", Opening.RECOVERED)]),
            (served + 1.06, LOST, [opened("b", Opening.RECOVERED)]),
        ],
    )


def test_one_that_has_never_replied_has_not_served() -> None:
    """Its responses may all have failed; the bound, of which nothing is left, counts on."""
    served = SERVED_S + 10
    follow(
        call("a", "b"),
        [
            (0.0, START, [opened("a")]),
            (0.1, READY, []),
            (0.2, ReplyAudio("a", FRAME), [PlayAudio(FRAME)]),
            (1.0, LOST, [SendMark("0.1"), opened("a", Opening.RECOVERED)]),
            (1.2, READY, []),
            (served, LOST, [opened("b", Opening.RECOVERED)]),
        ],
    )


def test_the_next_assistant_may_give_the_same_names() -> None:
    follow(
        call("a"),
        [
            (0.0, START, [opened("a")]),
            (0.1, READY, []),
            (1.0, ReplySaid("item_1", "Good morning to you."), []),
            (1.0, ReplyAudio("item_1", FRAME * 20), ANY),
            (1.1, SpeechStarted(), ANY),
            (1.2, LOST, ANY),
            (1.3, READY, []),
            (2.0, ReplySaid("item_1", "Sorry?"), []),
            (2.0, ReplyAudio("item_1", FRAME), [PlayAudio(FRAME)]),
        ],
    )


def test_an_entry_waits_for_the_next_assistant() -> None:
    follow(
        call("a"),
        [
            (0.0, START, [opened("a")]),
            (0.1, READY, []),
            (1.0, DigitPressed("1"), [TypeDigit("1")]),
            (1.5, LOST, [opened("a", Opening.RECOVERED)]),
            (2.0, TimePassed(), []),
            (2.2, DigitPressed("2"), []),
            (2.4, READY, [TypeDigit("2")]),
            (3.4, TimePassed(), [EnterDigits("12")]),
        ],
    )


@pytest.mark.parametrize(
    "fatal", [LegLost(LegName.ASSISTANT, 1008, "HTTP 401"), AssistantFailed("no such model", final=True)]
)
def test_what_a_second_try_would_not_mend_is_not_tried(fatal: Event) -> None:
    refused = call("a", "b")
    assert refused.handle(START, 0.0) == [opened("a")]
    *close, standby = refused.handle(fatal, 0.3)
    assert standby == opened("b")  # never ready, so the caller is still greeted
    assert close == ([CloseAssistant()] if isinstance(fatal, AssistantFailed) else [])


def test_a_recorded_sentence_when_nobody_is_left_and_then_the_end() -> None:
    sentence = bytes(640)  # 40 ms
    silence = b"\xff" * 320
    follow(
        call("a", sentence=sentence),
        [
            (0.0, START, [opened("a")]),
            (0.1, LegLost(LegName.ASSISTANT, 1008, "HTTP 401"), [PlayAudio(silence), SendMark("0.1")]),
            (0.15, CallerAudio(FRAME, 150), []),
            (
                0.2,
                MarkReached("0.1"),
                [ConfirmHeard("sentence"), HangUp(1011, "the assistant was lost")],
            ),
        ],
    )


def test_one_that_is_lost_while_it_says_goodbye_has_hung_up() -> None:
    follow(
        call("a", "b"),
        [
            (0.0, START, [opened("a")]),
            (0.1, READY, []),
            (1.0, AssistantHangingUp(), []),
            (1.1, AssistantHangingUp(intended=False), []),
            (1.2, AssistantHangingUp(), []),
            (1.3, ReplyAudio("bye", FRAME), [PlayAudio(FRAME)]),
            (1.31, LOST, [SendMark("0.1")]),
            (1.4, MarkReached("0.1"), [ConfirmHeard("bye"), HangUp(1000, "the assistant hung up")]),
        ],
    )


def test_other_formats_do_not_shorten_how_long_an_assistant_has_served() -> None:
    follow(
        call("a", "b"),
        [
            (0.0, START, [opened("a")]),
            (0.1, READY, []),
            (0.5, LOST, [opened("a", Opening.RECOVERED)]),
            (1.0, READY, []),  # all of the bound is used
            (2.0, ReplyAudio("a", FRAME), [PlayAudio(FRAME)]),
            (2.1, ReplyEnded("a"), [SendMark("0.1")]),
            (SERVED_S, AssistantReady(L16_8K, PCMU_8K), []),
            (SERVED_S + 1, LOST, [opened("a", Opening.RECOVERED)]),
        ],
    )
