"""The calls that were placed over the control API with variables, until they are announced by a webhook, or are over.

They are kept here, and are not sent to the carrier with the call. No clock, no socket.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping

from msgspec import structs

from bridge.vocabulary.call_facts import CallContext

MOST = 10_000
"""Calls of which variables are kept; then the oldest go."""


class PlacedCalls:
    """Those of one process."""

    def __init__(self) -> None:
        self.noted: Callable[[str, str], None] = lambda _carrier, _id: None
        """Called with the carrier and the id of each call that is noted: its webhooks should come to this process."""
        self._variables: OrderedDict[tuple[str, str], dict[str, str]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._variables)

    def note(self, carrier: str, call_id: str, variables: Mapping[str, str]) -> None:
        """A call was placed with these variables."""
        if not (variables and call_id):
            return
        self._variables[carrier, call_id] = dict(variables)
        if len(self._variables) > MOST:
            self._variables.popitem(last=False)
        self.noted(carrier, call_id)

    def context(self, carrier: str, call_id: str, context: CallContext) -> CallContext:
        """What is different in this call. An answer to [before_call] has the last word on a variable."""
        variables = self._variables.get((carrier, call_id))
        if variables is None:
            return context
        facts = structs.replace(context.facts, variables=variables | context.facts.variables)
        return structs.replace(context, facts=facts)

    def forget(self, carrier: str, call_id: str) -> None:
        """The call is over."""
        self._variables.pop((carrier, call_id), None)
