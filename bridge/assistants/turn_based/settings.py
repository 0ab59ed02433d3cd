"""What can be set of an assistant of kind "turn-based": [assistants.NAME]. Seconds in `_s`, milliseconds in `_ms`.

The scheme of `url` says how the turns go: ws and wss are one WebSocket for the call, http and https one POST a turn.
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
    AssistantSettings,
    BargeInSettings,
    PlayFallback,
    SilentAddress,
    ToolSettings,
)
from bridge.settings.table import Headers, ShownAddress, checked_assistant_url, refusal, revealed
from bridge.vocabulary.contracts import ToolSchema
from bridge.vocabulary.errors import ConfigurationError
from telecodecs.codec import encoder
from telecodecs.format import AudioFormat, Encoding, Samples
from telecodecs.resample import resample
from telecodecs.wav import wav_decode

BASE64 = re.compile(r"[0-9A-Za-z+/=]*")

ON_ENTRY = "on_entry"
"""The tool that is called with each entry from the keypad, for the contract has no frame for digits."""

ENTRY: dict[str, Any] = {
    "digits": {"type": "string", "description": "What the caller typed, without the key that ended it."},
    "reason": {
        "type": "string",
        "description": "Why it is over: terminator, full, quiet, hangup, or invalid: too short.",
    },
    "terminator": {"type": "string", "description": "The key that ended it; empty if none did."},
}
"""What `on_entry` may take."""


def _is_assistant_s(url: str) -> str:
    return checked_assistant_url(
        url,
        ("ws", "wss", "http", "https"),
        "an address such as ws://localhost:8888/voice, by ws(s), or by http(s) for a POST a turn",
    )


def _is_word(text: str) -> str:
    if not text.isascii() or not text.isprintable() or " " in text or BASE64.fullmatch(text):
        raise ValueError("should be a word of ASCII with a character that no base64 has, such as _")
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


def _is_format(text: str) -> str:
    audio_format(text)
    return text


def _played(value: Any) -> Any:
    return {"play": value} if isinstance(value, str) else value


Word = Annotated[str, AfterValidator(_is_word)]


class TurnBasedSettings(AssistantSettings):
    """[assistants.NAME] with kind = "turn-based"."""

    kind: Literal["turn-based"] = "turn-based"

    # Where it is
    url: Annotated[str, AfterValidator(_is_assistant_s), ShownAddress] = Field(repr=False)
    headers: Headers = Field({})

    # Whose turn it is
    endpointing: Literal["remote", "local", "either"] | None = Field(
        None,
        description="who finds the end of an utterance: the assistant, the bridge, or whoever is first; "
        "remote where it is not set, over HTTP always local",
    )
    silence_ms: int = Field(
        700, ge=100, le=10_000, description="local: so long without speech ends an utterance"
    )
    min_speech_ms: int = Field(100, ge=20, le=2000, description="local: so much speech begins one")
    barge_in: BargeInSettings | None = Field(
        None, description="the caller's voice cuts a reply; the contract has_assistant no such thing"
    )
    greeting_overlaps: bool = Field(
        False, description="a reply in the caller's turn, as a greeting is, leaves it the caller's turn"
    )

    # How long anything is waited for
    reply_s: float = Field(20.0, gt=0, le=600, description="from the end of an utterance to the whole reply")
    heard_slack_s: float = Field(
        5.0, gt=0, le=60, description="how much longer than its sound a reply may take to be heard"
    )
    longest_utterance_s: float = Field(60.0, gt=0, le=600, description="then it is over")
    sorry: Annotated[PlayFallback | None, BeforeValidator(_played)] = Field(
        None, description="a WAV file that the caller hears in place of a reply that did not come"
    )
    max_reply_bytes: int = Field(
        8_388_608, ge=1_000, le=12_000_000, description="of a reply's sound, or an answer"
    )

    # Over a WebSocket
    prefix: Word = Field("_MULAW", description="how a reply begins")
    restart: Word = Field("RESTART_COMMUNICATION", description="what tells it that the caller's turn begins")
    utterance_end: Word = Field("SINGLE_UTTERANCE_END", description="what tells that it is over")
    announces_end: bool = Field(
        False, description="local: utterance_end is sent where the bridge finds the end"
    )
    entry_prefix: Word | None = Field(
        None, description="such as _DTMF: an entry from the keypad is sent as _DTMF1234"
    )

    # Over HTTP
    audio: Literal["wav", "pcmu", "l16"] = Field("wav", description="how an utterance is posted")
    rate_hz: Literal[8_000, 16_000] = Field(8_000, description="of wav and l16")
    reply_format: Annotated[str, AfterValidator(_is_format)] | None = Field(
        None, description="what application/octet-stream, or audio in JSON, is, such as l16/24000"
    )
    greets: bool = Field(
        False, description="an empty utterance is posted when the call begins, for the greeting"
    )

    @field_validator("tools")
    @classmethod
    def _has_a_caller(cls, tools: dict[str, ToolSettings]) -> dict[str, ToolSettings]:
        """An address is told what it gets; nobody has to write a schema for an assistant that reads none."""
        for name in tools:
            if name != ON_ENTRY:
                raise ValueError(
                    f"{name} should be left out; {ON_ENTRY} is the only tool that is ever called here"
                )
        return {name: _described(tool) for name, tool in tools.items()}

    @model_validator(mode="after")
    def _fits_its_way(self) -> Self:
        others, way = (_SOCKET, "http") if self.is_posted else (_HTTP, "ws")
        for key in sorted(self.model_fields_set & others.keys()):
            raise refusal((key,), f"should be left out; with url {way}(s) {others[key]}", getattr(self, key))
        if self.is_posted and self.endpointing not in (None, "local"):
            raise refusal(
                ("endpointing",),
                'should be "local": over HTTP nobody but the bridge can hear where an utterance ends',
                self.endpointing,
            )
        if self.is_posted and self.preconnect:
            raise refusal(
                ("preconnect",), "should be left out; with url http(s) there is nothing to dial", True
            )
        if self.is_posted and self.tools:
            raise refusal(
                ("tools",), "should be left out; with url http(s) an entry is posted there", self.tools
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
        """Whether the assistant does."""
        return not self.is_posted and self.endpointing != "local"

    def address(self) -> Address:
        """Where it is, and the headers of the upgrade, or of each POST."""
        kind = Address if self.is_posted else SilentAddress
        return kind(self.url, revealed(self.headers))

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
        """What `sorry` sounds like; empty without it. Raises `ConfigurationError` if it cannot be read."""
        if self._prompt is None:
            return b""
        samples, rate_hz = self._prompt
        return encoder(format)(resample(samples, rate_hz, format.rate_hz))

    def check(self, tools: Sequence[ToolSchema]) -> None:
        """Raises `ConfigurationError` where the prompt is no WAV file, or `on_entry` takes what an entry has not."""
        _ = self._prompt
        for tool in tools:
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
}
_HTTP: Mapping[str, str] = {
    "audio": "it is mu-law in base64",
    "rate_hz": "it is 8000",
    "reply_format": "it is mu-law in base64",
    "greets": "the assistant greets of its own accord",
}
"""Keys that go with one way only, and how it is with the other."""


def _described(tool: ToolSettings) -> ToolSettings:
    if tool.url is None:
        return tool
    description = tool.description or "Takes an entry from the keypad."
    parameters = tool.parameters or {"type": "object", "properties": ENTRY}
    return tool.model_copy(update={"description": description, "parameters": parameters})
