"""The tools that run in one call, whichever of its assistants called them: they outlive the assistant, and end with the call.

Assistants choose the ids of their calls; in the call of the telephone each id is one call's. Sensitive digits take the
place of their placeholder in what a tool is given, and it takes theirs in what the tool answers.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from msgspec import structs

from bridge.core.sensitive_entries import SensitiveEntries
from bridge.vocabulary.commands import AnswerTool, EnterDigits, RunTool
from bridge.vocabulary.contracts import Tools
from bridge.vocabulary.events import ToolAnswered, ToolCalled

MOST_REMEMBERED = 1_000
"""The ids of tool calls that are remembered; one that was used long before may be used again."""


class _Caller(NamedTuple):
    tools: Tools  # of the assistant
    tool_call_id: str  # as the assistant wrote it


class ToolRuns:
    """The tools of one call. `on_answered` gets the output of each."""

    def __init__(self, on_answered: Callable[[ToolAnswered], None]) -> None:
        self._on_answered = on_answered
        self._callers: dict[str, _Caller] = {}  # by the id in the call; the latest
        self._used: dict[int, Tools] = {}  # tools of assistants that called any
        self._sensitive = SensitiveEntries()

    def add(self, entry: EnterDigits) -> None:
        """The caller typed an entry; one that is sensitive is kept for the tools."""
        self._sensitive.add(entry)

    def called(self, event: ToolCalled, tools: Tools) -> ToolCalled:
        """An assistant with these tools calls one of them: the same with an id that no other assistant's call has."""
        caller = _Caller(tools, event.tool_call_id)
        tool_call_id, number = event.tool_call_id, 1
        while self._callers.setdefault(tool_call_id, caller) != caller:
            number += 1
            tool_call_id = f"{event.tool_call_id}.{number}"
        self._used[id(tools)] = tools
        if len(self._callers) > MOST_REMEMBERED:
            del self._callers[next(iter(self._callers))]
        return event if number == 1 else structs.replace(event, tool_call_id=tool_call_id)

    def run(self, command: RunTool) -> None:
        """Start the tool, also if the assistant that called it has gone since."""
        opened = structs.replace(command, arguments=self._sensitive.reveal(command.arguments))
        self._callers[command.tool_call_id].tools.run(opened, partial(self._answer, command.tool_call_id))

    def _answer(self, tool_call_id: str, output: str) -> None:
        self._on_answered(ToolAnswered(tool_call_id, self._sensitive.mask(output)))

    def answer(self, command: AnswerTool) -> AnswerTool:
        """The same with the id that the assistant chose, if it made the call itself."""
        caller = self._callers.get(command.tool_call_id)
        if command.is_late or caller is None:
            return command
        return structs.replace(command, tool_call_id=caller.tool_call_id)

    def close(self) -> None:
        """The call is over: stop what still runs."""
        for tools in self._used.values():
            tools.close()
        self._on_answered = _ignore


def _ignore(_event: ToolAnswered) -> None:
    """The call is over."""
