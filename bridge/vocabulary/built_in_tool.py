"""What a built-in tool is: how it is declared to a model, how its arguments are read, and what a call of it means."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from msgspec import Struct, json

from bridge.vocabulary.contracts import ToolSchema
from bridge.vocabulary.events import AssistantEvent


class BuiltInCall(NamedTuple):
    """What one call of a built-in tool means."""

    event: AssistantEvent
    """For the core."""
    output: str | None
    """What the model is answered at once. None: it is answered when the entry ends, with `entry_output`."""
    prompt: str = ""
    """What the caller should be told first, word for word."""


class Parameter(Struct, frozen=True):
    """One argument of a tool. `schema`: as JSON schema, for the model."""

    schema: Mapping[str, Any]
    read: Callable[[Any], Any]
    """The argument as `BuiltInTool.meaning` takes it; None stands for a required one that is missing.

    Raises ValueError, in words for the model, with what is wrong and what was expected.
    """
    is_required: bool = False


class BuiltInTool(Struct, frozen=True):
    """The declaration of one tool."""

    name: str
    description: str
    example: str
    """Right arguments, as JSON."""
    parameters: Mapping[str, Parameter]
    meaning: Callable[[str, Mapping[str, Any]], BuiltInCall]
    """From the id of the call and those arguments that were given, each as its `Parameter.read` returned it."""
    refuses_unknown: bool = False
    """Whether an unknown argument is an error, because a misspelt one would do harm; otherwise it is ignored."""

    @property
    def schema(self) -> ToolSchema:
        """What the model is told of it."""
        required = [name for name, parameter in self.parameters.items() if parameter.is_required]
        return ToolSchema(
            self.name,
            self.description,
            {
                "type": "object",
                "properties": {name: dict(parameter.schema) for name, parameter in self.parameters.items()},
                **({"required": required} if required else {}),
                "additionalProperties": False,
            },
        )

    @property
    def needs_arguments(self) -> bool:
        """Whether there is an argument that may not be left out."""
        return any(parameter.is_required for parameter in self.parameters.values())


def wrong(name: str, value: Any, expected: str) -> ValueError:
    """An argument is wrong, in words for the model."""
    shown = json.encode(value).decode()
    return ValueError(f"{name} is {shown if len(shown) <= 40 else 'something else'}; it should be {expected}")
