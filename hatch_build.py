"""The README as package indexes show it: they have no files beside it, so its links and pictures must be absolute.

Where the addresses are not set in pyproject.toml, links become plain text and pictures are left out.
"""

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

RELATIVE = r"\((?!https?:|mailto:|#)([^)]+)\)"
PICTURE = re.compile(r"!\[([^]]*)\]" + RELATIVE)
LINK = re.compile(r"(?<!!)\[([^]]*)\]" + RELATIVE)
WHERE = "\nThe documents that this page names are in the source distribution, and in a checkout.\n"


class ReadmeHook(MetadataHookInterface):
    """Called by hatchling for `dynamic = ["readme"]`."""

    PLUGIN_NAME = "custom"

    def update(self, metadata: dict[str, Any]) -> None:
        """Set the README of the distribution."""
        text = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        packaged = packaged_readme(text, self.config.get("pages", ""), self.config.get("pictures", ""))
        metadata["readme"] = {"content-type": "text/markdown", "text": packaged}


def packaged_readme(text: str, pages: str, pictures: str) -> str:
    """`pages` and `pictures`: the addresses of the checkout's root, with a slash at the end; empty if not known."""
    text = PICTURE.sub(rf"![\1]({pictures}\2)" if pictures else "", text)
    if pages:
        return LINK.sub(rf"[\1]({pages}\2)", text)
    return LINK.sub(r"\1", text) + WHERE
