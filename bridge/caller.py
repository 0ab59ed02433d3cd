"""What comes from the caller: frames put in order, their holes filled in time, and keys gathered into entries.

Until the assistant is ready both are held. No clock: `now` is seconds; what falls due is in the call's `timers`.
"""

from collections import deque

from bridge.commands import AppendAudio, Command
from bridge.events import CallerAudio
from bridge.keypad import Keypad
from bridge.media import Uplink
from bridge.timers import Timer, Timers
from telecodecs.format import AudioFormat

HELD_DIGITS = 32
"""Keys kept while the assistant opens; the oldest go."""


class Caller:
    """One call's caller, on a line of this format. `reorder_ms`: how long a missing frame is waited for."""

    def __init__(self, line: AudioFormat, reorder_ms: int, timers: Timers) -> None:
        self._uplink = Uplink(line, reorder_ms)
        self._reorder_s = reorder_ms / 1000
        self._timers = timers
        self._awaits_frame = False
        self._keypad = Keypad()
        self._held_digits: deque[str] = deque(maxlen=HELD_DIGITS)
        self._digits = 0

    def listened_to(self, hears: AudioFormat, now: float) -> list[Command]:
        """The assistant is ready: what was held, and from now on what comes. Raises ValueError as `Uplink.open` does."""
        commands: list[Command] = list(map(AppendAudio, self._uplink.open(hears)))
        while self._held_digits:
            commands += self.press(self._held_digits.popleft(), now)
        return commands

    def unheard(self) -> None:
        """The assistant was lost: what is said until the next one is ready is old by then, and dropped."""
        self._uplink.close()

    def back(self) -> list[Command]:
        """On a new stream, whose clock begins anew; what waited behind a hole of the old one."""
        commands = self.give_up_frame()
        self._timers.stop(Timer.HOLE)
        self._uplink.restart()
        return commands

    def audio(self, event: CallerAudio, now: float) -> list[Command]:
        """One frame in; the frames that are due, out."""
        uplink = self._uplink
        frames = uplink.feed(event.audio, event.at_ms)
        if len(frames) != 1 or self._awaits_frame:  # a frame in order comes back alone
            self._await_frame(uplink.holding, bool(frames), now)
        return list(map(AppendAudio, frames))

    def _await_frame(self, awaits: bool, moved_on: bool, now: float) -> None:
        """Give a missing frame its time, from when it was first missed. `moved_on`: and it is another one."""
        if awaits and (moved_on or not self._awaits_frame):
            self._timers.set(Timer.HOLE, now + self._reorder_s)
        elif not awaits:
            self._timers.stop(Timer.HOLE)
        self._awaits_frame = awaits

    def give_up_frame(self) -> list[Command]:
        """The missing frame's time is up: silence in the hole."""
        self._awaits_frame = False
        return list(map(AppendAudio, self._uplink.release()))

    def press(self, digit: str, now: float) -> list[Command]:
        """A key, and the entry if that ended it. While nobody listens it is held."""
        if not self._uplink.is_open:
            self._held_digits.append(digit)
            return []
        self._digits += 1
        commands = self._keypad.press(digit, now)
        if (quiet_at := self._keypad.deadline()) is None:
            self._timers.stop(Timer.KEYPAD)
        else:
            self._timers.set(Timer.KEYPAD, quiet_at)
        return commands

    def end_entry(self) -> list[Command]:
        """No further key came."""
        return self._keypad.end()

    def counts(self) -> dict[str, int]:
        """What was pressed, and what was wrong with the audio."""
        return {"digits": self._digits, **self._uplink.counts()}
