"""The files that a load test writes at its end; that they can be written is looked at before it begins."""

import sys
from pathlib import Path

from bridge.simulators.load.report.page import write_report
from bridge.simulators.load.results import RunResults, as_json
from bridge.vocabulary.errors import BridgeError, ConfigurationError

STANDARD_OUTPUT = Path("-")


class NotWritten(BridgeError):
    """A file could not be written at the end of a run."""


def check_writable(option: str, file: Path | None) -> None:
    """Open the file for writing, without changing what is in it. Raises `ConfigurationError` if that fails."""
    if file is None or file == STANDARD_OUTPUT:
        return
    is_new = not file.exists()
    try:
        with file.open("ab"):
            pass
        if is_new:
            file.unlink()
    except OSError as error:
        raise ConfigurationError(f"{option} {file}: it cannot be written: {error.strerror}") from error


def write_files(
    results: RunResults, json_file: Path | None, report_file: Path | None
) -> tuple[list[str], list[str]]:
    """Write what was asked for. Returns the files that were written, and a sentence for each that was not."""
    written: list[str] = []
    faults: list[str] = []
    if json_file == STANDARD_OUTPUT:
        sys.stdout.write(as_json(results).decode())
    elif json_file is not None:
        try:
            json_file.write_bytes(as_json(results))
            written.append(str(json_file))
        except OSError as error:
            faults.append(f"--json {json_file}: it was not written: {error.strerror}")
    if report_file is not None:
        try:
            write_report(results, report_file)
            written.append(str(report_file))
        except OSError as error:
            faults.append(f"--report {report_file}: it was not written: {error.strerror}")
    return written, faults
