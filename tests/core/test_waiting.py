"""What the caller hears while an assistant is tried again, and what works meanwhile, as call transcripts."""

from collections.abc import Sequence

import pytest

from bridge.core.call import Call
from bridge.core.dialogue import DialogueRules
from bridge.core.entries import KeypadRules
from bridge.core.failover import FailoverPlan
from bridge.core.timers import Limits
from bridge.vocabulary.commands import (
    AppendAudio,
    ClearPlayback,
    CloseAssistant,
    Command,
    ConfirmHeard,
    EnterDigits,
    HangUp,
    PlayAudio,
    SendMark,
    SetSensitive,
    TypeDigit,
)
from bridge.vocabulary.events import (
    CallEnded,
    CallerAudio,
    CallStarted,
    CloseRequested,
    DigitPressed,
    Event,
    LegLost,
    LegName,
    MarkReached,
    ReplyAudio,
    ReplyEnded,
    SpeechStarted,
)
from telecodecs.format import PCMU_8K
from tests.core.lost_assistants import (
    LOST,
    PASSED,
    READY,
    REFUSED,
    REPLY,
    START,
    Row,
    again,
    opened,
    refusal,
    retry,
)

BACK = CallStarted("CA1", "MZ2", PCMU_8K)
FRAME = bytes(range(160))
FINAL = LegLost(LegName.ASSISTANT, 1008, "HTTP 401")
BROKEN = LegLost(LegName.CARRIER, 1006)
SIGNAL = b"\x40" * 1600
"""200 ms."""
SENTENCE = b"\x41" * 160
ENDED = HangUp(1011, "the assistant was lost")


def call(
    *names: str,
    retry_s: float = 15.0,
    waiting: bytes = b"",
    after_s: float = 2.0,
    sentence: bytes = b"",
    sensitive: bool = False,
) -> Call:
    return Call(
        0.0,
        Limits(retry_s=retry_s, waiting_after_s=after_s, silent_s=10_000, longest_s=600, resume_s=10),
        DialogueRules(reorder_ms=0, keypad=KeypadRules(sensitive=sensitive)),
        plan=FailoverPlan(names or ("a",), sentence, waiting, PCMU_8K),
    )


def follow(call: Call, transcript: Sequence[Row]) -> None:
    for when, event, commands in transcript:
        assert call.handle(event, when) == list(commands), f"at {when}: {event}"


def talking(call: Call, *then: Row) -> None:
    """The assistant has the call from 0.5 s on, and is lost at 1 s; it is opened again at once, and refuses."""
    follow(
        call,
        [
            (0.0, START, [opened("a")]),
            (0.5, READY, []),
            (1.0, LOST, [again("a")]),
            (1.0, REFUSED, [retry(0.25)]),
            *then,
        ],
    )


# What the caller hears meanwhile


def test_the_caller_hears_a_signal_once_and_then_the_reply_at_once() -> None:
    talking(
        waiting := call(waiting=SIGNAL),
        (1.25, PASSED, [again("a")]),
        (1.25, refusal(4.0), [retry(4.5, "HTTP 429")]),
        (3.0, PASSED, [PlayAudio(SIGNAL), SendMark("0.1")]),
        (3.2, MarkReached("0.1"), []),
        (5.75, PASSED, [again("a")]),
        (5.75, REFUSED, [retry(1.0)]),
        (6.75, PASSED, [again("a")]),
        (6.8, READY, []),
        (6.9, ReplyAudio("r", REPLY), [PlayAudio(REPLY)]),
        (6.9, ReplyEnded("r"), [SendMark("0.2")]),
        (7.0, MarkReached("0.2"), [ConfirmHeard("r")]),
        # and once more when it is lost once more
        (8.0, LOST, [retry(2.0, LOST.reason)]),
        (10.0, PASSED, [PlayAudio(SIGNAL), SendMark("0.3"), again("a")]),
    )
    assert waiting.counts()["assistants_lost"] == 5


def test_a_signal_that_still_sounds_does_not_delay_the_reply() -> None:
    talking(
        call(waiting=SIGNAL * 5),
        (1.25, PASSED, [again("a")]),
        (1.25, REFUSED, [retry(0.5)]),
        (1.75, PASSED, [again("a")]),
        (3.0, PASSED, played(5)),
        (3.1, READY, []),  # nothing to say yet: the signal goes on
        (3.3, MarkReached("0.1"), []),
        (3.5, ReplyAudio("r", REPLY), [ClearPlayback(4000), PlayAudio(REPLY)]),
        (3.5, ReplyEnded("r"), [SendMark("1.6")]),
        (3.6, MarkReached("1.6"), [ConfirmHeard("r")]),  # and nothing about the signal
    )


