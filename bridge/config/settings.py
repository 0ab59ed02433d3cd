"""The settings as one object: voicebridge.toml, .env, environment and flags in layers. The only reader of the environment.

A flag goes before the environment (VOICEBRIDGE_…, with __ between levels, and the vendors' own names), that before
.env, that before voicebridge.toml, that before the default. A wrong setting is refused with its place, its key, its
value, and what was expected. What no single key shows is in `checks`.
"""

import os
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self, cast

from dotenv import dotenv_values
from pydantic import (
    BeforeValidator,
    Field,
    ModelWrapValidatorHandler,
    SecretStr,
    SerializeAsAny,
    ValidationError,
    create_model,
    field_validator,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from bridge.assistants.registry import ASSISTANTS, Vendor
from bridge.carriers.registry import CARRIERS
from bridge.carriers.shared.settings import CarrierSettings
from bridge.config import assistant_names, person_names
from bridge.config.layers import (
    explain,
    from_file,
    from_flags,
    from_variables,
    holds_secret,
    nested,
    together,
)
from bridge.config.routes import RouteSettings
from bridge.config.secret_files import ANY, files_named, readable_by_all, secret_paths, secrets_read
from bridge.config.systemd import ServiceManager, told_by
from bridge.settings.assistants import AssistantSettings, PlayFallback
from bridge.settings.before_and_after import AfterCallSettings, BeforeCallSettings
from bridge.settings.busy import BusySettings
from bridge.settings.call_files import CaptureSettings, JournalSettings, RecordingSettings
from bridge.settings.calls import (
    CircuitSettings,
    ClosingSettings,
    KeypadSettings,
    LimitSettings,
    SilenceSettings,
)
from bridge.settings.control import ControlSettings
from bridge.settings.faults import Key
from bridge.settings.metrics import MetricsSettings
from bridge.settings.otel import ENVIRONMENT as OTEL_VARIABLES
from bridge.settings.otel import OtelSettings
from bridge.settings.people import PersonName, PersonSettings, SupervisorSettings
from bridge.settings.proxies import ENVIRONMENT as PROXY_VARIABLES
from bridge.settings.proxies import ProxySettings
from bridge.settings.security import SecuritySettings
from bridge.settings.table import OwnAddress, Section, refusal
from bridge.vocabulary.errors import ConfigurationError

FILE = Path("voicebridge.toml")
DOTENV = Path(".env")


def built_in_assistants() -> tuple[str, ...]:
    """The kinds that are assistants without a table, by the name of the kind."""
    return tuple(name for name, kind in ASSISTANTS.items() if kind.is_built_in)


def _vendors() -> dict[str, Vendor]:
    return {kind.vendor.name: kind.vendor for kind in ASSISTANTS.values() if kind.vendor is not None}


def _assistant_table(table: Any) -> Any:
    """The settings of an assistant, by what its kind can have set."""
    if not isinstance(table, Mapping):
        return table
    kind = table.get("kind")
    if isinstance(kind, str) and kind in ASSISTANTS:
        return ASSISTANTS[kind].settings.model_validate(table)
    fault = "wrong_kind" if "kind" in table else "missing"
    raise refusal(("kind",), f"should be one of {', '.join(ASSISTANTS)}", kind, fault)


AnyAssistant = Annotated[SerializeAsAny[AssistantSettings], BeforeValidator(_assistant_table)]


def _half_tls(tables: Any) -> Iterator[InitErrorDetails]:
    """Of certificate and key only one is set."""
    for key, other in (("ssl_certfile", "ssl_keyfile"), ("ssl_keyfile", "ssl_certfile")):
        if isinstance(tables, Mapping) and tables.get(key) is not None and tables.get(other) is None:
            fault = PydanticCustomError("refused", f"should be given together with {other}, or neither")
            yield InitErrorDetails(type=fault, loc=(key,), input=tables[key])


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


class Settings(Section):
    """Everything that can be set. Made by `load`, or from the file's tables by `Settings.model_validate`.

    The registries add a table for each carrier, and for each vendor of assistants: either makes an object of
    `settings_model()`, which derives from this class. Such tables are read with `carrier` and `assistant_settings`.
    """

    host: str = Field("127.0.0.1", description="The address that the server binds")
    port: int = Field(
        8080, ge=0, le=65535, description="The port, for HTTP and media sockets. 0: any that is free"
    )
    workers: int = Field(
        1,
        ge=1,
        le=256,
        description="Processes that carry calls. With more than one, a supervisor passes each call to the one with the "
        "fewest; a proxy must do TLS. One for each core is a good number",
    )
    ssl_certfile: Path | None = Field(
        None, description="The certificate chain for TLS, PEM. Not set: a proxy in front does TLS"
    )
    ssl_keyfile: Path | None = Field(None, description="The private key of `ssl_certfile`, PEM")
    log_level: Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(_lower)] = Field(
        "info", description="The least important lines that are logged"
    )
    public_url: OwnAddress | None = Field(
        None,
        repr=False,
        description="Where the carriers reach the server, such as https://voice.example.com. Carriers' signatures may be "
        "checked against it. Not set: the server's own address, which does on loopback only",
    )
    assistant: str = Field(
        "parrot", description="The name of the assistant that answers where no route says otherwise"
    )
    assistants: dict[str, AnyAssistant] = Field(
        {},
        description="The assistants, each by a name of your own. Kinds that need no setting also answer without a table, by "
        "the name of their kind",
    )
    security: SecuritySettings = Field(SecuritySettings(), description="Who is let in")
    journal: JournalSettings = Field(
        JournalSettings(), description="Every event and command of a call, without audio"
    )
    recording: RecordingSettings = Field(
        RecordingSettings(), description="Left the caller, right the assistant as the caller heard it"
    )
    capture: CaptureSettings = Field(
        CaptureSettings(), description="Every message of a call, with its audio, for `voicebridge replay`"
    )
    limits: LimitSettings = Field(
        LimitSettings(), description="How long things may take, and how much may come"
    )
    busy: BusySettings = Field(BusySettings(), description="What the caller of a refused call hears")
    circuit: CircuitSettings = Field(
        CircuitSettings(), description="When new calls stop going to an assistant that fails"
    )
    keypad: KeypadSettings = Field(
        KeypadSettings(), description="How keys become an entry, and when an entry is over"
    )
    silence: SilenceSettings = Field(SilenceSettings(), description="What stands in for missing audio")
    people: dict[PersonName, PersonSettings] = Field(
        {},
        description="Whom calls can be put through to, each by a name of your own, which an assistant's tool `transfer` lists",
    )
    supervisors: dict[PersonName, SupervisorSettings] = Field(
        {},
        description="Who can join a call to listen, whisper or barge in, each by a name of your own, which the control API takes",
    )
    closing: ClosingSettings = Field(
        ClosingSettings(), description="What callers hear when the server stops while they are on the line"
    )
    before_call: BeforeCallSettings = Field(
        BeforeCallSettings(), description="Who is asked what to do with a call before it is answered"
    )
    after_call: AfterCallSettings = Field(
        AfterCallSettings(), description="Who is told of a call that is over"
    )
    metrics: MetricsSettings = Field(
        MetricsSettings(), description="Where the figures for Prometheus are served, and who may read them"
    )
    otel: OtelSettings = Field(
        OtelSettings(), description="Where the traces of calls are sent by OpenTelemetry, and what is in them"
    )
    control: ControlSettings = Field(
        ControlSettings(), description="Who may see the calls under way, place calls and steer them over HTTP"
    )
    proxy: ProxySettings = Field(
        ProxySettings(),
        description="The HTTP proxies through which assistants, tools and the carriers' APIs are reached. An assistant's "
        "WebSocket goes through a tunnel (CONNECT)",
    )
    routes: list[RouteSettings] = Field(
        [],
        description="Which assistant answers which calls. The first route that fits a call is taken: all that it says "
        "must fit",
    )

    @field_validator("routes", mode="before")
    @classmethod
    def _check_list(cls, routes: Any) -> Any:
        if isinstance(routes, Mapping):
            raise ValueError("should be written as [[routes]], a table for each")  # noqa: TRY004  # pydantic's
        return routes

    @model_validator(mode="wrap")
    @classmethod
    def _check_whole(cls, tables: Any, validate: ModelWrapValidatorHandler[Self]) -> Self:
        """A fault in one key does not hide the faults between keys."""
        if cls is Settings:
            return cast(Self, settings_model().model_validate(tables))
        faults = [
            *assistant_names.faults(tables, built_in_assistants()),
            *person_names.faults(tables),
            *_half_tls(tables),
        ]
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
        return {kind: kind for kind in built_in_assistants()} | named

    def carrier(self, name: str) -> CarrierSettings:
        """The table of a carrier."""
        table: CarrierSettings = getattr(self, name)
        return table

    def token_secrets(self, carrier: str) -> tuple[SecretStr, ...]:
        """The secrets that sign a carrier's media tokens, the one to sign with first; empty where none is set."""
        own = self.carrier(carrier).secret
        return self.security.token_keys or (() if own is None else (own,))

    def assistant_settings(self, name: str) -> AssistantSettings:
        """The table of an assistant, filled from its vendor's."""
        settings = self.assistants.get(name)
        if settings is None:
            settings = ASSISTANTS[name].settings(kind=name)
        kind = ASSISTANTS[settings.kind]
        if kind.vendor is None:
            return settings
        filled: AssistantSettings = kind.with_vendor(settings, getattr(self, kind.vendor.name))
        return filled

    def failover_chain(self, name: str) -> tuple[str, ...]:
        """An assistant, who takes its call if it is lost, who takes that one's, and so on."""
        return tuple(assistant_names.chain(self, name))

    def failover_announcement(self, name: str) -> Path | None:
        """The WAV file that the caller hears when the last of the chain is lost."""
        fallback = self.assistant_settings(self.failover_chain(name)[-1]).fallback
        return fallback.play if isinstance(fallback, PlayFallback) else None

    def waiting_signal(self, name: str) -> Path | None:
        """The WAV file that the caller hears while an assistant of the chain is tried again: of the first that has one."""
        settings = (self.assistant_settings(one).waiting for one in self.failover_chain(name))
        return next((waiting.play for waiting in settings if waiting is not None), None)

    def recording_announcement(self) -> Path | None:
        """The WAV file that the caller hears at the start of a call that is recorded."""
        announce = self.recording.announce
        return None if announce is None or self.recording.directory is None else announce.play

    def reachable_url(self, port: int) -> str:
        """`public_url`, or on loopback the server's own address, at the port that it opened."""
        scheme = "https" if self.ssl_certfile else "http"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self.public_url or f"{scheme}://{host}:{port}"


