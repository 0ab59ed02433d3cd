"""The gate for `response.create`: one in flight, one that waits, and the responses that are open.

    idle ──ask──▶ requested ──response.created──▶ active ──response.done──▶ idle
                      └──refused: one is active──▶ active, and the request waits again

Beside our requests the server's voice detection makes responses of its own, at any moment; ours are told by the
event id that comes back in their metadata. A server that sends no metadata back is believed to answer us, until it
refuses. No clock: `now` is seconds. What is asked goes out at the next `advance`, which is to be called after every
event and at `deadline()`.
"""

from collections.abc import Callable, Mapping, Set
from enum import StrEnum
from math import inf
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from bridge.assistants.openai_realtime.wire import create_response

CREATED_S = 5.0
"""From our request to `response.created`; then it is made once more, and then we give up."""

BLOCKED_S = 5.0
"""How long we believe that a response is active which we never saw, or whose end we do not see once it was cut."""

RETRY_S = 0.5
"""The pause before a failed response is asked for again."""


class GateState(StrEnum):
    """Where the gate is."""

    IDLE = "idle"
    REQUESTED = "requested"
    ACTIVE = "active"


class Purpose(StrEnum):
    """Why we want a response."""

    REPLY = "reply"
    """To whatever is new in the conversation; those that the server makes by itself count as such."""
    GREETING = "greeting"
    RECOVERY = "recovery"
    PROMPT = "prompt"
    """What the caller is to type; whoever has something newer to say may leave it out."""
    FAREWELL = "farewell"
    FILLER = "filler"
    """Outside of the conversation: neither the server's voice detection nor a plain cancel stops it."""


class Request(Struct, frozen=True):
    """A response that we want. `fields`: what it has other than the session."""

    purpose: Purpose = Purpose.REPLY
    fields: Mapping[str, Any] = {}
    items: frozenset[str] = frozenset()
    """Items of ours that it is to answer: a response that was made after them will do."""
    tried: bool = False
    """It failed once."""

    @property
    def is_aside(self) -> bool:
        """Whether it is outside of the conversation."""
        return self.purpose is Purpose.FILLER


