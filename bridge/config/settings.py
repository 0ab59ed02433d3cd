"""The settings: voicebridge.toml, .env, environment and flags, checked at start. The only reader of the environment.

A flag goes before the environment (VOICEBRIDGE_…, with __ between levels, and the vendors' own names), that before
.env, that before voicebridge.toml, that before the default. What is wrong is refused with its place, key and value,
and with what would be right.
"""

import os
import ssl
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import (
    BeforeValidator,
    Field,
    ModelWrapValidatorHandler,
    SecretStr,
    SerializeAsAny,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from bridge.assistants.openai_realtime.account import OpenAIAccount
from bridge.assistants.openai_realtime.settings import RealtimeSettings
from bridge.assistants.registry import ASSISTANTS
from bridge.carriers.shared.settings import CarrierSettings
from bridge.carriers.telnyx.settings import TelnyxSettings
from bridge.carriers.twilio.settings import TwilioSettings
from bridge.config import assistant_names
from bridge.config.layers import explain, from_file, from_flags, from_variables, nested, together
from bridge.config.routes import RouteSettings, never_taken
from bridge.redaction import without_credentials, without_numbers
from bridge.settings.assistants import AssistantSettings, PlayFallback
from bridge.settings.calls import KeypadSettings, LimitSettings, SilenceSettings
from bridge.settings.table import OwnAddress, Section, refusal
from bridge.vocabulary.contracts import ToolSchema
from bridge.vocabulary.errors import ConfigurationError

FILE = Path("voicebridge.toml")
DOTENV = Path(".env")
LOOPBACK = ("127.0.0.1", "::1", "localhost")

BUILT_IN = ("parrot", "echo", "openai-realtime")
"""Assistants that can do without a table are there by the name of their kind."""


MOST_TOKEN_KEYS = 2

SHORTEST_TOKEN_KEY = 32
"""Characters. An HMAC's key should not be shorter than its digest, 32 bytes (RFC 2104, 3)."""


def _of_its_kind(table: Any) -> Any:
    """The settings of an assistant, by what its kind can have set."""
    if not isinstance(table, Mapping):
        return table
    kind = table.get("kind")
    if isinstance(kind, str) and kind in ASSISTANTS:
        return ASSISTANTS[kind].settings.model_validate(table)
    fault = "wrong_kind" if "kind" in table else "missing"
    raise refusal(("kind",), f"should be one of {', '.join(ASSISTANTS)}", kind, fault)


AnyAssistant = Annotated[SerializeAsAny[AssistantSettings], BeforeValidator(_of_its_kind)]


def _halves(tables: Any) -> Iterator[InitErrorDetails]:
    """Of what serves TLS only one is there."""
    for key, other in (("ssl_certfile", "ssl_keyfile"), ("ssl_keyfile", "ssl_certfile")):
        if isinstance(tables, Mapping) and tables.get(key) is not None and tables.get(other) is None:
            fault = PydanticCustomError("refused", f"should be given together with {other}, or neither")
            yield InitErrorDetails(type=fault, loc=(key,), input=tables[key])


def _in_one_line(keys: Any) -> Any:
    """A variable of the environment holds both keys with a comma between."""
    return tuple(key.strip() for key in keys.split(",")) if isinstance(keys, str) else keys


class SecuritySettings(Section):
    """[security]"""

    allow_unauthenticated: bool = Field(False, description="open doors, on loopback only, to try things")
    token_keys: Annotated[tuple[SecretStr, ...], BeforeValidator(_in_one_line)] = Field(
        (),
        description="One or two secrets of at least 32 characters that sign the addresses of media sockets. The first "
        "signs; put a new one before it to exchange it. Without them a carrier's own secret signs. In a variable of "
        "the environment a comma stands between the two",
    )

    @field_validator("token_keys")
    @classmethod
    def _are_long_enough(cls, keys: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        if len(keys) > MOST_TOKEN_KEYS:
            raise ValueError(f"{len(keys)} keys: should be one, or two while they are exchanged")
        if any(len(key.get_secret_value()) < SHORTEST_TOKEN_KEY for key in keys):
            raise ValueError(
                f"a key is too short: should have at least {SHORTEST_TOKEN_KEY} characters, "
                "such as those of `openssl rand -hex 32`"
            )
        return keys


class JournalSettings(Section):
    """[journal]"""

    directory: Path | None = Field(None, description="a file of JSON lines for each call; none without it")


class RecordingSettings(Section):
    """[recording]"""

    directory: Path | None = Field(None, description="a stereo WAV for each call; none without it")


class Settings(Section):
    """Everything that can be set."""

    host: str = "127.0.0.1"
    port: int = Field(8080, ge=0, le=65535)
    ssl_certfile: Path | None = None
    ssl_keyfile: Path | None = None
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    public_url: OwnAddress | None = Field(None, repr=False, description="what the carriers were told")
    assistant: str = Field("parrot", description="the default, by name")
    assistants: dict[str, AnyAssistant] = Field({})
    openai: OpenAIAccount = OpenAIAccount()
    twilio: TwilioSettings = TwilioSettings()
    telnyx: TelnyxSettings = TelnyxSettings()
    security: SecuritySettings = SecuritySettings()
    journal: JournalSettings = JournalSettings()
    recording: RecordingSettings = RecordingSettings()
    limits: LimitSettings = LimitSettings()
    keypad: KeypadSettings = KeypadSettings()
    silence: SilenceSettings = SilenceSettings()
    routes: list[RouteSettings] = Field([], description="who answers which calls; the first that fits")

    @field_validator("routes", mode="before")
    @classmethod
    def _are_several(cls, routes: Any) -> Any:
        if isinstance(routes, Mapping):
            raise ValueError("should be written as [[routes]], a table for each")  # noqa: TRY004  # pydantic's
        return routes

    @model_validator(mode="wrap")
    @classmethod
    def _told_whole(cls, tables: Any, validate: ModelWrapValidatorHandler[Self]) -> Self:
        """What is wrong with one key does not hide what is wrong between the keys."""
        faults = [*assistant_names.faults(tables, BUILT_IN), *_halves(tables)]
        try:
            settings = validate(tables)
        except ValidationError as error:
            raise together(error, faults) from None
        if faults:
            raise ValidationError.from_exception_data("settings", faults)
        return settings

    @property
    def assistant_kinds(self) -> dict[str, str]:
        """The kind of each assistant by its name; every built-in kind is an assistant of that name by default."""
        named = {name: assistant.kind for name, assistant in self.assistants.items()}
        return {kind: kind for kind in BUILT_IN} | named

    def carrier(self, name: str) -> CarrierSettings:
        """What is set of a carrier."""
        section: CarrierSettings = getattr(self, name)
        return section

    def token_secrets(self, carrier: str) -> tuple[SecretStr, ...]:
        """The secrets that sign a carrier's media tokens, the one to sign with first; empty where none is set."""
        own = self.carrier(carrier).secret
        return self.security.token_keys or (() if own is None else (own,))

    def settings_of(self, name: str) -> AssistantSettings:
        """What is set of an assistant, with what its vendor's section says for all."""
        settings = self.assistants.get(name)
        if settings is None:
            settings = ASSISTANTS[name].settings(kind=name)
        return settings.with_account(self.openai) if isinstance(settings, RealtimeSettings) else settings

    def rescue_chain(self, name: str) -> tuple[str, ...]:
        """An assistant, who takes its call if it is lost, who takes that one's, and so on."""
        return tuple(assistant_names.chain(self, name))

    def rescue_sentence(self, name: str) -> Path | None:
        """What the caller hears when the last of the chain is lost."""
        fallback = self.settings_of(self.rescue_chain(name)[-1]).fallback
        return fallback.play if isinstance(fallback, PlayFallback) else None

    def check_assistants(self, tools: Mapping[str, Sequence[ToolSchema]] | None = None) -> None:
        """Raises `ConfigurationError` where an assistant could not answer. `tools`: what is known of them, by name."""
        used = (name for _, name in assistant_names.names_used(self))
        told: list[str] = []
        for name in dict.fromkeys([*used, *self.assistants]):
            try:
                self.settings_of(name).check((tools or {}).get(name, ()))
            except ConfigurationError as error:
                told += [f"assistants.{name}: {line}" for line in str(error).splitlines()]
        _refuse(told)

    def reachable_url(self, port: int) -> str:
        """`public_url`, or on loopback the server's own address, at the port that it opened."""
        scheme = "https" if self.ssl_certfile else "http"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self.public_url or f"{scheme}://{host}:{port}"

    def check_doors(self) -> None:
        """Raises `ConfigurationError` where `serve` would let strangers in, or could let nobody in."""
        _refuse(self._wrong_doors())

    def _wrong_doors(self) -> Iterator[str]:
        on_loopback = self.host in LOOPBACK
        if self.security.allow_unauthenticated and not on_loopback:
            yield (
                f"host = {self.host!r} with security.allow_unauthenticated: "
                f"should be one of {', '.join(LOOPBACK)}; anybody could talk to the assistant at your cost"
            )
        has_key = self.twilio.auth_token is not None or self.telnyx.public_key is not None
        if not has_key and not self.security.allow_unauthenticated:
            yield (
                "twilio.auth_token and telnyx.public_key are missing, and without one of them no carrier can prove "
                "to be one: set TWILIO_AUTH_TOKEN or TELNYX_PUBLIC_KEY, or to try things on this machine alone, "
                "[security] allow_unauthenticated = true"
            )
        if self.public_url is None and not (on_loopback or self.security.allow_unauthenticated):
            yield (
                "public_url is missing: it is where the carriers send calls, and what Twilio's signatures are "
                "checked against, such as https://voice.example.com"
            )

    def doubts(self) -> Iterator[str]:
        """What `serve` starts with, and is hardly meant."""
        told = urlsplit(self.public_url or "")
        if told.scheme == "http" and told.hostname not in LOOPBACK:
            yield (
                f"public_url = {without_credentials(told.geturl())!r}: should begin with https; Twilio opens no media "
                "socket without TLS, and what other carriers send can be read on the way"
            )
        for number, taker in never_taken(self.routes):
            taken = without_numbers(self.routes[number].in_words())  # `serve` logs it
            yield (
                f"routes[{number}]: no call gets there, routes[{taker}] takes {taken}; should stand before it"
            )

    def tls(self) -> ssl.SSLContext | None:
        """The server's side of TLS; None where a proxy does it. Raises `ConfigurationError`."""
        if self.ssl_certfile is None:
            return None
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        try:
            context.load_cert_chain(self.ssl_certfile, self.ssl_keyfile)
        except OSError as error:
            raise ConfigurationError(
                f"ssl_certfile = {str(self.ssl_certfile)!r}, ssl_keyfile = {str(self.ssl_keyfile)!r}: {error}"
            ) from None
        return context

    def check_folders(self) -> None:
        """Make the folders of journals and recordings. Raises `ConfigurationError` where they cannot be written."""
        _refuse(self._wrong_folders())

    def _wrong_folders(self) -> Iterator[str]:
        for key, folder in (("journal", self.journal.directory), ("recording", self.recording.directory)):
            if folder is not None:
                try:
                    folder.mkdir(parents=True, exist_ok=True)
                    with TemporaryFile(dir=folder):
                        pass
                except OSError as error:
                    yield f"{key}.directory = {str(folder)!r}: {error.strerror}"


def _refuse(faults: Iterable[str]) -> None:
    """Raises `ConfigurationError` where there are any, each on its line."""
    if told := "\n".join(faults):
        raise ConfigurationError(told)


def load(
    flags: Mapping[str, Any] | None = None,
    *,
    file: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Settings:
    """The settings of this process. `file`: must exist if it is named. Raises `ConfigurationError`."""
    environment = os.environ if environment is None else environment
    dotenv = _dotenv()
    found = from_file(file or FILE, required=file is not None)
    found |= from_variables(dotenv, str(DOTENV))
    found |= from_variables(environment, "environment")
    found |= from_flags(flags or {})
    try:
        return Settings.model_validate(nested(found))
    except ValidationError as error:
        raise ConfigurationError("\n".join(explain(error, found))) from None


def twilio_auth_token() -> str:
    """The token that signs as Twilio, for the pretend phone; empty if the environment has none."""
    return os.environ.get("TWILIO_AUTH_TOKEN") or _dotenv().get("TWILIO_AUTH_TOKEN", "")


def _dotenv() -> dict[str, str]:
    try:
        return {name: value for name, value in dotenv_values(DOTENV).items() if value is not None}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{DOTENV}: {error}") from None
