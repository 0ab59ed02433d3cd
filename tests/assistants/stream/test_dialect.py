"""The stream protocol in whole conversations: when, what came from either side, what became of it."""

from typing import TYPE_CHECKING, Any

import pytest

from bridge.vocabulary.commands import (
    AnswerTool,
    AppendAudio,
    CloseAssistant,
    ConfirmHeard,
    DropReply,
    EnterDigits,
    OpenAssistant,
    TruncateReply,
    TypeDigit,
)
from bridge.vocabulary.events import (
    AssistantFailed,
    AssistantReady,
    CallerSaid,
    CloseRequested,
    EntryEnd,
    EntryRequested,
    NoteTaken,
    PressRequested,
    ReplyAudio,
    ReplyEnded,
    ReplySaid,
    SpeechStarted,
    SpeechStopped,
    ToolCalled,
    ToolUsed,
)
from telecodecs.format import L16_8K, L16_24K, PCMA_8K, PCMU_8K

if TYPE_CHECKING:
    from tests.assistants.stream.conftest import Dial, Row

SOUND = b"\x10\x20" * 80
HELLO = {"type": "hello", "turns": "assistant"}
READY = AssistantReady(PCMU_8K, PCMU_8K, keys_interrupt=True)


def cut(item: str, heard_ms: int) -> dict[str, Any]:
    return {"type": "interrupted", "item": item, "heard_ms": heard_ms}


# The beginning


def test_it_is_greeted_and_chooses(dial: "Dial") -> None:
    line = dial()
    (hello,) = line.pass_on(0.0, OpenAssistant("CA1", PCMA_8K, {"plan": "gold"}))
    assert (hello["type"], hello["version"], hello["call"], hello["opening"]) == ("hello", 1, "CA1", "first")
    assert hello["line"] == hello["hears"][0] == hello["speaks"][0] == {"encoding": "pcma", "rate_hz": 8000}
    assert [tool["name"] for tool in hello["tools"]] == ["look", "book"]
    choice = {"hears": hello["hears"][2], "speaks": hello["speaks"][4], "keys": "each"}
    assert line.pass_on(0.1, {"type": "hello"} | choice) == [AssistantReady(L16_8K, L16_24K)]


def test_what_is_played_may_have_another_format_than_what_is_heard(dial: "Dial") -> None:
    line = dial()
    line.pass_on(0.0, OpenAssistant("CA1", PCMU_8K, plays=PCMA_8K))
    assert line.pass_on(0.1, HELLO) == [AssistantReady(PCMU_8K, PCMA_8K, keys_interrupt=True)]


WRONG_HELLOS: list[tuple[dict[str, Any], str]] = [
    ({"version": 2}, "hello: unknown version 2: expected 1"),
    ({"audio": "mp3"}, "hello: audio: expected one of binary, base64"),
    (
        {"hears": {"encoding": "l16", "rate_hz": 44_100}},
        "hello: hears: l16/44100 is not on offer: expected one of pcmu/8000, pcma/8000, l16/8000, l16/16000, l16/24000, "
        "l16/48000",
    ),
    ({"speaks": {"encoding": "l16"}}, "hello: speaks: Object missing required field `rate_hz`"),
    ({"turn": "bridge"}, "hello: there is no field turn; did you mean turns?"),
]


@pytest.mark.parametrize(("fields", "why"), WRONG_HELLOS)
def test_a_wrong_hello_is_the_end_of_it(dial: "Dial", fields: dict[str, Any], why: str) -> None:
    line = dial()
    line.pass_on(0.0, OpenAssistant("CA1", PCMU_8K))
    line.play(
        [
            (
                0.1,
                {"type": "hello"} | fields,
                [{"type": "error", "why": why}, AssistantFailed(why, final=True)],
            ),
            (0.1, HELLO, []),
            (0.1, b"sound", []),
            (0.1, AppendAudio(SOUND), []),
            (0.1, CloseAssistant(), [{"type": "bye", "why": why}]),
        ],
    )


