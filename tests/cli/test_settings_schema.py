"""`voicebridge config schema`: every file that the program takes is good by it, and what editors should mark is not."""

import json
import re
import shutil
import subprocess
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from bridge.assistants.registry import ASSISTANTS
from bridge.cli.app import app
from bridge.cli.settings_schema import DRAFT, SHORTER, settings_schema
from bridge.config.settings import settings_model
from tests.test_documents import DOCUMENTS, blocks

SCHEMA = settings_schema()

ANNOTATIONS = {"$schema", "$defs", "title", "description", "default", "format"}
"""Keywords of the draft that check nothing."""

TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
}


def faults(value: Any, schema: Any, path: str = "") -> Iterator[str]:
    """What is wrong with a value, by the keywords of JSON Schema 2020-12 that the schema has; another one is an error."""
    if schema is False:
        yield f"{path}: unknown"
    for keyword, wanted in schema.items() if isinstance(schema, dict) else ():
        if keyword == "$ref":
            yield from faults(value, SCHEMA["$defs"][wanted.removeprefix("#/$defs/")], path)
        elif keyword in ("anyOf", "oneOf"):
            fit = [one for one in wanted if not any(faults(value, one, path))]
            if not fit or (keyword == "oneOf" and len(fit) > 1):
                yield f"{path}: {len(fit)} of {keyword} fit"
        elif keyword in ("properties", "additionalProperties", "required", "propertyNames"):
            yield from table_faults(value, keyword, schema, path)
        elif keyword == "items":
            yield from (
                fault
                for one in (value if isinstance(value, list) else ())
                for fault in faults(one, wanted, f"{path}[]")
            )
        elif keyword not in ANNOTATIONS and not KEPT[keyword](value, wanted):
            yield f"{path}: {keyword} {wanted}"


def table_faults(value: Any, keyword: str, schema: Any, path: str) -> Iterator[str]:
    wanted = schema[keyword]
    if not isinstance(value, dict):
        return
    match keyword:
        case "properties":
            for name in value.keys() & wanted.keys():
                yield from faults(value[name], wanted[name], f"{path}.{name}")
        case "additionalProperties":
            for name in value.keys() - schema.get("properties", {}).keys():
                yield from faults(value[name], wanted, f"{path}.{name}")
        case "required":
            yield from (f"{path}.{name}: missing" for name in wanted if name not in value)
        case "propertyNames":
            yield from (fault for name in value for fault in faults(name, wanted, f"{path}.{name}"))


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_of(value: Any, kind: str) -> bool:
    return isinstance(value, TYPES[kind]) and (kind not in ("integer", "number") or is_number(value))


KEPT: dict[str, Callable[[Any, Any], bool]] = {
    "type": is_of,
    "const": lambda value, wanted: (type(value), value) == (type(wanted), wanted),
    "enum": lambda value, wanted: value in wanted,
    "minimum": lambda value, wanted: not is_number(value) or value >= wanted,
    "maximum": lambda value, wanted: not is_number(value) or value <= wanted,
    "exclusiveMinimum": lambda value, wanted: not is_number(value) or value > wanted,
    "exclusiveMaximum": lambda value, wanted: not is_number(value) or value < wanted,
    "minLength": lambda value, wanted: not isinstance(value, str) or len(value) >= wanted,
    "maxLength": lambda value, wanted: not isinstance(value, str) or len(value) <= wanted,
    "minItems": lambda value, wanted: not isinstance(value, list) or len(value) >= wanted,
    "maxItems": lambda value, wanted: not isinstance(value, list) or len(value) <= wanted,
    "pattern": lambda value, wanted: not isinstance(value, str) or re.search(wanted, value) is not None,
}


def documented() -> list[tuple[str, str]]:
    """The settings in the documents."""
    return [
        (f"{block.document}:{block.line}", block.text)
        for document in DOCUMENTS
        for block in blocks(document)
        if block.language == "toml"
        and not tomllib.loads(block.text).keys() - settings_model().model_fields.keys()
    ]


@pytest.mark.parametrize(("place", "text"), documented(), ids=[place for place, _ in documented()])
def test_the_settings_of_the_documents_are_good(place: str, text: str) -> None:
    assert list(faults(tomllib.loads(text), SCHEMA)) == []


def test_there_are_many_of_them() -> None:
    assert len(documented()) > 20


SHORT_FORMS = (
    '[assistants.a]\nkind = "openai-realtime"\nping_s = false\ngreeting = "Hello"\nfiller = false\nvoice = false',
    '[assistants.a]\nkind = "openai-realtime"\nping_s = 0\nturn_detection = "none"\ntranscription = false',
    '[assistants.a]\nkind = "openai-realtime"\nfiller = "One moment."\nreasoning = "low"\nreconnect_say = false',
    '[assistants.a]\nkind = "turn-based"\nurl = "http://127.0.0.1/"\nsorry = "sorry.wav"',
    '[assistants.a]\nkind = "stream"\nurl = "ws://127.0.0.1/"\nheaders = { A = "b", C = { file = "d" } }',
    '[people.ann]\nto = "+15550111"\nhow = "warm"\nbriefing = { play = "a.wav" }',
    '[people.ann]\nto = ["+15550111", ["+15550112", "+15550113"]]',
    '[[routes]]\nto = "+1555*"\nassistant = "echo"',
    '[[routes]]\nto = "+1555*"\nsupervisor = "boss"',
    "[busy]\nsay = 'later'",
)


