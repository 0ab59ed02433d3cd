"""`Call`, as call transcripts: when, what came, what we do."""

from collections.abc import Sequence

import pytest

from bridge.core.call import Call
from bridge.core.dialogue import DialogueRules
from bridge.core.states import State
from bridge.core.timers import Limits
from bridge.vocabulary.commands import (
    AppendAudio,
    ClearPlayback,
    CloseAssistant,
    Command,
    ConfirmHeard,
    DropReply,
    EnterDigits,
    HangUp,
    OpenAssistant,
    PlayAudio,
    RetryAssistant,
    SendMark,
    TruncateReply,
    TypeDigit,
)
from bridge.vocabulary.events import (
    AssistantFailed,
    AssistantReady,
    CallEnded,
    CallerAudio,
    CallStarted,
    CloseRequested,
    DigitPressed,
    EntryEnd,
    Event,
    Ignored,
    LegLost,
    LegName,
    MarkReached,
    MessageRefused,
    OtherPartyAudio,
    ReplyAudio,
    ReplyEnded,
    SpeechStarted,
    SpeechStopped,
    TimePassed,
)
from telecodecs.format import L16_24K, PCMU_8K, AudioFormat

START = CallStarted("CA1", "MZ1", PCMU_8K)
READY = AssistantReady(PCMU_8K, PCMU_8K)
OPEN = OpenAssistant("CA1", PCMU_8K)
FRAME = bytes(range(160))
FIFTH = FRAME * 10  # 200 ms
SILENCE = b"\xff"

Row = tuple[float, Event, Sequence[Command]]


def waiting(expected: str | None = None, *, silent_s: float = 60.0) -> Call:
    return Call(
        0.0,
        Limits(start_s=10, open_s=5, silent_s=silent_s, longest_s=600, retry_s=6),
        DialogueRules(reorder_ms=40),
        expected=expected,
    )


def talking(*, silent_s: float = 60.0) -> Call:
    call = waiting(silent_s=silent_s)
    call.handle(START, 0.0)
    call.handle(READY, 0.0)
    return call


def follow(call: Call, transcript: Sequence[Row]) -> None:
    for when, event, commands in transcript:
        assert call.handle(event, when) == list(commands), f"at {when}: {event}"


def test_a_whole_call() -> None:
    call = waiting()
    follow(
        call,
        [
            (0.0, Ignored("connected"), []),
            (0.1, START, [OPEN]),
            (0.2, READY, []),
            (0.3, CallerAudio(FRAME, 0), [AppendAudio(FRAME)]),
            (0.4, DigitPressed("4"), [TypeDigit("4")]),
            (0.41, ReplyAudio("hello", FIFTH), [PlayAudio(FIFTH), SendMark("0.1")]),
            (0.42, ReplyAudio("hello", FRAME[:80]), []),  # half a frame waits for the rest
            (0.42, ReplyEnded("hello"), [PlayAudio(FRAME[:80] + SILENCE * 80), SendMark("0.2")]),
            (0.5, TimePassed(), [AppendAudio(SILENCE * 1600)]),  # the carrier pauses
            (0.6, TimePassed(), [AppendAudio(SILENCE * 800)]),
            (0.61, MarkReached("0.1"), []),
            (0.63, MarkReached("0.2"), [ConfirmHeard("hello")]),
            (0.64, SpeechStopped(), []),
            (
                0.65,
                CallEnded(),
                [EnterDigits("4", EntryEnd.HANGUP), CloseAssistant(), HangUp(1000, "the call ended")],
            ),
            (0.65, LegLost(LegName.CARRIER, 1000), []),
        ],
    )
    assert call.state is State.ENDED
    assert call.deadline() is None
    assert call.counts() == {"digits": 1, "paused_ms": 300}


def test_barge_in() -> None:
    call = talking()
    second = FIFTH * 5
    sent = [SendMark(f"0.{n}") for n in range(1, 6)]
    follow(
        call,
        [
            (1.0, ReplyAudio("item_1", second), [word for mark in sent for word in (PlayAudio(FIFTH), mark)]),
            (1.20, MarkReached("0.1"), []),
            (1.30, SpeechStarted(), [ClearPlayback(8000 - 2400), TruncateReply("item_1", heard_ms=300)]),
            (1.32, MarkReached("0.2"), []),  # the clear sends them back; they prove nothing
            (1.32, MarkReached("0.3"), []),
            (1.33, ReplyAudio("item_1", FRAME), []),  # was under way
            (1.34, SpeechStarted(), []),
            (1.40, ReplyEnded("item_1"), []),
            (2.00, ReplyAudio("item_2", FRAME), [PlayAudio(FRAME)]),
            (2.01, ReplyEnded("item_2"), [SendMark("1.6")]),
        ],
    )
    assert call.counts() == {"barge_ins": 1, "late_replies": 1}


