"""What an operator can ask of a call: each verb with its body, the right that it needs, and the event for the core."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated, Any, Literal, NamedTuple, TypeVar

from msgspec import DecodeError, Meta, Struct, ValidationError, field, json

from bridge.settings.control import Can
from bridge.shell.control.problems import Problem
from bridge.vocabulary.call_facts import LONGEST_VARIABLE, MOST_VARIABLES
from bridge.vocabulary.operator import (
    HandoverRequested,
    HangUpRequested,
    HoldRequested,
    KeysRequested,
    MuteRequested,
    OperatorEvent,
    ReturnRequested,
    TellRequested,
)
from bridge.vocabulary.supervision import SuperviseRequested, SupervisorRole

LONGEST_TEXT = 4_000

VARIABLE = "^[A-Za-z_][A-Za-z0-9_-]{0,63}$"
"""The name of a variable."""

Name = Annotated[str, Meta(min_length=1, max_length=100)]

T = TypeVar("T")


class Nothing(Struct, frozen=True, forbid_unknown_fields=True):
    """No fields."""


class Tell(Struct, frozen=True, forbid_unknown_fields=True):
    """Words for the assistant, which the caller does not hear. `respond`: it answers as soon as it may speak."""

    text: Annotated[str, Meta(min_length=1, max_length=LONGEST_TEXT)]
    respond: bool = True


class ToPerson(Struct, frozen=True, forbid_unknown_fields=True):
    """A person, by a name of [people]."""

    person: Name


class Mute(Struct, frozen=True, forbid_unknown_fields=True):
    """Who is muted, or no longer."""

    who: Literal["caller", "assistant", "person", "supervisor"]
    muted: bool = True


class Press(Struct, frozen=True, forbid_unknown_fields=True):
    """Keys for the far end: w is a pause of half a second, W of a second."""

    keys: Annotated[str, Meta(pattern="^[0-9*#A-DwW]{1,32}$")]


class Supervise(Struct, frozen=True, forbid_unknown_fields=True):
    """A supervisor, by a name of [supervisors]: joins with a role, changes it, or leaves. `to`: who hears a whisper.

    `calls_in`: they are not called; the call waits for theirs.
    """

    supervisor: Name
    role: Literal["listen", "whisper", "barge", "leave"]
    to: Literal["assistant", "person"] | None = None
    calls_in: bool = False


class Place(Struct, frozen=True, forbid_unknown_fields=True):
    """A call to be placed. `from`: a number of yours at the carrier. `variables`: what the assistant is told of the call."""

    carrier: Name
    to: Name
    from_: Annotated[Name, Meta(description="A number of yours at the carrier")] = field(name="from")
    assistant: Annotated[str, Meta(max_length=100)] = ""
    variables: Annotated[
        dict[Annotated[str, Meta(pattern=VARIABLE)], Annotated[str, Meta(max_length=LONGEST_VARIABLE)]],
        Meta(max_length=MOST_VARIABLES),
    ] = {}


class Verb(NamedTuple):
    """One verb of a call under way."""

    method: str
    path: str
    """Behind /calls/{id}; empty for the call itself."""
    can: Can
    body: type[Struct]
    event: Callable[[Any], OperatorEvent]
    """Makes the event for the core."""
    summary: str

    @property
    def name(self) -> str:
        """For the audit log."""
        return self.path.removeprefix("/") or "end"


def _mute(body: Mute) -> OperatorEvent:
    if body.who not in ("caller", "assistant"):
        raise Problem(HTTPStatus.CONFLICT, f"there is no {body.who} whom the bridge could mute in this call")
    return MuteRequested(body.who, body.muted)


WHY = "an operator ended the call"

VERBS: tuple[Verb, ...] = (
    Verb(
        "POST",
        "/tell",
        "tell",
        Tell,
        lambda body: TellRequested(body.text, body.respond),
        "Tell the assistant something",
    ),
    Verb(
        "POST",
        "/transfer",
        "transfer",
        ToPerson,
        lambda body: HandoverRequested(body.person),
        "Put the caller through to a person, as the tool `transfer` does",
    ),
    Verb("POST", "/hold", "hold", Nothing, lambda _: HoldRequested(on=True), "Hold the call"),
    Verb("POST", "/unhold", "hold", Nothing, lambda _: HoldRequested(on=False), "End the hold"),
    Verb("POST", "/mute", "mute", Mute, _mute, "Mute the caller or the assistant, or end that"),
    Verb(
        "POST",
        "/supervise",
        "supervise",
        Supervise,
        lambda body: SuperviseRequested(
            body.supervisor, SupervisorRole(body.role), body.to or "", body.calls_in
        ),
        "Have a supervisor join, change their role, or leave",
    ),
    Verb(
        "POST",
        "/take",
        "transfer",
        ToPerson,
        lambda body: HandoverRequested(body.person, at_once=True),
        "Put the caller through at once, without a briefing",
    ),
    Verb(
        "POST",
        "/give-back",
        "transfer",
        Nothing,
        lambda _: ReturnRequested(),
        "Take the caller back from the person",
    ),
    Verb(
        "POST", "/press", "press", Press, lambda body: KeysRequested(body.keys), "Press keys for the far end"
    ),
    Verb("DELETE", "", "end", Nothing, lambda _: HangUpRequested(WHY), "Say goodbye and hang up"),
)


def read_body(body: bytes, kind: type[T]) -> T:
    """The body of a request. Raises `Problem` that names the field, what is wrong with it and what was expected."""
    try:
        return json.decode(body or b"{}", type=kind)
    except ValidationError as error:
        raise Problem(HTTPStatus.BAD_REQUEST, f"the body is refused: {error}") from None
    except (DecodeError, UnicodeDecodeError, RecursionError):
        raise Problem(HTTPStatus.BAD_REQUEST, "the body is not JSON: expected an object") from None
