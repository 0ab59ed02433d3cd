"""The call of the leg of a supervisor whom the bridge mixes: it is in the room as soon as its stream has started.

Whoever has called in may have to type a PIN before. A beep asks for it, and asks again after a wrong one. No clock: `now` is
seconds.
"""

from typing import Any

from bridge.core.member_call import MemberCall
from bridge.core.on_hold import play_beep
from bridge.core.pin_entry import PinEntry, Typed
from bridge.core.states import State
from bridge.core.timers import Timer
from bridge.vocabulary.commands import Command, HangUp, SetSensitive
from bridge.vocabulary.dispatch import on
from bridge.vocabulary.events import DigitPressed
from bridge.vocabulary.supervision import CheckPin

PIN_S = 30.0
"""For the PIN to be typed, all tries together."""


class SupervisorLeg(MemberCall):
    """One leg. There is no briefing, and so nothing to report of one. `pin`: has to be typed; empty: none has."""

    def __init__(self, *args: Any, pin: str = "", **kwargs: Any) -> None:
        super().__init__(*args, briefs=False, **kwargs)
        self._entry = PinEntry(pin) if pin else None

    def _report(self, is_accepted: bool, why: str = "") -> list[Command]:
        return []

    def _begin(self, now: float) -> list[Command]:
        if self._entry is None:
            return super()._begin(now)
        self.timers.set(Timer.HANDOVER, now + PIN_S)
        return [SetSensitive(on=True), *play_beep(self._dialogue.conversation, now)]

    def _pressed(self, event: DigitPressed, now: float) -> list[Command]:
        self.timers.heard_at = now
        entry = self._entry
        match Typed.MORE if entry is None or self._is_leaving else entry.press(event.digit):
            case Typed.RIGHT:
                return [SetSensitive(on=False), CheckPin(is_right=True), *self._take_call(now)]
            case Typed.WRONG:
                return [CheckPin(is_right=False), *play_beep(self._dialogue.conversation, now)]
            case Typed.FAILED:
                return [CheckPin(is_right=False), *self._end(HangUp(1000, "the PIN was wrong"), now)]
        return []

    def _too_long(self, now: float) -> list[Command]:
        why = "the caller is gone" if self._is_leaving else "no PIN was typed in time"
        return self._end(HangUp(1000, why), now)


_READS = MemberCall.READS
_TYPES = dict([on(DigitPressed, SupervisorLeg._pressed)])
SupervisorLeg.READS = _READS | {State.OPENING: (_READS[State.OPENING][0] | _TYPES, _READS[State.OPENING][1])}
SupervisorLeg.FALLS_DUE = MemberCall.FALLS_DUE | {Timer.HANDOVER: SupervisorLeg._too_long}
