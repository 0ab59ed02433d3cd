"""What the address of [before_call] is asked of a call that rings, and what it may answer: both as JSON. No socket.

An answer may name the assistant, add to what it is told, or have the call rejected; all of it can be left out, also the
whole body. What is wrong with an answer is said in words, and nothing of the answer is used then.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from msgspec import Meta, Struct, field

from bridge.vocabulary.call_facts import (
    LONGEST_VARIABLE,
    MOST_VARIABLES,
    CallContext,
    Facts,
    cleaned,
)
from bridge.vocabulary.errors import MalformedMessage

MOST_ANSWER_BYTES = 65_536

Reject = Literal["busy", "rejected"]
"""How a call is rejected: the caller hears the busy tone, or the carrier's tone or words for a number out of service."""

_Text = Annotated[str, Meta(max_length=32_768)]
_Greeting = Annotated[str, Meta(max_length=2_000)]
_Name = Annotated[str, Meta(max_length=200)]
_Values = Annotated[dict[str, str | int | float | bool | None], Meta(max_length=MOST_VARIABLES)]
_VARIABLE = re.compile(r"[A-Za-z_][\w-]{0,63}")


class Question(Struct, frozen=True):
    """What is asked of a call, as the request's JSON has it."""

    call: str
    """The carrier's id of the call."""
    carrier: str
    direction: str
    from_: str = field(name="from")
    to: str
    caller_name: str
    answered_by: str
    verified: bool
    attestation: str
    path: str
    """The word behind the webhook's path; empty if there is none."""
    parameters: dict[str, str]
    """Those of the carrier's streams, and of the webhook's address."""


class Decision(NamedTuple):
    """What is to become of a call."""

    assistant: str = ""
    """Who answers, by name; empty: whoever would have answered."""
    reject: Reject | None = None
    variables: Mapping[str, str] = {}
    instructions: str = ""
    greeting: str = ""
    parameters: Mapping[str, str] = {}
    put_through: str = ""
    ignored: tuple[str, ...] = ()
    """Fields of the answer that are not known."""

    def context(self, facts: Facts) -> CallContext:
        """What is different in the call of these facts."""
        return CallContext(
            msgspec.structs.replace(facts, variables=dict(self.variables)),
            self.instructions,
            self.greeting,
            dict(self.parameters),
            self.put_through,
        )


NOTHING_SAID = Decision()
"""The call goes on as if nobody had been asked."""


class _Answer(Struct):
    assistant: _Name | None = None
    reject: Reject | None = None
    variables: _Values | None = None
    instructions: _Text | None = None
    greeting: _Greeting | None = None
    parameters: _Values | None = None
    put_through: _Name | None = None


def question(call_id: str, carrier: str, facts: Facts, path: str, parameters: Mapping[str, str]) -> Question:
    """What is asked of the call of these facts."""
    return Question(
        call_id,
        carrier,
        facts.direction,
        facts.from_,
        facts.to,
        facts.caller_name,
        facts.answered_by,
        facts.verified,
        facts.attestation,
        path,
        dict(parameters),
    )


def read_decision(body: bytes) -> Decision:
    """Read an answer. Raises `MalformedMessage`, with what was expected."""
    if not body.strip():
        return NOTHING_SAID
    try:
        fields = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        raise MalformedMessage("its answer is not JSON: expected an object, or no body") from None
    if not isinstance(fields, dict):
        raise MalformedMessage("its answer is not a JSON object")
    try:
        answer = msgspec.convert(fields, _Answer)
    except msgspec.ValidationError as error:
        raise MalformedMessage(f"its answer does not fit: {_without_value(str(error))}") from None
    ignored = [str(name)[:40] for name in fields if name not in _Answer.__struct_fields__]
    return Decision(
        answer.assistant or "",
        answer.reject,
        {
            name: cleaned(text, LONGEST_VARIABLE)
            for name, text in _texts(answer.variables, "variables").items()
        },
        answer.instructions or "",
        " ".join((answer.greeting or "").split()),
        _texts(answer.parameters, "parameters"),
        answer.put_through or "",
        tuple(ignored[:5]),
    )


def _without_value(fault: str) -> str:
    """The decoder's words, which quote the value of a choice: the only one is `reject`."""
    return "Expected busy or rejected - at `$.reject`" if fault.startswith("Invalid enum value") else fault


def _texts(values: Mapping[str, Any] | None, what: str) -> dict[str, str]:
    """The values as texts; those that are null are left out. Raises `MalformedMessage` for a name that is none."""
    found = {name: value for name, value in (values or {}).items() if value is not None}
    if not all(_VARIABLE.fullmatch(name) for name in found):
        raise MalformedMessage(
            f"its answer does not fit: a name in {what} should be a word of letters, digits, _ and -"
        )
    return {
        name: value if isinstance(value, str) else msgspec.json.encode(value).decode()
        for name, value in found.items()
    }
