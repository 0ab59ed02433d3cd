"""What a call does when the server is about to stop, as call transcripts: when, what came, what we do."""

from collections.abc import Sequence

import pytest

from bridge.core.call import Call
from bridge.core.dialogue import DialogueRules
from bridge.core.entries import KeypadRules
from bridge.core.failover import FailoverPlan
from bridge.core.keypad import EntryRules
from bridge.core.states import State
from bridge.core.timers import Limits
from bridge.vocabulary.commands import (
    ClearPlayback,
    CloseAssistant,
    Command,
    ConfirmHeard,
    EnterDigits,
    HangUp,
    OpenAssistant,
    PlayAudio,
    RetryAssistant,
    RunTool,
    SendMark,
    SetSensitive,
    TruncateReply,
    TypeDigit,
)
from bridge.vocabulary.events import (
    AssistantHangingUp,
    AssistantReady,
    CallEnded,
    CallerAudio,
    CallStarted,
    CloseRequested,
    DigitPressed,
    EntryEnd,
    EntryRequested,
    Event,
    GoodbyeRequested,
    LegLost,
    LegName,
    MarkReached,
    Opening,
    ReplyAudio,
    ReplyEnded,
    SpeechStarted,
    SpeechStopped,
    TimePassed,
    ToolAnswered,
    ToolCalled,
)
from telecodecs.format import PCMU_8K

START = CallStarted("CA1", "MZ1", PCMU_8K)
BACK = CallStarted("CA1", "MZ2", PCMU_8K)
READY = AssistantReady(PCMU_8K, PCMU_8K)
FRAME = bytes(range(160))
FIFTH = FRAME * 10
SILENCE = b"\xff" * 160
BYE = b"\x42" * 160
SIGNAL = b"\x40" * 1600
STOP = GoodbyeRequested("the server is closing", within_s=10)
PASSED = TimePassed()
CLOSED = HangUp(1001, "the server is closing")
LOST = LegLost(LegName.ASSISTANT, 1006, "it broke")
REFUSED = LegLost(LegName.ASSISTANT, 1013, "HTTP 503")
BROKEN = LegLost(LegName.CARRIER, 1006)

Row = tuple[float, Event, Sequence[Command]]


def opened(opening: Opening = Opening.FIRST) -> OpenAssistant:
    return OpenAssistant("CA1", PCMU_8K, {}, "a", opening)


def call(goodbye: bytes = BYE, *, sensitive: bool = False, quiet_s: float = 2.0) -> Call:
    keypad = KeypadRules(EntryRules(quiet_s=quiet_s), sensitive=sensitive)
    return Call(
        0.0,
        Limits(silent_s=10_000, longest_s=600, resume_s=10),
        DialogueRules(reorder_ms=0, keypad=keypad),
        plan=FailoverPlan(("a",), waiting=SIGNAL, spoken=PCMU_8K, goodbye=goodbye),
    )


def follow(call: Call, transcript: Sequence[Row]) -> None:
    for when, event, commands in transcript:
        assert call.handle(event, when) == list(commands), f"at {when}: {event}"


GOODBYE: list[Command] = [CloseAssistant(), PlayAudio(BYE), SendMark("0.1")]
"""What a call does that nobody speaks in."""

SAID: list[Command] = [ConfirmHeard("sentence"), CLOSED]
"""What it does when the caller has heard that."""

