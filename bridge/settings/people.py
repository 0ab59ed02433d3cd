"""The settings of people, [people.NAME], whom calls can be put through to, and of supervisors, [supervisors.NAME], who can
join a call. The core states what they mean.

No number ever comes from a model or from a caller: an assistant names a person of these, which its tool `transfer` lists.
"""

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, SecretStr, Tag, model_validator

from bridge.core.elsewhere import Group as CoreGroup
from bridge.core.people import Person
from bridge.core.supervision import Supervisor
from bridge.redaction import HIDDEN
from bridge.settings.assistants import PlayFallback
from bridge.settings.elsewhere import ElsewhereSettings
from bridge.settings.table import Section, read_text, refusal

_PERSON = Person(groups=())
_SUPERVISOR = Supervisor(groups=())
_WRITTEN = re.compile(r"\(0\)|[\s./()\u2010-\u2013-]")
_NUMBER = re.compile(r"\+[1-9]\d{3,14}", re.ASCII)
_PIN = re.compile(r"[0-9]{4,16}", re.ASCII)
_PIN_EXPECTED = 'should be 4 to 16 digits in quotes, such as "40718263"'
_SIP = re.compile(r"sips?:[^\s@<>\"]+@[^\s@<>\"]+", re.ASCII)

MOST_TOGETHER = 10
"""Addresses that ring at the same time: Twilio calls so many with one <Dial>."""

MOST_GROUPS = 20


def _checked_address(text: Any) -> str:
    if isinstance(text, str):
        number = _WRITTEN.sub("", text)
        if _NUMBER.fullmatch(number):
            return number
        if _SIP.fullmatch(text.strip()):
            return text.strip()
    raise ValueError(
        "should be a number with its country, such as +15550111, or an address such as sip:ann@pbx.example.com"
    )


def _checked_from(text: str) -> str:
    if text in ("caller", "ours"):
        return text
    number = _WRITTEN.sub("", text)
    if not _NUMBER.fullmatch(number):
        raise ValueError('should be "caller", "ours", or a number of yours such as +15550100')
    return number


def _as_groups(value: Any) -> Any:
    """A single address, or table, stands for a list of one."""
    return [value] if isinstance(value, str | dict | ElsewhereSettings) else value


def _checked_name(name: str) -> str:
    if not re.fullmatch(r"[\w-]{1,64}", name, re.ASCII):
        raise ValueError("should be a name of letters, digits, _ and -, such as billing")
    return name


PersonName = Annotated[str, AfterValidator(_checked_name)]
"""The name of a person, which a model uses."""

Address = Annotated[str, BeforeValidator(_checked_address)]
Group = Annotated[list[Address], Field(min_length=1, max_length=MOST_TOGETHER)]


def _kind_of(value: Any) -> str:
    """What an entry of `to` is meant to be: the fault of it is then told alone."""
    if isinstance(value, dict | ElsewhereSettings):
        return "elsewhere"
    return "group" if isinstance(value, list | tuple) else "address"


To = Annotated[
    Annotated[Address, Tag("address")]
    | Annotated[Group, Tag("group")]
    | Annotated[ElsewhereSettings, Tag("elsewhere")],
    Discriminator(_kind_of),
]
"""One entry of `to`."""


class PlayHold(PlayFallback):
    """The table people.NAME.hold: { play = "hold.wav" }."""


class BriefingSettings(Section):
    """The table people.NAME.briefing: one of its keys."""

    instructions: str | None = Field(
        None,
        min_length=1,
        max_length=20_000,
        description="What the assistant that has the call is told to do when it briefs the person, in place of its own instructions",
    )
    assistant: str | None = Field(None, description="The name of another assistant, which briefs the person")
    play: PlayFallback | None = Field(
        None,
        description='A WAV file that the person hears in place of an assistant: { play = "a-call.wav" }. They take the call '
        "with the key 1",
    )

    @model_validator(mode="before")
    @classmethod
    def _file_alone(cls, table: Any) -> Any:
        """{ play = "a.wav" } is written as for other recordings."""
        if isinstance(table, dict) and isinstance(table.get("play"), str):
            return table | {"play": {"play": table["play"]}}
        return table

    @model_validator(mode="after")
    def _check_one(self) -> "BriefingSettings":
        if sum(value is not None for value in (self.instructions, self.assistant, self.play)) != 1:
            raise ValueError("should have one of instructions, assistant and play")
        return self


