"""The settings of an assistant of kind "turn-based": [assistants.NAME]. Seconds in `_s`, milliseconds in `_ms`.

The scheme of `url` decides the transport: ws and wss mean one WebSocket for the call, http and https one POST for each turn.
"""

import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    field_validator,
    model_validator,
)

from bridge.settings.assistants import (
    Address,
    BargeInSettings,
    PlayFallback,
    PostAddress,
    SocketAddress,
    SocketAssistantSettings,
    ToolSettings,
)
from bridge.settings.header_values import A_VALUE, HeaderValues, unresolved
from bridge.settings.table import ShownAddress, checked_assistant_url, refusal
from bridge.vocabulary.contracts import ToolSchema
from bridge.vocabulary.errors import ConfigurationError
from bridge.vocabulary.people_tools import TRANSFER
from telecodecs.codec import encoder
from telecodecs.format import AudioFormat, Encoding, Samples
from telecodecs.resample import resample
from telecodecs.wav import wav_decode

BASE64 = re.compile(r"[0-9A-Za-z+/=]*")

ON_ENTRY = "on_entry"
"""The tool that is called with each entry from the keypad: the protocol over a WebSocket has no message for digits."""

ENTRY: dict[str, Any] = {
    "digits": {"type": "string", "description": "What the caller typed, without the key that ended it."},
    "reason": {
        "type": "string",
        "description": "Why it is over: terminator, full, quiet, hangup, or invalid: too short.",
    },
    "terminator": {"type": "string", "description": "The key that ended it; empty if none did."},
}
"""The parameters that `on_entry` may take."""


def _checked_assistant_url(url: str) -> str:
    return checked_assistant_url(
        url,
        ("ws", "wss", "http", "https"),
        "an address such as ws://localhost:8888/voice, by ws(s), or by http(s) for a POST a turn",
    )


def _checked_word(text: str) -> str:
    if not text.isascii() or not text.isprintable() or " " in text or BASE64.fullmatch(text):
        raise ValueError("should be a word of ASCII with a character that base64 does not use, such as _")
    return text


def audio_format(text: str) -> AudioFormat:
    """`pcmu`, or `l16/24000`: an encoding and its rate in Hz, 8000 if it is left out. Raises ValueError."""
    encoding, _, rate = text.strip().lower().partition("/")
    try:
        return AudioFormat(Encoding(encoding), int(rate or 8_000))
    except ValueError:
        raise ValueError(
            "should be one of pcmu, pcma, l16 (little endian), l16be and a rate, such as l16/24000"
        ) from None


def _checked_format(text: str) -> str:
    audio_format(text)
    return text


def _as_play(value: Any) -> Any:
    return {"play": value} if isinstance(value, str) else value


Word = Annotated[str, AfterValidator(_checked_word)]


