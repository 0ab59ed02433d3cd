"""Handles: words in the addresses of webhooks that a carrier is told for one call, such as /CARRIER/next/HANDLE.

A handle names the process that made it, so that its webhooks come there: the carrier's id of a person's leg is not known
before. Nobody can guess one, and a webhook is signed besides.
"""

import re
import uuid

_HANDLE = re.compile(r"([0-9a-f]{8})-[0-9a-f]{32}")


def new_handle(owner: str) -> str:
    """A new one. `owner`: the name of this process, as in its tokens: 8 hexadecimal digits."""
    return f"{owner}-{uuid.uuid4().hex}"


def owner_in(word: str) -> str:
    """The owner that a handle names; empty if it is none of ours."""
    found = _HANDLE.fullmatch(word)
    return found[1] if found else ""
