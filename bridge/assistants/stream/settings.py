"""What can be set of an assistant of kind "stream": [assistants.NAME]. Milliseconds in `_ms`."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator

from bridge.settings.assistants import (
    BUILT_IN_TOOLS,
    Address,
    AssistantSettings,
    BargeInSettings,
    ToolSettings,
)
from bridge.settings.table import Headers, ShownAddress, checked_assistant_url, revealed


def _is_socket_s(url: str) -> str:
    return checked_assistant_url(
        url, ("ws", "wss"), "a WebSocket's address such as wss://assistant.example.com/calls"
    )


class StreamSettings(AssistantSettings):
    """[assistants.NAME] with kind = "stream"."""

    kind: Literal["stream"] = "stream"
    url: Annotated[str, AfterValidator(_is_socket_s), ShownAddress] = Field(repr=False)
    headers: Headers = Field({})
    barge_in: BargeInSettings = Field(
        BargeInSettings(), description="unless the assistant hears turns itself"
    )
    silence_ms: int = Field(700, ge=100, le=10_000, description="so long without speech ends an utterance")

    @field_validator("tools")
    @classmethod
    def _are_not_messages(cls, tools: dict[str, ToolSettings]) -> dict[str, ToolSettings]:
        for name in tools:
            if name in BUILT_IN_TOOLS:
                raise ValueError(f"{name} should be left out; such an assistant has a message for it")
        return tools

    def address(self) -> Address:
        """Where it is, and the headers of the upgrade."""
        return Address(self.url, revealed(self.headers))
