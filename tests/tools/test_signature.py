"""From a function to what an assistant is told of it, and from what the assistant writes to the function's arguments."""

from collections.abc import Callable
from datetime import date
from enum import StrEnum
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from bridge.tools.signature import Signature
from bridge.tools.tool import CallFacts, ToolRefused
from bridge.vocabulary.errors import ConfigurationError

FACTS = CallFacts("CA1", "receptionist", {"language": "de"})

Named = dict[str, Any]


class Branch(StrEnum):
    NORTH = "north"
    SOUTH = "south"


class Patient(BaseModel):
    """Who comes."""

    title: str
    born: date | None = None


class Opaque:
    """A class without a JSON form."""


def plain(day: str, hours: float, count: int, urgent: bool) -> None: ...
def dated(day: date) -> None: ...
def chosen(kind: Literal["check", "pain"]) -> None: ...
def optional(name: str | None = None, count: int = 3) -> None: ...
def several(days: list[str]) -> None: ...
def bounded(count: Annotated[int, Field(ge=1, le=9, description="how many")]) -> None: ...
def by_default(count: int = Field(2, ge=1)) -> None: ...
def anything(value: Any, table: dict[str, int]) -> None: ...
def nothing() -> None: ...
def told(call: CallFacts, day: str) -> None: ...
def oddly_named(_day: str, copy: str, model_config: str, schema: str) -> None: ...
def without_json_default(day: object = Opaque) -> None: ...


PROPERTIES: list[tuple[Callable[..., None], Named, list[str]]] = [
    (
        plain,
        {
            "day": {"type": "string"},
            "hours": {"type": "number"},
            "count": {"type": "integer"},
            "urgent": {"type": "boolean"},
        },
        ["day", "hours", "count", "urgent"],
    ),
    (dated, {"day": {"type": "string", "format": "date"}}, ["day"]),
    (chosen, {"kind": {"type": "string", "enum": ["check", "pain"]}}, ["kind"]),
    (
        optional,
        {
            "name": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None},
            "count": {"type": "integer", "default": 3},
        },
        [],
    ),
    (several, {"days": {"type": "array", "items": {"type": "string"}}}, ["days"]),
    (
        bounded,
        {"count": {"type": "integer", "minimum": 1, "maximum": 9, "description": "how many"}},
        ["count"],
    ),
    (by_default, {"count": {"type": "integer", "minimum": 1, "default": 2}}, []),
    (
        anything,
        {"value": {}, "table": {"type": "object", "additionalProperties": {"type": "integer"}}},
        ["value", "table"],
    ),
    (nothing, {}, []),
    (told, {"day": {"type": "string"}}, ["day"]),
    (
        oddly_named,
        {name: {"type": "string"} for name in ("_day", "copy", "model_config", "schema")},
        ["_day", "copy", "model_config", "schema"],
    ),
    (without_json_default, {"day": {}}, []),
]


@pytest.mark.parametrize(("function", "properties", "required"), PROPERTIES)
def test_type_hints_become_a_schema(
    function: Callable[..., None], properties: Named, required: list[str]
) -> None:
    expected = {"type": "object", "properties": properties, "additionalProperties": False}
    assert Signature(function).schema == expected | ({"required": required} if required else {})


