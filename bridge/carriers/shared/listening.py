"""The stream that listens to a caller and a person beside the documents of one call.

It goes on from one document to the next, until a document ends it. No clock.
"""

from bridge.carriers.shared.dial_documents import stop_listening_document
from bridge.carriers.shared.document_words import DocumentWords
from bridge.carriers.shared.webhooks import CallHost, ExpectedCall


class Listening:
    """That of the call `call_id`."""

    def __init__(self, host: CallHost, words: DocumentWords, call_id: str) -> None:
        self._host = host
        self._words = words
        self._call_id = call_id
        self._is_asked_for = False  # and not ended by us

    def begin(self, document: str) -> str:
        """The document, with the begin of the stream in front of it; as it is where the stream goes on."""
        if self._is_asked_for:
            return document
        self._is_asked_for = True
        return self._words.listen(
            document, self._host.expect(ExpectedCall(self._call_id, listens=True), "listen")
        )

    def end(self, document: str) -> str:
        """The document, with the end of the stream in front of it; as it is where there is none."""
        was_asked_for, self._is_asked_for = self._is_asked_for, False
        return stop_listening_document(document) if was_asked_for else document
