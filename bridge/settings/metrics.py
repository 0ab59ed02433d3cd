"""The table [metrics]: where the figures for Prometheus are served, and who may read them."""

from pydantic import Field, SecretStr, field_validator

from bridge.settings.table import FilledIn, Section

SHORTEST_TOKEN = 16


class MetricsSettings(Section):
    """[metrics]. By default `/metrics` is on the server's own port, for this machine alone."""

    port: int | None = Field(
        None,
        ge=0,
        le=65535,
        description="A port of its own for `/metrics`, without a token, as scrapers expect. 0: any that is free. Not set: only "
        "the server's own port has `/metrics`",
    )
    host: str = Field(
        "127.0.0.1",
        description="The address that this port binds. Whoever reaches it reads the figures; there are no numbers, names "
        "or words of callers in them",
    )
    token: FilledIn | None = Field(
        None,
        description="Lets a scraper on another machine read `/metrics` on the server's own port: `Authorization: Bearer "
        "TOKEN`. At least 16 characters. Not set: only this machine may",
    )

    @field_validator("token")
    @classmethod
    def _check_length(cls, token: SecretStr | None) -> SecretStr | None:
        text = "" if token is None else token.get_secret_value()
        if token is not None and (len(text) < SHORTEST_TOKEN or not text.isascii() or " " in text):
            raise ValueError(
                f"should have at least {SHORTEST_TOKEN} characters of ASCII without blanks, such as those of "
                "`openssl rand -hex 32`"
            )
        return token
