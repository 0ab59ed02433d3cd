"""What becomes of the model's tool calls: a tool runs for it, or the tool is built in; each call gets one output.

What a call of a built-in tool means is declared in `bridge.vocabulary.built_in_tools`. An entry is requested at once, for
the caller may type while the prompt is still being said; the call's output comes when the entry ends. A model that
asks again in a later turn has given up the earlier request: the entry, under its old id, now answers the new call.
No clock: `now` is seconds.
"""

from collections.abc import Mapping
from typing import NamedTuple

from msgspec import Struct

from bridge.assistants.shared.arguments import LONGEST_ARGUMENTS, WrongArguments, read_call
from bridge.assistants.shared.hang_up_sequence import HangUpSequence
from bridge.assistants.shared.pending_calls import PendingCalls
from bridge.vocabulary.built_in_tool import BuiltInTool
from bridge.vocabulary.built_in_tools import BUILT_IN_TOOLS, COLLECT_DIGITS, entry_output
from bridge.vocabulary.commands import EnterDigits
from bridge.vocabulary.events import (
    AssistantEvent,
    AssistantHangingUp,
    EntryEnd,
    EntryRequested,
    ToolCalled,
)
from bridge.vocabulary.message_rate import MessageRate
from bridge.vocabulary.people import BriefingEvent, TransferRequested

MOST_OPEN_CALLS = 32
"""Calls that may have no output at a time."""

CALLS_PER_S, CALLS_AT_ONCE = 5.0, 50
"""How many calls a model may make: in a second, and at once."""


class ToolCall(Struct, frozen=True):
    """One call by the model, complete. `arguments`: a JSON object as text."""

    tool_call_id: str
    name: str
    arguments: str
    response_id: str = ""
    """What the model made the call in: its response, turn or message, by the vendor's name or one of ours."""


class ToolOutput(NamedTuple):
    """The output of a call, for the vendor's message."""

    tool_call_id: str
    output: str
    wants_reply: bool = True
    """Whether the model should say something to it."""


CallOutcome = AssistantEvent | ToolOutput
"""What becomes of a call: events for the core and outputs for the model, in order."""


