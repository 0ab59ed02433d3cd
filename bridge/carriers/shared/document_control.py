"""The control of a call that follows documents, where nothing but a handover can be done beside its stream."""

from bridge.carriers.shared.supervised_document_call import SupervisedDocumentCall
from bridge.vocabulary.commands import ControlCommand
from bridge.vocabulary.contracts import StreamEnd


class DocumentControl:
    """See `contracts.CallControl`."""

    def __init__(self, documents: SupervisedDocumentCall) -> None:
        self.can: frozenset[type[ControlCommand]] = documents.controls
        self._documents = documents

    def perform(self, command: ControlCommand, now: float) -> None:
        """Have the documents do it."""
        self._documents.control(command, now)

    def hang_up(self, _end: StreamEnd, _now: float) -> None:
        """The call ends with its stream, or with its `<Dial>`: what follows them hangs up."""
        self._documents.session_over()
