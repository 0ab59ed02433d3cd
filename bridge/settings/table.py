"""What the tables of the settings' file have in common: how they refuse a value, and the checks of URLs and headers."""

import re
from collections.abc import Container
from pathlib import Path
from typing import Annotated, Any, LiteralString, Self
from urllib.parse import SplitResult, urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    ModelWrapValidatorHandler,
    PlainSerializer,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from bridge.redaction import masked, without_credentials
from bridge.settings.faults import Key, with_nearest


class Section(BaseModel):
    """A table of the settings' file. Unknown keys are refused, with the nearest known one.

    Where a setting may be one of several tables, these need a discriminator, or the faults of all of them are reported.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, serialize_by_alias=True)

    @model_validator(mode="wrap")
    @classmethod
    def _name_the_nearest(cls, table: Any, validate: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return validate(table)
        except ValidationError as error:
            known = [field.alias or name for name, field in cls.model_fields.items()]
            raise with_nearest(error, known) from None


def refusal(path: Key, message: str, value: Any, type_: LiteralString = "refused") -> ValidationError:
    """Return the error to raise where the key at `path` is wrong. `type_`: the fault's name, as pydantic has names."""
    fault = PydanticCustomError(type_, message)
    return ValidationError.from_exception_data(
        "settings", [InitErrorDetails(type=fault, loc=path, input=value)]
    )


def read_text(file: Path, key: Key) -> str:
    """The text of a file that a setting names. `key`: the setting. Raises a refusal of it where the file cannot be read."""
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise refusal(key, f"cannot be read: {error.strerror}; should be a file of text", str(file)) from None
    except UnicodeDecodeError:
        raise refusal(key, "is not UTF-8; should be a file of text", str(file)) from None


def address_parts(url: str) -> SplitResult:
    """Return the parts of a URL. Raises ValueError if its port is not valid; Python's own message would quote a password."""
    parts = urlsplit(url)
    try:
        is_port = parts.port != 0
    except ValueError:
        is_port = False
    if not is_port:
        raise ValueError("should have a port between 1 and 65535")
    return parts


def check_no_user(parts: SplitResult) -> None:
    """Raises ValueError if a URL has a user or a password."""
    if parts.username is not None:
        raise ValueError("should have no user and no password; headers = { … } may have them")


def checked_assistant_url(url: str, schemes: Container[str], expected: str) -> str:
    """Return the URL of an assistant. Raises ValueError if it has none of `schemes`; `expected` says what it should be."""
    try:
        parts = urlsplit(url)
    except ValueError:  # a bracket that is not closed
        parts = urlsplit("")
    if parts.scheme not in schemes or not parts.hostname:
        raise ValueError(f"should be {expected}")
    if parts.fragment:
        raise ValueError("should have no fragment")
    check_no_user(address_parts(url))
    return url


def checked_web_url(url: str) -> str:
    """Return `url`. Raises `ValueError` if it is not a URL with http or https."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("should be a web address such as https://voice.example.com")
    address_parts(url)
    return url


def checked_base_url(url: str) -> str:
    """Return `url` without a slash at its end. Raises `ValueError` if it is not a URL to which paths can be added."""
    parts = urlsplit(checked_web_url(url))
    if parts.query or parts.fragment:
        raise ValueError("should have no query and no fragment")
    return url.rstrip("/")


def checked_api_url(url: str) -> str:
    """Return as `checked_base_url` does. Raises ValueError also if it has a user: the key is sent with each request."""
    if urlsplit(checked_base_url(url)).username is not None:
        raise ValueError("should have no user and no password; a key goes with each request")
    return url.rstrip("/")


PLACEHOLDER = re.compile(
    r"…|\.{3}|<[^<>]+>|\b(?:your|my)[-_ ](?:\w+[-_ ])*(?:key|token|secret|sid|url|domain|host|name)\b",
    re.IGNORECASE,
)
"""What stands in documents for a value that people have to put in."""


def without_placeholder(text: str) -> str:
    """Return `text`. Raises `ValueError` if it has a placeholder in it."""
    if found := PLACEHOLDER.search(text):
        raise ValueError(f"has a placeholder in it, {found[0]}; should be the value itself")
    return text


def _filled_in(secret: SecretStr) -> SecretStr:
    without_placeholder(secret.get_secret_value())
    return secret


FilledIn = Annotated[SecretStr, AfterValidator(_filled_in)]
"""A secret that is not the placeholder of the documents."""

NOT_OURS = frozenset(
    [
        "connection",
        "content-length",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ]
)
"""Headers of one connection, which belong to the HTTP client (RFC 9110, 7.6.1)."""

HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2: a token


def _checked_header(value: str) -> str:
    if not value or not value.isascii() or not value.isprintable() or value != value.strip():
        raise ValueError("should be one line of ASCII with no blanks around it")
    return value


def _checked_secret_header(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    if "…" in text:  # said first: it is not ASCII either
        without_placeholder(text)
    without_placeholder(_checked_header(text))
    return value


def checked_header_names(headers: dict[str, Any]) -> dict[str, Any]:
    """Return `headers`. Raises `ValueError` if a name is not that of a header."""
    for name in headers:
        if not HEADER_NAME.fullmatch(name):
            raise ValueError(f"{name!r} is not the name of a header; should be letters, digits and dashes")
        if name.lower() in NOT_OURS or name.lower().startswith("sec-websocket-"):
            raise ValueError(f"{name} should be left out; the connection sets it")
    return headers


HeaderText = Annotated[str, AfterValidator(_checked_header)]
SecretText = Annotated[SecretStr, AfterValidator(_checked_secret_header)]
"""The value of a header, never shown."""

Headers = Annotated[dict[str, SecretText], AfterValidator(checked_header_names)]
"""The headers of a request whose values do not expire."""


ShownAddress = PlainSerializer(without_credentials, when_used="json")
"""Shows a URL that may hold a key without its user, password and query."""


WebAddress = Annotated[str, AfterValidator(checked_web_url), ShownAddress]
"""A URL by http or https."""

OwnAddress = Annotated[str, AfterValidator(checked_base_url), ShownAddress]
"""A URL by http or https, to which paths are added."""

ApiAddress = Annotated[str, AfterValidator(checked_api_url), ShownAddress]
"""The base URL of a carrier's REST API."""

Parameters = Annotated[dict[str, str], PlainSerializer(masked, when_used="json")]
"""Parameters that a carrier gives back with each stream; a value whose name is that of a secret is not shown."""
