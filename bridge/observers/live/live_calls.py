"""All calls under way in one process, and what their watchers are told: server-sent events, four times a second.

What is told at a look is made once, however many watch. Of many calls not everything fits: what a call's state is comes
first, and levels and words take turns, so that a watcher of all calls gets at most about `MOST_BYTES` at a look. Whoever
watches one call gets all of it. No clock: it is passed in. Nothing is done for a frame while nobody watches.
"""

from collections.abc import Callable, Iterator
from datetime import datetime

from msgspec import Struct, json, structs

from bridge.observers.live.levels import Frame, levels_of
from bridge.observers.live.live_call import LiveCall, Shown
from bridge.observers.live.spoken import Speaker
from bridge.observers.live.view import Calls, CallView
from bridge.vocabulary.call_facts import Facts

LOOK_S = 0.25
"""From one look to the next, while somebody watches."""

MOST_BYTES = 3_400
"""Told at one look to whoever watches all calls: 0.8 MB in a minute."""

LEVEL_BYTES, TEXT_BYTES = 1_600, 900
"""The parts of it that levels and words may have where there is much of everything."""

MOST_TEXT = 200
"""Letters of one call's words that whoever watches all calls is told at a look: the last ones."""

Words = dict[LiveCall, list[tuple[Speaker, str]]]
"""What was said, by call."""

Take = Callable[[bytes], None]
"""Is given the next events, as they are sent."""


class Ended(Struct, frozen=True):
    """A call is over. `reason`: who ended it."""

    id: str
    reason: str


class Text(Struct, frozen=True):
    """Somebody said something."""

    id: str
    speaker: str
    text: str


def event(name: str, data: object) -> bytes:
    """One server-sent event (HTML, 9.2.5); `data`: JSON, or what becomes JSON."""
    body = data if isinstance(data, bytes) else json.encode(data)
    return b"event: %s\ndata: %s\n\n" % (name.encode(), body)


class Watch:
    """Somebody who watches. `call_id`: one call alone; empty: all of them."""

    def __init__(self, take: Take, call_id: str) -> None:
        self.take = take
        self.call_id = call_id


