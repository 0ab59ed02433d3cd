"""Turns over a WebSocket, as they may be set: the words, the prompt, a greeting that overlaps, entries from the keypad."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from bridge.vocabulary.commands import (
    AnswerTool,
    ConfirmHeard,
    EnterDigits,
)
from bridge.vocabulary.contracts import ToolSchema
from bridge.vocabulary.events import (
    EntryEnd,
    MessageRefused,
    ReplyEnded,
    SpeechStopped,
    ToolCalled,
)
from telecodecs.wav import wav_encode
from tests.assistants.turn_based.test_socket import ASKED, FRAME, OPENED, READY, error_report, sounds

if TYPE_CHECKING:
    from tests.assistants.turn_based.conftest import Dial, Row


def test_sorry_is_heard_in_place_of_a_reply(dial: "Dial", tmp_path: Any) -> None:
    file = tmp_path / "sorry.wav"
    file.write_bytes(wav_encode(np.zeros(16_000, np.int16), 16_000))
    line = dial(sorry=str(file), reply_s=3)
    line.settings.check(())
    file.unlink()
    missed = error_report("no reply came within 3 s")
    line.play(
        [
            *ASKED,
            (5.0, None, [missed, *sounds("sorry-1", 1000)]),
            (5.5, FRAME, []),
            (6.1, ConfirmHeard("sorry-1"), ["restart"]),
            (7.0, "end", [SpeechStopped()]),
        ]
    )
    refused, *sorry = line.hear("_MULAW=")
    assert isinstance(refused, MessageRefused)
    assert sorry == sounds("sorry-2", 1000)
    line.play([(7.2, "reply 500", sounds("reply-3", 500)), (8.2, ConfirmHeard("sorry-2"), [])])
    line.play([(8.7, ConfirmHeard("reply-3"), ["restart"])])


def test_words_are_options(dial: "Dial") -> None:
    line = dial(prefix="_AUDIO:", restart="GO_ON", utterance_end="STOP_IT")
    assert line.open() == [READY, "GO_ON"]
    assert line.hear("STOP_IT") == [SpeechStopped()]
    assert line.hear("_AUDIO://8=") == ["sound reply-1 0.25", ReplyEnded("reply-1")]
    assert line.tell(ConfirmHeard("reply-1")) == ["GO_ON"]


OVERLAP: "list[Row]" = [
    *OPENED,
    (0.1, "reply 500", sounds("reply-1", 500)),
    (0.2, FRAME, ["20"]),
    (0.7, ConfirmHeard("reply-1"), ["restart"]),
    (0.8, FRAME, ["20"]),
    (1.0, "end", [SpeechStopped()]),
    (1.1, FRAME, []),
    (1.2, "reply 500", sounds("reply-2", 500)),
    (1.8, ConfirmHeard("reply-2"), ["restart"]),
]
CROSSED: "list[Row]" = [
    *OPENED,
    (0.1, "reply 500", sounds("reply-1", 500)),
    (0.6, "end", [SpeechStopped()]),
    (0.7, ConfirmHeard("reply-1"), []),  # a restart would stop the reply that is in work
    (1.2, "reply 500", sounds("reply-2", 500)),
    (1.8, ConfirmHeard("reply-2"), ["restart"]),
]


@pytest.mark.parametrize("rows", [OVERLAP, CROSSED])
def test_a_greeting_may_overlap_as_in_the_original(dial: "Dial", rows: "list[Row]") -> None:
    dial(greeting_overlaps=True).play(rows)


TOOL = ToolSchema("on_entry", "", {"properties": {"digits": {}, "reason": {}, "terminator": {}}})


def called(number: int, arguments: str) -> ToolCalled:
    return ToolCalled(f"entry-{number}", "on_entry", arguments)


def test_an_entry_is_for_the_tool(dial: "Dial") -> None:
    line = dial(tools=[TOOL])
    line.play(
        [
            *OPENED,
            (
                1.0,
                EnterDigits("12", EntryEnd.TERMINATOR, "#"),
                [called(1, '{"digits":"12","reason":"terminator","terminator":"#"}')],
            ),
            (1.1, AnswerTool("entry-1", "ok"), []),
            (1.2, FRAME, ["20"]),
            (
                2.0,
                EnterDigits("4711", placeholder="entry-2"),
                [called(2, '{"digits":"entry-2","reason":"quiet","terminator":""}')],
            ),
        ]
    )


def test_a_tool_gets_what_it_takes(dial: "Dial") -> None:
    line = dial(tools=[TOOL._replace(parameters={"properties": {"digits": {}}})])
    line.open()
    assert line.tell(EnterDigits("12")) == [called(1, '{"digits":"12"}')]


def test_an_entry_is_a_frame_for_who_knows_it(dial: "Dial") -> None:
    line = dial(entry_prefix="_DTMF")
    line.play(
        [
            *OPENED,
            (1.0, EnterDigits("1234"), ["_DTMF1234"]),
            (1.1, FRAME, ["20"]),
            (1.5, "reply 500", sounds("reply-1", 500)),
            (1.6, EnterDigits("9", placeholder="entry-1"), ["_DTMF9"]),
            (2.1, ConfirmHeard("reply-1"), ["restart"]),
        ]
    )
