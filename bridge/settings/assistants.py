"""The settings that every kind of assistant has: [assistants.NAME] and its tools.

A kind of assistant with further settings derives from `AssistantSettings`.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    field_validator,
    model_validator,
)

from bridge.settings.header_values import Unresolved
from bridge.settings.table import Headers, Section, ShownAddress, address_parts, check_no_user, refusal
from bridge.vocabulary.built_in_tools import BUILT_IN_TOOLS
from bridge.vocabulary.contracts import Posted, ToolSchema
from bridge.vocabulary.people_tools import TRANSFER

UPGRADED = Posted(101, "", b"")
"""The answer to an upgrade: the connection stands."""


class Pings(NamedTuple):
    """Pings that find a dead connection: sent after `idle_s` without a frame from the peer.

    Any frame within `answer_s` counts as the answer; without one the connection is closed. `answer_s` is at most
    `idle_s`. Units: seconds.
    """

    idle_s: float
    answer_s: float


PINGS = Pings(idle_s=2.5, answer_s=2.5)
"""An assistant sends nothing while the caller speaks; only a ping shows whether the connection still works.

A connection that broke on the way is detected after five seconds. A shorter wait for the answer would close
connections because of gaps in the network that a call survives.
"""


class SocketAddress(NamedTuple):
    """An assistant that is reached over one WebSocket for each call."""

    url: str
    headers: Unresolved
    """Of the upgrade."""
    tells_upgrade: bool = False
    """Whether the leg hands over `UPGRADED` before all else, for an assistant that does not say that it is there."""
    pings: Pings | None = PINGS
    """None: no pings are sent."""


class PostAddress(NamedTuple):
    """An assistant that is reached by POSTs."""

    url: str
    headers: Unresolved
    """Of each POST."""
    answer_s: float
    """How long each POST may take until its whole answer is there, in seconds."""
    most_bytes: int
    """Of an answer's body."""


Address = SocketAddress | PostAddress
"""How a remote assistant is reached."""


def _checked_tool_url(url: str) -> str:
    check_no_user(address_parts(url))
    return url


ToolAddress = Annotated[
    str, Field(pattern=r"^https?://[^/]"), AfterValidator(_checked_tool_url), ShownAddress
]


class ToolSettings(Section):
    """The table [assistants.NAME.tools.TOOL]: a function by its import path, or a URL. A built-in tool has an empty table."""

    function: str | None = Field(
        None,
        pattern=r"^[\w.]+:\w+$",
        description="The import path of a Python function, package.module:function",
    )
    url: ToolAddress | None = Field(
        None, repr=False, description="An address that gets the arguments as JSON; its answer is the output"
    )
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = Field(
        "POST", description="The method of the request to `url`"
    )
    headers: Headers = Field({}, description="Headers of the request to `url`")
    description: str | None = Field(
        None, description="What the tool does, for the assistant. Not set: the docstring of the function"
    )
    parameters: dict[str, Any] | None = Field(
        None, description="The arguments, as a JSON schema. Not set: made from the type hints of the function"
    )
    timeout_s: float = Field(10.0, gt=0, le=300, description="How long the tool may take")
    facts: bool = Field(
        True,
        description="The request to `url` says who calls whom, in the header X-Voicebridge-Facts. false: it does not, for a "
        "server that should not have telephone numbers",
    )
    people: list[str] | None = Field(
        None,
        min_length=1,
        description="Of the built-in tool transfer: to whom of [people] the assistant may have callers put through",
    )

    @model_validator(mode="after")
    def _check_function_or_url(self) -> "ToolSettings":
        if self.function is not None and self.url is not None:
            raise ValueError("should have a function or a url, not both")
        return self


class BargeInSettings(Section):
    """The table barge_in: how the bridge's own turn detection interrupts a reply."""

    min_speech_ms: int = Field(
        100, ge=20, le=2000, description="How much speech is an interruption; a click is shorter"
    )
    confirm_ms: int = Field(
        0,
        ge=0,
        le=3000,
        description="The reply pauses so long before it is cut, and goes on if the speech ends (a false interruption). 0: it is cut at once",
    )


