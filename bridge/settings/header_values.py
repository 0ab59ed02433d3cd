"""The values of headers: a text, or where it is read from, because it expires: a file, or the output of a command.

A value is read by the shell when it is needed (`shell.header_values`), not when the settings are loaded.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    SecretStr,
    TypeAdapter,
    model_validator,
)

from bridge.redaction import HIDDEN
from bridge.settings.table import SecretText, Section, checked_header_names


class HeaderSource(Section):
    """Where a value is read from: { file = "/run/token", prefix = "Bearer " }, or { command = ["az", "…"], for_s = 3000 }."""

    file: Path | None = Field(
        None, description="A text file with the value; it is read for each new connection, or POST"
    )
    command: Annotated[
        tuple[str, ...] | None,
        PlainSerializer(lambda words: words and [words[0], HIDDEN], when_used="json"),
    ] = Field(
        None,
        min_length=1,
        repr=False,
        description="A command that prints the value, and its arguments; no shell reads them. It runs when the server starts, "
        "again before `for_s` is over, and when the assistant's server answers 401",
    )
    prefix: str = Field(
        "", pattern=r"^[ -~]*$", description="What stands before the value, such as `Bearer `"
    )
    for_s: float = Field(
        300.0, ge=1, description="How long the value that a command prints is good, in seconds"
    )

    @model_validator(mode="after")
    def _check_one_of_two(self) -> Self:
        if (self.file is None) == (self.command is None):
            raise ValueError("should have file or command, one of the two")
        return self

    def __str__(self) -> str:
        return f"the command {self.command[0]!r}" if self.command else str(self.file)


_SECRET_TEXT: TypeAdapter[SecretStr] = TypeAdapter(SecretText)


def _source(value: Any) -> Any:
    """Only the faults of a text are reported for a text, and only those of a table for a table."""
    if isinstance(value, Mapping):
        return HeaderSource.model_validate(value)
    return value if isinstance(value, HeaderSource) else _SECRET_TEXT.validate_python(value)


HeaderValue = Annotated[SecretStr | HeaderSource, BeforeValidator(_source)]
"""The value of a header, never shown, or where it is read from."""

HeaderValues = Annotated[dict[str, HeaderValue], AfterValidator(checked_header_names)]
"""The headers of a request. `unresolved` returns them as the shell takes them."""

A_VALUE = 'A value that expires is a table: `{ file = "…" }`, or `{ command = ["…"], for_s = 300 }`, each with a `prefix` such as `Bearer `'
"""For the descriptions of settings."""

Unresolved = Mapping[str, str | HeaderSource]
"""Headers of which some values are still to be read."""


def unresolved(headers: Mapping[str, SecretStr | HeaderSource]) -> dict[str, str | HeaderSource]:
    """Return headers with the values that the settings hold in clear."""
    return {
        name: value.get_secret_value() if isinstance(value, SecretStr) else value
        for name, value in headers.items()
    }


def with_prefix(prefix: str, value: SecretStr | HeaderSource) -> str | HeaderSource:
    """Put `prefix` before a value, whatever it comes from."""
    if isinstance(value, SecretStr):
        return prefix + value.get_secret_value()
    return value.model_copy(update={"prefix": prefix + value.prefix})
