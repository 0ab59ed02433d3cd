"""The settings of an assistant of kind "stream": [assistants.NAME]. Milliseconds in `_ms`."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator

from bridge.settings.assistants import (
    BargeInSettings,
    SocketAddress,
    SocketAssistantSettings,
    ToolSettings,
)
from bridge.settings.header_values import A_VALUE, HeaderValues, unresolved
from bridge.settings.table import ShownAddress, checked_assistant_url
from bridge.vocabulary.built_in_tools import BUILT_IN_TOOLS


def _checked_websocket_url(url: str) -> str:
    return checked_assistant_url(
        url, ("ws", "wss"), "a WebSocket's address such as wss://assistant.example.com/calls"
    )


class StreamSettings(SocketAssistantSettings):
    """[assistants.NAME] with kind = "stream"."""

    kind: Literal["stream"] = "stream"
    url: Annotated[str, AfterValidator(_checked_websocket_url), ShownAddress] = Field(
        repr=False, description="The address of the assistant's WebSocket, ws:// or wss://"
    )
    headers: HeaderValues = Field({}, description=f"Headers of the upgrade. {A_VALUE}")
    barge_in: BargeInSettings = Field(
        BargeInSettings(), description="What interrupts a reply, unless the assistant detects turns itself"
    )
    silence_ms: int = Field(700, ge=100, le=10_000, description="So long without speech ends an utterance")
    reply_s: float = Field(
        20.0,
        gt=0,
        le=600,
        description="How long a reply may take without an answer to the pings of `ping_s`, from the end of the "
        "utterance, the entry or the tool. An assistant that answers pings may take longer",
    )

    @field_validator("tools")
    @classmethod
    def _check_no_built_in_tools(cls, tools: dict[str, ToolSettings]) -> dict[str, ToolSettings]:
        for name in tools:
            if name in BUILT_IN_TOOLS:
                raise ValueError(
                    f"{name} should be left out; an assistant of kind stream has a message for it"
                )
        return tools

    def address(self) -> SocketAddress:
        """The address of the WebSocket, and the headers of its upgrade."""
        return SocketAddress(self.url, unresolved(self.headers), pings=self.pings)
