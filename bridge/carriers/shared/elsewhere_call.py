"""A call that follows documents, and that the carrier can take elsewhere by itself: into a queue, or to another line.

Both are as a `<Dial>` to the call: it asks `back` when it is out of there. Nobody there has a leg that we know of.
Units: seconds. No clock: `now` is passed in.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from bridge.carriers.shared.called_people import CalledPeople
from bridge.carriers.shared.dial_verdict import Dial
from bridge.carriers.shared.document_call import DocumentCall, Place
from bridge.carriers.shared.elsewhere_verdict import InQueue, Referral
from bridge.vocabulary.people import EnterQueue, PersonCommand, ReferCaller, ReleasePerson

ELSEWHERE: frozenset[type[PersonCommand]] = frozenset({EnterQueue, ReferCaller})
"""The commands that it performs beside those of `DocumentCall`. They need no request."""


class ElsewhereCall(DocumentCall):
    """See `DocumentCall`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.can |= ELSEWHERE

    def perform(self, command: PersonCommand, now: float) -> None:
        """Do what the core commands."""
        match command:
            case EnterQueue():
                dial: Dial = InQueue(*self._elsewhere(command.request_id), is_room=False, since=now)
                document = partial(self._words.queue, command.queue, self._address("back", dial.handle))
                self._go_on(dial, document, now, listens=False)
            case ReferCaller():
                dial = Referral(*self._elsewhere(command.request_id), is_room=False)
                document = partial(self._words.refer, command.to, self._address("back", dial.handle))
                self._go_on(dial, document, now, listens=False)
            case ReleasePerson(person_leg="") if isinstance(self._dial, InQueue | Referral):
                self._take_out(now)
            case _:
                super().perform(command, now)

    def _elsewhere(self, request_id: str) -> tuple[str, CalledPeople]:
        called = self._begin({}, request_id)
        self._may_return = True
        return self._new_handle(), called

    def _take_out(self, now: float) -> None:
        """The call is about to end: it is not left where the carrier has taken it."""
        self._dial = self._pending = None
        if self.place is Place.DIAL:
            self._redirect(now)

    def back(self, handle: str, form: Mapping[str, str], now: float) -> str:
        """It is out of the `<Dial>`, the queue, or the referral: how does it go on?"""
        dial = self._dial
        if isinstance(dial, Referral) and dial.handle == handle and dial.is_done(form):
            self._then, self._may_return = None, False  # the caller talks elsewhere: nothing comes after it
        return super().back(handle, form, now)