class LiveCalls:
    """Those of one process. `clock`: the sessions' clock, in seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.watched: Callable[[bool], None] = lambda _: None
        """Called with True when somebody begins to watch, and with False when nobody watches any more."""
        self.share = 1.0
        """The part of `MOST_BYTES` that whoever watches all calls may be told: with other processes beside this one."""
        self.began: Callable[[str, str], None] = lambda _carrier, _id: None
        """Called with the carrier and the id of each call whose stream has started."""
        self._clock = clock
        self._calls: dict[str, LiveCall] = {}
        self._watches: list[Watch] = []
        self._changed: dict[LiveCall, None] = {}
        self._spoke: dict[LiveCall, None] = {}
        self._told: dict[LiveCall, CallView] = {}  # what watchers of all know
        self._levels: dict[str, tuple[int, int]] = {}  # as they were told last
        self._turn = 0  # whose levels come next

    def begin(
        self,
        carrier: str,
        call: Shown,
        began: datetime,
        facts: Facts = Facts(),  # noqa: B008  # frozen
        *,
        direction: str = "",
        route: str = "",
    ) -> LiveCall:
        """A call's socket was let in: its observer. It is shown once its stream has started."""
        return LiveCall(carrier, call, began, facts, direction=direction, route=route, owner=self)

    def __len__(self) -> int:
        return len(self._calls)

    @property
    def watches(self) -> tuple[Watch, ...]:
        """Those who watch."""
        return tuple(self._watches)

    def find(self, call_id: str) -> LiveCall | None:
        """The call of this id."""
        return self._calls.get(call_id)

    def calls(self) -> Calls:
        """All calls as they are now."""
        now = self._clock()
        return Calls(tuple(call.view(now) for call in self._calls.values()))

    # Told by the calls

    def started(self, call: LiveCall) -> None:
        """See `Owner`. Another stream of a call that goes on takes its place."""
        before = self._calls.get(call.id)
        if before is not None:
            self._forget(before)
        self._calls[call.id] = call
        self.began(call.carrier, call.id)
        if self._watches:
            self._changed[call] = None
            self._attend(call)

    def changed(self, call: LiveCall) -> None:
        """See `Owner`."""
        if self._watches and self._calls.get(call.id) is call:
            self._changed[call] = None

    def spoke(self, call: LiveCall) -> None:
        """See `Owner`."""
        if self._watches and self._calls.get(call.id) is call:
            self._spoke[call] = None

    def ended(self, call: LiveCall) -> None:
        """See `Owner`."""
        if self._calls.get(call.id) is not call:
            return
        del self._calls[call.id]
        if self._watches:
            self._tell_end(call)
        self._forget(call)

    def _forget(self, call: LiveCall) -> None:
        self._changed.pop(call, None)
        self._spoke.pop(call, None)
        self._told.pop(call, None)
        self._levels.pop(call.id, None)

    # Watchers

    def watch(self, take: Take, call_id: str = "") -> Watch:
        """Begin to watch: `take` is given a snapshot at once, and then what happens. See `unwatch`."""
        watch = Watch(take, call_id)
        is_first = not self._watches
        self._watches.append(watch)
        if is_first:
            self._begin_to_watch()
        for call in self._calls.values():
            self._attend(call)
        take(self.snapshot(call_id))
        return watch

    def unwatch(self, watch: Watch) -> None:
        """No longer watch. To end it twice does no harm."""
        if watch not in self._watches:
            return
        self._watches.remove(watch)
        for call in self._calls.values():
            self._attend(call)
        if not self._watches:
            self._changed.clear()
            self._spoke.clear()
            self._told.clear()
            self._levels.clear()
            self.watched(False)

    def _begin_to_watch(self) -> None:
        """What was said before is no news."""
        now = self._clock()
        for call in self._calls.values():
            call.spoken.take()
            self._told[call] = call.view(now)
        self.watched(True)

    def _attend(self, call: LiveCall) -> None:
        """Have this call keep what its watchers are told."""
        call.listen(on=bool(self._watches))
        call.read(on=any(watch.call_id == call.id for watch in self._watches))

    def snapshot(self, call_id: str = "") -> bytes:
        """The event with which a stream begins. `call_id`: of one call alone."""
        now = self._clock()
        calls = [call for call in self._calls.values() if call_id in ("", call.id)]
        return event("snapshot", Calls(tuple(call.view(now) for call in calls)))

    # A look

    def look(self) -> None:
        """Tell the watchers what has happened since the last look."""
        if not self._watches:
            return
        now = self._clock()
        views = dict(self._new_views(now))
        texts = dict(self._new_words())
        levels = self._measure(now)
        alone = {watch.call_id for watch in self._watches if watch.call_id}
        parts = {one: self._of_one(one, views, texts, levels) for one in alone}
        if any(not watch.call_id for watch in self._watches):
            parts[""] = self._of_all(views, texts, levels)
        for watch in [*self._watches]:
            if part := parts[watch.call_id]:
                watch.take(part)

    def _new_views(self, now: float) -> Iterator[tuple[LiveCall, CallView]]:
        """The views that differ from what was told: as many as fit, those of another state before others."""
        late: dict[LiveCall, CallView] = {}
        room = self.share * (MOST_BYTES - LEVEL_BYTES - TEXT_BYTES)
        for call in [*self._changed]:
            view, told = call.view(now), self._told.get(call)
            if told is not None and _same(view, told):
                del self._changed[call]
            elif told is None or _state(view) != _state(told):
                room -= 500
                del self._changed[call]
                self._told[call] = view
                yield call, view
            else:
                late[call] = view
        for call, view in late.items():
            if room <= 0 and not self._is_alone(call):
                continue
            room -= 500
            del self._changed[call]
            self._told[call] = view
            yield call, view

    def _is_alone(self, call: LiveCall) -> bool:
        return any(watch.call_id == call.id for watch in self._watches)

    def _new_words(self) -> Iterator[tuple[LiveCall, list[tuple[Speaker, str]]]]:
        """What was said: of those who spoke the first ones, as many as fit; the others come at the next look."""
        room = self.share * TEXT_BYTES
        for call in [*self._spoke]:
            if room > 0 or self._is_alone(call):
                del self._spoke[call]
                said = call.spoken.take()
                room -= sum(min(len(text), MOST_TEXT) + len(call.id) + 70 for _, text in said[-2:])
                yield call, said

    def _measure(self, now: float) -> dict[str, tuple[int, int]]:
        """The levels that have changed, of all calls."""
        frames: list[Frame] = []
        calls = [call for call in self._calls.values() if call.frames is not None]
        for call in calls:
            assert call.frames is not None
            frames += call.frames.frames(now)
        levels = levels_of(frames)
        found = {call.id: (levels[2 * n], levels[2 * n + 1]) for n, call in enumerate(calls)}
        return {one: pair for one, pair in found.items() if self._levels.get(one) != pair}

    def _of_one(
        self,
        call_id: str,
        views: dict[LiveCall, CallView],
        texts: Words,
        levels: dict[str, tuple[int, int]],
    ) -> bytes:
        """All of one call."""
        parts = [event("call", view) for call, view in views.items() if call.id == call_id]
        if (call := self._calls.get(call_id)) is not None:
            parts += [event("word", line) for line in call.take_lines()]
            parts += [event("text", Text(call_id, *said)) for said in texts.get(call, ())]
        if call_id in levels:
            parts.append(event("levels", {call_id: levels[call_id]}))
        return b"".join(parts)

    def _of_all(
        self,
        views: dict[LiveCall, CallView],
        texts: Words,
        levels: dict[str, tuple[int, int]],
    ) -> bytes:
        """Of all calls what fits."""
        parts = [event("call", view) for view in views.values()]
        parts += [
            event("text", Text(call.id, speaker, said[-MOST_TEXT:]))
            for call, all_said in texts.items()
            for speaker, said in all_said[-2:]
        ]
        if chosen := self._some_levels(levels, self.share * MOST_BYTES - sum(map(len, parts))):
            parts.append(event("levels", chosen))
        return b"".join(parts)

    def _some_levels(self, levels: dict[str, tuple[int, int]], room: float) -> dict[str, tuple[int, int]]:
        """As many as fit into so many bytes; those that did not fit come first at the next look."""
        room = min(max(room, self.share * LEVEL_BYTES / 2), self.share * LEVEL_BYTES)
        ids = [*levels]
        start = self._turn % len(ids) if ids else 0
        chosen: dict[str, tuple[int, int]] = {}
        for one in ids[start:] + ids[:start]:
            room -= len(one) + 12
            if room < 0:
                break
            chosen[one] = self._levels[one] = levels[one]
        self._turn += len(chosen)
        return chosen

    def _tell_end(self, call: LiveCall) -> None:
        """A call is over: its last words and lines come before its end, which watchers of it alone are told at once."""
        call.spoken.end()
        texts = b"".join(event("text", Text(call.id, *said)) for said in call.spoken.take())
        lines = b"".join(event("word", line) for line in call.take_lines())
        ended = event("ended", Ended(call.id, call.reason))
        for watch in [*self._watches]:
            if watch.call_id in ("", call.id):
                watch.take((lines if watch.call_id else b"") + texts + ended)


def _state(view: CallView) -> tuple[object, ...]:
    return view.state, view.assistant, view.held, view.muted, view.parties


def _same(view: CallView, told: CallView) -> bool:
    return structs.replace(view, duration_s=told.duration_s) == told
