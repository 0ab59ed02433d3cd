"""A call that an operator can steer while the bridge mixes the caller with a person: `OperatedCall` has the verbs elsewhere.

On hold in the room the caller hears music, and neither hears anybody nor is heard; the others go on. A person who is sent
away, or whom another one follows, is hung up on. No clock: `now` is seconds.
"""

from collections.abc import Callable
from typing import Any

from bridge.core.call_tables import FallsDue
from bridge.core.handover import Handover
from bridge.core.key_tones import keys_sound
from bridge.core.mixed_call import MixedCall
from bridge.core.operated_call import GOING_AWAY
from bridge.core.room_call import RoomCall, room_falls_due, room_reads
from bridge.core.states import State
from bridge.core.timers import Timer
from bridge.vocabulary.commands import Command, HangUp, PressKeys
from bridge.vocabulary.events import CallStarted, Word
from bridge.vocabulary.operator import (
    HandoverRequested,
    HangUpRequested,
    HoldRequested,
    KeysRequested,
    MuteRequested,
    OperatorEvent,
    ReturnRequested,
    TellRequested,
)
from bridge.vocabulary.people import Outcome
from bridge.vocabulary.room import AssistantAddressed, Member, Role, RoleRequested

LONGEST_KEYS_MS = 5_000
"""Where the caller hears the tones of keys, so much at a time: they are in place of the voices."""

IS_AWAY = "the caller's stream is interrupted: ask again when it is back"


class OperatedRoomCall(RoomCall):
    """One call; the arguments are those of `RoomCall`."""

    def why_not(self, event: OperatorEvent) -> str:
        """As `OperatedCall.why_not`."""
        if self.state is not State.IN_ROOM:
            return super().why_not(event)
        return _WHY_NOT[type(event)](self, event)

    def _perform(self, event: OperatorEvent, now: float) -> list[Command]:
        if self.state is not State.IN_ROOM or self.why_not(event):
            return super()._perform(event, now)
        mixed, handover = self._mixed, self._handover
        assert mixed is not None and handover is not None, "a call in a room has both"  # noqa: PT018
        return _PERFORM[type(event)](self, mixed, handover, event, now)

    def _never(self, _event: OperatorEvent) -> str:
        return ""

    # Words for the assistant; the end

    def _why_not_told_there(self, _event: TellRequested) -> str:
        return "" if self._dialogue.is_talking else "no assistant is there"

    def _tell_there(
        self, _mixed: MixedCall, _handover: Handover, event: TellRequested, now: float
    ) -> list[Command]:
        told = self._tell(event, now)
        return told + self._addressed(AssistantAddressed(), now) if event.responds else told

    def _end_there(
        self, _mixed: MixedCall, _handover: Handover, event: HangUpRequested, now: float
    ) -> list[Command]:
        return self._end(HangUp(GOING_AWAY, event.why), now)

    # Mute

    def _why_not_muted_there(self, event: MuteRequested) -> str:
        return "no assistant is there" if event.who == "assistant" and not self._dialogue.is_talking else ""

    def _mute_there(
        self, _mixed: MixedCall, handover: Handover, event: MuteRequested, now: float
    ) -> list[Command]:
        self._mute(event, now)
        if event.who == "assistant":
            talks = handover.person.assistant_talks and not event.muted
            role = Role.TALKS if talks else Role.SILENT
            return self._role_requested(RoleRequested(Member.ASSISTANT, role), now)
        return self._role_requested(RoleRequested(Member.CALLER, self._callers_role), now)

    @property
    def _callers_role(self) -> Role:
        if self.is_held:
            return Role.HELD
        return Role.MUTED if "caller" in self.muted else Role.TALKS

    # Hold

    def _why_not_held_there(self, event: HoldRequested) -> str:
        if not event.on:
            return "" if self.is_held else "nobody holds the call"
        return "the call is held already" if self.is_held else ""

    def _hold_there(
        self, mixed: MixedCall, _handover: Handover, event: HoldRequested, now: float
    ) -> list[Command]:
        self.is_held = event.on
        mixed.place(Member.CALLER, self._callers_role)
        if event.on:
            self._play_held(mixed, now)
        else:
            mixed.give(mixed.music.stop(now))
        return []

    def _play_held(self, mixed: MixedCall, now: float) -> None:
        people = self._people
        if not self._liveness.is_dropped:
            mixed.give(mixed.music.start(people.held, people.spoken, now))

    def _music_due(self, now: float) -> list[Command]:
        if self._mixed is None or not self._mixed.music.is_playing:
            return self._dialogue.conversation.hold_music.due(now)
        self._mixed.give(self._mixed.music.due(now))
        return []

    def _stream_resumed(self, event: CallStarted, now: float) -> list[Command]:
        was_dropped, commands = self._liveness.is_dropped, super()._stream_resumed(event, now)
        mixed = self._mixed
        if was_dropped and self.is_held and mixed is not None and not self._liveness.is_dropped:
            self._play_held(mixed, now)
        return commands

    def _end_room(self, now: float) -> list[Command]:
        """A caller who is on hold in the room stays so without it."""
        cut = self._cut_room(self._mixed, now) if self.is_held and self._mixed is not None else []
        return cut + super()._end_room(now)

    def _cut_room(self, mixed: MixedCall, now: float) -> list[Command]:
        """The caller is to be on hold without the room: what the assistant says there is not heard any more."""
        mixed.leave(Member.SUPERVISOR)
        return mixed.take(self._dialogue.hold(now), now)

    # Keys

    def _why_not_pressed_there(self, event: KeysRequested) -> str:
        if self.is_held:
            return "the call is held: end the hold first"
        if PressKeys in self._rules.can:
            return ""
        plays = self._dialogue.conversation.plays
        if len(keys_sound(event.keys, plays)) > plays.bytes_in(LONGEST_KEYS_MS):
            return f"their tones last longer than {LONGEST_KEYS_MS // 1000} s: press fewer keys at a time"
        return IS_AWAY if self._liveness.is_dropped else ""

    def _press_there(
        self, mixed: MixedCall, _handover: Handover, event: KeysRequested, now: float
    ) -> list[Command]:
        """The carrier presses them, or the caller alone hears their tones."""
        conversation = self._dialogue.conversation
        conversation.keys_pressed(event.keys)
        if PressKeys in self._rules.can:
            return [PressKeys(event.keys)]
        is_played = mixed.play_to_caller(keys_sound(event.keys, conversation.plays), now)
        return [] if is_played else self._count("keys_dropped")

    # Back to the assistant, and to another person

    def _return_there(
        self, mixed: MixedCall, _handover: Handover, event: ReturnRequested, now: float
    ) -> list[Command]:
        """The person is hung up on, and the caller is with the assistant again, also one who was on hold."""
        cut: list[Command] = []
        if self.is_held:
            cut = mixed.take(self._dialogue.hold(now), now) + mixed.music.stop(now)
            self.is_held = False
        return cut + self._return(event, now)

    def _why_not_another_there(self, event: HandoverRequested) -> str:
        if self._handover is not None and event.person == self._handover.name:
            return f"the caller is with {event.person} already: expected another person"
        return IS_AWAY if self._liveness.is_dropped else self._why_not_person(event)

    def _put_through_to_another(
        self, mixed: MixedCall, handover: Handover, event: HandoverRequested, now: float
    ) -> list[Command]:
        """The person is hung up on, and the caller is on hold until the other one is there.

        What became of that is the answer to the assistant, if the first one was its request.
        """
        tool_call_id = handover.request.tool_call_id
        commands = self._cut_room(mixed, now)
        why = f"an operator puts the caller through to {event.person}"
        commands += handover.abandon(Outcome.TALKED, why, now) + self._note_end(handover, now)
        self.is_held = False
        self._move(State.HOLDING)
        other = self._begin_asked(event, tool_call_id, now)
        return commands + self._follow(other.begin(now), now) + self._play_hold(now)


