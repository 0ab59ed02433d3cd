"""Keys and entries, as call transcripts: when, what came, what we do."""

from collections.abc import Sequence

import pytest

from bridge.core.call import Call
from bridge.core.dialogue import DialogueRules
from bridge.core.entries import KeypadRules
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
    SendMark,
    SetSensitive,
    TypeDigit,
)
from bridge.vocabulary.events import (
    AssistantReady,
    CallEnded,
    CallerAudio,
    CallStarted,
    DigitPressed,
    EntryEnd,
    EntryRequested,
    Event,
    MarkReached,
    ReplyAudio,
    ReplyEnded,
    TimePassed,
)
from telecodecs.codec import encoder
from telecodecs.dtmf import tones
from telecodecs.format import PCMU_8K

FRAME = bytes(range(160))
SILENCE = b"\xff"
READY = AssistantReady(PCMU_8K, PCMU_8K)
ASKED = EntryRequested("c1", length=4, timeout_s=5.0)

Row = tuple[float, Event, Sequence[Command]]


def started(rules: KeypadRules = KeypadRules()) -> Call:  # noqa: B008  # frozen
    call = Call(0.0, Limits(silent_s=60), DialogueRules(reorder_ms=0, keypad=rules))
    call.handle(CallStarted("CA1", "MZ1", PCMU_8K), 0.0)
    return call


def talking(rules: KeypadRules = KeypadRules(), *, keys_interrupt: bool = False) -> Call:  # noqa: B008  # frozen
    call = started(rules)
    call.handle(AssistantReady(PCMU_8K, PCMU_8K, keys_interrupt=keys_interrupt), 0.0)
    return call


def follow(call: Call, transcript: Sequence[Row]) -> None:
    for when, event, commands in transcript:
        assert call.handle(event, when) == list(commands), f"at {when}: {event}"


def keys(digits: str, at: float) -> list[Row]:
    return [(at + 0.1 * place, DigitPressed(digit), [TypeDigit(digit)]) for place, digit in enumerate(digits)]


# Requested entries


def test_an_entry_answers_its_request() -> None:
    follow(
        talking(),
        [
            (1.0, ASKED, []),
            *keys("123", 2.0),
            (2.3, DigitPressed("4"), [TypeDigit("4"), EnterDigits("1234", EntryEnd.FULL, request_id="c1")]),
            (3.0, DigitPressed("5"), [TypeDigit("5")]),
            (4.0, TimePassed(), [EnterDigits("5")]),
        ],
    )


def test_nothing_typed_is_an_answer_too() -> None:
    call = talking()
    follow(call, [(1.0, ASKED, [])])
    heard = [call.handle(TimePassed(), 1.0 + 0.5 * step) for step in range(1, 11)]
    assert heard == [[]] * 9 + [[EnterDigits("", request_id="c1")]]


def test_the_time_for_the_first_key_runs_once_the_prompt_was_heard() -> None:
    call = talking()
    follow(call, [(1.0, ASKED, []), (1.2, ReplyAudio("prompt", FRAME), [PlayAudio(FRAME)])])
    for step in range(1, 8):
        assert call.handle(TimePassed(), 1.0 + 0.5 * step) == []
    assert [type(command) for command in call.handle(ReplyEnded("prompt"), 4.6)] == [SendMark]
    assert call.handle(MarkReached("0.1"), 4.7) == [ConfirmHeard("prompt")]
    answered = next(step for step in range(1, 40) if call.handle(TimePassed(), 4.7 + 0.5 * step))
    assert 4.0 < answered * 0.5 <= 5.5


def test_two_requests_are_answered_one_after_the_other() -> None:
    follow(
        talking(),
        [
            (1.0, EntryRequested("c1", length=2), []),
            (1.0, EntryRequested("c2", length=1), []),
            *keys("1", 2.0),
            (2.1, DigitPressed("2"), [TypeDigit("2"), EnterDigits("12", EntryEnd.FULL, request_id="c1")]),
            (2.2, DigitPressed("3"), [TypeDigit("3"), EnterDigits("3", EntryEnd.FULL, request_id="c2")]),
        ],
    )


def test_no_standby_is_opened_while_an_entry_is_requested_or_begun() -> None:
    call = started()
    call.handle(AssistantReady(PCMU_8K, PCMU_8K, lasts_s=10.0), 0.0)
    follow(call, [(4.0, ASKED, []), *((at, TimePassed(), []) for at in (5.0, 6.0, 7.0))])
    follow(call, [*keys("1", 8.0), (8.3, TimePassed(), [])])
    (entered,) = call.handle(TimePassed(), 9.0)
    assert entered == EnterDigits("1", request_id="c1")
    renewed = [type(command) for at in range(10, 20) for command in call.handle(TimePassed(), float(at))]
    assert renewed == [OpenAssistant]


def test_a_second_request_of_the_same_id_means_the_same_entry() -> None:
    follow(
        talking(),
        [
            (1.0, ASKED, []),
            *keys("12", 2.0),
            (2.2, EntryRequested("c1", length=3, sensitive=True), [SetSensitive(True)]),
            (
                2.3,
                DigitPressed("3"),
                [EnterDigits("123", EntryEnd.FULL, request_id="c1", placeholder="entry-1")],
            ),
            (3.4, TimePassed(), [SetSensitive(False)]),
            *keys("4", 4.0),
            (5.0, TimePassed(), [EnterDigits("4")]),
        ],
    )


