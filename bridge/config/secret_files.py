"""Reads secrets from files that the environment names: a variable of a secret with `_FILE` behind it.

Docker, Kubernetes and systemd hand secrets over as files. The text of the file is the value, without the line end at its
end. Which variables hold secrets is told by the types of the settings.
"""

import stat
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, get_args, get_origin

from pydantic import BaseModel, SecretStr

from bridge.settings.faults import Key
from bridge.vocabulary.errors import ConfigurationError

SUFFIX = "_FILE"

MOST_BYTES = 16_384
"""The longest file that is read; no secret is as long."""

ANY = "*"
"""In the path of a setting: a name of the user's own, such as that of an assistant."""

MENDED = "chmod 600"


class NamedFile(NamedTuple):
    """A variable that names the file of a secret. `stands_for`: the variable without the suffix."""

    variable: str
    stands_for: str
    file: Path


def files_named(variables: Mapping[str, str], is_secret: Callable[[str], bool]) -> Iterator[NamedFile]:
    """The variables that name the file of a secret. `is_secret`: whether a variable of this name holds one."""
    for name, value in variables.items():
        stands_for = name.removesuffix(SUFFIX)
        if value and stands_for != name and is_secret(stands_for):
            yield NamedFile(name, stands_for, Path(value))


def secrets_read(
    variables: Mapping[str, str], place: str, is_secret: Callable[[str], bool]
) -> dict[str, tuple[str, str]]:
    """The secrets in files by the variable that each stands for, with the variable that named the file.

    Raises `ConfigurationError` with a line for each file that cannot be used.
    """
    found: dict[str, tuple[str, str]] = {}
    faults: list[str] = []
    for named in files_named(variables, is_secret):
        if variables.get(named.stands_for):
            faults.append(f"{place}: {named.variable}: should not be set together with {named.stands_for}")
            continue
        try:
            found[named.stands_for] = (read_secret(named.file), named.variable)
        except ConfigurationError as error:
            faults.append(f"{place}: {named.variable}: {error}")
    if faults:
        raise ConfigurationError("\n".join(faults))
    return found


def read_secret(file: Path) -> str:
    """The secret in a file. Raises `ConfigurationError` if there is none, or anybody could put another one there."""
    try:
        if file.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise ConfigurationError(
                f"{file}: other users may write it: should be for its owner alone ({MENDED} {file})"
            )
        with file.open("rb") as opened:
            text = opened.read(MOST_BYTES + 1).decode("utf-8-sig")
    except OSError as error:
        raise ConfigurationError(f"{file}: {error.strerror}: should be a file with the secret") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{file}: is not text: should be the secret in UTF-8") from None
    if len(text) > MOST_BYTES:
        raise ConfigurationError(f"{file}: is too long: should be the secret alone")
    secret = text.strip()
    if not secret:
        raise ConfigurationError(f"{file}: is empty: should have the secret in it")
    if "\n" in secret:
        raise ConfigurationError(f"{file}: has several lines: should be the secret alone")
    return secret


def readable_by_all(named: NamedFile) -> str | None:
    """What is doubtful about a file with a secret: everybody on this machine can read it; None if nothing is."""
    try:
        is_readable = named.file.stat().st_mode & stat.S_IROTH
    except OSError:
        return None
    if not is_readable:
        return None
    return f"{named.variable}: {named.file}: every user can read it; should be for its owner alone ({MENDED})"


def is_secret_path(path: Key, secrets: frozenset[Key]) -> bool:
    """Whether the setting at this path is one of `secrets`, as `secret_paths` has them."""
    return any(
        len(path) == len(one) and all(part in (ANY, name) for part, name in zip(one, path, strict=True))
        for one in secrets
    )


def secret_paths(table: type[BaseModel], above: Key = ()) -> frozenset[Key]:
    """The paths of all secrets of a table; `ANY` stands for a name that the user chooses. Headers are not among them."""
    return frozenset(_walk(table, above))


def _walk(table: type[BaseModel], above: Key) -> Iterator[Key]:
    for name, field in table.model_fields.items():
        path = (*above, field.alias or name)
        kinds = _kinds(field.annotation)
        if SecretStr in kinds and not _is_table(field.annotation):
            yield path
        for kind in kinds:
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from _walk(kind, (*path, ANY) if _is_table(field.annotation) else path)


def _kinds(annotation: Any) -> tuple[Any, ...]:
    """The types that an annotation is made of."""
    inner = get_args(annotation)
    return tuple(kind for one in inner for kind in _kinds(one)) if inner else (annotation,)


def _is_table(annotation: Any) -> bool:
    """Whether the values are in a table with names of the user's own."""
    return get_origin(annotation) is dict or any(_is_table(one) for one in get_args(annotation))