def test_nested_types_are_defined_and_keep_the_fields_that_are_named_title() -> None:
    def book(patient: Patient, branch: Branch) -> None: ...

    schema = Signature(book).schema
    assert schema["properties"] == {
        "patient": {"$ref": "#/$defs/Patient"},
        "branch": {"$ref": "#/$defs/Branch"},
    }
    assert schema["$defs"] == {
        "Patient": {
            "type": "object",
            "description": "Who comes.",
            "properties": {
                "title": {"type": "string"},
                "born": {"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}], "default": None},
            },
            "required": ["title"],
        },
        "Branch": {"type": "string", "enum": ["north", "south"]},
    }


def google(day: str, count: Annotated[int, Field(description="its own words")]) -> None:
    """Finds free slots
    in the book.

    How it does so does not matter here.

    Args:
        day: Which day,
            as the caller said it.
        count: never read

    Returns:
        Nothing.
    """


def numpy_style(day: str) -> None:
    """Finds free slots in the book.

    Parameters
    ----------
    day : str
        Which day,
        as the caller said it.
    """


def rest(day: str) -> None:
    """Finds free slots in the book.

    :param day: Which day, as the caller said it.
    """


@pytest.mark.parametrize("function", [google, numpy_style, rest])
def test_the_docstring_tells_the_rest(function: Callable[..., None]) -> None:
    signature = Signature(function)
    assert signature.description == "Finds free slots in the book."
    assert signature.schema["properties"]["day"]["description"] == "Which day, as the caller said it."


def test_a_hint_tells_more_than_the_docstring() -> None:
    assert Signature(google).schema["properties"]["count"]["description"] == "its own words"


def test_hints_may_be_written_as_text() -> None:
    def free_slots(day: "date", call: "CallFacts") -> None: ...

    assert Signature(free_slots).bind('{"day": "2027-03-01"}', FACTS) == {
        "day": date(2027, 3, 1),
        "call": FACTS,
    }


BINDS: list[tuple[Callable[..., None], str, Named]] = [
    (
        plain,
        '{"day": "Monday", "hours": 1, "count": "2", "urgent": true}',
        {"day": "Monday", "hours": 1.0, "count": 2, "urgent": True},
    ),
    (dated, '{"day": "2027-03-01"}', {"day": date(2027, 3, 1)}),
    (optional, '{"name": null}', {"name": None, "count": 3}),
    (by_default, "{}", {"count": 2}),
    (nothing, "", {}),
    (nothing, " {} ", {}),
    (told, '{"day": "Monday"}', {"day": "Monday", "call": FACTS}),
    (
        oddly_named,
        '{"_day": "1", "copy": "2", "model_config": "3", "schema": "4"}',
        {"_day": "1", "copy": "2", "model_config": "3", "schema": "4"},
    ),
]


@pytest.mark.parametrize(("function", "arguments", "bound"), BINDS)
def test_arguments_become_what_the_hints_say(
    function: Callable[..., None], arguments: str, bound: Named
) -> None:
    assert Signature(function).bind(arguments, FACTS) == bound


def test_a_nested_model_arrives_as_one() -> None:
    def book(patient: Patient, branch: Branch) -> None: ...

    assert Signature(book).bind('{"patient": {"title": "Dr"}, "branch": "south"}', FACTS) == {
        "patient": Patient(title="Dr"),
        "branch": Branch.SOUTH,
    }


REFUSED_ARGUMENTS: list[tuple[Callable[..., None], str, str]] = [
    (dated, "", "day: Field required"),
    (dated, '{"day":', "Invalid JSON: EOF"),
    (dated, "[]", "should be an object"),
    (dated, '{"day": "tomorrow"}', "day: Input should be a valid date"),
    (chosen, '{"kind": "wish"}', "kind: Input should be 'check' or 'pain'"),
    (several, '{"days": ["Monday", 2]}', "days.1: Input should be a valid string"),
    (
        optional,
        '{"nmae": "Ada"}',
        "nmae: there is no such parameter; known: name, count",
    ),
    (nothing, '{"day": 1}', "day: there is no such parameter; known: none"),
    (told, '{"day": "Monday", "call": "CA2"}', "call: there is no such parameter; known: day"),
    (by_default, '{"p0": 1}', "p0: there is no such parameter; known: count"),
]


@pytest.mark.parametrize(("function", "arguments", "why"), REFUSED_ARGUMENTS)
def test_arguments_that_do_not_fit_are_refused_by_name(
    function: Callable[..., None], arguments: str, why: str
) -> None:
    with pytest.raises(ToolRefused) as refused:
        Signature(function).bind(arguments, FACTS)
    assert str(refused.value).startswith("the arguments do not fit: ")
    assert why in str(refused.value)
    assert refused.value.kind == "arguments"


def of_any_number(*days: str) -> None: ...
def of_any_name(**days: str) -> None: ...
def by_position(day: str, /) -> None: ...
def unhinted(day) -> None: ...  # type: ignore[no-untyped-def]  # as users write them
def opaque(day: str, thing: Opaque) -> None: ...
def calling(back: Callable[[], int]) -> None: ...
def contradictory(day: Annotated[Opaque, Field(ge=1)]) -> None: ...
def unknown(day: "Dya") -> None: ...  # type: ignore[name-defined]  # noqa: F821  # likewise


REFUSED_FUNCTIONS: list[tuple[Callable[..., object], str]] = [
    (of_any_number, "parameter *days: str has no name that an assistant could give"),
    (of_any_name, "parameter **days: str has no name that an assistant could give"),
    (by_position, "parameter day is positional only"),
    (unhinted, "parameter day has no type hint; it should have one, such as day: str"),
    (opaque, "parameter thing: its type hint has no JSON form: "),
    (calling, "parameter back: its type hint has no JSON form: "),
    (contradictory, "parameter day: its type hint has no JSON form: "),
    (unknown, "its type hints cannot be read: NameError: name 'Dya' is not defined"),
]


@pytest.mark.parametrize(("function", "why"), REFUSED_FUNCTIONS)
def test_a_function_that_no_assistant_could_call_is_refused(
    function: Callable[..., object], why: str
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        Signature(function)
    assert str(refused.value).startswith(why)
