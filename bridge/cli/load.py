"""`voicebridge load`, which calls a server with many simulated phones at once and measures what they hear."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bridge.cli.call import simulated_carrier
from bridge.cli.options import (
    ByteOrder,
    CalledUrl,
    CarrierName,
    Codec,
    Interrupted,
    Keys,
    Loss,
    PlayRate,
    Rate,
    Reorder,
    SignKey,
    run_interruptible,
)

if TYPE_CHECKING:
    from bridge.simulators.load.results import RunResults

Limit = Annotated[str, typer.Option(metavar="N|N%")]


def load(
    url: CalledUrl,
    audio: Annotated[
        Path | None,
        typer.Option(
            help="What the callers say: a WAV file, a trace (.jsonl), or a folder of them.",
            show_default="the recording that comes with the package",
        ),
    ] = None,
    calls: Annotated[int, typer.Option(help="How many calls at once.", show_default="10")] = 0,
    calls_per_second: Annotated[float, typer.Option(help="Instead: how many calls begin in a second.")] = 0.0,
    hold_calls: Annotated[bool, typer.Option("--hold-calls", help="A call that ends is replaced.")] = False,
    ramp: Annotated[
        float | None,
        typer.Option(help="How long until all calls are there, s.", show_default="20 calls a second"),
    ] = None,
    duration: Annotated[float, typer.Option(help="How long the run takes, with the ramp, s.")] = 60.0,
    call_seconds: Annotated[
        float,
        typer.Option(help="How long a call lasts, s.", show_default="to the end; 30 with --calls-per-second"),
    ] = 0.0,
    digits: Keys = "",
    barge_in: Annotated[str, typer.Option(help="Replies that the caller interrupts: 0.2 or 20%.")] = "0",
    delay: Annotated[float, typer.Option(help="Delay of the network each way, ms.")] = 0.0,
    jitter: Annotated[float, typer.Option(help="By how much the delay varies, ms.")] = 0.0,
    reorder: Reorder = "0",
    loss: Loss = "0",
    carrier: CarrierName = "",
    codec: Codec = "",
    rate: Rate = 0,
    play_codec: Annotated[
        str, typer.Option(help="What a server called directly sends.", show_default="as --codec")
    ] = "",
    play_rate: PlayRate = 0,
    byteorder: ByteOrder = "little",
    signed: Annotated[
        bool,
        typer.Option(
            help="Sign webhooks and sockets with the secret in the carrier's own environment variable, if it is set."
        ),
    ] = True,
    sign_key: SignKey = None,
    public_url: Annotated[
        str,
        typer.Option(
            help="Sign as for this address, the server's public_url, and call URL on this machine.",
            show_default="URL is the address that is signed",
        ),
    ] = "",
    measure: Annotated[
        str, typer.Option(help="echo: time each frame; turns: time each reply; auto: find out.")
    ] = "auto",
    late_ms: Annotated[float, typer.Option(help="A frame of an echo is late after this time, ms.")] = 60.0,
    processes: Annotated[int, typer.Option(help="Processes of the tool, where one core is not enough.")] = 1,
    pid: Annotated[int, typer.Option(help="The server's process: its CPU and memory are shown.")] = 0,
    find_capacity: Annotated[
        bool, typer.Option("--find-capacity", help="Search the most calls that hold the thresholds.")
    ] = False,
    max_calls: Annotated[int, typer.Option(help="The most that --find-capacity tries.")] = 5000,
    max_p99_ms: Annotated[
        float | None, typer.Option(help="The added latency of a frame, or the wait for a reply, ms.")
    ] = None,
    max_barge_in_p99_ms: Annotated[float | None, typer.Option(help="From barge-in to silence, ms.")] = None,
    max_set_up_p99_ms: Annotated[float | None, typer.Option(help="The set-up time, ms.")] = None,
    max_failures: Limit = "0",
    max_underruns: Limit = "",
    max_late: Limit = "",
    max_lost: Limit = "",
    max_unanswered: Limit = "",
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the results as JSON; - prints them.")
    ] = None,
    report: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a report in HTML.")] = None,
) -> None:
    """Load a server with many calls at once, and measure what the callers hear.

    The limits --max-… are what must hold; --max-failures and the like take a number or a share of all. Exit code 0: they
    held; 1: they did not; 2: wrong options; 3: the tool itself was too slow to say; 130: ctrl-C, with the results so far.
    """
    from bridge.cli.log import configure
    from bridge.config.audio_file import talk
    from bridge.config.settings import vendor_variables
    from bridge.simulators.carriers.rehearsal import read_private_key
    from bridge.simulators.load.files import check_writable
    from bridge.simulators.load.plan import LoadPlan
    from bridge.simulators.load.recordings import check_recordings, find_recordings
    from bridge.simulators.load.runs import run_load, search_capacity
    from bridge.simulators.load.verdict import NONE_AT_ALL, Thresholds, read_limit
    from bridge.simulators.phone.network_disorder import read_share

    kind, simulator = simulated_carrier(carrier)
    secrets = vendor_variables(kind.environment) if signed else {}
    thresholds = Thresholds(
        p99_ms=max_p99_ms,
        barge_in_p99_ms=max_barge_in_p99_ms,
        set_up_p99_ms=max_set_up_p99_ms,
        failures=read_limit("--max-failures", max_failures) or NONE_AT_ALL,
        underruns=read_limit("--max-underruns", max_underruns),
        late=read_limit("--max-late", max_late),
        lost=read_limit("--max-lost", max_lost),
        unanswered=read_limit("--max-unanswered", max_unanswered),
    )
    plan = LoadPlan(
        url=url,
        audio=find_recordings(audio if audio is not None else talk()),
        carrier=kind.simulator,
        calls=calls or (0 if calls_per_second else 10),
        calls_per_second=calls_per_second,
        hold_calls=hold_calls,
        ramp_s=-1.0 if ramp is None else ramp,
        duration_s=duration,
        call_s=call_seconds,
        digits=digits,
        barge_in=read_share("--barge-in", barge_in),
        loss=read_share("--loss", loss),
        reorder=read_share("--reorder", reorder),
        jitter_ms=jitter,
        delay_ms=delay,
        processes=processes,
        measure=measure,  # type: ignore[arg-type]  # the plan checks it
        late_ms=late_ms,
        pid=pid,
        codec=codec,
        rate_hz=rate,
        play_codec=play_codec,
        play_rate_hz=play_rate,
        byteorder=byteorder,
        public_url=public_url,
        auth_token=secrets.get(kind.authenticated_by, ""),
        private_key="" if sign_key is None else read_private_key(sign_key),
    )
    check_recordings(plan, simulator.exchange(plan.call_options).line)
    check_writable("--json", json_file)
    check_writable("--report", report)
    configure("error")
    if find_capacity:
        results = run_interruptible(lambda it: search_capacity(plan, thresholds, max_calls, it))
    else:
        results = run_interruptible(lambda it: run_load(plan, thresholds, it))
    _finish(results, json_file, report)


def _finish(results: "RunResults", json_file: Path | None, report: Path | None) -> None:
    """Write and print the results, and end with the exit code that belongs to them."""
    from bridge.simulators.load.display import show
    from bridge.simulators.load.files import STANDARD_OUTPUT, NotWritten, write_files

    written, faults = write_files(results, json_file, report)
    if json_file != STANDARD_OUTPUT:
        show(results, written)
    if results.interrupted:
        raise Interrupted("; ".join(["interrupted: these are the results until then", *faults]))
    if faults:
        raise NotWritten("; ".join(faults))
    capacity = results.capacity
    code = results.verdict.exit_code if capacity is None or not capacity.most_calls else 0
    if code:
        raise typer.Exit(code)
