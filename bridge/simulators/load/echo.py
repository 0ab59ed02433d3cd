"""Times the frames of one call that come back as an echo, each from when it was due to be sent. There is no clock here.

Whether the server is an echo is found out from the first frames that come: most of them must be frames of the caller's that
were sent within the last 600 ms. A reply that repeats the caller, as the assistant `parrot` gives, is older than that.
Times are seconds, durations ms.
"""

from collections.abc import Callable
from typing import Literal

JUDGED_FRAMES = 25
"""So many frames of audio decide."""

MOST_OF_THEM = 0.8

FRESH_MS = 600.0
"""The frames of an echo come back within this time while it is not known yet that it is one."""

LOST_AFTER_S = 2.0
"""A frame that has not come back after this time is lost, and counts as a latency of so long."""


class EchoTimer:
    """The frames of one call on their way. `timed`: called with each latency once the server is known to be an echo."""

    __slots__ = (
        "_frames",
        "_fresh",
        "_pending",
        "_timed",
        "_under_way",
        "is_echo",
        "lost",
        "waits_for_first",
    )

    def __init__(self, timed: Callable[[float], None], measure: Literal["auto", "echo", "turns"]) -> None:
        self._timed = timed
        self._under_way: dict[bytes, float] = {}
        self._pending: list[float] = []
        self._frames = 0
        self._fresh = 0
        self.waits_for_first = True
        """No frame has come back yet: what was sent until then came before the server listened, and is not lost."""
        self.is_echo: bool | None = {"auto": None, "echo": True, "turns": False}[measure]
        """None while it is not known."""
        self.lost = 0

    def sent(self, frame: bytes, due: float) -> None:
        """A frame was sent, which was due then."""
        under_way = self._under_way
        under_way[frame] = due
        oldest = next(iter(under_way))
        if under_way[oldest] < due - LOST_AFTER_S:
            del under_way[oldest]
            if not self.waits_for_first:
                self._give_up()

    def came(self, audio: bytes, frame_bytes: int, now: float) -> None:
        """A piece of audio came; several frames may be in one piece."""
        if (
            self.is_echo
            and not self.waits_for_first
            and (due := self._under_way.pop(audio, None)) is not None
        ):
            self._timed((now - due) * 1000)
            return
        if len(audio) == frame_bytes:
            self._frame_came(audio, now)
        else:
            for at in range(0, len(audio) - frame_bytes + 1, frame_bytes):
                self._frame_came(audio[at : at + frame_bytes], now)
        if self.is_echo is None:
            self._frames += max(1, len(audio) // frame_bytes)
            if self._frames >= JUDGED_FRAMES:
                self.judge()

    def _frame_came(self, frame: bytes, now: float) -> None:
        due = self._under_way.pop(frame, None)
        if due is None:
            return
        if self.waits_for_first:
            self.waits_for_first = False
            self._under_way = {sent: at for sent, at in self._under_way.items() if at > due}
        ms = (now - due) * 1000
        if self.is_echo:
            self._timed(ms)
        else:
            self._pending.append(ms)
            self._fresh += ms <= FRESH_MS

    def _give_up(self) -> None:
        if self.is_echo:
            self.lost += 1
            self._timed(LOST_AFTER_S * 1000)

    def judge(self) -> bool:
        """Decide by what has come so far whether the server is an echo; nothing that came is none."""
        if self.is_echo is None:
            self.is_echo = self._frames > 0 and self._fresh >= self._frames * MOST_OF_THEM
            if self.is_echo:
                for ms in self._pending:
                    self._timed(ms)
            else:
                self._under_way.clear()
            self._pending.clear()
        return self.is_echo

    def finish(self, now: float, late_ms: float) -> None:
        """The call ends: a frame that is late already counts with the time that it has taken so far."""
        if not self.judge() or self.waits_for_first:
            return
        for due in self._under_way.values():
            ms = (now - due) * 1000
            if ms > LOST_AFTER_S * 1000:
                self._give_up()
            elif ms > late_ms:
                self._timed(ms)
        self._under_way.clear()
