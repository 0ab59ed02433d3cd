"""Functions that the assistant calls: batches, the filler, notes, and hanging up."""

from typing import TYPE_CHECKING

import pytest

from bridge.vocabulary.commands import AnswerTool, ConfirmHeard, EnterDigits, TruncateReply
from bridge.vocabulary.events import (
    AssistantFailed,
    AssistantHangingUp,
    AssistantReportedError,
    CloseRequested,
    NoteTaken,
    ReplyEnded,
    SpeechStarted,
    SpeechStopped,
    ToolCalled,
)

if TYPE_CHECKING:
    from tests.assistants.openai_realtime.conftest import Dial, Row

CALLED = ToolCalled("c1", "weather", '{"city": "Rome"}')
CALL = 'call R1 c1 weather {"city": "Rome"}'
FILLER = 'create aside: Say exactly this and nothing else: "One moment, please."'
GOODBYE = "create: Say goodbye in one short sentence."
LEFT = CloseRequested("the assistant hung up", code=1000)
GONE = "output c1: the call ends now"
FAILED = AssistantReportedError("a response failed: server_error")
LEAVES, STAYS = AssistantHangingUp(), AssistantHangingUp(intended=False)

CALLED_IN_R1: "list[Row]" = [
    (1.0, "created R1", []),
    (1.1, CALL, [CALLED]),
    (1.2, "done R1", []),
]

