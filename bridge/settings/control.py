"""The table [control]: who may see the calls under way, place calls and steer them over HTTP."""

import re
import tomllib
from calendar import monthrange
from pathlib import Path
from typing import Any, Literal, Self, get_args

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator

from bridge.settings.people import PlayHold
from bridge.settings.table import FilledIn, Section, read_text, refusal

SHORTEST_TOKEN = 24

FEWEST_LETTERS = 8
"""Different characters of a token: one with fewer was typed, and not drawn."""

Can = Literal["see", "place", "tell", "transfer", "hold", "mute", "supervise", "press", "end", "metrics"]

EVERYTHING: tuple[Can, ...] = get_args(Can)

MOST_TOKENS = 100


class ControlToken(Section):
    """One token: its name is in the audit log, the token itself never."""

    name: str = Field(pattern=r"^[A-Za-z0-9_.-]{1,40}$", description="Who uses it, for the audit log")
    token: FilledIn | None = Field(
        None,
        description="The token itself: `Authorization: Bearer TOKEN`. At least 24 characters, such as those of `openssl "
        "rand -hex 32`",
    )
    token_file: Path | None = Field(
        None, description="A file that has the token in its only line, in place of `token`"
    )
    can: tuple[Can, ...] = Field(
        EVERYTHING,
        min_length=1,
        description="What it may do. `see`: the calls under way and their words; `end`: hang up; `metrics`: read `/metrics`. "
        "`transfer` is for taking a call and giving it back too",
    )
    expires: str | None = Field(
        None,
        description="The last day, in UTC, on which it is good, such as 2026-12-31. Not set: it does not expire",
    )

    @model_validator(mode="before")
    @classmethod
    def _read_file(cls, table: Any) -> Any:
        """The token of a file takes the place of the name of the file."""
        if not isinstance(table, dict) or table.get("token_file") is None:
            return table
        if table.get("token") is not None:
            raise refusal(("token",), "should be given, or token_file, and not both", None)
        return {**table, "token": read_text(Path(str(table["token_file"])), ("token_file",)).strip()}

    @field_validator("token")
    @classmethod
    def _check_strength(cls, token: SecretStr | None) -> SecretStr | None:
        if token is not None and (why := too_weak(token.get_secret_value())):
            raise ValueError(f"{why}; should be drawn by chance, such as with `openssl rand -hex 32`")
        return token

    @field_validator("expires", mode="before")
    @classmethod
    def _check_day(cls, day: Any) -> Any:
        """A date of TOML, or a text that is written as one."""
        text = day if isinstance(day, str) else str(day)
        if day is not None and not _is_day(text):
            raise ValueError("should be a day such as 2026-12-31")
        return None if day is None else text

    @model_validator(mode="after")
    def _check_token(self) -> Self:
        if self.token is None:
            raise refusal(("token",), "is missing; should be given, or token_file", None, "missing")
        return self

    @property
    def secret(self) -> str:
        """The token itself."""
        assert self.token is not None
        return self.token.get_secret_value()


def _is_day(text: str) -> bool:
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        return False
    year, month, day = map(int, text.split("-"))
    return 0 < year < 9999 and 1 <= month <= 12 and 1 <= day <= monthrange(year, month)[1]


def too_weak(token: str) -> str:
    """Why a token is refused, in words; empty if it is not."""
    if len(token) < SHORTEST_TOKEN:
        return f"has {len(token)} characters and needs {SHORTEST_TOKEN}"
    if not token.isascii() or not token.isprintable() or " " in token:
        return "has other characters than ASCII without blanks"
    if len(set(token)) < FEWEST_LETTERS:
        return f"has fewer than {FEWEST_LETTERS} different characters"
    return ""


class ControlSettings(Section):
    """[control]. Without a token the control API is off, and this machine alone sees the calls."""

    tokens: tuple[ControlToken, ...] = Field(
        (),
        max_length=MOST_TOKENS,
        description="Who may use the control API, each with a name, a token of their own and what it can. None: the API is off",
    )
    tokens_file: Path | None = Field(
        None,
        description="A file in TOML that has `[[tokens]]` tables as `tokens` has them; they are added to these",
    )
    port: int | None = Field(
        None,
        ge=0,
        le=65535,
        description="A port of its own for the control API; the server's port then answers 404 there. 0: any that is free. "
        "Not set: the server's own port has it",
    )
    host: str = Field("127.0.0.1", description="The address that this port binds")
    requests_per_s: float = Field(
        20.0,
        gt=0,
        le=10_000,
        description="Requests in a second for each token, on average; twice as many may come at once",
    )
    hold: PlayHold | None = Field(
        None,
        description='A WAV file that the caller hears over and over while an operator holds the call: { play = "hold.wav" }. '
        "Not set: two quiet tones",
    )

    @model_validator(mode="before")
    @classmethod
    def _add_file(cls, table: Any) -> Any:
        if not isinstance(table, dict) or table.get("tokens_file") is None:
            return table
        text = read_text(Path(str(table["tokens_file"])), ("tokens_file",))
        try:
            found = tomllib.loads(text).get("tokens")
        except tomllib.TOMLDecodeError:  # whose message may have a piece of the file
            found = None
        if not isinstance(found, list):
            raise refusal(
                ("tokens_file",), "should be a file in TOML with [[tokens]] tables", str(table["tokens_file"])
            )
        try:
            from_file = tuple(ControlToken.model_validate(one) for one in found)
        except ValidationError as error:
            fault = error.errors()[0]
            where = ".".join(str(part) for part in fault["loc"])
            raise refusal(
                ("tokens_file",), f"has a token that is refused: {where}: {fault['msg']}", None
            ) from None
        return {**table, "tokens": (*table.get("tokens", ()), *from_file)}

    @field_validator("tokens")
    @classmethod
    def _check_different(cls, tokens: tuple[ControlToken, ...]) -> tuple[ControlToken, ...]:
        for what, values in (
            ("names", [one.name for one in tokens]),
            ("tokens", [one.secret for one in tokens]),
        ):
            if len(set(values)) < len(values):
                raise ValueError(f"two have the same {what[:-1]}; should be different {what}")
        return tokens
