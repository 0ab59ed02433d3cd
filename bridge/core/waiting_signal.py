"""The waiting signal: played once where the caller waits for too long for an assistant, or for a reply that failed.

It is played behind what is still to be heard, and cut by the reply. No clock: `now` is seconds.
"""

from typing import NamedTuple

from bridge.core.reply_audio import Voice
from bridge.core.timers import Timer, Timers
from bridge.vocabulary.commands import Command
from telecodecs.format import FRAME_MS, L16_8K, AudioFormat

LOOK_AGAIN_S = 1.0
"""From one look for a moment in which it can be played to the next."""


class Signal(NamedTuple):
    """`audio` in the format `spoken`, played after `after_s` seconds; it is never played if `audio` is empty or `after_s` is 0."""

    audio: bytes = b""
    spoken: AudioFormat = L16_8K
    after_s: float = 0.0


class WaitingSignal:
    """The waiting signal of one call, played by `voice`."""

    def __init__(self, signal: Signal, voice: Voice, timers: Timers) -> None:
        self._signal = signal
        self._voice = voice
        self._timers = timers
        self._since: float | None = None  # the caller waits
        self._is_played = False  # since the last reply, or the caller's last words

    def begin(self, now: float) -> None:
        """The caller waits from now on, if not before."""
        if self._since is None:
            self._since = now

    def delayed(self, now: float) -> None:
        """What the caller waits for was refused, has failed or is lost, and is tried again."""
        self.begin(now)
        assert self._since is not None
        if self._signal.audio and self._signal.after_s and not self._is_played:
            self._timers.set(Timer.WAITING, max(now, self._since + self._signal.after_s))

    def stop(self) -> None:
        """An assistant has the call; a reply may still be owed."""
        self._since = None
        self._timers.stop(Timer.WAITING)

    def reset(self) -> None:
        """A reply came, or the caller spoke: the next wait is another one."""
        self.stop()
        self._is_played = False

    def due(self, now: float) -> list[Command]:
        """The caller has waited for long enough: play it, or look again where something else is still to be heard."""
        voice = self._voice
        if voice.is_dropped or voice.incoming_item is not None:
            self._timers.set(Timer.WAITING, now + LOOK_AGAIN_S)
            return []
        if (ahead_s := voice.ahead_s(now)) > FRAME_MS / 1000:
            self._timers.set(Timer.WAITING, now + ahead_s)
            return []
        self._is_played = True
        return voice.play_signal(self._signal.audio, self._signal.spoken, now)
