"""The commands that play another end on this machine: `voicebridge fake-openai`, `fake-assistant` and `demo`."""

from pathlib import Path
from typing import Annotated

import typer

from bridge.cli.options import AsJson, run, run_interruptible
from bridge.vocabulary.errors import ConfigurationError


def fake_openai(
    script: Annotated[Path | None, typer.Option(help="What it says, when, with which faults: TOML.")] = None,
    host: Annotated[str, typer.Option(help="Address to bind.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to bind; 0 for any.")] = 8090,
    log: Annotated[
        Path | None,
        typer.Option(
            help="A file for all events but audio, JSON lines; what it heard is in FILE.heard/, WAV."
        ),
    ] = None,
) -> None:
    """Play the OpenAI Realtime API on this machine: for tests, and to try an assistant without a key."""
    from bridge.cli.log import configure
    from bridge.simulators.openai.server import serve

    configure("info")
    run(serve(script, host, port, log))


def fake_assistant(
    kind: Annotated[str, typer.Option(help="What it speaks: turn-based.")] = "turn-based",
    script: Annotated[
        Path | None, typer.Option(help="What it says, when, with which faults: TOML; options go before it.")
    ] = None,
    say: Annotated[
        list[Path] | None,
        typer.Option(help="A reply, a WAV file; several in turn.", show_default="what it hears"),
    ] = None,
    greeting: Annotated[Path | None, typer.Option(help="What it says first, a WAV file.")] = None,
    reply_s: Annotated[
        float | None, typer.Option(help="From the end of an utterance to the reply, s.", show_default="0.3")
    ] = None,
    reply_as: Annotated[
        str | None, typer.Option(help="Over HTTP: wav, pcmu, l16 or json.", show_default="wav")
    ] = None,
    host: Annotated[str, typer.Option(help="Address to bind.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to bind; 0 for any.")] = 8092,
) -> None:
    """Play an assistant of your own on this machine: says back what it hears, over a WebSocket or by POSTs."""
    from bridge.cli.log import configure
    from bridge.simulators.assistant.script import with_options
    from bridge.simulators.assistant.server import serve

    if kind != "turn-based":
        raise ConfigurationError(f"--kind {kind!r}: should be turn-based, the only kind that is simulated")
    played = with_options(script, say=say or None, greeting=greeting, reply_s=reply_s, reply_as=reply_as)
    configure("info")
    run(serve(played, host, port))


def demo(
    out: Annotated[Path, typer.Option(help="The folder for the call's files.")] = Path("voicebridge-demo"),
    as_json: AsJson = False,
) -> None:
    """Serve and call on this machine alone: no account, no key, no phone. Writes both voices and a picture."""
    from bridge.cli.ending import check_ending
    from bridge.cli.log import configure
    from bridge.cli.progress import progress
    from bridge.simulators.demo import carry
    from bridge.simulators.phone.summary import make_folder, show

    configure("warning")
    make_folder(out)
    with progress() as say:
        report, files, notes = run_interruptible(lambda interruption: carry(out, interruption, say))
    show(report, files, notes, as_json=as_json)
    check_ending(report, files)