@pytest.mark.parametrize("text", SHORT_FORMS)
def test_short_forms_are_good(text: str) -> None:
    assert list(faults(tomllib.loads(text), SCHEMA)) == []


WRONG = (
    "prot = 1",
    "port = 70000",
    "port = '1'",
    "log_level = 'loud'",
    "[limits]\ndrain = 1",
    '[assistants.a]\nurl = "ws://127.0.0.1/"',
    '[assistants.a]\nkind = "other"',
    '[assistants.a]\nkind = "echo"\nvoice = "marin"',
    '[assistants.a]\nkind = "stream"\nurl = "ws://127.0.0.1/"\nvoice = "marin"',
    "[[routes]]\nto = '+1555*'",
    "[[routes]]\nto = '+1555*'\nassistant = 'a'\nsupervisor = 'b'",
    "[twilio]\nauth_tokn = 'x'",
    "[people.ann]\nhow = 'warm'",
)


@pytest.mark.parametrize("text", WRONG)
def test_what_is_wrong_is_marked(text: str) -> None:
    assert list(faults(tomllib.loads(text), SCHEMA))


def test_every_reference_leads_somewhere_and_nothing_is_left_over() -> None:
    def refs(schema: Any) -> Iterator[str]:
        if isinstance(schema, dict):
            yield from ([schema["$ref"]] if isinstance(schema.get("$ref"), str) else [])
            yield from (ref for value in schema.values() for ref in refs(value))
        elif isinstance(schema, list):
            yield from (ref for value in schema for ref in refs(value))

    assert {ref.removeprefix("#/$defs/") for ref in refs(SCHEMA)} == SCHEMA["$defs"].keys()


def test_every_setting_is_there_with_its_description() -> None:
    assert SCHEMA["$schema"] == DRAFT
    assert SCHEMA["properties"].keys() == settings_model().model_fields.keys()
    for kind, registered in ASSISTANTS.items():
        table = SCHEMA["$defs"][f"assistant-{kind}"]["properties"]
        names = {field.alias or name for name, field in registered.settings.model_fields.items()}
        assert table.keys() == names
        assert all(setting["description"] for setting in table.values())


def test_the_short_form_of_every_validator_is_known() -> None:
    """A setting that is turned into another value before it is checked may be written in another form."""
    from bridge.cli import settings_schema as module

    seen: set[str] = set()

    class Noting(module._Generator):
        def function_before_schema(self, schema: Any) -> Any:
            if schema["schema"]["type"] not in ("model", "model-fields"):
                seen.add(schema["function"]["function"].__qualname__.partition(".")[0])
            return super().function_before_schema(schema)

    models = [settings_model(), *{kind.settings for kind in ASSISTANTS.values()}]
    for model in models:
        model.model_json_schema(schema_generator=Noting)
    assert {name for name in seen if name[0].islower() or name[0] == "_"} - SHORTER.keys() == set()


def test_the_command_prints_it() -> None:
    done = CliRunner().invoke(app, ["config", "schema"])
    assert done.exit_code == 0
    assert json.loads(done.stdout) == SCHEMA


@pytest.mark.skipif(
    shutil.which("taplo") is None, reason="taplo is not installed (npm: @taplo/cli; pip: taplo)"
)
def test_taplo_finds_what_is_wrong_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Taplo is what editors check TOML with. The file of `config init` names the schema, which lies beside it."""
    monkeypatch.chdir(tmp_path)
    answers = (
        "--carrier",
        "twilio",
        "--assistant",
        "openai-realtime",
        "--public-url",
        "https://voice.acme.dev",
    )
    assert CliRunner().invoke(app, ["config", "init", *answers]).exit_code == 0
    heading = Path("voicebridge.toml").read_text().partition("\n")[0]
    good = [text for _, text in documented()] + [*SHORT_FORMS]
    for kind, texts in {"good": good, "wrong": WRONG}.items():
        for number, text in enumerate(texts):
            Path(f"{kind}-{number}.toml").write_text(f"{heading}\n{text}\n")
    assert is_good("voicebridge.toml", *map(str, Path().glob("good-*.toml")))
    assert [path.name for path in Path().glob("wrong-*.toml") if is_good(path.name)] == []


def is_good(*files: str) -> bool:
    """Whether taplo finds nothing in them."""
    done = subprocess.run(["taplo", "lint", *files], capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    return done.returncode == 0
