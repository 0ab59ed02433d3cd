"""Asks the address of [before_call] what to do with a call that rings: once for each call, and within its timeout.

No fault there costs a call more than the timeout: the call goes on as if nobody had been asked. Faults over many calls
open a circuit: then new calls do not wait at all, and one call at a time still asks, to find out whether it works again.
"""

import asyncio
import random
import time

import structlog
from msgspec import json

from bridge.carriers.shared.before_call import (
    MOST_ANSWER_BYTES,
    NOTHING_SAID,
    Decision,
    Question,
    read_decision,
)
from bridge.core.circuit import Circuit, CircuitRule
from bridge.redaction import for_log
from bridge.settings.before_and_after import BeforeCallSettings
from bridge.shell.network import Network
from bridge.shell.session import clock
from bridge.shell.signed_posts import PostFailed, SignedPosts
from bridge.vocabulary.errors import MalformedMessage

RULE = CircuitRule()
"""When new calls stop asking: five faults in a row, in three calls or more."""

log = structlog.get_logger()


class BeforeCall:
    """The questions of one carrier's calls. `network`: how the address is reached; None: directly."""

    def __init__(self, network: Network | None = None) -> None:
        self._posts = SignedPosts(network)
        self._asked: dict[str, asyncio.Task[Decision]] = {}
        self._circuit = Circuit(RULE, random.random)
        self._address: str | None = None  # the circuit's

    def __len__(self) -> int:
        """Questions that have no answer yet."""
        return len(self._asked)

    async def decide(self, settings: BeforeCallSettings, question: Question) -> Decision:
        """What is to become of this call. Whoever asks of the same call meanwhile gets the same answer. Raises nothing."""
        task = self._asked.get(question.call)
        if task is None:
            task = asyncio.create_task(self._ask(settings, question), name="before_call")
            self._asked[question.call] = task
            task.add_done_callback(lambda _task: self._asked.pop(question.call, None))
        await asyncio.wait({task})
        return NOTHING_SAID if task.cancelled() else task.result()

    def call_ended(self, call_id: str) -> None:
        """The call is over: its question is dropped."""
        if (task := self._asked.get(call_id)) is not None:
            task.cancel()

    async def aclose(self) -> None:
        """Drop all questions."""
        for task in list(self._asked.values()):
            task.cancel()
        await asyncio.gather(*self._asked.values(), return_exceptions=True)
        await self._posts.aclose()

    async def _ask(self, settings: BeforeCallSettings, question: Question) -> Decision:
        if settings.url != self._address:  # the settings were read again
            self._address, self._circuit = settings.url, Circuit(RULE, random.random)
        circuit = self._circuit
        if not circuit.admits(clock()):
            return NOTHING_SAID
        circuit.take(clock())
        try:
            decision = await self._answer(settings, question)
        except (PostFailed, MalformedMessage, TimeoutError) as error:
            why = str(error) or f"no whole answer within {settings.timeout_s:g} s"
            log.warning(
                "= before_call has no answer; the call goes on without one",
                call_id=question.call,
                reason=why,
            )
            if circuit.failed(question.call, why, clock()):
                log.warning("= before_call is not asked until it works again", reason=why)
            return NOTHING_SAID
        if circuit.succeeded():
            log.info("= before_call is asked again")
        if decision.ignored:
            log.warning(
                "= before_call: unknown fields are ignored",
                call_id=question.call,
                fields=[for_log(name) for name in decision.ignored],
            )
        return decision

    async def _answer(self, settings: BeforeCallSettings, question: Question) -> Decision:
        async with asyncio.timeout(settings.timeout_s):
            answered = await self._posts.post(
                settings, json.encode(question), time.time(), {}, most_bytes=MOST_ANSWER_BYTES
            )
        return read_decision(answered.body)