class TurnBasedSettings(SocketAssistantSettings):
    """[assistants.NAME] with kind = "turn-based"."""

    kind: Literal["turn-based"] = "turn-based"

    # The server
    url: Annotated[str, AfterValidator(_checked_assistant_url), ShownAddress] = Field(
        repr=False,
        description="The address of the assistant: ws(s):// for one WebSocket a call, http(s):// for one POST an utterance",
    )
    headers: HeaderValues = Field({}, description=f"Headers of the upgrade, or of each POST. {A_VALUE}")

    # Whose turn it is
    endpointing: Literal["remote", "local", "either"] | None = Field(
        None,
        description="Who finds the end of an utterance: the assistant (remote), the bridge (local), or the first of both. "
        "Not set: remote over a WebSocket, local over HTTP",
    )
    silence_ms: int = Field(
        700,
        ge=100,
        le=10_000,
        description="Where the bridge finds the end: so long without speech ends an utterance",
    )
    min_speech_ms: int = Field(
        100, ge=20, le=2000, description="Where the bridge finds the end: so much speech begins an utterance"
    )
    barge_in: BargeInSettings | None = Field(
        None,
        description="What interrupts a reply. Not set: nothing does, for the contract has no interruption",
    )
    greeting_overlaps: bool = Field(
        False,
        description="After a reply that was not asked for, such as a greeting, it is still the caller's turn",
    )

    # Timeouts and limits
    reply_s: float = Field(
        20.0, gt=0, le=600, description="How long the whole reply may take, from the end of the utterance"
    )
    heard_slack_s: float = Field(
        5.0, gt=0, le=60, description="How much longer than its own length a reply may take to be played"
    )
    longest_utterance_s: float = Field(
        60.0, gt=0, le=600, description="How long an utterance may be; then it is over"
    )
    sorry: Annotated[PlayFallback | None, BeforeValidator(_as_play)] = Field(
        None,
        description="A WAV file that the caller hears in place of a reply that did not come: a path, or a table",
    )
    max_reply_bytes: int = Field(8_388_608, ge=1_000, le=12_000_000, description="How large a reply may be")

    # Over a WebSocket
    prefix: Word = Field("_MULAW", description="The word that a reply begins with")
    restart: Word = Field(
        "RESTART_COMMUNICATION", description="The word that tells the assistant that the caller's turn begins"
    )
    utterance_end: Word = Field(
        "SINGLE_UTTERANCE_END", description="The word that tells that an utterance is over"
    )
    announces_end: bool = Field(
        False, description="Where the bridge finds the end: `utterance_end` is sent to the assistant, too"
    )
    entry_prefix: Word | None = Field(
        None,
        description="The word before an entry from the keypad: with _DTMF it is sent as _DTMF1234. Not set: entries are not sent",
    )

    # Over HTTP
    audio: Literal["wav", "pcmu", "l16"] = Field(
        "wav", description="The format in which an utterance is posted"
    )
    rate_hz: Literal[8_000, 16_000] = Field(8_000, description="The sampling rate of wav and l16, in hertz")
    reply_format: Annotated[str, AfterValidator(_checked_format)] | None = Field(
        None,
        description="The format of a reply of type application/octet-stream, or in JSON, such as l16/24000",
    )
    greets: bool = Field(
        False, description="An empty utterance is posted when the call begins; the answer is the greeting"
    )

    @field_validator("tools")
    @classmethod
    def _check_only_on_entry(cls, tools: dict[str, ToolSettings]) -> dict[str, ToolSettings]:
        """A tool with an address gets a schema here: no model reads it, so the user need not write one."""
        for name in tools:
            if name not in (ON_ENTRY, TRANSFER.name):
                raise ValueError(
                    f"{name} should be left out; {ON_ENTRY} is the only tool that is ever called here, and {TRANSFER.name} "
                    "the only one that an answer asks for"
                )
        return {name: tool if name == TRANSFER.name else _described(tool) for name, tool in tools.items()}

    @model_validator(mode="after")
    def _check_transport(self) -> Self:
        others, scheme = (_SOCKET, "http") if self.is_posted else (_HTTP, "ws")
        for key in sorted(self.model_fields_set & others.keys()):
            raise refusal(
                (key,), f"should be left out; with url {scheme}(s) {others[key]}", getattr(self, key)
            )
        if self.is_posted and self.endpointing not in (None, "local"):
            raise refusal(
                ("endpointing",),
                'should be "local": over HTTP only the bridge can hear where an utterance ends',
                self.endpointing,
            )
        if self.is_posted and self.preconnect:
            raise refusal(
                ("preconnect",),
                "should be left out; with url http(s) there is no connection to open early",
                True,
            )
        if self.is_posted and self.tools.keys() - {TRANSFER.name}:
            raise refusal(
                ("tools",), "should be left out; with url http(s) an entry is posted there", self.tools
            )
        if not self.is_posted and TRANSFER.name in self.tools:
            raise refusal(
                ("tools",), "should have no transfer; with url ws(s) no answer can ask for it", self.tools
            )
        if not self.is_posted and self.ends_remotely and not self.ends_locally and self.announces_end:
            raise refusal(
                ("announces_end",), 'should go with endpointing = "local" or "either"', self.announces_end
            )
        return self

    @property
    def is_posted(self) -> bool:
        """Whether a turn is a POST."""
        return urlsplit(self.url).scheme in ("http", "https")

    @property
    def ends_locally(self) -> bool:
        """Whether the bridge finds the ends of utterances."""
        return self.is_posted or self.endpointing in ("local", "either")

    @property
    def ends_remotely(self) -> bool:
        """Whether the assistant finds the ends of utterances."""
        return not self.is_posted and self.endpointing != "local"

    def address(self) -> Address:
        """How the assistant is reached. Its protocol has no greeting: over a WebSocket the upgrade says that it is ready."""
        headers = unresolved(self.headers)
        if self.is_posted:
            return PostAddress(self.url, headers, self.reply_s, self.max_reply_bytes)
        return SocketAddress(self.url, headers, tells_upgrade=True, pings=self.pings)

    @cached_property
    def _prompt(self) -> tuple[Samples, int] | None:
        if self.sorry is None:
            return None
        file = self.sorry.play
        try:
            return wav_decode(file.read_bytes())
        except (OSError, ValueError) as error:
            raise ConfigurationError(f"sorry = {str(file)!r}: {error}; should be a WAV file") from error

    def prompt(self, format: AudioFormat) -> bytes:
        """The audio of `sorry` in this format; empty without the setting. Raises `ConfigurationError` if it cannot be read."""
        if self._prompt is None:
            return b""
        samples, rate_hz = self._prompt
        return encoder(format)(resample(samples, rate_hz, format.rate_hz))

    def check(self, tools: Sequence[ToolSchema]) -> None:
        """Raises `ConfigurationError` if `sorry` is not a WAV file, or `on_entry` requires what an entry does not have."""
        _ = self._prompt
        for tool in tools:
            if tool.name == TRANSFER.name:
                continue
            wants = set(tool.parameters.get("required", ())) - ENTRY.keys()
            if wants or "digits" not in tool.parameters["properties"]:
                raise ConfigurationError(
                    f"tools.{tool.name}: should take digits, and may take reason and terminator, each a text; "
                    f"takes {', '.join(tool.parameters['properties']) or 'nothing'}"
                )


_SOCKET: Mapping[str, str] = {
    "prefix": "an answer has a content type",
    "restart": "each POST is a turn",
    "utterance_end": "each POST is an utterance",
    "announces_end": "each POST is an utterance",
    "entry_prefix": "an entry is posted as JSON",
    "greeting_overlaps": "nothing comes that was not asked for",
    "ping_s": "no connection is kept open",
    "pong_s": "no connection is kept open",
}
_HTTP: Mapping[str, str] = {
    "audio": "it is mu-law in base64",
    "rate_hz": "it is 8000",
    "reply_format": "it is mu-law in base64",
    "greets": "the assistant greets of its own accord",
}
"""Settings of one transport only, and why the other does not have them."""


def _described(tool: ToolSettings) -> ToolSettings:
    if tool.url is None:
        return tool
    description = tool.description or "Takes an entry from the keypad."
    parameters = tool.parameters or {"type": "object", "properties": ENTRY}
    return tool.model_copy(update={"description": description, "parameters": parameters})
