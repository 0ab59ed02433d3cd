"""The house rules that a machine can hold: who may import whom, who may read the environment, how files are named.

Imports are read with `ast`, wherever they stand: inside a function or under TYPE_CHECKING they count as well.
"""

import ast
import sys
from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import NamedTuple

import pytest

from bridge.carriers.registry import CARRIERS

ROOT = Path(__file__).parent.parent
SOURCE_ROOTS = (ROOT, ROOT / "codecs")
PACKAGES = ("bridge", "telecodecs")

LONGEST_FILE_LINES = 400
"""A third above the 300 that a file should have: past that it does two jobs."""


class Outside(Enum):
    """What a room may use of the world outside: clock, chance, files, log, sockets."""

    NOTHING = "nothing"
    FILES = "files and the log"
    ALL = "all"


class Room(NamedTuple):
    """One row of the table: folders (or single modules) of one floor, and what they may import of this house."""

    floor: int
    folders: str
    may_import: str
    outside: Outside = Outside.NOTHING


OWN = "OWN"
"""The folder, or the single module, of a carrier or an assistant: what stands for the star in its row."""

GROUND = "telecodecs bridge.redaction"
WORDS = f"bridge.vocabulary {GROUND}"
RULES = f"bridge.core {WORDS}"
TABLES = f"bridge.settings {RULES}"
CARRIER = f"bridge.carriers.shared bridge.settings {WORDS}"
ASSISTANT = f"bridge.assistants.shared bridge.settings {WORDS}"
WHOLE = f"bridge.config bridge.tools bridge.observers bridge.carriers bridge.assistants {TABLES}"

HOUSE = [
    Room(7, "bridge.__main__ bridge.cli", f"bridge.cli bridge.simulators bridge.shell {WHOLE}", Outside.ALL),
    Room(7, "bridge.simulators", f"bridge.simulators bridge.shell {WHOLE}", Outside.ALL),
    Room(6, "bridge.shell", f"bridge.shell {WHOLE}", Outside.ALL),
    Room(5, "bridge.config", WHOLE, Outside.FILES),
    Room(4, "bridge.tools", f"bridge.tools {TABLES}", Outside.ALL),
    Room(4, "bridge.observers", f"bridge.observers {TABLES}", Outside.FILES),
    Room(5, "bridge.carriers.registry", f"bridge.carriers {TABLES}"),
    Room(4, "bridge.carriers.shared", CARRIER),
    Room(4, "bridge.carriers.*", f"{OWN} {CARRIER}"),
    Room(5, "bridge.carriers", ""),
    Room(5, "bridge.assistants.registry", f"bridge.assistants {TABLES}"),
    Room(4, "bridge.assistants.shared", ASSISTANT),
    Room(4, "bridge.assistants.*", f"{OWN} {ASSISTANT}"),
    Room(5, "bridge.assistants", ""),
    Room(3, "bridge.settings", TABLES),
    Room(2, "bridge.core", RULES),
    Room(1, "bridge.vocabulary", "bridge.vocabulary telecodecs.format"),
    Room(0, "bridge.redaction", ""),
    Room(0, "telecodecs", "telecodecs"),
    Room(0, "bridge", ""),
]
"""Of the rows that fit a module the first one holds. Nobody imports upwards, and no carrier sees another one or the core."""

CODEC_LIBRARIES = {"G722", "av", "numpy", "soxr", "webrtcvad"}

FILES = {"os", "ssl", "datetime", "structlog"}

OUTSIDE_WORLD = {
    *FILES,
    *("aiohttp", "picows", "uvloop", "websockets"),
    *("asyncio", "concurrent", "multiprocessing", "threading", "subprocess", "signal"),
    *("time", "zoneinfo", "random", "secrets", "uuid"),
    *("socket", "socketserver", "select", "selectors"),
    "logging",
    "importlib",  # it would hide an import from this file
}
"""Clock, chance, environment, I/O and log. A room without them is told what it needs to know, and replays the same."""

ENVIRONMENT = {"environ", "environb", "getenv", "getenvb", "putenv", "unsetenv"}
READS_ENVIRONMENT = "bridge.config.settings"

NO_FIELD_TERMS = {"manager", "handler", "helper", "util", "common", "base", "misc"}


