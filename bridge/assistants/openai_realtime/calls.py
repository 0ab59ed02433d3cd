"""Function calls on the wire: gathered from several events, answered by one item each, followed up by one response.

Calls that overlap are a batch. Each output is sent at once; a response is due when the last open call is answered and
the responses that made the calls are done. No clock: `now` is seconds.
Wire: OpenAI, "Realtime API", `response.function_call_arguments.done`, items of type `function_call` and
`function_call_output`.
"""

from collections.abc import Callable, Iterable

from msgspec import Struct

from bridge.assistants.openai_realtime import wire
from bridge.assistants.openai_realtime.server_events import Item
from bridge.assistants.shared.pending_calls import PendingCalls
from bridge.assistants.shared.tool_calls import CallOutcome, ToolCall, ToolOutput
from bridge.vocabulary.contracts import AssistantOutcome


class _Gathered(Struct):
    """What is known of a call so far."""

    call_id: str | None = None
    name: str | None = None
    arguments: str | None = None


class FunctionCalls:
    """The calls of one session. `new_id`: the next id for an item of ours."""

    def __init__(self, pending: PendingCalls, new_id: Callable[[], str]) -> None:
        self._pending = pending
        self._new_id = new_id
        self._gathered: dict[str, _Gathered] = {}  # by item
        self._seen: set[str] = set()
        self._making: set[str] = set()  # responses that made calls of this batch and may make more
        self._outputs: set[str] = set()  # items of outputs that were not followed up

    # From the server

    def gather(self, response_id: str, item: Item, *, complete: bool) -> ToolCall | None:
        """What one event tells of a call. Returns the call once, when all of it is known.

        `complete`: the arguments, if the event has any, are complete.
        """
        known = self._gathered.setdefault(item.id or item.call_id or "", _Gathered())
        known.call_id = item.call_id or known.call_id
        known.name = item.name or known.name
        if complete and known.arguments is None:
            known.arguments = item.arguments
        if not known.call_id or not known.name or known.arguments is None or known.call_id in self._seen:
            return None
        self._seen.add(known.call_id)
        return ToolCall(known.call_id, known.name, known.arguments, response_id)

    def join(self, call: ToolCall) -> None:
        """The call belongs to the batch: its response may make more."""
        self._making.add(call.response_id)

    def response_done(self, response_id: str) -> bool:
        """The response will make no more calls. Returns whether it made any."""
        made = not self._making.isdisjoint({response_id, ""})
        self._making -= {response_id, ""}  # some servers do not say which response made a call
        if not (self._making or self._pending.any_open):
            self._gathered.clear()
        return made

    @property
    def being_made(self) -> bool:
        """Whether a response that made calls may make more."""
        return bool(self._making)

    # To the server

    def sent(self, outcomes: Iterable[CallOutcome]) -> list[AssistantOutcome]:
        """The same, each output as the item that carries it."""
        return [self._output(outcome) if isinstance(outcome, ToolOutput) else outcome for outcome in outcomes]

    def _output(self, output: ToolOutput) -> str:
        item_id = self._new_id()
        if output.wants_reply:
            self.follow_up(item_id)
        return wire.create_output(output.tool_call_id, output.output, item_id)

    def follow_up(self, item_id: str) -> None:
        """This item of ours has an output: a response is due to it."""
        self._outputs.add(item_id)

    def take_outputs(self) -> frozenset[str]:
        """The output items of a batch that is complete, once: a response is due. Otherwise empty."""
        if self._pending.any_open or self._making:
            return frozenset()
        outputs = frozenset(self._outputs)
        self._outputs.clear()
        return outputs
