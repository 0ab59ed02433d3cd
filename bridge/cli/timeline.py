"""`voicebridge timeline`: the picture of a recorded call."""

from pathlib import Path
from typing import Annotated

import typer

from bridge.cli.options import AsJson

AGE = b"age-encryption.org/v1"
"""What a file begins with that is encrypted in the age format."""


def timeline(
    recording: Annotated[Path, typer.Argument(help="The server's recording of a call, a WAV file.")],
    journal: Annotated[Path, typer.Argument(help="Its journal, a file of JSON lines.")],
    out: Annotated[Path, typer.Option(help="The picture, a PNG file.")] = Path("timeline.png"),
    as_json: AsJson = False,
) -> None:
    """Draw a recorded call: both voices, and what happened, on one time axis. Without matplotlib: say it in a line."""
    import json

    from bridge.observers.call_history import build_history, read_journal
    from bridge.observers.timeline import MatplotlibMissing, draw

    for file in (recording, journal):
        _check_plain(file)
    missing = ""
    try:
        draw(recording, journal, out)
    except MatplotlibMissing as error:
        missing = str(error)
    history = build_history(read_journal(journal))
    if as_json:
        picture = None if missing else str(out)
        facts = {
            "call_id": history.call_id,
            "summary": history.summary(),
            "picture": picture,
            "notes": [missing] * bool(missing),
        }
        typer.echo(json.dumps(facts, indent=2))
    elif missing:
        typer.echo(f"Call {history.call_id}. {history.summary()}\nNo picture: {missing}")
    else:
        typer.echo(out)


def _check_plain(file: Path) -> None:
    """Raises `ConfigurationError` if the file is encrypted."""
    from bridge.vocabulary.errors import ConfigurationError

    try:
        with file.open("rb") as opened:
            is_encrypted = opened.read(len(AGE)) == AGE
    except OSError:  # whoever reads it says so
        return
    if is_encrypted:
        plain = file.with_suffix("") if file.suffix == ".age" else file.with_name(f"plain-{file.name}")
        raise ConfigurationError(
            f"{file}: this file is encrypted: decrypt it with the private key: age --decrypt -i KEY.txt -o {plain} {file}"
        )
