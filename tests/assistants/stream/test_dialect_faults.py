"""The stream protocol where an assistant keeps it badly: a malformed message is dropped and answered with `error`."""

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.assistants.stream import wire
from bridge.assistants.stream.conversation import MOST_OPEN_REQUESTS
from bridge.assistants.stream.dialect import MOST_BYTES, StreamDialect
from bridge.assistants.stream.settings import StreamSettings
from bridge.vocabulary.commands import (
    AnswerTool,
    ConfirmHeard,
    DropReply,
    OpenAssistant,
    TruncateReply,
)
from bridge.vocabulary.events import (
    AssistantEvent,
    AssistantReportedError,
    EntryRequested,
    Ignored,
    LegName,
    MessageRefused,
    NoteTaken,
    ReplyAudio,
    ReplyEnded,
    ToolCalled,
)
from telecodecs.format import PCMU_8K

if TYPE_CHECKING:
    from tests.assistants.stream.conftest import Came, Dial, Row

SOUND = b"\x10\x20" * 80
# Malformed messages are dropped

ODD = {"type": "hello", "speaks": {"encoding": "l16", "rate_hz": 16000}, "turns": "assistant"}
WRONG: "list[tuple[Came, str]]" = [
    ("", 'not a JSON object: expected {"type": "…"}'),
    ("[]", 'not a JSON object: expected {"type": "…"}'),
    (b"odd", "audio: 3 bytes are not whole samples: expected an even number for l16/16000"),
    ({"type": "audio", "audio": "//8="[:3]}, "audio: audio: Invalid base64 encoded string"),
    ({"type": "audio", "audio": "/w=="}, "audio: 1 bytes are not whole samples: expected an even number for l16/16000"),
    (bytes(20_000_000), f"a message of 20000000 bytes: expected at most {MOST_BYTES}, cut it into smaller ones"),
    (" " * (MOST_BYTES + 1), f"a message of {MOST_BYTES + 1} bytes: expected at most {MOST_BYTES}, cut it into smaller ones"),
    ({"type": "reply", "item": "used"}, "reply: item was given before: expected a new name, or none"),
    ({"type": "reply_end"}, "reply_end: no item is open: expected reply or audio first"),
    ({"type": "said", "who": "assistant", "text": "a", "item": "x"}, "said: there is no such item: expected one that reply has opened"),
    ({"type": "said", "who": "caller", "text": "a", "item": "used"}, "said: item should be left out where the caller said it"),
    ({"type": "collect_digits", "id": "open"}, "collect_digits: id belongs to a request that has no answer yet: expected a new one"),
    ({"type": "call_tool", "id": "open", "tool": "look"}, "call_tool: id belongs to a request that has no answer yet: expected a new one"),
    ({"type": "call_tool", "id": "t", "tool": "hang_up"}, "call_tool: there is no such tool: expected one of look, book"),
    ({"type": "call_tool", "id": "t", "tool": "look", "arguments": []}, "call_tool: arguments should be an object"),
]  # fmt: skip


@pytest.mark.parametrize(("came", "why"), WRONG)
def test_a_malformed_message_is_dropped_and_answered_with_error(dial: "Dial", came: "Came", why: str) -> None:
    line = dial().open(speaks={"encoding": "l16", "rate_hz": 16000})
    line.pass_on(1.0, {"type": "reply", "item": "used"})
    line.pass_on(1.0, {"type": "reply_end"})
    line.pass_on(1.0, {"type": "collect_digits", "id": "open"})
    rows: list[Row] = [(1.0, came, [{"refused": why}]), (1.1, SOUND, [ReplyAudio("item-1", SOUND)])]
    line.play(rows)


def test_what_it_does_not_know_is_ignored_and_told(dial: "Dial") -> None:
    rows: list[Row] = [
        (1.0, {"type": "say", "to": "x"},
            [Ignored("say"), {"type": "error", "why": "say is reserved: the bridge cannot do it yet"}]),
        (1.0, {"type": "reply_ended"},
            [Ignored("reply_ended"), {"type": "error", "why": "there is no type 'reply_ended'; did you mean reply_end?"}]),
    ]  # fmt: skip
    dial().open().play(rows)