class ToolCalls:
    """The calls of one session. `pending` and `hang_up` are the session's own, and are told of each call."""

    def __init__(self, pending: PendingCalls, hang_up: HangUpSequence) -> None:
        self._pending = pending
        self._hang_up = hang_up
        self.built_in: Mapping[str, BuiltInTool] = BUILT_IN_TOOLS
        """Those that the session has; in a briefing they are others."""
        self._transfers: list[tuple[str, TransferRequested]] = []  # until their response is done
        self._allowed = MessageRate(CALLS_PER_S, CALLS_AT_ONCE)
        self._prompts: dict[str, str] = {}  # by call, until its response is done
        self._entries: dict[str, ToolCall] = {}  # by request_id, the call that the entry answers

    def call(self, call: ToolCall, now: float) -> list[CallOutcome]:
        """The model calls a tool. The output says why where it is refused: the arguments are too long, or too many run."""
        if why := self._why_refused(call, now):
            return [ToolOutput(call.tool_call_id, f"error: {why}")]
        tool = self.built_in.get(call.name)
        if tool is None:
            called = ToolCalled(call.tool_call_id, call.name, call.arguments)
            self._pending.run(called, now)
            return [called]
        try:
            return self._call_built_in(tool, call)
        except WrongArguments as error:
            return [ToolOutput(call.tool_call_id, f"error: {error}")]

    def _why_refused(self, call: ToolCall, now: float) -> str:
        if len(call.arguments) > LONGEST_ARGUMENTS:
            return f"the arguments are too long; they should have at most {LONGEST_ARGUMENTS} characters"
        if self._pending.open_count >= MOST_OPEN_CALLS:
            return f"{MOST_OPEN_CALLS} calls have no output yet; wait for one of them"
        return "" if self._allowed.take(1, now) else "too many calls; wait a few seconds"

    def refuse(self, call: ToolCall) -> ToolOutput:
        """The model was interrupted when it made this call: it is not run."""
        return ToolOutput(call.tool_call_id, "error: interrupted", wants_reply=False)

    def refuse_hang_up(self, call: ToolCall) -> ToolOutput:
        """The model called hang_up in a response that is scripted: the call goes on, and nothing is to be said to it."""
        why = "error: the call cannot be ended in this response; it goes on"
        return ToolOutput(call.tool_call_id, why, wants_reply=False)

    def answer(self, tool_call_id: str, output: str) -> list[CallOutcome]:
        """A tool that ran for a call has come to its end. Nothing if the call is not open."""
        return [ToolOutput(tool_call_id, output)] if self._pending.finish(tool_call_id) else []

    def is_requested(self, entry: EnterDigits) -> bool:
        """Whether a call waits for this entry."""
        return entry.request_id in self._entries

    def enter(self, entry: EnterDigits) -> ToolOutput:
        """The entry that a call requested has ended."""
        call = self._entries.pop(entry.request_id)
        return self._answer_entry(call, entry_output(entry), wants_reply=entry.reason is not EntryEnd.HANGUP)

    def take_prompt(self, said: str | None) -> str:
        """What the caller is still to be told of the entries that are requested, once; empty if `said` contains it.

        `said`: the words of the response that made the calls; None if it had sound, and its words are not known.
        """
        prompts = [prompt for prompt in self._prompts.values() if not _contains(said, prompt)]
        self._prompts.clear()
        return " ".join(prompts)

    def _call_built_in(self, tool: BuiltInTool, call: ToolCall) -> list[CallOutcome]:
        earlier = (
            request for request, asked in self._entries.items() if asked.response_id != call.response_id
        )
        request_id = next(earlier, call.tool_call_id) if tool is COLLECT_DIGITS else call.tool_call_id
        event, output, prompt = read_call(tool, request_id, call.arguments)
        if isinstance(event, EntryRequested):
            return self._request_entry(event, call, prompt)
        if isinstance(event, TransferRequested):
            self._pending.wait_for_caller(call.tool_call_id)
            self._transfers.append((call.response_id, event))
            return []
        if output is None:
            raise AssertionError(f"{tool.name} has no output, and requests no entry")
        is_hanging_up = isinstance(event, AssistantHangingUp)
        if is_hanging_up:
            self._hang_up.call(call.response_id)
        wants_reply = not (is_hanging_up or isinstance(event, BriefingEvent))
        return [event, ToolOutput(call.tool_call_id, output, wants_reply)]

    def take_transfers(self, response_id: str) -> list[TransferRequested]:
        """The transfers that were asked for in a response which is done, once: its words come before them."""
        taken = [event for asked_in, event in self._transfers if asked_in in (response_id, "")]
        self._transfers = [one for one in self._transfers if one[0] not in (response_id, "")]
        return taken

    def _request_entry(self, request: EntryRequested, call: ToolCall, prompt: str) -> list[CallOutcome]:
        given_up = self._entries.get(request.request_id)
        self._entries[request.request_id] = call
        self._pending.wait_for_caller(call.tool_call_id)
        if prompt:
            self._prompts[call.tool_call_id] = prompt
        if given_up is None:
            return [request]
        return [self._answer_entry(given_up, "error: asked again since", wants_reply=False), request]

    def _answer_entry(self, call: ToolCall, output: str, *, wants_reply: bool) -> ToolOutput:
        self._pending.finish(call.tool_call_id)
        self._prompts.pop(call.tool_call_id, None)
        return ToolOutput(call.tool_call_id, output, wants_reply)


def _contains(said: str | None, prompt: str) -> bool:
    """Whether what was said is the prompt, in these words or nearly: at least half of them."""
    if said is None:
        return True
    wanted = _words(prompt)
    return 2 * len(wanted & _words(said)) >= len(wanted)


def _words(text: str) -> set[str]:
    return {"".join(filter(str.isalnum, word)) for word in text.casefold().split()} - {""}
