"""`voicebridge config reference`: every setting with its type, default and description, as Markdown, from the tables."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from bridge.assistants.registry import ASSISTANTS
from bridge.config.settings import Settings, settings_model, vendor_names
from bridge.settings.assistants import AssistantSettings, ToolSettings
from bridge.settings.table import ShownAddress

INTRODUCTION = """\
# Settings

This page is made by `voicebridge config reference` from the tables that the program checks settings against. Do not
edit it: change the description of the field in the source, and make the page again.

## Where a setting comes from

A setting can be given in five places. The first place that has it is used:

1. a flag of the command, such as `--port 9000`;
2. a variable of the environment: `VOICEBRIDGE_` and the path of the setting in capitals, with `__` between the levels,
   such as `VOICEBRIDGE_LIMITS__DRAIN_S=10`. Some settings also have the vendor's own name, such as `OPENAI_API_KEY`;
   the tables below list these names. An empty variable counts as not set. With `_FILE` behind the name of a secret the
   variable names a file that holds it, such as `OPENAI_API_KEY_FILE`;
3. the file `.env` in the working directory, with the same names;
4. the file `voicebridge.toml` in the working directory, or the file that `--config` names;
5. the default.

A setting that does not exist, or has a wrong value, is refused: the message names the place, the setting and what was
expected. `voicebridge config check` reports all faults at once and says where each kind of call goes.
`voicebridge config show` prints the settings in force; secrets are hidden.

The ending of a name is its unit: `_s` seconds, `_ms` milliseconds, `_hz` hertz, `_bytes` bytes, `_dbfs` decibels below
full scale. A relative path is taken from the working directory.
"""

WORDS: dict[Any, str] = {
    bool: "`true` or `false`",
    str: "text",
    int: "whole number",
    float: "number",
    Path: "path",
    SecretStr: "text, secret",
    Any: "any value",
}

BOUNDS = {
    "ge": "at least {}",
    "gt": "more than {}",
    "le": "at most {}",
    "lt": "less than {}",
    "max_length": "at most {} characters",
}


class Row(NamedTuple):
    """A setting, as it stands in a table of the page. `kind`: its type, in words."""

    name: str
    kind: str
    default: str
    description: str


class Part(NamedTuple):
    """A part of the page: a table of the settings' file."""

    heading: str
    description: str
    rows: Sequence[Row]


def reference() -> str:
    """The whole page."""
    pieces = [INTRODUCTION]
    for part in parts():
        lines = [f"## {part.heading}", ""]
        if part.description:
            lines += [part.description, ""]
        lines += ["| setting | type | default | description |", "|---|---|---|---|"]
        lines += [
            f"| `{row.name}` | {_cell(row.kind)} | {_cell(row.default)} | {_cell(row.description)} |"
            for row in part.rows
        ]
        pieces.append("\n".join(lines) + "\n")
    return "\n".join(pieces)


def parts() -> Iterator[Part]:
    """All tables of the settings' file; those of carriers and vendors stand behind the assistants."""
    whole = settings_model()
    fields = whole.model_fields
    added = [name for name in fields if name not in Settings.model_fields]
    tables = [name for name in Settings.model_fields if _models(fields[name].annotation)]
    single = [name for name in Settings.model_fields if name not in (*tables, "assistants")]
    yield Part("Above the tables", "", [row for name in single for row in _rows(whole, name, ())])
    for name in ["assistants", *added, *(name for name in tables if name != "assistants")]:
        field = fields[name]
        if name == "assistants":
            yield from _assistants(field)
        else:
            (model,) = _models(field.annotation)
            kind = get_origin(field.annotation)
            headings = {list: f"`[[{name}]]`", dict: f"`[{name}.NAME]`"}
            heading = headings.get(kind, f"`[{name}]`") if kind is not None else f"`[{name}]`"
            path = () if kind in headings else (name,)
            yield Part(heading, _sentence(field.description), list(_table(model, path)))