def vendor_tables() -> frozenset[str]:
    """The names of the tables of the assistants' vendors."""
    return frozenset(_vendors())


def settings_model() -> type[Settings]:
    """`Settings` with the tables that the registries add: one for each carrier and each vendor of assistants."""
    vendors = ((name, vendor.settings, vendor.description) for name, vendor in _vendors().items())
    carriers = ((name, kind.settings, kind.title) for name, kind in CARRIERS.items())
    return _model_with((*vendors, *carriers))


@lru_cache
def _model_with(tables: tuple[tuple[str, type[Section], str], ...]) -> type[Settings]:
    """`tables`: each by its name, its class and its description."""
    fields: dict[str, Any] = {
        name: (table, Field(table(), description=description)) for name, table, description in tables
    }
    return create_model("Settings", __base__=Settings, __doc__=Settings.__doc__, **fields)


def known_paths() -> tuple[Key, ...]:
    """The paths of all settings that have a fixed one: not those of assistants and routes."""

    def walk(table: type[Section], above: Key) -> Iterator[Key]:
        for name, field in table.model_fields.items():
            path = (*above, field.alias or name)
            if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
                yield from walk(field.annotation, path)
            else:
                yield path

    return tuple(walk(settings_model(), ()))


def vendor_names() -> dict[str, Key]:
    """The names of environment variables that are not ours, each with the setting that it sets: vendors', proxies', traces'."""
    owners = [(name, kind.environment) for name, kind in CARRIERS.items()]
    owners += [(name, vendor.environment) for name, vendor in _vendors().items()]
    owners += [("proxy", PROXY_VARIABLES), ("otel", OTEL_VARIABLES)]
    return {variable: (owner, setting) for owner, names in owners for variable, setting in names.items()}