def played(times: int) -> list[Command]:
    """So many times 200 ms, each with its mark."""
    return [each for number in range(times) for each in (PlayAudio(SIGNAL), SendMark(f"0.{number + 1}"))]


def test_a_caller_who_speaks_stops_the_signal_when_somebody_hears_it() -> None:
    talking(
        stopped := call(waiting=SIGNAL * 5),
        (1.25, PASSED, [again("a")]),
        (3.0, PASSED, played(5)),
        (3.0, READY, []),
        (3.1, SpeechStarted(), [ClearPlayback(8000 - 800)]),
    )
    assert "barge_ins" not in stopped.counts()


def test_the_signal_comes_before_the_first_assistant_is_ready_too() -> None:
    follow(
        call(waiting=SIGNAL),
        [
            (0.0, START, [opened("a")]),
            (0.1, refusal(4.0), [retry(4.5, "HTTP 429")]),
            (1.9, PASSED, []),
            (2.0, PASSED, [PlayAudio(SIGNAL), SendMark("0.1")]),
            (2.1, DigitPressed("1"), []),
            (4.6, PASSED, [opened("a")]),
            (4.7, READY, [TypeDigit("1")]),
            (4.8, ReplyAudio("hello", REPLY), [PlayAudio(REPLY)]),  # the mark is late; it was played
        ],
    )


def test_a_first_try_that_hangs_is_followed_by_the_signal() -> None:
    late = "it was not ready in time"
    follow(
        call(waiting=SIGNAL),
        [
            (0.0, START, [opened("a")]),
            (5.0, PASSED, [CloseAssistant(late), retry(0.25, late), PlayAudio(SIGNAL), SendMark("0.1")]),
        ],
    )


def test_the_signal_waits_for_what_the_lost_assistant_said() -> None:
    follow(
        call(waiting=SIGNAL),
        [
            (0.0, START, [opened("a")]),
            (0.5, READY, []),
            (1.0, ReplyAudio("r", SIGNAL * 15), played(15)),
            (1.0, LOST, [again("a")]),
            (1.0, REFUSED, [retry(0.25)]),
            (1.25, PASSED, [again("a")]),
            (3.0, PASSED, []),
            (4.0, PASSED, [PlayAudio(SIGNAL), SendMark("0.16")]),
        ],
    )


def test_the_signal_comes_once_though_the_fallback_is_refused_as_well() -> None:
    follow(
        call("a", "b", retry_s=2.5, waiting=SIGNAL, sentence=SENTENCE),
        [
            (0.0, START, [opened("a")]),
            (0.1, refusal(2.4), [retry(2.4, "HTTP 429")]),
            (2.0, PASSED, [PlayAudio(SIGNAL), SendMark("0.1")]),
            (2.2, MarkReached("0.1"), []),
            (2.5, PASSED, [opened("a")]),
            (2.5, REFUSED, [opened("b")]),
            (2.6, refusal(2.0), [retry(2.25, "HTTP 429", "b")]),
            (4.85, PASSED, [opened("b")]),
            (4.9, FINAL, [PlayAudio(SENTENCE), SendMark("0.2")]),
        ],
    )


def test_the_failover_announcement_does_not_wait_for_the_signal() -> None:
    talking(
        call(waiting=SIGNAL * 5, sentence=SENTENCE),
        (1.25, PASSED, [again("a")]),
        (3.0, PASSED, played(5)),
        (3.1, FINAL, [ClearPlayback(8000 - 800), PlayAudio(SENTENCE), SendMark("1.6")]),
        (3.2, MarkReached("1.6"), [ConfirmHeard("sentence"), ENDED]),
    )


@pytest.mark.parametrize("silent", [call(waiting=SIGNAL, after_s=0.0), call(waiting=b"")])
def test_the_signal_can_be_left_out(silent: Call) -> None:
    talking(
        silent,
        (1.25, PASSED, [again("a")]),
        (5.0, PASSED, []),
    )


def test_a_quick_recovery_has_no_signal() -> None:
    talking(call(waiting=SIGNAL), (1.25, PASSED, [again("a")]), (2.9, READY, []), (5.0, PASSED, []))


