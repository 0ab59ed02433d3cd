"""Decides who gets a call, an assistant or a supervisor: the first of [[routes]] in the settings' file that fits.

Numbers are compared in E.164, without the spaces, dots, dashes, slashes and parentheses that people write, and without
a (0) that is not dialled from abroad. Addresses, `sip:` and the like, are compared as text.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, NamedTuple

from pydantic import AfterValidator, ConfigDict, Field, field_validator, model_validator

from bridge.redaction import masked
from bridge.settings.table import Parameters, Section, refusal

OWN_PARAMETERS = ("assistant", "listen")
"""Parameters of a webhook's address that are the server's own; no route can ask for them."""

_WRITTEN = re.compile(r"\(0\)|[\s./()\u2010-\u2013-]")
_NUMBER = re.compile(r"\+[1-9]\d{1,14}|\+[1-9]\d{0,13}\*", re.ASCII)
_ADDRESS = re.compile(r"(sips?|client):(?!\S*\*@)\S+")
_SEGMENT = re.compile(r"[\w.~-]{1,64}", re.ASCII)


def normal(number: str) -> str:
    """A number, or the beginning of one and a star, in the form that is compared; another text without its blanks."""
    bare = _WRITTEN.sub("", number)
    return bare if _NUMBER.fullmatch(bare) else number.strip()


def _checked_number(text: str) -> str:
    number = normal(text)
    if not (_NUMBER.fullmatch(number) or _ADDRESS.fullmatch(number)):
        raise ValueError(
            "should be a number such as +15550100, the beginning of one such as +1555*, "
            "or an address such as sip:me@example.com; a star stands at the end"
        )
    return number


def _checked_segment(text: str) -> str:
    if not _SEGMENT.fullmatch(text):
        raise ValueError(
            "should be one word of letters, digits, _ . ~ and -, such as sales, behind the path of a webhook"
        )
    return text


Number = Annotated[str, AfterValidator(_checked_number)]


class Incoming(NamedTuple):
    """What is known of a call when it is to be answered. `path`: the last word of the webhook's address."""

    to: str = ""
    from_: str = ""
    path: str = ""
    parameters: Mapping[str, str] = {}


