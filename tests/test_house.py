"""The house rules that a machine can hold: who may import whom, who may read the environment, how files are named.

Imports are read with `ast`, wherever they stand: inside a function or under TYPE_CHECKING they count as well.
"""

import ast
import sys
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent
SOURCE_ROOTS = (ROOT, ROOT / "codecs")
PACKAGES = ("bridge", "telecodecs")

LONGEST_FILE_LINES = 400
"""A third above the 300 that a file should have: past that it does two jobs."""


class Room(NamedTuple):
    """One row of the table: modules of one floor, and the modules of this house that they may import."""

    floor: int
    modules: str
    may_import: str


F0 = "telecodecs telecodecs.*"
F1 = "bridge.events bridge.commands bridge.contracts bridge.errors bridge.assistant_settings bridge.faults bridge.section bridge.api bridge.unread"
PARTS = "bridge.media bridge.playout bridge.keypad bridge.states bridge.timers bridge.transcript"
HEART = "bridge.call bridge.entries bridge.key_tones bridge.presence bridge.caller bridge.conversation bridge.voice bridge.succession"
F4 = "bridge.session bridge.seat bridge.journal bridge.recording bridge.account bridge.journal_line bridge.call_file bridge.story bridge.sealed bridge.journal_keys bridge.key_blanks"
ASSISTANT_FOLDERS = (
    "bridge.assistants.openai_realtime bridge.assistants.openai_realtime.*",
    "bridge.assistants.stream bridge.assistants.stream.*",
    "bridge.assistants.turn_based bridge.assistants.turn_based.*",
)
CARRIER_FOLDERS = (
    "bridge.carriers.telnyx bridge.carriers.telnyx.*",
    "bridge.carriers.twilio bridge.carriers.twilio.*",
)
DIALECTS = "bridge.carriers.* bridge.assistants.*"
REGISTRIES = "bridge.carriers bridge.assistants"
F5 = (
    "bridge.__main__ bridge.cli bridge.demo bridge.server bridge.front_door bridge.network bridge.tokens "
    f"bridge.config bridge.call_settings bridge.routes bridge.config_check bridge.assistant_names bridge.posting bridge.log bridge.timeline bridge.phone bridge.phone.* {REGISTRIES} "
    "bridge.tools bridge.tools.* bridge.webhooks bridge.webhooks.* bridge.reception bridge.carrier_watch bridge.api_client bridge.dial bridge.fake_carrier bridge.fake_telnyx bridge.fake_telnyx.* bridge.fake_twilio bridge.fake_twilio.* bridge.config_layers bridge.dialling bridge.preconnect bridge.switchboard bridge.readiness bridge.fake_openai bridge.fake_openai.* bridge.fake_assistant bridge.fake_assistant.* bridge.check_assistant bridge.check_assistant.*"
)

HOUSE = [
    Room(5, F5, f"bridge {F5} {F4} {HEART} {DIALECTS} {PARTS} {F1} {F0}"),
    Room(4, F4, f"{F4} {HEART} {PARTS} {F1} {F0}"),
    Room(3, HEART, f"{HEART} {PARTS} {F1} {F0}"),
    *(Room(2, folder, f"{folder} {F1} {F0}") for folder in ASSISTANT_FOLDERS),
    *(Room(2, folder, f"{folder} {F1} {F0}") for folder in CARRIER_FOLDERS),
    Room(2, f"{DIALECTS} {PARTS}", f"{F1} {F0}"),
    Room(1, F1, f"{F1} telecodecs.format"),
    Room(0, F0, F0),
    Room(0, "bridge", ""),
]

CODEC_LIBRARIES = {"G722", "av", "numpy", "soxr", "webrtcvad"}

IO_LIBRARIES = {"aiohttp", "picows", "uvloop"}
"""Known on floor 5 only."""

OUTSIDE_WORLD = {
    *IO_LIBRARIES,
    *("asyncio", "concurrent", "multiprocessing", "threading", "subprocess", "signal"),
    *("time", "datetime", "zoneinfo", "random", "secrets", "uuid"),
    *("os", "socket", "socketserver", "select", "selectors", "ssl", "websockets"),
    *("logging", "structlog"),
    "importlib",  # it would hide an import from this file
}
"""Clock, chance, environment, I/O and log: floors 0 to 3 are told what they need to know, and replay the same."""

ENVIRONMENT = {"environ", "environb", "getenv", "getenvb", "putenv", "unsetenv"}
READS_ENVIRONMENT = "bridge.config"

NO_FIELD_TERMS = {"manager", "handler", "helper", "util", "common", "base", "misc"}


def fits(name: str, patterns: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns.split())


def room_of(module: str) -> Room | None:
    return next((room for room in HOUSE if fits(module, room.modules)), None)


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
    if room.floor == 0:
        return top not in OUTSIDE_WORLD and (top in CODEC_LIBRARIES or top in sys.stdlib_module_names)
    if room.floor < 4:
        return top not in OUTSIDE_WORLD
    return room.floor == 5 or top not in IO_LIBRARIES


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
    assert {"bridge.__init__", "bridge.events", "telecodecs.__init__", "telecodecs.format"} <= sources.keys()
    assert not breaches(sources)


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
    "bridge.call": "",
    "bridge.carriers.__init__": "",
    "bridge.carriers.telnyx": "",
    "bridge.config": "",
    "bridge.events": "",
    "bridge.keypad": "",
    "bridge.playout": "",
    "bridge.server": "",
    "bridge.session": "",
    "telecodecs.__init__": "",
    "telecodecs.format": "",
    "telecodecs.g711": "",
}

