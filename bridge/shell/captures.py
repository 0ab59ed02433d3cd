"""Begins the captures of one server's calls, where the settings ask for them."""

from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path

from bridge.config.settings import Settings
from bridge.observers.call_file import CallFile, Encrypt, FileQueue
from bridge.observers.capture import Capture, CapturedCall, CaptureRules
from bridge.observers.trace import SUFFIX
from bridge.shell.session import clock
from bridge.shell.setups import Setup


class Captures:
    """`files`: writes the files. `encrypt`: what is done with one that is complete."""

    def __init__(self, settings: Settings, files: FileQueue, encrypt: Encrypt | None) -> None:
        table = settings.capture
        self._directory = table.directory
        self._files = files
        self._encrypt = encrypt
        self._rules = CaptureRules(table.assistant, table.unmasked, version("voicebridge-server"))

    def begin(self, call: CapturedCall, setup: Setup) -> Capture | None:
        """The capture of a call with these settings, whose socket opens now; None where nothing is captured."""
        if self._directory is None:
            return None
        started = datetime.now(UTC)
        kinds = setup.settings.assistant_kinds
        return Capture(
            call,
            started.isoformat(timespec="seconds"),
            self._rules,
            partial(self._file, self._directory, started),
            lambda name: kinds.get(name, ""),
            clock,
        )

    def _file(self, directory: Path, started: datetime, call_id: str) -> CallFile:
        return CallFile(directory, call_id, started, SUFFIX, self._files, self._encrypt)
