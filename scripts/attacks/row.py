"""What one row of the table is: an attack, how the server is started for it, and the bars that must hold."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from attacks.server import ServerOptions
from attacks.target import Target

Facts = Mapping[str, Any]
"""What an attack found out, and what was measured of the server: figures by name."""

Attack = Callable[[Target], Awaitable[Facts]]


@dataclass(frozen=True)
class Check:
    """One more bar of a row: `fact` must fit. A fact that is missing does not."""

    fact: str
    bar: str
    fits: Callable[[Any], bool]

    def fault(self, facts: Facts) -> str | None:
        value = facts.get(self.fact)
        if value is not None and self.fits(value):
            return None
        return f"{self.fact} {value}: expected {self.bar}"


@dataclass(frozen=True)
class Row:
    """One attack.

    `p99_ms`: the most that the good calls may be delayed. `more_ms`: the most by which the attack may move it, or None.
    `memory_mib`: how far the server's memory may grow during the attack, and how much of it may be left after it.
    `shown`: the facts that the table shows.
    """

    name: str
    what: str
    attack: Attack
    p99_ms: float = 20.0
    more_ms: float | None = None
    memory_mib: float | None = 16.0
    calls: int | None = None
    checks: tuple[Check, ...] = ()
    shown: tuple[str, ...] = ()
    options: ServerOptions = field(default_factory=ServerOptions)


def at_most(fact: str, most: float) -> Check:
    return Check(fact, f"at most {most:g}", lambda value: value <= most)


def at_least(fact: str, least: float) -> Check:
    return Check(fact, f"at least {least:g}", lambda value: value >= least)


def is_true(fact: str) -> Check:
    return Check(fact, "yes", lambda value: value is True)
