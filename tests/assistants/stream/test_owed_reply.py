"""When an assistant of the stream protocol owes a reply: what asks for one, and what settles it."""

from typing import TYPE_CHECKING, Any

import pytest

from bridge.vocabulary.commands import AnswerTool, AppendAudio, EnterDigits, OpenAssistant, TypeDigit
from telecodecs.format import PCMU_8K

if TYPE_CHECKING:
    from tests.assistants.stream.conftest import Came, Dial

CALL = {"type": "call_tool", "id": "t", "tool": "look", "arguments": {}}

ASKS: list[tuple[str, dict[str, Any], "list[Came]"]] = [
    ("the assistant heard the end", {}, [{"type": "speech_stopped"}]),
    ("a key", {"keys": "each"}, [TypeDigit("4")]),
    ("an entry", {"keys": "entries"}, [EnterDigits("42")]),
    ("a tool has answered", {}, [CALL, AnswerTool("t", "done")]),
    ("a reply has begun", {}, [{"type": "reply", "item": "a"}]),
]

ASKS_NOTHING: list[tuple[str, dict[str, Any], "list[Came]"]] = [
    ("nothing was said", {}, []),
    ("the caller's audio", {}, [AppendAudio(b"\xff" * 160)]),
    ("the caller begins to speak", {}, [{"type": "interrupt"}]),
    ("a key of which it is not told", {"keys": "entries"}, [TypeDigit("4")]),
    ("a tool runs: the bridge owes", {}, [CALL]),
]


@pytest.mark.parametrize(("_what", "hello", "came"), ASKS)
def test_a_reply_is_owed(dial: "Dial", _what: str, hello: dict[str, Any], came: "list[Came]") -> None:
    line = dial(reply_s=8).open(**hello)
    for one in came:
        line.pass_on(1.0, one)
    assert [line.dialect.is_reply_owed(at) for at in (1.0, 8.9, 9.0)] == [True, True, False]


@pytest.mark.parametrize(("_what", "hello", "came"), ASKS_NOTHING)
def test_nothing_is_owed(dial: "Dial", _what: str, hello: dict[str, Any], came: "list[Came]") -> None:
    line = dial(reply_s=8).open(**hello)
    for one in came:
        line.pass_on(1.0, one)
    assert not line.dialect.is_reply_owed(1.0)


def test_a_complete_reply_settles_it(dial: "Dial") -> None:
    line = dial().open()
    line.pass_on(1.0, {"type": "speech_stopped"})
    line.pass_on(2.0, {"type": "reply", "item": "a"})
    line.pass_on(2.0, b"\x10\x20")
    assert line.dialect.is_reply_owed(3.0), "more of it should come"
    line.pass_on(3.0, {"type": "reply_end"})
    assert not line.dialect.is_reply_owed(3.0)


def test_a_bare_reply_settles_it_when_nothing_more_comes(dial: "Dial") -> None:
    line = dial().open()
    line.pass_on(1.0, {"type": "speech_stopped"})
    line.pass_on(2.0, b"\x10\x20")
    assert line.dialect.is_reply_owed(2.4)
    line.pass_on(2.5, None)
    assert not line.dialect.is_reply_owed(2.5)


def test_a_caller_who_goes_on_withdraws_nothing(dial: "Dial") -> None:
    line = dial().open()
    line.pass_on(1.0, {"type": "speech_stopped"})
    line.pass_on(2.0, {"type": "interrupt"})
    assert line.dialect.is_reply_owed(3.0)


def test_its_hello_is_owed(dial: "Dial") -> None:
    line = dial(reply_s=1)
    line.pass_on(0.0, OpenAssistant("CA1", PCMU_8K))
    assert line.dialect.is_reply_owed(4.0), "the limit is open_s"
