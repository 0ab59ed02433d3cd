"""The built-in tools that concern people: put the caller through, and what a person says to that who is briefed."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bridge.vocabulary.built_in_tool import BuiltInCall, BuiltInTool, Parameter, wrong
from bridge.vocabulary.contracts import ToolSchema
from bridge.vocabulary.people import BriefingAccepted, BriefingDeclined, TransferRequested

# transfer

LONGEST_WORDS = 2_000


def _person(person: Any) -> str:
    if not isinstance(person, str) or not person.strip():
        raise ValueError("person should be the name of somebody whom you can put the caller through to")
    return person.strip()


def _words(name: str) -> Callable[[Any], str]:
    def read(text: Any) -> str:
        if not isinstance(text, str):
            raise wrong(name, text, "a text, or be left out")
        return text.strip()[:LONGEST_WORDS]

    return read


def _transfer_requested(tool_call_id: str, given: Mapping[str, Any]) -> BuiltInCall:
    requested = TransferRequested(
        given["person"], given.get("why", ""), given.get("summary", ""), tool_call_id
    )
    return BuiltInCall(requested, None)


TRANSFER = BuiltInTool(
    "transfer",
    "Puts the caller through to a person. First tell the caller what you are about to do: they hear you to the end, then "
    "music while the person is called. The answer comes when the caller is with you again: it says why nobody was reached, "
    "or that the person has left.",
    '{"person": "...", "why": "...", "summary": "..."}',
    {
        "person": Parameter(
            {"type": "string", "description": "The name of the person; never a number."},
            _person,
            is_required=True,
        ),
        "why": Parameter(
            {"type": "string", "description": "Why the caller wants to speak to them, in one sentence."},
            _words("why"),
        ),
        "summary": Parameter(
            {
                "type": "string",
                "description": "What the person should know: who calls, what was said, what is still open.",
            },
            _words("summary"),
        ),
    },
    _transfer_requested,
)


def transfer_schema(people: Sequence[str], description: str | None = None) -> ToolSchema:
    """What the model is told of `transfer` where it may put callers through to these people."""
    name, described, parameters = TRANSFER.schema
    person = parameters["properties"]["person"] | {"enum": list(people)}
    properties = parameters["properties"] | {"person": person}
    return ToolSchema(name, description or described, {**parameters, "properties": properties})


# accept, decline: in a briefing alone

ACCEPT = BuiltInTool(
    "accept",
    "The person takes the call: they are joined with the caller at once, and your part is over.",
    example="{}",
    parameters={},
    meaning=lambda _tool_call_id, _given: BuiltInCall(BriefingAccepted(), "they are being joined"),
)

DECLINE = BuiltInTool(
    "decline",
    "The person does not take the call. The caller goes on with the assistant, which is told the reason.",
    '{"reason": "..."}',
    {
        "reason": Parameter(
            {"type": "string", "description": "Why not, in a few words, for the caller's assistant."},
            _words("reason"),
        )
    },
    lambda _tool_call_id, given: BuiltInCall(
        BriefingDeclined(given.get("reason", "")), "the caller's assistant is told"
    ),
)

BRIEFING_TOOLS: Mapping[str, BuiltInTool] = {tool.name: tool for tool in (ACCEPT, DECLINE)}
"""Those that only an assistant has which briefs a person, and it has no others."""
