"""What an examination finds: one sentence for each thing looked at, and what to do about it."""

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple


class Level(StrEnum):
    """How bad it is. `SKIPPED`: it was not looked at; that is neither good nor bad."""

    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"
    SKIPPED = "skipped"


class Group(StrEnum):
    """What belongs together, in the order of the examination; each can be asked for by its name."""

    SETTINGS = "settings"
    KEYS = "keys"
    MACHINE = "machine"
    PORT = "port"
    PUBLIC = "public"
    CALL = "call"
    ASSISTANTS = "assistants"
    CARRIER = "carrier"
    CLOCK = "clock"


AROUND = frozenset({Group.PUBLIC, Group.ASSISTANTS, Group.CARRIER, Group.CLOCK})
"""What needs the network beyond this machine."""


class Finding(NamedTuple):
    """`name`: what was looked at; `found`: a sentence; `remedy`: what to do, if something is to be done."""

    group: Group
    name: str
    level: Level
    found: str
    remedy: str = ""


class Findings:
    """Collects the findings of one group."""

    def __init__(self, group: Group) -> None:
        self._group = group
        self.all: list[Finding] = []

    def ok(self, name: str, found: str) -> None:
        """All is well."""
        self.all.append(Finding(self._group, name, Level.OK, found))

    def warning(self, name: str, found: str, remedy: str) -> None:
        """Calls may work, and something should be done."""
        self.all.append(Finding(self._group, name, Level.WARNING, found, remedy))

    def fault(self, name: str, found: str, remedy: str) -> None:
        """Calls fail, or some do."""
        self.all.append(Finding(self._group, name, Level.FAULT, found, remedy))

    def skipped(self, name: str, why: str, remedy: str = "") -> None:
        """It was not looked at."""
        self.all.append(Finding(self._group, name, Level.SKIPPED, why, remedy))


def exit_code(findings: Sequence[Finding]) -> int:
    """0: all is well; 1: there are warnings; 2: there are faults."""
    levels = {finding.level for finding in findings}
    return 2 if Level.FAULT in levels else 1 if Level.WARNING in levels else 0
