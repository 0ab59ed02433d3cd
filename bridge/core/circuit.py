"""The circuit of one assistant: after repeated failures over many calls, new calls go to its fallback at once.

While the circuit is open, one call at a time still goes to the assistant, as a probe: after a pause that grows with each
probe that fails. A success closes the circuit. No clock: `now` is seconds, on the clock that all calls share.
"""

from collections.abc import Callable
from dataclasses import dataclass

PROBE_S = 30.0
"""How long a probe may go without a result. A caller who hangs up before that leaves none, and another call probes."""


@dataclass(frozen=True, slots=True)
class CircuitRule:
    """When a circuit opens, and how long it pauses between probes, in seconds."""

    failures: int = 5
    """In a row; 0: it never opens."""
    calls: int = 3
    """The failures were in so many calls, at least: one call's fault should not concern the others."""
    first_pause_s: float = 5.0
    longest_pause_s: float = 60.0


class Circuit:
    """The circuit of one assistant. `jitter` returns a number between 0 and 1, by which processes do not probe in step."""

    def __init__(self, rule: CircuitRule, jitter: Callable[[], float]) -> None:
        self._rule = rule
        self._jitter = jitter
        self._calls: set[str] = set()  # in which it failed since its last success
        self._pause_s = rule.first_pause_s
        self._probe_at = 0.0
        self._is_probed = False
        self.failures = 0
        """In a row."""
        self.opened_at: float | None = None
        """When the circuit opened; None: it is closed."""
        self.why = ""
        """The reason of the last failure."""

    def failed(self, call_id: str, why: str, now: float) -> bool:
        """The assistant failed in a call, when it was opened or later. Returns True if that opened the circuit."""
        self.failures += 1
        self.why = why
        if self.opened_at is not None:
            if self._is_probed:
                self._is_probed = False
                self._pause_s = min(2 * self._pause_s, self._rule.longest_pause_s)
                self._wait(now)
            return False
        if len(self._calls) < self._rule.calls:
            self._calls.add(call_id)
        is_enough = self.failures >= self._rule.failures and len(self._calls) >= self._rule.calls
        if not self._rule.failures or not is_enough:
            return False
        self.opened_at = now
        self._pause_s = self._rule.first_pause_s
        self._wait(now)
        return True

    def succeeded(self) -> bool:
        """The assistant served a call. Returns True if that closed the circuit."""
        was_open, self.opened_at = self.opened_at is not None, None
        self.failures, self._is_probed = 0, False
        self._calls.clear()
        return was_open

    def admits(self, now: float) -> bool:
        """Whether a new call should go to the assistant now. Where the circuit is open, that call would be the probe."""
        return self.opened_at is None or now >= self._probe_at

    def take(self, now: float) -> None:
        """A new call goes to the assistant."""
        if self.opened_at is not None and now >= self._probe_at:
            self._is_probed = True
            self._probe_at = now + PROBE_S

    def _wait(self, now: float) -> None:
        """Pause before the next probe: between a half and the whole of `_pause_s`."""
        self._probe_at = now + self._pause_s * (0.5 + self._jitter() / 2)
