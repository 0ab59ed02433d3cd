"""What was said and done before this session, as items of its conversation.

A tool call is a pair of items, `function_call` and `function_call_output`. One that still runs has no output yet, as in the
session that made it: its output follows when it comes, and a response with it. Calls have ids of ours: another assistant's
may be too long, or come again in this session. A tool that this session does not have is told in words. No clock:
`now` is seconds.
Wire: OpenAI, "Realtime API", `conversation.item.create`.
"""

from collections.abc import Callable, Collection
from itertools import takewhile
from typing import NamedTuple

from bridge.assistants.openai_realtime import wire
from bridge.assistants.openai_realtime.calls import FunctionCalls
from bridge.assistants.shared.pending_calls import PendingCalls
from bridge.assistants.shared.tool_calls import ToolOutput
from bridge.assistants.shared.tools_used import as_words, late_words
from bridge.vocabulary.contracts import AssistantOutcome
from bridge.vocabulary.events import History, Said, Speaker, ToolCalled, ToolUsed


def is_tool_next(history: History) -> bool:
    """Whether the next words of the assistant are about a tool, so that the caller need not repeat anything.

    A tool has ended and nobody spoke since, or one still runs and the caller has not spoken since it was called.
    """
    for told in reversed(history):
        if isinstance(told, ToolUsed):
            if told.output is None or told is history[-1]:
                return True
        elif told.who is Speaker.CALLER:
            return False
    return False


class _Running(NamedTuple):
    call_id: str  # in this session
    used: ToolUsed
    in_words: bool


class EarlierItems:
    """The items of one session. `pending` and `calls` are the session's own; `new_id`: the next id for an item of ours."""

    def __init__(self, pending: PendingCalls, calls: FunctionCalls, new_id: Callable[[], str]) -> None:
        self._pending = pending
        self._calls = calls
        self._new_id = new_id
        self._running: dict[str, _Running] = {}  # by the tool_call_id of the core

    def tell(self, history: History, tools: Collection[str], now: float, *, replies: bool) -> list[str]:
        """The messages with all items. `tools`: the names of those that this session has.

        `replies`: a response is wanted to what tools did last, if nothing was said to it; once all of them have ended.
        """
        last = len(list(takewhile(lambda told: isinstance(told, ToolUsed), reversed(history))))
        messages: list[str] = []
        for place, told in enumerate(history):
            if isinstance(told, Said):
                messages += [wire.create_said(told, self._new_id())] if told.text else []
            else:
                is_last = replies and place >= len(history) - last
                messages += self._tell_tool(told, now, in_words=told.tool not in tools, is_last=is_last)
        return messages

    def _tell_tool(self, used: ToolUsed, now: float, *, in_words: bool, is_last: bool) -> list[str]:
        call_id, item_id = self._new_id(), self._new_id()
        if in_words:
            messages = [wire.create_said(Said(Speaker.CALLER, as_words(used)), item_id)]
        else:
            messages = [wire.create_call(used, call_id, item_id)]
        if used.output is None:
            self._running[used.tool_call_id] = _Running(call_id, used, in_words)
            self._pending.run(ToolCalled(call_id, used.tool, used.arguments), now)
            return messages
        if not in_words:
            item_id = self._new_id()
            messages.append(wire.create_output(call_id, used.output, item_id))
        if is_last:
            self._calls.follow_up(item_id)
        return messages

    def answer(self, tool_call_id: str, output: str) -> list[AssistantOutcome]:
        """A tool of an earlier assistant has ended. Nothing if this session was not told that it runs."""
        running = self._running.pop(tool_call_id, None)
        if running is None:
            return []
        self._pending.finish(running.call_id)
        if not running.in_words:
            return self._calls.sent([ToolOutput(running.call_id, output)])
        item_id = self._new_id()
        self._calls.follow_up(item_id)
        return [wire.create_said(Said(Speaker.CALLER, late_words(running.used, output)), item_id)]
