"""Looks up a call that should ask us how it goes on, and does not: it may be over without a word of it.

Units: seconds. No clock: `now` is passed in.
"""

from collections.abc import Callable, Mapping
from typing import Any

from bridge.carriers.shared.document_words import DocumentApi
from bridge.carriers.shared.webhooks import CallHost
from bridge.vocabulary.errors import CarrierRefused

ASKS_S = 5.0
"""How long a call whose stream we closed may take to ask how it goes on; then it is looked up."""

BACK_S = 1.0
"""The same for a call whose person has left: it asks at once, or it is over. And from one look to the next."""

MOST_LOOKS = 4
"""After so many looks at a call that is there, and does not ask, it is stuck."""


class SilentCall:
    """Whether one call is there. `stuck`: called when it is, and does not ask. `watched`: called when `at` is set.

    Without an account for requests (`api`: None) a call that does not ask is taken to be over after a while.
    """

    def __init__(
        self,
        host: CallHost,
        api: DocumentApi | None,
        call_id: str,
        stuck: Callable[[float], None],
        watched: Callable[[], None],
    ) -> None:
        self.at: float | None = None
        """When `look` wants to be called."""
        self.is_redirected = False
        """A request is on its way that makes it ask. A document that it is given before is broken off by that."""
        self._host = host
        self._api = api
        self._call_id = call_id
        self._stuck = stuck
        self._watched = watched
        self._looks = 0

    def look_in(self, wait_s: float, now: float) -> None:
        """Look, unless it asks before."""
        self.at = now + wait_s
        self._watched()

    def is_made_to_ask(self, now: float) -> None:
        """The carrier was requested to have it ask."""
        self.is_redirected = self._api is not None
        self.look_in(ASKS_S, now)

    def asks(self) -> None:
        """It asks: there is nothing to look for."""
        self.at, self._looks, self.is_redirected = None, 0, False

    def look(self, now: float) -> None:
        """Look whether the call is there."""
        self.at = None
        if not self._host.is_under_way(self._call_id):
            return
        self._looks += 1
        if self._api is not None:
            self._host.send(self._api.look_up(self._call_id), self._found, self._found)
        elif self._looks < MOST_LOOKS:
            self.look_in(ASKS_S, now)
        else:
            self._host.call_ended(self._call_id)

    def _found(self, found: Mapping[str, Any] | CarrierRefused, now: float) -> None:
        assert self._api is not None, "it was asked"
        if not self._looks or not self._host.is_under_way(self._call_id):  # it has asked meanwhile
            return
        if self._api.is_over(found):
            self._host.call_ended(self._call_id)
        elif self._looks < MOST_LOOKS:
            self.look_in(BACK_S, now)
        else:
            self._looks = 0
            self._stuck(now)
