"""`voicebridge check-assistant`: checks an assistant of your own."""

from pathlib import Path
from typing import Annotated

import typer

from bridge.cli.options import AsJson, run


def check_assistant(
    url: Annotated[str, typer.Argument(help="Where it is: ws(s)://, or http(s):// of a turn-based one.")],
    kind: Annotated[str, typer.Option(help="What it speaks: stream or turn-based.")] = "stream",
    header: Annotated[
        list[str] | None, typer.Option(help='Of the upgrade, or of each POST: "Name: value"; several.')
    ] = None,
    audio: Annotated[
        Path | None,
        typer.Option(help="What the caller says: a WAV file.", show_default="a recording of two sentences"),
    ] = None,
    keys: Annotated[str, typer.Option(help="What the caller types; best what makes it ask for more.")] = "12",
    reply_s: Annotated[float, typer.Option(min=0.1, max=60, help="How long an answer may take, s.")] = 5.0,
    speed: Annotated[
        float, typer.Option(min=1, max=20, help="Of time, for assistants that go by the audio alone.")
    ] = 1.0,
    as_json: AsJson = False,
) -> None:
    """Play scripted calls against an assistant of your own, and say what is wrong with it. Takes half a minute."""
    from bridge.cli.log import configure
    from bridge.simulators.check.checking import check, read_headers
    from bridge.simulators.check.part import prepare
    from bridge.simulators.check.report import all_is_well, show

    configure("error")
    part = prepare(audio, keys, reply_s)
    verdicts = run(check(kind, url, read_headers(header or []), part, speed=speed))
    show(url, verdicts, as_json=as_json)
    if not all_is_well(verdicts):
        raise typer.Exit(1)
