"""The calls under way on one server: each has one stream that can be spoken into, and what ends it is looked up here.

A stream is known by the carrier's name for it once it has said `start`. Of two streams of one call that can be spoken
into, the newer one has the call as soon as its `start` proves that it is that call; a stream that is only listened to
ends nothing.
"""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import structlog

from bridge.carriers.shared.webhooks import ExpectedCall, StreamKind
from bridge.core.call import Call
from bridge.observers.capture import Capture
from bridge.observers.stream_end import StreamEndObserver
from bridge.shell.close_frames import NORMAL_CLOSURE
from bridge.shell.recent_keys import RecentKeys
from bridge.shell.returning_stream import ReturningStream
from bridge.shell.session import Session
from bridge.shell.setups import Setup
from bridge.shell.tokens import MediaToken
from bridge.shell.websocket import SocketLeg
from bridge.vocabulary.contracts import Account
from bridge.vocabulary.events import CallStarted, Event, Word

MOST_FORMER = 10_000
"""Names of streams that have started that are remembered; then the oldest go."""

REPLACED = "another stream has the call"

log = structlog.get_logger()


@dataclass(slots=True, eq=False)
class ActiveCall:
    """A call under way. `token`: None where nobody announced the call."""

    carrier: str
    kind: StreamKind
    expected: ExpectedCall
    token: MediaToken | None
    session: Session
    leg: SocketLeg
    end: StreamEndObserver
    setup: Setup
    call_id: str
    """As it was announced, or as `start` says; empty as long as nobody said it."""
    stream_id: str = ""
    """The stream that has started last, as `stream_key` has it; empty before `start`."""
    one_way: bool = False
    returning: ReturningStream | None = None
    """A socket that came with this call's token, and has not said `start`."""
    capture: Capture | None = None
    """What writes its messages, if anything does."""

    @property
    def is_away(self) -> bool:
        """Whether its stream broke, and may return."""
        return self.end.end is not None

    def close_returning(self, why: str) -> None:
        """Close the socket that waits to take the call over."""
        if self.returning is not None:
            self.returning.close(why)
            self.returning = None


def stream_key(stream_id: str) -> str:
    """A carrier's name for a stream, to be compared: the letters of a UUID come in either case."""
    return stream_id.lower()


class StartObserver:
    """Tells that a stream of one call has started; a `start` that the call refuses is none."""

    sees: frozenset[type[Word]] = frozenset({CallStarted})

    def __init__(self, call: Call, started: Callable[[CallStarted], None]) -> None:
        self._call = call
        self._started = started

    def saw(self, word: Word, now: float) -> None:
        """Before the call gets it."""
        if isinstance(word, CallStarted) and not self._call.refusal(word):
            self._started(word)

    def close(self, now: float, account: Account) -> None:
        """Nothing starts any more."""
        self._started = _ignore


def _ignore(_event: CallStarted) -> None:
    """The call is over."""


class ActiveCalls:
    """All of them. `idle`: set while there is none."""

    def __init__(self) -> None:
        self.idle = asyncio.Event()
        self.idle.set()
        self.changed: Callable[[], None] = lambda: None
        """Called when a call is added or removed."""
        self._active: dict[Session, ActiveCall] = {}
        self._by_call: dict[tuple[str, str], list[ActiveCall]] = {}
        self._former = RecentKeys(MOST_FORMER)
        """The streams that have started last."""

    def __len__(self) -> int:
        return len(self._active)

    def __iter__(self) -> Iterator[ActiveCall]:
        return iter(list(self._active.values()))

    def add(self, active: ActiveCall) -> None:
        """A call's socket was let in. Another one of the same call that has not started yet gives way to it."""
        for other in self.streams_of(active.carrier, active.call_id) if active.call_id else ():
            if (other.kind, other.stream_id) == (active.kind, "") and active.kind == "media":
                self._replace(other)
        self.idle.clear()
        active.setup.calls += 1
        self._active[active.session] = active
        self._by_call.setdefault((active.carrier, active.call_id), []).append(active)
        self.changed()

    def remove(self, session: Session) -> ActiveCall | None:
        """A call is over; None where another stream has it."""
        active = self._active.pop(session, None)
        if active is not None:
            self._unname(active)
            active.setup.calls -= 1
            active.close_returning("its call is over")
        if not self._active:
            self.idle.set()
        self.changed()
        return active

    def with_token(self, token: MediaToken) -> ActiveCall | None:
        """The call whose stream may return with this token."""
        found = (one for one in self._active.values() if one.expected.returns_s and one.token == token)
        return next(found, None)

    def streams_of(self, carrier: str, call_id: str) -> list[ActiveCall]:
        """The streams of this call."""
        return [*self._by_call.get((carrier, call_id), ())]

    def with_call(self, carrier: str, call_id: str) -> ActiveCall | None:
        """The call of this name that has a session: of several streams of it the one that has started."""
        found = [one for one in self.streams_of(carrier, call_id) if one.kind == "media" and not one.one_way]
        return max(found, key=lambda one: bool(one.stream_id), default=None)

    def tell(self, carrier: str, call_id: str, event: Event) -> None:
        """Hand an event to the session of this call, if it has one."""
        if (active := self.with_call(carrier, call_id)) is not None:
            active.session.handle(event)

    def close_stream(self, carrier: str, call_id: str, why: str) -> None:
        """Close the media socket of this call; its session goes on if it can without."""
        if (active := self.with_call(carrier, call_id)) is not None:
            active.leg.close(NORMAL_CLOSURE, why)

    def has_started(self, carrier: str, stream_id: str) -> bool:
        """Whether this stream said `start`, lately or long ago."""
        return self._former.has((carrier, stream_key(stream_id)))

    def started(self, session: Session, start: CallStarted) -> ActiveCall:
        """A stream said `start`, and is the call's: what had the call before is closed. Returns the call."""
        active = self._active[session]
        self._unname(active)
        active.call_id, active.stream_id, active.one_way = (
            start.call_id,
            stream_key(start.stream),
            start.one_way,
        )
        self._by_call.setdefault((active.carrier, active.call_id), []).append(active)
        self.note_stream(active.carrier, start.stream)
        for other in () if start.one_way else self.streams_of(active.carrier, start.call_id):
            if other is not active and other.stream_id and not other.one_way:
                self._replace(other)
        return active

    def note_stream(self, carrier: str, stream_id: str) -> None:
        """Remember that this stream was there."""
        self._former.add((carrier, stream_key(stream_id)))

    def _unname(self, active: ActiveCall) -> None:
        """It is no longer among the streams of its call."""
        key = active.carrier, active.call_id
        streams = self._by_call[key]
        streams.remove(active)
        if not streams:
            del self._by_call[key]

    def _replace(self, other: ActiveCall) -> None:
        """End a session whose call goes on elsewhere, in a callback of its own: nothing hangs the call up."""
        log.warning("= a stream gave way to a newer one of its call", call_id=other.call_id)
        del self._active[other.session]
        self._unname(other)
        other.setup.calls -= 1
        other.close_returning(REPLACED)
        other.leg.close(1000, REPLACED)
        asyncio.get_running_loop().call_soon(partial(other.session.break_off, REPLACED))
