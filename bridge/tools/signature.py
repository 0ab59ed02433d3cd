"""The parameters of a function: their JSON schema from its type hints and docstring, and its arguments from JSON text.

The docstring may be in Google, NumPy, reST or Epydoc style; its first paragraph describes the tool.
"""

import inspect
from collections.abc import Callable
from typing import Annotated, Any

import docstring_parser
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic.json_schema import GenerateJsonSchema

from bridge.tools.tool import CallFacts, ToolRefused
from bridge.vocabulary.errors import ConfigurationError

MOST_FAULTS = 5
"""Faults in the arguments that one message names."""

NAMED_SCHEMAS = ("properties", "$defs")
"""Keys of a JSON schema whose values are keyed by names of the user's, "title" perhaps."""

VALUES = ("default", "const", "enum", "examples")
"""Keys of a JSON schema whose values are not schemas."""


class QuietSchema(GenerateJsonSchema):
    """Leaves a default that has no JSON form out of the schema, without a warning."""

    ignored_warning_kinds = {"skipped-choice", "non-serializable-default"}  # noqa: RUF012  # the library's type


class Signature:
    """The signature of one function. Raises `ConfigurationError` if it cannot be called with JSON arguments."""

    def __init__(self, function: Callable[..., object]) -> None:
        parameters = _parameters(function)
        self._facts = [name for name, parameter in parameters.items() if parameter.annotation is CallFacts]
        given = [parameter for name, parameter in parameters.items() if name not in self._facts]
        # The fields get names of our own: pydantic does not accept every name that Python does.
        self._names = {f"p{number}": parameter.name for number, parameter in enumerate(given)}
        fields: dict[str, Any] = {f"p{number}": _field(parameter) for number, parameter in enumerate(given)}
        self._model = create_model("Arguments", __config__=ConfigDict(extra="forbid"), **fields)
        docstring = _docstring(function)
        self.description = " ".join((docstring.description or "").split("\n\n")[0].split())
        described = {about.arg_name: about.description for about in docstring.params if about.description}
        self.schema = _schema(self._model, described)

    def bind(self, arguments: str, facts: CallFacts) -> dict[str, Any]:
        """The function's keyword arguments. Raises `ToolRefused` with what is wrong with each."""
        try:
            read = self._model.model_validate_json(arguments.strip() or "{}")
        except ValidationError as error:
            raise ToolRefused(self._explain(error), "arguments") from None
        return {name: getattr(read, field) for field, name in self._names.items()} | dict.fromkeys(
            self._facts, facts
        )

    def _explain(self, error: ValidationError) -> str:
        faults = []
        for fault in error.errors(include_url=False, include_input=False, include_context=False)[
            :MOST_FAULTS
        ]:
            place = ".".join(str(step) for step in fault["loc"])
            if fault["type"] == "extra_forbidden" and len(fault["loc"]) == 1:
                known = ", ".join(self._names.values()) or "none"
                faults.append(f"{place}: there is no such parameter; known: {known}")
            else:
                faults.append(f"{place}: {fault['msg']}" if place else fault["msg"])
        return "the arguments do not fit: " + "; ".join(faults)


def _parameters(function: Callable[..., object]) -> dict[str, inspect.Parameter]:
    try:
        parameters = dict(inspect.signature(function, eval_str=True).parameters)
    except Exception as error:
        raise ConfigurationError(f"its type hints cannot be read: {type(error).__name__}: {error}") from error
    for name, parameter in parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise ConfigurationError(
                f"parameter {parameter} has no name that an assistant could give; it should be spelt out"
            )
        if parameter.kind is parameter.POSITIONAL_ONLY:
            raise ConfigurationError(f"parameter {name} is positional only; arguments come by name")
        if parameter.annotation is parameter.empty:
            raise ConfigurationError(
                f"parameter {name} has no type hint; it should have one, such as {name}: str"
            )
    return parameters


def _field(parameter: inspect.Parameter) -> Any:
    field: Any = (
        Annotated[parameter.annotation, Field(alias=parameter.name)],
        ... if parameter.default is parameter.empty else parameter.default,
    )
    try:  # each by itself, so that the error names the parameter
        create_model("Argument", field=field).model_json_schema(schema_generator=QuietSchema)
    except Exception as error:
        reason = str(error).partition("\n")[0].partition(". ")[0]
        raise ConfigurationError(
            f"parameter {parameter.name}: its type hint has no JSON form: {reason}"
        ) from error
    return field


def _docstring(function: Callable[..., object]) -> docstring_parser.Docstring:
    try:
        return docstring_parser.parse(inspect.getdoc(function) or "")
    except docstring_parser.ParseError as error:
        raise ConfigurationError(f"its docstring cannot be read: {error}") from error


def _schema(model: type[BaseModel], described: dict[str, str]) -> dict[str, Any]:
    schema: dict[str, Any] = _plain(model.model_json_schema(schema_generator=QuietSchema))
    for name, parameter in schema["properties"].items():
        if "description" not in parameter and name in described:
            parameter["description"] = " ".join(described[name].split())
    return schema


def _plain(schema: Any) -> Any:
    """The schema without titles, which only repeat the names."""
    if isinstance(schema, list):
        return [_plain(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {}
    for key, value in schema.items():
        if key in NAMED_SCHEMAS:
            plain[key] = {name: _plain(part) for name, part in value.items()}
        elif key != "title":
            plain[key] = value if key in VALUES else _plain(value)
    return plain
