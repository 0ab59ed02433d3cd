"""Watches the event loop: how late it calls back, and, from a thread, what code keeps it for too long."""

import asyncio
import sys
import threading
import time
from collections import deque
from collections.abc import Callable

import structlog

PROBE_S = 0.02
"""From one probe to the next, in seconds."""

WINDOW_PROBES = 100
"""Probes that `lag_s` looks at: two seconds of them."""

BLOCKED_S = 0.2
"""A callback that takes longer than this is logged, with the frames of its stack: every call on this loop heard a gap."""

MOST_FRAMES = 12
"""Frames of the stack in the log, the innermost."""

log = structlog.get_logger()
clock = time.monotonic


class LoopWatch:
    """One loop's watch, from `start` to `stop`; both are called on the loop.

    `probed`: called with the seconds that each probe was late.
    """

    def __init__(
        self, blocked_s: float = BLOCKED_S, probed: Callable[[float], object] = lambda _lag_s: None
    ) -> None:
        self._blocked_s = blocked_s
        self._probed = probed
        self.lags: deque[float] = deque(maxlen=WINDOW_PROBES)
        """How late the last probes were, in seconds."""
        self._expected = 0.0  # when the next probe is due
        self._timer: asyncio.TimerHandle | None = None
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def lag_s(self) -> float:
        """How late the loop calls back: the 99th percentile of the last two seconds, in seconds; 0 before that."""
        if len(self.lags) < WINDOW_PROBES:
            return 0.0
        return sorted(self.lags)[WINDOW_PROBES * 99 // 100 - 1]

    def start(self) -> None:
        """Begin to watch the loop that runs."""
        self._probe_again(clock())
        blocked = threading.get_ident()
        self._thread = threading.Thread(target=self._watch, args=(blocked,), name="loop watch", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Watch no more. Waits for the thread, which ends at once."""
        if self._timer is not None:
            self._timer.cancel()
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()

    def _probe(self) -> None:
        now = clock()
        lag_s = max(0.0, now - self._expected)  # uvloop's timers may be a millisecond early
        self.lags.append(lag_s)
        self._probed(lag_s)
        self._probe_again(now)

    def _probe_again(self, now: float) -> None:
        self._expected = now + PROBE_S
        self._timer = asyncio.get_running_loop().call_later(PROBE_S, self._probe)

    def _watch(self, loop_thread: int) -> None:
        reported: float | None = None  # the probe that the last report missed
        while not self._stopped.wait(self._blocked_s / 4):
            expected = self._expected
            late_s = clock() - expected
            if reported is not None and reported != expected:
                log.warning("= the event loop runs again", late_ms=round((self._expected - reported) * 1000))
                reported = None
            if late_s > self._blocked_s and reported is None:
                reported = expected
                log.warning(
                    "= the event loop is blocked",
                    late_ms=round(late_s * 1000),
                    frames=_stack_of(loop_thread),  # `stack` is a text to structlog
                )


def _stack_of(thread: int) -> list[str]:
    """Where a thread is, the innermost frame last. Places, no values.

    `traceback` would read the source file of each frame, and keep it for ever.
    """
    places: list[str] = []
    frame = sys._current_frames().get(thread)
    while frame is not None and len(places) < MOST_FRAMES:
        places.append(f"{frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_name}")
        frame = frame.f_back
    return places[::-1]
