"""What a call of a built-in tool means, and what the model is told of arguments that the tool does not take."""

import pytest

from bridge.assistants.shared.arguments import WrongArguments, read_call
from bridge.vocabulary.built_in_tool import BuiltInCall
from bridge.vocabulary.built_in_tools import BUILT_IN_TOOLS
from bridge.vocabulary.events import AssistantHangingUp, EntryRequested, NoteTaken, PressRequested

GONE = BuiltInCall(AssistantHangingUp(), "the call ends now")

MEANT = [
    ("hang_up", "", GONE),
    ("hang_up", "{}", GONE),
    ("hang_up", '{"why": "done"}', GONE),
    ("note", '{"text": "call back"}', BuiltInCall(NoteTaken("call back"), "noted")),
    ("note", '{"text": "", "urgent": true}', BuiltInCall(NoteTaken(""), "noted")),
    ("collect_digits", "", BuiltInCall(EntryRequested("c1"), None)),
    ("collect_digits", '{"prompt": " Your PIN? "}', BuiltInCall(EntryRequested("c1"), None, "Your PIN?")),
    (
        "collect_digits",
        '{"length": 4, "terminator": "#a", "timeout": 2.5, "sensitive": true}',
        BuiltInCall(EntryRequested("c1", 4, "#A", 2.5, True), None),
    ),
    ("collect_digits", '{"length": null, "sensitive": null}', BuiltInCall(EntryRequested("c1"), None)),
    ("send_digits", '{"digits": "1w2#aW"}', BuiltInCall(PressRequested("1w2#AW"), '{"sent":"1w2#AW"}')),
]


@pytest.mark.parametrize(("tool", "arguments", "meant"), MEANT)
def test_what_a_call_means(tool: str, arguments: str, meant: BuiltInCall) -> None:
    assert read_call(BUILT_IN_TOOLS[tool], "c1", arguments) == meant


HUGE = "1" + "0" * 400
LENGTH = "it should be a whole number from 1 to 128, or be left out"

WRONG = [
    ("hang_up", "{", "the arguments are no JSON; they should be {}"),
    ("hang_up", "[]", "the arguments should be {}"),
    ("note", "", 'the arguments are no JSON; they should be {"text": "..."}'),
    ("note", "{}", 'the arguments should be {"text": "..."}'),
    ("note", '{"text": null}', 'the arguments should be {"text": "..."}'),
    ("note", '{"text": 7}', 'the arguments should be {"text": "..."}'),
    ("collect_digits", '{"length": 0}', f"length is 0; {LENGTH}"),
    ("collect_digits", f'{{"length": {HUGE}}}', f"length is something else; {LENGTH}"),
    ("collect_digits", f'{{"length": 1{HUGE}}}', f"length is something else; {LENGTH}"),
    (
        "collect_digits",
        f'{{"timeout": {HUGE}}}',
        "timeout is something else; it should be seconds, more than 0 and at most 300, or be left out",
    ),
    (
        "collect_digits",
        '{"sensitiv": true}',
        "there is no argument sensitiv; known: length, prompt, sensitive, terminator, timeout",
    ),
    ("send_digits", '{"keys": "12"}', "there is no argument keys; known: digits"),
]


@pytest.mark.parametrize(("tool", "arguments", "why"), WRONG)
def test_what_the_model_is_told(tool: str, arguments: str, why: str) -> None:
    with pytest.raises(WrongArguments) as refusal:
        read_call(BUILT_IN_TOOLS[tool], "c1", arguments)
    assert str(refusal.value) == why


@pytest.mark.parametrize("tool", BUILT_IN_TOOLS)
def test_the_example_is_accepted(tool: str) -> None:
    declared = BUILT_IN_TOOLS[tool]
    assert read_call(declared, "c1", declared.example).event is not None


@pytest.mark.parametrize("tool", BUILT_IN_TOOLS)
@pytest.mark.parametrize("arguments", ["{", "[" * 100_000, '"\ud800"', "nul", "\0"])
def test_broken_json_is_refused_whatever_it_is(tool: str, arguments: str) -> None:
    with pytest.raises(WrongArguments):
        read_call(BUILT_IN_TOOLS[tool], "c1", arguments)


def test_what_the_model_is_told_of_each_tool() -> None:
    schemas = {name: tool.schema for name, tool in BUILT_IN_TOOLS.items()}
    assert [schema.name for schema in schemas.values()] == list(schemas)
    assert schemas["hang_up"].parameters == {
        "type": "object",
        "properties": {},
        "additionalProperties": False,
    }
    assert schemas["note"].parameters == {
        "type": "object",
        "properties": {"text": {"type": "string", "description": "The line to keep."}},
        "required": ["text"],
        "additionalProperties": False,
    }
    properties = schemas["collect_digits"].parameters["properties"]
    assert (properties["length"]["minimum"], properties["length"]["maximum"]) == (1, 128)
    assert properties["timeout"]["maximum"] == 300
    assert schemas["send_digits"].parameters["properties"]["digits"]["pattern"] == "^[0-9*#A-DwW]{1,64}$"
