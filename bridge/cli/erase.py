"""`voicebridge erase`: deletes what was kept of one call."""

from pathlib import Path
from typing import Annotated

import typer

from bridge.cli.options import ConfigFile, load_settings


def erase(
    call_id: Annotated[
        str, typer.Argument(metavar="CALL", help="The carrier's name for the call, as the log has it.")
    ],
    config: ConfigFile = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the files, and delete none.")] = False,
) -> None:
    """Delete the journals, recordings and traces of one call. Exit code 1: there are none."""
    from bridge.observers.kept_files import is_of_call, names_in
    from bridge.vocabulary.errors import BridgeError, ConfigurationError

    settings = load_settings(config)
    folders: list[Path] = [
        table.directory
        for table in (settings.journal, settings.recording, settings.capture)
        if table.directory is not None
    ]
    if not folders:
        raise ConfigurationError(
            "journal.directory, recording.directory, capture.directory: none is set, nothing is kept"
        )
    found = [
        folder / name
        for folder in dict.fromkeys(folders)
        for name in sorted(names_in(folder))
        if is_of_call(name, call_id)
    ]
    for file in found:
        try:
            if not dry_run:
                file.unlink(missing_ok=True)
        except OSError as error:
            raise BridgeError(f"{file}: {error.strerror}") from error
        typer.echo(f"{'would delete' if dry_run else 'deleted'} {file}")
    if not found:
        raise BridgeError(f"nothing is kept of call {call_id!r} in {', '.join(map(str, folders))}")