SCENES: "dict[str, list[Row]]" = {
    "called, run, answered, followed up": [
        *CALLED_IN_R1,
        (1.9, AnswerTool("c1", "sunny"), ["output c1: sunny", "create"]),
        (2.0, "created R2 ours", []),
        (2.1, "audio R2 A 20", ["sound A 20"]),
        (2.2, "done R2 ours", [ReplyEnded("A")]),
        (9.9, None, []),
    ],
    "an answer that comes before the response is done": [
        (1.0, "created R1", []),
        (1.1, CALL, [CALLED]),
        (1.2, AnswerTool("c1", "sunny"), ["output c1: sunny"]),
        (1.3, "done R1", ["create"]),
    ],
    "parallel calls are followed up once": [
        (1.0, "created R1", []),
        (1.1, CALL, [CALLED]),
        (1.2, AnswerTool("c1", "sunny"), ["output c1: sunny"]),
        (1.3, "call R1 c2 time {}", [ToolCalled("c2", "time", "{}")]),
        (1.4, "done R1", []),
        (1.5, AnswerTool("c2", "noon"), ["output c2: noon", "create"]),
    ],
    "answers to what was not asked are dropped, and second ones": [
        (1.0, AnswerTool("c9", "sunny"), []),
        *CALLED_IN_R1,
        (1.9, AnswerTool("c1", "sunny"), ["output c1: sunny", "create"]),
        (1.9, AnswerTool("c1", "rain"), []),
    ],
    "a caller who speaks meanwhile is not talked over": [
        *CALLED_IN_R1,
        (1.5, "speech U1", [SpeechStarted()]),
        (1.9, AnswerTool("c1", "sunny"), ["output c1: sunny"]),
        (2.0, "added", []),
        (2.5, "pause U1", [SpeechStopped("U1")]),
        (2.5, "committed U1", []),
        (2.6, "created R2", []),
        (2.7, "audio R2 A 20", ["sound A 20"]),
        (2.8, "done R2", [ReplyEnded("A")]),
        (9.9, None, []),
    ],
    "an answer between the caller's pause and the response": [
        *CALLED_IN_R1,
        (1.5, "speech U1", [SpeechStarted()]),
        (1.8, "pause U1", [SpeechStopped("U1")]),
        (1.8, "committed U1", []),
        (1.9, AnswerTool("c1", "sunny"), ["output c1: sunny"]),
        (2.0, "added", []),
        (2.1, "created R2", []),
        (2.2, "audio R2 A 20", ["sound A 20"]),
        (2.3, "done R2", [ReplyEnded("A")]),
    ],
    "an answer that comes while the next turn is answered follows that": [
        *CALLED_IN_R1,
        (1.5, "speech U1", [SpeechStarted()]),
        (1.8, "pause U1", [SpeechStopped("U1")]),
        (1.9, "created R2", []),
        (2.0, AnswerTool("c1", "sunny"), ["output c1: sunny"]),
        (2.1, "audio R2 A 20", ["sound A 20"]),
        (2.3, "done R2", [ReplyEnded("A"), "create"]),
    ],
    "a call in a response that was interrupted is answered, not run": [
        (1.0, "created R1", []),
        (1.1, "speech U1", [SpeechStarted()]),
        (1.2, CALL, ["output c1: error: interrupted"]),
        (1.2, CALL, []),
        (1.3, "done R1 cancelled turn_detected", []),
        (1.4, AnswerTool("c1", "sunny"), []),
        (9.9, None, []),
    ],
    "a call that comes long after the interruption keeps nothing waiting": [
        (1.0, "created R1", []),
        (1.1, "speech U1", [SpeechStarted()]),
        (2.0, "pause U1", [SpeechStopped("U1")]),
        (7.0, CALL, ["output c1: error: interrupted"]),
        (7.1, "created R2", []),
        (7.2, 'call R2 c2 note {"text": "x"}', [NoteTaken("x"), "output c2: noted"]),
        (7.3, "done R2", ["create"]),
    ],
    "a caller whose pause is never told does not keep an answer waiting for ever": [
        *CALLED_IN_R1,
        (1.5, "speech U1", [SpeechStarted()]),
        (1.9, AnswerTool("c1", "sunny"), ["output c1: sunny"]),
        (61.4, None, []),
        (61.5, None, ["create"]),
    ],
    # Filler
    "the caller is told to wait, once": [
        *CALLED_IN_R1,
        (3.0, None, []),
        (3.1, None, [FILLER]),
        (3.2, "created R2 ours", []),
        (3.3, "audio R2 W 500", ["sound W 500"]),
        (3.4, "done R2 ours", [ReplyEnded("W")]),
        (3.9, ConfirmHeard("W"), []),
        (9.0, AnswerTool("c1", "sunny"), ["output c1: sunny", "create"]),
    ],
    "an answer during the filler waits for its end": [
        *CALLED_IN_R1,
        (3.1, None, [FILLER]),
        (3.2, "created R2 ours", []),
        (3.3, AnswerTool("c1", "sunny"), ["output c1: sunny"]),
        (3.4, "audio R2 W 500", ["sound W 500"]),
        (3.5, "done R2 ours", [ReplyEnded("W"), "create"]),
    ],
    "the filler is cancelled by name, and never cut: it is no item": [
        *CALLED_IN_R1,
        (3.1, None, [FILLER]),
        (3.2, "created R2 ours", []),
        (3.3, "audio R2 W 500", ["sound W 500"]),
        (3.4, "speech U1", ["cancel R2", SpeechStarted()]),
        (3.4, TruncateReply("W", 100), []),
        (3.5, "audio R2 W 500", []),
        (3.6, "done R2 cancelled client_cancelled", [ReplyEnded("W")]),
    ],
    "no filler over what the assistant says itself; it is put off": [
        (1.0, "created R1", []),
        (1.0, "audio R1 A 3000", ["sound A 3000"]),
        (1.1, CALL, [CALLED]),
        (1.2, "done R1", [ReplyEnded("A")]),
        (4.0, ConfirmHeard("A"), []),
        (5.0, None, []),
        (5.1, None, [FILLER]),
    ],
    "no filler while the caller speaks": [
        *CALLED_IN_R1,
        (3.0, "speech U1", [SpeechStarted()]),
        (3.2, None, []),
        (3.3, AnswerTool("c1", "sunny"), ["output c1: sunny"]),
        (9.9, None, []),
    ],
    "a filler that fails is forgotten": [
        *CALLED_IN_R1,
        (3.1, None, [FILLER]),
        (3.2, "created R2 ours", []),
        (3.3, "done R2 failed server_error", [FAILED]),
        (20.0, None, []),
        (20.0, AnswerTool("c1", "sunny"), ["output c1: sunny", "create"]),
    ],
    "a filler without an answer keeps nothing waiting for long": [
        *CALLED_IN_R1,
        (3.1, None, [FILLER]),
        (4.0, AnswerTool("c1", "sunny"), ["output c1: sunny"]),
        (8.1, None, ["create"]),
    ],
    # Note
    "a note is taken, and answered at once": [
        (1.0, "created R1", []),
        (1.1, 'call R1 c1 note {"text": "call back"}', [NoteTaken("call back"), "output c1: noted"]),
        (1.2, "done R1", ["create"]),
    ],
    # Hanging up
    "with the goodbye in the same response": [
        (1.0, "created R1", []),
        (1.1, "audio R1 A 500", ["sound A 500"]),
        (1.2, "call R1 c1 hang_up {}", [LEAVES, GONE]),
        (1.3, "done R1", [ReplyEnded("A"), LEFT]),
        (99.0, None, []),
    ],
    "not before calls beside it are answered": [
        (1.0, "created R1", []),
        (1.0, 'call R1 c2 weather {"city": "Rome"}', [ToolCalled("c2", "weather", '{"city": "Rome"}')]),
        (1.1, "audio R1 A 500", ["sound A 500"]),
        (1.2, "call R1 c1 hang_up {}", [LEAVES, GONE]),
        (1.3, "done R1", [ReplyEnded("A")]),
        (1.8, ConfirmHeard("A"), []),
        (9.0, AnswerTool("c2", "sunny"), ["output c2: sunny", LEFT]),
    ],
    "a caller who speaks while calls beside it are open stays": [
        (1.0, "created R1", []),
        (1.0, 'call R1 c2 weather {"city": "Rome"}', [ToolCalled("c2", "weather", '{"city": "Rome"}')]),
        (1.1, "audio R1 A 500", ["sound A 500"]),
        (1.2, "call R1 c1 hang_up {}", [LEAVES, GONE]),
        (1.3, "done R1", [ReplyEnded("A")]),
        (1.8, "speech U1", [STAYS, SpeechStarted()]),
        (1.9, AnswerTool("c2", "sunny"), ["output c2: sunny"]),
    ],
    "with the goodbye behind the call": [
        (1.0, "created R1", []),
        (1.1, "call R1 c1 hang_up {}", [LEAVES, GONE]),
        (1.2, "audio R1 A 500", ["sound A 500"]),
        (1.3, "done R1", [ReplyEnded("A"), LEFT]),
    ],
    "without a goodbye: it is asked for": [
        (1.0, "created R1", []),
        (1.1, "call R1 c1 hang_up", [LEAVES, GONE]),
        (1.3, "done R1", [GOODBYE]),
        (1.4, "created R2 ours", []),
        (1.5, "audio R2 A 500", ["sound A 500"]),
        (1.6, "done R2 ours", [ReplyEnded("A"), LEFT]),
    ],
    "a caller who interrupts the farewell stays": [
        (1.0, "created R1", []),
        (1.1, "call R1 c1 hang_up {}", [LEAVES, GONE]),
        (1.3, "done R1", [GOODBYE]),
        (1.4, "created R2 ours", []),
        (1.5, "audio R2 A 500", ["sound A 500"]),
        (1.6, "speech U1", [STAYS, SpeechStarted()]),
        (1.6, TruncateReply("A", 50), ["truncate A 50"]),
        (1.7, "done R2 cancelled turn_detected", [ReplyEnded("A")]),
        (2.0, "pause U1", [SpeechStopped("U1")]),
        (2.1, "created R3", []),
        (2.2, "audio R3 B 500", ["sound B 500"]),
        (2.3, "done R3", [ReplyEnded("B")]),
    ],
    "a caller who interrupts before the farewell stays": [
        (1.0, "created R1", []),
        (1.1, "call R1 c1 hang_up {}", [LEAVES, GONE]),
        (1.3, "done R1", [GOODBYE]),
        (1.4, "speech U1", [STAYS, SpeechStarted()]),
        (1.5, "created R2 ours", ["cancel R2"]),
        (1.6, "done R2 cancelled client_cancelled", []),
        (9.0, None, []),
    ],
    "a caller who interrupts the response that hung up stays": [
        (1.0, "created R1", []),
        (1.1, "audio R1 A 500", ["sound A 500"]),
        (1.2, "call R1 c1 hang_up {}", [LEAVES, GONE]),
        (1.3, "speech U1", [STAYS, SpeechStarted()]),
        (1.4, "done R1 cancelled turn_detected", [ReplyEnded("A")]),
    ],
    "a caller who types stays": [
        (1.0, "created R1", []),
        (1.1, "call R1 c1 hang_up {}", [LEAVES, GONE]),
        (1.2, EnterDigits("0"), [STAYS, "cancel R1", "item user: The caller typed on the keypad: 0"]),
        (1.3, "done R1 cancelled client_cancelled", ["create"]),
    ],
    "calls beside it are answered, but not followed up": [
        (1.0, "created R1", []),
        (1.1, 'call R1 c2 note {"text": "x"}', [NoteTaken("x"), "output c2: noted"]),
        (1.1, "call R1 c1 hang_up {}", [LEAVES, GONE]),
        (1.3, "done R1", [GOODBYE]),
        (1.4, "created R2 ours", []),
        (1.6, "done R2 ours", [LEFT]),
    ],
    "a farewell that fails twice is left out": [
        (1.0, "created R1", []),
        (1.1, "call R1 c1 hang_up {}", [LEAVES, GONE]),
        (1.3, "done R1", [GOODBYE]),
        (1.4, "created R2 ours", []),
        (1.5, "done R2 failed server_error", [FAILED, "delayed 0.5"]),
        (2.0, None, [GOODBYE]),
        (2.1, "created R3 ours", []),
        (2.2, "done R3 failed server_error", [LEFT]),
    ],
    "a farewell without an answer is left out": [
        (1.0, "created R1", []),
        (1.1, "call R1 c1 hang_up {}", [LEAVES, GONE]),
        (1.3, "done R1", [GOODBYE]),
        (6.3, None, [GOODBYE]),
        (11.3, None, [LEFT]),
    ],
}


