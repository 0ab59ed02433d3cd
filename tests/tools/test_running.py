"""Tools at work in a call: what they are given and give, side by side, and until the call ends."""

import asyncio
import functools
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

import pytest

from bridge.tools import CallFacts
from bridge.tools.tool import LONGEST_OUTPUT
from bridge.tools.toolbox import Toolbox
from bridge.vocabulary.commands import RunTool
from bridge.vocabulary.contracts import Tools

GIVE_UP_S = 5.0
"""What a test that fails waits for."""


def begin(tools: Tools, tool: str, arguments: str = "{}") -> asyncio.Future[str]:
    """The output to come. A second one would be an error, which fails the test."""
    output: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    tools.run(RunTool("w1", tool, arguments), output.set_result)
    assert not output.done()
    return output


async def answer(tools: Tools, tool: str, arguments: str = "{}") -> str:
    async with asyncio.timeout(GIVE_UP_S):
        return await begin(tools, tool, arguments)


# What comes back


@dataclass
class Slot:
    day: date
    free: bool


OUTPUTS: list[tuple[object, str]] = [
    ("ten o'clock, grüß Gott", "ten o'clock, grüß Gott"),
    ("", ""),
    ("caf\udce9.txt", "caf?.txt"),  # a file's name with half a character
    (None, "null"),
    (True, "true"),
    (["10:00", "ü"], '["10:00","ü"]'),
    ({"free": float("nan")}, '{"free":null}'),
    (Slot(date(2027, 3, 1), free=True), '{"day":"2027-03-01","free":true}'),
    ("x" * LONGEST_OUTPUT, "x" * LONGEST_OUTPUT),
    ("x" * LONGEST_OUTPUT + "y", "x" * LONGEST_OUTPUT + f"… (cut off after {LONGEST_OUTPUT} characters)"),
]


@pytest.mark.parametrize(("result", "output"), OUTPUTS)
async def test_text_passes_and_all_else_is_json(
    open_toolbox: Callable[..., Tools], result: object, output: str
) -> None:
    async def at_the_loop() -> object:
        return result

    def in_a_thread() -> object:
        return result

    tools = open_toolbox(at_the_loop, in_a_thread)
    assert await answer(tools, "at_the_loop") == output
    assert await answer(tools, "in_a_thread") == output


async def test_arguments_and_the_facts_of_the_call_arrive(open_toolbox: Callable[..., Tools]) -> None:
    def book(call: CallFacts, day: date, hour: int = 9) -> str:
        return f"{call.call_id} {call.assistant} {call.parameters['language']} {day:%A} {hour}"

    assert await answer(open_toolbox(book), "book", '{"day": "2027-03-01"}') == "CA1 receptionist de Monday 9"


async def test_a_function_that_blocks_has_a_thread_and_the_calls_context(
    open_toolbox: Callable[..., Tools],
) -> None:
    def where() -> bool:
        return threading.current_thread() is threading.main_thread()

    async def there() -> bool:
        return where()

    tools = open_toolbox(where, there)
    assert (await answer(tools, "where"), await answer(tools, "there")) == ("false", "true")


async def test_a_decorator_may_hide_that_a_function_is_async(open_toolbox: Callable[..., Tools]) -> None:
    async def slots(day: str) -> str:
        return f"none on {day}"

    @functools.wraps(slots)
    def decorated(*args: Any, **kwargs: Any) -> object:
        return slots(*args, **kwargs)

    assert await answer(open_toolbox(decorated), "slots", '{"day": "Monday"}') == "none on Monday"


# Side by side


async def test_async_functions_run_at_once(open_toolbox: Callable[..., Tools]) -> None:
    asked, told = asyncio.Event(), asyncio.Event()

    async def ask() -> str:
        asked.set()
        await told.wait()
        return "heard"

    async def tell() -> str:
        await asked.wait()
        told.set()
        return "said"

    tools = open_toolbox(ask, tell)
    async with asyncio.timeout(GIVE_UP_S):
        outputs = await asyncio.gather(begin(tools, "ask"), begin(tools, "tell"))
    assert list(outputs) == ["heard", "said"]


async def test_functions_that_block_run_at_once(open_toolbox: Callable[..., Tools]) -> None:
    both = threading.Barrier(2, timeout=GIVE_UP_S)

    def meet() -> bool:
        both.wait()
        return True

    tools = open_toolbox(meet)
    async with asyncio.timeout(GIVE_UP_S):
        outputs = await asyncio.gather(begin(tools, "meet"), begin(tools, "meet"))
    assert list(outputs) == ["true", "true"]


# The end of the call


async def test_a_call_that_ends_cancels_its_tools_and_hears_no_more(
    open_toolbox: Callable[..., Tools],
) -> None:
    begun, cancelled = asyncio.Event(), asyncio.Event()

    async def hang() -> str:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        return "never"

    tools = open_toolbox(hang)
    output = begin(tools, "hang")
    async with asyncio.timeout(GIVE_UP_S):
        await begun.wait()
        tools.close()
        tools.close()
        await cancelled.wait()
    tools.run(RunTool("w2", "hang", "{}"), output.set_result)
    await asyncio.sleep(0)
    assert not output.done()


async def test_a_thread_that_ends_after_its_call_is_not_heard(open_toolbox: Callable[..., Tools]) -> None:
    begun, let_go = threading.Event(), threading.Event()
    threads = []

    def hang() -> str:
        threads.append(threading.current_thread())
        begun.set()
        let_go.wait()
        return "late"

    tools = open_toolbox(hang)
    output = begin(tools, "hang")
    await asyncio.to_thread(begun.wait)
    tools.close()
    let_go.set()
    (thread,) = threads
    await asyncio.to_thread(thread.join)
    await asyncio.sleep(0)
    assert not output.done()


async def test_one_call_ends_and_another_goes_on(make_toolbox: Callable[..., Toolbox]) -> None:
    may_end = asyncio.Event()

    async def wait() -> str:
        await may_end.wait()
        return "done"

    box = make_toolbox(wait)
    ends, goes_on = box.open(call_id="CA1", parameters={}), box.open(call_id="CA2", parameters={})
    lost, kept = begin(ends, "wait"), begin(goes_on, "wait")
    ends.close()
    may_end.set()
    async with asyncio.timeout(GIVE_UP_S):
        assert await kept == "done"
    assert not lost.done()


async def test_the_end_of_the_server_waits_for_last_words(make_toolbox: Callable[..., Toolbox]) -> None:
    begun = asyncio.Event()
    said: list[str] = []

    async def tidy() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            said.append("put away")

    box = make_toolbox(tidy)
    tools = box.open(call_id="CA1", parameters={})
    output = begin(tools, "tidy")
    async with asyncio.timeout(GIVE_UP_S):
        await begun.wait()
        tools.close()
        await box.aclose()
    assert said == ["put away"]
    assert not output.done()


async def test_the_end_of_the_server_does_not_wait_for_what_blocks(
    make_toolbox: Callable[..., Toolbox],
) -> None:
    begun, let_go = threading.Event(), threading.Event()

    def hang() -> None:
        begun.set()
        let_go.wait()

    box = make_toolbox(hang)
    output = begin(box.open(call_id="CA1", parameters={}), "hang")
    await asyncio.to_thread(begun.wait)
    async with asyncio.timeout(GIVE_UP_S):
        await box.aclose()
    assert "hang was cancelled" in await output
    let_go.set()