def test_nothing_counts_before_hello_and_it_may_still_come(dial: "Dial") -> None:
    line = dial()
    line.pass_on(0.0, OpenAssistant("CA1", PCMU_8K))
    rows: list[Row] = [
        (0.1, SOUND, [{"refused": "audio before hello: expected hello first"}]),
        (0.1, {"type": "reply"}, [{"refused": "hello is missing: expected it before anything else"}]),
        (0.1, "rubbish", [{"refused": 'not a JSON object: expected {"type": "…"}'}]),
        (0.1, AppendAudio(SOUND), []),
        (0.1, TypeDigit("1"), []),
        (0.2, HELLO, [READY]),
        (0.3, HELLO, [{"refused": "hello: sent a second time: expected once"}]),
        (0.4, AppendAudio(SOUND), [SOUND]),
    ]
    line.play(rows)


def test_hello_that_never_came_is_named_in_the_last_word(dial: "Dial") -> None:
    line = dial()
    line.pass_on(0.0, OpenAssistant("CA1", PCMU_8K))
    bye = {"type": "bye", "why": "it was not ready in time; hello is missing"}
    assert line.pass_on(5.0, CloseAssistant("it was not ready in time")) == [bye]


# Words and sounds


def test_one_call(dial: "Dial") -> None:
    asks = {
        "type": "collect_digits",
        "id": "pin",
        "length": 4,
        "terminator": "#",
        "timeout_s": 9,
        "sensitive": True,
    }
    entry = EnterDigits("1234", EntryEnd.FULL, request_id="pin", placeholder="entry-1")
    rows: list[Row] = [
        (0.2, AppendAudio(SOUND), [SOUND]),
        (0.3, {"type": "reply", "item": "greeting"}, []),
        (0.3, {"type": "said", "who": "assistant", "text": "Good "}, [ReplySaid("greeting", "Good ")]),
        (0.3, SOUND, [ReplyAudio("greeting", SOUND)]),
        (0.3, {"type": "said", "who": "assistant", "text": "day"}, [ReplySaid("greeting", "day")]),
        (0.3, {"type": "reply_end"}, [ReplyEnded("greeting")]),
        (0.9, {"type": "interrupt", "at_ms": 400}, [SpeechStarted(at_ms=400)]),
        (0.9, TruncateReply("greeting", 120), [cut("greeting", 120)]),
        (2.0, {"type": "speech_stopped", "at_ms": 1400}, [SpeechStopped("utterance-1", 1400)]),
        (2.1, {"type": "said", "who": "caller", "text": "Hello?"}, [CallerSaid("utterance-1", "Hello?")]),
        (2.2, asks, [EntryRequested("pin", 4, "#", 9, True)]),
        (4.0, entry, [{"type": "entry", "id": "pin", "digits": "1234", "reason": "full", "terminator": "",
                       "sensitive": True, "name": "entry-1"}]),
        (4.1, {"type": "call_tool", "id": "t", "tool": "look", "arguments": {"pin": "entry-1"}},
            [ToolCalled("t", "look", '{"pin": "entry-1"}')]),
        (4.2, AnswerTool("t", "found"), [{"type": "answer", "id": "t", "output": "found"}]),
        (4.3, {"type": "reply", "item": "bye"}, []),
        (4.3, SOUND, [ReplyAudio("bye", SOUND)]),
        (4.4, {"type": "note", "text": "settled"}, [NoteTaken("settled")]),
        (4.4, {"type": "hang_up", "why": "settled"}, [ReplyEnded("bye"), CloseRequested("settled", 1000)]),
        (5.0, ConfirmHeard("bye"), [{"type": "heard", "item": "bye"}]),
        (5.0, CloseAssistant(), [{"type": "bye", "why": "the call is over"}]),
        (5.0, SOUND, []),
        (5.0, {"type": "reply"}, []),
        (5.0, "rubbish", []),
        (5.0, AppendAudio(SOUND), []),
    ]  # fmt: skip
    dial().open().play(rows)


