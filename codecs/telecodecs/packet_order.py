"""Puts packets in the order of the sender's sequence numbers and reports which are lost.

For codecs whose packets are not samples; `jitter` does the same for frames with timestamps. A lost packet is returned
as None, for the decoder to conceal; a hole wider than a second is skipped, and only counted. Numbers increase by one
and never wrap. There is no playout delay: packets in order are returned at once, and only a hole makes the packets
behind it wait. Units: seconds, of the caller's clock.
"""

from collections import deque

_REMEMBERED = 64  # numbers, to tell a repeated packet from a late one: more than a second of 20 ms packets


class PacketOrder:
    """Puts the packets of one stream in order.

    `window_s`: how long a hole is waited for, from when it was noticed; 0 where order is certain. The wait also ends
    when as many packets are held as fill the window. `packet_ms`: the audio in one packet. The first packet sets the
    position: packets with a lower number are late. Raises ValueError on a negative window or an empty packet.
    """

    def __init__(self, window_s: float = 0.1, packet_ms: int = 20) -> None:
        if window_s < 0 or packet_ms <= 0:
            raise ValueError(
                f"window_s {window_s}, packet_ms {packet_ms}: expected zero or more, and more than zero"
            )
        self.late = 0
        """Packets dropped because they came after they had been reported as lost."""
        self.repeated = 0
        """Packets dropped because one with the same number was returned or is held."""
        self.holes = 0
        """Holes reported as lost packets; skipped ones are not counted."""
        self.lost = 0
        """Packets returned as None."""
        self.skipped = 0
        """Packets lost in holes wider than a second, for which no None is returned."""
        self._window_s = window_s
        self._window = round(window_s * 1000) // packet_ms  # packets
        self._second = max(1, 1000 // packet_ms)  # packets
        self._due: int | None = None  # number of the next packet to return; None before the first
        self._given: deque[int] = deque(maxlen=_REMEMBERED)  # numbers
        self._held: dict[
            int, tuple[bytes, float]
        ] = {}  # packets behind a hole, each with its time of arrival
        self._past_run = 0  # late and repeated packets since the position last moved

    def feed(self, number: int, packet: bytes, now: float) -> list[bytes | None]:
        """Take one packet and return those that are due now, None for each lost one. `now`: seconds."""
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
        """When the first hole is to be given up, in seconds; None if no packet waits. `release` is due then."""
        if not self._held:
            return None
        return min(came for _, came in self._held.values()) + self._window_s

    def release(self, now: float) -> list[bytes | None]:
        """The packets that are due by `now`, seconds; with `math.inf`, at the end of a stream, all that are held."""
        return self._drain(now, self._window)

    def _drain(self, now: float, window: int) -> list[bytes | None]:
        """The packets held, up to the first hole that is still waited for."""
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
        """Report a hole of that many packets; skip it if it is wider than a second."""
        if packets > self._second:
            self.skipped += packets
            return []
        self.holes += 1
        self.lost += packets
        return [None] * packets

    def _began_anew(self, number: int) -> bool:
        """Whether late packets have come for a second, so that the sender must have restarted its numbers."""
        self._past_run += 1
        if self._past_run > self._second:
            return True
        if number in self._given:
            self.repeated += 1
        else:
            self.late += 1
        return False
