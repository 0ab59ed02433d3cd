"""Entries that the assistant asks for, and keys that it has pressed."""

from typing import TYPE_CHECKING

import pytest

from bridge.vocabulary.commands import AnswerTool, ConfirmHeard, DropReply, EnterDigits, TruncateReply
from bridge.vocabulary.events import (
    AssistantHangingUp,
    AssistantReportedError,
    CloseRequested,
    EntryEnd,
    EntryRequested,
    NoteTaken,
    PressRequested,
    ReplyEnded,
    ReplySaid,
    SpeechStarted,
    SpeechStopped,
    ToolCalled,
)

if TYPE_CHECKING:
    from tests.assistants.openai_realtime.conftest import Dial, Row

ASK = "call R1 c1 collect_digits {}"
ASK_FOR_PIN = 'call R1 c1 collect_digits {"prompt": "Please type your PIN.", "length": 4, "sensitive": true}'
PIN = EntryRequested("c1", length=4, sensitive=True)
FAILED = AssistantReportedError("a response failed: server_error")
PROMPT = 'create: Say exactly this and nothing else: "Please type your PIN."'
TYPED = EnterDigits("1234", EntryEnd.TERMINATOR, "#", request_id="c1")
OUTPUT = 'output c1: {"digits":"1234","reason":"terminator"}'

LENGTH = "it should be a whole number from 1 to 128, or be left out"

ASKED: "list[Row]" = [
    (1.0, "created R1", []),
    (1.1, ASK_FOR_PIN, [PIN]),
    (1.2, "done R1", [PROMPT]),
    (1.3, "created R2 ours", []),
    (1.4, "audio R2 A 900", ["sound A 900"]),
    (1.5, "done R2 ours", [ReplyEnded("A")]),
]
SILENT: "list[Row]" = [(1.0, "created R1", []), (1.1, ASK, [EntryRequested("c1")]), (1.2, "done R1", [])]

