"""The gate for `response.create`: at most one request is in flight and one waits; it knows the responses that are open.

    idle ──ask──▶ requested ──response.created──▶ active ──response.done──▶ idle
                      └──refused: one is active──▶ active, and the request waits again

The server's turn detection makes responses of its own at any moment. A response to our request is recognized by our event
id, which comes back in its metadata. Of a server that sends no metadata back, a new response is assumed to be ours, until
the server refuses our request. A request is sent at the next `advance`, which is to be called after every event and at
`deadline()`. No clock: `now` is seconds.
Wire: OpenAI, "Realtime API", `response.create`, `response.created`, `response.done`, and the error
`conversation_already_has_active_response`.
"""

from collections.abc import Callable, Mapping, Set
from enum import StrEnum
from math import inf
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from bridge.assistants.openai_realtime.wire import create_response
from bridge.assistants.shared.scripted_responses import Purpose, ScriptedResponse
from bridge.vocabulary.errors import LimitExceeded

CREATED_S = 5.0
"""How long we wait for `response.created`. Then the request is sent once more; after as long again we give up."""

BLOCKED_S = 5.0
"""How long we assume that a response is active which we never saw, or which we cut and whose end does not come."""

MOST_OPEN = 64
"""Responses that may be open at a time. A server makes one in the conversation, and few outside of it."""

MOST_ACKNOWLEDGED = 1_000
"""Items of ours that are known to be in the conversation; older ones are forgotten."""


class GateState(StrEnum):
    """The state of the gate."""

    IDLE = "idle"
    REQUESTED = "requested"
    ACTIVE = "active"


class Request(Struct, frozen=True):
    """A response that we want. `fields`: those of `response.create` that differ from the session's."""

    purpose: Purpose = Purpose.REPLY
    fields: Mapping[str, Any] = {}
    items: frozenset[str] = frozenset()
    """Items of ours that it should answer: any response that is made after them does so."""
    tried: bool = False
    """Whether it was asked for once more, because it failed in a way that does not depend on time."""

    @property
    def is_aside(self) -> bool:
        """Whether it is outside of the conversation: neither the server's turn detection nor a plain cancel stops it."""
        return self.purpose is Purpose.FILLER


def scripted(response: ScriptedResponse, tools: Mapping[str, Any] = {}) -> Request:
    """The request for a scripted response: its instructions take the place of the session's.

    `tools`: the fields of a response that may call tools, where they differ from the session's.
    """
    fields: dict[str, Any] = {"instructions": response.instructions}
    if response.may_call_tools:
        fields |= tools
    else:
        fields["tool_choice"] = "none"
    if response.purpose is Purpose.FILLER:
        fields |= {"conversation": "none", "input": []}
    return Request(response.purpose, fields)


