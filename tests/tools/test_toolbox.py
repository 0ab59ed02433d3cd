"""The settings of tools, and what becomes of them when the server starts: schemas, or a refusal that helps."""

import sys
from pathlib import Path
from typing import Any

import pytest

from bridge.settings.assistants import ToolSettings
from bridge.tools.toolbox import Toolbox
from bridge.vocabulary.built_in_tools import BUILT_IN_TOOLS
from bridge.vocabulary.contracts import ToolSchema
from bridge.vocabulary.errors import ConfigurationError

CLINIC = '''
from math import ceil
from bridge.tools import CallFacts

class Book: ...

OPEN = 3

def free_slots(day: str, call: CallFacts) -> list[str]:
    """Finds free slots.

    Args:
        day: Which day.
    """

async def cancel(day: str) -> None:
    """Cancels."""

def undescribed(day: str) -> None: ...

def every(day: str):
    """All of them."""
    yield day

def unhinted(day):
    """No hint."""

def _private() -> None: ...
'''

DAY = {"type": "object", "properties": {"day": {"type": "string"}}, "required": ["day"]}


@pytest.fixture(autouse=True)
def a_users_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The server is started here; nothing is installed."""
    (tmp_path / "clinic.py").write_text(CLINIC)
    (tmp_path / "broken.py").write_text("def free_slots(: pass")
    (tmp_path / "needy.py").write_text("\nimport no_such_library")
    (tmp_path / "failing.py").write_text("\n\n{}['key']")
    (tmp_path / "empty.py").write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry != str(tmp_path)])
    for module in ("clinic", "broken", "needy", "failing", "empty"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return tmp_path


def toolbox(**tools: dict[str, Any]) -> Toolbox:
    settings = {name: ToolSettings.model_validate(table) for name, table in tools.items()}
    return Toolbox("receptionist", settings)


def test_a_function_is_found_in_the_current_directory() -> None:
    (schema,) = toolbox(slots={"function": "clinic:free_slots"}).schemas
    assert schema == ToolSchema(
        "slots",
        "Finds free slots.",
        {
            "type": "object",
            "properties": {"day": {"type": "string", "description": "Which day."}},
            "required": ["day"],
            "additionalProperties": False,
        },
    )


def test_the_settings_may_describe_a_function_better() -> None:
    (schema,) = toolbox(
        slots={"function": "clinic:undescribed", "description": "Finds free slots, mornings first."}
    ).schemas
    assert schema.description == "Finds free slots, mornings first."


def test_an_address_is_described_by_the_settings() -> None:
    (schema,) = toolbox(
        slots={"url": "http://localhost/", "description": "Slots.", "parameters": DAY}
    ).schemas
    assert schema == ToolSchema("slots", "Slots.", DAY)


def test_transfer_names_the_people_to_whom_an_assistant_may_put_callers_through() -> None:
    (schema,) = toolbox(transfer={"people": ["billing", "boss"], "description": "Puts through."}).schemas
    assert schema.description == "Puts through."
    assert schema.parameters["properties"]["person"]["enum"] == ["billing", "boss"]
    assert schema.parameters["required"] == ["person"]


@pytest.mark.parametrize("parameters", [{}, {"parameters": {"type": "object"}}])
def test_an_address_may_need_no_parameters(parameters: dict[str, Any]) -> None:
    (schema,) = toolbox(open={"url": "http://localhost/", "description": "Opens."} | parameters).schemas
    assert schema.parameters["type"] == "object"
    assert schema.parameters["properties"] == {}


def test_built_in_tools_need_nothing() -> None:
    schemas = toolbox(**{name: {} for name in BUILT_IN_TOOLS}).schemas
    assert [schema.name for schema in schemas] == list(BUILT_IN_TOOLS)
    hang_up, note, outcome, collect_digits, send_digits, _ = schemas
    assert "goodbye" in hang_up.description
    assert hang_up.parameters["properties"] == {}
    assert note.parameters["required"] == ["text"]
    assert outcome.parameters["required"] == ["outcome"]
    names = {"prompt", "length", "terminator", "timeout", "sensitive"}
    assert collect_digits.parameters["properties"].keys() == names
    assert send_digits.parameters["required"] == ["digits"]


def test_a_built_in_tool_may_be_described_otherwise() -> None:
    (schema,) = toolbox(hang_up={"description": "Only when the patient asks for it."}).schemas
    assert schema.description == "Only when the patient asks for it."


def test_schemas_come_in_the_order_of_the_settings() -> None:
    box = toolbox(note={}, cancel={"function": "clinic:cancel"}, hang_up={})
    assert [schema.name for schema in box.schemas] == ["note", "cancel", "hang_up"]


HTTP = {"url": "http://localhost/", "description": "Slots."}

REFUSED: list[tuple[str, dict[str, Any], list[str]]] = [
    (
        "slots",
        {},
        [
            ".function is missing",
            "only hang_up, note, outcome, collect_digits, send_digits, transfer are built in",
            'function = "package.module:function"',
            'url = "https://',
        ],
    ),
    (
        "slots",
        {"function": "clinic:free_slot"},
        [
            ".function = 'clinic:free_slot': module 'clinic' has no function free_slot; it has ",
            "free_slots, cancel, undescribed, every, unhinted",
        ],
    ),
    ("slots", {"function": "empty:slots"}, ["module 'empty' has no function slots; it has none of its own"]),
    ("slots", {"function": "clinic:Book"}, ["Book is not a function; it has free_slots"]),
    ("slots", {"function": "clinic:OPEN"}, ["OPEN is not a function"]),
    ("slots", {"function": "clinic:every"}, ["every is a generator: it should return its answer"]),
    ("slots", {"function": "clinic:unhinted"}, ["parameter day has no type hint"]),
    ("slots", {"function": "clinic:undescribed"}, ["has no docstring; should have one, or"]),
    (
        "slots",
        {"function": "clinik:free_slots"},
        ["there is no module 'clinik'; it should be installed, or be in /"],
    ),
    ("slots", {"function": "clinic.book:slots"}, ["there is no module 'clinic.book'"]),
    (
        "slots",
        {"function": "needy:slots"},
        ["module 'needy' cannot be imported", "no_such_library", "needy.py:2)"],
    ),
    (
        "slots",
        {"function": "broken:slots"},
        ["module 'broken' cannot be imported: SyntaxError", "broken.py:1)"],
    ),
    (
        "slots",
        {"function": "failing:slots"},
        ["module 'failing' cannot be imported: KeyError: 'key'", "failing.py:3)"],
    ),
    ("slots", {"function": "clinic:cancel", "parameters": DAY}, [".parameters: does not go with a function"]),
    ("slots", {"function": "clinic:cancel", "method": "GET"}, [".method: does not go with a function"]),
    (
        "hang_up",
        {"function": "clinic:cancel"},
        [".function: does not go with a built-in tool", "another name"],
    ),
    ("slots", {"url": "http://localhost/"}, [".description is missing"]),
    (
        "slots",
        HTTP | {"parameters": {"type": "array"}},
        [".parameters: has type = 'array'", 'type = "object"'],
    ),
    ("slots", HTTP | {"parameters": {}}, [".parameters: has type = None", 'type = "object"']),
    (
        "slots",
        HTTP | {"parameters": DAY | {"properties": {"day": "string"}}},
        [".parameters.properties: should be a table of JSON schemas"],
    ),
    (
        "slots",
        HTTP | {"parameters": DAY | {"required": ["hour"]}},
        [".parameters.required: should be a list of names in parameters.properties"],
    ),
    ("free slots", {"function": "clinic:cancel"}, [": a tool's name should be 1 to 64 of"]),
    ("s" * 65, {"function": "clinic:cancel"}, [": a tool's name should be 1 to 64 of"]),
    ("", {"function": "clinic:cancel"}, [": a tool's name should be 1 to 64 of"]),
]


@pytest.mark.parametrize(("name", "table", "told"), REFUSED)
def test_refuses_with_the_key_and_what_would_be_right(
    name: str, table: dict[str, Any], told: list[str]
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        toolbox(**{name: table})
    why = str(refused.value)
    assert why.startswith(f"assistants.receptionist.tools.{name}")
    assert not [words for words in told if words not in why], why
    assert "secret" not in why
