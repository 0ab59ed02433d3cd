"""The call of the leg of a person who is mixed with a caller: briefed first, where the person is to be, then in the room.

In the room it hands over what the person says, and plays what the room gives it. No clock: `now` is seconds.
"""

from typing import Any

from bridge.core.briefing import BriefingCall
from bridge.core.call_tables import Reads, any_state, too_late
from bridge.core.far_buffer import FarBuffer, is_of_a_room
from bridge.core.media import Conversion
from bridge.core.states import State
from bridge.core.timers import Timer
from bridge.vocabulary.commands import Command, HangUp
from bridge.vocabulary.dispatch import on, on_bound
from bridge.vocabulary.events import (
    CallEnded,
    CallerAudio,
    CallStarted,
    CloseRequested,
    DigitPressed,
    GoodbyeRequested,
    LegLost,
    MarkReached,
)
from bridge.vocabulary.people import CallerLeft
from bridge.vocabulary.room import JoinRoom, RoomAudio, SpeakToRoom


class MemberCall(BriefingCall):
    """One leg. `briefs`: the person is briefed first. The other arguments are those of `BriefingCall`."""

    def __init__(self, *args: Any, briefs: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._briefs = briefs
        self._started: CallStarted
        self._far: FarBuffer | None = None  # in the room
        self._played: Conversion  # from the format of the leg's frames to the one it plays

    def counts(self) -> dict[str, int]:
        """Those of `BriefingCall`, and the frames that were skipped and added for the far end."""
        far = self._far
        rooms = {} if far is None else {"room_skipped": far.skipped, "room_added": far.added}
        return super().counts() | {name: count for name, count in rooms.items() if count}

    def _start(self, event: CallStarted, now: float) -> list[Command]:
        self._started = event
        return super()._start(event, now)

    def _begin(self, now: float) -> list[Command]:
        return super()._begin(now) if self._briefs else self._take_call(now)

    def _take_call(self, now: float) -> list[Command]:
        """The person takes the call: from here on the leg is a part of the room."""
        if self._is_leaving:
            return []
        dialogue, started = self._dialogue, self._started
        commands = self._report(True) + dialogue.conversation.voice.interrupt(now) + dialogue.part(now)
        dialogue.caller.hold()
        plays = started.plays or started.line
        self._far, self._played = FarBuffer(plays), Conversion(started.line, plays)
        self._move(State.IN_ROOM)
        self.lanes = dict(
            [on_bound(CallerAudio, self._speaks_straight), on_bound(RoomAudio, self._hears_straight)]
        )
        self.timers.stop(Timer.HANDOVER, Timer.PARTING, Timer.GOODBYE, *_OF_AN_ASSISTANT)
        self.timers.set(Timer.LONGEST, now + self._limits.longest_s)
        return [*commands, JoinRoom(started.line)]

    def _person_speaks(self, event: CallerAudio, now: float) -> list[Command]:
        self.timers.heard_at = now
        return [SpeakToRoom(event.audio, event.at_ms)]

    def _room_audio(self, event: RoomAudio, now: float) -> list[Command]:
        if self._far is None:
            return []
        played = self._played
        return self._far.play(played.feed(event.audio) if played.needed else event.audio, now)

    def _mark_reached(self, event: MarkReached, now: float) -> list[Command]:
        if self._far is None or not is_of_a_room(event.name):
            return super()._mark_reached(event, now)
        self.timers.heard_at = now
        self._far.mark_reached(event.name, now)
        return []

    # The straight way; see `lanes.Lane`

    def _speaks_straight(self, event: CallerAudio, now: float) -> list[Command] | None:
        due = self.timers.next_due
        return None if due is None or now >= due else self._person_speaks(event, now)

    def _hears_straight(self, event: RoomAudio, now: float) -> list[Command] | None:
        due = self.timers.next_due
        return None if due is None or now >= due else self._room_audio(event, now)

    def _caller_left_in_room(self, event: CallerLeft, now: float) -> list[Command]:
        return self._end(HangUp(1000, event.why), now)

    def _longest_due(self, now: float) -> list[Command]:
        return (
            super()._longest_due(now)
            if self._far is None
            else self._end(HangUp(1000, "it lasted too long"), now)
        )


_OF_AN_ASSISTANT = (
    *(Timer.OPEN, Timer.RETRY, Timer.WAITING, Timer.RENEW),
    *(Timer.KEYPAD, Timer.MISSING_FRAME, Timer.PAUSE, Timer.TOP_UP),
)
_IN_ROOM: Reads = {
    **too_late(MemberCall),
    **any_state(MemberCall),
    **dict(
        [
            on(CallerAudio, MemberCall._person_speaks),
            on(RoomAudio, MemberCall._room_audio),
            on(MarkReached, MemberCall._mark_reached),
            on(DigitPressed, MemberCall._heard),
            on(CallEnded, MemberCall._call_ended),
            on(LegLost, MemberCall._carrier_lost),
            on(CallerLeft, MemberCall._caller_left_in_room),
            on(CloseRequested, MemberCall._end_requested),
            on(GoodbyeRequested, MemberCall._end_requested),
        ]
    ),
}
_READS = BriefingCall.READS
_LATE: Reads = dict([on(RoomAudio, MemberCall._nothing)])
MemberCall.READS = {
    **{state: (read | _LATE, rest) for state, (read, rest) in _READS.items()},
    State.WAITING: (_READS[State.WAITING][0] | _LATE | dict([on(CallStarted, MemberCall._start)]), {}),
    State.IN_ROOM: (_IN_ROOM, {}),
}
MemberCall.FALLS_DUE = BriefingCall.FALLS_DUE | {Timer.LONGEST: MemberCall._longest_due}