def test_what_waits_behind_an_interrupted_reply_is_dropped() -> None:
    follow(
        talking(),
        [
            (1.0, ReplyAudio("a", FIFTH), [PlayAudio(FIFTH), SendMark("0.1")]),
            (1.0, ReplyEnded("a"), []),
            (1.0, ReplyAudio("b", FRAME), [PlayAudio(FRAME)]),
            (
                1.1,
                SpeechStarted(),
                [ClearPlayback(160 + 800), TruncateReply("a", heard_ms=100), DropReply("b")],
            ),
            (1.1, ReplyAudio("b", FRAME), []),
        ],
    )


def test_a_new_item_ends_the_one_before() -> None:
    follow(
        talking(),
        [
            (1.0, ReplyAudio("a", FRAME + b"\x55"), [PlayAudio(FRAME)]),
            (
                1.1,
                ReplyAudio("b", FRAME),
                [PlayAudio(b"\x55" + SILENCE * 159), SendMark("0.1"), PlayAudio(FRAME)],
            ),
        ],
    )


def test_what_the_caller_does_while_the_assistant_opens_is_kept_and_the_oldest_goes() -> None:
    call = waiting()
    call.handle(START, 0.0)
    for n in range(105):
        assert call.handle(CallerAudio(FRAME, n * 20), n * 0.02) == []
    assert call.handle(DigitPressed("7"), 2.1) == []
    commands = call.handle(READY, 2.2)
    assert commands == [AppendAudio(FRAME)] * 100 + [TypeDigit("7")]
    assert call.counts()["dropped_while_opening"] == 5


def test_a_lost_frame_becomes_silence_when_its_time_is_up() -> None:
    call = talking()
    follow(
        call,
        [
            (1.00, CallerAudio(FRAME, 0), [AppendAudio(FRAME)]),
            (1.04, CallerAudio(FRAME, 40), []),
        ],
    )
    assert call.deadline() == pytest.approx(1.08)
    follow(call, [(1.08, TimePassed(), [AppendAudio(SILENCE * 160), AppendAudio(FRAME)])])
    assert call.counts() == {"holes": 1, "filled_ms": 20}


def test_frames_that_changed_places_change_back() -> None:
    follow(
        talking(),
        [
            (1.00, CallerAudio(FRAME, 0), [AppendAudio(FRAME)]),
            (1.04, CallerAudio(FIFTH[:160], 40), []),
            (1.05, CallerAudio(FRAME[::-1], 20), [AppendAudio(FRAME[::-1]), AppendAudio(FRAME)]),
            (1.06, CallerAudio(FRAME, 60), [AppendAudio(FRAME)]),
            (1.07, CallerAudio(FRAME, 60), []),
        ],
    )


def test_a_stream_that_only_listens_is_never_spoken_into() -> None:
    call = waiting()
    follow(
        call,
        [
            (0.0, CallStarted("CA1", "MZ1", PCMU_8K, ("inbound", "outbound"), one_way=True), []),
            (0.1, CallerAudio(FRAME, 0), []),
            (0.1, OtherPartyAudio(FRAME, 0), []),
            (0.2, CloseRequested("the server is closing"), [HangUp(1001, "the server is closing")]),
        ],
    )


def test_converts_where_the_formats_differ() -> None:
    call = waiting()
    call.handle(START, 0.0)
    call.handle(AssistantReady(L16_24K, L16_24K), 0.0)
    (heard,) = call.handle(CallerAudio(SILENCE * 160, 0), 0.0)
    assert heard == AppendAudio(bytes(960))
    played = call.handle(ReplyAudio("a", bytes(960 + 480)), 0.1)
    assert played == [PlayAudio(SILENCE * 160)]


def test_a_format_that_cannot_be_converted_ends_the_call() -> None:
    call = waiting()
    call.handle(START, 0.0)
    close, hang_up = call.handle(AssistantReady(AudioFormat(L16_24K.encoding, 11_025), L16_24K), 0.1)
    assert isinstance(close, CloseAssistant)
    assert "rate 11025" in close.why
    assert hang_up == HangUp(1011, "the assistant was lost")


