"""The table [otel], and the names that OpenTelemetry has for it in the environment."""

from pathlib import Path
from typing import Any

import pytest

from bridge.config.settings import load
from bridge.settings.otel import OtelSettings
from bridge.vocabulary.errors import ConfigurationError


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder without a file of settings."""
    monkeypatch.chdir(tmp_path)


def test_by_default_there_are_no_traces() -> None:
    assert load(environment={}).otel.traces_url is None


@pytest.mark.parametrize(
    ("endpoint", "url"),
    [
        ("http://localhost:4318", "http://localhost:4318/v1/traces"),
        ("https://otel.example.com/in/", "https://otel.example.com/in/v1/traces"),
        ("https://otel.example.com/in/v1/traces", "https://otel.example.com/in/v1/traces"),
    ],
)
def test_the_path_for_traces_is_added(endpoint: str, url: str) -> None:
    assert OtelSettings(endpoint=endpoint).traces_url == url


def test_the_environment_has_the_names_of_opentelemetry() -> None:
    environment = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318",
        "OTEL_EXPORTER_OTLP_HEADERS": "x-key=a%20b, x-team = voice",
        "OTEL_SERVICE_NAME": "desk",
        "OTEL_TRACES_SAMPLER_ARG": "0.25",
    }
    otel = load(environment=environment).otel
    headers = {name: value.get_secret_value() for name, value in otel.headers.items()}
    assert (otel.traces_url, otel.service_name) == ("http://collector:4318/v1/traces", "desk")
    assert (headers, otel.sample_ratio) == ({"x-key": "a b", "x-team": "voice"}, 0.25)
    assert "a b" not in repr(otel)
    assert load(environment=environment | {"OTEL_SDK_DISABLED": "true"}).otel.traces_url is None


@pytest.mark.parametrize(
    ("environment", "fault"),
    [
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4318"}, "environment: OTEL_EXPORTER_OTLP_ENDPOINT: otel.endpoint"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://u:p@collector"}, "no user and no password"),
        ({"OTEL_EXPORTER_OTLP_HEADERS": "secret"}, "should be name=value, with commas between"),
        ({"OTEL_TRACES_SAMPLER_ARG": "2"}, "otel.sample_ratio"),
    ],
)  # fmt: skip
def test_a_wrong_one_is_refused_with_its_place(environment: dict[str, Any], fault: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load(environment=environment)
    assert fault in str(refused.value)
    assert "u:p" not in str(refused.value)
