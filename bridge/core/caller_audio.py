"""What the caller says, on its way to the assistant: frames put in order, their holes filled in time, pauses too.

Until the assistant is ready it is held. No clock: `now` is seconds; what falls due is in the call's `timers`.
"""

from bridge.core.entries import KeypadRules
from bridge.core.key_tones import KeyTones
from bridge.core.media import Uplink
from bridge.core.timers import Timer, Timers
from bridge.vocabulary.commands import AppendAudio, Command
from bridge.vocabulary.events import CallerAudio, DigitPressed
from telecodecs.format import AudioFormat

PAUSE_S = 0.2
"""Nothing came for so long: the carrier pauses (mute, loss, suppressed silence), and the assistant's clock must go on."""

FILL_S = 0.1
"""From then on so much silence at a time."""

LATE_S = 0.01
"""Asked so much later than it should have been, this process was held up, and what came meanwhile is still to be read.

It is looked again once, after as much time as it was held up, but not more than `PAUSE_S`.
"""


class Caller:
    """One call's caller, on a line of this format.

    `reorder_ms`: how long a missing frame is waited for. `noise_dbfs`: see `Uplink`.
    """

    def __init__(
        self,
        line: AudioFormat,
        reorder_ms: int,
        keypad: KeypadRules,
        timers: Timers,
        noise_dbfs: float | None = None,
    ) -> None:
        self._uplink = Uplink(line, reorder_ms, noise_dbfs)
        self._reorder_s = reorder_ms / 1000
        self._tones = KeyTones(line, keypad)
        self._timers = timers
        self._awaits_frame = False
        self._up_to: float | None = None  # the assistant was given audio until then; None before the first
        self._pauses = False
        self._was_late = False
        self.keys: list[DigitPressed] = []
        """Heard as tones, and not taken yet."""

    def listened_to(self, hears: AudioFormat) -> list[Command]:
        """The assistant is ready: what was held, and from now on what comes. Raises ValueError as `Uplink.open` does."""
        return list(map(AppendAudio, self._uplink.open(hears)))

    def unheard(self) -> None:
        """The assistant was lost: what is said until the next one is ready is old by then, and dropped."""
        self._uplink.close()

    def back(self) -> list[Command]:
        """On a new stream, whose clock begins anew; what waited behind a hole of the old one."""
        commands = self.give_up_frame()
        self._timers.stop(Timer.HOLE, Timer.PAUSE)
        self._up_to = None
        self._uplink.restart()
        return commands

    def audio(self, event: CallerAudio, now: float) -> list[Command]:
        """One frame in; the frames that are due, out."""
        uplink = self._uplink
        frames = uplink.order(event.audio, event.at_ms)
        if self._up_to is None:
            self._timers.set(Timer.PAUSE, now + PAUSE_S)
        self._up_to, self._pauses = now, False
        if len(frames) != 1 or self._awaits_frame:  # a frame in order comes back alone
            self._await_frame(uplink.holding, bool(frames), now)
        if self._tones.concern(now):
            frames = [self._listen(frame, now) for frame in frames]
        return list(map(AppendAudio, uplink.convert(frames)))

    def _listen(self, frame: bytes, now: float) -> bytes:
        frame, heard = self._tones.listen(frame, now)
        self.keys += map(DigitPressed, heard)
        return frame

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
        return list(map(AppendAudio, self._uplink.convert(self._uplink.release())))

    def pauses(self, now: float) -> list[Command]:
        """Whether the carrier pauses is looked at in time: if it does, silence in place of what does not come."""
        assert self._up_to is not None
        due = self._up_to + (FILL_S if self._pauses else PAUSE_S)
        if now < due:
            self._was_late = False
            self._timers.set(Timer.PAUSE, due)
            return []
        if now > due + LATE_S and not self._was_late:
            self._was_late = True
            self._timers.set(Timer.PAUSE, now + min(now - due, PAUSE_S))
            return []
        self._was_late = False
        missing_ms = round((now - self._up_to) * 1000)
        self._up_to, self._pauses = now, True
        self._timers.set(Timer.PAUSE, now + FILL_S)
        self._timers.stop(Timer.HOLE)
        commands = self.give_up_frame()  # nothing waits for a frame longer than for all of them
        return commands + list(map(AppendAudio, self._uplink.fill_in(missing_ms)))

    def take_keys(self) -> list[DigitPressed]:
        """Those that were heard as tones."""
        keys, self.keys = self.keys, []
        return keys

    def press(self, event: DigitPressed, now: float) -> bool:
        """A key that the carrier told. False if it was heard before."""
        return self._tones.notice(event.digit, now, heard=False)

    def counts(self) -> dict[str, int]:
        """What was wrong with the audio."""
        return {"keys_told_and_heard": self._tones.repeated, **self._uplink.counts()}
