"""How a simulated call's ending becomes the exit code of its command."""

from collections.abc import Sequence
from pathlib import Path

from bridge.cli.options import Interrupted
from bridge.simulators.phone.handset import Ending
from bridge.simulators.phone.report import CallReport
from bridge.vocabulary.errors import BridgeError


class StreamFailed(BridgeError):
    """The call began, and its stream ended in a way that nobody meant."""


def check_ending(report: CallReport, files: Sequence[Path]) -> None:
    """Raises `Interrupted` or `StreamFailed` if the call did not end as it should. `files`: those that were written."""
    if report.ending is Ending.INTERRUPTED:
        folders = " and ".join(dict.fromkeys(str(file.parent) for file in files))
        kept = f"; what was recorded until then is in {folders}" if files else ""
        raise Interrupted(f"interrupted{kept}")
    if report.fault:
        raise StreamFailed(report.fault)