def _assistants(field: FieldInfo) -> Iterator[Part]:
    shared = [name for name in AssistantSettings.model_fields if name != "kind"]
    kinds = ", ".join(f'`"{kind}"`' for kind in ASSISTANTS)
    rows = list(_rows(AssistantSettings, "kind", ()))
    rows = [row._replace(kind=f"one of {kinds}") for row in rows]
    rows += [row for name in shared for row in _rows(AssistantSettings, name, ())]
    yield Part("`[assistants.NAME]`", _sentence(field.description), rows)
    tools = AssistantSettings.model_fields["tools"].description
    yield Part("`[assistants.NAME.tools.TOOL]`", _sentence(tools), list(_table(ToolSettings, ())))
    for kind, registered in ASSISTANTS.items():
        model = registered.settings
        if own := [name for name in model.model_fields if name not in {"kind", *shared}]:
            rows = [row for name in own for row in _rows(model, name, ())]
            yield Part(f'`[assistants.NAME]` with `kind = "{kind}"`', "", rows)


def _table(model: type[BaseModel], above: Sequence[str]) -> Iterator[Row]:
    for name in model.model_fields:
        yield from _rows(model, name, above)


def _rows(model: type[BaseModel], name: str, above: Sequence[str]) -> Iterator[Row]:
    """A setting, and below it those of the tables that it may be."""
    field = model.model_fields[name]
    path = (*above, field.alias or name)
    vendors = [f"`{variable}`" for variable, key in vendor_names().items() if key == path]
    description = _sentence(field.description)
    if vendors:
        description += f" In the environment also {', '.join(vendors)}."
    yield Row(".".join(path), _type(field), _default(field), description.strip())
    inner = [] if name == "tools" else _models(field.annotation)
    below = (*path, "NAME") if get_origin(field.annotation) is dict else path
    for table in inner:
        for row in _table(table, below):
            if len(inner) > 1 and "type" in table.model_fields:
                if row.name.endswith(".type"):
                    continue
                kind = get_args(table.model_fields["type"].annotation)[0]
                row = row._replace(description=f'With `type = "{kind}"`: {row.description}')  # noqa: PLW2901
            yield row


def _models(annotation: Any) -> list[type[BaseModel]]:
    """The tables that a value of this type may be, or may hold."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) is Literal:
        return []
    return [model for inner in get_args(annotation) for model in _models(inner)]


def _type(field: FieldInfo) -> str:
    return _in_words(field.annotation, field.metadata)


def _in_words(annotation: Any, metadata: Sequence[Any] = ()) -> str:
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _in_words(inner[0], [*metadata, *inner[1:]])
    if origin is Literal:
        return " or ".join(f"`{_toml(value)}`" for value in inner)
    if origin in (Union, UnionType):
        kinds = [_in_words(kind, metadata) for kind in inner]
        return ", or ".join(dict.fromkeys(kind for kind in kinds if kind))
    if origin in (list, tuple):
        one, comma, rest = _in_words(inner[0]).partition(",")
        return f"list of {one}s{comma}{rest}"
    if origin is dict or annotation is dict or _models(annotation):
        return "table"
    if annotation is NoneType:
        return ""
    if annotation is str and ShownAddress in metadata:
        return "address"
    return WORDS[annotation] + _bounds(metadata)


def _bounds(metadata: Sequence[Any]) -> str:
    limits = (
        (words, limit)
        for one in _flat(metadata)
        for key, words in BOUNDS.items()
        if (limit := getattr(one, key, None)) is not None
    )
    return "".join(f", {words.format(_toml(limit))}" for words, limit in limits)


def _flat(metadata: Sequence[Any]) -> Iterator[Any]:
    for one in metadata:
        if isinstance(one, FieldInfo):
            yield from one.metadata
        else:
            yield one


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "none: must be set"
    value = field.default
    if isinstance(value, BaseModel):
        return "see below"
    return "not set" if value in (None, "", {}, [], ()) else f"`{_toml(value)}`"


def _toml(value: Any) -> str:
    """A value as it stands in the file."""
    match value:
        case bool():
            return str(value).lower()
        case float():
            return f"{value:g}" if value < 1e6 else str(value)
        case str() | Path():
            return f'"{value}"'
        case Mapping():
            return "{ " + ", ".join(f"{key} = {_toml(inner)}" for key, inner in value.items()) + " }"
        case list() | tuple():
            return f"[{', '.join(_toml(inner) for inner in value)}]"
        case _:
            return str(value)


def _sentence(text: str | None) -> str:
    """A description with a capital at its beginning, unless that is a name, and a full stop at its end."""
    text = (text or "").strip()
    if re.match(r"[a-z]+\b(?![_.=])", text):
        text = text[0].upper() + text[1:]
    return text if not text or text.endswith((".", "?", ":")) else f"{text}."


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
