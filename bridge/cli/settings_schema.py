"""`voicebridge config schema`: the settings' file as a JSON schema (draft 2020-12), from which editors complete and check.

It is what the tables say. What only the program can check, such as whether a named assistant exists, is not in it.
"""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, models_json_schema
from pydantic_core import core_schema

from bridge.assistants.registry import ASSISTANTS
from bridge.config.settings import settings_model

DRAFT = "https://json-schema.org/draft/2020-12/schema"

FALSE: dict[str, Any] = {"const": False}
TEXT: dict[str, Any] = {"type": "string"}
NUMBER_0: dict[str, Any] = {"const": 0}

SHORTER: dict[str, tuple[dict[str, Any], ...]] = {
    "_lower": (),
    "_split_at_commas": (),
    "_split_pairs": (),
    "_assistant_table": (),
    "_checked_address": (),
    "none_if_false": (FALSE,),
    "_none_if_off": (FALSE, NUMBER_0),
    "_as_groups": (TEXT,),
    "_as_play": (TEXT,),
    "_typed": (TEXT,),
    "_source": (),
    "as_table": (TEXT,),
    "_filler": (TEXT, FALSE),
}
"""What may be written in the file in place of the value itself, by the function that turns it into one."""

Schema = dict[str, Any]


class _Generator(GenerateJsonSchema):
    """With the shorter forms that values can be written in."""

    def function_before_schema(self, schema: core_schema.BeforeValidatorFunctionSchema) -> Schema:
        """See `GenerateJsonSchema`."""
        inner = self.generate_inner(schema["schema"])
        name = schema["function"]["function"].__qualname__.partition(".")[0]
        shorter = SHORTER.get(name, ())
        return {"anyOf": [inner, *(deepcopy(one) for one in shorter)]} if shorter else inner


def settings_schema() -> Schema:
    """The schema of the settings' file."""
    whole = settings_model()
    tables = {kind: registered.settings for kind, registered in ASSISTANTS.items()}
    refs, made = models_json_schema(
        [(whole, "validation"), *((table, "validation") for table in dict.fromkeys(tables.values()))],
        by_alias=True,
        schema_generator=_Generator,
    )
    defs: Schema = made["$defs"]

    def named(table: type[Any]) -> str:
        return str(refs[table, "validation"]["$ref"]).rpartition("/")[2]

    for kind, table in tables.items():
        defs[f"assistant-{kind}"] = _of_kind(kind, defs[named(table)])
    top = deepcopy(defs[named(whole)])
    choices = [{"$ref": f"#/$defs/assistant-{kind}"} for kind in ASSISTANTS]
    top["properties"]["assistants"]["additionalProperties"] = {"oneOf": choices}
    if "BriefingSettings" in defs:  # its validator takes a text for the table
        defs["BriefingSettings"]["properties"]["play"]["anyOf"].append(TEXT)
    for table in {*tables.values(), whole}:
        del defs[named(table)]
    plain: Schema = _plain({**top, "$defs": dict(sorted(defs.items()))})
    heading = {"$schema": DRAFT, "title": "voicebridge.toml", "description": "The settings of voicebridge."}
    return heading | {key: value for key, value in plain.items() if key not in heading}


def _of_kind(kind: str, table: Schema) -> Schema:
    """The table of an assistant of one kind."""
    own = deepcopy(table)
    about = own["properties"]["kind"].get("description", "What the assistant is")
    own["properties"]["kind"] = {"const": kind, "description": about}
    own["required"] = sorted({*own.get("required", ()), "kind"})
    return own


def _plain(schema: Any) -> Any:
    """Without what says nothing in a TOML file: null, which it cannot have, and titles made of names."""
    if isinstance(schema, list):
        return [_plain(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    return dict(_members(schema))


def _members(schema: Schema) -> Iterator[tuple[str, Any]]:
    for key, value in schema.items():
        match key, value:
            case ("title", str()) | ("default", None) | ("writeOnly", _) | ("discriminator", _):
                continue
            case ("default", dict()) if value:  # those of its keys stand with the keys
                continue
            case (("properties" | "$defs"), dict()):
                yield key, {name: _plain(one) for name, one in value.items()}
            case "anyOf", list():
                kept = [_plain(one) for one in value if one != {"type": "null"}]
                if len(kept) == 1:
                    yield from kept[0].items()
                else:
                    yield key, kept
            case _:
                yield key, _plain(value)
