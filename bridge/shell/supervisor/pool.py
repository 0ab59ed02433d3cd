"""Chooses the worker that gets a connection: the one that has its call already, else the one with the fewest calls.

No socket, no clock. A worker's load is what it reported last and what was passed to it since, so that a burst of calls
spreads evenly before anybody has reported.
"""

from collections import OrderedDict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from bridge.carriers.registry import CARRIERS
from bridge.shell.supervisor.messages import Load
from bridge.shell.supervisor.request import Destination

MOST_CALLS = 20_000
"""Calls of which it is remembered who has them, also when they have ended: webhooks come late. The oldest go."""


MOST_UNREAD = 8
"""A worker that has not received so many connections is slow, or hangs: others are chosen before it."""


@dataclass(slots=True)
class Member:
    """One worker, by its number; no two of one server have the same."""

    number: int
    owner: str = ""
    """Its name in tokens; empty until it is ready."""
    is_stopping: bool = False
    reported: Load = field(default_factory=lambda: Load(0, 0, 0))
    passed: int = 0
    """Connections that may begin a call."""
    chosen_at: int = 0

    @property
    def load(self) -> int:
        """Calls under way, and those that may come of what was passed to it."""
        return self.reported.calls + self.reported.coming + self.unread

    @property
    def unread(self) -> int:
        """Connections that may begin a call, and that it has not received so far."""
        return self.passed - self.reported.received


class Pool:
    """The workers of one server."""

    def __init__(self) -> None:
        self._members: dict[int, Member] = {}
        self._calls: OrderedDict[tuple[str, str], Member] = OrderedDict()
        self._placed: set[tuple[str, str]] = set()
        self._choices = 0

    def __iter__(self) -> Iterator[Member]:
        return iter(self._members.values())

    @property
    def calls(self) -> int:
        """Calls under way in all of them."""
        return sum(member.reported.calls for member in self)

    @property
    def ready(self) -> list[Member]:
        """The workers that take new calls."""
        return [member for member in self if member.owner and not member.is_stopping]

    def add(self, number: int) -> None:
        """A worker was started; it is not ready yet."""
        self._members[number] = Member(number)

    def ready_as(self, number: int, owner: str) -> None:
        """This worker takes connections; it has this name in tokens."""
        self._members[number].owner = owner

    def report(self, number: int, load: Load) -> None:
        """This worker has told its load."""
        self._members[number].reported = load

    def stop(self, number: int) -> None:
        """This worker takes no new calls."""
        if number in self._members:
            self._members[number].is_stopping = True

    def leave(self, number: int) -> None:
        """This worker takes no connections any more; it will end soon."""
        if number in self._members:
            self._members[number].owner = ""

    def remove(self, number: int) -> int:
        """A worker has ended. Returns the number of calls that ended with it."""
        member = self._members.pop(number)
        for call in [call for call, owner in self._calls.items() if owner is member]:
            del self._calls[call]
            self._placed.discard(call)
        return member.reported.calls

    def knows(self, number: int, call: tuple[str, str], *, is_placed: bool = False) -> None:
        """This worker has this call. `is_placed`: it has placed it, and another one may take it as well."""
        self._calls[call] = self._members[number]
        if is_placed:
            self._placed.add(call)
        else:
            self._placed.discard(call)
        self._calls.move_to_end(call)
        if len(self._calls) > MOST_CALLS:
            self._placed.discard(self._calls.popitem(last=False)[0])

    def choose(self, where: Destination, without: Collection[int] = ()) -> tuple[int, bool] | None:
        """The worker for a connection, and whether it is new there and may begin a call. None: there is no worker.

        A server that stops has none that takes new calls; then one of those that stop says so. `without`: workers that
        cannot be reached.
        """
        member = self._owner(where)
        if member is not None and member.is_stopping and where.call in self._placed:
            member = None  # it takes no new calls, and the call has not come yet
        if member is not None and member.owner:
            return None if member.number in without else (member.number, False)
        reachable = [one for one in self if one.owner and one.number not in without]
        candidates = [one for one in reachable if not one.is_stopping] or reachable
        if not candidates:
            return None
        if where.is_pinned:
            return candidates[0].number, False
        member = min(candidates, key=lambda one: (one.unread > MOST_UNREAD, one.load, one.chosen_at))
        self._choices += 1
        member.chosen_at = self._choices
        member.passed += where.may_begin_call
        return member.number, where.may_begin_call

    def load_beside(self, number: int) -> int:
        """Calls in the workers but this one, and those that may come of what was passed to them."""
        return sum(member.load for member in self if member.number != number)

    def not_passed(self, number: int, is_new: bool) -> None:
        """A connection could not be passed to the worker that was chosen."""
        self._members[number].passed -= is_new

    def _owner(self, where: Destination) -> Member | None:
        owner = next((member for member in self if where.owner and member.owner == where.owner), None)
        if owner is None and where.call_id:
            found = (self._calls.get((carrier, where.call_id)) for carrier in CARRIERS)
            return next((member for member in found if member is not None), None)
        return owner or (None if where.call is None else self._calls.get(where.call))
