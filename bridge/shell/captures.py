"""Begins the captures of one server's calls, where the settings ask for them."""

from datetime import UTC, datetime
from importlib.metadata import version

from bridge.config.settings import Settings
from bridge.observers.call_file import Encrypt, FileQueue
from bridge.observers.capture import Capture, CapturedCall, CaptureRules
from bridge.shell.session import clock
from bridge.shell.setups import Setup


class Captures:
    """`files`: writes the files. `encrypt`: what is done with one that is complete."""

    def __init__(self, settings: Settings, files: FileQueue, encrypt: Encrypt | None) -> None:
        table = settings.capture
        self._files = files
        self._encrypt = encrypt
        self._rules = (
            None
            if table.directory is None
            else CaptureRules(table.directory, table.assistant, table.unmasked, version("voicebridge-server"))
        )

    def begin(self, call: CapturedCall, setup: Setup) -> Capture | None:
        """The capture of a call with these settings, whose socket opens now; None where nothing is captured."""
        if self._rules is None:
            return None
        kinds = setup.settings.assistant_kinds
        return Capture(
            call,
            datetime.now(UTC),
            self._rules,
            lambda name: kinds.get(name, ""),
            clock,
            self._files,
            self._encrypt,
        )
