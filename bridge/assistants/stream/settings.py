"""What can be set of an assistant of kind "stream": [assistants.NAME]. Milliseconds in `_ms`."""

import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, field_validator

from bridge.assistant_settings import (
    BUILT_IN_TOOLS,
    Address,
    AssistantSettings,
    BargeInSettings,
    ToolSettings,
)
from bridge.section import ShownAddress, address_parts, without_user

HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2: a token


def _is_socket_s(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("ws", "wss") or not parts.hostname:
        raise ValueError("should be a WebSocket's address such as wss://assistant.example.com/calls")
    if parts.fragment:
        raise ValueError("should have no fragment")
    without_user(address_parts(url))
    return url


def _is_header(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    if not text or not text.isascii() or not text.isprintable() or text != text.strip():
        raise ValueError("should be one line of ASCII with no blanks around it")
    return value


SocketAddress = Annotated[str, AfterValidator(_is_socket_s), ShownAddress]


class StreamSettings(AssistantSettings):
    """[assistants.NAME] with kind = "stream"."""

    kind: Literal["stream"] = "stream"
    url: SocketAddress = Field(repr=False)
    headers: dict[str, Annotated[SecretStr, AfterValidator(_is_header)]] = Field({})
    barge_in: BargeInSettings = Field(
        BargeInSettings(), description="unless the assistant hears turns itself"
    )
    silence_ms: int = Field(700, ge=100, le=10_000, description="so long without speech ends an utterance")

    @field_validator("headers")
    @classmethod
    def _have_names(cls, headers: dict[str, SecretStr]) -> dict[str, SecretStr]:
        for name in headers:
            if not HEADER_NAME.fullmatch(name):
                raise ValueError(f"{name!r} is no header's name; should be letters, digits and dashes")
        return headers

    @field_validator("tools")
    @classmethod
    def _are_not_messages(cls, tools: dict[str, ToolSettings]) -> dict[str, ToolSettings]:
        for name in tools:
            if name in BUILT_IN_TOOLS:
                raise ValueError(f"{name} should be left out; such an assistant has a message for it")
        return tools

    def address(self) -> Address:
        """Where it is, and the headers of the upgrade."""
        return Address(self.url, {name: value.get_secret_value() for name, value in self.headers.items()})