class ResponseGate:
    """One session's. `new_id`: the next name for an event of ours."""

    def __init__(self, new_id: Callable[[], str]) -> None:
        self._new_id = new_id
        self._waiting: Request | None = None
        self._not_before: float | None = None  # the pause after a failure
        self._held_until: float | None = None  # the caller's turn; inf while it is not known when it ends
        self._blocked_until: float | None = None  # by a response that we never saw
        self._sent: Request | None = None
        self._sent_at = 0.0
        self._repeated = False
        self._needless = False  # the one in flight: it is not wanted any more ...
        self._is_covered = False  # ... since another response has_assistant what it is about
        self._last = Request()  # the request that went by `_event_id`
        self._event_id = ""
        self._open: dict[str, Request] = {}
        self._cut: dict[str, float | None] = {}  # open responses that should end; by when, once that is known
        self._presumed: str | None = None  # the open response that we believe to be ours ...
        self._presumed_knew: frozenset[str] = frozenset()  # ... and which items of ours it can be about
        self._echoes = False  # the server was seen to send our metadata back
        self._acknowledged: set[str] = set()
        self.gave_up = False
        """Two requests in a row stayed unanswered."""

    @property
    def state(self) -> GateState:
        """A response of the server's may open while ours is requested: then it is active."""
        if self._open or self._blocked_until is not None:
            return GateState.ACTIVE
        return GateState.IDLE if self._sent is None else GateState.REQUESTED

    @property
    def is_free(self) -> bool:
        """Whether nothing is being made, asked for or waited for, and it is not the caller's turn."""
        return self.state is GateState.IDLE and self._waiting is None and self._held_until is None

    @property
    def open(self) -> Mapping[str, Request]:
        """The responses that are being made, by id."""
        return self._open

    @property
    def in_flight(self) -> Request | None:
        """What was asked for and is not being made yet."""
        return self._sent

    def concerns(self, purpose: Purpose) -> bool:
        """Whether such a response is wanted, asked for, or being made."""
        requests = (self._waiting, self._sent, *self._open.values())
        return any(request is not None and request.purpose is purpose for request in requests)

    # What we want

    def ask(self, request: Request) -> None:
        """Want a response, when it may be had; wishes that wait become one."""
        if not request.is_aside:
            self._not_before = None
        self._waiting = _coalesced(self._waiting, request)

    def retry(self, request: Request, now: float) -> bool:
        """A response failed: want it once more, after a pause. False if it has had its second chance."""
        if request.is_aside:
            return True
        if request.tried:
            return False
        if self._waiting is None:
            self._not_before = now + RETRY_S
        self._waiting = _coalesced(replace(request, tried=True), self._waiting)
        return True

    def interrupt(self) -> None:
        """The caller comes first: what is in flight is unwanted, and of what waits only a reply is still to the point."""
        self._needless = self._sent is not None
        self._cut = {response_id: self._cut.get(response_id) for response_id in self._open}
        if self._waiting is not None and self._waiting.purpose is not Purpose.REPLY:
            self._waiting = None

    def hold(self, until: float) -> None:
        """The caller's turn: its own response comes first, and may cover what waits."""
        self._held_until = until

    def release(self) -> None:
        """The turn is over, and the server will not answer it by itself."""
        self._held_until = None

    # What the server does

    def acknowledge(self, item_id: str) -> None:
        """An item of ours is in the conversation; responses made from now on know it."""
        self._acknowledged.add(item_id)

    def created(self, response_id: str, client_event_id: str | None) -> bool:
        """A response is being made; False if it is ours and unwanted by now."""
        self._blocked_until = None
        if response_id in self._open:
            return True
        needless = self._needless
        if client_event_id is not None and client_event_id == self._event_id:
            self._echoes = True
            self._open[response_id] = self._last
            if self._presumed is not None and self._presumed in self._open:
                self._open[self._presumed] = Request()
            self._sent = self._presumed = None
            return self._is_wanted(response_id, needless=needless)
        if self._sent is not None and not self._echoes and not needless:
            self._presumed, self._presumed_knew = response_id, frozenset(self._acknowledged)
            self._open[response_id], self._sent = self._sent, None
            return True
        if self._sent is not None and not self._echoes and self._held_until in (None, inf):
            self._open[response_id], self._sent = self._sent, None  # of its own it waits for a turn's end
            return self._is_wanted(response_id, needless=True)
        self._open[response_id] = Request()
        self._held_until = None
        self._cover()
        return True

    def _is_wanted(self, response_id: str, *, needless: bool) -> bool:
        if needless:
            self._cut[response_id] = None
        return not needless

    def _cover(self) -> None:
        """The server answers by itself; that serves our plain requests too, if it has_assistant what they are about."""
        if _covered(self._waiting, self._acknowledged):
            self._waiting = self._not_before = None
        if _covered(self._sent, self._acknowledged):
            self._needless = self._is_covered = True

    def done(self, response_id: str, client_event_id: str | None) -> Request | None:
        """A response came to its end; None if it was not known to be open."""
        request = self._open.pop(response_id, None)
        self._cut.pop(response_id, None)
        if request is None and client_event_id is not None and client_event_id == self._event_id:
            request, self._sent = self._sent, None
        if self._presumed == response_id:
            self._presumed = None
        self._blocked_until = None
        return request

    def refused(self, event_id: str | None, response_id: str | None, now: float) -> None:
        """A request was lost, for a response is active: it waits again, unless that response will do."""
        if self._sent is None and self._presumed is None:
            if event_id is None and self._open:  # the server's own, for the caller's turn
                if self._held_until != inf:
                    self.release()
                self.ask(Request())
            return
        if event_id not in (None, self._event_id):
            return
        if self._presumed is not None:
            self._open[self._presumed] = Request()
            self._needless = self._is_covered = _covered(self._last, self._presumed_knew)
            self._presumed = None
            if self._held_until != inf:
                self._held_until = None  # so that one was the answer to the caller's turn
        self._sent = None
        is_reply = self._last.purpose is Purpose.REPLY
        if not self._is_covered and not self._last.is_aside and (is_reply or not self._needless):
            self._waiting = _coalesced(self._last, self._waiting)
        if not self._open:
            self._blocked_until = now + BLOCKED_S
            if response_id is not None:
                self._open[response_id] = Request()

    def rejected(self, event_id: str | None) -> Request | None:
        """An error names this event: the request, if it was the one in flight."""
        if event_id is None or event_id != self._event_id or self._sent is None:
            return None
        request, self._sent = self._sent, None
        return None if self._needless else request

    # What falls due

    def deadline(self) -> float | None:
        """When `advance` wants to be called, at the latest."""
        due = [at for at in self._cut.values() if at is not None]
        if self._sent is not None:
            due.append(self._sent_at + CREATED_S)
        elif self._waiting is not None:
            due += [at for at in self._obstacles() if at < inf]
        return min(due, default=None)

    def overdue(self, now: float) -> list[str]:
        """Responses that were cut, and whose end should have come by now: take it that they are `done`."""
        for response_id, due in self._cut.items():
            self._cut[response_id] = now + BLOCKED_S if due is None else due
        return [response_id for response_id, due in self._cut.items() if due is not None and now >= due]

    def advance(self, now: float) -> list[str]:
        """Send what may be sent by now."""
        if self._sent is not None and now >= self._sent_at + CREATED_S:
            return self._unanswered(now)
        if self._blocked_until is not None and now >= self._blocked_until:
            self._blocked_until = None
            self._open.clear()
        if self._held_until is not None and now >= self._held_until:
            self._held_until = None
        if self._not_before is not None and now >= self._not_before:
            self._not_before = None
        if self._waiting is None or self._sent is not None or self._open or self._obstacles():
            return []
        self._last, self._waiting = self._waiting, None
        self._event_id = self._new_id()
        self._repeated = False
        return self._send(now)

    def _obstacles(self) -> list[float]:
        """Until when something keeps us from asking."""
        return [at for at in (self._not_before, self._held_until, self._blocked_until) if at is not None]

    def _send(self, now: float) -> list[str]:
        self._sent, self._sent_at = self._last, now
        self._needless = self._is_covered = False
        return [create_response(self._last.fields, self._event_id)]

    def _unanswered(self, now: float) -> list[str]:
        request, self._sent = self._sent, None
        assert request is not None
        if self._needless or request.is_aside:
            return self.advance(now)
        if self._open:
            self._waiting = _coalesced(request, self._waiting)
        elif self._repeated:
            self.gave_up = True
        else:
            self._repeated = True
            return self._send(now)
        return []


def _coalesced(older: Request | None, newer: Request | None) -> Request | None:
    """One wish of two: the farewell stays, a filler yields, a prompt to a reply, replies are one, else the newer."""
    if older is None or newer is None:
        return older or newer
    if older.purpose is Purpose.FAREWELL or newer.is_aside:
        return older
    if older.purpose is Purpose.REPLY and newer.purpose is Purpose.PROMPT:
        return older
    if older.purpose is newer.purpose is Purpose.REPLY:
        return replace(newer, items=older.items | newer.items)
    return newer


def _covered(request: Request | None, known: Set[str]) -> bool:
    """Whether a response that was made when these items were in the conversation does for a request."""
    return request is not None and request.purpose is Purpose.REPLY and request.items <= known
