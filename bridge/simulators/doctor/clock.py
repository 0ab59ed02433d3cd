"""Compares this machine's clock with the Date headers of the servers that an examination talks to anyway. No I/O.

A Date has whole seconds (RFC 9110, 6.6.1), so it says when to within a second and the time the answer took.
"""

from email.utils import parsedate_to_datetime
from typing import NamedTuple

from bridge.simulators.doctor.findings import Finding, Findings, Group

WARN_S = 5.0

FAULT_S = 60.0
"""Media tokens are good for a minute, and signatures with a time for a few."""


class Reading(NamedTuple):
    """A server's clock against ours. `ahead_s`: how far ours is ahead of it; `unsure_s`: by how much that may be wrong."""

    server: str
    ahead_s: float
    unsure_s: float


class Clock:
    """The clocks of others, as they come."""

    def __init__(self) -> None:
        self._readings: list[Reading] = []

    def saw(self, server: str, date: str | None, sent_at: float, came_at: float) -> None:
        """An answer with this header `Date` came. Times: Unix, seconds. What is no date says nothing."""
        try:
            theirs = parsedate_to_datetime(date or "").timestamp()
        except (TypeError, ValueError):
            return
        middle = (sent_at + came_at) / 2
        self._readings.append(Reading(server, middle - (theirs + 0.5), 0.5 + (came_at - sent_at) / 2))

    def findings(self) -> list[Finding]:
        """What the surest of them says; of several that are as sure, the one nearest to us."""
        findings = Findings(Group.CLOCK)
        if not self._readings:
            findings.skipped("clock", "No server was asked whose answer has a Date.")
            return findings.all
        best = min(self._readings, key=lambda one: (round(one.unsure_s), abs(one.ahead_s)))
        off = max(0.0, abs(best.ahead_s) - best.unsure_s)
        where = "ahead of" if best.ahead_s > 0 else "behind"
        found = f"This machine's clock is about {abs(best.ahead_s):.0f} s {where} that of {best.server}."
        remedy = "Have it set by NTP: timedatectl set-ntp true."
        if off >= FAULT_S:
            findings.fault("clock", found, f"{remedy} Signatures and media tokens are refused like this.")
        elif off >= WARN_S:
            findings.warning("clock", found, remedy)
        else:
            findings.ok("clock", f"This machine's clock agrees with that of {best.server}.")
        return findings.all
