"""Finds the files of one call, of one that is over as well: they are in the folders of the settings, by their names.

Its methods wait for the disk, so they are called in a thread.
"""

from pathlib import Path
from typing import NamedTuple

from bridge.config.settings import Settings
from bridge.observers.call_file import call_name
from bridge.observers.kept_files import is_of_call, names_in

ENCRYPTED = ".age"


class CallFiles(NamedTuple):
    """The newest files of a call. `encrypted`: which of the two cannot be shown because they are."""

    journal: Path | None = None
    recording: Path | None = None
    encrypted: tuple[str, ...] = ()


def find_files(settings: Settings, call_id: str) -> CallFiles:
    """Find the files of this call; None where there is none, or none that can be read."""
    journal, has_encrypted_journal = _newest(settings.journal.directory, call_id, ".jsonl")
    recording, has_encrypted_recording = _newest(settings.recording.directory, call_id, ".wav")
    encrypted = {"journal": has_encrypted_journal, "recording": has_encrypted_recording}
    return CallFiles(
        journal, recording, tuple(name for name, is_encrypted in encrypted.items() if is_encrypted)
    )


def _newest(directory: Path | None, call_id: str, suffix: str) -> tuple[Path | None, bool]:
    """The newest plain file; and whether there are encrypted ones alone."""
    if directory is None:
        return None, False
    ours = [
        name
        for name in names_in(directory)
        if suffix in name and call_name(call_id) in name and is_of_call(name, call_id)
    ]
    if suffix == ".jsonl":
        ours = [name for name in ours if ".trace." not in name]
    plain = [name for name in ours if name.endswith(suffix)]
    return (directory / max(plain) if plain else None), bool(ours) and not plain
