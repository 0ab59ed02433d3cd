"""The figures of several workers as the supervisor tells them; here a worker is what it says."""

import asyncio
from collections.abc import Iterable

from prometheus_client.parser import text_string_to_metric_families

from bridge.observers.metrics.families import Metrics
from bridge.observers.metrics.snapshot import Family, families
from bridge.shell.metrics.fleet import FleetMetrics, supervisor_families
from bridge.shell.supervisor.messages import MOST_BYTES, ToldMetrics, encode
from bridge.shell.supervisor.metrics import MOST_SAMPLES, parts


def figures(calls: int, active: int = 0) -> list[Family]:
    metrics = Metrics()
    metrics.calls.labels("twilio", "inbound", "sales", "assistant").inc(calls)
    metrics.calls_active.labels("twilio").set(active)
    return list(families(metrics.registry))


class Workers:
    """By their numbers what each of them answers; None: it does not."""

    def __init__(self, **answers: list[Family] | None) -> None:
        self.answers = {int(name.removeprefix("w")): answer for name, answer in answers.items()}
        self.asked = 0
        self.fleet = FleetMetrics(self._ask, answers_s=0.05)

    def _ask(self) -> Iterable[int]:
        self.asked += 1
        loop = asyncio.get_running_loop()
        for number, answer in self.answers.items():
            if answer is not None:
                loop.call_soon(self.tell, number, answer)
        return list(self.answers)

    def tell(self, number: int, answer: list[Family]) -> None:
        told = list(parts(answer, 20))
        for at, part in enumerate(told, start=1):
            self.fleet.told(number, part, is_last=at == len(told))

    async def scraped(self) -> tuple[float, float]:
        """Calls that are over, and those under way."""
        text = (await self.fleet.scrape()).decode()
        samples = [one for family in text_string_to_metric_families(text) for one in family.samples]
        found = {one.name: one.value for one in samples}
        return found.get("voicebridge_calls_total", 0), found.get("voicebridge_calls_active", 0)


async def test_all_workers_are_asked_and_added() -> None:
    assert await Workers(w1=figures(3, 2), w2=figures(5, 1)).scraped() == (8, 3)


async def test_what_a_worker_counted_that_has_died_stays_counted() -> None:
    workers = Workers(w1=figures(3, 2), w2=figures(5, 1))
    await workers.scraped()
    del workers.answers[1]
    workers.fleet.ended(1)
    assert await workers.scraped() == (8, 1), "its calls are not under way any more"
    workers.answers[3] = figures(1)
    assert await workers.scraped() == (9, 1)


async def test_a_worker_that_ends_tells_the_last_unasked() -> None:
    workers = Workers(w1=figures(3, 2))
    await workers.scraped()
    workers.tell(1, figures(4))
    workers.fleet.ended(1)
    workers.answers.clear()
    assert await workers.scraped() == (4, 0)


async def test_a_worker_that_does_not_answer_counts_as_it_last_said() -> None:
    workers = Workers(w1=figures(3, 2), w2=figures(5, 1))
    await workers.scraped()
    workers.answers[1] = None
    assert await workers.scraped() == (8, 3)


async def test_a_worker_that_dies_while_it_is_asked_is_not_waited_for() -> None:
    workers = Workers(w1=None)
    scraping = asyncio.create_task(workers.scraped())
    await asyncio.sleep(0)
    workers.fleet.ended(1)
    assert await scraping == (0, 0)


async def test_scrapers_that_come_at_the_same_time_share_the_answer() -> None:
    workers = Workers(w1=figures(3))
    first, second = await asyncio.gather(workers.scraped(), workers.scraped())
    assert first == second == (3, 0)
    assert workers.asked == 1


async def test_the_supervisor_tells_of_its_workers() -> None:
    fleet = FleetMetrics(tuple, lambda: supervisor_families(3, 4, 2))
    assert (
        b"""voicebridge_workers{state="ready"} 3.0
voicebridge_workers{state="configured"} 4.0
"""
        in await fleet.scrape()
    )
    assert b"voicebridge_worker_deaths_total 2.0\n" in await fleet.scrape()


def test_a_part_fits_into_a_message() -> None:
    metrics = Metrics()
    for number in range(200):
        labels = (f"a tool with a long name of its own {number}", f"an assistant with a long name {number}")
        metrics.tool_time.labels(*labels).observe(1)
    told = [encode(ToldMetrics(part, is_last=False)) for part in parts(families(metrics.registry))]
    assert len(told) > 200 * 10 / MOST_SAMPLES
    assert max(map(len, told)) < MOST_BYTES
