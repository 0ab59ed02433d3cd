"""Reads the layers of the settings: file, environment and flags, each put over the one before; words their faults.

A layer is a flat table: the path of a setting, its value, and the place that it came from.
"""

import re
import tomllib
from collections.abc import Collection, Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from bridge.config.secret_files import is_secret_path, secrets_read
from bridge.settings.faults import NO_TABLE, Key, describe, faults_in
from bridge.vocabulary.errors import ConfigurationError

PREFIX = "VOICEBRIDGE_"

_SERVICE_LINK = re.compile(
    r"""VOICEBRIDGE_(?:[A-Z0-9]+_)*(?:           # a Service named voicebridge, or voicebridge-media
        SERVICE_HOST=[0-9a-fA-F.:]+
      | SERVICE_PORT(?:_[A-Z0-9]+)*=\d+
      | PORT(?:_\d+_(?:TCP|UDP|SCTP))?=(?:tcp|udp|sctp)://.*
      | PORT_\d+_(?:TCP|UDP|SCTP)_(?:PROTO=(?:tcp|udp|sctp)|PORT=\d+|ADDR=[0-9a-fA-F.:]+)
    )""",
    re.VERBOSE,
)
"""What Kubernetes puts into the environment of a pod for each Service (Kubernetes, "Service": environment variables).

No setting has one of these names with such a value: the names of settings in tables have `__` in them.
"""

OF_CLIENTS = frozenset(
    {"VOICEBRIDGE_CONTROL_URL", "VOICEBRIDGE_CONTROL_TOKEN", "VOICEBRIDGE_CONTROL_TOKEN_FILE"}
)
"""What `voicebridge calls` reads: how it reaches a server. They are no settings."""

Layer = dict[Key, tuple[Any, str]]
"""Values by their path in the settings, each with the place that it came from."""


def from_file(file: Path, *, required: bool) -> Layer:
    """What a TOML file says. Raises `ConfigurationError`."""
    try:
        text = file.read_text(encoding="utf-8-sig")  # editors of Windows put a mark at its start
        return {path: (value, str(file)) for path, value in _flat(tomllib.loads(text))}
    except FileNotFoundError:
        if required:
            raise ConfigurationError(f"{file}: there is no such file") from None
        return {}
    except UnicodeDecodeError:
        raise ConfigurationError(f"{file}: is not UTF-8: expected a text file in UTF-8") from None
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"{file}: {error}") from None


def from_variables(
    variables: Mapping[str, str],
    place: str,
    vendor_names: Mapping[str, Key],
    secrets: frozenset[Key] = frozenset(),
) -> Layer:
    """What variables of an environment say, but for those that Kubernetes injects.

    `vendor_names`: variables that have a name of their vendor's, each with the setting that it sets. Of two for one
    setting our own name goes before a vendor's, and that in lower case before the same in capitals, as curl has it.
    `secrets`: the settings that are secret, as `secret_paths` has them: NAME_FILE names a file with the value of NAME.
    Raises `ConfigurationError` if such a file cannot be used.
    """
    read = secrets_read(variables, place, lambda name: holds_secret(name, vendor_names, secrets))
    given = {
        name: (value, name) for name, value in variables.items() if name not in _file_variables(read)
    } | read
    found: Layer = {}
    for name, (value, said_by) in sorted(given.items(), key=lambda variable: _rank(variable[0])):
        if _SERVICE_LINK.fullmatch(f"{name}={value}"):
            continue
        path = setting_of(name, vendor_names)
        if path is not None and value:  # an empty variable is one that is not set
            found[path] = (value, f"{place}: {said_by}")
    return found


def _file_variables(read: Mapping[str, tuple[str, str]]) -> set[str]:
    return {variable for _, variable in read.values()}


def setting_of(variable: str, vendor_names: Mapping[str, Key]) -> Key | None:
    """The setting that a variable sets; None if it is none of ours."""
    path = vendor_names.get(variable)
    if path is None and variable.startswith(PREFIX) and variable not in OF_CLIENTS:
        path = tuple(variable.removeprefix(PREFIX).lower().split("__"))
    return path


def holds_secret(variable: str, vendor_names: Mapping[str, Key], secrets: frozenset[Key]) -> bool:
    """Whether a variable holds a secret."""
    path = setting_of(variable, vendor_names)
    return path is not None and is_secret_path(path, secrets)


