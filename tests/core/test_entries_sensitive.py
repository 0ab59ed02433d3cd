"""Sensitive entries, as call transcripts: when, what came, what we do."""

from collections.abc import Sequence

from bridge.core.call import Call
from bridge.core.dialogue import DialogueRules
from bridge.core.entries import KeypadRules
from bridge.core.keypad import EntryRules
from bridge.core.timers import Limits
from bridge.vocabulary.commands import (
    Command,
    EnterDigits,
    OpenAssistant,
    SetSensitive,
    TypeDigit,
)
from bridge.vocabulary.events import (
    AssistantReady,
    CallStarted,
    DigitPressed,
    EntryEnd,
    EntryRequested,
    Event,
    LegLost,
    LegName,
    ReplyAudio,
    Said,
    Speaker,
    TimePassed,
)
from telecodecs.format import PCMU_8K

FRAME = bytes(range(160))
READY = AssistantReady(PCMU_8K, PCMU_8K)
ASKED = EntryRequested("c1", length=4, timeout_s=5.0)
SECRET = EntryRequested("c1", length=4, timeout_s=5.0, sensitive=True)

Row = tuple[float, Event, Sequence[Command]]


def talking(rules: KeypadRules = KeypadRules()) -> Call:  # noqa: B008  # frozen
    call = Call(0.0, Limits(silent_s=60), DialogueRules(reorder_ms=0, keypad=rules))
    call.handle(CallStarted("CA1", "MZ1", PCMU_8K), 0.0)
    call.handle(READY, 0.0)
    return call


def follow(call: Call, transcript: Sequence[Row]) -> None:
    for when, event, commands in transcript:
        assert call.handle(event, when) == list(commands), f"at {when}: {event}"


def keys(digits: str, at: float) -> list[Row]:
    return [(at + 0.1 * place, DigitPressed(digit), [TypeDigit(digit)]) for place, digit in enumerate(digits)]


def test_a_sensitive_entry_is_not_passed_on_key_by_key() -> None:
    follow(
        talking(),
        [
            *keys("7", 0.1),
            (0.3, DigitPressed("#"), [TypeDigit("#"), EnterDigits("7", EntryEnd.TERMINATOR, "#")]),
            (1.0, SECRET, [SetSensitive(True)]),
            *((2.0, DigitPressed(digit), []) for digit in "123"),
            (
                2.1,
                DigitPressed("4"),
                [EnterDigits("1234", EntryEnd.FULL, request_id="c1", placeholder="entry-1")],
            ),
            (2.2, DigitPressed("5"), []),  # of a longer number
            (3.3, TimePassed(), [EnterDigits("5", placeholder="entry-2")]),
            (8.3, TimePassed(), [SetSensitive(False)]),
            *keys("8", 9.0),
        ],
    )


def test_a_caller_who_stops_to_read_the_card_types_sensitive_keys_again() -> None:
    follow(
        talking(),
        [
            (1.0, EntryRequested("c1", length=8, sensitive=True), [SetSensitive(True)]),
            *((2.0, DigitPressed(digit), []) for digit in "4111"),
            (3.0, TimePassed(), [EnterDigits("4111", request_id="c1", placeholder="entry-1")]),
            *((5.0, DigitPressed(digit), []) for digit in "2222"),
            (6.0, TimePassed(), [EnterDigits("2222", placeholder="entry-2")]),
            (7.0, EntryRequested("c2", length=1), []),  # a menu, after a while
            (8.0, TimePassed(), [SetSensitive(False)]),
            (8.1, DigitPressed("1"), [TypeDigit("1"), EnterDigits("1", EntryEnd.FULL, request_id="c2")]),
        ],
    )


