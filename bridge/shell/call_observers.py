"""The observers of a call that the settings ask for: journal, recording, log, and the health of the assistants."""

from datetime import UTC, datetime

from bridge.config.settings import Settings
from bridge.core.call import Call
from bridge.observers.call_file import FileQueue
from bridge.observers.carrier_log import CarrierLog
from bridge.observers.journal import Journal
from bridge.observers.recording import Recording
from bridge.observers.word_log import WordLog
from bridge.shell.encryption import Encryptions
from bridge.shell.setups import Setup
from bridge.vocabulary.contracts import Observer


def call_observers(
    settings: Settings, setup: Setup, call: Call, files: FileQueue, encryptions: Encryptions, *, records: bool
) -> list[Observer]:
    """Those of one call. `settings`: what holds until the server stops; `setup`: what this call gets.

    `records`: whether it is recorded, where the settings say so.
    """
    started = datetime.now(UTC)
    observers: list[Observer] = [setup.switchboard.health.observer(), CarrierLog()]
    if setup.settings.log_level == "debug":
        observers.append(WordLog(lambda: call.state))
    if (directory := settings.journal.directory) is not None:
        observers.append(Journal(directory, started, files, encryptions.journal))
    if records and (directory := settings.recording.directory) is not None:
        observers.append(Recording(directory, started, files, encryptions.recording))
    return observers