def _rank(name: str) -> tuple[bool, bool]:
    return name.startswith(PREFIX), name.islower()


def from_flags(flags: Mapping[str, Any]) -> Layer:
    """What the command line says; None is a flag that was not given, and a table sets the keys that it has."""
    given = {name: value for name, value in flags.items() if value is not None and value != {}}
    return {path: (value, f"--{path[0].replace('_', '-')}") for path, value in _flat(given)}


def _flat(table: Mapping[str, Any], above: Key = ()) -> Iterator[tuple[Key, Any]]:
    for key, value in table.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, (*above, key))
        else:
            yield (*above, key), value


def nested(found: Layer) -> dict[str, Any]:
    """The tables again. Raises `ConfigurationError` where one place has a table and another a single value."""
    root: dict[str, Any] = {}
    for path, (value, place) in found.items():
        table = root
        for depth, key in enumerate(path[:-1], start=1):
            table = table.setdefault(key, {})
            if not isinstance(table, dict):
                raise ConfigurationError(_needs_table(path, place, path[:depth], found[path[:depth]][1]))
        table[path[-1]] = dict(value) if isinstance(value, dict) else value
    return root


def _needs_table(path: Key, place: str, above: Key, place_above: str) -> str:
    return (
        f"{place}: {'.'.join(path)} has no table to go into: {'.'.join(above)} is a single value in {place_above}; "
        "should be written as a table there"
    )


def explain(error: ValidationError, found: Layer, known: Collection[Key]) -> Iterator[str]:
    """Yield a line for each fault: where it is, the key, what is wrong, and what was expected.

    `known`: the settings that have a fixed path, for those that were written without their table.
    """
    tables = nested(found)
    for fault in faults_in(error, tables):
        line = describe(fault).replace(".".join(fault.key), _numbered(fault.key, tables), 1)
        place = _place(fault.key, found)
        if fault.type == "no_such_setting" and (meant := _with_table(fault.key, known)):
            written = f"{PREFIX}{'__'.join(meant).upper()}" if PREFIX in place else ".".join(meant)
            line = f"there is no setting {_numbered(fault.key, tables)}; did you mean {written}?"
        if fault.type in NO_TABLE and PREFIX in place:
            line += f", each key a variable of its own: {place.split()[-1]}__KEY"
        yield f"{place}: {line}"


def _with_table(key: Key, known: Collection[Key]) -> Key | None:
    """The setting in a table that a key at the top means: `limits_drain_s`, or `drain_s` where one table has it."""
    if len(key) != 1:
        return None
    joined = {"_".join(path): path for path in known}
    if near := get_close_matches(key[0], joined, n=1, cutoff=0.9):
        return joined[near[0]] if len(joined[near[0]]) > 1 else None
    in_tables = [path for path in known if path[-1] == key[0]]
    return in_tables[0] if len(in_tables) == 1 else None


def _numbered(key: Key, tables: Any) -> str:
    """The key as people write it where there are lists in it: routes[1].to."""
    written = ""
    for name in key:
        if isinstance(tables, list) and name.isdecimal() and int(name) < len(tables):
            written, tables = f"{written}[{name}]", tables[int(name)]
        else:
            written = f"{written}.{name}" if written else name
            tables = tables.get(name) if isinstance(tables, Mapping) else None
    return written


def together(error: ValidationError, more: Sequence[InitErrorDetails]) -> ValidationError:
    """The faults of `error` and those, one for each key: of two the second."""
    keys = {fault.get("loc") for fault in more}
    lines = [
        InitErrorDetails(
            type=PydanticCustomError(fault["type"], fault["msg"].removeprefix("Value error, ")),
            loc=fault["loc"],
            input=fault["input"],
        )
        for fault in error.errors(include_url=False, include_context=False)
        if fault["loc"] not in keys
    ]
    return ValidationError.from_exception_data(error.title, [*lines, *more])


def _place(key: Key, found: Layer) -> str:
    """Where the key was set; where it was not, its table; where that was not, the table above."""
    for depth in range(len(key), -1, -1):
        for path, (_, place) in found.items():
            if path[:depth] == key[:depth]:
                return place
    return "settings"