def test_the_output_of_a_tool_that_ran_before_the_connection_comes_under_the_id_of_the_history(
    dial: "Dial",
) -> None:
    history = (ToolUsed("t", "look", "{}", "found"), ToolUsed("t", "book", "{}"))
    rows: list[Row] = [
        (0.2, {"type": "call_tool", "id": "t", "tool": "look"}, [ToolCalled("t", "look", "{}")]),
        (0.3, AnswerTool("t", "booked", is_late=True), [{"type": "answer", "id": "earlier-1", "output": "booked"}]),
        (0.4, AnswerTool("t", "booked", is_late=True), []),
        (0.5, AnswerTool("t", "found"), [{"type": "answer", "id": "t", "output": "found"}]),
    ]  # fmt: skip
    dial().open(history=history).play(rows)


def test_an_assistant_that_only_sends_sound_is_heard(dial: "Dial") -> None:
    line = dial().open(turns="bridge")
    line.play(
        [
            (1.0, SOUND, [ReplyAudio("item-1", SOUND)]),
            (1.4, SOUND, [ReplyAudio("item-1", SOUND)]),
            (1.89, None, []),
            (1.9, None, [ReplyEnded("item-1")]),
            (3.0, SOUND, [ReplyAudio("item-2", SOUND)]),
            (3.1, TruncateReply("item-2", 20), [cut("item-2", 20), ReplyEnded("item-2")]),
            (3.2, SOUND, []),  # still of what was cut
            (3.6, SOUND, []),
            (4.1, None, []),
            (4.1, SOUND, [ReplyAudio("item-3", SOUND)]),
        ],
    )


def test_a_new_reply_ends_the_one_before_and_the_wait_for_what_was_cut(dial: "Dial") -> None:
    line = dial().open(turns="bridge")
    rows: list[Row] = [
        (1.0, {"type": "reply"}, []),
        (1.0, SOUND, [ReplyAudio("item-1", SOUND)]),
        (9.0, SOUND, [ReplyAudio("item-1", SOUND)]),  # it is open until it is ended
        (9.1, {"type": "reply", "item": "item-2"}, [ReplyEnded("item-1")]),
        (9.1, SOUND, [ReplyAudio("item-2", SOUND)]),
        (9.1, {"type": "reply_end"}, [ReplyEnded("item-2")]),
        (9.2, SOUND, [ReplyAudio("item-3", SOUND)]),  # the name is not given twice
        (9.3, DropReply("item-3"), [cut("item-3", 0), ReplyEnded("item-3")]),
        (9.3, {"type": "said", "who": "assistant", "text": "of what was cut"}, []),
        (9.3, {"type": "reply"}, []),
        (9.3, SOUND, [ReplyAudio("item-4", SOUND)]),
        (9.4, TruncateReply("item-4", 10), [cut("item-4", 10)]),
        (9.4, SOUND, [ReplyAudio("item-4", SOUND)]),  # the core drops it, until it has ended
        (
            9.4,
            {"type": "said", "who": "assistant", "text": "a", "item": "item-1"},
            [ReplySaid("item-1", "a")],
        ),
        (9.5, {"type": "reply_end"}, [ReplyEnded("item-4")]),
        (9.6, {"type": "said", "who": "assistant", "text": "b"}, [ReplySaid("item-5", "b")]),
        (9.7, SOUND, [ReplyAudio("item-5", SOUND)]),
        (10.2, None, [ReplyEnded("item-5")]),
        (10.3, {"type": "reply"}, []),
        (10.3, {"type": "reply"}, []),  # nothing was heard of the first
    ]
    line.play(rows)


def test_its_own_interruption_makes_the_next_sound_new(dial: "Dial") -> None:
    rows: list[Row] = [
        (1.0, SOUND, [ReplyAudio("item-1", SOUND)]),
        (1.1, {"type": "interrupt"}, [ReplyEnded("item-1"), SpeechStarted()]),
        (1.1, TruncateReply("item-1", 20), [cut("item-1", 20)]),
        (
            2.0,
            SOUND,
            [SpeechStopped("utterance-2"), ReplyAudio("item-3", SOUND)],
        ),  # it has not said speech_stopped
        (2.1, SOUND, [ReplyAudio("item-3", SOUND)]),
    ]
    dial().open().play(rows)


