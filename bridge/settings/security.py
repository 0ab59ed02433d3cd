"""The table [security]: who is let in, and what signs the addresses of media sockets."""

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, SecretStr, field_validator

from bridge.settings.table import Section

ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/\s]+|null")
"""How a browser writes the origin of a page (RFC 6454, 6.2)."""

MOST_TOKEN_KEYS = 2

SHORTEST_TOKEN_KEY = 32
"""Characters. An HMAC's key should not be shorter than its digest, 32 bytes (RFC 2104, 3)."""


def _split_at_commas(keys: Any) -> Any:
    """A variable of the environment holds both keys with a comma between."""
    return tuple(key.strip() for key in keys.split(",")) if isinstance(keys, str) else keys


class SecuritySettings(Section):
    """[security]"""

    allow_unauthenticated: bool = Field(
        False,
        description="Let in calls and media sockets without signature or token. For trying things: `host` must be a loopback address",
    )
    token_keys: Annotated[tuple[SecretStr, ...], BeforeValidator(_split_at_commas)] = Field(
        (),
        description="One or two secrets of at least 32 characters that sign the addresses of media sockets. The first "
        "signs; put a new one before it to exchange it. Without them a carrier's own secret signs. In a variable of "
        "the environment a comma stands between the two",
    )

    origins: tuple[str, ...] = Field(
        (),
        description="Web pages that may open media sockets, by their origin, such as https://phone.example.com; * allows "
        "all. Carriers have none",
    )

    @field_validator("origins")
    @classmethod
    def _check_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            if origin != "*" and not ORIGIN.fullmatch(origin):
                raise ValueError(f"{origin!r}: should be scheme, host and port alone, or *")
        return origins

    @field_validator("token_keys")
    @classmethod
    def _check_length(cls, keys: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        if len(keys) > MOST_TOKEN_KEYS:
            raise ValueError(f"{len(keys)} keys: should be one, or two while they are exchanged")
        if any(len(key.get_secret_value()) < SHORTEST_TOKEN_KEY for key in keys):
            raise ValueError(
                f"a key is too short: should have at least {SHORTEST_TOKEN_KEY} characters, "
                "such as those of `openssl rand -hex 32`"
            )
        return keys
