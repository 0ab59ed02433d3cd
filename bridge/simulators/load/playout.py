"""The playout buffer of one caller, as light as a load test needs it: how far it is filled, and what the caller hears.

Audio is played in the order in which it came, without a pause while there is any. A gap is heard when audio of the same
reply comes after the buffer has run dry. Marks are returned when the audio before them has been played, a clear empties the
buffer (as `phone.earpiece`, which keeps the audio too). Times are seconds of one clock; there is no clock here.
"""

from collections import deque

GAP_S = 0.030
"""A shorter gap is not counted: phones conceal the loss of one frame."""

REPLY_PAUSE_S = 1.0
"""Where turns are measured, a longer silence is not a gap: another reply begins after it."""

_JOINED_S = 0.020
_MOST_SPANS = 2_000


class Playout:
    """The buffer of one call. `bytes_per_s`: of the audio that is played."""

    __slots__ = (
        "_bytes_per_s",
        "heard_s",
        "in_reply",
        "marks_pending",
        "plays_until",
        "reply_began",
        "spans",
    )

    def __init__(self, bytes_per_s: float) -> None:
        self._bytes_per_s = bytes_per_s
        self.marks_pending: deque[tuple[float, str]] = deque()
        """Marks that wait for audio to be played: when it will have been, name."""
        self.heard_s = 0.0
        """How much audio was played or is buffered."""
        self.plays_until = 0.0
        """When the last audio that has come will have been played."""
        self.reply_began = 0.0
        """When the buffer last began to play after it was empty."""
        self.in_reply = False
        """Audio that comes now belongs to the reply that was played before."""
        self.spans: list[list[float]] = []
        """When audio was played: from, to."""

    def play(self, audio_bytes: int, now: float, *, endless: bool) -> tuple[float, float]:
        """Queue audio. Returns when it is played, and how long a gap is before it, in s; 0 if there is none to be heard.

        `endless`: all audio is one reply, as that of an echo.
        """
        until, gap = self.plays_until, 0.0
        start = until
        if now > until:
            start = self.reply_began = now
            silent = now - until
            if self.in_reply and silent >= GAP_S and (endless or silent <= REPLY_PAUSE_S):
                gap = silent
        self.in_reply = True
        length_s = audio_bytes / self._bytes_per_s
        self.plays_until = end = start + length_s
        self.heard_s += length_s
        spans = self.spans
        if spans and start - spans[-1][1] < _JOINED_S:
            spans[-1][1] = end
        elif len(spans) < _MOST_SPANS:
            spans.append([start, end])
        return start, gap

    def is_playing(self, now: float) -> bool:
        """Whether the caller hears audio of the server now."""
        return self.plays_until > now

    def reply_ended(self) -> None:
        """What comes next is another reply, even if it comes at once."""
        self.in_reply = False

    def mark(self, name: str, now: float) -> bool:
        """Set a mark behind what is buffered. Returns True if it is reached already."""
        if not self.marks_pending and self.plays_until <= now:
            return True
        self.marks_pending.append((max(self.plays_until, now), name))
        return False

    def reached(self, now: float) -> list[str]:
        """The marks that were reached by now, in order."""
        names: list[str] = []
        while self.marks_pending and self.marks_pending[0][0] <= now:
            names.append(self.marks_pending.popleft()[1])
        return names

    def clear(self, now: float) -> tuple[list[str], float]:
        """Empty the buffer. Returns all pending marks, and how much audio was dropped, in s."""
        names = [name for _, name in self.marks_pending]
        self.marks_pending.clear()
        return names, self.cut(now)

    def cut(self, now: float) -> float:
        """Nothing more is played: the call ends, or the buffer is emptied. Returns how much was dropped, in s."""
        dropped = max(self.plays_until - now, 0.0)
        self.plays_until -= dropped
        self.heard_s -= dropped
        while self.spans and self.spans[-1][0] >= now:
            self.spans.pop()
        if self.spans and self.spans[-1][1] > now:
            self.spans[-1][1] = now
        self.in_reply = False
        return dropped
