"""The settings that new calls get, with their assistants; and those of before, as long as a call needs them.

A call keeps the setup with which it was announced: its assistant, the tools and fallbacks of that, and what is renewed or
tried again come from the same settings to its end.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace

from bridge.carriers.shared.webhooks import ExpectedCall
from bridge.config.routes import Routes
from bridge.config.settings import Settings
from bridge.core.failover import FailoverPlan
from bridge.observers.call_log import CallLog
from bridge.shell.switchboard import Switchboard
from bridge.vocabulary.call_facts import CallContext, facts_of
from bridge.vocabulary.events import CallStarted

LOOK_S = 1.0
"""From one look whether a former setup is still needed to the next."""


class Setup:
    """One state of the settings."""

    def __init__(self, settings: Settings, switchboard: Switchboard) -> None:
        self.settings = settings
        self.switchboard = switchboard
        self.routes = Routes(settings.routes)
        """Who answers a call whose webhook names no assistant."""
        self.calls = 0
        """Calls under way."""

    def plan(self, assistant: str, context: CallContext) -> FailoverPlan:
        """Who answers a call for this assistant. `context`: what each of them is told."""
        return replace(self.switchboard.plan(assistant), context=context)

    def plan_at_start(self, event: CallStarted) -> FailoverPlan:
        """Who answers a call that nobody announced: what its stream says is all that is known, and nobody proved it."""
        return self.plan(
            self.routes.assistant_at_start(event.parameters), CallContext(facts_of(event.parameters))
        )

    def call_log(self, carrier: str, expected: ExpectedCall) -> CallLog:
        """Writes the first and the last line of a call."""
        if expected.call_id:
            return CallLog(carrier, expected.direction, lambda _: expected.route)
        return CallLog(carrier, route=lambda event: self.routes.name_at_start(event.parameters))


class Setups:
    """The setups of one server. `is_announced`: whether a call that was announced with a setup may still come."""

    def __init__(
        self, first: Setup, is_announced: Callable[[Setup], bool], *, look_s: float = LOOK_S
    ) -> None:
        self.current = first
        """For new calls."""
        self._is_announced = is_announced
        self._look_s = look_s
        self._former: dict[Setup, asyncio.TimerHandle] = {}
        self._closing: set[asyncio.Task[None]] = set()

    @property
    def former(self) -> int:
        """Setups that are kept for calls under way."""
        return len(self._former)

    def replace(self, setup: Setup) -> None:
        """From now on new calls get this one. The one before is closed when its last call has ended."""
        before, self.current = self.current, setup
        setup.switchboard.health.adopt(before.switchboard.health, _unchanged(before.settings, setup.settings))
        setup.switchboard.prepare()
        self._look_later(before)

    def forget(self, call_id: str) -> None:
        """The call will not come any more."""
        for setup in (self.current, *self._former):
            setup.switchboard.forget(call_id)

    async def aclose(self) -> None:
        """Close all of them."""
        for timer in self._former.values():
            timer.cancel()
        await asyncio.gather(*self._closing)
        for setup in (*self._former, self.current):
            await setup.switchboard.aclose()
        self._former.clear()

    def _look_later(self, setup: Setup) -> None:
        self._former[setup] = asyncio.get_running_loop().call_later(self._look_s, self._look, setup)

    def _look(self, setup: Setup) -> None:
        if setup.calls or self._is_announced(setup):
            self._look_later(setup)
            return
        del self._former[setup]
        task = asyncio.create_task(setup.switchboard.aclose())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


def _unchanged(before: Settings, after: Settings) -> list[str]:
    """The names of the assistants that are the same in both."""
    both = before.assistant_kinds.keys() & after.assistant_kinds.keys()
    return [name for name in both if before.assistant_settings(name) == after.assistant_settings(name)]
