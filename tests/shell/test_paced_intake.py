"""The intake of a leg: order, slices of a turn of the loop, pauses, losses behind what was held."""

import asyncio
import time

import pytest

from bridge.shell import paced_intake
from bridge.shell.leg_budget import LegBudget, Rate
from bridge.shell.paced_intake import PacedIntake
from bridge.vocabulary.contracts import LegMessage


class Leg:
    """Writes down what becomes of messages. A message "slow" takes 2 ms, "fault" raises."""

    def __init__(self) -> None:
        self.story: list[object] = []
        self.intake = PacedIntake(self.receive, self.reads, self.dropped)

    def receive(self, message: LegMessage) -> None:
        self.story.append(message)
        if message == "slow":
            time.sleep(0.002)  # the work of a message
        if message == "end":
            self.intake.stop()
        if message == "fault":
            raise ZeroDivisionError("a bug")

    def reads(self, reads: bool) -> None:
        self.story.append("reads" if reads else "pauses")

    def dropped(self, code: int, reason: str) -> None:
        self.story.append((code, reason))


async def turns(count: int = 1) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_what_comes_after_a_full_slice_waits_for_the_next_turn_in_order() -> None:
    leg = Leg()
    for message in ("slow", "a", "slow", "b"):
        leg.intake.take(message)
    assert leg.story == ["slow", "pauses"]
    await turns()
    assert leg.story == ["slow", "pauses", "a", "slow"]
    await turns()
    assert leg.story == ["slow", "pauses", "a", "slow", "b", "reads"]


async def test_one_slow_message_alone_pauses_nothing() -> None:
    leg = Leg()
    leg.intake.take("slow")
    await turns()
    leg.intake.take("a")
    assert leg.story == ["slow", "a"]


async def test_a_loss_is_told_behind_what_was_held() -> None:
    leg = Leg()
    leg.intake.take("slow")
    leg.intake.take("last words")
    leg.intake.finish(lambda: leg.story.append("lost"))
    assert leg.story == ["slow", "pauses"]
    await turns()
    assert leg.story == ["slow", "pauses", "last words", "lost"]


async def test_a_leg_that_was_closed_passes_nothing_on() -> None:
    leg = Leg()
    leg.intake.take("slow")
    leg.intake.take("a")
    leg.intake.stop()
    await turns(3)
    assert leg.story == ["slow", "pauses"]


async def test_a_message_that_ends_the_leg_does_not_resume_it() -> None:
    leg = Leg()
    for message in ("slow", "end", "a"):
        leg.intake.take(message)
    await turns(3)
    assert leg.story == ["slow", "pauses", "end"]


async def test_a_fault_behind_a_pause_closes_the_leg() -> None:
    leg = Leg()
    for message in ("slow", "fault", "a"):
        leg.intake.take(message)
    await turns(3)
    assert leg.story == ["slow", "pauses", "fault", (1011, "a fault in the bridge")]


async def test_a_leg_without_an_allowance_is_paused_and_after_a_minute_dropped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [100.0]
    monkeypatch.setattr(paced_intake, "clock", lambda: now[0])
    monkeypatch.setattr(paced_intake, "LegBudget", lambda at: LegBudget(at, Rate(0.1, 2.0)))
    leg = Leg()
    for _ in range(4):
        leg.intake.take("a")
    assert leg.story == ["a", "a", "a", "pauses"]
    assert leg.intake.is_paused
    handle = leg.intake._next
    for _ in range(20):  # each of them is a message, and the pause for it
        if (handle := leg.intake._next) is None:
            break
        handle.cancel()
        now[0] += 10.1
        leg.intake._go_on()
        leg.intake.take("a")
    code, reason = leg.story[-1] if isinstance(leg.story[-1], tuple) else (0, "")
    assert (code, reason) == (1008, "it sends too much: more than its allowance for 60 s")