def load(
    flags: Mapping[str, Any] | None = None,
    *,
    file: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Settings:
    """The settings of this process. `file`: must exist if it is named. Raises `ConfigurationError`."""
    environment = os.environ if environment is None else environment
    names = vendor_names()
    found = from_file(file or FILE, required=file is not None)
    found |= from_variables(_dotenv(), str(DOTENV), names, secret_settings())
    found |= from_variables(environment, "environment", names, secret_settings())
    found |= from_flags(flags or {})
    try:
        return Settings.model_validate(nested(found))
    except ValidationError as error:
        raise ConfigurationError("\n".join(explain(error, found, known_paths()))) from None


def service_manager() -> ServiceManager | None:
    """What the environment says of systemd; see `told_by`."""
    return told_by(os.environ, os.getpid())


def vendor_variables(names: Mapping[str, str]) -> dict[str, str]:
    """What the environment, and behind it .env, say under a vendor's own names: the values by their settings."""
    variables: dict[str, str] = {}
    for place, layer in ((str(DOTENV), _dotenv()), ("environment", dict(os.environ))):
        read = secrets_read(layer, place, lambda name: name in names)
        variables |= layer | {name: value for name, (value, _) in read.items()}
    return {setting: value for name, setting in names.items() if (value := variables.get(name, ""))}


@lru_cache
def secret_settings() -> frozenset[Key]:
    """The paths of all settings that are secret, and of those that carriers have in an environment; see `secret_paths`."""
    kinds = (kind.settings for kind in ASSISTANTS.values())
    own = (secret_paths(table, ("assistants", ANY)) for table in kinds)
    named = {path for path in vendor_names().values() if path[0] in CARRIERS}
    return secret_paths(settings_model()).union(named, *own)


def doubtful_secret_files() -> Iterator[str]:
    """A line for each file with a secret, named in the environment or in .env, that every user can read."""
    vendors, secrets = vendor_names(), secret_settings()
    for variables in (_dotenv(), dict(os.environ)):
        for named in files_named(variables, lambda name: holds_secret(name, vendors, secrets)):
            if (doubt := readable_by_all(named)) is not None:
                yield doubt


def _dotenv() -> dict[str, str]:
    try:
        return {
            name: value
            for name, value in dotenv_values(DOTENV, encoding="utf-8-sig").items()
            if value is not None
        }
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{DOTENV}: {error}") from None
