"""What a room plays to one leg: how much the far end has still to play, and silence skipped or added to hold that.

The far end plays by a clock of its own. Marks that come back show how far it is: of the last few the earliest counts,
so one that the network held up changes nothing. Silence is skipped and added in pauses, so that no word is changed. No clock: `now` is seconds.
"""

from collections import deque
from math import inf

from bridge.core.member_mix import PAUSE, Mixer
from bridge.vocabulary.commands import ClearPlayback, Command, PlayAudio, SendMark
from telecodecs.format import FRAME_MS, AudioFormat

LEAST_S = 0.025
"""The far end should never have had less of late: a frame, which bridges one that comes late. Else silence is added."""

LOWEST_S = -0.04
"""What it had counts as no less than this: a stall of the network is not made up for beforehand."""

OF_LATE = 250
"""So many frames are of late, 5 s."""

STALLED_S = 0.1
"""A far end that had nothing for so long begins anew, behind silence; after less the word goes on at once."""

ENOUGH_S = 0.12
"""Above this what is quiet is skipped."""

MOST_S = 0.14
"""Above this any frame is skipped, so that the far end never has more than 160 ms."""

SEAM_S = 0.04
"""So much before the far end has played what it alone hears, the room goes on."""

MARK_EVERY = 10
"""So many frames from one mark to the next."""

MARKS = 10
"""Of so many marks the earliest counts."""

MOST_PENDING = 100
"""So many marks are waited for; then the oldest are forgotten."""

PREFIX = "room."
"""Names of a room's marks begin so: they say nothing of what was played before or after."""


class FarBuffer:
    """The far end of one leg, which plays the format `line`."""

    def __init__(self, line: AudioFormat) -> None:
        self.skipped = 0
        """Frames that were not sent, because the far end had too much."""
        self.added = 0
        """Silent frames that were sent in addition, because it had too little."""
        self.is_dropped = False
        """The stream of the leg broke: nothing is played there until it is back."""
        self._mixer = Mixer(line)
        self._rate_hz = line.rate_hz
        self._second = line.bytes_in(1000)
        self._ends_at = -inf  # when all that was sent will have been played
        self._lowest_s = ENOUGH_S  # the least that the far end had of late
        self._quiet = 0  # quiet frames in turn, up to the last
        self._is_inserted = False  # what it plays is no frame of the room
        self._frames = 0
        self._marks = 0
        self._pending: dict[str, float] = {}  # when the end of each mark's audio will have been played
        self._late: deque[float] = deque(maxlen=MARKS)  # how much later than that the marks came back
        self._usual: float | None = None  # the same, where the clocks have not drifted yet: the round trip

    def ahead_s(self, now: float) -> float:
        """How much the far end has still to play, seconds."""
        return max(0.0, self._ends_at - now)

    def has(self, ahead_s: float, now: float) -> None:
        """The far end has so much to play that was not sent from here; 0: it has nothing, what was sent is cleared."""
        self._begin(now)
        self._ends_at = now + ahead_s

    def resumed(self, now: float) -> None:
        """The stream of the leg is back; what was sent before is lost."""
        self.is_dropped = False
        self.has(0.0, now)

    # What this leg alone hears

    def insert(self, audio: bytes, now: float) -> list[Command]:
        """Play this, of any length, behind what the far end has. What is given to `play` meanwhile is skipped."""
        self.has(self.ahead_s(now) + len(audio) / self._second, now)
        self._is_inserted = True
        return [PlayAudio(audio)]

    def play_hold(self, audio: bytes, now: float) -> list[Command]:
        """Play hold music, until `interrupt`."""
        return self.insert(audio, now)

    def interrupt(self, now: float) -> list[Command]:
        """Stop at once what the far end has still to play."""
        unheard = round(self.ahead_s(now) * self._rate_hz)
        self.has(0.0, now)
        self._is_inserted = False
        return [ClearPlayback(unheard)] if unheard else []

    # The room

    def play(self, frame: bytes, now: float) -> list[Command]:
        """Play the next frame: return the commands for that."""
        ahead_s = self._ends_at - now
        self._quiet = self._quiet + 1 if self._mixer.is_quiet(frame) else 0
        is_pause = self._quiet >= PAUSE
        if self._is_inserted:
            if ahead_s > SEAM_S:
                self.skipped += 1
                return []
            self._is_inserted = False
        if ahead_s > ENOUGH_S and (ahead_s > MOST_S or is_pause):
            self.skipped += 1
            return []
        if ahead_s <= 0:
            self._begin(now)
            if ahead_s < -STALLED_S:
                self._lowest_s = ENOUGH_S
                return self._add() + self._send(frame)
        self._lowest_s = min(self._lowest_s, max(ahead_s, LOWEST_S))
        if is_pause and self._lowest_s < LEAST_S:
            self._lowest_s += FRAME_MS / 1000
            return self._add() + self._send(frame)
        return self._send(frame)

    def _begin(self, now: float) -> None:
        """The far end has nothing more to play, or never had anything."""
        self._ends_at = now
        self._pending.clear()
        self._late.clear()

    def _add(self) -> list[Command]:
        self.added += 1
        return self._send(self._mixer.silence)

    def _send(self, frame: bytes) -> list[Command]:
        self._ends_at += len(frame) / self._second
        self._frames += 1
        if not self._frames % OF_LATE:
            self._lowest_s = ENOUGH_S
        if self._frames % MARK_EVERY:
            return [PlayAudio(frame)]
        self._marks += 1
        name = f"{PREFIX}{self._marks}"
        self._pending[name] = self._ends_at
        if len(self._pending) > MOST_PENDING:
            del self._pending[next(iter(self._pending))]
        return [PlayAudio(frame), SendMark(name)]

    def mark_reached(self, name: str, now: float) -> None:
        """A mark came back. One that is not of this room, or is of what was played before a pause, means nothing."""
        due_at = self._pending.pop(name, None)
        if due_at is None:
            return
        self._late.append(now - due_at)
        if len(self._late) < MARKS:
            return
        late_s = min(self._late)
        if self._usual is None:
            self._usual = late_s
        drift_s = late_s - self._usual
        self._ends_at += drift_s
        self._late = deque((late - drift_s for late in self._late), maxlen=MARKS)
        for pending in self._pending:
            self._pending[pending] += drift_s


def is_of_a_room(mark: str) -> bool:
    """Whether a mark of this name was sent by a room."""
    return mark.startswith(PREFIX)
