"""All phone calls of one server under Telnyx's Call Control: by id, remembered for a while, with deadlines for verdicts.

Units: seconds. No clock: `now` is passed in.
"""

from collections import OrderedDict
from collections.abc import Collection

from bridge.carriers.telnyx.events import CallEvent
from bridge.carriers.telnyx.phone_call import PhoneCall, Stage, Step

REMEMBERED_S = 600.0
"""How long a call that has ended is known, so that no late webhook begins it again."""

MOST = 10_000
"""Calls under way that are kept, and as many that have ended; far more than a server carries. The oldest go."""

VERDICT_S = 15.0
"""From the answer to the verdict who answered, which takes about 4 s. The callee hears silence meanwhile."""


class PhoneCalls:
    """The calls by their `call_control_id`. Of a call that is not ours only its end is kept."""

    def __init__(self, talk_to: Collection[str] = ("human",)) -> None:
        self._talk_to = frozenset(talk_to)
        self._under_way: OrderedDict[str, PhoneCall] = OrderedDict()
        self._ended: OrderedDict[str, tuple[PhoneCall, float]] = OrderedDict()
        self._verdict_due: dict[str, float] = {}  # the first to fall due comes first

    def handle(
        self, event: CallEvent, now: float, assistant: str = "", *, is_refused: bool = False
    ) -> tuple[PhoneCall, list[Step]]:
        """The call of this webhook, and what to do. `assistant`, `is_refused`: as in `PhoneCall.handle`."""
        self._forget(now)
        phone_call = self._find(event.call_id)
        steps = phone_call.handle(event, assistant, is_refused=is_refused)
        if phone_call.stage is Stage.ENDED:
            self._under_way.pop(event.call_id, None)
            self._ended.setdefault(event.call_id, (phone_call, now))
        elif phone_call.stage is not Stage.UNKNOWN:
            self._under_way[event.call_id] = phone_call
        if phone_call.stage is Stage.SCREENING:
            self._verdict_due.setdefault(event.call_id, now + VERDICT_S)
        else:
            self._verdict_due.pop(event.call_id, None)
        return phone_call, steps

    def take_up(self, call_id: str) -> tuple[PhoneCall, list[Step]] | None:
        """A call that another process put through to a person, who has left: it is streamed anew. None: it is known."""
        if call_id in self._under_way or call_id in self._ended:
            return None
        phone_call = self._under_way[call_id] = PhoneCall(self._talk_to)
        return phone_call, phone_call.take_up()

    def deadline(self) -> float | None:
        """When `due` wants to be called."""
        return next(iter(self._verdict_due.values()), None)

    def due(self, now: float) -> list[tuple[str, PhoneCall, list[Step]]]:
        """The calls whose verdict is overdue at `now`, each with what to do."""
        overdue = [call for call, due in self._verdict_due.items() if due <= now]
        for call in overdue:
            del self._verdict_due[call]
        found = [(call, self._under_way[call]) for call in overdue if call in self._under_way]
        return [(call, phone_call, phone_call.verdict_overdue()) for call, phone_call in found]

    def under_way(self) -> list[tuple[str, PhoneCall]]:
        """The calls that are ours and have not ended."""
        return list(self._under_way.items())

    def _find(self, call_id: str) -> PhoneCall:
        if call_id in self._ended:
            return self._ended[call_id][0]
        return self._under_way.get(call_id) or PhoneCall(self._talk_to)

    def _forget(self, now: float) -> None:
        while self._ended and (len(self._ended) >= MOST or self._oldest_end() + REMEMBERED_S <= now):
            self._ended.popitem(last=False)
        while len(self._under_way) >= MOST:
            self._under_way.popitem(last=False)

    def _oldest_end(self) -> float:
        return next(iter(self._ended.values()))[1]