class RouteSettings(Section):
    """[[routes]]: the calls that fit all of this, and who answers them, or joins a call with them."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": ["assistant"]}, {"required": ["supervisor"]}]}
    )

    assistant: str | None = Field(None, description="The name of the assistant that answers")
    supervisor: str | None = Field(
        None,
        description="In place of an assistant: whoever calls is this one of [supervisors], and joins a call that is under way",
    )
    to: Number | None = Field(
        None, description="The called number, or its beginning and a star (+1555*), or a sip: address"
    )
    from_: Number | None = Field(
        None, alias="from", description="The calling number, written in the same way"
    )
    path: Annotated[str, AfterValidator(_checked_segment)] | None = Field(
        None,
        description="The word behind the webhook's path: sales for /CARRIER/PATH/sales, as `config check` lists it",
    )
    parameters: Parameters = Field(
        {},
        description="Parameters of the webhook's address or of the stream, each with the value it must have",
    )

    @field_validator("parameters")
    @classmethod
    def _check_not_own(cls, parameters: dict[str, str]) -> dict[str, str]:
        for name in OWN_PARAMETERS:
            if name in parameters:
                raise ValueError(
                    f"{name} should have another name; in a webhook's address it is the server's"
                )
        return parameters

    @model_validator(mode="after")
    def _check_one(self) -> "RouteSettings":
        if self.assistant is not None and self.supervisor is not None:
            raise refusal(
                ("supervisor",),
                "should not go with an assistant: one of them gets the calls",
                self.supervisor,
            )
        return self

    @model_validator(mode="after")
    def _check_not_empty(self) -> "RouteSettings":
        if self.to is None and self.from_ is None and self.path is None and not self.parameters:
            raise ValueError(
                "should have to, from, path or parameters; who gets all other calls is `assistant`, above the tables"
            )
        return self

    def fits(self, call: Incoming) -> bool:
        """Whether the call has all that is asked for."""
        return (
            (self.to is None or _covers(self.to, normal(call.to)))
            and (self.from_ is None or _covers(self.from_, normal(call.from_)))
            and (self.path is None or self.path == call.path)
            and all(call.parameters.get(name) == value for name, value in self.parameters.items())
        )

    def covers(self, other: "RouteSettings") -> bool:
        """Whether each call that fits the other one fits this one, too."""
        return (
            (self.to is None or (other.to is not None and _covers(self.to, other.to)))
            and (self.from_ is None or (other.from_ is not None and _covers(self.from_, other.from_)))
            and (self.path is None or self.path == other.path)
            and self.parameters.items() <= other.parameters.items()
        )

    def in_words(self) -> str:
        """The calls that fit."""
        asked = [f"{party} {_in_words(number)}" for party, number in self._numbers() if number]
        asked += [f"at …/{self.path}"] if self.path else []
        asked += [f"with {name} = {value!r}" for name, value in masked(self.parameters).items()]
        return f"calls {', '.join(asked)}"

    def _numbers(self) -> tuple[tuple[str, str | None], tuple[str, str | None]]:
        return ("to", self.to), ("from", self.from_)


def _covers(asked: str, number: str) -> bool:
    """`number`: of a call, or asked for by another route."""
    if asked.endswith("*"):
        return number.removesuffix("*").startswith(asked[:-1])
    return number == asked


def _in_words(number: str) -> str:
    return f"numbers that begin with {number[:-1]}" if number.endswith("*") else number


class Routes:
    """All routes of a server, in their order."""

    def __init__(self, routes: Sequence[RouteSettings]) -> None:
        self._routes = tuple(routes)
        self._paths = frozenset(route.path for route in routes if route.path is not None)

    def has_path(self, path: str) -> bool:
        """Whether a route asks for this word behind a webhook's address."""
        return path in self._paths

    def assistant(self, call: Incoming) -> str:
        """Who answers, by name; empty where the first route that fits names nobody, or none fits: the default one does."""
        route = self._first(call)
        return "" if route is None else route.assistant or ""

    def supervisor(self, call: Incoming) -> str:
        """The supervisor whose calls the first route that fits has, by name; empty where it has an assistant's."""
        route = self._first(call)
        return "" if route is None else route.supervisor or ""

    def name_of(self, call: Incoming) -> str:
        """What chooses who answers, for the log: the route's key in the settings, or that none fits."""
        return self._name(self._first(call))

    def assistant_at_start(self, parameters: Mapping[str, str]) -> str:
        """Who answers a stream that no webhook announced: `parameters` is all that it says of its call.

        Nothing proves who calls, so the routes of supervisors have none of them.
        """
        route = self._first(Incoming(parameters=parameters), of_supervisors=False)
        return "" if route is None else route.assistant or ""

    def name_at_start(self, parameters: Mapping[str, str]) -> str:
        """What `name_of` says of a stream that no webhook announced."""
        return self._name(self._first(Incoming(parameters=parameters), of_supervisors=False))

    def _first(self, call: Incoming, *, of_supervisors: bool = True) -> RouteSettings | None:
        fitting = (route for route in self._routes if route.fits(call))
        return next((one for one in fitting if of_supervisors or one.supervisor is None), None)

    def _name(self, route: RouteSettings | None) -> str:
        number = next((at for at, one in enumerate(self._routes) if one is route), None)
        return "the default" if number is None else f"routes[{number}]"


def never_taken(routes: Sequence[RouteSettings]) -> Iterator[tuple[int, int]]:
    """Routes that no call gets to, each with the one before it that takes all of its calls."""
    for number, route in enumerate(routes):
        before = (earlier for earlier in range(number) if routes[earlier].covers(route))
        if (taker := next(before, None)) is not None:
            yield number, taker
