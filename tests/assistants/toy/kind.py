"""A toy assistant as the registry of assistants would have it: an assistant's whole entry, for tests and to be read.

It is reached over a WebSocket and says back each piece of audio that it hears. A key that the caller types is pressed
for whoever is at the far end. Its vendor has a table of its own, [toyvendor], with the key of the account.

Wire: audio is binary, both ways; a key that was typed is sent as {"key": "5"}. Nothing else is sent.
"""

from collections.abc import Sequence
from typing import Literal

from msgspec import DecodeError, Struct, json
from pydantic import SecretStr

from bridge.assistants.registry import AssistantKind, Vendor
from bridge.settings.assistants import UPGRADED, AssistantSettings, SocketAddress
from bridge.settings.table import Section
from bridge.vocabulary.commands import AppendAudio, AssistantCommand, CloseAssistant, OpenAssistant, TypeDigit
from bridge.vocabulary.contracts import LegMessage, ToolSchema, WireMessage
from bridge.vocabulary.errors import ConfigurationError, MalformedMessage
from bridge.vocabulary.events import AssistantEvent, AssistantReady, PressRequested, ReplyAudio
from telecodecs.format import PCMU_8K


class ToyVendorSettings(Section):
    """[toyvendor]"""

    api_key: SecretStr | None = None


class ToyAssistantSettings(AssistantSettings):
    """[assistants.NAME] with kind = "toy"."""

    kind: Literal["toy"] = "toy"
    url: str
    api_key: SecretStr | None = None

    def address(self) -> SocketAddress:
        """The upgrade says that the assistant is there; it has no greeting of its own."""
        key = "" if self.api_key is None else self.api_key.get_secret_value()
        return SocketAddress(self.url, {"Authorization": f"Bearer {key}"}, tells_upgrade=True)

    def check(self, tools: Sequence[ToolSchema]) -> None:
        """Raises `ConfigurationError` without a key."""
        if self.api_key is None:
            raise ConfigurationError("api_key is missing: set TOYVENDOR_KEY")

    def with_vendor(self, vendor: ToyVendorSettings) -> "ToyAssistantSettings":
        """These settings, with the vendor's key where they have none."""
        return self.model_copy(update={"api_key": self.api_key or vendor.api_key})


class ToyAssistant:
    """The dialect of one conversation."""

    def encode(self, command: AssistantCommand, now: float) -> Sequence[WireMessage]:
        """Write one message, or none for a command that this assistant does not know."""
        match command:
            case OpenAssistant() | CloseAssistant():
                return ()
            case AppendAudio(audio):
                return (audio,)
            case TypeDigit(digit):
                return (json.encode({"key": digit}).decode(),)
            case _:
                return ()

    def decode(self, message: LegMessage, now: float) -> Sequence[AssistantEvent]:
        """Read one message: audio, or the key that it gives back."""
        if message == UPGRADED:
            return (AssistantReady(hears=PCMU_8K, speaks=PCMU_8K),)
        match message:
            case bytes():
                return (ReplyAudio("toy", message),)
            case str():
                return (PressRequested(_key(message)),)
            case _:
                raise MalformedMessage("expected text or bytes")

    def deadline(self) -> None:
        """Nothing falls due."""

    def due(self, now: float) -> tuple[()]:
        """Nothing falls due."""
        return ()

    def is_reply_owed(self, now: float) -> bool:
        """It replies at once."""
        return False


class _Key(Struct):
    key: str


def _key(text: str) -> str:
    try:
        return json.decode(text, type=_Key).key
    except DecodeError as error:
        raise MalformedMessage(f"expected an object with a key: {error}") from None


TOY_ASSISTANT = AssistantKind(
    ToyAssistantSettings,
    lambda _settings, _tools: ToyAssistant(),
    vendor=Vendor("toyvendor", ToyVendorSettings, "For all toys", {"TOYVENDOR_KEY": "api_key"}),
    with_vendor=ToyAssistantSettings.with_vendor,
)
