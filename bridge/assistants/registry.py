"""The assistants by kind; a new one is one file and one line here."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from bridge.assistants.echo import Echo
from bridge.assistants.openai_realtime.dialect import RealtimeDialect
from bridge.assistants.openai_realtime.settings import RealtimeSettings
from bridge.assistants.parrot import Parrot
from bridge.assistants.stream.dialect import StreamDialect
from bridge.assistants.stream.settings import StreamSettings
from bridge.assistants.turn_based.dialect import TurnBasedDialect
from bridge.assistants.turn_based.settings import TurnBasedSettings
from bridge.settings.assistants import AssistantSettings
from bridge.vocabulary.contracts import Assistant, ToolSchema


class Kind(NamedTuple):
    """A kind of assistant: what can be set, and what makes its dialect for one conversation."""

    settings: type[AssistantSettings]
    dialect: Callable[[Any, Sequence[ToolSchema]], Assistant]
    """From an object of `settings` and what is known of its tools."""


ASSISTANTS: dict[str, Kind] = {
    "echo": Kind(AssistantSettings, lambda _settings, _tools: Echo()),
    "parrot": Kind(AssistantSettings, lambda _settings, _tools: Parrot()),
    "openai-realtime": Kind(RealtimeSettings, RealtimeDialect),
    "stream": Kind(StreamSettings, StreamDialect),
    "turn-based": Kind(TurnBasedSettings, TurnBasedDialect),
}