# Everything else works during the wait

WAIT = (1.0, refusal(9.0), [retry(9.0 * 1.125, "HTTP 429")])


def waits(waiting: Call, *then: Row) -> None:
    """The assistant has said something, is lost, and asks for nine seconds."""
    follow(waiting, [(0.0, START, [opened("a")]), (0.5, READY, []), WAIT, *then])


@pytest.mark.parametrize(
    ("event", "commands"),
    [
        (CloseRequested("the server stops"), [HangUp(1001, "the server stops")]),
        (CallEnded(), [HangUp(1000, "the call ended")]),
    ],
)
def test_the_call_can_end_in_the_wait(event: Event, commands: list[Command]) -> None:
    quiet = call()
    waits(quiet, (1.5, event, commands))
    assert quiet.deadline() is None
    sounding = call(waiting=SIGNAL * 5)
    waits(sounding, (3.0, PASSED, played(5)))
    came = sounding.handle(event, 3.1)
    assert came[-1:] == commands, "it does not wait for the signal"
    assert sounding.deadline() is None


def test_the_call_reaches_its_longest_duration_in_the_wait() -> None:
    long = call(retry_s=1000.0)
    follow(
        long,
        [
            (0.0, START, [opened("a")]),
            (0.1, refusal(800.0), [retry(900.0, "HTTP 429")]),
            (600.0, PASSED, [HangUp(1000, "the call reached its longest duration")]),
        ],
    )
    assert long.deadline() is None


def test_the_stream_can_drop_and_come_back_in_the_wait() -> None:
    waits(
        call(waiting=SIGNAL),
        (2.0, BROKEN, []),
        (3.0, PASSED, []),  # nobody would hear the signal
        (3.5, BACK, []),
        (4.0, PASSED, [PlayAudio(SIGNAL), SendMark("0.1")]),
        (11.125, PASSED, [again("a")]),
        (11.2, READY, []),
        (11.3, ReplyAudio("r", REPLY), [PlayAudio(REPLY)]),
    )


def test_the_assistant_can_come_back_while_the_stream_is_dropped() -> None:
    waits(
        call(),
        (8.0, BROKEN, []),
        (11.125, PASSED, [again("a")]),
        (11.2, READY, []),
        (11.3, ReplyAudio("r", REPLY), []),
        (11.5, BACK, [PlayAudio(REPLY)]),
    )


def test_a_stream_that_drops_for_good_ends_the_wait() -> None:
    dropped = call()
    waits(
        dropped,
        (2.0, BROKEN, []),
        (12.1, PASSED, [again("a"), CloseAssistant(), HangUp(1008, "the carrier's stream broke and did not come back")]),
    )  # fmt: skip
    assert dropped.deadline() is None


def test_what_the_caller_says_in_the_wait_is_dropped_and_keys_are_kept() -> None:
    waits(
        call(),
        *((1.1 + number / 50, CallerAudio(FRAME, number * 20), []) for number in range(400)),
        (9.2, DigitPressed("1"), []),
        (9.3, DigitPressed("2"), []),
        (11.125, PASSED, [again("a")]),
        (11.2, READY, [TypeDigit("1"), TypeDigit("2")]),
        (13.2, PASSED, [EnterDigits("12")]),
    )


def test_what_the_caller_says_before_the_first_assistant_is_ready_is_kept_within_bounds() -> None:
    early = call()
    follow(
        early,
        [
            (0.0, START, [opened("a")]),
            (0.0, refusal(8.0), [retry(9.0, "HTTP 429")]),
            *((number / 50, CallerAudio(FRAME, number * 20), []) for number in range(450)),
            (9.0, PASSED, [opened("a")]),
            (9.01, READY, [AppendAudio(FRAME)] * 100),
        ],
    )
    assert early.counts()["dropped_while_opening"] == 350


def test_sensitive_keys_stay_sensitive_in_the_wait() -> None:
    follow(
        call(sensitive=True),
        [
            (0.0, START, [SetSensitive(True), opened("a")]),
            (0.5, READY, []),
            (0.6, DigitPressed("1"), []),
            WAIT,
            (1.5, DigitPressed("2"), []),
            (11.125, PASSED, [again("a")]),
            (11.2, READY, []),
            (13.2, PASSED, [EnterDigits("12", placeholder="entry-1")]),
        ],
    )