def fits(name: str, folders: str) -> bool:
    """A folder stands for itself and all in it, `folder.*` for what is in it; `bridge` for the package alone."""
    return any(
        name == folder or (folder != "bridge" and name.startswith(f"{folder.removesuffix('.*')}."))
        for folder in folders.split()
    )


def room_of(module: str) -> Room | None:
    room = next((room for room in HOUSE if fits(module, room.folders)), None)
    own = ".".join(module.split(".")[:3])
    return room and room._replace(may_import=room.may_import.replace(OWN, own))


def imports(
    module: str, is_package: bool, tree: ast.Module, house: Mapping[str, object]
) -> Iterator[tuple[str, int]]:
    """Each imported module with its line. `from package import name`: `package.name`, where the house has it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            source = node.module or ""
            if node.level:
                here = module.split(".")
                above = here[: len(here) + is_package - node.level]
                source = ".".join([*above, source]).rstrip(".")
            for alias in node.names:
                inner = f"{source}.{alias.name}"
                yield (inner if inner in house else source), node.lineno


def may_import(room: Room, name: str) -> bool:
    top = name.partition(".")[0]
    if top in PACKAGES:
        return fits(name, room.may_import)
    if room.floor == 0 and top not in sys.stdlib_module_names and top not in CODEC_LIBRARIES:
        return False
    match room.outside:
        case Outside.NOTHING:
            return top not in OUTSIDE_WORLD
        case Outside.FILES:
            return top not in OUTSIDE_WORLD - FILES
        case Outside.ALL:
            return True


def floor_of(name: str) -> str:
    room = room_of(name)
    return f"floor {room.floor}" if room else "from outside"


def breaches(sources: Mapping[str, str]) -> list[str]:
    """What breaks the table, one line each; `sources` is the whole house by module name, packages as `x.__init__`."""
    house = {name.removesuffix(".__init__"): source for name, source in sources.items()}
    packages = {name.removesuffix(".__init__") for name in sources if name.endswith(".__init__")}
    found = []
    for module, source in house.items():
        room = room_of(module)
        if room is None:
            found.append(f"{module}: is in no row of the table; give it a floor")
            continue
        tree = ast.parse(source)
        for name, line in imports(module, module in packages, tree, house):
            if not may_import(room, name):
                found.append(f"{module}:{line} (floor {room.floor}) may not import {name} ({floor_of(name)})")
        if module != READS_ENVIRONMENT:
            found += [
                f"{module}:{line} reads the environment; only {READS_ENVIRONMENT} may" for line in reads(tree)
            ]
    return found


def reads(tree: ast.Module) -> Iterator[int]:
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(attr=name) if name in ENVIRONMENT:
                yield node.lineno
            case ast.ImportFrom(module="os", names=names) if ENVIRONMENT & {alias.name for alias in names}:
                yield node.lineno


def badly_named(path: Path) -> bool:
    words = {word.rstrip("s") for part in path.with_suffix("").parts for word in part.split("_")}
    return bool(words & NO_FIELD_TERMS)


def sources_of_the_house() -> dict[str, str]:
    return {
        ".".join(path.relative_to(root).with_suffix("").parts): path.read_text(encoding="utf-8")
        for root, package in zip(SOURCE_ROOTS, PACKAGES, strict=True)
        for path in sorted((root / package).rglob("*.py"))
    }


def python_files(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


def test_every_import_keeps_to_its_floor() -> None:
    sources = sources_of_the_house()
    assert {
        "bridge.__init__",
        "bridge.vocabulary.events",
        "telecodecs.__init__",
        "telecodecs.format",
    } <= sources.keys()
    assert not breaches(sources)


@pytest.mark.parametrize(
    "folder", ["bridge/cli", "bridge/config", "bridge/shell", "bridge/core", "bridge/observers"]
)
def test_only_its_folder_and_the_registries_name_a_carrier(folder: str) -> None:
    texts = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in python_files(folder)}
    assert texts
    assert not [path for path, text in texts.items() for name in CARRIERS if name in text.lower()]


def test_every_module_tells_its_job() -> None:
    assert not [
        name for name, source in sources_of_the_house().items() if not ast.get_docstring(ast.parse(source))
    ]


def test_files_bear_the_words_of_the_field() -> None:
    files = [path.relative_to(ROOT) for path in python_files("bridge", "codecs")]
    assert not [str(path) for path in files if badly_named(path)]


def test_no_file_is_too_long() -> None:
    lengths = {
        path: len(path.read_bytes().splitlines()) for path in python_files("bridge", "codecs", "tests")
    }
    too_long = {
        str(path.relative_to(ROOT)): lines for path, lines in lengths.items() if lines > LONGEST_FILE_LINES
    }
    assert not too_long


def test_no_test_folder_is_a_package() -> None:
    assert not list((ROOT / "tests").rglob("__init__.py"))


# What the checks above must refuse: a check that cannot fail is no check.

HOUSE_OF_CARDS = {
    "bridge.__init__": "",
    "bridge.assistants.__init__": "",
    "bridge.assistants.echo": "",
    "bridge.assistants.registry": "",
    "bridge.assistants.shared.__init__": "",
    "bridge.carriers.__init__": "",
    "bridge.carriers.registry": "",
    "bridge.carriers.shared.wire_kind": "",
    "bridge.carriers.telnyx.__init__": "",
    "bridge.carriers.telnyx.stream": "",
    "bridge.carriers.twilio.stream": "",
    "bridge.config.settings": "",
    "bridge.core.call": "",
    "bridge.core.playout": "",
    "bridge.observers.journal": "",
    "bridge.redaction": "",
    "bridge.settings.table": "",
    "bridge.shell.server": "",
    "bridge.shell.session": "",
    "bridge.simulators.demo": "",
    "bridge.vocabulary.events": "",
    "telecodecs.__init__": "",
    "telecodecs.format": "",
    "telecodecs.g711": "",
}

TELNYX, ECHO = "bridge.carriers.telnyx.stream", "bridge.assistants.echo"

REFUSED = [
    # upwards
    ("telecodecs.g711", "import bridge.vocabulary.events", "bridge.vocabulary.events (floor 1)"),
    ("bridge.redaction", "import telecodecs.format", "telecodecs.format (floor 0)"),
    ("bridge.vocabulary.events", "from bridge.core.call import Call", "bridge.core.call (floor 2)"),
    ("bridge.core.call", "from bridge.settings.table import Section", "bridge.settings.table (floor 3)"),
    ("bridge.core.call", "from bridge.shell.session import Session", "bridge.shell.session (floor 6)"),
    ("bridge.settings.table", "from bridge.config import settings", "bridge.config.settings (floor 5)"),
    ("bridge.config.settings", "from bridge.shell import server", "bridge.shell.server (floor 6)"),
    ("bridge.shell.session", "from bridge.simulators import demo", "bridge.simulators.demo (floor 7)"),
    ("bridge.shell.session", "import bridge", "bridge (floor 0)"),
    # a neighbour
    (TELNYX, "from bridge.assistants.echo import Echo", "bridge.assistants.echo (floor 4)"),
    (TELNYX, "from bridge.carriers import twilio", "bridge.carriers (floor 5)"),
    (TELNYX, "from bridge.carriers.twilio import stream", "bridge.carriers.twilio.stream (floor 4)"),
    (TELNYX, "from ...assistants import echo", "bridge.assistants.echo (floor 4)"),
    (ECHO, "from . import registry", "bridge.assistants.registry (floor 5)"),
    ("bridge.observers.journal", "import bridge.tools", "bridge.tools (floor 4)"),
    # past the contracts
    (TELNYX, "from bridge.core.playout import Playout", "bridge.core.playout (floor 2)"),
    (
        "bridge.core.call",
        "from bridge.carriers.telnyx.stream import X",
        "bridge.carriers.telnyx.stream (floor 4)",
    ),
    # a codec where only the format is known
    ("bridge.vocabulary.events", "from telecodecs.g711 import x", "telecodecs.g711 (floor 0)"),
    ("bridge.vocabulary.events", "from telecodecs import g711", "telecodecs.g711 (floor 0)"),
    ("bridge.vocabulary.events", "import telecodecs", "telecodecs (floor 0)"),
    # the outside world
    ("telecodecs.g711", "import msgspec", "msgspec (from outside)"),
    ("telecodecs.g711", "import numpy, threading", "threading (from outside)"),
    ("bridge.vocabulary.events", "from datetime import datetime", "datetime (from outside)"),
    ("bridge.core.playout", "from time import monotonic", "time (from outside)"),
    (TELNYX, "import aiohttp.web", "aiohttp.web (from outside)"),
    (ECHO, "import os.path", "os.path (from outside)"),
    ("bridge.core.call", "import structlog", "structlog (from outside)"),
    ("bridge.core.call", "import random", "random (from outside)"),
    ("bridge.observers.journal", "import asyncio", "asyncio (from outside)"),
    ("bridge.config.settings", "import picows", "picows (from outside)"),
    # hidden
    ("bridge.core.call", "def f() -> None:\n    import asyncio", "asyncio (from outside)"),
    (
        "bridge.core.call",
        "if TYPE_CHECKING:\n    from bridge.shell.session import X",
        "bridge.shell.session (floor 6)",
    ),
    ("bridge.core.call", "try:\n    import uvloop\nexcept ImportError:\n    pass", "uvloop (from outside)"),
]

ALLOWED = [
    (
        "telecodecs.g711",
        "import math\nimport numpy as np\nfrom telecodecs.format import X\nfrom . import format",
    ),
    ("bridge.vocabulary.events", "from msgspec import Struct\nfrom telecodecs import format"),
    ("bridge.core.playout", "from bridge.vocabulary.events import PlayAudio\nimport telecodecs.g711"),
    (TELNYX, "from ..shared import wire_kind\nfrom ...vocabulary.events import PlayAudio\nimport msgspec"),
    ("bridge.core.call", "from bridge.core.playout import Playout\nfrom bridge.vocabulary import events"),
    ("bridge.observers.journal", "import os\nimport structlog\nfrom bridge.core import playout"),
    ("bridge.shell.session", "import asyncio\nimport time\nimport picows\nfrom bridge.core.call import Call"),
    ("bridge.shell.server", "import aiohttp\nfrom bridge.carriers import registry, telnyx"),
    ("bridge.carriers.registry", "from bridge.carriers.telnyx.stream import X\nfrom . import telnyx"),
    ("bridge.config.settings", "import os\nhome = os.environ['HOME']\nkey = os.getenv('KEY')"),
]


@pytest.mark.parametrize(("module", "source", "refused"), REFUSED)
def test_refuses_and_names_both(module: str, source: str, refused: str) -> None:
    (breach,) = breaches(HOUSE_OF_CARDS | {module: source})
    assert breach.startswith(f"{module}:")
    assert breach.endswith(f"may not import {refused}")


@pytest.mark.parametrize(("module", "source"), ALLOWED)
def test_allows(module: str, source: str) -> None:
    assert not breaches(HOUSE_OF_CARDS | {module: source})


@pytest.mark.parametrize(
    "read", ["import os\nos.environ", "import os as o\no.getenv('X')", "from os import environ"]
)
def test_refuses_to_read_the_environment(read: str) -> None:
    (breach,) = breaches(HOUSE_OF_CARDS | {"bridge.shell.server": read})
    assert "reads the environment" in breach


@pytest.mark.parametrize(
    "module", ["bridge.dashboard", "bridge.call.states", "bridge.carriers_extra", "bridge.utilities.x"]
)
def test_refuses_a_module_without_a_floor(module: str) -> None:
    assert breaches(HOUSE_OF_CARDS | {module: ""}) == [
        f"{module}: is in no row of the table; give it a floor"
    ]


@pytest.mark.parametrize(
    "path",
    [
        "bridge/utils.py",
        "bridge/call_manager.py",
        "bridge/base/x.py",
        "bridge/core/helpers.py",
        "codecs/helpers.py",
    ],
)
def test_refuses_a_name_from_no_field(path: str) -> None:
    assert badly_named(Path(path))


@pytest.mark.parametrize(
    "path", ["bridge/call.py", "bridge/baseband.py", "bridge/__main__.py", "bridge/status.py"]
)
def test_accepts_a_name_of_the_field(path: str) -> None:
    assert not badly_named(Path(path))
