"""The calls of all workers as one, in the supervisor: it watches each worker as a viewer would, and shows their feeds as one.

Nothing is asked of a worker while nobody watches. A worker that does not answer in time is left out until it does; the
calls of one that has died are over. No socket, no clock but the time that answers are waited for.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator

from msgspec import DecodeError, Raw, Struct, json

from bridge.observers.call_log import EndedBy
from bridge.observers.live.live_calls import Ended, Take, Watch, event

ANSWERS_S = 2.0
"""How long the answers of workers are waited for."""


class Named(Struct):
    """What of a call's view, or of its end, is looked at here."""

    id: str


class Snapshot(Struct):
    """The calls of one worker, each as it is sent."""

    calls: list[Raw]


_named = json.Decoder(Named)
_snapshot = json.Decoder(Snapshot)


class _Ask:
    """Somebody asks all workers for their calls. `later`: what was told since by those that have answered."""

    def __init__(self, awaited: Iterable[int]) -> None:
        self.awaited = set(awaited)
        self.found: dict[int, list[Raw]] = {}
        self.later: list[bytes] = []
        self._answered = asyncio.Event()
        self.no_longer(-1)

    def answer(self, number: int, calls: list[Raw]) -> None:
        """A worker has answered."""
        if number in self.awaited:
            self.found[number] = calls
            self.no_longer(number)

    def no_longer(self, number: int) -> None:
        """This worker is not waited for."""
        self.awaited.discard(number)
        if not self.awaited:
            self._answered.set()

    async def answered(self, answers_s: float) -> None:
        """Wait for all of them, so long at most."""
        try:
            async with asyncio.timeout(answers_s):
                await self._answered.wait()
        except TimeoutError:
            return

    def calls(self) -> bytes:
        """All calls, as JSON."""
        return json.encode(Snapshot([call for calls in self.found.values() for call in calls]))


class FleetCalls:
    """The calls of one server's workers.

    `ask`: asks all workers for their calls, and returns the numbers of those that were asked. `watch`: has them tell what
    happens, or no longer.
    """

    def __init__(
        self,
        ask: Callable[[], Iterable[int]],
        watch: Callable[[bool], None],
        *,
        answers_s: float = ANSWERS_S,
    ) -> None:
        self.watched: Callable[[bool], None] = lambda _: None
        """Nobody need look: workers do."""
        self._ask_workers = ask
        self._watch_workers = watch
        self._answers_s = answers_s
        self._parts: dict[int, list[bytes]] = {}
        self._calls: dict[int, set[str]] = {}
        self._asks: set[_Ask] = set()
        self._watches: dict[Watch, set[int]] = {}  # with the workers whose calls they do not know
        self._joining: dict[Watch, asyncio.Task[None]] = {}

    @property
    def is_watched(self) -> bool:
        """Whether somebody watches."""
        return bool(self._watches or self._joining)

    async def calls(self) -> bytes:
        """All calls as they are now: `{"calls": […]}`."""
        ask = self._ask()
        try:
            await ask.answered(self._answers_s)
        finally:
            self._asks.discard(ask)
        return ask.calls()

    def _ask(self) -> _Ask:
        ask = _Ask(self._ask_workers())
        self._asks.add(ask)
        return ask

    # What a feed does with them, see `LiveCalls`

    def find(self, call_id: str) -> None:
        """One call's stream is its worker's."""

    def look(self) -> None:
        """Workers look."""

    def watch(self, take: Take, call_id: str = "") -> Watch:
        """Begin to watch: `take` is given a snapshot as soon as the workers have answered, and then what happens."""
        watch = Watch(take, call_id)
        is_first = not self.is_watched
        self._joining[watch] = asyncio.create_task(self._join(watch), name="a viewer joins")
        if is_first:
            self._watch_workers(True)
        return watch

    def unwatch(self, watch: Watch) -> None:
        """No longer watch. To end it twice does no harm."""
        was_watched = self.is_watched
        self._watches.pop(watch, None)
        if (joining := self._joining.pop(watch, None)) is not None:
            joining.cancel()
        if was_watched and not self.is_watched:
            self._calls.clear()
            self._watch_workers(False)

    async def _join(self, watch: Watch) -> None:
        ask = self._ask()
        try:
            await ask.answered(self._answers_s)
        finally:
            self._asks.discard(ask)
        del self._joining[watch]
        self._watches[watch] = ask.awaited
        watch.take(event("snapshot", ask.calls()))
        if ask.later:
            watch.take(b"".join(ask.later))

    # Told by the workers

    def told(self, number: int, part: bytes, *, is_last: bool) -> None:
        """A worker has told a part of whole events."""
        parts = self._parts.setdefault(number, [])
        parts.append(part)
        if not is_last:
            return
        del self._parts[number]
        passed_on: list[bytes] = []
        try:
            for name, data in _events(b"".join(parts)):
                if name == b"snapshot":
                    self._answered(number, _snapshot.decode(data).calls)
                else:
                    self._note(number, name, data)
                    passed_on.append(event(name.decode(), data))
        except (DecodeError, UnicodeDecodeError):  # a part was lost, because the worker could not send it
            return
        if passed_on:
            self._pass_on(number, b"".join(passed_on))

    def ended(self, number: int) -> None:
        """A worker has ended, in whatever way: so have its calls."""
        self._parts.pop(number, None)
        calls = sorted(self._calls.pop(number, ()))
        if calls:
            self._pass_on(number, b"".join(event("ended", Ended(one, EndedBy.FAULT)) for one in calls))
        for ask in self._asks:
            ask.found.pop(number, None)
            ask.no_longer(number)

    def _answered(self, number: int, calls: list[Raw]) -> None:
        if self.is_watched:
            self._calls[number] = {_named.decode(call).id for call in calls}
        for ask in self._asks:
            ask.answer(number, calls)
        late = b"".join(event("call", bytes(call)) for call in calls)
        for watch, unknown in self._watches.items():
            if number in unknown:
                unknown.discard(number)
                watch.take(late)

    def _note(self, number: int, name: bytes, data: bytes) -> None:
        calls = self._calls.setdefault(number, set())
        if name == b"call":
            calls.add(_named.decode(data).id)
        elif name == b"ended":
            calls.discard(_named.decode(data).id)

    def _pass_on(self, number: int, events: bytes) -> None:
        for ask in self._asks:
            if number in ask.found:
                ask.later.append(events)
        for watch in [*self._watches]:
            watch.take(events)


def _events(whole: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The names and data of events, as `event` makes them."""
    for one in whole.split(b"\n\n"):
        if one:
            name, _, data = one.partition(b"\n")
            yield name.removeprefix(b"event: "), data.removeprefix(b"data: ")