class PersonSettings(Section):
    """The table [people.NAME]."""

    to: Annotated[
        list[To],
        BeforeValidator(_as_groups),
        Field(min_length=1, max_length=MOST_GROUPS),
    ] = Field(
        description="Whom to call: numbers with their country (+15550111) and sip: addresses, one after the other; a list "
        "inside the list rings at the same time, and who answers first has the call. Or where the carrier takes the caller "
        'by itself: { twilio_queue = "support" }, { telnyx_queue = "support" }, { sip_refer = "sip:ann@pbx.example.com" }'
    )
    from_: Annotated[str, AfterValidator(_checked_from)] = Field(
        _PERSON.from_,
        alias="from",
        description='What they see: "ours", the number that the caller called; "caller", the caller\'s, where the carrier allows '
        "that; or another number of yours",
    )
    ring_s: float = Field(_PERSON.ring_s, ge=5, le=120, description="How long it rings")
    how: Literal["cold", "warm"] = Field(
        "cold",
        description='"cold": they are joined with the caller as soon as they answer. "warm": they are briefed first',
    )
    accept: Literal["word", "key", "none"] = Field(
        _PERSON.accept,
        description='How they take the call after a briefing: "word", the assistant that briefs understands it; "key", 1 takes '
        'it and 2 does not; "none", they take it by not hanging up',
    )
    briefing: BriefingSettings | None = Field(
        None,
        description="How they are briefed. Not set: the assistant that has the call does it, in a few sentences",
    )
    hold: PlayHold | None = Field(
        None,
        description='A WAV file that the caller hears over and over meanwhile: { play = "hold.wav" }. Not set: two quiet tones',
    )
    stays: Literal["leaves", "listens", "mixes"] = Field(
        "leaves",
        description='What the assistant does while the two talk: "leaves", it is closed; "listens", it hears both and nobody '
        'hears it, and it may use its tools; "mixes", the bridge itself mixes the two, and the assistant takes part as '
        "`assistant` says",
    )
    assistant: Literal["silent", "talks"] = Field(
        "silent",
        description='With stays = "mixes": "silent", the assistant hears both and is not heard until the person has left or an '
        'operator addresses it; "talks", both hear it, too',
    )
    back: bool = Field(
        _PERSON.comes_back,
        description="When the person has hung up and the caller has not, the assistant goes on. false: the call ends",
    )
    nobody: Literal["back", "message", "hang_up"] = Field(
        _PERSON.nobody,
        description='Where nobody is reached: "back", the assistant goes on and is told why; "message", the caller leaves a '
        'message after a beep, which is in the recording; "hang_up", the call ends',
    )
    message_s: float = Field(
        _PERSON.message_s, ge=5, le=600, description="How long a message may be; the key # ends it"
    )

    @model_validator(mode="after")
    def _check_briefing(self) -> "PersonSettings":
        if self.stays != "mixes" and "assistant" in self.model_fields_set:
            raise refusal(
                ("assistant",),
                'should go with stays = "mixes"; else nobody hears the assistant',
                self.assistant,
            )
        if self.how == "cold":
            for key in ("briefing", "accept"):
                if key in self.model_fields_set and getattr(self, key) is not None:
                    raise refusal(
                        (key,),
                        'should go with how = "warm"; a cold handover has no briefing',
                        getattr(self, key),
                    )
        if any(isinstance(one, ElsewhereSettings) for one in self.to):
            for key, value, expected in (("how", self.how, "cold"), ("stays", self.stays, "leaves")):
                if value != expected:
                    raise refusal(
                        (key,),
                        f'should be "{expected}" where `to` has a queue or sip_refer: no leg of ours is there',
                        value,
                    )
        is_played = self.briefing is not None and self.briefing.play is not None
        if is_played and self.accept == "word":
            raise refusal(
                ("accept",), 'should be "key" or "none"; a recording understands no words', self.accept
            )
        return self

    @property
    def groups(self) -> tuple[CoreGroup, ...]:
        """Whom to call, group after group."""
        return tuple(_group(one) for one in self.to)


