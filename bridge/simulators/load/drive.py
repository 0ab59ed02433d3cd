"""Runs the calls of one process from the beginning of a run to its end, and says once a second what was measured.

One timer, a millisecond apart, drives everything: frames that are due, calls that are to be placed, the end of a second.
"""

import asyncio
import time
from collections.abc import Callable

from bridge.simulators.carriers.registry import carrier_simulator
from bridge.simulators.load.arrivals import Arrivals
from bridge.simulators.load.live_caller import LiveCaller, Surroundings, clock
from bridge.simulators.load.measures import LastWords, Sample, Tally
from bridge.simulators.load.pacer import STEP_S, Pacer
from bridge.simulators.load.plan import LoadPlan
from bridge.simulators.load.talk import Talk

CLOSING_S = 1.0
"""How long the sockets have for their closing handshakes at the end."""

ENDED, CUT_SHORT = "the run ended", "the run was interrupted"


class Driver:
    """The calls of one process. `plan`: its own part. `say`: called with each second.

    `shift_s`: by how much this process places its calls later than the first one.
    """

    def __init__(
        self,
        plan: LoadPlan,
        talks: tuple[Talk, ...],
        say: Callable[[Sample], None],
        *,
        process: int = 0,
        shift_s: float = 0.0,
    ) -> None:
        self._plan = plan
        self._talks = talks
        self._say = say
        self._process = process
        self._tally = Tally()
        self._calls: set[LiveCaller] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._number = 0
        self._at_s = 0
        self._over = asyncio.Event()
        self._interrupted = False
        self._arrivals = Arrivals(
            calls=plan.calls,
            calls_per_second=plan.calls_per_second,
            ramp_s=plan.ramp_s,
            hold=plan.hold_calls,
            first_s=shift_s,
        )
        self._around: Surroundings
        self._cpu_s = 0.0
        self._cpu_at = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def stop(self) -> None:
        """End the run now: the calls hang up, and what was measured so far is said."""
        self._interrupted = True
        self._over.set()

    async def run(self, begins_at: float) -> LastWords:
        """Begin at this time of `clock`, and return at the end what is known only then."""
        await asyncio.sleep(max(begins_at - clock(), 0))
        self._around = self._surroundings(begins_at)
        began_cpu_s = self._cpu_s = time.process_time()
        self._cpu_at = clock()
        self._tick()
        try:
            await self._over.wait()
        finally:
            if self._timer is not None:
                self._timer.cancel()
            ended_at, held = clock(), self._held
            self._hang_up()
            await self._wait_for_closes()
        self._end_second(ended_at, held)
        return LastWords(
            process=self._process,
            worst=tuple(self._tally.worst),
            cpu_s=time.process_time() - began_cpu_s,
            length_s=ended_at - begins_at,
            event_loop=type(asyncio.get_running_loop()).__module__.partition(".")[0],
        )

    def _surroundings(self, began: float) -> Surroundings:
        plan, simulator = self._plan, carrier_simulator(self._plan.carrier)
        options = plan.call_options
        return Surroundings(
            url=plan.url,
            process=self._process,
            began=began,
            call_s=plan.call_s,
            behaviour=plan.behaviour,
            delay=plan.delay,
            new_exchange=lambda: simulator.exchange(options),
            tally=self._tally,
            pacer=Pacer(clock),
            talks=self._talks,
            over=self._calls.discard,
        )

    def _tick(self) -> None:
        around = self._around
        around.pacer.run(self._tally.own_lags_ms)
        now_s = clock() - around.began
        if now_s >= self._plan.duration_s:
            self._over.set()
            return
        for due_s in self._arrivals.due(now_s, len(self._calls)):
            self._place(around.began + due_s)
        if now_s >= self._at_s + 1:
            self._end_second(clock(), self._held)
        self._timer = asyncio.get_running_loop().call_later(STEP_S, self._tick)

    def _place(self, due: float) -> None:
        self._number += 1
        call = LiveCaller(self._around, self._number, due)
        self._calls.add(call)
        task = asyncio.get_running_loop().create_task(call.place())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @property
    def _held(self) -> int:
        return sum(call.is_open for call in self._calls)

    def _end_second(self, now: float, held: int) -> None:
        cpu_s = time.process_time()
        share = (cpu_s - self._cpu_s) / max(now - self._cpu_at, 0.001)
        self._cpu_s, self._cpu_at = cpu_s, now
        self._say(self._tally.take(self._process, self._at_s, held, min(share, 1.0)))
        self._at_s += 1

    def _hang_up(self) -> None:
        why = CUT_SHORT if self._interrupted else ENDED
        is_early = self._interrupted or self._plan.call_s > 0
        for call in list(self._calls):
            call.hang_up(why, cut_short=is_early and (call.is_open or self._interrupted))

    async def _wait_for_closes(self) -> None:
        """Let calls that are being set up go, and give the sockets their time."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        give_up = clock() + CLOSING_S
        while self._around.closing and clock() < give_up:  # noqa: ASYNC110  # an event for each of them is more
            await asyncio.sleep(0.01)
        for call in list(self._around.closing):
            call.abort()