@pytest.mark.parametrize("scene", SCENES)
def test_tools(dial: "Dial", scene: str) -> None:
    line = dial()
    line.open()
    line.play(SCENES[scene])


def test_the_filler_is_outside_of_the_conversation(dial: "Dial") -> None:
    line = dial(filler={"say": "Hold on.", "after_s": 0.5})
    line.open()
    line.play(CALLED_IN_R1)
    line.pass_to(2.0)
    response = line.last("response.create")["response"]
    assert response["instructions"] == 'Be kind.\n\nSay exactly this and nothing else: "Hold on."'
    assert (response["conversation"], response["tool_choice"], response["input"]) == ("none", "none", [])


def test_without_a_filler_it_is_quiet(dial: "Dial") -> None:
    line = dial(filler={"after_s": None})
    line.open()
    line.play([*CALLED_IN_R1, (60.0, None, [])])
    assert line.dialect.deadline() is None


def test_the_farewell_has_the_character_and_no_tools(dial: "Dial") -> None:
    line = dial(goodbye="Say adieu.")
    line.open()
    line.play([(1.1, "call R1 c1 hang_up {}", [LEAVES, GONE]), (1.3, "done R1", ["create: Say adieu."])])
    response = line.last("response.create")["response"]
    assert response["instructions"] == "Be kind.\n\nSay adieu."
    assert response["tool_choice"] == "none"