def test_words_of_the_caller_find_their_place(dial: "Dial") -> None:
    rows: list[Row] = [
        (1.0, {"type": "interrupt"}, [SpeechStarted()]),
        (1.1, {"type": "said", "who": "caller", "text": "quick"}, [CallerSaid("utterance-1", "quick")]),
        (1.2, {"type": "speech_stopped"}, [SpeechStopped("utterance-2")]),
        (2.0, {"type": "interrupt"}, [SpeechStarted()]),
        (2.1, {"type": "speech_stopped"}, [SpeechStopped("utterance-3")]),
        (2.2, {"type": "said", "who": "caller", "text": " "}, []),
        (3.0, {"type": "speech_stopped"}, [SpeechStopped("utterance-4")]),
        (3.1, {"type": "said", "who": "caller", "text": "late"}, [CallerSaid("utterance-4", "late")]),
        (3.2, {"type": "said", "who": "caller", "text": "more"}, [CallerSaid("utterance-5", "more")]),
    ]
    dial().open().play(rows)


def test_base64_for_those_who_asked_for_it(dial: "Dial") -> None:
    line = dial().open(audio="base64", speaks={"encoding": "l16", "rate_hz": 8000})
    rows: list[Row] = [
        (1.0, AppendAudio(b"\xff\xff"), [{"type": "audio", "audio": "//8="}]),
        (1.0, {"type": "audio", "audio": "//8="}, [ReplyAudio("item-1", b"\xff\xff")]),
        (1.0, b"\x01\x02", [ReplyAudio("item-1", b"\x01\x02")]),
        (1.0, {"type": "audio", "audio": ""}, []),
        (1.0, b"", []),
    ]
    line.play(rows)


# The keypad

ENTRY = EnterDigits("12", EntryEnd.TERMINATOR, "#")
TOLD = {"type": "entry", "id": "", "digits": "12", "reason": "terminator", "terminator": "#", "sensitive": False, "name": ""}  # fmt: skip
KEY = {"type": "key", "key": "1"}
SEALED = EnterDigits("12", EntryEnd.TERMINATOR, "#", placeholder="entry-7")
SEALED_TOLD = TOLD | {"sensitive": True, "name": "entry-7"}

KEYS: list[tuple[str, list[Any], list[Any], list[Any], bool]] = [
    ("each", [KEY], [], [SEALED_TOLD], False),
    ("entries", [], [TOLD], [SEALED_TOLD], True),
    ("both", [KEY], [TOLD], [SEALED_TOLD], True),
    ("none", [], [], [], True),
]


@pytest.mark.parametrize(("keys", "pressed", "entered", "sensitive", "interrupts"), KEYS)
def test_keys_as_they_were_asked_for(
    dial: "Dial", keys: str, pressed: list[Any], entered: list[Any], sensitive: list[Any], interrupts: bool
) -> None:
    line = dial()
    line.pass_on(0.0, OpenAssistant("CA1", PCMU_8K))
    assert line.pass_on(0.1, HELLO | {"keys": keys}) == [
        AssistantReady(PCMU_8K, PCMU_8K, keys_interrupt=interrupts)
    ]
    asked = EnterDigits("", request_id="p")
    answer = {"type": "entry", "id": "p", "digits": "", "reason": "quiet", "terminator": "", "sensitive": False, "name": ""}  # fmt: skip
    rows: list[Row] = [
        (1.0, TypeDigit("1"), pressed),
        (1.1, ENTRY, entered),
        (1.2, SEALED, sensitive),
        (1.3, {"type": "collect_digits", "id": "p"}, [EntryRequested("p")]),
        (2.0, asked, [answer]),  # whatever was chosen
    ]
    line.play(rows)


def test_presses_keys(dial: "Dial") -> None:
    assert dial().open().pass_on(1.0, {"type": "send_digits", "keys": "12w#"}) == [PressRequested("12w#")]
