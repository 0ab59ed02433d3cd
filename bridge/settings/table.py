"""A table of the settings' file, and what the tables have in common: how they refuse, and how they hold addresses."""

import re
from collections.abc import Container
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
    """A table of the file; keys that it does not know are refused.

    Where a setting may be one of several such tables they need a discriminator, or their faults are told mixed.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, serialize_by_alias=True)

    @model_validator(mode="wrap")
    @classmethod
    def _told_with_the_nearest(cls, table: Any, validate: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return validate(table)
        except ValidationError as error:
            known = [field.alias or name for name, field in cls.model_fields.items()]
            raise with_nearest(error, known) from None


def refusal(path: Key, message: str, value: Any, type_: LiteralString = "refused") -> ValidationError:
    """To raise where a key further down is wrong. `type_`: as pydantic names faults."""
    fault = PydanticCustomError(type_, message)
    return ValidationError.from_exception_data(
        "settings", [InitErrorDetails(type=fault, loc=path, input=value)]
    )


def address_parts(url: str) -> SplitResult:
    """The parts of an address. Raises ValueError where its port is none; Python's own would quote a password there."""
    parts = urlsplit(url)
    try:
        is_port = parts.port != 0
    except ValueError:
        is_port = False
    if not is_port:
        raise ValueError("should have a port between 1 and 65535")
    return parts


def without_user(parts: SplitResult) -> None:
    """Raises ValueError where an address has a user or a password."""
    if parts.username is not None:
        raise ValueError("should have no user and no password; headers = { … } may have them")


def is_assistant_address(url: str, schemes: Container[str], right: str) -> str:
    """The same. Raises ValueError where it is none by these schemes; `right`: what is."""
    try:
        parts = urlsplit(url)
    except ValueError:  # a bracket that is not closed
        parts = urlsplit("")
    if parts.scheme not in schemes or not parts.hostname:
        raise ValueError(f"should be {right}")
    if parts.fragment:
        raise ValueError("should have no fragment")
    without_user(address_parts(url))
    return url


def is_web_address(url: str) -> str:
    """The same. Raises ValueError where it is none."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("should be a web address such as https://voice.example.com")
    address_parts(url)
    return url


def is_own_address(url: str) -> str:
    """Without a slash at its end. Raises ValueError where it is no place under which paths of ours may be."""
    parts = urlsplit(is_web_address(url))
    if parts.query or parts.fragment:
        raise ValueError("should have no query and no fragment")
    return url.rstrip("/")


def is_api_address(url: str) -> str:
    """As `is_own_address`. Raises ValueError where it has a user: requests have a key."""
    if urlsplit(is_own_address(url)).username is not None:
        raise ValueError("should have no user and no password; a key goes with each request")
    return url.rstrip("/")


HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2: a token


def _is_header(value: str) -> str:
    if not value or not value.isascii() or not value.isprintable() or value != value.strip():
        raise ValueError("should be one line of ASCII with no blanks around it")
    return value


def _is_secret_header(value: SecretStr) -> SecretStr:
    _is_header(value.get_secret_value())
    return value


def _are_headers(headers: dict[str, SecretStr]) -> dict[str, SecretStr]:
    for name in headers:
        if not HEADER_NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no header's name; should be letters, digits and dashes")
    return headers


HeaderText = Annotated[str, AfterValidator(_is_header)]
SecretText = Annotated[SecretStr, AfterValidator(_is_secret_header)]
"""A header's value that nobody should see."""

Headers = Annotated[dict[str, SecretText], AfterValidator(_are_headers)]
"""Of a request. `revealed` has them as they are sent."""


def revealed(headers: Headers) -> dict[str, str]:
    """With their values in clear."""
    return {name: value.get_secret_value() for name, value in headers.items()}


ShownAddress = PlainSerializer(without_credentials, when_used="json")
"""Of an address that may have a key in it."""


WebAddress = Annotated[str, AfterValidator(is_web_address), ShownAddress]
"""http or https."""

OwnAddress = Annotated[str, AfterValidator(is_own_address), ShownAddress]
"""http or https, to which paths are added."""

ApiAddress = Annotated[str, AfterValidator(is_api_address), ShownAddress]
"""Of a carrier's REST API."""

Parameters = Annotated[dict[str, str], PlainSerializer(masked, when_used="json")]
"""What a carrier gives back with each stream; one by the name of a secret is not shown."""
