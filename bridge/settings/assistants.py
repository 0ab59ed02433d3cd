"""What the settings' file may say of an assistant, whatever its kind: [assistants.NAME] and the tools in it.

A kind of assistant with settings of its own derives from `AssistantSettings`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import (
    AfterValidator,
    Field,
    SecretStr,
    field_validator,
    model_validator,
)

from bridge.settings.table import Section, ShownAddress, address_parts, refusal, without_user
from bridge.vocabulary.built_in_tools import BUILT_IN_TOOLS
from bridge.vocabulary.contracts import Posted, ToolSchema

UPGRADED = Posted(101, "", b"")
"""The answer to an upgrade: the connection stands."""


class SocketAddress(NamedTuple):
    """An assistant that is reached over one WebSocket for each call."""

    url: str
    headers: dict[str, str]
    """Of the upgrade."""
    tells_upgrade: bool = False
    """Whether the leg hands over `UPGRADED` before all else, for an assistant that does not say that it is there."""


class PostAddress(NamedTuple):
    """An assistant that is reached by POSTs."""

    url: str
    headers: dict[str, str]
    """Of each POST."""
    answer_s: float
    """How long each POST may take until its whole answer is there, in seconds."""
    most_bytes: int
    """Of an answer's body."""


Address = SocketAddress | PostAddress
"""How a remote assistant is reached."""


def _checked_tool_url(url: str) -> str:
    without_user(address_parts(url))
    return url


ToolAddress = Annotated[
    str, Field(pattern=r"^https?://[^/]"), AfterValidator(_checked_tool_url), ShownAddress
]


class ToolSettings(Section):
    """[assistants.NAME.tools.TOOL]: a function by its import path, or an address. Built-in tools have an empty table."""

    function: str | None = Field(None, pattern=r"^[\w.]+:\w+$", description="package.module:function")
    url: ToolAddress | None = Field(None, repr=False)
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "POST"
    headers: dict[str, SecretStr] = Field({})
    description: str | None = Field(
        None, description="what it does, for the assistant; a function has its docstring"
    )
    parameters: dict[str, Any] | None = Field(
        None, description="a JSON schema; a function has its type hints"
    )
    timeout_s: float = Field(10.0, gt=0, le=300)

    @model_validator(mode="after")
    def _is_one_thing(self) -> "ToolSettings":
        if self.function is not None and self.url is not None:
            raise ValueError("should have a function or a url, not both")
        return self


class BargeInSettings(Section):
    """barge_in = { … }: the caller speaks over a reply, where the bridge hears that itself."""

    min_speech_ms: int = Field(100, ge=20, le=2000, description="so much speech counts; a click is shorter")
    confirm_ms: int = Field(
        0,
        ge=0,
        le=3000,
        description="the reply waits so long, and goes on if it was a cough; 0: it is cut at once",
    )


class PlayFallback(Section):
    """fallback = { play = "sorry.wav" }"""

    play: Path = Field(description="a WAV file, mono, 16 bits")

    @field_validator("play")
    @classmethod
    def _is_readable(cls, file: Path) -> Path:
        try:
            with file.open("rb"):
                return file
        except OSError as error:
            raise ValueError(f"{error.strerror}; should be a WAV file") from None


class AssistantSettings(Section):
    """[assistants.NAME]"""

    kind: str
    fallback: str | PlayFallback | None = Field(
        None,
        description="who takes the call if this one is lost for good: an assistant by name, or a WAV file",
    )
    preconnect: bool = Field(False, description="dial at the webhook, while the phone rings")
    tools: dict[str, ToolSettings] = Field({})

    @field_validator("tools")
    @classmethod
    def _can_be_done(cls, tools: dict[str, ToolSettings]) -> dict[str, ToolSettings]:
        for name, tool in tools.items():
            if tool.function is None and tool.url is None and name not in BUILT_IN_TOOLS:
                raise ValueError(
                    f"{name} should have a function or a url; only {', '.join(BUILT_IN_TOOLS)} need none"
                )
        return tools

    @model_validator(mode="after")
    def _has_what_this_takes(self) -> Self:
        if self.address() is None:
            for key, missing in (("preconnect", "is nobody to dial"), ("tools", "is nobody to use them")):
                if value := getattr(self, key):
                    raise refusal(
                        (key,), f"should be left out; with kind {self.kind!r} there {missing}", value
                    )
        return self

    def address(self) -> Address | None:
        """How it is reached; None if it lives in this process."""
        return None

    def check(self, tools: Sequence[ToolSchema]) -> None:
        """What a look at the single keys does not show. Raises `ConfigurationError`."""
