"""The tables [before_call] and [after_call]: addresses of the user's own that are asked before a call, and told after it."""

from pydantic import Field, SecretStr

from bridge.settings.table import FilledIn, Headers, Section, WebAddress

SIGNING = "Signs each request with HMAC-SHA256, in the header X-Voicebridge-Signature. Not set: requests are not signed"


class BeforeCallSettings(Section):
    """[before_call]: who is asked what to do with a call, while it rings."""

    url: WebAddress | None = Field(
        None,
        repr=False,
        description="An address that gets one POST for each new call and may choose the assistant, add instructions, "
        "variables and a greeting, or reject the call. Not set: nobody is asked",
    )
    timeout_s: float = Field(
        2.0,
        gt=0,
        le=10,
        description="How long the whole answer may take; then the call goes on without it. Carriers wait about 15",
    )
    secret: FilledIn | None = Field(None, description=SIGNING)
    headers: Headers = Field({}, description="Headers of the request, such as Authorization")


class AfterCallSettings(Section):
    """[after_call]: who is told of a call that is over."""

    url: WebAddress | None = Field(
        None,
        repr=False,
        description="An address that gets one POST for each call that is over: its sums, what was said and typed, and where "
        "its recording is. Not set: nobody is told",
    )
    timeout_s: float = Field(10.0, gt=0, le=120, description="How long one try may take")
    tries_s: float = Field(
        3600.0,
        ge=0,
        le=86_400,
        description="How long a report that was not taken is sent again, with growing pauses and the same id. 0: it is sent "
        "once. A report waits in memory",
    )
    secret: FilledIn | None = Field(None, description=SIGNING)
    headers: Headers = Field({}, description="Headers of the request, such as Authorization")


def in_clear(headers: dict[str, SecretStr]) -> dict[str, str]:
    """The headers with their values."""
    return {name: value.get_secret_value() for name, value in headers.items()}
