"""The table [busy]: what is refused."""

from contextlib import nullcontext
from typing import Any

import pytest
from pydantic import ValidationError

from bridge.config.checks import check_doors
from bridge.config.settings import Settings
from bridge.settings.busy import BusySettings
from bridge.vocabulary.errors import ConfigurationError

WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "two answers": (
        {"say": "Later.", "redirect": "https://example.com"},
        "say and redirect: should be one of them alone",
    ),
    "a voice for nothing": ({"voice": "alice"}, "voice and language are those of say, which is missing"),
    "a control character": ({"say": "La\x00ter"}, "should be words, without control characters"),
    "no words": ({"say": " "}, "should be words"),
    "too many words": ({"say": "x" * 3001}, "at most 3000 characters"),
    "no address": ({"play": "busy.mp3"}, "should be a web address"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_refused(name: str) -> None:
    table, why = WRONG[name]
    with pytest.raises(ValidationError, match=why):
        BusySettings.model_validate(table)


def test_by_default_the_caller_hears_the_busy_tone() -> None:
    assert BusySettings().model_dump(exclude_none=True) == {}


@pytest.mark.parametrize(
    ("address", "is_refused"),
    [
        ("https://voice.example.com/twilio/voice", True),
        ("https://voice.example.com/telnyx/texml?assistant=echo", True),
        ("https://voice.example.com/busy.xml", False),
        ("https://second.example.com/twilio/voice", False),
    ],
)
def test_a_refused_call_does_not_come_back_to_the_server_that_refused_it(
    address: str, is_refused: bool
) -> None:
    tables = {"public_url": "https://voice.example.com", "twilio": {"auth_token": "12345"}}
    settings = Settings.model_validate(tables | {"busy": {"redirect": address}})
    with pytest.raises(ConfigurationError, match=r"busy\.redirect") if is_refused else nullcontext():
        check_doors(settings)
