"""The control of a call that follows documents, where nothing but a handover can be done beside its stream."""

from bridge.carriers.shared.document_call import DocumentCall
from bridge.vocabulary.commands import ControlCommand, PressKeys
from bridge.vocabulary.contracts import StreamEnd


class DocumentControl:
    """See `contracts.CallControl`."""

    def __init__(self, documents: DocumentCall) -> None:
        self.can: frozenset[type[ControlCommand]] = frozenset(documents.can)
        self._documents = documents

    def perform(self, command: ControlCommand, now: float) -> None:
        """Have the documents do it."""
        assert not isinstance(command, PressKeys), "it is not among those that it can"
        self._documents.perform(command, now)

    def hang_up(self, _end: StreamEnd, _now: float) -> None:
        """The call ends with its stream, or with its `<Dial>`: what follows them hangs up."""
        self._documents.session_over()
