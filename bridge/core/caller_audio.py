"""The caller's audio on its way to the assistant: frames put in order, holes and pauses filled in time.

Until the assistant is ready the audio is held. No clock: `now` is seconds; what falls due is in the call's `timers`.
"""

from bridge.core.catch_up import CatchUp
from bridge.core.entries import KeypadRules
from bridge.core.key_tones import KeyTones
from bridge.core.media import Conversion, Uplink
from bridge.core.timers import Timer, Timers
from bridge.vocabulary.commands import AppendAudio, Command
from bridge.vocabulary.events import CallerAudio, DigitPressed
from telecodecs.format import AudioFormat
from telecodecs.jitter import TICKS

PAUSE_S = 0.2
"""After so long without a frame the carrier pauses (mute, loss, suppressed silence): silence is filled in from here on,
because the assistant's clock must go on."""

FILL_S = 0.1
"""From one filling to the next while the pause lasts."""

LATE_S = 0.01
"""A `PAUSE` timer that fires so late means that this process was stalled, and frames may be waiting in the socket.

Then silence is filled in only if there is still no frame after the same time again, at most `PAUSE_S`.
"""


class Caller:
    """The caller of one call, whose audio has the format `line`.

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
        self._catch_up = CatchUp(line)
        self._line = line
        self._reorder_s = reorder_ms / 1000
        self._tones = KeyTones(line, keypad)
        self._timers = timers
        self._is_frame_missing = False
        self._straight: Conversion | None = None  # for the next frame; every event but a frame takes it away
        self._reorder = self._uplink.reorder
        self._audio_until: float | None = None  # what the assistant has; None before the first frame
        self._is_pausing = False
        self._was_late = False
        self.keys: list[DigitPressed] = []
        """Keys that were heard as tones, and not taken yet."""

    def open(self, hears: AudioFormat) -> list[Command]:
        """An assistant is ready: pass on what was held, and from now on what comes.

        Raises ValueError if the audio cannot be converted to the format `hears`.
        """
        self._straight = None
        return list(map(AppendAudio, self._uplink.open(hears)))

    def close(self) -> None:
        """The assistant was lost: what the caller says until the next one is ready would be old by then, and is dropped."""
        self._straight = None
        self._catch_up.forget()
        self._uplink.close()

    def hold(self) -> None:
        """The assistant hears nothing until `stream_resumed`, and no pause is filled in for it."""
        self._timers.stop(Timer.MISSING_FRAME, Timer.PAUSE)
        self._audio_until = self._straight = None

    def stream_resumed(self) -> list[Command]:
        """Another stream begins, with a clock of its own: pass on what waited for a missing frame of the last one."""
        commands = self.give_up_frame()
        self._timers.stop(Timer.MISSING_FRAME, Timer.PAUSE)
        self._audio_until = None
        self._uplink.restart()
        return commands

    def straight(self, event: CallerAudio, now: float) -> list[Command] | None:
        """Take one frame as `audio` does, if it goes straight through: in order, behind one that was, where nothing waits
        for it, listens to it or skips quiet. See `lanes.Lane`.
        """
        timers, conversion, reorder = self._timers, self._straight, self._reorder
        audio, due = event.audio, timers.next_due
        if conversion is None or due is None or now >= due or reorder.held or not reorder.given:
            return None
        length = len(audio) * TICKS
        if not -length < 2 * (event.at_ms * reorder.ticks_per_ms - reorder.due) <= length:
            return None  # as in `Reorder.passes`
        reorder.due += length
        reorder.given.append(event.at_ms)
        timers.heard_at = self._audio_until = now
        self._catch_up.given += len(audio)
        return [AppendAudio(conversion.feed(audio) if conversion.needed else audio)]

    def audio(self, event: CallerAudio, now: float) -> list[Command]:
        """Take one frame, and pass on the frames that are due."""
        uplink = self._uplink
        frames = uplink.order(event.audio, event.at_ms)
        catch_up = self._catch_up
        if self._audio_until is None:
            self._timers.set(Timer.PAUSE, now + PAUSE_S)
            catch_up.begin(now)
        self._audio_until, self._is_pausing = now, False
        if len(frames) != 1 or self._is_frame_missing:  # a frame in order comes back alone
            self._await_frame(uplink.is_holding, bool(frames), now)
        is_listened_to = self._tones.is_listening(now)
        if is_listened_to:
            frames = [self._listen(frame, now) for frame in frames]
        for frame in frames:
            catch_up.given += len(frame)
        if catch_up.owed:
            frames = catch_up.trim(frames, now)
        waits = self._is_frame_missing or is_listened_to or catch_up.owed
        self._straight = None if waits else uplink.conversion
        return list(map(AppendAudio, uplink.convert(frames)))

    def _listen(self, frame: bytes, now: float) -> bytes:
        frame, heard = self._tones.listen(frame, now)
        self.keys += map(DigitPressed, heard)
        return frame

    def _await_frame(self, is_missing: bool, is_another: bool, now: float) -> None:
        """Wait for a missing frame, from when it was first missed. `is_another`: it is not the one waited for so far."""
        if is_missing and (is_another or not self._is_frame_missing):
            self._timers.set(Timer.MISSING_FRAME, now + self._reorder_s)
        elif not is_missing:
            self._timers.stop(Timer.MISSING_FRAME)
        self._is_frame_missing = is_missing

    def give_up_frame(self) -> list[Command]:
        """A missing frame is no longer waited for: fill the hole with silence, and pass on what waited behind it."""
        self._is_frame_missing, self._straight = False, None
        frames = self._uplink.release()
        self._catch_up.given += sum(map(len, frames))
        return list(map(AppendAudio, self._uplink.convert(self._catch_up.take_held() + frames)))

    def pause_due(self, now: float) -> list[Command]:
        """Look whether the carrier pauses, and if so fill in silence up to `now`."""
        if self._audio_until is None:
            return []
        due = self._audio_until + (FILL_S if self._is_pausing else PAUSE_S)
        if now < due:
            self._was_late = False
            self._timers.set(Timer.PAUSE, due)
            return []
        if now > due + LATE_S and not self._was_late:
            self._was_late = True
            self._timers.set(Timer.PAUSE, now + min(now - due, PAUSE_S))
            return []
        self._was_late = False
        missing_ms = round((now - self._audio_until) * 1000)
        self._audio_until, self._is_pausing = now, True
        self._straight = None
        self._timers.set(Timer.PAUSE, now + FILL_S)
        self._timers.stop(Timer.MISSING_FRAME)
        commands = self.give_up_frame()  # in a pause no single frame is waited for
        filled = self._uplink.fill_in(missing_ms)
        if filled:
            self._catch_up.fill_in(self._line.bytes_in(missing_ms), now)
        else:
            self._catch_up.given += self._line.bytes_in(missing_ms)  # nobody hears, and time goes on
        return commands + list(map(AppendAudio, filled))

    def take_keys(self) -> list[DigitPressed]:
        """Return the keys that were heard as tones since the last call."""
        keys, self.keys = self.keys, []
        return keys

    def press(self, event: DigitPressed, now: float) -> bool:
        """The carrier reported a key. Returns False if its tone was heard before."""
        self._straight = None  # its tone may be muted
        return self._tones.notice(event.digit, now, heard=False)

    def counts(self) -> dict[str, int]:
        """What was wrong with the caller's audio, and the keys that were both reported and heard."""
        skipped_ms = round(self._line.duration_ms(self._catch_up.skipped))
        return {
            "keys_reported_and_heard": self._tones.repeated,
            "skipped_ms": skipped_ms,
            **self._uplink.counts(),
        }
