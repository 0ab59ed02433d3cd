"""The registry of assistants by kind: a new one is its folder (or file) and one row here."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

from bridge.assistants.echo import Echo
from bridge.assistants.openai_realtime import account
from bridge.assistants.openai_realtime.dialect import RealtimeDialect
from bridge.assistants.openai_realtime.settings import RealtimeSettings
from bridge.assistants.parrot import Parrot
from bridge.assistants.stream.dialect import StreamDialect
from bridge.assistants.stream.settings import StreamSettings
from bridge.assistants.turn_based.dialect import TurnBasedDialect
from bridge.assistants.turn_based.settings import TurnBasedSettings
from bridge.settings.assistants import AssistantSettings
from bridge.settings.table import Section
from bridge.vocabulary.contracts import Assistant, ToolSchema

S = TypeVar("S", bound=AssistantSettings)


class Vendor(NamedTuple):
    """What holds for all assistants of one vendor: a table at the top of the settings' file."""

    name: str
    """Of the table."""
    settings: type[Section]
    """The table. All of it can be left out."""
    description: str
    """For the reference of the settings."""
    environment: Mapping[str, str]
    """The vendor's own names of environment variables, each with the setting that it sets."""


@dataclass(frozen=True, slots=True)
class AssistantKind(Generic[S]):
    """Everything that the rest of the bridge asks of a kind of assistant."""

    settings: type[S]
    """[assistants.NAME]. How the assistant is reached is its `address`."""
    dialect: Callable[[S, Sequence[ToolSchema]], Assistant]
    """Makes the dialect of one conversation, from the settings and what is known of the assistant's tools."""
    can_brief: bool = False
    """Whether it can brief a person: it speaks first, and says whether they take the call."""
    can_listen: bool = False
    """Whether it can stay while the caller talks with a person, and hear both: its replies can be refused, and it has the
    call again after that."""
    can_be_told: Callable[[S], bool] = lambda _: False
    """Whether it can be told something in words that the caller does not hear, by its settings."""
    is_built_in: bool = False
    """Whether there is an assistant by the name of its kind, without a table: all of that can be left out."""
    vendor: Vendor | None = None
    with_vendor: Callable[[S, Any], S] = lambda settings, _vendor: settings
    """The settings, filled from the vendor's table where they say nothing."""


OPENAI = Vendor(
    "openai",
    account.OpenAIAccount,
    'What holds for every assistant of kind "openai-realtime" that does not say otherwise',
    account.ENVIRONMENT,
)

ASSISTANTS: dict[str, AssistantKind[Any]] = {
    "echo": AssistantKind(AssistantSettings, lambda _settings, _tools: Echo(), is_built_in=True),
    "parrot": AssistantKind(AssistantSettings, lambda _settings, _tools: Parrot(), is_built_in=True),
    "openai-realtime": AssistantKind(
        RealtimeSettings,
        RealtimeDialect,
        can_brief=True,
        can_listen=True,
        can_be_told=lambda _: True,
        is_built_in=True,
        vendor=OPENAI,
        with_vendor=RealtimeSettings.with_account,
    ),
    "stream": AssistantKind(
        StreamSettings, StreamDialect, can_brief=True, can_listen=True, can_be_told=lambda _: True
    ),
    "turn-based": AssistantKind(
        TurnBasedSettings, TurnBasedDialect, can_be_told=lambda settings: settings.is_posted
    ),
}
