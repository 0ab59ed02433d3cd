"""Tools that go wrong: whatever they do the assistant gets an answer, in time and once."""

import asyncio
import json
import sys
import threading
from collections.abc import Callable
from datetime import date

import pytest
from structlog.testing import capture_logs

from bridge.vocabulary.commands import RunTool
from bridge.vocabulary.contracts import Tools

GIVE_UP_S = 5.0
"""What a test that fails waits for."""

AT_ONCE_S = 0.01
"""The time of a tool that shall run out of it."""

Users = Callable[..., object]


async def answer(tools: Tools, tool: str, arguments: str = "{}") -> str:
    output: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    tools.run(RunTool("w1", tool, arguments), output.set_result)
    async with asyncio.timeout(GIVE_UP_S):
        return await output


def error_in(output: str) -> str:
    (error,) = json.loads(output).values()
    assert isinstance(error, str)
    return error


async def test_broken_arguments_are_answered_in_words(open_toolbox: Callable[..., Tools]) -> None:
    def book(day: date) -> None: ...

    with capture_logs() as logs:
        output = await answer(open_toolbox(book), "book", '{"day": "Pi day"}')
    assert error_in(output).startswith("the arguments do not fit: day: Input should be a valid date")
    assert logs == [
        {
            "event": "= tool gave no result",
            "log_level": "warning",
            "call_id": "CA1",
            "tool": "book",
            "error": "arguments",
        }
    ]


async def test_a_tool_that_the_assistant_made_up(open_toolbox: Callable[..., Tools]) -> None:
    def book() -> None: ...

    with capture_logs() as logs:
        output = await answer(open_toolbox(book), "transfer" * 100, "not even JSON")
    assert error_in(output) == "there is no such tool; known: book"
    assert [(log["error"], log["tool"]) for log in logs] == [("unknown tool", "transfer" * 8)]


class Unsayable:
    """Without a JSON form."""


def missing_key() -> object:
    return {"name": "Ada"}["nmae"]


def exhausted() -> object:
    return next(iter(()))


def hanging_up() -> object:
    sys.exit(3)


def unsayable() -> object:
    return Unsayable()


async def missing_key_at_the_loop() -> object:
    return missing_key()


async def leaving_at_the_loop() -> object:
    sys.exit(3)


FAILURES: list[tuple[Users, str]] = [
    (missing_key, "KeyError"),
    (missing_key_at_the_loop, "KeyError"),
    (exhausted, "RuntimeError"),
    (hanging_up, "SystemExit"),
    (leaving_at_the_loop, "SystemExit"),
    (unsayable, "PydanticSerializationError"),
]


@pytest.mark.parametrize(("function", "error"), FAILURES)
async def test_a_fault_in_a_function_is_answered_and_logged_with_its_place(
    open_toolbox: Callable[..., Tools], function: Users, error: str
) -> None:
    name = function.__name__
    tools = open_toolbox(function)
    with capture_logs() as logs:
        output = await answer(tools, name)
    assert error_in(output) == f"{name} failed ({error}); it may be done in part"
    (logged,) = logs
    where = logged.pop("where")
    assert logged == {
        "event": "= tool failed",
        "log_level": "error",
        "call_id": "CA1",
        "tool": name,
        "error": error,
    }
    assert "running.py" in where


async def test_what_an_error_says_is_not_logged_it_may_be_what_the_tool_was_given(
    open_toolbox: Callable[..., Tools],
) -> None:
    def pay(card: str) -> None:
        """Charge a card."""
        raise ValueError(f"no such card: {card}")

    with capture_logs() as logs:
        await answer(open_toolbox(pay), "pay", '{"card": "48315162"}')
    assert "48315162" not in repr(logs)
    assert "in pay" in logs[0]["where"]


async def test_a_function_that_cancels_itself_is_answered(open_toolbox: Callable[..., Tools]) -> None:
    async def give_up() -> None:
        raise asyncio.CancelledError

    assert error_in(await answer(open_toolbox(give_up), "give_up")) == "give_up was cancelled"


async def test_a_tool_that_hangs_is_answered_in_time_and_cancelled(
    open_toolbox: Callable[..., Tools],
) -> None:
    cancelled = asyncio.Event()

    async def hang() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    with capture_logs() as logs:
        output = await answer(open_toolbox(hang, timeout_s=AT_ONCE_S), "hang")
    assert error_in(output) == "hang did not come to an end within 0.01 s; it may be done in part"
    assert [log["error"] for log in logs] == ["timeout"]
    async with asyncio.timeout(GIVE_UP_S):
        await cancelled.wait()


async def test_a_tool_that_will_not_be_cancelled_is_answered_in_time_and_once(
    open_toolbox: Callable[..., Tools],
) -> None:
    go_on, gone = asyncio.Event(), asyncio.Event()

    async def insist() -> str:
        try:
            await go_on.wait()
        except asyncio.CancelledError:
            await go_on.wait()
        gone.set()
        return "late"

    output = await answer(open_toolbox(insist, timeout_s=AT_ONCE_S), "insist")
    assert "did not come to an end" in error_in(output)
    go_on.set()
    async with asyncio.timeout(GIVE_UP_S):
        await gone.wait()


async def test_a_function_that_blocks_for_ever_is_answered_in_time(
    open_toolbox: Callable[..., Tools],
) -> None:
    let_go = threading.Event()

    def hang() -> None:
        let_go.wait()

    output = await answer(open_toolbox(hang, timeout_s=AT_ONCE_S), "hang")
    assert "did not come to an end" in error_in(output)
    let_go.set()