BROKEN = ["", "{", "[]", "7", '{"text": 7}', "{}"]


@pytest.mark.parametrize("arguments", BROKEN)
def test_a_note_with_broken_arguments_is_answered_with_what_is_wrong(dial: "Dial", arguments: str) -> None:
    line = dial()
    line.open()
    line.play([(1.0, "created R1", [])])
    (answer,) = line.hear(f"call R1 c1 note {arguments}")
    assert isinstance(answer, str)
    assert answer.startswith("output c1: error")
    assert line.hear("done R1") == ["create"]


@pytest.mark.parametrize("arguments", ["{", "[]", "7"])
def test_hanging_up_with_broken_arguments_does_not(dial: "Dial", arguments: str) -> None:
    line = dial()
    line.open()
    line.play([(1.0, "created R1", [])])
    (answer,) = line.hear(f"call R1 c1 hang_up {arguments}")
    assert isinstance(answer, str)
    assert answer.startswith("output c1: error")
    assert line.hear("done R1") == ["create"]


def test_a_fatal_failure_is_final(dial: "Dial") -> None:
    line = dial()
    line.open()
    line.play([(1.0, "created R1", [])])
    assert line.hear("done R1 failed insufficient_quota") == [
        AssistantFailed("a response failed: insufficient_quota", final=True)
    ]
