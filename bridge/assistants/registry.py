"""The registry of assistants by kind; a new one is a folder (or a file) and one entry here."""

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


class AssistantKind(NamedTuple):
    """A kind of assistant: its table of settings, and how its dialect for one conversation is made."""

    settings: type[AssistantSettings]
    dialect: Callable[[Any, Sequence[ToolSchema]], Assistant]
    """From an object of `settings` and the schemas of its tools."""


ASSISTANTS: dict[str, AssistantKind] = {
    "echo": AssistantKind(AssistantSettings, lambda _settings, _tools: Echo()),
    "parrot": AssistantKind(AssistantSettings, lambda _settings, _tools: Parrot()),
    "openai-realtime": AssistantKind(RealtimeSettings, RealtimeDialect),
    "stream": AssistantKind(StreamSettings, StreamDialect),
    "turn-based": AssistantKind(TurnBasedSettings, TurnBasedDialect),
}
