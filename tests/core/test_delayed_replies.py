"""A reply that failed is asked for again on the same session: what the caller hears meanwhile, as call transcripts."""

import pytest

from bridge.core.call import Call
from bridge.core.dialogue import DialogueRules
from bridge.core.failover import FailoverPlan
from bridge.core.timers import Limits
from bridge.vocabulary.commands import (
    ClearPlayback,
    CloseAssistant,
    ConfirmHeard,
    OpenAssistant,
    PlayAudio,
    RetryAssistant,
    SendMark,
)
from bridge.vocabulary.events import (
    AssistantFailed,
    MarkReached,
    Opening,
    ReplyAudio,
    ReplyDelayed,
    ReplyEnded,
    SpeechStarted,
    SpeechStopped,
)
from telecodecs.format import L16_8K, PCMU_8K, AudioFormat
from tests.core.lost_assistants import LOST, PASSED, READY, REFUSED, REPLY, START, Row

SIGNAL = b"\x40" * 1600
"""200 ms."""
FIRST = OpenAssistant("CA1", PCMU_8K, {}, "a")
AGAIN = OpenAssistant("CA1", PCMU_8K, {}, "a", Opening.RECOVERED)


def call(signal: bytes = SIGNAL, spoken: AudioFormat = PCMU_8K) -> Call:
    limits = Limits(silent_s=10_000, longest_s=600)
    plan = FailoverPlan(("a",), waiting=signal, spoken=spoken)
    return Call(0.0, limits, DialogueRules(reorder_ms=0), plan=plan)


def waits_for_a_reply(call: Call, *then: Row) -> None:
    """The caller has spoken, and the first response has failed at 2.1 s."""
    rows: list[Row] = [
        (0.0, START, [FIRST]),
        (0.5, READY, []),
        (1.0, SpeechStarted(), []),
        (2.0, SpeechStopped("u"), []),
        (2.1, ReplyDelayed(0.5), []),
        *then,
    ]
    for when, event, commands in rows:
        assert call.handle(event, when) == list(commands), f"at {when}: {event}"


def test_a_reply_that_fails_for_a_while_is_bridged_by_the_signal_once() -> None:
    waits_for_a_reply(
        late := call(),
        (2.6, ReplyDelayed(3.0), []),
        (4.0, PASSED, []),
        (4.1, PASSED, [PlayAudio(SIGNAL), SendMark("0.1")]),
        (4.3, MarkReached("0.1"), []),
        (5.6, ReplyDelayed(3.0), []),
        (9.0, PASSED, []),
        (9.1, ReplyAudio("r", REPLY), [PlayAudio(REPLY)]),
        (9.1, ReplyEnded("r"), [SendMark("0.2")]),
        (9.2, MarkReached("0.2"), [ConfirmHeard("r")]),
        (20.0, SpeechStarted(), []),
        (21.0, SpeechStopped("u2"), []),
        (21.1, ReplyDelayed(2.5), []),
        (23.1, PASSED, [PlayAudio(SIGNAL), SendMark("0.3")]),
    )
    assert late.counts() == {"replies_delayed": 4}


def test_the_reply_cuts_the_signal_and_keeps_its_own_format() -> None:
    """The signal is linear here; what the assistant speaks is mu-law before and after it."""
    linear = call(bytes(2 * len(SIGNAL) * 5), L16_8K)
    silence = b"\xff" * len(SIGNAL)
    signal = [each for n in range(5) for each in (PlayAudio(silence), SendMark(f"0.{n + 1}"))]
    waits_for_a_reply(
        linear,
        (4.1, PASSED, signal),
        (4.3, MarkReached("0.1"), []),
        (4.5, ReplyAudio("r", REPLY), [ClearPlayback(4800), PlayAudio(REPLY)]),
        (4.5, ReplyEnded("r"), [SendMark("1.6")]),
        (4.6, MarkReached("1.6"), [ConfirmHeard("r")]),
    )


@pytest.mark.parametrize(
    "ends",
    [(2.5, ReplyAudio("r", REPLY), [PlayAudio(REPLY)]), (2.5, SpeechStarted(), [])],
    ids=["reply", "speech"],
)
def test_a_wait_that_is_over_in_time_has_no_signal(ends: Row) -> None:
    waits_for_a_reply(call(), ends, (60.0, PASSED, []))


def test_the_signal_does_not_sound_while_the_caller_speaks() -> None:
    waits_for_a_reply(call(), (2.5, SpeechStarted(), []), (2.6, ReplyDelayed(3.0), []), (60.0, PASSED, []))


def test_the_signal_does_not_break_into_a_reply_that_is_coming_in() -> None:
    waits_for_a_reply(
        call(),
        (2.2, ReplyAudio("r", REPLY), [PlayAudio(REPLY)]),
        (2.3, ReplyDelayed(9.0), []),
        (4.3, PASSED, []),
        (4.4, ReplyEnded("r"), [SendMark("0.1")]),
        (5.3, PASSED, [PlayAudio(SIGNAL), SendMark("0.2")]),
    )


def test_the_signal_comes_once_though_the_assistant_is_lost_after_failed_replies() -> None:
    waits_for_a_reply(
        call(),
        (3.0, AssistantFailed("it fails"), [CloseAssistant(), AGAIN]),
        (3.1, REFUSED, [RetryAssistant("a", 0.25, REFUSED.reason)]),
        (3.35, PASSED, [AGAIN]),
        (4.1, PASSED, [PlayAudio(SIGNAL), SendMark("0.1")]),  # two seconds after the first failure
        (4.3, MarkReached("0.1"), []),
        (4.5, READY, []),
        (4.6, ReplyDelayed(2.5), []),
        (7.0, LOST, [RetryAssistant("a", 0.5, LOST.reason)]),
        (7.5, PASSED, [AGAIN]),
        (11.0, PASSED, []),
    )