class ResponseGate:
    """The gate of one session. `new_id`: the next id for an event of ours."""

    def __init__(self, new_id: Callable[[], str]) -> None:
        self._new_id = new_id
        self._waiting: Request | None = None
        self._not_before: float | None = None  # the pause after a failure
        self._held_until: float | None = None  # the caller's turn; inf while its end is not known
        self._blocked_until: float | None = None  # by a response that we never saw
        self._sent: Request | None = None
        self._sent_at = 0.0
        self._repeated = False
        self._unwanted = False  # the request in flight is not wanted any more ...
        self._superseded = False  # ... because another response answers the same items
        self._last = Request()  # the request that was sent as `_event_id`
        self._event_id = ""
        self.open: dict[str, Request] = {}
        """The responses that are being made, by id. Only the gate changes them."""
        self._cut: dict[
            str, float | None
        ] = {}  # open responses that were interrupted; when they should end, once that is known
        self._assumed_ours: str | None = None  # the open response that we assume to be ours ...
        self._items_when_assumed: frozenset[str] = frozenset()  # ... and the items of ours that it may answer
        self._echoes_metadata = False  # the server has sent our metadata back
        self._acknowledged: dict[str, None] = {}  # the latest
        self.gave_up = False
        """Whether a request and its repetition got no `response.created`."""

    @property
    def state(self) -> GateState:
        """ACTIVE also while the server makes a response of its own and our request is in flight."""
        if self.open or self._blocked_until is not None:
            return GateState.ACTIVE
        return GateState.IDLE if self._sent is None else GateState.REQUESTED

    @property
    def is_free(self) -> bool:
        """Whether no response is open, requested or wanted, and it is not the caller's turn."""
        return self.state is GateState.IDLE and self._waiting is None and self._held_until is None

    @property
    def in_flight(self) -> Request | None:
        """The request that was sent and has no `response.created` yet."""
        return self._sent

    def concerns(self, purpose: Purpose) -> bool:
        """Whether a response with this purpose is wanted, requested, or being made."""
        requests = (self._waiting, self._sent, *self.open.values())
        return any(request is not None and request.purpose is purpose for request in requests)

    # What we want

    def ask(self, request: Request) -> None:
        """Want a response as soon as one may be requested. Requests that wait become one."""
        if not request.is_aside:
            self._not_before = None
        self._waiting = _coalesced(self._waiting, request)

    def ask_again(self, request: Request, at: float) -> None:
        """A response failed: want it again, not before `at`; together with what waits by now, at once."""
        if self._waiting is None:
            self._not_before = at
        self._waiting = _coalesced(request, self._waiting)

    def drop_retry(self) -> None:
        """The caller speaks in the pause before a retry: scripted words are left out. A reply waits on: the server's
        own response to the caller supersedes it.
        """
        if self._waiting is None or self._not_before is None:
            return
        if self._waiting.purpose not in (Purpose.REPLY, Purpose.FAREWELL):
            self._waiting = self._not_before = None

    def interrupt(self) -> None:
        """The caller interrupts: the request in flight is unwanted, and so is one that waits, unless it is a reply."""
        self._unwanted = self._sent is not None
        self._cut = {response_id: self._cut.get(response_id) for response_id in self.open}
        if self._waiting is not None and self._waiting.purpose is not Purpose.REPLY:
            self._waiting = None

    def hold(self, until: float) -> None:
        """The caller's turn, at most until then: the server's response to it comes first, and may supersede what waits."""
        self._held_until = until

    def release(self) -> None:
        """The caller's turn is over, and the server will not answer it by itself."""
        self._held_until = None

    # Events of the server

    def acknowledge(self, item_id: str) -> None:
        """An item of ours is in the conversation: responses made from now on answer it."""
        self._acknowledged[item_id] = None
        if len(self._acknowledged) > MOST_ACKNOWLEDGED:
            del self._acknowledged[next(iter(self._acknowledged))]

    def created(self, response_id: str, client_event_id: str | None) -> bool:
        """A response is being made. False if it is ours and unwanted by now: it should be cancelled."""
        self._blocked_until = None
        if response_id in self.open:
            return True
        if len(self.open) >= MOST_OPEN:
            raise LimitExceeded(f"more than {MOST_OPEN} responses at once")
        unwanted = self._unwanted
        if client_event_id is not None and client_event_id == self._event_id:
            self._echoes_metadata = True
            self.open[response_id] = self._last
            if self._assumed_ours is not None and self._assumed_ours in self.open:
                self.open[self._assumed_ours] = Request()
            self._sent = self._assumed_ours = None
            return self._is_wanted(response_id, unwanted=unwanted)
        if self._sent is not None and not self._echoes_metadata and not unwanted:
            self._assumed_ours, self._items_when_assumed = response_id, frozenset(self._acknowledged)
            self.open[response_id], self._sent = self._sent, None
            return True
        if self._sent is not None and not self._echoes_metadata and self._held_until in (None, inf):
            self.open[response_id], self._sent = (
                self._sent,
                None,
            )  # by itself it answers only the end of a turn
            return self._is_wanted(response_id, unwanted=True)
        self.open[response_id] = Request()
        self._held_until = None
        self._supersede()
        return True

    def _is_wanted(self, response_id: str, *, unwanted: bool) -> bool:
        if unwanted:
            self._cut[response_id] = None
        return not unwanted

    def _supersede(self) -> None:
        """The server answers by itself: that supersedes our replies, if it is made after their items."""
        if _is_superseded(self._waiting, self._acknowledged.keys()):
            self._waiting = self._not_before = None
        if _is_superseded(self._sent, self._acknowledged.keys()):
            self._unwanted = self._superseded = True

    def done(self, response_id: str, client_event_id: str | None) -> Request | None:
        """A response has ended. Returns its request; None if it was not known to be open."""
        request = self.open.pop(response_id, None)
        self._cut.pop(response_id, None)
        if request is None and client_event_id is not None and client_event_id == self._event_id:
            request, self._sent = self._sent, None
        if self._assumed_ours == response_id:
            self._assumed_ours = None
        self._blocked_until = None
        return request

    def refused(self, event_id: str | None, response_id: str | None, now: float) -> None:
        """Our request was refused because a response is active: it waits again, unless that response supersedes it."""
        if self._sent is None and self._assumed_ours is None:
            if event_id is None and self.open:  # the server's own request, for the caller's turn
                if self._held_until != inf:
                    self.release()
                self.ask(Request())
            return
        if event_id not in (None, self._event_id):
            return
        if self._assumed_ours is not None:
            self.open[self._assumed_ours] = Request()
            self._unwanted = self._superseded = _is_superseded(self._last, self._items_when_assumed)
            self._assumed_ours = None
            if self._held_until != inf:
                self._held_until = None  # that response was the answer to the caller's turn
        self._sent = None
        is_reply = self._last.purpose is Purpose.REPLY
        if not self._superseded and not self._last.is_aside and (is_reply or not self._unwanted):
            self._waiting = _coalesced(self._last, self._waiting)
        if not self.open:
            self._blocked_until = now + BLOCKED_S
            if response_id is not None:
                self.open[response_id] = Request()

    def rejected(self, event_id: str | None) -> Request | None:
        """An error names this event. Returns the request if it was the one in flight and is still wanted."""
        if event_id is None or event_id != self._event_id or self._sent is None:
            return None
        request, self._sent = self._sent, None
        return None if self._unwanted else request

    def rejected_unnamed(self) -> Request | None:
        """An error that names no event is about a response. The same, if no response is open that it may be about."""
        return None if self.open else self.rejected(self._event_id)

    def request_of(self, response_id: str) -> Request | None:
        """What a response was asked for, as far as it is known; some servers do not name or announce responses."""
        if response_id in self.open:
            return self.open[response_id]
        if not self.open:
            return self._sent
        return next(iter(self.open.values())) if not response_id and len(self.open) == 1 else None

    # Time

    def deadline(self) -> float | None:
        """When `advance` wants to be called, at the latest."""
        due = [at for at in self._cut.values() if at is not None]
        if self._sent is not None:
            due.append(self._sent_at + CREATED_S)
        elif self._waiting is not None:
            due += [at for at in self._obstacles() if at < inf]
        return min(due, default=None)

    def overdue(self, now: float) -> list[str]:
        """Responses that were interrupted and whose end should have come by now: treat them as `done`."""
        for response_id, due in self._cut.items():
            self._cut[response_id] = now + BLOCKED_S if due is None else due
        return [response_id for response_id, due in self._cut.items() if due is not None and now >= due]

    def advance(self, now: float) -> list[str]:
        """The `response.create` that may be sent by now, if any."""
        if self._sent is not None and now >= self._sent_at + CREATED_S:
            return self._unanswered(now)
        if self._blocked_until is not None and now >= self._blocked_until:
            self._blocked_until = None
            self.open.clear()
        if self._held_until is not None and now >= self._held_until:
            self._held_until = None
        if self._not_before is not None and now >= self._not_before:
            self._not_before = None
        if self._waiting is None or self._sent is not None or self.open or self._obstacles():
            return []
        self._last, self._waiting = self._waiting, None
        self._event_id = self._new_id()
        self._repeated = False
        return self._send(now)

    def _obstacles(self) -> list[float]:
        """When each reason not to send ends."""
        return [at for at in (self._not_before, self._held_until, self._blocked_until) if at is not None]

    def _send(self, now: float) -> list[str]:
        self._sent, self._sent_at = self._last, now
        self._unwanted = self._superseded = False
        return [create_response(self._last.fields, self._event_id)]

    def _unanswered(self, now: float) -> list[str]:
        request, self._sent = self._sent, None
        assert request is not None
        if self._unwanted or request.is_aside:
            return self.advance(now)
        if self.open:
            self._waiting = _coalesced(request, self._waiting)
        elif self._repeated:
            self.gave_up = True
        else:
            self._repeated = True
            return self._send(now)
        return []


def _coalesced(older: Request | None, newer: Request | None) -> Request | None:
    """One request in place of two. The farewell stays; a filler gives way; a prompt gives way to a reply; two replies
    become one; otherwise the newer one stays.
    """
    if older is None or newer is None:
        return older or newer
    if older.purpose is Purpose.FAREWELL or newer.is_aside:
        return older
    if older.purpose is Purpose.REPLY and newer.purpose is Purpose.PROMPT:
        return older
    if older.purpose is newer.purpose is Purpose.REPLY:
        return replace(newer, items=older.items | newer.items)
    return newer


def _is_superseded(request: Request | None, known: Set[str]) -> bool:
    """Whether a response that was made when these items were in the conversation supersedes a request."""
    return request is not None and request.purpose is Purpose.REPLY and request.items <= known
