"""All calls of one carrier on one server that follow documents, by the handles in their webhooks' addresses.

Units: seconds. No clock: `now` is passed in.
"""

from collections import OrderedDict
from collections.abc import Mapping
from itertools import islice

from bridge.carriers.shared.dial_documents import hang_up_document
from bridge.carriers.shared.document_call import DocumentCall, Place
from bridge.carriers.shared.webhooks import STREAM_BROKE, STREAM_STOPPED, XML, CallHost, WebhookAnswer

MOST = 10_000
"""Handles kept at a time; a call has one, and some more when it is put through. Then the oldest go whose calls are over."""

NOBODY = WebhookAnswer(200, hang_up_document(), XML)
"""For a leg that nobody knows any more."""


class DocumentCalls:
    """The calls by handle, and by the carrier's id."""

    def __init__(self, host: CallHost) -> None:
        self._host = host
        self._by_handle: OrderedDict[str, DocumentCall] = OrderedDict()
        self._by_id: dict[str, DocumentCall] = {}
        self._watched: set[DocumentCall] = set()

    def register(self, handle: str, call: DocumentCall) -> None:
        """The webhooks with this handle are this call's."""
        if len(self._by_handle) >= MOST:
            self._forget_oldest()
        self._by_handle[handle] = self._by_id[call.call_id] = call

    def watch(self, call: DocumentCall) -> None:
        """This call has set `look_at`."""
        self._watched.add(call)

    def _forget_oldest(self) -> None:
        for handle, call in list(islice(self._by_handle.items(), MOST // 100)):
            if self._host.is_under_way(call.call_id):
                self._by_handle.move_to_end(handle)
                continue
            del self._by_handle[handle]
            if self._by_id.get(call.call_id) is call:
                del self._by_id[call.call_id]

    def find(self, handle: str) -> DocumentCall | None:
        """The call of this handle, or of a leg with it."""
        return self._by_handle.get(handle)

    def own(self, handle: str, call_id: str) -> DocumentCall | None:
        """The call of this handle, if the webhook is its own."""
        call = self._by_handle.get(handle)
        return call if call is not None and call.call_id == call_id else None

    def is_expected_end(self, form: Mapping[str, str]) -> bool:
        """Whether a form tells of the end of a stream that its call does without: that ends nothing."""
        call = self._by_id.get(form.get("CallSid", ""))
        ends = form.get("StreamEvent") in {STREAM_STOPPED, *STREAM_BROKE}
        return ends and call is not None and call.place is not Place.STREAM

    def person(self, handle: str, form: Mapping[str, str], now: float) -> WebhookAnswer:
        """The webhook of a person's leg. One that nobody knows any more is hung up on."""
        if (call := self._by_handle.get(handle)) is None:
            return NOBODY
        document = call.person(handle, form, now)
        return WebhookAnswer(200, document, XML) if document else WebhookAnswer()

    def leg_next(self, handle: str) -> WebhookAnswer:
        """The leg of a person asks how it goes on."""
        call = self._by_handle.get(handle)
        return NOBODY if call is None else WebhookAnswer(200, call.leg_next(handle), XML)

    def room(self, handle: str, form: Mapping[str, str], now: float) -> WebhookAnswer:
        """The webhook of a conference."""
        if (call := self._by_handle.get(handle)) is not None:
            call.room(handle, form, now)
        return WebhookAnswer()

    def deadline(self) -> float | None:
        """When `due` wants to be called."""
        return min((call.look_at for call in self._watched if call.look_at is not None), default=None)

    def due(self, now: float) -> None:
        """Look at the calls whose time has come."""
        due = [call for call in self._watched if call.look_at is None or call.look_at <= now]
        self._watched.difference_update(due)
        for call in due:
            if call.look_at is not None:
                call.look(now)