_WHY_NOT: dict[type[Word], Callable[[OperatedRoomCall, Any], str]] = {
    TellRequested: OperatedRoomCall._why_not_told_there,
    HoldRequested: OperatedRoomCall._why_not_held_there,
    MuteRequested: OperatedRoomCall._why_not_muted_there,
    KeysRequested: OperatedRoomCall._why_not_pressed_there,
    HandoverRequested: OperatedRoomCall._why_not_another_there,
    ReturnRequested: OperatedRoomCall._never,
    HangUpRequested: OperatedRoomCall._never,
}

_PERFORM: dict[type[Word], Callable[[OperatedRoomCall, MixedCall, Handover, Any, float], list[Command]]] = {
    TellRequested: OperatedRoomCall._tell_there,
    HoldRequested: OperatedRoomCall._hold_there,
    MuteRequested: OperatedRoomCall._mute_there,
    KeysRequested: OperatedRoomCall._press_there,
    HandoverRequested: OperatedRoomCall._put_through_to_another,
    ReturnRequested: OperatedRoomCall._return_there,
    HangUpRequested: OperatedRoomCall._end_there,
}


def operated_room_falls_due(call: type[OperatedRoomCall]) -> FallsDue:
    """What this class of calls does at each timer."""
    return room_falls_due(call) | {Timer.HOLD: call._music_due}


OperatedRoomCall.READS = room_reads(OperatedRoomCall)
OperatedRoomCall.FALLS_DUE = operated_room_falls_due(OperatedRoomCall)
