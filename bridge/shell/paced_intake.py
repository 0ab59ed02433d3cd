"""What arrives on an assistant's leg, at a pace that leaves time for other calls.

A message is passed on at once while the leg keeps its budget and has not been at work for `SLICE_S` in this turn of the
event loop. Otherwise reading is paused, so that the peer's sends wait in its own process, and what was read already
follows in later turns, in order. A leg that is paused for too long in all is given up.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable

import structlog

from bridge.shell.close_frames import INTERNAL_ERROR, POLICY_VIOLATION
from bridge.shell.leg_budget import MOST_SHORT_S, LegBudget
from bridge.vocabulary.contracts import Receive, WireMessage

SLICE_S = 0.001
"""So long one leg may keep the event loop in one turn; one message that takes longer is not divided."""

PAUSE_S = 0.0005
"""The event loop did something else since, if so much time has passed since the last message."""

clock = time.monotonic

log = structlog.get_logger()


class PacedIntake:
    """The intake of one leg. `receive` gets the messages; `set_reading` pauses and resumes the socket; `drop` is called,
    at most once, with the close code and the reason when the leg should be closed. Reading is paused then.
    """

    def __init__(
        self, receive: Receive, set_reading: Callable[[bool], None], drop: Callable[[int, str], None]
    ) -> None:
        self._receive = receive
        self._set_reading = set_reading
        self._drop = drop
        self._budget = LegBudget(clock())
        self._held: deque[WireMessage] = (
            deque()
        )  # what was read before the pause: one read of the socket at most
        self._idle_since = 0.0
        self._slice_began = 0.0
        self._next: asyncio.Handle | None = None  # when messages are passed on again
        self._ended: Callable[[], None] | None = None  # told when all that is held was passed on
        self._is_over = False
        self.is_paused = False
        """Whether the socket is not read: the peer's pongs are not seen."""

    def take(self, message: WireMessage) -> None:
        """Pass one message on, or hold it. The hot path."""
        if self._next is not None:
            self._hold(message)
            return
        began = clock()
        if began - self._idle_since > PAUSE_S:
            self._slice_began = began
        receive, budget = self._receive, self._budget  # by a local name, as in `SocketLeg.on_ws_frame`
        receive(message)
        budget.messages -= 1
        budget.bytes -= len(message)
        self._idle_since = done = clock()
        if budget.messages < 0 or budget.bytes < 0 or done - self._slice_began > SLICE_S:
            self._wait(done)

    def finish(self, ended: Callable[[], None]) -> None:
        """The connection is gone: `ended` is called when what is held was passed on, at once if nothing is."""
        if self._held:
            self._ended = ended
        else:
            ended()

    def stop(self) -> None:
        """Nothing is passed on any more. A socket that is paused stays so."""
        self._is_over = True
        self._receive = self._set_reading = _ignore
        self._drop = _ignore_fault
        if self._next is not None:
            self._next.cancel()
            self._next = None
        self._held.clear()
        self._ended = None

    def _hold(self, message: WireMessage) -> None:
        if not self.is_paused:
            self.is_paused = True
            self._set_reading(False)
        self._held.append(message)

    def _wait(self, now: float) -> None:
        """Go on in the next turn of the loop, or when the budget allows it."""
        if self._is_over:  # this message has ended the leg
            return
        wait_s = self._budget.wait_s(now)
        if self._budget.is_exceeded:
            self._give_up(
                POLICY_VIOLATION, f"it sends too much: more than its allowance for {MOST_SHORT_S:g} s"
            )
            return
        loop = asyncio.get_running_loop()
        self._next = loop.call_later(wait_s, self._go_on) if wait_s else loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        self._next = None
        self._idle_since = self._slice_began = clock()
        try:
            while self._held and self._next is None:
                self.take(self._held.popleft())
        except Exception:  # as in a socket's callback: the leg is closed, and its loss is handled in order
            log.exception("= a message of an assistant failed")
            self._give_up(INTERNAL_ERROR, "a fault in the bridge")
            return
        if self._held or self._next is not None or self._is_over:
            return
        if self._ended is not None:
            ended, self._ended = self._ended, None
            ended()
        elif self.is_paused:
            self.is_paused = False
            self._set_reading(True)

    def _give_up(self, code: int, reason: str) -> None:
        drop = self._drop
        self.stop()
        drop(code, reason)


def _ignore(_: object) -> None:
    """The call has closed the leg."""


def _ignore_fault(_code: int, _reason: str) -> None:
    """The call has closed the leg."""