TALKING: list[tuple[str, bytes, list[Row]]] = [
    (
        "nobody speaks",
        BYE,
        [
            (1.0, STOP, GOODBYE),
            (1.01, CallerAudio(FRAME, 0), []),
            (1.1, MarkReached("0.1"), SAID),
        ],
    ),
    ("nobody speaks, and no goodbye is set", b"", [(1.0, STOP, [CloseAssistant(), CLOSED])]),
    (
        "a reply ends first",
        BYE,
        [
            (1.0, ReplyAudio("r", FRAME), [PlayAudio(FRAME)]),
            (1.0, STOP, []),
            (1.2, ReplyAudio("r", FRAME), [PlayAudio(FRAME)]),
            (1.3, ReplyEnded("r"), [SendMark("0.1")]),
            (1.35, MarkReached("0.1"), [ConfirmHeard("r")]),
            (1.4, PASSED, [CloseAssistant(), PlayAudio(BYE), SendMark("0.2")]),
            (1.5, MarkReached("0.2"), SAID),
        ],
    ),
    (
        "a reply that does not end in time is cut, and what was heard of it is told",
        BYE,
        [
            (10.9, ReplyAudio("r", FIFTH), [PlayAudio(FIFTH), SendMark("0.1")]),
            (10.95, STOP, []),
            (20.94, ReplyAudio("r", FIFTH), [PlayAudio(FIFTH), SendMark("0.2")]),
            (
                20.95,
                PASSED,
                [
                    ClearPlayback(1520),
                    TruncateReply("r", heard_ms=210),
                    CloseAssistant(),
                    PlayAudio(BYE),
                    SendMark("1.3"),
                ],
            ),
            (21.0, ReplyAudio("r", FRAME), []),
            (21.0, MarkReached("1.3"), SAID),
        ],
    ),
    (
        "without a goodbye, a reply that does not end in time is cut as well",
        b"",
        [
            (1.0, ReplyAudio("r", FIFTH), [PlayAudio(FIFTH), SendMark("0.1")]),
            (1.1, GoodbyeRequested("the server is closing", within_s=0), [
                ClearPlayback(800), TruncateReply("r", heard_ms=100), CloseAssistant(), CLOSED,
            ]),
        ],
    ),
    (
        "a caller in mid-sentence is heard to the end, and gets a reply",
        BYE,
        [
            (1.0, SpeechStarted(), []),
            (1.5, STOP, []),
            (1.7, PASSED, []),
            (2.0, SpeechStopped(), []),
            (2.9, ReplyAudio("r", FRAME), [PlayAudio(FRAME)]),
            (2.9, ReplyEnded("r"), [SendMark("0.1")]),
            (3.0, MarkReached("0.1"), [ConfirmHeard("r")]),
            (3.1, PASSED, [CloseAssistant(), PlayAudio(BYE), SendMark("0.2")]),
        ],
    ),
    (
        "a caller who gets no reply does not wait for it for long",
        BYE,
        [
            (1.0, SpeechStarted(), []),
            (1.5, STOP, []),
            (2.0, SpeechStopped(), []),
            (6.9, PASSED, []),
            (7.2, PASSED, GOODBYE),
        ],
    ),
    (
        "a caller who does not stop speaking",
        BYE,
        [(1.0, SpeechStarted(), []), (1.5, STOP, []), (11.4, PASSED, []), (11.5, PASSED, GOODBYE)],
    ),
    (
        "an interruption works up to the goodbye",
        BYE,
        [
            (1.0, ReplyAudio("r", FIFTH), [PlayAudio(FIFTH), SendMark("0.1")]),
            (1.05, STOP, []),
            (1.1, SpeechStarted(), [ClearPlayback(800), TruncateReply("r", heard_ms=100)]),
        ],
    ),
    (
        "a tool that runs",
        BYE,
        [
            (1.0, ToolCalled("t1", "look_up", "{}"), [RunTool("t1", "look_up", "{}")]),
            (1.1, STOP, []),
            (11.0, PASSED, []),
            (11.1, PASSED, GOODBYE),
            (11.2, ToolAnswered("t1", "{}"), []),
        ],
    ),
    (
        "an entry is finished, and answered",
        BYE,
        [
            (1.0, DigitPressed("4"), [TypeDigit("4")]),
            (1.1, STOP, []),
            (1.2, DigitPressed("#"), [TypeDigit("#"), EnterDigits("4", EntryEnd.TERMINATOR, "#")]),
            (2.0, ReplyAudio("r", FRAME), [PlayAudio(FRAME)]),
            (2.0, ReplyEnded("r"), [SendMark("0.1")]),
            (2.1, MarkReached("0.1"), [ConfirmHeard("r")]),
            (2.2, PASSED, [CloseAssistant(), PlayAudio(BYE), SendMark("0.2")]),
        ],
    ),
    (
        "an assistant that is hanging up says its own goodbye",
        BYE,
        [
            (1.0, AssistantHangingUp(intended=True), []),
            (1.1, STOP, []),
            (1.5, ReplyAudio("bye", FRAME), [PlayAudio(FRAME)]),
            (1.6, ReplyEnded("bye"), [SendMark("0.1")]),
            (1.6, CloseRequested("the assistant hung up", 1000), []),
            (
                1.7,
                MarkReached("0.1"),
                [ConfirmHeard("bye"), CloseAssistant(), HangUp(1000, "the assistant hung up")],
            ),
        ],
    ),
    (
        "an assistant that is hanging up when the time is up is heard",
        BYE,
        [
            (1.0, AssistantHangingUp(intended=True), []),
            (1.1, STOP, []),
            (11.0, ReplyAudio("bye", FRAME), [PlayAudio(FRAME)]),
            (11.1, PASSED, [SendMark("0.1")]),
            (11.2, MarkReached("0.1"), [ConfirmHeard("bye"), CloseAssistant(), CLOSED]),
        ],
    ),
    (
        "an assistant that was kept from hanging up",
        BYE,
        [
            (1.0, AssistantHangingUp(intended=True), []),
            (1.1, STOP, []),
            (1.2, AssistantHangingUp(intended=False), []),
            (1.3, PASSED, GOODBYE),
        ],
    ),
    (
        "an assistant that is lost meanwhile is not waited for",
        BYE,
        [
            (1.0, ReplyAudio("r", FRAME), [PlayAudio(FRAME)]),
            (1.1, STOP, []),
            (1.2, LOST, [SendMark("0.1"), opened(Opening.RECOVERED)]),
            (1.25, MarkReached("0.1"), [ConfirmHeard("r")]),
            (1.3, PASSED, [CloseAssistant(), PlayAudio(BYE), SendMark("0.2")]),
        ],
    ),
    (
        "a caller who hangs up meanwhile",
        BYE,
        [
            (1.0, SpeechStarted(), []),
            (1.1, STOP, []),
            (1.2, CallEnded(), [CloseAssistant(), HangUp(1000, "the call ended")]),
        ],
    ),
    (
        "a stream that is away may come back in time",
        BYE,
        [
            (1.0, BROKEN, []),
            (1.1, STOP, []),
            (3.0, BACK, []),
            (3.3, PASSED, GOODBYE),
        ],
    ),
    (
        "a stream that stays away",
        BYE,
        [(5.0, BROKEN, []), (5.1, GoodbyeRequested("the server is closing", 2), []), (7.1, PASSED, [CloseAssistant(), CLOSED])],
    ),
    (
        "a goodbye whose mark never comes",
        BYE,
        [(1.0, STOP, GOODBYE), (6.1, PASSED, [CLOSED])],
    ),
    (
        "who closes and says goodbye gets both only once",
        BYE,
        [(1.0, STOP, GOODBYE), (1.01, STOP, []), (1.02, CloseRequested("again"), []), (1.1, MarkReached("0.1"), SAID)],
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("goodbye", "transcript"), [row[1:] for row in TALKING], ids=[row[0] for row in TALKING]
)
def test_while_an_assistant_has_the_call(goodbye: bytes, transcript: list[Row]) -> None:
    one = call(goodbye)
    follow(one, [(0.0, START, [opened()]), (0.0, READY, []), *transcript])


def test_a_caller_is_not_cut_before_time_and_the_call_wakes_by_itself() -> None:
    one = call()
    follow(one, [(0.0, START, [opened()]), (0.0, READY, []), (1.0, SpeechStarted(), []), (1.5, STOP, [])])
    looks = []
    while one.state is State.TALKING:
        due = one.deadline()
        assert due is not None
        looks.append(due)
        one.handle(PASSED, due)
    assert looks[-1] == 11.5
    assert len(looks) <= 51


OPENING: list[tuple[str, list[Row]]] = [
    ("an assistant is opened", [(0.0, START, [opened()]), (0.5, STOP, GOODBYE), (0.6, MarkReached("0.1"), SAID)]),
    (
        "an assistant is tried again",
        [
            (0.0, START, [opened()]),
            (0.5, REFUSED, [RetryAssistant("a", 0.25, "HTTP 503")]),
            (0.6, STOP, [PlayAudio(BYE), SendMark("0.1")]),
            (0.9, PASSED, []),
            (1.0, MarkReached("0.1"), SAID),
        ],
    ),
    (
        "the waiting signal is cut",
        [
            (0.0, START, [opened()]),
            (1.9, REFUSED, [RetryAssistant("a", 0.25, "HTTP 503")]),
            (2.0, PASSED, [PlayAudio(SIGNAL), SendMark("0.1")]),
            (2.1, STOP, [ClearPlayback(800), PlayAudio(BYE), SendMark("1.2")]),
        ],
    ),
    (
        "the last words of an assistant that was lost are heard",
        [
            (0.0, START, [opened()]),
            (0.0, READY, []),
            (1.0, ReplyAudio("r", FRAME), [PlayAudio(FRAME)]),
            (1.0, LOST, [SendMark("0.1"), opened(Opening.RECOVERED)]),
            (1.0, STOP, []),
            (1.1, MarkReached("0.1"), [ConfirmHeard("r")]),
            (1.2, PASSED, [CloseAssistant(), PlayAudio(BYE), SendMark("0.2")]),
        ],
    ),
]  # fmt: skip


@pytest.mark.parametrize("transcript", [row[1] for row in OPENING], ids=[row[0] for row in OPENING])
def test_while_no_assistant_has_the_call(transcript: list[Row]) -> None:
    follow(call(), transcript)


def test_calls_that_nobody_speaks_in_end_at_once() -> None:
    waiting = call()
    follow(waiting, [(1.0, STOP, [CLOSED])])
    assert waiting.state is State.ENDED
    listening = call()
    started = CallStarted("CA1", "MZ1", PCMU_8K, ("inbound",), one_way=True)
    follow(listening, [(0.0, started, []), (1.0, STOP, [CLOSED])])
    assert listening.state is State.ENDED


def test_a_sensitive_entry_is_waited_for_and_then_passed_on_as_it_is() -> None:
    one = call(sensitive=True, quiet_s=30)
    request = EntryRequested(length=4, timeout_s=120, request_id="q", sensitive=True)
    follow(
        one,
        [
            (0.0, START, [SetSensitive(on=True), opened()]),
            (0.0, READY, []),
            (1.0, request, []),
            (1.5, DigitPressed("1"), []),
            (2.0, STOP, []),
            (6.0, DigitPressed("2"), []),
            (6.1, PASSED, []),
        ],
    )
    commands = one.handle(PASSED, 12.0)
    (entry,) = [command for command in commands if isinstance(command, EnterDigits)]
    assert (entry.digits, entry.reason, entry.request_id) == ("12", EntryEnd.HANGUP, "q")
    assert entry.placeholder
    assert commands[-2:] == [PlayAudio(BYE), SendMark("0.1")]
    assert CloseAssistant() in commands
