"""The tool calls of one call that no assistant has the output of yet.

A tool is neither stopped nor run again because the assistant that called it is gone. Its output is told to the assistant
that is there when it comes, which knows the call from its history; while none is there, the output waits for the next.
"""

from bridge.core.transcript import Transcript
from bridge.vocabulary.commands import AnswerTool, RunTool
from bridge.vocabulary.events import ToolAnswered, ToolCalled


class ToolCalls:
    """The open tool calls of one call. `transcript`: of the call; it is told of each call, and of its output once an
    assistant has it.
    """

    def __init__(self, transcript: Transcript) -> None:
        self._transcript = transcript
        self._open: dict[str, bool] = {}  # by tool_call_id: whether the assistant that called it is gone
        self._outputs: dict[str, str] = {}  # those that came while there was no assistant
        self._has_assistant = False
        self.late_answers = 0
        """Outputs that were told to another assistant than the one that called the tool."""
        self.stray_answers = 0
        """Outputs of calls that are not open."""

    @property
    def any_open(self) -> bool:
        """Whether a call has no output that an assistant was told."""
        return bool(self._open)

    def call(self, event: ToolCalled, arguments: str) -> RunTool:
        """The active assistant calls a tool. `arguments`: as the transcript may hold them."""
        self._open[event.tool_call_id] = False
        self._transcript.tool_called(event.tool_call_id, event.tool, arguments)
        return RunTool(event.tool_call_id, event.tool, event.arguments)

    def answer(self, event: ToolAnswered) -> AnswerTool | None:
        """A tool has ended: what to tell the assistant, if one is there."""
        if event.tool_call_id not in self._open:
            self.stray_answers += 1
            return None
        if not self._has_assistant:
            self._outputs[event.tool_call_id] = event.output
            return None
        return self._tell(event.tool_call_id, event.output)

    def open(self) -> list[AnswerTool]:
        """An assistant is ready: it is told the outputs that came while there was none."""
        self._has_assistant = True
        outputs, self._outputs = self._outputs, {}
        return [self._tell(tool_call_id, output) for tool_call_id, output in outputs.items()]

    def close(self) -> None:
        """The assistant is gone; the tools that it called go on."""
        self._has_assistant = False
        self._open = dict.fromkeys(self._open, True)

    def _tell(self, tool_call_id: str, output: str) -> AnswerTool:
        is_late = self._open.pop(tool_call_id)
        self.late_answers += is_late
        self._transcript.tool_answered(tool_call_id, output)
        return AnswerTool(tool_call_id, output, is_late)
