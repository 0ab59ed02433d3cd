"""The table [busy]: what is refused."""

from typing import Any

import pytest
from pydantic import ValidationError

from bridge.settings.busy import BusySettings

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
