"""`voicebridge check-assistant`: checks an assistant of your own."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bridge.cli.options import AsJson, Interrupted, run_interruptible
from bridge.simulators.interruption import Interruption

if TYPE_CHECKING:
    from bridge.simulators.check.verdicts import Verdict

NOBODY = 3
"""The exit code where nobody listens."""


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
    """Play scripted calls against an assistant of your own, and say what is wrong with it. Takes half a minute.

    Exit codes: 0 no rule is broken, 1 a rule is broken, 2 wrong options, 3 nobody listens at URL, 130 ctrl-C.
    """
    from bridge.cli.log import configure
    from bridge.cli.progress import progress
    from bridge.simulators.check.checking import NobodyListens, check, read_headers
    from bridge.simulators.check.part import prepare
    from bridge.simulators.check.report import all_is_well, show, show_nobody

    configure("error")
    part = prepare(audio, keys, reply_s)
    headers = read_headers(header or [])
    was_interrupted = False

    async def checked(interruption: Interruption) -> "list[Verdict]":
        nonlocal was_interrupted
        found = await check(kind, url, headers, part, speed=speed, interruption=interruption, say=say)
        was_interrupted = interruption.happened
        return found

    try:
        with progress() as say:
            verdicts = run_interruptible(checked)
    except NobodyListens as nobody:
        if as_json:
            show_nobody(url, str(nobody))
        typer.echo(f"voicebridge: {nobody}", err=True)
        raise typer.Exit(NOBODY) from None
    show(url, verdicts, as_json=as_json)
    if was_interrupted:
        raise Interrupted("interrupted; the rules above were tried until then")
    if not all_is_well(verdicts):
        raise typer.Exit(1)
