"""What the scripts of the simulated assistants have in common: reading the TOML, and which connections have a fault."""

import tomllib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from bridge.settings.faults import describe, faults_in
from bridge.settings.table import Section
from bridge.vocabulary.errors import ConfigurationError

Which = int | list[int] | None
"""The first so many, or those in the list, counted from 1; None: all."""

FaultsT = TypeVar("FaultsT", bound="ConnectionFaults")
ScriptT = TypeVar("ScriptT", bound=Section)


class ConnectionFaults(Section):
    """Faults of some connections."""

    connections: Which = None

    def concern(self, connection: int) -> bool:
        """Whether the connection of this number, the first being 1, has these faults."""
        return is_meant(self.connections, connection)


def is_meant(which: Which, number: int) -> bool:
    """Whether `which` includes this number."""
    match which:
        case None:
            return True
        case int(first):
            return 1 <= number <= first
        case listed:
            return number in listed


def merged(kind: type[FaultsT], tables: Iterable[FaultsT]) -> FaultsT:
    """All these tables in one; in a field that several of them set the last one wins."""
    return kind(**{key: getattr(table, key) for table in tables for key in sorted(table.model_fields_set)})


def one_or_several(faults: object) -> object:
    """A `faults` table that is written as [faults] instead of [[faults]], as a tuple of one."""
    return (faults,) if isinstance(faults, dict | ConnectionFaults) else faults


def parse(kind: type[ScriptT], text: str, name: str) -> ScriptT:
    """Read a script from TOML. Raises `ConfigurationError` with `name`, the key, and what was expected."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{name}: {error}") from None
    try:
        return kind.model_validate(table)
    except ValidationError as error:
        faults = faults_in(error, table)
        raise ConfigurationError("\n".join(f"{name}: {describe(fault)}" for fault in faults)) from None


def read(path: Path, parse_script: Callable[[str, Path, str], ScriptT]) -> ScriptT:
    """Read a script's file; recordings are beside it. Raises `ConfigurationError` if it cannot be read or is wrong."""
    try:
        return parse_script(path.read_text(encoding="utf-8"), path.parent, str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: {error}") from None
