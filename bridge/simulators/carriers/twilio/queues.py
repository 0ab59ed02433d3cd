"""The queues of the simulated Twilio: who waits in them, in turn, and when somebody serves them.

Wire: Twilio, "TwiML Voice: <Enqueue>", "<Queue>". Times are Unix seconds, passed in.
"""

from collections.abc import Callable

from bridge.simulators.carriers.twilio.calls import TwilioCall
from bridge.simulators.carriers.twilio.injected_faults import TwilioCallee
from bridge.simulators.carriers.voice_documents import Enqueue

QUEUE = "queue:"
"""What the address of whoever serves a queue begins with; its name follows."""

REFUSES = {"busy": "queue-full", "failed": "system-error"}
"""`QueueResult` by how whoever serves the queue refuses calls."""


class Queues:
    """Those of one account. The arguments are those of `CallProgress`."""

    def __init__(self, callee: Callable[[str], TwilioCallee], has_agent: Callable[[str], bool]) -> None:
        self._callee = callee
        self._has_agent = has_agent
        self._waiting: dict[str, list[str]] = {}

    def enter(self, call: TwilioCall, verb: Enqueue, now: float) -> None:
        """The call waits in a queue."""
        call.waits, call.queued_at = verb, now
        self._waiting.setdefault(verb.queue, []).append(call.sid)
        address = QUEUE + verb.queue
        if self._has_agent(address) and (after_s := self._callee(address).answers_after_s) is not None:
            call.agent_at = now + after_s

    def refuses(self, call: TwilioCall) -> str:
        """The `QueueResult` with which whoever serves its queue refuses the call; empty: the call is taken."""
        assert call.waits is not None, "it is in a queue"
        return REFUSES.get(self._callee(QUEUE + call.waits.queue).refuses or "", "")

    def first(self, queue: str) -> str:
        """The sid of the call that has waited longest; empty if nobody waits."""
        waiting = self._waiting.get(queue, [])
        return waiting[0] if waiting else ""

    def taken(self, call: TwilioCall, now: float) -> None:
        """Somebody takes the call out of its queue."""
        assert call.waits is not None, "it is in a queue"
        call.taken = call.waits, now - call.queued_at
        self.leave(call)

    def leave(self, call: TwilioCall) -> None:
        """The call is out of its queue, if it was in one."""
        call.agent_at = None
        if call.waits is not None:
            self._waiting[call.waits.queue].remove(call.sid)
            call.waits = None