SCENES: "dict[str, list[Row]]" = {
    "said, typed, answered, followed up": [
        *ASKED,
        (2.4, ConfirmHeard("A"), []),
        (30.0, TYPED, [OUTPUT, "create"]),
        (30.1, "created R3 ours", []),
        (30.2, "audio R3 B 20", ["sound B 20"]),
        (30.3, "done R3 ours", [ReplyEnded("B")]),
        (99.0, None, []),
    ],
    "without a prompt nothing is said, and no filler either": [*SILENT, (30.0, TYPED, [OUTPUT, "create"])],
    "nobody typed anything": [
        *SILENT,
        (30.0, EnterDigits("", request_id="c1"), ['output c1: {"digits":"","reason":"quiet"}', "create"]),
    ],
    "answered once": [*SILENT, (3.0, TYPED, [OUTPUT, "create"]), (3.1, AnswerTool("c1", "x"), [])],
    "typed ahead, while the response is being made: the prompt is not needed any more": [
        (1.0, "created R1", []),
        (1.1, ASK_FOR_PIN, [PIN]),
        (1.1, TYPED, [OUTPUT]),
        (1.2, 'call R1 c2 note {"text": "x"}', [NoteTaken("x"), "output c2: noted"]),
        (1.3, "done R1", ["create"]),
    ],
    "typed before the prompt was made": [
        *ASKED[:3],
        (1.25, TYPED, [OUTPUT]),
        (1.3, "created R2 ours", ["cancel R2"]),
        (1.4, "done R2 cancelled client_cancelled", ["create"]),
    ],
    "typed into the prompt: it is cut": [
        *ASKED[:5],
        (1.6, TruncateReply("A", 200), ["cancel R2", "truncate A 200"]),
        (1.6, TYPED, [OUTPUT]),
        (1.7, "done R2 cancelled client_cancelled", [ReplyEnded("A"), "create"]),
    ],
    "typed before a sound of the prompt was heard": [
        *ASKED,
        (1.6, DropReply("A"), ["delete A"]),
        (1.6, TYPED, [OUTPUT, "create"]),
    ],
    "the model has said it in its own words: it is not said twice": [
        (1.0, "created R1", []),
        (1.0, "words R1 A Sure, please type your PIN now.", [ReplySaid("A", "Sure, please type your PIN now.")]),
        (1.1, "audio R1 A 900", ["sound A 900"]),
        (1.1, ASK_FOR_PIN, [PIN]),
        (1.2, "done R1", [ReplyEnded("A")]),
        (9.0, TYPED, [OUTPUT, "create"]),
    ],
    "the model has said something else": [
        (1.0, "created R1", []),
        (1.0, "words R1 A One moment.", [ReplySaid("A", "One moment.")]),
        (1.1, "audio R1 A 900", ["sound A 900"]),
        (1.1, ASK_FOR_PIN, [PIN]),
        (1.2, "done R1", [ReplyEnded("A"), PROMPT]),
    ],
    "the model has said something, and it is not known what": [
        (1.0, "created R1", []),
        (1.1, ASK_FOR_PIN, [PIN]),
        (1.1, "audio R1 A 900", ["sound A 900"]),
        (1.2, "done R1", [ReplyEnded("A")]),
    ],
    "a caller who speaks instead is answered, and may type later": [
        *SILENT,
        (5.0, "speech U1", [SpeechStarted()]),
        (6.0, "pause U1", [SpeechStopped("U1")]),
        (6.1, "created R2", []),
        (6.2, "audio R2 A 20", ["sound A 20"]),
        (6.3, "done R2", [ReplyEnded("A")]),
        (9.0, TYPED, [OUTPUT, "create"]),
    ],
    "a caller who speaks into the response that asks is not prompted": [
        (1.0, "created R1", []),
        (1.1, ASK_FOR_PIN, [PIN]),
        (1.15, "speech U1", [SpeechStarted()]),
        (1.2, "done R1 cancelled turn_detected", []),
        (2.0, "pause U1", [SpeechStopped("U1")]),
        (2.1, "created R2", []),
        (2.2, "audio R2 A 20", ["sound A 20"]),
        (2.3, "done R2", [ReplyEnded("A")]),
        (9.0, TYPED, [OUTPUT, "create"]),
    ],
    "an entry that ends while the caller speaks waits for the turn": [
        *SILENT,
        (5.0, "speech U1", [SpeechStarted()]),
        (5.5, TYPED, [OUTPUT]),
        (5.6, "added", []),
        (6.0, "pause U1", [SpeechStopped("U1")]),
        (6.1, "created R2", []),
        (6.2, "audio R2 A 20", ["sound A 20"]),
        (6.3, "done R2", [ReplyEnded("A")]),
        (9.0, None, []),
    ],
    "other tools are followed up with it": [
        (1.0, "created R1", []),
        (1.1, ASK, [EntryRequested("c1")]),
        (1.1, "call R1 c2 weather {}", [ToolCalled("c2", "weather", "{}")]),
        (1.2, "done R1", []),
        (1.9, AnswerTool("c2", "sunny"), ["output c2: sunny"]),
        (60.0, TYPED, [OUTPUT, "create"]),
    ],
    "two entries: each has its output, and one response follows": [
        (1.0, "created R1", []),
        (1.1, ASK, [EntryRequested("c1")]),
        (1.1, "call R1 c2 collect_digits {}", [EntryRequested("c2")]),
        (1.2, "done R1", []),
        (5.0, TYPED, [OUTPUT]),
        (9.0, EnterDigits("5", request_id="c2"), ['output c2: {"digits":"5","reason":"quiet"}', "create"]),
    ],
    "asked again in a later response: the entry answers the later call": [
        *SILENT,
        (5.0, "speech U1", [SpeechStarted()]),
        (6.0, "pause U1", [SpeechStopped("U1")]),
        (6.1, "created R2", []),
        (6.2, "audio R2 A 20", ["sound A 20"]),
        (6.3, 'call R2 c2 collect_digits {"length": 4, "sensitive": true}', ["output c1: error: asked again since", EntryRequested("c1", length=4, sensitive=True)]),
        (6.4, "done R2", [ReplyEnded("A")]),
        (9.0, EnterDigits("1234", EntryEnd.TERMINATOR, "#", request_id="c1"), ['output c2: {"digits":"1234","reason":"terminator"}', "create"]),
        (9.1, "created R3 ours", []),
        (9.2, "call R3 c3 collect_digits {}", [EntryRequested("c3")]),
        (9.3, "done R3 ours", []),
    ],
    "asked again with wrong arguments: the first request stands": [
        *SILENT,
        (6.1, "created R2", []),
        (6.3, 'call R2 c2 collect_digits {"length": 0}', [f"output c2: error: length is 0; {LENGTH}"]),
        (6.4, "done R2", []),
        (9.0, TYPED, [OUTPUT, "create"]),
    ],
    "a call in a response that was interrupted asks for nothing": [
        (1.0, "created R1", []),
        (1.1, "speech U1", [SpeechStarted()]),
        (1.2, ASK_FOR_PIN, ["output c1: error: interrupted"]),
        (1.3, "done R1 cancelled turn_detected", []),
    ],
    "an assistant that hangs up does not wait for an entry": [
        (1.0, "created R1", []),
        (1.0, "audio R1 A 500", ["sound A 500"]),
        (1.1, ASK_FOR_PIN, [PIN]),
        (1.2, "call R1 c2 hang_up {}", [AssistantHangingUp(), "output c2: the call ends now"]),
        (1.3, "done R1", [ReplyEnded("A"), CloseRequested("the assistant hung up", code=1000)]),
    ],
    "a prompt that fails is said once more": [
        *ASKED[:4],
        (1.4, "done R2 failed server_error", [FAILED, "delayed 0.2"]),
        (1.9, None, [PROMPT]),
    ],
    "the call ends while the caller types: an output, no response": [
        *SILENT,
        (
            3.0,
            EnterDigits("12", EntryEnd.HANGUP, request_id="c1"),
            ['output c1: {"digits":"12","reason":"hangup"}'],
        ),
        (9.0, None, []),
    ],
    "an entry that another assistant asked for is one like others": [
        (1.0, EnterDigits("12", request_id="c9"), ["item user: The caller typed on the keypad: 12", "create"]),
    ],
    "keys are pressed, and that is told": [
        (1.0, "created R1", []),
        (1.1, 'call R1 c1 send_digits {"digits": "1w2#aW"}', [PressRequested("1w2#AW"), 'output c1: {"sent":"1w2#AW"}']),
        (1.2, "done R1", ["create"]),
    ],
}  # fmt: skip


