"""How the server stops: signals and time bring it from one stage to the next, and each stage is begun once.

serving ──signal──▶ draining ──signal, drain_s──▶ goodbye ──signal, its time──▶ leaving

Draining: no new calls; those under way, and those that were promised an assistant, go on undisturbed. Goodbye: replies
end, the goodbye is heard, calls are closed. Leaving: what is left is broken off. When no call is left it is over, but
not before the time in which balancers see that this server takes no more calls.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from enum import IntEnum
from math import inf
from typing import NamedTuple, Protocol

import structlog

from bridge.shell.session import clock
from bridge.shell.systemd import Notifier

PROMISED_S = 10.0
"""How long a call whose webhook was answered is waited for, once no more calls are taken."""

LOOK_S = 0.05
"""From one look at the calls to the next, while the server stops."""

TELL_S = 5.0
"""From one message to systemd to the next, while nothing changes."""

log = structlog.get_logger()


class Stage(IntEnum):
    """How far the server has come."""

    SERVING = 0
    DRAINING = 1
    GOODBYE = 2
    LEAVING = 3


class StopRules(NamedTuple):
    """How long the stages last, in seconds."""

    drain_s: float
    goodbye_s: float
    """Until the last call is closed: replies, the goodbye, and the last marks."""
    linger_s: float = 0.0
    """The port is open for so long at least, from the first signal on."""


class Stages:
    """The stages of one server, without a clock: `now` is seconds."""

    def __init__(self, rules: StopRules) -> None:
        self.stage = Stage.SERVING
        self._rules = rules
        self._until = inf  # when the stage ends by itself
        self._lingers_until = -inf
        self._promised_until = -inf

    def signal(self, now: float) -> None:
        """A signal to stop: the next stage begins. Whoever signals twice does not want to wait for balancers."""
        if self.stage is Stage.SERVING:
            self._lingers_until = now + self._rules.linger_s
            self._promised_until = now + PROMISED_S
        else:
            self._lingers_until = -inf
        if self.stage is not Stage.LEAVING:
            self._begin(Stage(self.stage + 1), now)

    def look(self, now: float) -> Stage:
        """Begin the stages that are due by `now`."""
        while now >= self._until:
            self._begin(Stage(self.stage + 1), self._until)
        return self.stage

    def is_over(self, calls: int, promised: int, now: float) -> bool:
        """Whether nothing is left to wait for. `promised`: calls whose webhook was answered, without a stream so far."""
        if self.stage is Stage.SERVING or now < self._lingers_until:
            return False
        waits = promised and self.stage is Stage.DRAINING and now < self._promised_until
        return self.stage is Stage.LEAVING or not (calls or waits)

    def _begin(self, stage: Stage, now: float) -> None:
        self.stage = stage
        lasts_s = {Stage.DRAINING: self._rules.drain_s, Stage.GOODBYE: self._rules.goodbye_s}
        self._until = now + lasts_s.get(stage, inf)


class Stoppable(Protocol):
    """The calls of a server."""

    @property
    def calls(self) -> int:
        """Calls under way."""
        ...

    @property
    def promised(self) -> int:
        """Calls whose webhook was answered, and whose stream may still come."""
        ...

    def refuse_new_calls(self) -> None:
        """Take no call but those that were promised."""
        ...

    def say_goodbye(self) -> None:
        """Let replies end, say goodbye, and close each call. Nobody is let in any more."""
        ...

    def close(self) -> None:
        """Close each call once the caller has heard what was said. Nobody is let in any more."""
        ...

    def break_off(self) -> None:
        """End each call at once."""
        ...


class Lifecycle:
    """Takes the calls of a server through its stages. `rules` is asked for when the server begins to stop."""

    def __init__(self, calls: Stoppable, rules: Callable[[], StopRules], notifier: Notifier) -> None:
        self._calls = calls
        self._rules = rules
        self._notifier = notifier
        self._stages = Stages(StopRules(0.0, 0.0))
        self._begun = Stage.SERVING
        self._changed = asyncio.Event()
        self._told_at = -inf

    @property
    def stage(self) -> Stage:
        """How far the server has come."""
        return self._begun

    def signal(self) -> None:
        """A signal to stop: drain; once more: say goodbye at once; a third time: leave at once."""
        if self._begun is Stage.SERVING:
            self._stages = Stages(self._rules())
        self._stages.signal(clock())
        self._follow()
        self._changed.set()

    async def finished(self) -> None:
        """Wait for the first signal, and then until the server has nothing left to do."""
        while not self._stages.is_over(self._calls.calls, self._calls.promised, clock()):
            self._changed.clear()
            is_serving = self._begun is Stage.SERVING
            with suppress(TimeoutError):
                async with asyncio.timeout(None if is_serving else LOOK_S):
                    await self._changed.wait()
            self._stages.look(clock())
            self._follow()
            self._tell()

    async def close(self) -> None:
        """End what is left. Calls that no signal has ended are closed once the caller has heard what was said.

        That takes `drain_s` at most, and no longer than a goodbye may.
        """
        if self._begun < Stage.GOODBYE:
            self._calls.close()
            rules = self._rules()
            self._stages = Stages(rules._replace(goodbye_s=min(rules.goodbye_s, rules.drain_s)))
            self._begun = Stage.GOODBYE
            while self._stages.stage < Stage.GOODBYE:
                self._stages.signal(clock())
        await self.finished()
        while self._begun < Stage.LEAVING:
            self.signal()

    def _follow(self) -> None:
        """Begin the stages that have not begun."""
        begin = {
            Stage.DRAINING: self._calls.refuse_new_calls,
            Stage.GOODBYE: self._calls.say_goodbye,
            Stage.LEAVING: self._calls.break_off,
        }
        while self._begun < self._stages.stage:
            self._begun = Stage(self._begun + 1)
            if self._begun is Stage.DRAINING or self._calls.calls:
                log.info(f"= {self._begun.name.lower()}", calls=self._calls.calls)
            begin[self._begun]()
            if self._begun is Stage.DRAINING:
                self._notifier.stopping(self._status())

    def _tell(self) -> None:
        if clock() - self._told_at >= TELL_S:
            self._told_at = clock()
            self._notifier.still_stopping(self._status())

    def _status(self) -> str:
        return f"{self._begun.name.lower()}: {self._calls.calls} calls"
