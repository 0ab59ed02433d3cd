"""What a shell completes: `voicebridge completion SHELL`, and the names of the settings' tables and of calls under way.

A press of Tab must be quick and must never fail: names are read from the file alone, unchecked, and a fault means none.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from bridge.vocabulary.errors import ConfigurationError

FILE = Path("voicebridge.toml")

SHELLS = ("bash", "zsh", "fish")

ANSWER_S = 1.0
"""How long the server may take to name its calls."""

BUILT_IN = ("echo", "parrot", "openai-realtime")
"""Assistants that need no table. The registry has them, whose import takes too long; a test holds them equal."""


def completion(
    shell: Annotated[str, typer.Argument(help="bash, zsh or fish.")],
) -> None:
    """Print the completion for a shell. To have it in every shell, see `voicebridge --install-completion`."""
    from typer._completion_shared import get_completion_script  # typer has no public one

    if shell not in SHELLS:
        raise ConfigurationError(f"{shell!r}: should be one of {', '.join(SHELLS)}")
    name = "voicebridge"
    typer.echo(get_completion_script(prog_name=name, complete_var=f"_{name.upper()}_COMPLETE", shell=shell))


def assistant_names(context: typer.Context, incomplete: str) -> list[str]:
    """The assistants of the settings' file, and those that need no table."""
    names = dict.fromkeys([*_table(context, "assistants"), *BUILT_IN])
    return [name for name in names if name.startswith(incomplete)]


def people_names(context: typer.Context, incomplete: str) -> list[str]:
    """The people of the settings' file."""
    return [name for name in _table(context, "people") if name.startswith(incomplete)]


def supervisor_names(context: typer.Context, incomplete: str) -> list[str]:
    """The supervisors of the settings' file."""
    return [name for name in _table(context, "supervisors") if name.startswith(incomplete)]


def carrier_names(incomplete: str) -> list[str]:
    """The carriers."""
    from bridge.carriers.registry import CARRIERS

    return [name for name in CARRIERS if name.startswith(incomplete)]


def group_names(incomplete: str) -> list[str]:
    """What `doctor` can look at."""
    names = ("settings", "keys", "machine", "port", "public", "call", "assistants", "carrier", "clock")
    return [name for name in names if name.startswith(incomplete)]


def call_ids(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """The calls under way, by asking the server, each with its state."""
    from bridge.cli.calls import client_of
    from bridge.cli.calls_display import plain

    given = _given(context)
    try:
        answer = client_of(given, ANSWER_S).get("calls")
        calls = answer["calls"]
        return [
            (str(call["id"]), plain(f"{call.get('state', '')} {call.get('assistant', '')}").strip())
            for call in calls
            if str(call["id"]).startswith(incomplete)
        ]
    except Exception:  # noqa: BLE001  # a shell shows no error while somebody types
        return []


def _given(context: typer.Context) -> dict[str, Any]:
    """The options that stand before the command, as they were typed so far."""
    found: dict[str, Any] = {"url": None, "token": None, "token_file": None, "config": None}
    for one in _contexts(context):
        found |= {name: value for name, value in one.params.items() if name in found and value}
    return found


def _contexts(context: Any) -> Iterator[Any]:
    while context is not None:
        yield context
        context = context.parent


def _table(context: typer.Context, name: str) -> list[str]:
    """The names in a table of the settings' file; none if it cannot be read."""
    import tomllib

    file = _given(context)["config"] or FILE
    try:
        table = tomllib.loads(Path(file).read_text(encoding="utf-8-sig")).get(name)
    except (OSError, ValueError):
        return []
    return list(table) if isinstance(table, dict) else []