REFUSED = [
    # upwards
    ("telecodecs.g711", "import bridge.events", "bridge.events (floor 1)"),
    ("bridge.events", "from bridge.call import Call", "bridge.call (floor 3)"),
    ("bridge.playout", "from bridge.call import Call", "bridge.call (floor 3)"),
    ("bridge.call", "from bridge.session import Session", "bridge.session (floor 4)"),
    ("bridge.session", "from bridge import server", "bridge.server (floor 5)"),
    ("bridge.session", "import bridge", "bridge (floor 0)"),
    # a neighbour
    ("bridge.playout", "from bridge.keypad import Keypad", "bridge.keypad (floor 2)"),
    ("bridge.carriers.telnyx", "from bridge.assistants.echo import Echo", "bridge.assistants.echo (floor 2)"),
    ("bridge.carriers.telnyx", "from bridge.carriers import twilio", "bridge.carriers (floor 5)"),
    ("bridge.carriers.telnyx", "from ..assistants import echo", "bridge.assistants.echo (floor 2)"),
    ("bridge.assistants.echo", "from . import CARRIERS", "bridge.assistants (floor 5)"),
    # past the contracts
    ("bridge.call", "from bridge.carriers.telnyx import TelnyxStream", "bridge.carriers.telnyx (floor 2)"),
    ("bridge.session", "import bridge.assistants.echo", "bridge.assistants.echo (floor 2)"),
    ("bridge.session", "from bridge.carriers import CARRIERS", "bridge.carriers (floor 5)"),
    # a codec where only the format is known
    ("bridge.events", "from telecodecs.g711 import ulaw_decode", "telecodecs.g711 (floor 0)"),
    ("bridge.events", "from telecodecs import g711", "telecodecs.g711 (floor 0)"),
    ("bridge.events", "import telecodecs", "telecodecs (floor 0)"),
    # the outside world
    ("telecodecs.g711", "import msgspec", "msgspec (from outside)"),
    ("telecodecs.g711", "import numpy, threading", "threading (from outside)"),
    ("bridge.events", "from datetime import datetime", "datetime (from outside)"),
    ("bridge.playout", "from time import monotonic", "time (from outside)"),
    ("bridge.carriers.telnyx", "import aiohttp.web", "aiohttp.web (from outside)"),
    ("bridge.assistants.echo", "import os.path", "os.path (from outside)"),
    ("bridge.call", "import structlog", "structlog (from outside)"),
    ("bridge.call", "import random", "random (from outside)"),
    ("bridge.session", "import picows", "picows (from outside)"),
    # hidden
    ("bridge.call", "def f() -> None:\n    import asyncio", "asyncio (from outside)"),
    ("bridge.call", "if TYPE_CHECKING:\n    from bridge.session import Session", "bridge.session (floor 4)"),
    ("bridge.call", "try:\n    import uvloop\nexcept ImportError:\n    pass", "uvloop (from outside)"),
]

ALLOWED = [
    (
        "telecodecs.g711",
        "import math\nimport numpy as np\nfrom telecodecs.format import Samples\nfrom . import format",
    ),
    (
        "bridge.events",
        "from msgspec import Struct\nfrom telecodecs import format\nfrom bridge.errors import BridgeError",
    ),
    (
        "bridge.playout",
        "from collections import deque\nfrom bridge.events import PlayAudio\nimport telecodecs.g711",
    ),
    (
        "bridge.carriers.telnyx",
        "from ..contracts import Carrier\nfrom ..events import PlayAudio\nimport msgspec",
    ),
    (
        "bridge.call",
        "from bridge.keypad import Keypad\nfrom bridge import events\nfrom telecodecs.g711 import x",
    ),
    (
        "bridge.session",
        "import asyncio\nimport time\nimport os\nfrom bridge.call import Call\nimport structlog",
    ),
    (
        "bridge.server",
        "import aiohttp\nfrom bridge.carriers import CARRIERS, telnyx\nfrom bridge import session, phone",
    ),
    ("bridge.carriers.__init__", "from bridge.carriers.telnyx import TelnyxStream\nfrom . import telnyx"),
    ("bridge.config", "import os\nhome = os.environ['HOME']\nkey = os.getenv('KEY')"),
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
    (breach,) = breaches(HOUSE_OF_CARDS | {"bridge.server": read})
    assert "reads the environment" in breach


@pytest.mark.parametrize("module", ["bridge.dashboard", "bridge.call.states", "bridge.carriers_extra"])
def test_refuses_a_module_without_a_floor(module: str) -> None:
    assert breaches(HOUSE_OF_CARDS | {module: ""}) == [
        f"{module}: is in no row of the table; give it a floor"
    ]


@pytest.mark.parametrize(
    "path", ["bridge/utils.py", "bridge/call_manager.py", "bridge/base/x.py", "codecs/helpers.py"]
)
def test_refuses_a_name_from_no_field(path: str) -> None:
    assert badly_named(Path(path))


@pytest.mark.parametrize(
    "path", ["bridge/call.py", "bridge/baseband.py", "bridge/__main__.py", "bridge/status.py"]
)
def test_accepts_a_name_of_the_field(path: str) -> None:
    assert not badly_named(Path(path))
