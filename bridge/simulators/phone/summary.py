"""Prints the report of a call, for people or as JSON, and writes its files."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bridge.config.audio_file import write_wav
from bridge.simulators.phone.latency import Latency
from bridge.simulators.phone.report import CallReport
from bridge.simulators.phone.trace import write_trace
from bridge.vocabulary.errors import ConfigurationError
from telecodecs.format import PCMU_8K


def make_folder(folder: Path) -> None:
    """Make the folder for a call's files, before the call. Raises `ConfigurationError` if that fails."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"--out {folder}: cannot make the folder: {error.strerror}") from error


def keep(report: CallReport, folder: Path) -> list[Path]:
    """Write what the caller heard, as WAV, and every message, as JSON lines; returns the files."""
    heard, trace = folder / "caller-heard.wav", folder / "trace.jsonl"
    write_wav(heard, report.heard, report.plays)
    write_trace(trace, report.trace)
    return [heard, trace]


def show(
    report: CallReport,
    files: Sequence[Path],
    notes: Sequence[str] = (),
    *,
    as_json: bool,
    more: Mapping[str, object] | None = None,
) -> None:
    """Print the report to standard output. `files`: those written. `notes`: sentences about them. `more`: JSON's alone."""
    if as_json:
        told = {"files": [str(file) for file in files], "notes": list(notes), **(more or {})}
        json.dump(_facts(report) | told, sys.stdout, indent=2)
        sys.stdout.write("\n")
    else:
        console = Console(highlight=False)
        console.print(f"[bold]Call {report.call_sid[:10]}…: {report.ending}")
        console.print(_table(report, files))
        for note in notes:
            console.print(note, markup=False, soft_wrap=True)


def _facts(report: CallReport) -> dict[str, object]:
    echo, turns = Latency.of(report.echo_ms()), Latency.of(report.turns_ms())
    line, plays = report.wire_codecs
    return {
        "call": report.call_sid,
        "stream": report.stream_sid,
        "ending": str(report.ending),
        "close_code": report.close_code,
        "close_reason": report.close_reason,
        "line": line,
        "plays": plays,
        "length_ms": report.length_ms,
        "frames_sent": len(report.sent_at),
        "frames_astray": report.disorder_counts._asdict(),
        "reconnects": report.reconnects,
        "messages_received": len(report.received),
        "marks_played": sum(not mark.cleared for mark in report.marks),
        "marks_cleared": sum(mark.cleared for mark in report.marks),
        "clears": [asdict(clear) for clear in report.clears],
        "digits": report.digits,
        "pressed": report.pressed,
        "warnings": [asdict(warned) for warned in report.warnings],
        "phone_late_ms": round(report.latest_ms, 2),
        "echo_latency": asdict(echo) if echo else None,
        "turn_latency": asdict(turns) if turns and not echo else None,
    }


def _table(report: CallReport, files: Sequence[Path]) -> Table:
    table = Table(show_header=False, box=None)
    table.add_column(style="bold")
    table.add_column()
    table.add_row("length", f"{report.length_ms / 1000:.1f} s, {len(report.sent_at)} frames from the caller")
    line, plays = report.wire_codecs
    if {line, plays} != {str(PCMU_8K)}:
        table.add_row("audio", f"{line} from the caller, {plays} to the caller")
    if report.fault:
        table.add_row("[bold red]failed", escape(report.fault))
    if any(report.disorder_counts):
        swapped, lost, repeated = report.disorder_counts
        table.add_row("network", f"{swapped} frames swapped with the next, {lost} lost, {repeated} repeated")
    if report.reconnects:
        table.add_row("reconnects", str(report.reconnects))
    cleared = sum(mark.cleared for mark in report.marks)
    table.add_row("marks", f"{len(report.marks) - cleared} played to the end, {cleared} returned by a clear")
    for clear in report.clears:
        table.add_row(
            "barge-in",
            f"at {clear.at_ms / 1000:.2f} s; {clear.dropped_ms / 1000:.2f} s of the reply not played",
        )
    if report.digits:
        table.add_row("keys", " ".join(report.digits))
    if report.pressed:
        table.add_row("pressed", f"{' '.join(report.pressed)} by the server")
    if echo := Latency.of(report.echo_ms()):
        table.add_row("echo", f"each frame back after {echo.p50_ms:.2f} ms (p99 {echo.p99_ms:.2f} ms)")
    elif turns := report.turns_ms():
        table.add_row("waits", ", ".join(f"{turn / 1000:.2f} s" for turn in turns) + " from voice to voice")
    for warned in report.warnings:
        table.add_row("warning", f"{warned.code}: {warned.why}")
    for file in files:
        table.add_row("wrote", str(file))
    return table
