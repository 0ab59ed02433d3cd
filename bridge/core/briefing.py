"""The call of a briefing: an assistant, or a recording, tells a person about a caller, and the person takes the call or not.

It is a call as any other, between this person and an assistant that speaks first. It reports once what came of it; its
end without a word is a no. No clock: `now` is seconds.
"""

from typing import Any, Literal

from bridge.core.call import Call
from bridge.core.call_tables import Reads, falls_due, reads
from bridge.core.handover import BRIEFING_S
from bridge.core.on_hold import play_beep
from bridge.core.states import State
from bridge.core.timers import Timer
from bridge.vocabulary.commands import Command, HangUp, SayText
from bridge.vocabulary.dispatch import on
from bridge.vocabulary.events import CloseRequested, DigitPressed, GoodbyeRequested, MarkReached
from bridge.vocabulary.people import BriefingAccepted, BriefingDeclined, CallerLeft, ReportBriefing
from telecodecs.format import PCMU_8K, AudioFormat

QUIET_S = 0.8
"""After so long without a sound the words were said to their end: the next item of a reply would have begun."""

LEAVE_QUIET_S = 2.0
"""Likewise, where the assistant has just been told what to say."""

LEAVE_S = 8.0
"""For the person to be told that the caller is gone."""

ACCEPT_KEY, DECLINE_KEY = "1", "2"

GONE = (
    "The caller has hung up in the meantime, so there is nobody to put through any more. Apologize in one short sentence "
    "and say goodbye."
)

Accept = Literal["word", "key", "none"]
"""How the person takes the call; see `Person.accept`."""


class BriefingCall(Call):
    """One briefing. The other arguments are those of `Call`; its plan has the `briefing` and the history.

    `recording`: is played in place of an assistant, in the format `spoken`; empty: the plan's assistant briefs.
    """

    def __init__(
        self,
        *args: Any,
        accept: Accept = "word",
        recording: bytes = b"",
        spoken: AudioFormat = PCMU_8K,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self._accept_by = accept
        self._recording = recording
        self._spoken = spoken
        self._is_reported = False
        self._is_leaving = False  # the caller is gone

    @property
    def can_resume(self) -> bool:
        """A briefing whose stream breaks is over."""
        return False

    def _begin(self, now: float) -> list[Command]:
        self.timers.set(Timer.HANDOVER, now + BRIEFING_S)
        if not self._recording:
            return super()._begin(now)
        return self._dialogue.conversation.voice.announce(self._recording, self._spoken, now)

    def _report(self, is_accepted: bool, why: str = "") -> list[Command]:
        if self._is_reported:
            return []
        self._is_reported = True
        return [ReportBriefing(is_accepted, why)]

    # What the person says, or presses

    def _accepted(self, _event: BriefingAccepted, now: float) -> list[Command]:
        return self._take_call(now)

    def _take_call(self, now: float) -> list[Command]:
        if self._is_leaving:
            return []
        return self._report(True) + self._end(HangUp(1000, "the person takes the call"), now)

    def _declined(self, event: BriefingDeclined, now: float) -> list[Command]:
        return self._decline(event.why, now)

    def _decline(self, why: str, now: float) -> list[Command]:
        return self._report(False, why) + self._end(HangUp(1000, "the person does not take the call"), now)

    def _pressed(self, event: DigitPressed, now: float) -> list[Command]:
        if self._accept_by == "key" and event.digit == ACCEPT_KEY:
            return self._take_call(now)
        if self._accept_by == "key" and event.digit == DECLINE_KEY:
            return self._decline("", now)
        return super()._pressed(event, now)

    # Words that were heard to their end

    def _mark_reached(self, event: MarkReached, now: float) -> list[Command]:
        commands = super()._mark_reached(event, now)
        if self.state in (State.OPENING, State.TALKING) and self._is_said:
            self.timers.set(Timer.PARTING, now + (LEAVE_QUIET_S if self._is_leaving else QUIET_S))
        return commands

    @property
    def _is_said(self) -> bool:
        conversation = self._dialogue.conversation
        has_begun = bool(self._recording) or conversation.has_reply
        return has_begun and not conversation.voice.is_pending

    def _quiet_due(self, now: float) -> list[Command]:
        if not self._is_said:
            return []
        if self._is_leaving:
            return self._decline("the caller is gone", now)
        return self._take_call(now) if self._accept_by == "none" else []

    # The end

    def _caller_left(self, event: CallerLeft, now: float) -> list[Command]:
        """Tell the person, and hang up on them."""
        if self._is_leaving:
            return []
        self._is_leaving = True
        self.timers.set(Timer.HANDOVER, now + LEAVE_S)
        conversation = self._dialogue.conversation
        commands = conversation.voice.interrupt(now)
        if self._dialogue.is_talking:
            conversation.has_reply = False
            return [*commands, SayText(GONE)]
        self._recording = b""
        return commands + play_beep(conversation, now) + self._close(HangUp(1000, event.why), now)

    def _caller_left_at_once(self, event: CallerLeft, now: float) -> list[Command]:
        return self._report(False, event.why) + self._end(HangUp(1000, event.why), now)

    def _too_long(self, now: float) -> list[Command]:
        return self._decline("the caller is gone" if self._is_leaving else "the briefing took too long", now)

    def _close_requested(self, event: CloseRequested, now: float) -> list[Command]:
        return self._report(False, event.why) + super()._close_requested(event, now)

    def _goodbye_requested(self, event: GoodbyeRequested, now: float) -> list[Command]:
        return self._decline(event.why, now)

    def _close(self, hang_up: HangUp, now: float) -> list[Command]:
        reported = [] if self._is_leaving else self._report(False, hang_up.why)  # else once they were told
        return reported + super()._close(hang_up, now)

    def _end(self, hang_up: HangUp | None, now: float) -> list[Command]:
        return self._report(False, "they hung up") + super()._end(hang_up, now)


_READS = reads(BriefingCall)
_ANY: Reads = dict([on(CallerLeft, BriefingCall._caller_left)])
_TALKING: Reads = _ANY | dict(
    [on(BriefingAccepted, BriefingCall._accepted), on(BriefingDeclined, BriefingCall._declined)]
)
BriefingCall.READS = {
    **_READS,
    State.WAITING: (
        _READS[State.WAITING][0] | dict([on(CallerLeft, BriefingCall._caller_left_at_once)]),
        {},
    ),
    State.OPENING: (_READS[State.OPENING][0] | _ANY, _READS[State.OPENING][1]),
    State.TALKING: (_READS[State.TALKING][0] | _TALKING, _READS[State.TALKING][1]),
}
BriefingCall.FALLS_DUE = falls_due(BriefingCall) | {
    Timer.HANDOVER: BriefingCall._too_long,
    Timer.PARTING: BriefingCall._quiet_due,
}