def test_keys_are_sensitive_for_a_caller_who_begins_when_the_time_is_over() -> None:
    call = talking()
    follow(call, [(1.0, SECRET, [SetSensitive(True)])])
    heard = [call.handle(TimePassed(), 1.0 + 0.5 * step) for step in range(1, 11)]
    assert heard == [[]] * 9 + [[EnterDigits("", request_id="c1")]]
    follow(
        call,
        [
            (7.0, DigitPressed("4"), []),
            (7.1, DigitPressed("#"), [EnterDigits("4", EntryEnd.TERMINATOR, "#", placeholder="entry-1")]),
        ],
    )


def test_sensitivity_ends_though_no_key_is_waited_for() -> None:
    """While a reply is heard."""
    call = talking(KeypadRules(EntryRules(first_s=2.0)))
    follow(call, [(1.0, EntryRequested("c1", length=1, sensitive=True), [SetSensitive(True)])])
    call.handle(DigitPressed("1"), 1.1)
    call.handle(ReplyAudio("a", FRAME), 1.3)
    commands = [command for step in range(5, 20) for command in call.handle(TimePassed(), step / 2)]
    assert commands == [SetSensitive(False)]


def test_all_entries_are_sensitive_where_the_settings_say_so() -> None:
    call = Call(0.0, Limits(), DialogueRules(reorder_ms=0, keypad=KeypadRules(sensitive=True)))
    begun = call.handle(CallStarted("CA1", "MZ1", PCMU_8K), 0.0)
    assert [type(command) for command in begun] == [SetSensitive, OpenAssistant]
    follow(
        call,
        [
            (0.0, READY, []),
            (1.0, DigitPressed("1"), []),
            (1.1, DigitPressed("#"), [EnterDigits("1", EntryEnd.TERMINATOR, "#", placeholder="entry-1")]),
            (1.2, ASKED, []),
            (1.3, DigitPressed("#"), [EnterDigits("", EntryEnd.TERMINATOR, "#", request_id="c1")]),
            (2.0, DigitPressed("2"), []),
            (3.0, TimePassed(), [EnterDigits("2", placeholder="entry-2")]),
        ],
    )


def test_the_history_has_the_placeholder_of_a_sensitive_entry() -> None:
    call = talking(KeypadRules(sensitive=True))
    for digit in "1234#":
        call.handle(DigitPressed(digit), 1.0)
    (recovered,) = (
        c for c in call.handle(LegLost(LegName.ASSISTANT, 1006), 2.0) if isinstance(c, OpenAssistant)
    )
    assert recovered.history == (Said(Speaker.CALLER, "[keypad: entry-1]"),)


def test_a_request_goes_with_its_assistant_and_keys_that_were_typed_do_not() -> None:
    call = talking()
    follow(call, [(1.0, SECRET, [SetSensitive(True)]), (1.1, DigitPressed("1"), [])])
    said = call.handle(LegLost(LegName.ASSISTANT, 1006), 1.2)
    assert [type(command) for command in said] == [OpenAssistant], "half an entry stays sensitive"
    follow(
        call,
        [
            (2.5, TimePassed(), []),
            (2.6, READY, []),
            (3.0, TimePassed(), [EnterDigits("1", placeholder="entry-1")]),
            (8.0, TimePassed(), [SetSensitive(False)]),
        ],
    )


def test_keys_for_a_sensitive_request_are_sensitive_though_its_assistant_is_lost() -> None:
    call = talking()
    follow(call, [(1.0, SECRET, [SetSensitive(True)])])
    said = call.handle(LegLost(LegName.ASSISTANT, 1006), 1.2)
    assert [type(command) for command in said] == [OpenAssistant]
    follow(
        call,
        [
            (1.3, DigitPressed("1"), []),
            (2.6, READY, []),
            (2.7, DigitPressed("2"), []),
            (2.8, DigitPressed("#"), [EnterDigits("12", EntryEnd.TERMINATOR, "#", placeholder="entry-1")]),
            (16.1, TimePassed(), []),
            (16.2, TimePassed(), [SetSensitive(False)]),
        ],
    )
