"""The telephone line of a checked call: what the caller says and types, and what is played to them.

It takes the place of a carrier: it gives a frame of mu-law every 20 ms, silence if the caller says nothing, and returns
marks when the audio before them has been played. There is no clock: `now` is seconds.
"""

from collections import deque

from bridge.vocabulary.commands import ClearPlayback, PlayAudio, SendMark
from bridge.vocabulary.events import CallerAudio, DigitPressed, MarkReached
from telecodecs.format import PCMU_8K

FORMAT = PCMU_8K
FRAME_S = 0.02
FRAME_BYTES = 160
SILENCE = FORMAT.silence * FRAME_BYTES

MOST_LATE_FRAMES = 50
"""If this process was stopped for longer than this, the frames that were missed are skipped."""

KEY_EVERY_S = 0.3


class Line:
    """The line of one call, which begins at `now`."""

    def __init__(self, now: float) -> None:
        self._frame_at = now
        self._frames = 0
        self._speech: deque[bytes] = deque()
        self._keys: deque[tuple[float, str]] = deque()
        self._marks: deque[tuple[float, str]] = deque()
        self._played_until = now
        self.spoke_until = now
        """When the caller's last speech ended."""
        self.first_word_at: float | None = None

    @property
    def speaking(self) -> bool:
        """Whether the caller has more to say."""
        return bool(self._speech)

    @property
    def typing(self) -> bool:
        """Whether the caller has more to type."""
        return bool(self._keys)

    def playing(self, now: float) -> bool:
        """Whether the caller hears the assistant."""
        return now < self._played_until

    # The caller

    def say(self, speech: bytes) -> None:
        """Speak from the next frame on."""
        for at in range(0, len(speech), FRAME_BYTES):
            self._speech.append(speech[at : at + FRAME_BYTES].ljust(FRAME_BYTES, FORMAT.silence))

    def type(self, keys: str, now: float) -> None:
        """Press keys, one after the other."""
        self._keys += [(now + KEY_EVERY_S * number, key) for number, key in enumerate(keys)]

    # The assistant

    def play(self, command: PlayAudio, now: float) -> None:
        """Queue audio behind what is being played."""
        seconds = FORMAT.duration_ms(len(command.audio)) / 1000
        self._played_until = max(self._played_until, now) + seconds

    def mark(self, command: SendMark, now: float) -> None:
        """Set a mark, which returns when the audio before it has been played."""
        self._marks.append((max(self._played_until, now), command.name))

    def clear(self, _command: ClearPlayback, now: float) -> None:
        """Discard the audio that was not played; its marks return."""
        self._played_until = now
        self._marks = deque((now, name) for _, name in self._marks)

    # Time

    def deadline(self) -> float:
        """When `due` is to be called at the latest, seconds."""
        first = [queue[0][0] for queue in (self._marks, self._keys) if queue]
        return min([self._frame_at, *first])

    def due(self, now: float) -> list[CallerAudio | DigitPressed | MarkReached]:
        """The events due by `now`."""
        events: list[CallerAudio | DigitPressed | MarkReached] = []
        while self._marks and self._marks[0][0] <= now:
            events.append(MarkReached(self._marks.popleft()[1]))
        while self._keys and self._keys[0][0] <= now:
            events.append(DigitPressed(self._keys.popleft()[1]))
        if now - self._frame_at > MOST_LATE_FRAMES * FRAME_S:
            self._frame_at = now
        while self._frame_at <= now:
            events.append(CallerAudio(self._next_frame(), round(self._frames * FRAME_S * 1000)))
            self._frames += 1
            self._frame_at += FRAME_S
        return events

    def _next_frame(self) -> bytes:
        if not self._speech:
            return SILENCE
        if self.first_word_at is None:
            self.first_word_at = self._frame_at
        self.spoke_until = self._frame_at + FRAME_S
        return self._speech.popleft()