def test_a_second_request_of_the_same_id_waits_in_the_place_of_the_first() -> None:
    follow(
        talking(),
        [
            (1.0, EntryRequested("c1", length=1), []),
            (1.0, EntryRequested("c2", length=1), []),
            (1.1, EntryRequested("c2", length=2), []),
            (2.0, DigitPressed("1"), [TypeDigit("1"), EnterDigits("1", EntryEnd.FULL, request_id="c1")]),
            *keys("2", 2.1),
            (2.2, DigitPressed("3"), [TypeDigit("3"), EnterDigits("23", EntryEnd.FULL, request_id="c2")]),
        ],
    )


def test_each_of_a_flood_of_requests_is_answered() -> None:
    call = talking()
    answered = [
        command
        for number in range(100)
        for command in call.handle(EntryRequested(f"c{number}", timeout_s=1.0), 1.0)
    ]
    for step in range(2, 60):
        answered += call.handle(TimePassed(), step / 2)
    assert sorted(answer.request_id for answer in answered if isinstance(answer, EnterDigits)) == sorted(
        f"c{number}" for number in range(100)
    )


def test_another_terminator_may_be_asked_for() -> None:
    follow(
        talking(),
        [
            (1.0, EntryRequested("c1", terminator="*"), []),
            *keys("1#", 1.1),
            (
                1.3,
                DigitPressed("*"),
                [TypeDigit("*"), EnterDigits("1#", EntryEnd.TERMINATOR, "*", request_id="c1")],
            ),
        ],
    )


# The call's ends


def test_the_caller_hangs_up_in_the_middle_of_an_entry() -> None:
    follow(
        talking(),
        [
            (1.0, ASKED, []),
            *keys("12", 1.1),
            (
                1.5,
                CallEnded(),
                [
                    EnterDigits("12", EntryEnd.HANGUP, request_id="c1"),
                    CloseAssistant(),
                    HangUp(1000, "the call ended"),
                ],
            ),
            (1.6, DigitPressed("3"), []),
            (3.0, TimePassed(), []),
        ],
    )


def test_keys_that_come_before_the_call_are_dropped() -> None:
    call = Call(0.0, Limits(silent_s=60), DialogueRules(reorder_ms=0))
    assert call.handle(DigitPressed("1"), 0.0) == []
    assert call.counts() == {"out_of_place": 1}


def test_keys_wait_for_the_assistant_the_oldest_go() -> None:
    call = started()
    for digit in "9" * 8 + "1" * 32:
        assert call.handle(DigitPressed(digit), 0.1) == []
    assert call.handle(READY, 0.2) == [TypeDigit("1")] * 32 + [EnterDigits("1" * 32, EntryEnd.FULL)]


def test_two_hundred_keys_in_a_second() -> None:
    call = talking()
    commands = [
        command for key in range(200) for command in call.handle(DigitPressed(str(key % 10)), 1 + key / 200)
    ]
    commands += call.handle(TimePassed(), 3.0)
    entered = [command.digits for command in commands if isinstance(command, EnterDigits)]
    assert "".join(entered) == "0123456789" * 20
    assert [len(digits) for digits in entered] == [32] * 6 + [8]
    assert call.deadline() is not None


# What is played and heard meanwhile


def test_the_first_key_stops_what_is_played_where_entries_are_utterances() -> None:
    spoken = [PlayAudio(FRAME * 10), SendMark("0.1")]
    for rules, keys_interrupt, stops in (
        (KeypadRules(), True, True),
        (KeypadRules(interrupts=False), True, False),
        (KeypadRules(), False, False),
    ):
        call = talking(rules, keys_interrupt=keys_interrupt)
        assert call.handle(ReplyAudio("a", FRAME * 10), 1.0) == spoken
        assert (call.handle(DigitPressed("1"), 1.1) != [TypeDigit("1")]) == stops


def test_the_assistant_hears_silence_for_as_long_as_a_tone_may_sound() -> None:
    follow(
        talking(KeypadRules(mute_s=0.15)),
        [
            (1.00, CallerAudio(FRAME, 0), [AppendAudio(FRAME)]),
            (1.01, DigitPressed("1"), [TypeDigit("1")]),
            (1.02, CallerAudio(FRAME, 20), [AppendAudio(SILENCE * 160)]),
            (1.14, CallerAudio(FRAME, 40), [AppendAudio(SILENCE * 160)]),
            (1.18, CallerAudio(FRAME, 60), [AppendAudio(FRAME)]),
        ],
    )


@pytest.mark.parametrize("reported_first", [True, False])
def test_a_key_that_is_reported_and_heard_is_one_key(reported_first: bool) -> None:
    call = talking(KeypadRules(in_band=True))
    sound = SILENCE * 800 + encoder(PCMU_8K)(tones("5", off_ms=0)) + SILENCE * 1600
    commands: list[Command] = []
    reported_at = 2 if reported_first else 14
    for place in range(len(sound) // 160):
        if place == reported_at:
            commands += call.handle(DigitPressed("5"), 1.0 + place * 0.02)
        commands += call.handle(
            CallerAudio(sound[place * 160 : place * 160 + 160], place * 20), 1.0 + place * 0.02
        )
    commands += call.handle(TimePassed(), 3.0)
    assert [c for c in commands if isinstance(c, (TypeDigit, EnterDigits))] == [
        TypeDigit("5"),
        EnterDigits("5"),
    ]
    assert call.counts()["keys_reported_and_heard"] == 1
