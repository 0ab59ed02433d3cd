"""The table [otel]: where the traces of calls are sent, how many of them, and what may be in them."""

from typing import Annotated, Any, Literal
from urllib.parse import unquote

from pydantic import BeforeValidator, Field

from bridge.settings.table import ApiAddress, Headers, Section

ENVIRONMENT = {
    "OTEL_EXPORTER_OTLP_ENDPOINT": "endpoint",
    "OTEL_EXPORTER_OTLP_HEADERS": "headers",
    "OTEL_SERVICE_NAME": "service_name",
    "OTEL_TRACES_SAMPLER_ARG": "sample_ratio",
    "OTEL_SDK_DISABLED": "disabled",
}
"""The names of the OpenTelemetry specification ("Environment Variable Specification"), each with the setting that it sets."""

TRACES_PATH = "/v1/traces"
"""Of the receiver (OTLP specification, "OTLP/HTTP Request")."""


def _split_pairs(headers: Any) -> Any:
    """A variable of the environment has all headers: name=value, with commas between, percent-encoded."""
    if not isinstance(headers, str):
        return headers
    pairs = [pair.partition("=") for pair in headers.split(",") if pair.strip()]
    if not all(equals for _, equals, _ in pairs):
        raise ValueError("should be name=value, with commas between")
    return {name.strip(): unquote(value.strip()) for name, _, value in pairs}


class OtelSettings(Section):
    """[otel]. Without `endpoint` there are no traces, and nothing is loaded for them."""

    endpoint: ApiAddress | None = Field(
        None,
        repr=False,
        description="Where traces are sent by OTLP over HTTP, such as http://localhost:4318; /v1/traces is added unless it "
        "ends with that. Needs the extra `otel`. Not set: there are no traces",
    )
    headers: Annotated[Headers, BeforeValidator(_split_pairs)] = Field(
        {},
        description="Headers of what is sent, such as a key. In a variable of the environment: name=value,name=value",
    )
    service_name: str = Field(
        "voicebridge", min_length=1, description="The name of this service in the traces"
    )
    sample_ratio: float = Field(
        1.0,
        ge=0.0,
        le=1.0,
        description="The part of the calls that are traced. A call whose webhook comes with a `traceparent` does as that says",
    )
    call_id: Literal["hashed", "plain"] = Field(
        "hashed",
        description="How the carrier's name for the call is written: the first half of its SHA-256, or as it is",
    )
    content: bool = Field(
        False,
        description="Traces also have what was said, and what tools were given and answered; telephone numbers, keys, "
        "secrets and sensitive digits are masked all the same",
    )
    disabled: bool = Field(False, description="There are no traces, whatever the other settings say")

    @property
    def traces_url(self) -> str | None:
        """Where traces are sent; None: there are none."""
        if self.endpoint is None or self.disabled:
            return None
        return self.endpoint if self.endpoint.endswith(TRACES_PATH) else self.endpoint + TRACES_PATH
