"""Function calls on the wire: gathered from several events, answered by one item each, followed up by one response.

Calls that overlap are a batch. Each output is sent at once; a response is due when the last open call is answered and
the responses that made the calls are done. Servers differ in their `call_id`: some use one for all calls, or none. So a
call is told from a repeat by its item and, while it has no output, by what it asks for. No clock: `now` is seconds.
Wire: OpenAI, "Realtime API", `response.function_call_arguments.done`, items of type `function_call` and
`function_call_output`.
"""

from collections.abc import Callable, Iterable
from itertools import chain, count

from msgspec import Struct

from bridge.assistants.openai_realtime import wire
from bridge.assistants.openai_realtime.server_events import Item
from bridge.assistants.shared.arguments import LONGEST_ARGUMENTS
from bridge.assistants.shared.pending_calls import PendingCalls
from bridge.assistants.shared.tool_calls import CallOutcome, ToolCall, ToolOutput
from bridge.vocabulary.contracts import AssistantOutcome
from bridge.vocabulary.errors import LimitExceeded

MOST_REMEMBERED = 1_000
"""Items that made calls; older ones are forgotten. Enough for hours. The most outputs that wait for a response."""

MOST_AT_ONCE = 256
"""Calls that are being made, or are open, at a time; a session with more has run away."""


class _Gathered(Struct):
    """What is known of a call so far."""

    item_id: str
    response_id: str = ""
    call_id: str = ""
    name: str = ""
    arguments: str | None = None


class _Made(Struct):
    """A call that was made. `call`: under our name for it, which no other open call has. `call_id`: the server's."""

    call: ToolCall
    call_id: str
    item_id: str
    shares_id: bool = False  # with another call that was open at the same time
    is_response_done: bool = False


class FunctionCalls:
    """The calls of one session. `new_id`: the next id for an item of ours."""

    def __init__(self, pending: PendingCalls, new_id: Callable[[], str]) -> None:
        self._pending = pending
        self._new_id = new_id
        self._gathered: dict[str, _Gathered] = {}  # by item; without one, by `call_id`
        self._items: dict[str, None] = {}  # that made calls
        self._made: dict[str, _Made] = {}  # by our name: calls that are open, or whose response is not done
        self._making: set[str] = set()  # responses that made calls of this batch and may make more
        self._outputs: set[str] = set()  # items of outputs that were not followed up

    # From the server

    def gather(self, response_id: str, item: Item, *, complete: bool) -> ToolCall | None:
        """What one event tells of a call. Returns the call once, when all of it is known.

        `complete`: the arguments, if the event has any, are complete.
        """
        item_id = item.id or ""
        known = self._gathered.setdefault(item_id or item.call_id or "", _Gathered(item_id))
        if len(self._gathered) > MOST_AT_ONCE:
            raise LimitExceeded(f"more than {MOST_AT_ONCE} tool calls in a response")
        known.response_id = response_id or known.response_id
        known.call_id = item.call_id or known.call_id
        known.name = item.name or known.name
        if complete and known.arguments is None:
            known.arguments = item.arguments and item.arguments[: LONGEST_ARGUMENTS + 1]  # to be refused
        return self._make(known) if known.call_id else None

    def without_id(self, response_id: str) -> list[ToolCall]:
        """The calls of a response that came without a `call_id`, when the response is done: their items name them."""
        left = [one for one in self._gathered.values() if one.response_id in ("", response_id)]
        made = [self._make(one) for one in left if not one.call_id]
        return [call for call in made if call is not None]

    def _make(self, known: _Gathered) -> ToolCall | None:
        if not known.name or known.arguments is None or known.item_id in self._items:
            return None
        is_repeat = any(self._repeats(known, made) for made in self._made.values())
        if known.item_id:
            self._items[known.item_id] = None
            if len(self._items) > MOST_REMEMBERED:
                del self._items[next(iter(self._items))]
            if is_repeat:
                self._making.add(known.response_id)  # it did not say nothing: the output answers it too
                if len(self._making) > MOST_AT_ONCE:
                    raise LimitExceeded(f"more than {MOST_AT_ONCE} responses that make tool calls at once")
        if is_repeat:
            return None
        known.call_id = known.call_id or known.item_id or self._new_id()
        name = self._free_name(known.call_id)
        call = ToolCall(name, known.name, known.arguments, known.response_id)
        self._made[name] = _Made(call, known.call_id, known.item_id)
        if len(self._made) > MOST_AT_ONCE:
            raise LimitExceeded(f"more than {MOST_AT_ONCE} tool calls at once")
        same = [one for one in self._made.values() if one.call_id == known.call_id]
        for one in same:
            one.shares_id |= len(same) > 1
        return call

    def _free_name(self, call_id: str) -> str:
        """A name for a call: its `call_id`, or if a call of this name is open, that and a number."""
        numbered = (f"{call_id}#{number}" for number in count(2))
        return next(name for name in chain([call_id], numbered) if not self._pending.is_open(name))

    def _repeats(self, known: _Gathered, made: _Made) -> bool:
        """Whether a call with another item, or without one, is the same as this one."""
        if known.call_id != made.call_id:
            return False
        has_items = bool(known.item_id and made.item_id)
        if self._pending.is_open(made.call.tool_call_id):
            is_same = (known.name, known.arguments) == (made.call.name, made.call.arguments)
            return is_same or not has_items
        return not has_items and not made.is_response_done

    def join(self, call: ToolCall) -> None:
        """The call belongs to the batch: its response may make more."""
        self._making.add(call.response_id)

    def response_done(self, response_id: str) -> bool:
        """The response will make no more calls. Returns whether it made any."""
        its = {response_id, ""}  # some servers do not say which response made a call
        made = not self._making.isdisjoint(its)
        self._making -= its
        self._gathered = {key: one for key, one in self._gathered.items() if one.response_id not in its}
        for one in self._made.values():
            one.is_response_done |= one.call.response_id in its
        self._made = {name: one for name, one in self._made.items() if self._is_needed(one)}
        return made

    def _is_needed(self, made: _Made) -> bool:
        return not made.is_response_done or self._pending.is_open(made.call.tool_call_id)

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
        made = self._made.get(output.tool_call_id)
        if made is None:
            return wire.create_output(output.tool_call_id, output.output, item_id)
        after = made.item_id if made.shares_id else ""
        return wire.create_output(made.call_id, output.output, item_id, after)

    def follow_up(self, item_id: str) -> None:
        """This item of ours has an output: a response is due to it."""
        self._outputs.add(item_id)
        if len(self._outputs) > MOST_REMEMBERED:
            raise LimitExceeded(f"more than {MOST_REMEMBERED} tool calls without a response to their outputs")

    def take_outputs(self) -> frozenset[str]:
        """The output items of a batch that is complete, once: a response is due. Otherwise empty."""
        if self._pending.any_open or self._making:
            return frozenset()
        outputs = frozenset(self._outputs)
        self._outputs.clear()
        return outputs
