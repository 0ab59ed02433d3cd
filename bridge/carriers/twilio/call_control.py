"""What Twilio can do to a call beside its stream. A new command is one row in `_PERFORM`.

A handover is done by the call's documents, and by REST where a document cannot. Keys that an assistant presses are tones
in the stream, because an update of the call with `<Play digits>` would end the stream (Twilio, "Call resource", "TwiML
Voice: <Play>"). No clock: `now` is passed in.
"""

from collections.abc import Callable
from typing import Any, get_args

from bridge.carriers.shared.document_call import Place
from bridge.carriers.shared.supervised_document_call import SupervisedDocumentCall
from bridge.carriers.shared.webhooks import CallHost
from bridge.carriers.twilio.rest import TwilioApi
from bridge.vocabulary.commands import ControlCommand
from bridge.vocabulary.contracts import StreamEnd
from bridge.vocabulary.people import PersonCommand
from bridge.vocabulary.supervision import SupervisionCommand


class TwilioCallControl:
    """The control of one call; see `contracts.CallControl`.

    `api`: None: no account is set. `ends_with_stream`: nothing follows the stream in the call's TwiML, or what follows
    hangs up, so Twilio ends the call when it sees the stream end. `documents`: those of a call that can go to a person.
    """

    def __init__(
        self,
        host: CallHost,
        api: TwilioApi | None,
        call_id: str,
        *,
        ends_with_stream: bool,
        documents: SupervisedDocumentCall | None = None,
    ) -> None:
        can_person = frozenset() if documents is None else documents.controls
        self.can: frozenset[type[ControlCommand]] = (frozenset(_PERFORM) - _OF_PEOPLE) | can_person
        self._host = host
        self._api = api
        self._call_id = call_id
        self._ends_with_stream = ends_with_stream
        self._documents = documents

    def perform(self, command: ControlCommand, now: float) -> None:
        """Do what this command says, with a document or a request."""
        _PERFORM[type(command)](self, command, now)

    def hang_up(self, end: StreamEnd, _now: float) -> None:
        """End a call that ends with its stream, where Twilio may not have seen the end of the stream.

        Otherwise Twilio ends the call itself, or goes on with what follows in the TwiML. The caller of a stream that
        broke would wait on a silent line until Twilio notices (Twilio, "Media Streams Overview", gives no time).
        """
        has_stream = True
        if self._documents is not None:
            has_stream = self._documents.place is Place.STREAM
            self._documents.session_over()
        if end is StreamEnd.BROKEN and self._ends_with_stream and has_stream and self._api is not None:
            self._host.log("info", "> twilio end call", call_id=self._call_id, why=f"its stream: {end.value}")
            self._host.send(self._api.hang_up(self._call_id))

    def _in_documents(self, command: ControlCommand, now: float) -> None:
        assert self._documents is not None, "without them the command is not among those that it can"
        self._documents.control(command, now)


_OF_PEOPLE: frozenset[type[ControlCommand]] = frozenset(
    get_args(PersonCommand) + get_args(SupervisionCommand)
)

_PERFORM: dict[type[ControlCommand], Callable[[TwilioCallControl, Any, float], None]] = dict.fromkeys(
    _OF_PEOPLE, TwilioCallControl._in_documents
)
"""What does each command; a row is made with `dispatch.on`."""
