"""The settings: voicebridge.toml, .env, environment and flags, checked at start. The only reader of the environment.

A flag goes before the environment (VOICEBRIDGE_…, with __ between levels, and the vendors' own names), that before
.env, that before voicebridge.toml, that before the default. What is wrong is refused with its place, key and value,
and with what would be right.
"""

import difflib
import os
import ssl
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryFile
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)

from bridge.assistants import ASSISTANTS
from bridge.errors import ConfigurationError

FILE = Path("voicebridge.toml")
DOTENV = Path(".env")
PREFIX = "VOICEBRIDGE_"
LOOPBACK = ("127.0.0.1", "::1", "localhost")

BUILT_IN = ("parrot", "echo")
"""Assistants that need no settings are there by the name of their kind."""

VENDOR_NAMES = {
    "TWILIO_AUTH_TOKEN": ("twilio", "auth_token"),
}
"""The vendors' own names in the environment, and the settings that they are."""


def _is_web_address(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("should be a web address such as https://voice.example.com")
    if parts.port == 0:  # to ask for it is to check it
        raise ValueError("should have a port between 1 and 65535")
    return url


def _is_own_address(url: str) -> str:
    parts = urlsplit(_is_web_address(url))
    if parts.query or parts.fragment:
        raise ValueError("should have no query and no fragment")
    return url.rstrip("/")


class Section(BaseModel):
    """A table of the file; keys that it does not know are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class AssistantSettings(Section):
    """[assistants.NAME]"""

    kind: str

    @field_validator("kind")
    @classmethod
    def _is_known(cls, kind: str) -> str:
        if kind not in ASSISTANTS:
            raise ValueError(f"should be one of {', '.join(ASSISTANTS)}")
        return kind


class TwilioSettings(Section):
    """[twilio]"""

    auth_token: SecretStr | None = Field(None, min_length=1)
    then: Annotated[str, AfterValidator(_is_web_address)] | None = Field(
        None, description="the TwiML that a call goes on with when its stream has ended"
    )
    parameters: dict[str, str] = Field({}, description="custom parameters of every stream")


class SecuritySettings(Section):
    """[security]"""

    allow_unauthenticated: bool = Field(False, description="open doors, on loopback only, to try things")


class JournalSettings(Section):
    """[journal]"""

    directory: Path | None = Field(None, description="a file of JSON lines for each call; none without it")


class RecordingSettings(Section):
    """[recording]"""

    directory: Path | None = Field(None, description="a stereo WAV for each call; none without it")


class LimitSettings(Section):
    """[limits], in seconds"""

    start_s: float = Field(10.0, gt=0, description="from the socket to the carrier's start")
    open_s: float = Field(10.0, gt=0, description="from the start to the assistant's readiness")
    silent_s: float = Field(60.0, gt=0, description="how long the carrier may send nothing at all")
    longest_call_s: float = Field(4 * 3600.0, gt=0)
    drain_s: float = Field(30.0, ge=0, description="how long calls may go on after SIGTERM")


class Settings(Section):
    """Everything that can be set."""

    host: str = "127.0.0.1"
    port: int = Field(8080, ge=0, le=65535)
    ssl_certfile: Path | None = None
    ssl_keyfile: Path | None = None
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    public_url: Annotated[str, AfterValidator(_is_own_address)] | None = Field(
        None, description="what the carriers were told"
    )
    assistant: str = Field("parrot", description="the default, by name")
    assistants: dict[str, AssistantSettings] = {}
    twilio: TwilioSettings = TwilioSettings()
    security: SecuritySettings = SecuritySettings()
    journal: JournalSettings = JournalSettings()
    recording: RecordingSettings = RecordingSettings()
    limits: LimitSettings = LimitSettings()

    @model_validator(mode="after")
    def _is_whole(self) -> "Settings":
        if self.assistant not in self.assistant_kinds:
            raise ValueError(
                f"assistant = {self.assistant!r}: should be one of {', '.join(self.assistant_kinds)}"
            )
        if (self.ssl_certfile is None) != (self.ssl_keyfile is None):
            raise ValueError("ssl_certfile and ssl_keyfile: should be given together, or neither")
        return self

    @property
    def assistant_kinds(self) -> dict[str, str]:
        """The kind of each assistant by its name; every kind is an assistant of that name by default."""
        named = {name: assistant.kind for name, assistant in self.assistants.items()}
        return {kind: kind for kind in BUILT_IN} | named

    def told_url(self, port: int) -> str:
        """`public_url`, or on loopback the server's own address, at the port that it opened."""
        scheme = "https" if self.ssl_certfile else "http"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self.public_url or f"{scheme}://{host}:{port}"

    def check_doors(self) -> None:
        """Raises `ConfigurationError` where `serve` would let strangers in, or could let nobody in."""
        on_loopback = self.host in LOOPBACK
        if self.security.allow_unauthenticated and not on_loopback:
            raise ConfigurationError(
                f"host = {self.host!r} with security.allow_unauthenticated: "
                f"should be one of {', '.join(LOOPBACK)}; anybody could talk to the assistant at your cost"
            )
        if self.twilio.auth_token is None and not self.security.allow_unauthenticated:
            raise ConfigurationError(
                "twilio.auth_token is missing, and without it nobody can prove to be Twilio: "
                "set TWILIO_AUTH_TOKEN, or to try things on this machine alone, "
                "[security] allow_unauthenticated = true"
            )
        if self.public_url is None and not on_loopback:
            raise ConfigurationError(
                "public_url is missing: Twilio's signatures are checked against the address that Twilio was told, "
                "such as https://voice.example.com"
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
        for key, folder in (("journal", self.journal.directory), ("recording", self.recording.directory)):
            if folder is not None:
                try:
                    folder.mkdir(parents=True, exist_ok=True)
                    with TemporaryFile(dir=folder):
                        pass
                except OSError as error:
                    raise ConfigurationError(f"{key}.directory = {str(folder)!r}: {error.strerror}") from None


Key = tuple[str, ...]
Layer = dict[Key, tuple[Any, str]]
"""Values by their path in the settings, each with the place that it came from."""


def load(
    flags: Mapping[str, Any] | None = None,
    *,
    file: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Settings:
    """The settings of this process. `file`: must exist if it is named. Raises `ConfigurationError`."""
    environment = os.environ if environment is None else environment
    dotenv = _dotenv()
    found = _from_file(file or FILE, required=file is not None)
    found |= _from_environment(dotenv, str(DOTENV))
    found |= _from_environment(environment, "environment")
    found |= {
        (name,): (value, f"--{name.replace('_', '-')}")
        for name, value in (flags or {}).items()
        if value is not None
    }
    try:
        return Settings.model_validate(_nested(found))
    except ValidationError as error:
        raise ConfigurationError("\n".join(_explain(error, found))) from None


def _from_file(file: Path, *, required: bool) -> Layer:
    try:
        text = file.read_text()
        return {path: (value, str(file)) for path, value in _flat(tomllib.loads(text))}
    except FileNotFoundError:
        if required:
            raise ConfigurationError(f"{file}: there is no such file") from None
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"{file}: {error}") from None


def _from_environment(environment: Mapping[str, str], place: str) -> Layer:
    found: Layer = {}
    for name, value in environment.items():
        path: Key | None = VENDOR_NAMES.get(name)
        if path is None and name.startswith(PREFIX):
            path = tuple(name.removeprefix(PREFIX).lower().split("__"))
        if path is not None and value:  # an empty variable is one that is not set
            found[path] = (value, f"{place}: {name}")
    return found


def _flat(table: Mapping[str, Any], above: Key = ()) -> Iterator[tuple[Key, Any]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, (*above, key))
        else:
            yield (*above, key), value


def _nested(found: Layer) -> dict[str, Any]:
    root: dict[str, Any] = {}
    for path, (value, place) in found.items():
        table = root
        for key in path[:-1]:
            table = table.setdefault(key, {})
            if not isinstance(table, dict):
                raise ConfigurationError(f"{place}: {key} is a single value and has no {path[-1]}")
        table[path[-1]] = value
    return root


def _explain(error: ValidationError, found: Layer) -> Iterator[str]:
    for fault in error.errors():
        path = tuple(str(key) for key in fault["loc"])
        place = next((place for at, (_, place) in found.items() if at[: len(path)] == path), "settings")
        key = ".".join(path)
        if fault["type"] == "extra_forbidden":
            yield f"{place}: there is no setting {key}{_nearest(path)}"
            continue
        what = fault["msg"].removeprefix("Value error, ")
        if not path:
            yield f"{place}: {what}"
        elif any(word in path[-1] for word in ("token", "key", "secret")):
            yield f"{place}: {key}: {what}"
        else:
            yield f"{place}: {key} = {fault['input']!r}: {what}"


def _nearest(path: Key) -> str:
    section: Any = Settings
    for key in path[:-1]:
        if section is Settings and key == "assistants":
            section = AssistantSettings
        elif section is not AssistantSettings:
            section = section.model_fields[key].annotation
    known = list(section.model_fields)
    near = difflib.get_close_matches(path[-1], known, n=1)
    return f"; did you mean {near[0]}?" if near else f"; known here: {', '.join(known)}"


def twilio_auth_token() -> str:
    """The token that signs as Twilio, for the pretend phone; empty if the environment has none."""
    return os.environ.get("TWILIO_AUTH_TOKEN") or _dotenv().get("TWILIO_AUTH_TOKEN", "")


def _dotenv() -> dict[str, str]:
    try:
        return {name: value for name, value in dotenv_values(DOTENV).items() if value is not None}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{DOTENV}: {error}") from None
