"""What watches a call beside its log: the health of its assistants, figures, the journal, the recording."""

from datetime import UTC, datetime

from bridge.carriers.shared.webhooks import ExpectedCall
from bridge.config.settings import Settings
from bridge.core.call import Call
from bridge.observers.call_file import FileQueue
from bridge.observers.carrier_log import CarrierLog
from bridge.observers.journal import Journal
from bridge.observers.recording import Recording
from bridge.observers.room_recording import RoomRecording
from bridge.observers.word_log import WordLog
from bridge.shell.encryption import Encryptions
from bridge.shell.metrics.process_metrics import ProcessMetrics
from bridge.shell.setups import Setup
from bridge.vocabulary.contracts import Observer


class CallObservers:
    """Those of one server. `settings`: what holds until it stops."""

    def __init__(
        self, settings: Settings, files: FileQueue, encryptions: Encryptions, metrics: ProcessMetrics
    ) -> None:
        self._settings = settings
        self._files = files
        self._encryptions = encryptions
        self._metrics = metrics

    def of(self, setup: Setup, call: Call, carrier: str, expected: ExpectedCall) -> list[Observer]:
        """The observers of a new call. The briefing of a person is not recorded, and does not count as a call."""
        is_briefing = bool(expected.briefs)
        started = datetime.now(UTC)
        observers: list[Observer] = [setup.switchboard.health.observer(), CarrierLog()]
        if not is_briefing:
            assistants = setup.settings.assistants
            observers.append(
                self._metrics.observer(
                    carrier,
                    expected.direction,
                    lambda name: assistants[name].tools if name in assistants else (),
                )
            )
        if setup.settings.log_level == "debug":
            observers.append(WordLog(lambda: call.state))
        if (directory := self._settings.journal.directory) is not None:
            observers.append(Journal(directory, started, self._files, self._encryptions.journal))
        if (directory := self._settings.recording.directory) is not None:
            recording = Recording(directory, started, self._files, self._encryptions.recording)
            observers.append(RoomRecording(recording) if is_briefing else recording)
        return observers
