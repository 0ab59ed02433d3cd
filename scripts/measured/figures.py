"""The figures that `scripts/measure` takes, as its JSON has them. Durations are ms; what was not measured is left out."""

from typing import Literal

import msgspec
from msgspec import Struct

SCHEMA = 1


class Cost(Struct, frozen=True, kw_only=True):
    """Processor time for a second of one call. One value for each round; those of a round belong together."""

    kind: Literal["echo", "turns"]
    calls: int
    relay_ms: tuple[float, ...]
    server_ms: tuple[float, ...]


class Capacity(Struct, frozen=True, kw_only=True):
    """The most calls on one core that hold the thresholds."""

    row: str
    what: str
    """In words."""
    kind: Literal["echo", "turns"]
    calls: int
    is_exact: bool
    """False: at least so many; the search ended at the limit of the tool, or at the most that was asked for."""
    ended_by: str
    """What was not held first above it, or why the search ended."""
    server_ms: float
    """Processor time for a second of one call, at so many calls."""


class Percentiles(Struct, frozen=True, kw_only=True):
    """Durations of one kind."""

    name: str
    calls: int
    count: int
    p50_ms: float
    p99_ms: float
    max_ms: float


class Memory(Struct, frozen=True, kw_only=True):
    """`idle_mib`: of a server that has carried no call. `call_kib`: by how much a call adds to it."""

    idle_mib: float
    call_kib: float


class Storm(Struct, frozen=True, kw_only=True):
    """Set-ups at a rate."""

    calls_per_second: int
    set_up: Percentiles
    failed: int


class Tool(Struct, frozen=True, kw_only=True):
    """What the load test itself costs, against the least that can be an echo."""

    calls: int
    call_ms: float
    """Processor time of the tool for a second of one call."""
    core_share: float
    lag_p99_ms: float
    """How late it sent its own frames."""
    echo: Percentiles


class Numbers(Struct, frozen=True, kw_only=True):
    """All of one run of `scripts/measure`. A part that was not asked for is empty, or None."""

    schema: int = SCHEMA
    command: str
    began_at: str
    """ISO 8601, UTC."""
    machine: str
    busy: str
    """The load of the machine before the run: what else it had to do."""
    versions: str
    costs: tuple[Cost, ...] = ()
    capacities: tuple[Capacity, ...] = ()
    half_load: Percentiles | None = None
    barge_ins: tuple[Percentiles, ...] = ()
    memory: Memory | None = None
    storm: Storm | None = None
    tool: Tool | None = None


def as_json(numbers: Numbers) -> bytes:
    """Indented, with a line feed at the end."""
    return msgspec.json.format(msgspec.json.encode(numbers), indent=2) + b"\n"


def from_json(text: bytes) -> Numbers:
    """Raises `msgspec.ValidationError` if it is of another form."""
    return msgspec.json.decode(text, type=Numbers)
