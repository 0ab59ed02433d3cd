"""The files of the page, as they are in the wheel: read once, found by their name alone, each with its ETag.

Nothing is looked up on the disk for a request, so no path can lead out of the folder.
"""

import hashlib
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import NamedTuple

PACKAGE, FOLDER = "bridge", "web"

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
}
"""What is served; a file with another suffix is not."""


class WebFile(NamedTuple):
    """A file. `etag`: as the header has it, with its quotation marks."""

    content: bytes
    content_type: str
    etag: str


@cache
def web_files() -> dict[str, WebFile]:
    """Return all files by their path in the folder, such as `phone/phone.js`."""
    return dict(_read(files(PACKAGE) / FOLDER, ""))


def _read(folder: Traversable, prefix: str) -> list[tuple[str, WebFile]]:
    found = []
    for entry in folder.iterdir():
        suffix = "." + entry.name.rpartition(".")[2]
        if entry.is_dir():
            found += _read(entry, f"{prefix}{entry.name}/")
        elif suffix in TYPES and not entry.name.startswith("."):
            content = entry.read_bytes()
            etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
            found.append((prefix + entry.name, WebFile(content, TYPES[suffix], etag)))
    return found
