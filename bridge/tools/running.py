"""Runs the tools that one assistant calls in one call: each in a task of its own, at the same time.

Every tool call gets an output within the tool's timeout, until the call is over. Errors are outputs too, in words that a
model can act on. The log names the tool and the kind of error, never the arguments or the output.
"""

import asyncio
import traceback
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

import msgspec
import structlog
from pydantic_core import to_json

from bridge.tools.tool import LONGEST_OUTPUT, CallFacts, Tool, ToolRefused
from bridge.vocabulary.commands import RunTool

LONGEST_NAME = 64

log = structlog.get_logger()

Answered = Callable[[str], None]


class NoSuchTool:
    """Stands in for a tool that does not exist: the model may make up a name."""

    timeout_s = 1.0

    def __init__(self, known: Mapping[str, Tool]) -> None:
        self._known = ", ".join(known) or "none"

    async def run(self, arguments: str, facts: CallFacts) -> object:
        """Raises `ToolRefused`, always."""
        raise ToolRefused(f"there is no such tool; known: {self._known}", "unknown tool")


class RunningTools:
    """The running tools of one call. `alive` holds each task until it has ended, also after `close` cancelled it.

    `traceparent`: returns that of a tool call, by its id.
    """

    def __init__(
        self,
        tools: Mapping[str, Tool],
        facts: CallFacts,
        alive: set[asyncio.Task[str]],
        traceparent: Callable[[str], str] = lambda _: "",
    ) -> None:
        self._traceparent = traceparent
        self._tools = tools
        self._facts = facts
        self._alive = alive
        self._waiting: dict[asyncio.Task[str], asyncio.TimerHandle] = {}
        self._closed = False

    def run(self, command: RunTool, answered: Answered) -> None:
        """Start a tool. `answered` is called once, later, with the output, unless `close` comes first."""
        if self._closed:
            return
        loop = asyncio.get_running_loop()
        tool = self._tools.get(command.tool) or NoSuchTool(self._tools)
        facts = self._facts
        if traceparent := self._traceparent(command.tool_call_id):
            facts = replace(facts, traceparent=traceparent)
        task = loop.create_task(
            self._output(tool, command, facts), name=f"tool {command.tool[:LONGEST_NAME]}"
        )
        self._alive.add(task)
        self._waiting[task] = loop.call_later(
            tool.timeout_s, self._expire, task, command, answered, tool.timeout_s
        )
        task.add_done_callback(self._alive.discard)
        task.add_done_callback(partial(self._done, command, answered))

    def close(self) -> None:
        """Cancel what still runs; `answered` is not called any more."""
        self._closed = True
        waiting, self._waiting = self._waiting, {}
        for task, timer in waiting.items():
            timer.cancel()
            task.cancel()

    async def _output(self, tool: Tool, command: RunTool, facts: CallFacts) -> str:
        try:
            return _text(await tool.run(command.arguments, facts))
        except ToolRefused as refused:
            return self._refusal(command, str(refused), refused.kind)
        except (Exception, SystemExit) as error:  # noqa: BLE001  # an error in a tool must not end the call
            self._log_failure(command.tool, error)
            return _error(f"{command.tool} failed ({type(error).__name__}); it may be done in part")

    def _log_failure(self, tool: str, error: BaseException) -> None:
        """Log where the tool failed, not the error's message: that may hold the arguments."""
        where = traceback.format_tb(error.__traceback__)
        log.error(
            "= tool failed",
            call_id=self._facts.call_id,
            tool=tool,
            error=type(error).__name__,
            where="".join(where),
        )

    def _done(self, command: RunTool, answered: Answered, task: asyncio.Task[str]) -> None:
        timer = self._waiting.pop(task, None)
        if timer is None:  # answered already, or closed
            return
        timer.cancel()
        if task.cancelled():  # by the tool itself
            answered(self._refusal(command, f"{command.tool} was cancelled", "CancelledError"))
        else:
            answered(task.result())

    def _expire(
        self, task: asyncio.Task[str], command: RunTool, answered: Answered, timeout_s: float
    ) -> None:
        """Answer at once: the caller does not wait until the tool has noticed that it was cancelled."""
        del self._waiting[task]
        task.cancel()
        why = f"{command.tool} did not come to an end within {timeout_s:g} s; it may be done in part"
        answered(self._refusal(command, why, "timeout"))

    def _refusal(self, command: RunTool, why: str, kind: str) -> str:
        log.warning(
            "= tool gave no result",
            call_id=self._facts.call_id,
            tool=command.tool[:LONGEST_NAME],
            error=kind,
        )
        return _error(why)


def _text(result: object) -> str:
    text = _encodable(result) if isinstance(result, str) else to_json(result, inf_nan_mode="null").decode()
    if len(text) <= LONGEST_OUTPUT:
        return text
    return f"{text[:LONGEST_OUTPUT]}… (cut off after {LONGEST_OUTPUT} characters)"


def _error(why: str) -> str:
    return msgspec.json.encode({"error": _encodable(why)}).decode()


def _encodable(text: str) -> str:
    """The text with lone surrogates replaced, as some file names have them: they cannot be encoded in UTF-8."""
    return text.encode("utf-8", "replace").decode()
