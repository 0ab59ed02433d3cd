"""Simulates a slow network between the phone and the server: messages are delayed, and none overtakes another.

`DelayLine` is one direction and has no clock; `SlowLeg` is a socket behind one in each direction. Messages and the close
are delayed, the upgrade of the WebSocket is not. `now` is seconds, delays are milliseconds in each direction.
"""

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

from bridge.shell.websocket import SocketLeg
from bridge.shell.websocket_client import connect
from bridge.vocabulary.contracts import Lost, WireMessage
from bridge.vocabulary.errors import ConfigurationError

MOST_MS = 10_000

MAX_MESSAGE_BYTES = 8_388_608
"""A server may send as much in one message as the carrier takes: Telnyx 30 s of audio, 4 MB at 48 kHz."""

SHORTEST_WAIT_S = 0.001
"""uvloop's timers count whole milliseconds; a shorter wait would become a busy loop."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Delay:
    """How long a message travels: `ms`, and at random up to `jitter_ms` more or less, but at least 0.

    Raises `ConfigurationError` on a value out of range.
    """

    ms: float = 0.0
    jitter_ms: float = 0.0

    def __post_init__(self) -> None:
        for name, value in (("delay", self.ms), ("jitter", self.jitter_ms)):
            if not 0 <= value <= MOST_MS:
                raise ConfigurationError(
                    f"{name}: {value:g} ms is out of range; expected 0 to {MOST_MS} ms each way"
                )

    def __bool__(self) -> bool:
        return self.ms > 0 or self.jitter_ms > 0


AT_ONCE = Delay()


class DelayLine(Generic[_T]):
    """One direction of a slow network. The same `seed` gives the same jitter."""

    def __init__(self, delay: Delay, seed: int) -> None:
        self._delay = delay
        self._chance = random.Random(seed)
        self._under_way: deque[tuple[float, _T]] = deque()
        self._last_at = 0.0

    def put(self, thing: _T, now: float) -> None:
        """Send something; it arrives no earlier than what was sent before it."""
        jitter_ms = self._chance.uniform(-self._delay.jitter_ms, self._delay.jitter_ms)
        self._last_at = max(self._last_at, now + max(self._delay.ms + jitter_ms, 0.0) / 1000)
        self._under_way.append((self._last_at, thing))

    def arrived(self, now: float) -> list[_T]:
        """What has arrived by `now`, in order."""
        things: list[_T] = []
        while self._under_way and self._under_way[0][0] <= now:
            things.append(self._under_way.popleft()[1])
        return things

    def deadline(self) -> float | None:
        """When the next one arrives, seconds; None if nothing is under way."""
        return self._under_way[0][0] if self._under_way else None

    def cut(self) -> None:
        """Drop what is under way."""
        self._under_way.clear()


class _DelayedDirection:
    """One direction in real time: an action that is put here is performed when it arrives. It has one timer."""

    def __init__(self, delay: Delay, seed: int) -> None:
        self._line: DelayLine[Callable[[], None]] = DelayLine(delay, seed)
        self._timer: asyncio.TimerHandle | None = None

    def put(self, act: Callable[[], None]) -> None:
        self._line.put(act, time.monotonic())
        self._arm()

    def cut(self) -> None:
        self._line.cut()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        deadline = self._line.deadline()
        if self._timer is None and deadline is not None:
            wait_s = max(deadline - time.monotonic(), SHORTEST_WAIT_S)
            self._timer = asyncio.get_running_loop().call_later(wait_s, self._wake)

    def _wake(self) -> None:
        self._timer = None
        for act in self._line.arrived(time.monotonic()):
            act()
        self._arm()


class SlowLeg:
    """A socket at the far end of a slow network, with the interface of `SocketLeg`.

    `receive` and `lost` are called when a message and the close have arrived at this end.
    """

    def __init__(self, receive: Callable[[WireMessage], None], lost: Lost, delay: Delay) -> None:
        self._receive = receive
        self._lost = lost
        self._there = _DelayedDirection(delay, seed=1)
        self._back = _DelayedDirection(delay, seed=2)
        self._aborted = False
        self._leg: SocketLeg

    async def connect(self, url: str, headers: Mapping[str, str]) -> None:
        """Open the socket; to be called first. Raises `CallRefused` with the reason."""
        self._leg = await connect(
            url,
            self._message_came,
            self._socket_closed,
            headers=headers,
            max_message_bytes=MAX_MESSAGE_BYTES,
        )

    @property
    def backlog(self) -> int:
        """Bytes that wait in this process for the peer to read, without messages under way."""
        return self._leg.backlog

    def send(self, message: WireMessage) -> None:
        """Send one message. After a close it is dropped."""
        self._there.put(partial(self._leg.send, message))

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Close the socket after the messages sent before."""
        self._there.put(partial(self._leg.close, code, reason))

    def abort(self) -> None:
        """Drop the connection and everything under way, as when a network fails."""
        self._aborted = True
        self._there.cut()
        self._back.cut()
        self._leg.abort()

    def _message_came(self, message: WireMessage) -> None:
        self._back.put(partial(self._receive, message))

    def _socket_closed(self, code: int, reason: str) -> None:
        self._there.cut()  # nobody is there to receive it
        if self._aborted:
            self._lost(code, reason)
        else:
            self._back.put(partial(self._lost, code, reason))