@pytest.mark.parametrize("scene", SCENES)
def test_entries(dial: "Dial", scene: str) -> None:
    line = dial()
    line.open()
    line.play(SCENES[scene])


@pytest.mark.parametrize("respond", ["silence", "none"])
def test_an_entry_that_was_asked_for_is_followed_up_whatever_becomes_of_others(
    dial: "Dial", respond: str
) -> None:
    line = dial(dtmf={"respond": respond})
    line.open()
    line.play([*SILENT, (30.0, TYPED, [OUTPUT, "create"])])


def test_of_a_sensitive_entry_the_model_learns_the_name(dial: "Dial") -> None:
    line = dial()
    line.open()
    line.play(ASKED)
    sensitive = EnterDigits("4111111111111111", EntryEnd.FULL, request_id="c1", placeholder="entry-1")
    (output, follow_up) = line.tell(sensitive)
    assert output == (
        'output c1: {"entry":"entry-1","length":16,"reason":"full","use":"The digits are confidential. '
        'Give the name of the entry to another tool in place of the digits: the tool gets the digits."}'
    )
    assert follow_up == "create"
    assert "41111" not in str(line.sent)


def test_the_prompt_has_the_character_and_no_tools(dial: "Dial") -> None:
    line = dial()
    line.open()
    line.play(ASKED)
    response = line.last("response.create")["response"]
    assert response["instructions"].startswith("Be kind.\n\nSay exactly this")
    assert response["tool_choice"] == "none"
    assert "conversation" not in response, "the model should know that it was said"


