"""A party of a simulated call: what it says, which keys it presses and when it hangs up; and what it hears.

The party's time is counted in frames of 20 ms since the call began, which the caller's answer is. There is no clock and
no socket here: `speak` and `hear` are called once for each frame, in order.
"""

from typing import NamedTuple

import numpy as np

from telecodecs.format import FRAME_MS, Samples

SOUND = 128
"""A sample above this, -48 dBFS, is a sound; what codecs and echoes leave of silence is below."""


class Sound(NamedTuple):
    """Something that is said, `at_s` after the moment `since`."""

    at_s: float
    since: str
    samples: Samples


class Key(NamedTuple):
    """A key that is pressed."""

    at_s: float
    since: str
    digit: str


class HangUp(NamedTuple):
    """When the party hangs up."""

    at_s: float
    since: str


class PartyPlan(NamedTuple):
    """What a party does. `quiet_s`: it hangs up after so long a silence; None: it waits. `longest_s`: in any case."""

    sounds: tuple[Sound, ...] = ()
    keys: tuple[Key, ...] = ()
    hangs_up: HangUp | None = None
    quiet_s: float | None = None
    longest_s: float = 600.0


class Party:
    """One party of a call. `number`: its number or address. `answered`: the frame in which it has answered."""

    def __init__(self, name: str, number: str, plan: PartyPlan, rate_hz: int, answered: int) -> None:
        self.name = name
        self.number = number
        self.answered = answered
        self.left: int | None = None
        """The frame in which its call was over; None while it is on the line."""
        self.pressed: list[str] = []
        self._plan = plan
        self._samples = rate_hz * FRAME_MS // 1000
        self._moments: dict[str, int] = {"answered": answered}
        self._keys = list(plan.keys)
        self._last_sound = answered
        self._said: list[Samples] = []
        self._heard: list[Samples] = []

    def note(self, moment: str, frame: int) -> None:
        """A moment of the plan has come: `joined`, `left`. Only its first time counts."""
        self._moments.setdefault(moment, frame)

    def was(self, moment: str) -> bool:
        """Whether this moment has come."""
        return moment in self._moments

    def speak(self, frame: int) -> Samples:
        """What the party says in this frame, `FRAME_MS` long."""
        said = np.zeros(self._samples, np.int16)
        for sound in self._plan.sounds:
            began = self._frame_of(sound)
            if began is None or frame < began:
                continue
            piece = sound.samples[(frame - began) * self._samples :][: self._samples]
            if len(piece):
                said[: len(piece)] = piece
                self._last_sound = frame
        self._said.append(said)
        return said

    def hear(self, heard: Samples, frame: int) -> None:
        """What the party hears in this frame."""
        if len(heard) and int(np.abs(heard.astype(np.int32)).max()) > SOUND:
            self._last_sound = frame
            self.note("heard", frame)
        self._heard.append(heard)

    def keys(self, frame: int) -> list[str]:
        """The keys that are pressed in this frame."""
        due = [key for key in self._keys if (at := self._frame_of(key)) is not None and at <= frame]
        self._keys = [key for key in self._keys if key not in due]
        digits = [key.digit for key in due]
        self.pressed += digits
        return digits

    def hangs_up(self, frame: int) -> bool:
        """Whether the party hangs up in this frame."""
        plan = self._plan
        since_answer_s = (frame - self.answered) * FRAME_MS / 1000
        if since_answer_s >= plan.longest_s:
            return True
        if plan.hangs_up is not None and (at := self._frame_of(plan.hangs_up)) is not None and frame >= at:
            return True
        if plan.quiet_s is None or self._has_more_to_do(frame):
            return False
        return (frame - self._last_sound) * FRAME_MS / 1000 >= plan.quiet_s

    def recording(self, *, said: bool = False) -> Samples:
        """What the party heard, or with `said` what it said, from the begin of the call; silence before its answer."""
        frames = self._said if said else self._heard
        return np.concatenate([np.zeros(self.answered * self._samples, np.int16), *frames])

    def _has_more_to_do(self, frame: int) -> bool:
        left: list[Sound | Key | HangUp] = [*self._plan.sounds, *self._keys]
        times = (self._frame_of(one) for one in left)
        return any(at is not None and at > frame for at in times)

    def _frame_of(self, act: Sound | Key | HangUp) -> int | None:
        moment = self._moments.get(act.since)
        return None if moment is None else moment + round(act.at_s * 1000 / FRAME_MS)
