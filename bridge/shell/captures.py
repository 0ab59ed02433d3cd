"""Begins the captures of one server's calls: where the settings ask for them, and of calls whose trace is kept in memory."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path

from bridge.config.settings import Settings
from bridge.observers.call_file import CallFile, Encrypt, FileQueue
from bridge.observers.capture import Capture, CapturedCall, CaptureRules, TraceFile
from bridge.observers.trace import SUFFIX
from bridge.shell.kept_traces import KeptTrace, KeptTraces
from bridge.shell.session import clock
from bridge.shell.setups import Setup


class Captures:
    """`files`: writes the files. `encrypt`: what is done with one that is complete. `kept`: traces that stay in memory."""

    def __init__(
        self, settings: Settings, files: FileQueue, encrypt: Encrypt | None, kept: KeptTraces
    ) -> None:
        table = settings.capture
        self._directory = table.directory
        self._files = files
        self._encrypt = encrypt
        self._kept = kept
        self._rules = CaptureRules(table.assistant, table.unmasked, version("voicebridge-server"))

    def begin(self, call: CapturedCall, setup: Setup, call_id: str) -> Capture | None:
        """The capture of a call with these settings, whose socket opens now; None where nothing is captured.

        A trace that is kept in memory has the assistant's side, and then its file has it, too.
        """
        kept = self._kept.find(call.carrier, call_id)
        if self._directory is None and kept is None:
            return None
        started = datetime.now(UTC)
        kinds = setup.settings.assistant_kinds
        return Capture(
            call,
            started.isoformat(timespec="seconds"),
            self._rules if kept is None else self._rules._replace(has_assistant=True),
            partial(self._file, self._directory, started, kept),
            lambda name: kinds.get(name, ""),
            clock,
        )

    def _file(
        self, directory: Path | None, started: datetime, kept: KeptTrace | None, call_id: str
    ) -> TraceFile:
        files: list[TraceFile] = [] if kept is None else [kept]
        if directory is not None:
            files.append(CallFile(directory, call_id, started, SUFFIX, self._files, self._encrypt))
        return files[0] if len(files) == 1 else _Both(files)


class _Both:
    """The same trace in two places."""

    def __init__(self, files: Sequence[TraceFile]) -> None:
        self._files = files

    def append(self, content: bytes) -> None:
        for file in self._files:
            file.append(content)

    def close(self) -> None:
        for file in self._files:
            file.close()

    def give_up(self, why: str) -> None:
        for file in self._files:
            file.give_up(why)
