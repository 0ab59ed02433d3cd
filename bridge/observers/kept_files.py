"""The files of calls that are kept: which of a folder are ours, which of these are too old, and which are one call's.

A file's name says when its call began, in UTC, and which call it is; see `call_file.stem`. All other files are left alone.
"""

import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bridge.observers.call_file import call_name

_OURS = re.compile(r"(\d{8}T\d{6})-[A-Za-z0-9_-]{0,80}\.(wav|jsonl|trace\.jsonl)(\.age)?(\.part)?", re.ASCII)
_BEHIND = r"(-\d{1,2})?(-truncated)?\.(wav|jsonl|trace\.jsonl)(\.age)?(\.part)?"


def started_at(name: str) -> datetime | None:
    """When the call of this file began; None if the file is not ours."""
    found = _OURS.fullmatch(name)
    if found is None:
        return None
    try:
        return datetime.strptime(found[1], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    except ValueError:  # the 30th of February
        return None


def is_too_old(name: str, days: int, now: datetime) -> bool:
    """Whether a file of this name is one of ours whose call began more than `days` ago."""
    started = started_at(name)
    return started is not None and started < now - timedelta(days=days)


def is_of_call(name: str, call_id: str) -> bool:
    """Whether a file of this name is one of ours, of this call: also the second one of a second, and one without its end."""
    return started_at(name) is not None and bool(
        re.fullmatch(re.escape(call_name(call_id)) + _BEHIND, name[len("20260101T000000-") :])
    )


def names_in(directory: Path) -> Iterator[str]:
    """The names of the regular files of a folder, in no order; none if it cannot be read."""
    try:
        with os.scandir(directory) as entries:
            yield from (entry.name for entry in entries if entry.is_file(follow_symlinks=False))
    except OSError:
        return
