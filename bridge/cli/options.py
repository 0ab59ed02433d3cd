"""What several commands share: options, loading the settings, and running a coroutine."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from bridge.config.settings import Settings

T = TypeVar("T")

ConfigFile = Annotated[
    Path | None, typer.Option("--config", "-c", help="The settings' file.", show_default="voicebridge.toml, if there")
]  # fmt: skip
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def load_settings(file: Path | None, **flags: Any) -> "Settings":
    """The settings in force. `flags`: options that are settings; None is one that was not given."""
    from bridge.config.settings import load

    return load(flags, file=file)


def run(work: "Coroutine[Any, Any, T]") -> T:
    """Run a coroutine to its end, on uvloop where that is installed."""
    import asyncio

    try:
        import uvloop
    except ImportError:
        return asyncio.run(work)
    return uvloop.run(work)