class SupervisorSettings(Section):
    """The table [supervisors.NAME]."""

    to: Annotated[
        list[
            Annotated[
                Annotated[Address, Tag("address")] | Annotated[Group, Tag("group")],
                Discriminator(lambda value: "group" if isinstance(value, list | tuple) else "address"),
            ]
        ],
        BeforeValidator(_as_groups),
        Field(min_length=1, max_length=MOST_GROUPS),
    ] = Field(
        description="Whom to call: numbers with their country (+15550111) and sip: addresses, one after the other; a list "
        "inside the list rings at the same time, and who answers first is the supervisor"
    )
    from_: Annotated[str, AfterValidator(_checked_from)] = Field(
        _SUPERVISOR.from_,
        alias="from",
        description='What they see: "ours", the number that the caller called; "caller", the caller\'s, where the carrier allows '
        "that; or another number of yours",
    )
    ring_s: float = Field(_SUPERVISOR.ring_s, ge=5, le=120, description="How long it rings")
    calls_from: Literal["own", "any"] = Field(
        "own",
        description='From where they may call in, where a route has calls for them: "own", from the numbers in `to`; "any", '
        "from everywhere, which needs a PIN. A caller's number can be forged",
    )
    pin: SecretStr | None = Field(
        None,
        description="The PIN that they type when they call in, 4 to 16 digits: a beep asks for it, and again after a wrong one. "
        "Not set: their number is all that they prove",
    )
    pin_file: Path | None = Field(
        None, description="A file that has the PIN in its only line, in place of `pin`"
    )
    waits_s: float = Field(
        _SUPERVISOR.waits_s,
        ge=10,
        le=3600,
        description="How long a call waits for them to call in, where an operator has asked for that",
    )

    @model_validator(mode="before")
    @classmethod
    def _read_file(cls, table: Any) -> Any:
        """The PIN of a file takes the place of the name of the file."""
        pin = table.get("pin") if isinstance(table, dict) else None
        if pin is not None and not isinstance(pin, str | SecretStr):
            raise refusal(("pin",), _PIN_EXPECTED, HIDDEN)
        if not isinstance(table, dict) or table.get("pin_file") is None:
            return table
        if pin is not None:
            raise refusal(("pin",), "should be given, or pin_file, and not both", HIDDEN)
        return {**table, "pin": read_text(Path(str(table["pin_file"])), ("pin_file",)).strip()}

    @model_validator(mode="after")
    def _check_pin(self) -> "SupervisorSettings":
        if self.pin is not None and not _PIN.fullmatch(self.pin.get_secret_value()):
            raise refusal(("pin",), _PIN_EXPECTED, HIDDEN)
        if self.pin is None and self.calls_from == "any":
            raise refusal(
                ("calls_from",),
                'should be "own" without a pin; anybody could listen to a call',
                self.calls_from,
            )
        return self

    @property
    def groups(self) -> tuple[tuple[str, ...], ...]:
        """Whom to call, group after group."""
        return tuple((one,) if isinstance(one, str) else tuple(one) for one in self.to)


def _group(one: str | list[str] | ElsewhereSettings) -> CoreGroup:
    if isinstance(one, ElsewhereSettings):
        return one.elsewhere
    return (one,) if isinstance(one, str) else tuple(one)