class PlayFallback(Section):
    """The table fallback with a recording: { play = "sorry.wav" }."""

    play: Path = Field(description="A WAV file, mono, 16 bits")

    @field_validator("play")
    @classmethod
    def _checked_file(cls, file: Path) -> Path:
        try:
            with file.open("rb"):
                return file
        except OSError as error:
            raise ValueError(f"{error.strerror}; should be a WAV file") from None


class PlayAnnouncement(PlayFallback):
    """The table recording.announce: { play = "recorded.wav" }."""


class AssistantSettings(Section):
    """The table [assistants.NAME]."""

    kind: str = Field(description="What the assistant is")
    fallback: str | PlayFallback | None = Field(
        None,
        description="Who takes the call if this assistant is lost for good: the name of another one, or a table with a WAV file, which the caller hears before the call ends",
    )
    waiting: PlayFallback | None = Field(
        None,
        description='A WAV file that the caller hears while a lost assistant is tried again: { play = "one-moment.wav" }. '
        "Not set: a short quiet signal of two tones. When is set by `limits.waiting_after_s`",
    )
    preconnect: bool = Field(
        False, description="Connect to the assistant at the webhook, while the phone still rings"
    )
    tools: dict[str, ToolSettings] = Field(
        {},
        description="What the assistant may have done: a Python function, an address, or a tool that is built in "
        "(hang_up, note, outcome, collect_digits, send_digits: an empty table; transfer: { people = [...] })",
    )

    @field_validator("tools")
    @classmethod
    def _checked_tools(cls, tools: dict[str, ToolSettings]) -> dict[str, ToolSettings]:
        for name, tool in tools.items():
            is_built_in = tool.function is None and tool.url is None
            if is_built_in and name not in BUILT_IN_TOOLS:
                raise ValueError(
                    f"{name} should have a function or a url; only {', '.join(BUILT_IN_TOOLS)} need none"
                )
            if is_built_in and name == TRANSFER.name and tool.people is None:
                raise ValueError(f'{name} should have the names of people: {{ people = ["billing"] }}')
            if tool.people is not None and not (is_built_in and name == TRANSFER.name):
                raise ValueError(f"{name}: people should be left out; only {TRANSFER.name} takes them")
        return tools

    @property
    def people(self) -> tuple[str, ...]:
        """The names of those to whom it may have callers put through."""
        transfer = self.tools.get(TRANSFER.name)
        return () if transfer is None else tuple(transfer.people or ())

    @model_validator(mode="after")
    def _check_address(self) -> Self:
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

    def templates(self) -> Iterable[tuple[str, str]]:
        """Its texts with places for what is known of a call, as `assistants.shared.templates` has it, by their keys."""
        return ()

    def check(self, tools: Sequence[ToolSchema]) -> None:
        """Check the settings together with the assistant's tools. Raises `ConfigurationError`."""


def _none_if_off(value: Any) -> Any:
    return None if value in (0, "0", False, "false") else value


class SocketAssistantSettings(AssistantSettings):
    """The table [assistants.NAME] of an assistant that may be reached over a WebSocket."""

    ping_s: Annotated[float | None, BeforeValidator(_none_if_off)] = Field(
        PINGS.idle_s,
        gt=0,
        le=600,
        description="The assistant is sent a WebSocket ping after so long without a message from it. 0 or false: it is "
        "sent none, and a connection that breaks without a word is noticed late",
    )
    pong_s: float = Field(
        PINGS.answer_s,
        gt=0,
        le=600,
        description="How long it may take to answer a ping before it counts as lost; at most ping_s. While it owes a "
        "reply it need not answer pings, for as long as reply_s: an assistant that computes is not a dead one",
    )

    @model_validator(mode="after")
    def _check_pings(self) -> Self:
        if self.ping_s is not None and self.pong_s > self.ping_s:
            raise ValueError(
                f"pong_s = {self.pong_s:g} should be at most ping_s = {self.ping_s:g}; set both for a slow assistant"
            )
        return self

    @property
    def pings(self) -> Pings | None:
        """The pings that it is sent; None: none."""
        return None if self.ping_s is None else Pings(self.ping_s, self.pong_s)
