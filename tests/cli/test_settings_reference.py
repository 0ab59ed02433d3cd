"""`voicebridge config reference`: docs/settings.md is what it prints, and every setting is described."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from bridge.assistants.registry import ASSISTANTS
from bridge.cli.app import app
from bridge.cli.settings_reference import Row, parts
from bridge.config.settings import settings_model

PAGE = Path(__file__).parents[2] / "docs/settings.md"


def printed() -> str:
    done = CliRunner().invoke(app, ["config", "reference"])
    assert done.exit_code == 0, done.output
    return done.stdout


def rows() -> dict[str, Row]:
    """By heading and name."""
    return {f"{part.heading} {row.name}": row for part in parts() for row in part.rows}


def test_the_page_is_what_the_command_prints() -> None:
    assert PAGE.read_text(encoding="utf-8") == printed(), "voicebridge config reference > docs/settings.md"


def test_every_setting_has_a_description() -> None:
    assert not [name for name, row in rows().items() if not row.description.rpartition(":")[2].strip()]


def test_every_table_and_every_kind_of_assistant_is_there() -> None:
    headings = " ".join(part.heading for part in parts())
    for name in settings_model().model_fields:
        assert name in headings or f"Above the tables {name}" in rows()
    for kind, registered in ASSISTANTS.items():
        has_own = registered.settings.__name__ != "AssistantSettings"
        assert (f'kind = "{kind}"' in headings) == has_own


@pytest.mark.parametrize(
    ("name", "kind", "default", "says"),
    [
        (
            "Above the tables port",
            "whole number, at least 0, at most 65535",
            "`8080`",
            "0: any that is free.",
        ),
        ("`[twilio]` twilio.auth_token", "text, secret", "not set", "`TWILIO_AUTH_TOKEN`"),
        ("`[twilio]` twilio.talk_to", "list of texts", '`["human", "unknown"]`', "Twilio"),
        ("`[limits]` limits.drain_s", "number, at least 0", "`300`", "SIGTERM"),
        ("`[[routes]]` from", "text", "not set", "calling number"),
        ("`[[routes]]` assistant", "text", "not set", "name"),
        ("`[[routes]]` supervisor", "text", "not set", "In place of an assistant"),
        ('`[assistants.NAME]` with `kind = "stream"` url', "address", "none: must be set", "WebSocket"),
        (
            '`[assistants.NAME]` with `kind = "openai-realtime"` session',
            "table",
            "not set",
            "sent as it is",
        ),
        (
            '`[assistants.NAME]` with `kind = "openai-realtime"` turn_detection.eagerness',
            '`"low"` or `"medium"` or `"high"` or `"auto"`',
            "not set",
            'With `type = "semantic_vad"`: How soon',
        ),
    ],
)
def test_a_setting(name: str, kind: str, default: str, says: str) -> None:
    row = rows()[name]
    assert (row.kind, row.default) == (kind, default)
    assert says in row.description