REQUESTS = [
    ("", EntryRequested("c1")),
    ("{}", EntryRequested("c1")),
    ('{"length": 4.0, "terminator": "#*a", "timeout": 2.5}', EntryRequested("c1", 4, "#*A", 2.5)),
    ('{"terminator": "", "sensitive": true}', EntryRequested("c1", terminator="", sensitive=True)),
    ('{"length": null, "prompt": null, "sensitive": null}', EntryRequested("c1")),
    ('{"length": 128, "timeout": 300}', EntryRequested("c1", 128, None, 300.0)),
]


@pytest.mark.parametrize(("arguments", "asked"), REQUESTS)
def test_what_is_asked_for(dial: "Dial", arguments: str, asked: EntryRequested) -> None:
    line = dial()
    line.open()
    line.play([(1.0, "created R1", [])])
    assert line.hear(f"call R1 c1 collect_digits {arguments}".strip()) == [asked]


TIMEOUT = "it should be seconds, more than 0 and at most 300, or be left out"
TERMINATOR = 'it should be keys that end the entry, of 0-9 * # A-D, such as "#", or "" for none'
ENTRY_JSON = '{"prompt": "...", "length": 4, "terminator": "#", "timeout": 10, "sensitive": false}'
KEYS = "1 to 64 of 0-9 * # A-D, w for half a second's pause and W for a second"

REFUSED = [
    ('collect_digits {"length": 0}', f"length is 0; {LENGTH}"),
    ('collect_digits {"length": 129}', f"length is 129; {LENGTH}"),
    ('collect_digits {"length": 1.5}', f"length is 1.5; {LENGTH}"),
    ('collect_digits {"length": "4"}', f'length is "4"; {LENGTH}'),
    ('collect_digits {"length": true}', f"length is true; {LENGTH}"),
    ('collect_digits {"timeout": -1}', f"timeout is -1; {TIMEOUT}"),
    ('collect_digits {"timeout": 0}', f"timeout is 0; {TIMEOUT}"),
    ('collect_digits {"timeout": 301}', f"timeout is 301; {TIMEOUT}"),
    ('collect_digits {"timeout": "soon"}', f'timeout is "soon"; {TIMEOUT}'),
    ('collect_digits {"terminator": "x"}', f'terminator is "x"; {TERMINATOR}'),
    ('collect_digits {"terminator": 7}', f"terminator is 7; {TERMINATOR}"),
    ('collect_digits {"prompt": 7}', "prompt is 7; it should be the words that the caller should hear first"),
    ('collect_digits {"sensitive": "yes"}', 'sensitive is "yes"; it should be true or false'),
    (
        'collect_digits {"confidential": true}',
        "there is no argument confidential; known: length, prompt, sensitive, terminator, timeout",
    ),
    ("collect_digits {", f"the arguments are no JSON; they should be {ENTRY_JSON}"),
    ("collect_digits []", f"the arguments should be {ENTRY_JSON}"),
    ("send_digits {}", f"digits should be a text of {KEYS}"),
    ('send_digits {"digits": ""}', f"digits should be a text of {KEYS}"),
    ('send_digits {"digits": 12}', f"digits should be a text of {KEYS}"),
    ('send_digits {"digits": "' + "1" * 65 + '"}', f"digits should be a text of {KEYS}"),
    ('send_digits {"digits": "12x"}', f"digits has what is on no keypad; it should be {KEYS}"),
    ('send_digits {"digits": "entry-1"}', f"digits has what is on no keypad; it should be {KEYS}"),
    ('send_digits {"keys": "12"}', "there is no argument keys; known: digits"),
    ("send_digits", 'the arguments are no JSON; they should be {"digits": "1234#w5"}'),
]


@pytest.mark.parametrize(("called", "why"), REFUSED)
def test_what_is_wrong_with_a_call_is_told_to_the_model(dial: "Dial", called: str, why: str) -> None:
    line = dial()
    line.open()
    line.play([(1.0, "created R1", [])])
    name, _, arguments = called.partition(" ")
    assert line.hear(f"call R1 c1 {name} {arguments}") == [f"output c1: error: {why}"]
    assert line.hear("done R1") == ["create"]
