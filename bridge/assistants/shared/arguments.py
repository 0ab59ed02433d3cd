"""Reads what the model calls a built-in tool with: JSON text that may be broken, or not what the tool takes.

The declarations, with the check of each argument, are `bridge.vocabulary.built_in_tools`.
"""

from typing import Any

from msgspec import DecodeError, json

from bridge.vocabulary.built_in_tool import BuiltInCall, BuiltInTool

LONGEST_ARGUMENTS = 65_536
"""Characters of the arguments of one tool call; with more the call is refused."""


class WrongArguments(ValueError):
    """The arguments are not what the tool takes. The text is for the model: what is wrong, and what was expected."""


def read_call(tool: BuiltInTool, tool_call_id: str, arguments: str) -> BuiltInCall:
    """What a call of `tool` means. `arguments`: a JSON object as text; empty text counts as an empty object where
    every argument may be left out, and an argument that is null as left out.

    Raises `WrongArguments`.
    """
    found = _json_object(tool, arguments)
    if tool.refuses_unknown:
        for name in sorted(found.keys() - tool.parameters.keys()):
            known = ", ".join(sorted(tool.parameters))
            raise WrongArguments(f"there is no argument {name[:40]}; known: {known}")
    try:
        given = {
            name: parameter.read(found.get(name))
            for name, parameter in tool.parameters.items()
            if name in found or parameter.is_required
        }
    except ValueError as error:
        raise WrongArguments(str(error)) from None
    return tool.meaning(tool_call_id, given)


def _json_object(tool: BuiltInTool, arguments: str) -> dict[str, Any]:
    """The arguments by name, without those that are null."""
    if not arguments and not tool.needs_arguments:
        return {}
    try:
        found = json.decode(arguments)
    except (DecodeError, RecursionError, UnicodeEncodeError):
        raise WrongArguments(f"the arguments are no JSON; they should be {tool.example}") from None
    if not isinstance(found, dict):
        raise WrongArguments(f"the arguments should be {tool.example}")
    return {name: value for name, value in found.items() if value is not None}