ENDINGS: list[tuple[str, Call, list[Row]]] = [
    ("no start", waiting(), [(10.0, TimePassed(), [HangUp(1008, "the carrier never said start")])]),
    (
        "a token for another call",
        waiting(expected="CA2"),
        [(1.0, START, [HangUp(1008, "the token was made for another call")])],
    ),
    (
        "no assistant",
        waiting(expected="CA1"),
        [
            (0.0, START, [OPEN]),
            (
                5.0,
                TimePassed(),
                [
                    CloseAssistant("it was not ready in time"),
                    RetryAssistant("", 0.25, "it was not ready in time"),
                ],
            ),
            (5.25, TimePassed(), [OPEN]),
            (
                6.25,
                TimePassed(),
                [CloseAssistant("it was not ready in time"), HangUp(1011, "the assistant was lost")],
            ),
        ],
    ),
    ("a socket that dies", talking(), [(1.0, LegLost(LegName.CARRIER, 1006), [CloseAssistant()])]),
    (
        "a carrier that falls silent",
        talking(),
        [
            (50.0, CallerAudio(FRAME, 0), [AppendAudio(FRAME)]),
            (50.2, TimePassed(), [AppendAudio(SILENCE * 1600)]),
            (60.0, TimePassed(), []),  # late: what came meanwhile is read first
            (60.2, TimePassed(), [AppendAudio(SILENCE * 80_000)]),
            (109.99, TimePassed(), []),
            (110.0, TimePassed(), [CloseAssistant(), HangUp(1001, "the carrier sends nothing any more")]),
        ],
    ),
    (
        "the longest call",
        talking(silent_s=1000),
        [
            (600.0, TimePassed(), [CloseAssistant(), HangUp(1000, "the call reached its longest duration")]),
        ],
    ),
    (
        "last words, then the end",
        talking(),
        [
            (1.0, ReplyAudio("bye", FRAME), [PlayAudio(FRAME)]),
            (1.0, CloseRequested("that was all"), [SendMark("0.1")]),
            (1.01, CallerAudio(FRAME, 0), []),
            (1.01, ReplyAudio("more", FRAME), []),
            (1.02, MarkReached("0.1"), [ConfirmHeard("bye"), CloseAssistant(), HangUp(1001, "that was all")]),
        ],
    ),
    (
        "last words whose mark never comes",
        talking(),
        [
            (1.0, ReplyAudio("bye", FRAME), [PlayAudio(FRAME)]),
            (1.0, CloseRequested("that was all"), [SendMark("0.1")]),
            (6.02, TimePassed(), [CloseAssistant(), HangUp(1001, "that was all")]),
        ],
    ),
    (
        "the assistant is lost for good in mid-sentence",
        talking(),
        [
            (1.0, ReplyAudio("so", FRAME), [PlayAudio(FRAME)]),
            (1.0, AssistantFailed("no more money", final=True), [SendMark("0.1"), CloseAssistant()]),
            (
                1.1,
                MarkReached("0.1"),
                [ConfirmHeard("so"), HangUp(1011, "the assistant was lost")],
            ),
        ],
    ),
    (
        "the caller does not wait for the last words",
        talking(),
        [
            (1.0, ReplyAudio("so", FRAME), [PlayAudio(FRAME)]),
            (1.0, CloseRequested("that was all"), [SendMark("0.1")]),
            (1.01, LegLost(LegName.CARRIER, 1006), [CloseAssistant()]),
        ],
    ),
]


@pytest.mark.parametrize(
    ("call", "transcript"), [row[1:] for row in ENDINGS], ids=[row[0] for row in ENDINGS]
)
def test_endings(call: Call, transcript: list[Row]) -> None:
    follow(call, transcript)
    assert call.state is State.ENDED
    assert call.deadline() is None
    assert call.handle(CallerAudio(FRAME, 0), 700.0) == []


OUT_OF_PLACE: list[tuple[str, Call, Event]] = [
    ("media before start", waiting(), CallerAudio(FRAME, 0)),
    ("a mark before start", waiting(), MarkReached("0.1")),
    ("a second start", talking(), START),
    ("a reply before the assistant is ready", waiting(), ReplyAudio("a", FRAME)),
]


@pytest.mark.parametrize(
    ("call", "event"), [row[1:] for row in OUT_OF_PLACE], ids=[row[0] for row in OUT_OF_PLACE]
)
def test_what_comes_out_of_place_is_counted_and_has_no_effect(call: Call, event: Event) -> None:
    before = call.state
    assert call.handle(event, 1.0) == []
    assert call.state is before
    assert call.counts() == {"out_of_place": 1}


def test_refused_messages_and_stray_marks_are_counted() -> None:
    call = talking()
    follow(
        call,
        [
            (1.0, MessageRefused(LegName.CARRIER, "rubbish"), []),
            (1.0, MessageRefused(LegName.ASSISTANT, "rubbish"), []),
            (1.0, MarkReached("never sent"), []),
        ],
    )
    assert call.counts() == {"refused_from_carrier": 1, "refused_from_assistant": 1, "stray_marks": 1}
