"""The calls of several workers as one: what a viewer is told when workers answer late, in parts, or not at all."""

import asyncio
import json
from typing import Any

from bridge.observers.live.live_calls import event
from bridge.shell.control.fleet import FleetCalls


def call(call_id: str, state: str = "talking") -> dict[str, str]:
    return {"id": call_id, "state": state}


def snapshot(*calls: dict[str, str]) -> bytes:
    return event("snapshot", {"calls": calls})


class Workers:
    """Two workers, and what they were told to do."""

    def __init__(self, answers_s: float = 5.0) -> None:
        self.asked = 0
        self.watched: list[bool] = []
        self.fleet = FleetCalls(self._ask, self.watched.append, answers_s=answers_s)

    def _ask(self) -> list[int]:
        self.asked += 1
        return [1, 2]

    def told(self, number: int, events: bytes) -> None:
        self.fleet.told(number, events, is_last=True)


class Viewer:
    def __init__(self) -> None:
        self.told: list[tuple[str, Any]] = []
        self.came = asyncio.Event()

    def take(self, events: bytes) -> None:
        for one in events.decode().split("\n\n")[:-1]:
            name, data = one.split("\n")
            self.told.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
        self.came.set()

    async def next(self) -> list[tuple[str, Any]]:
        """What was told since."""
        async with asyncio.timeout(5):
            await self.came.wait()
        self.came.clear()
        told, self.told = self.told, []
        return told


async def joined(workers: Workers) -> Viewer:
    viewer = Viewer()
    workers.fleet.watch(viewer.take)
    await asyncio.sleep(0)
    workers.told(1, snapshot(call("CA1")))
    workers.told(2, snapshot(call("CA2")))
    assert await viewer.next() == [("snapshot", {"calls": [call("CA1"), call("CA2")]})]
    return viewer


async def test_a_list_is_asked_for_when_somebody_wants_it_and_not_watched() -> None:
    workers = Workers()
    asking = asyncio.create_task(workers.fleet.calls())
    await asyncio.sleep(0)
    workers.told(2, snapshot(call("CA2")))
    workers.told(1, snapshot())
    assert json.loads(await asking) == {"calls": [call("CA2")]}
    assert (workers.asked, workers.watched) == (1, [])


async def test_what_a_worker_tells_behind_its_answer_comes_behind_the_snapshot() -> None:
    workers, viewer = Workers(), Viewer()
    workers.fleet.watch(viewer.take)
    await asyncio.sleep(0)
    workers.told(1, event("call", call("CA1", "opening")))  # its answer is later, and knows better
    workers.told(1, snapshot(call("CA1")))
    workers.told(1, event("call", call("CA1", "closing")))
    workers.told(2, snapshot())
    assert await viewer.next() == [
        ("snapshot", {"calls": [call("CA1")]}),
        ("call", call("CA1", "closing")),
    ]


async def test_a_worker_that_hangs_is_shown_as_soon_as_it_answers() -> None:
    workers, viewer = Workers(answers_s=0.01), Viewer()
    workers.fleet.watch(viewer.take)
    await asyncio.sleep(0)
    workers.told(1, snapshot(call("CA1")))
    assert await viewer.next() == [("snapshot", {"calls": [call("CA1")]})]
    workers.told(2, snapshot(call("CA2")))
    assert await viewer.next() == [("call", call("CA2"))]


async def test_the_calls_of_a_worker_that_dies_are_over() -> None:
    workers = Workers()
    viewer = await joined(workers)
    workers.told(2, event("call", call("CA3")) + event("levels", {"CA3": [-20, -90]}))
    workers.told(2, event("ended", {"id": "CA2", "reason": "assistant"}))
    await viewer.next()
    workers.fleet.ended(2)
    assert await viewer.next() == [("ended", {"id": "CA3", "reason": "fault"})]


async def test_a_worker_that_dies_is_not_waited_for() -> None:
    workers = Workers()
    asking = asyncio.create_task(workers.fleet.calls())
    await asyncio.sleep(0)
    workers.told(1, snapshot(call("CA1")))
    workers.fleet.told(2, snapshot(call("CA2"))[:9], is_last=False)
    workers.fleet.ended(2)
    assert json.loads(await asking) == {"calls": [call("CA1")]}


async def test_an_answer_in_parts() -> None:
    workers = Workers()
    asking = asyncio.create_task(workers.fleet.calls())
    await asyncio.sleep(0)
    whole = snapshot(*(call(f"CA{number}") for number in range(500)))
    workers.fleet.told(1, whole[:7000], is_last=False)
    workers.told(2, snapshot())
    workers.told(1, whole[7000:])
    assert len(json.loads(await asking)["calls"]) == 500


async def test_events_of_which_a_part_was_lost_do_no_harm() -> None:
    workers = Workers()
    viewer = await joined(workers)
    workers.told(1, event("call", call("CA9"))[:-12])
    workers.told(1, event("call", call("CA1", "closing")))
    assert await viewer.next() == [("call", call("CA1", "closing"))]


async def test_workers_tell_as_long_as_somebody_watches() -> None:
    workers = Workers()
    first, second = Viewer(), Viewer()
    watches = [workers.fleet.watch(viewer.take) for viewer in (first, second)]
    assert workers.watched == [True]
    for watch in (*watches, *watches):
        workers.fleet.unwatch(watch)
    assert workers.watched == [True, False]
    workers.told(1, snapshot(call("CA1")))
    await asyncio.sleep(0)
    assert (first.told, second.told) == ([], [])
