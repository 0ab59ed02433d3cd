"""Connects assistants while the phone still rings: a connection is opened at the webhook, and claimed by the call.

Nothing is sent before the claim, and what arrives is held unread. A connection that is lost, or receives too much,
before it is claimed is dropped: the call then connects as if there had been none. Where the server would refuse that too,
because the refusal was final or asks for a wait, the call that claims the connection is told of the loss instead.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

import structlog

from bridge.core.failover import FINAL_CLOSES
from bridge.settings.assistants import SocketAddress
from bridge.vocabulary import retry_after
from bridge.vocabulary.contracts import Leg, LegMessage, Lost, Receive, WireMessage


class OpeningLeg(Leg[WireMessage], Protocol):
    """The leg of a connection that is being opened."""

    @property
    def was_open(self) -> bool:
        """Whether the server has taken the connection, whatever became of it."""
        ...


OpenSocket = Callable[[SocketAddress, Receive, Lost], OpeningLeg]
"""Returns a leg at once, and never calls back from inside."""

CLAIM_WITHIN_S = 30.0
"""From the webhook to the media socket. A caller who hangs up before that leaves a connection that nobody claims."""

MOST_UNCLAIMED = 100
"""Calls that ring at a time. Above that, a call connects when it is answered."""

MOST_HELD = 32
MOST_HELD_BYTES = 262_144
"""For each connection. An assistant that was sent nothing hardly sends more than its readiness."""

log = structlog.get_logger()


class _Unclaimed:
    """One connection. `forget` is called with the reason when nobody should claim it any more.

    `within_s`: how long it waits for its call.
    """

    leg: OpeningLeg

    def __init__(self, forget: Callable[[str], None], within_s: float) -> None:
        self._forget = forget
        self._loop = asyncio.get_running_loop()
        self._until = self._loop.time() + within_s
        self.expiry = self._loop.call_at(self._until, forget, "nobody claimed it")
        self._loss: tuple[int, str] | None = None
        self._held: list[LegMessage] = []
        self._held_bytes = 0
        self._take: Receive = self._hold
        self._lost: Lost | None = None

    def receive(self, message: LegMessage) -> None:
        self._take(message)

    def lost(self, code: int, reason: str) -> None:
        if self._lost is not None:
            self._loop.call_soon(self._lost, code, reason)  # behind what was held
            return
        wait_s = retry_after.from_text(reason)
        if self.leg.was_open or (code not in FINAL_CLOSES and not wait_s):
            self._forget(f"{code} {reason}")
            return
        self._loss = code, reason
        if wait_s:  # after that the call may try
            self.expiry.cancel()
            until = min(self._until, self._loop.time() + wait_s)
            self.expiry = self._loop.call_at(until, self._forget, f"{code} {reason}")

    def claim(self, receive: Receive, lost: Lost) -> Leg[WireMessage]:
        self._lost = lost
        self._loop.call_soon(self._hand_over, receive)
        if self._loss is not None:
            self._loop.call_soon(lost, *self._loss)
        return self.leg

    def drop(self) -> None:
        """Nobody claims it."""
        self.expiry.cancel()
        self._take = _ignore  # the method that holds refers to this object
        self.leg.close()

    def _hold(self, message: LegMessage) -> None:
        self._held.append(message)
        self._held_bytes += len(message) if isinstance(message, (str, bytes)) else 0
        if self._lost is None and (len(self._held) > MOST_HELD or self._held_bytes > MOST_HELD_BYTES):
            self._forget("it received too much")

    def _hand_over(self, receive: Receive) -> None:
        self._take = receive
        for message in self._held:
            receive(message)
        self._held.clear()


def _ignore(_message: LegMessage) -> None:
    """Nobody takes it any more."""


class Preconnections:
    """The connections that wait for their call, on one server."""

    def __init__(
        self, connect: OpenSocket, *, within_s: float = CLAIM_WITHIN_S, most: int = MOST_UNCLAIMED
    ) -> None:
        self._connect = connect
        self._within_s = within_s
        self._most = most
        self._unclaimed: dict[tuple[str, str], _Unclaimed] = {}

    def open(self, call_id: str, assistant: str, address: SocketAddress) -> None:
        """Connect now, for this call. A webhook that comes twice opens one connection."""
        key = call_id, assistant
        if key in self._unclaimed:
            return
        if len(self._unclaimed) >= self._most:
            log.warning(
                "not connected ahead of the call", call_id=call_id, assistant=assistant, waiting=self._most
            )
            return

        def forget(why: str) -> None:
            log.info(
                "= connection ahead of the call dropped", call_id=call_id, assistant=assistant, reason=why
            )
            self._drop(key)

        unclaimed = self._unclaimed[key] = _Unclaimed(forget, self._within_s)
        unclaimed.leg = self._connect(address, unclaimed.receive, unclaimed.lost)

    def claim(self, call_id: str, assistant: str, receive: Receive, lost: Lost) -> Leg[WireMessage] | None:
        """The connection that was opened for this call, open or being opened; None if there is none.

        What it has received so far reaches `receive` soon, not from inside this method.
        """
        unclaimed = self._unclaimed.pop((call_id, assistant), None)
        if unclaimed is None:
            return None
        unclaimed.expiry.cancel()
        return unclaimed.claim(receive, lost)

    def forget(self, call_id: str) -> None:
        """Drop those of this call: it is over."""
        for key in [key for key in self._unclaimed if key[0] == call_id]:
            self._drop(key)

    def close(self) -> None:
        """Drop them all."""
        for key in list(self._unclaimed):
            self._drop(key)

    def _drop(self, key: tuple[str, str]) -> None:
        self._unclaimed.pop(key).drop()