def test_an_error_report_is_not_answered_and_its_keys_are_masked(dial: "Dial") -> None:
    error_report = {"type": "error", "why": "no such key: sk-abc123 " + "x " * 400}
    (told,) = dial().open().pass_on(1.0, error_report)
    assert isinstance(told, AssistantReportedError)
    assert told.why.startswith("no such key: *** x x")
    assert len(told.why) == 300


def test_an_assistant_without_tools_is_told_so(dial: "Dial") -> None:
    dialect = StreamDialect(StreamSettings(url="ws://127.0.0.1/"))
    dialect.encode(OpenAssistant("CA1", PCMU_8K), 0.0)
    dialect.decode('{"type":"hello"}', 0.0)
    why = "call_tool: there is no such tool; the settings have none"
    outcomes = dialect.decode('{"type":"call_tool","id":"t","tool":"look"}', 0.0)
    assert outcomes == [MessageRefused(LegName.ASSISTANT, why), wire.error(why)]


def test_only_so_many_requests_may_be_open(dial: "Dial") -> None:
    line = dial().open()
    for number in range(MOST_OPEN_REQUESTS):
        assert line.pass_on(1.0, {"type": "call_tool", "id": f"t{number}", "tool": "look"})
    one_more = {"type": "collect_digits", "id": "pin"}
    why = (
        f"collect_digits: {MOST_OPEN_REQUESTS} requests have no answer yet: expected to wait for one of them"
    )
    assert line.pass_on(1.0, one_more) == [{"refused": why}]
    line.pass_on(1.1, AnswerTool("t0", "found"))
    assert line.pass_on(1.2, one_more) == [EntryRequested("pin")]


def test_an_id_may_come_again_once_it_was_answered(dial: "Dial") -> None:
    line = dial().open()
    for turn in range(2):
        assert line.pass_on(turn + 1.0, {"type": "call_tool", "id": "t", "tool": "look"}) == [
            ToolCalled("t", "look", "{}")
        ]
        assert line.pass_on(turn + 1.1, AnswerTool("t", "found")) == [
            {"type": "answer", "id": "t", "output": "found"}
        ]


def test_answers_without_a_request_are_not_sent(dial: "Dial") -> None:
    rows: list[Row] = [
        (1.0, AnswerTool("t", "late"), []),
        (1.0, ConfirmHeard("of another"), []),
        (1.0, TruncateReply("of another", 10), []),
        (1.0, DropReply("of another"), []),
    ]
    dial().open().play(rows)


def test_what_comes_of_a_command_or_a_malformed_message_waits_for_nothing(dial: "Dial") -> None:
    dialect = dial().open(turns="bridge").dialect
    dialect.decode(SOUND, 1.0)
    assert dialect.encode(DropReply("item-1"), 1.1) == [wire.interrupted("item-1", 0), ReplyEnded("item-1")]
    why = 'not a JSON object: expected {"type": "…"}'
    assert dialect.decode("rubbish", 1.2) == [MessageRefused(LegName.ASSISTANT, why), wire.error(why)]
    assert dialect.decode('{"type":"note","text":"n"}', 1.3) == [NoteTaken("n")]


MESSAGES: "list[Came]" = [
    SOUND,
    b"",
    {"type": "reply"},
    {"type": "reply", "item": "item-2"},
    {"type": "reply_end"},
    {"type": "said", "who": "assistant", "text": "a"},
    {"type": "interrupt"},
    DropReply("item-1"),
    TruncateReply("item-2", 20),
]


@given(st.lists(st.tuples(st.sampled_from([0.0, 0.1, 0.6]), st.sampled_from(MESSAGES))))
def test_sound_is_of_one_item_at_a_time_and_what_has_ended_has_ended(
    dial: "Dial", steps: "list[tuple[float, Came]]"
) -> None:
    line, now = dial().open(), 1.0
    speaking, ended = None, set()
    for wait_s, came in steps:
        now += wait_s
        for event in line.pass_on(now, came):
            assert isinstance(event, AssistantEvent | dict | str)
            match event:
                case ReplyAudio(item=item):
                    assert item not in ended
                    assert speaking in (None, item)
                    speaking = item
                case ReplyEnded(item):
                    assert item == speaking
                    ended.add(item)
                    speaking = None
