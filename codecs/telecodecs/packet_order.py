"""Puts packets in the order of the sender's numbers and tells which are lost.

For packets that are no samples: a hole in them cannot be filled here, so each lost packet is a None in its place; of a
hole wider than a second it is only told how many were skipped.
What `jitter` does for frames stamped in time. Numbers count by one and never wrap. No playout delay: packets in
order leave at once, and only a hole makes what follows it wait.
Units: seconds of the clock that `now` is of.
"""

from collections import deque

_REMEMBERED = 64  # numbers, to tell a repeated packet from a late one: more than a second of 20 ms packets


class PacketOrder:
    """One stream's packets, from any order into the right one.

    `window_s`: how long a hole may wait for its packets, from when it was first missed; 0 where order is certain.
    More packets than fill the window never wait either. `packet_ms`: what one packet holds.
    The first packet sets the position: what was numbered before it is late.
    """

    def __init__(self, window_s: float = 0.1, packet_ms: int = 20) -> None:
        if window_s < 0 or packet_ms <= 0:
            raise ValueError(
                f"window_s {window_s}, packet_ms {packet_ms}: zero or more and more than zero are right"
            )
        self.late = 0
        """Packets dropped because they had been given up."""
        self.repeated = 0
        """Packets dropped because one with the same number was given or is held."""
        self.holes = 0
        """Holes given up on, but for those that were skipped."""
        self.lost = 0
        """Nones given for them."""
        self.skipped = 0
        """Packets lost in holes that were too wide for Nones."""
        self._window_s = window_s
        self._window = round(window_s * 1000) // packet_ms  # packets
        self._second = max(1, 1000 // packet_ms)  # packets
        self._due: int | None = None  # number of the next packet to give; None before the first
        self._given: deque[int] = deque(maxlen=_REMEMBERED)  # numbers
        self._held: dict[int, tuple[bytes, float]] = {}  # packet behind a hole and when it came, by number
        self._past_run = 0  # packets from the past since the position last moved

    def feed(self, number: int, packet: bytes, now: float) -> list[bytes | None]:
        """Take one packet; returns what is due now, None for each that is lost."""
        if self._due is None:
            self._due = number
        if number == self._due and not self._held:
            self._give(number)
            return [packet]
        if number in self._held:
            self.repeated += 1
        elif number >= self._due:
            self._held[number] = packet, now
        elif self._began_anew(number):
            before = self._drain(now, window=0)
            self._give(number)
            return [*before, packet]
        return self._drain(now, self._window)

    def deadline(self) -> float | None:
        """When the first hole will be waited for no longer; None where nothing waits."""
        if not self._held:
            return None
        return min(came for _, came in self._held.values()) + self._window_s

    def release(self, now: float) -> list[bytes | None]:
        """What is due by now. With `math.inf`, at the end of a stream, all that is held."""
        return self._drain(now, self._window)

    def _drain(self, now: float, window: int) -> list[bytes | None]:
        """What is held, up to the first hole that may still wait."""
        given: list[bytes | None] = []
        while (deadline := self.deadline()) is not None:
            assert self._due is not None
            number = min(self._held)
            if number > self._due:
                if len(self._held) <= window and now < deadline:
                    break
                given += self._lose(number - self._due)
            packet, _ = self._held.pop(number)
            self._give(number)
            given.append(packet)
        return given

    def _give(self, number: int) -> None:
        self._due = number + 1
        self._given.append(number)
        self._past_run = 0

    def _lose(self, packets: int) -> list[None]:
        """A hole of so many. Over a wide one the position jumps."""
        if packets > self._second:
            self.skipped += packets
            return []
        self.holes += 1
        self.lost += packets
        return [None] * packets

    def _began_anew(self, number: int) -> bool:
        """Whether the past has come for so long, a second, that the sender must have begun to count anew."""
        self._past_run += 1
        if self._past_run > self._second:
            return True
        if number in self._given:
            self.repeated += 1
        else:
            self.late += 1
        return False
