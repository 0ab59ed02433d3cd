"""The worker's side of a scrape: one answer at a time, whole, and a last one when it ends."""

import asyncio

from bridge.shell.metrics.process_metrics import ProcessMetrics
from bridge.shell.supervisor.messages import ToldMetrics
from bridge.shell.supervisor.metrics import MetricsTeller


class Told:
    """What the supervisor gets."""

    def __init__(self) -> None:
        self.metrics = ProcessMetrics()
        self.parts: list[ToldMetrics] = []
        self.whole = asyncio.Event()
        self.teller = MetricsTeller(self.metrics, self._tell)

    def _tell(self, part: ToldMetrics) -> None:
        self.parts.append(part)
        if part.is_last:
            self.whole.set()

    @property
    def answers(self) -> int:
        return sum(part.is_last for part in self.parts)

    def samples(self, name: str) -> list[float]:
        return [
            value
            for part in self.parts
            for family in part.families
            for (of, _), value in family.samples
            if of == name
        ]


async def test_a_request_is_answered_in_parts_of_which_the_last_says_so() -> None:
    told = Told()
    for number in range(100):
        told.metrics.figures.tool_time.labels("sales", f"tool {number}").observe(1)
    told.teller.ask()
    await told.whole.wait()
    assert [part.is_last for part in told.parts] == [False] * (len(told.parts) - 1) + [True]
    assert len(told.parts) > 3
    assert len(told.samples("voicebridge_tool_seconds_count")) == 100


async def test_two_requests_at_once_get_one_answer_and_a_later_one_another() -> None:
    told = Told()
    told.teller.ask()
    told.teller.ask()
    await told.whole.wait()
    await asyncio.sleep(0)
    assert told.answers == 1
    told.whole.clear()
    told.teller.ask()
    await told.whole.wait()
    assert told.answers == 2


async def test_a_worker_that_ends_tells_all_of_it_and_no_answer_comes_between() -> None:
    told = Told()
    told.teller.ask()
    await asyncio.sleep(0)
    before = told.answers
    told.metrics.figures.draining.set(0)
    told.metrics.figures.entries.labels("full").inc()
    told.teller.tell_the_last()
    await asyncio.sleep(0.01)
    assert told.answers <= before + 1
    assert told.samples("voicebridge_entries_total")[-1] == 1
