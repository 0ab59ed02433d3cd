"""`voicebridge replay`: plays a captured call again, against a server or without one, and compares what is sent."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bridge.cli.options import AsJson, Interrupted, run_interruptible
from bridge.vocabulary.errors import BridgeError, ConfigurationError

if TYPE_CHECKING:
    from bridge.observers.trace import Trace
    from bridge.simulators.replay.report import ReplayReport

DRY_TOLERANCE_MS, LIVE_TOLERANCE_MS = 20.0, 200.0
"""How far a command may be from its place in the audio: a frame; and what a network and a loaded machine take."""

ENCRYPTED = b"age-encryption.org/"
"""How an encrypted file begins (age-encryption.org/v1)."""


def replay(
    trace: Annotated[Path, typer.Argument(help="A trace, as `serve --capture` writes it.")],
    url: Annotated[
        str, typer.Argument(help="The server: a voice webhook (http, https) or a media socket (ws, wss).")
    ] = "",
    dry: Annotated[bool, typer.Option("--dry", help="Without a server: the core alone, at once.")] = False,
    settings: Annotated[
        Path | None,
        typer.Option(help="With --dry: the settings of the server.", show_default="the defaults"),
    ] = None,
    speed: Annotated[float, typer.Option(help="With a server: so many times as fast as the call was.")] = 1.0,
    tolerance: Annotated[
        float | None,
        typer.Option(
            help="How far a command may be from its place in the audio, ms.",
            show_default="20; 200 with a server",
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write the trace of the replay to this file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Play a captured call again and compare what the carrier and the assistant are sent.

    Exit code 0: the same; 1: not, and the first difference is told; 2: wrong options, or no trace that can be replayed.
    """
    import json

    from bridge.observers.trace import read_trace

    if dry == bool(url):
        raise ConfigurationError("expected the URL of a server, or --dry, and not both")
    if settings is not None and not dry:
        raise ConfigurationError("--settings: a server has settings of its own: expected --dry beside it")
    if speed <= 0:
        raise ConfigurationError(f"--speed {speed:g}: expected more than 0")
    recorded = read_trace(_content(trace), trace.name)
    if dry:
        report, content = _dry(trace.name, recorded, settings, tolerance)
    else:
        report, content = _live(trace.name, recorded, url, speed, tolerance)
    typer.echo(json.dumps(report.as_table()) if as_json else "\n".join(report.in_words()))
    if out is not None:
        _write(out, content)
    if report.stopped_ms is not None:
        raise Interrupted("interrupted")
    if not report.is_same:
        raise typer.Exit(1)


def _content(file: Path) -> bytes:
    try:
        content = file.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{file}: {error.strerror}") from None
    if content.startswith(ENCRYPTED):
        raise ConfigurationError(
            f"{file}: it is encrypted: expected a plain trace, as `age --decrypt` makes it"
        )
    return content


def _write(file: Path, content: bytes) -> None:
    try:
        file.write_bytes(content)
    except OSError as error:
        raise BridgeError(f"{file}: {error.strerror}; the trace of the replay is not written") from None


def _dry(
    name: str, trace: "Trace", file: Path | None, tolerance: float | None
) -> "tuple[ReplayReport, bytes]":
    from bridge.config.settings import load
    from bridge.observers.trace import read_trace
    from bridge.simulators.replay.comparison import Tolerance, compare
    from bridge.simulators.replay.dry import DryReplay
    from bridge.simulators.replay.report import ReplayReport

    replayed = DryReplay(trace, None if file is None else load(file=file))
    stopped_ms = None
    try:
        content = replayed.run()
    except KeyboardInterrupt:
        content = replayed.stop()
        stopped_ms = replayed.now_s * 1000
    allowed = Tolerance(DRY_TOLERANCE_MS if tolerance is None else tolerance)
    comparison = compare(trace, read_trace(content), allowed, until_ms=stopped_ms)
    return ReplayReport(name, trace, comparison, stopped_ms), content


def _live(
    name: str, trace: "Trace", url: str, speed: float, tolerance: float | None
) -> "tuple[ReplayReport, bytes]":
    from bridge.carriers.registry import CARRIERS
    from bridge.cli.log import configure
    from bridge.config.settings import vendor_variables
    from bridge.observers.trace import written
    from bridge.simulators.carriers.contract import CallOptions
    from bridge.simulators.interruption import Interruption
    from bridge.simulators.replay.comparison import Tolerance, compare
    from bridge.simulators.replay.live import LiveReplay, check_carrier
    from bridge.simulators.replay.report import ReplayReport

    configure("warning")
    check_carrier(trace, url)
    kind = CARRIERS[trace.header.carrier]
    secret = vendor_variables(kind.environment).get(kind.authenticated_by, "")

    async def carry(interruption: Interruption) -> "tuple[Trace, float | None]":
        live = LiveReplay(trace, CallOptions(auth_token=secret), speed)
        now = await live.run(url, interruption)
        return now, live.stopped_ms

    now, stopped_ms = run_interruptible(carry)
    allowed = Tolerance((LIVE_TOLERANCE_MS if tolerance is None else tolerance) * max(speed, 1.0))
    comparison = compare(trace, now, allowed, until_ms=stopped_ms, carrier_only=True)
    return ReplayReport(name, trace, comparison, stopped_ms), written(now.header, now.lines)
