"""A call that a supervisor joins on a stream of the bridge's own: to listen, to whisper, or to barge in.

While the caller talks with an assistant, the call has a room of the caller, the assistant and the supervisor from when the
supervisor's stream is there until it is gone. What the caller heard of the assistant is still what the marks of the
caller's carrier say. A room with a person takes the supervisor in. On hold nobody hears the supervisor. With a person on
the carrier's side it is the carrier who supervises, see `SupervisedCall`. No clock: `now` is seconds.
"""

from math import inf
from typing import Any

from msgspec import structs

from bridge.core.call_tables import Reads, ReadsByState
from bridge.core.far_buffer import is_of_a_room
from bridge.core.handover import ANSWER_S, Handover
from bridge.core.lanes import NO_LANES
from bridge.core.mixed_call import MixedCall
from bridge.core.mixed_supervisor import MixedSupervisor
from bridge.core.operated_room import operated_room_falls_due
from bridge.core.states import State
from bridge.core.supervised_call import SupervisedCall, supervised_reads
from bridge.core.timers import Timer
from bridge.vocabulary.commands import Command, HangUp, SendMark
from bridge.vocabulary.dispatch import on, on_bound
from bridge.vocabulary.events import CallEnded, CallerAudio
from bridge.vocabulary.room import Member, MemberAudio, MemberJoined, MemberLeft, Role
from bridge.vocabulary.supervision import (
    CallSupervisor,
    EndSupervision,
    SuperviseRequested,
    SupervisionRefused,
    SupervisorAnswered,
    SupervisorEvent,
    SupervisorNotReached,
    SupervisorRole,
)

STREAM_S = 10.0
"""For the stream of a supervisor who has answered to start."""

MIXES = (State.OPENING, State.TALKING)
"""The states in which a supervisor makes a room of a call."""


class JoinedCall(SupervisedCall):
    """See `SupervisedCall`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._supervisor_here: MixedSupervisor | None = None  # who rings, or is in the room
        self._talk_ended_at = -inf  # in a room with a person

    # What an operator asks

    def _why_not_supervise(self, event: SuperviseRequested) -> str:
        if self.state is State.WITH_PERSON:
            return super()._why_not_supervise(event)
        here, is_known = self._supervisor_here, event.supervisor in self._people.supervisors
        if self.state not in (*MIXES, State.HOLDING, State.IN_ROOM):
            return "the call has not begun, or is about to end"
        if event.role is SupervisorRole.LEAVE:
            is_here = here is not None and here.name == event.supervisor
            return "" if is_here else "the supervisor is not there"
        if not is_known:
            return "there is no supervisor of this name"
        if why := self._why_not_reached(event):
            return why
        if here is not None and here.name != event.supervisor:
            return f"{here.name} supervises the call; it can have one supervisor at a time"
        if here is None and self.state is State.HOLDING:
            return "the caller is on hold"
        return self._why_not_whisper(event)

    def _why_not_reached(self, _event: SuperviseRequested) -> str:
        """Why the supervisor cannot be called, if they would have to be."""
        can = {CallSupervisor, EndSupervision} <= self._rules.can
        return "" if can else "the carrier cannot have this call supervised"

    def _why_not_whisper(self, event: SuperviseRequested) -> str:
        if event.role is not SupervisorRole.WHISPER:
            return ""
        to, mixed = self._whispered_to(event), self._mixed
        if self.state is not State.IN_ROOM or mixed is None:
            return "" if to is Member.ASSISTANT else "there is no person who could be whispered to"
        return "" if to in mixed.room.parts else "there is no assistant that could be whispered to"

    def _whispered_to(self, event: SuperviseRequested) -> Member:
        if event.to:
            return Member(event.to)
        return Member.PERSON if self.state is State.IN_ROOM else Member.ASSISTANT

    def _supervise_requested(self, event: SuperviseRequested, now: float) -> list[Command]:
        if self.state is State.WITH_PERSON:
            return super()._supervise_requested(event, now)
        if why := self._why_not_supervise(event):
            return [SupervisionRefused(event.supervisor, why)]
        if event.role is SupervisorRole.LEAVE:
            return self._dismiss("the supervisor was asked to leave", now)
        here = self._supervisor_here
        if here is None:
            here = MixedSupervisor(event.supervisor, self._people.supervisors[event.supervisor])
            self._supervisor_here = here
            here.does(event, self._whispered_to(event))
            return self._call_next(here, now)
        here.does(event, self._whispered_to(event))
        return self._place(here, now)

    def _call_next(self, here: MixedSupervisor, now: float) -> list[Command]:
        if (command := here.call_next()) is None:
            self._supervisor_here = None
            self.timers.stop(Timer.SUPERVISOR)
            return []
        self.timers.set(Timer.SUPERVISOR, now + here.ring_s + ANSWER_S)
        return [command]

    # What the carrier says

    def _supervisor(self, event: SupervisorEvent, now: float) -> list[Command]:
        here = self._supervisor_here
        if here is None or here.name != event.supervisor:
            if isinstance(event, SupervisorAnswered):
                return [EndSupervision(event.supervisor, "nobody waits for them any more")]
            return super()._supervisor(event, now)
        if isinstance(event, SupervisorAnswered):
            here.leg = event.supervisor_leg
            self.timers.set(Timer.SUPERVISOR, now + STREAM_S)
            return []
        if isinstance(event, SupervisorNotReached):
            removed = self._remove_supervisor(here, now)  # a machine that answered for them, found out late
            return removed + self._call_next(here, now)
        return self._dismiss("", now)

    def _supervisor_due(self, now: float) -> list[Command]:
        """The carrier says nothing of this group: the next one is called, which releases this one."""
        here = self._supervisor_here
        if here is None or here.leg or not here.has_next:
            return self._dismiss("they were not reached in time", now)
        return self._call_next(here, now)

    def _member_joined(self, event: MemberJoined, now: float) -> list[Command]:
        if event.member is not Member.SUPERVISOR:
            in_room = self.state is State.IN_ROOM
            return super()._member_joined(event, now) if in_room else self._count("out_of_place")
        here = self._supervisor_here
        if here is None or here.leg != event.member_leg or here.line is not None:
            return self._count("late_supervisor_events")
        self.timers.stop(Timer.SUPERVISOR)
        here.line = event.line
        if self.state is State.IN_ROOM:
            return self._join_supervisor(here, now)
        return self._open_room(now)

    def _member_left(self, event: MemberLeft, now: float) -> list[Command]:
        if event.member is not Member.SUPERVISOR:
            return super()._member_left(event, now) if self.state is State.IN_ROOM else []
        here = self._supervisor_here
        if here is None or here.leg != event.member_leg:
            return []
        return self._dismiss("their stream has ended", now)

    # The supervisor in the room

    def _place(self, here: MixedSupervisor, now: float) -> list[Command]:
        """Give the supervisor the role that is wanted, if there is a room.

        Who barges in while the caller has still to hear much from before the room, cuts that: it could not be mixed.
        """
        mixed = self._mixed
        if mixed is None or here.line is None:
            return []
        mixed.place(Member.SUPERVISOR, here.role, here.to)
        voice = self._dialogue.conversation.voice
        is_cut = here.role is Role.TALKS and self.state is not State.IN_ROOM and mixed.is_behind(now)
        if not is_cut or voice.has_own_sound(now):
            return []
        return voice.resume(now) + voice.interrupt(now)

    def _join_supervisor(self, here: MixedSupervisor, now: float) -> list[Command]:
        """The supervisor is in the room; where the sound of their leg cannot be converted, they are hung up on."""
        assert self._mixed is not None and here.line is not None, "there is a room, and their stream"  # noqa: PT018
        try:
            self._mixed.join(Member.SUPERVISOR, here.leg, here.line)
        except ValueError:
            return self._dismiss("the sound of their leg cannot be converted", now)
        return self._place(here, now)

    def _dismiss(self, why: str, now: float) -> list[Command]:
        """The supervisor is no part of the call any more. `why`: for who is to be hung up on; empty: they are gone."""
        here, self._supervisor_here = self._supervisor_here, None
        if here is None:
            return []
        self.timers.stop(Timer.SUPERVISOR)
        ended = [here.end(why)] if why else []
        return ended + self._remove_supervisor(here, now)

    def _remove_supervisor(self, here: MixedSupervisor, now: float) -> list[Command]:
        """The stream of the supervisor is no part of the room any more, if it was."""
        here.line = None
        if self._mixed is None:
            return []
        self._mixed.leave(Member.SUPERVISOR)
        return self._close_room(now) if self.state in (*MIXES, State.CLOSING) else []

    # The room of a caller and an assistant

    def _open_room(self, now: float) -> list[Command]:
        """Make a room of the call, if there is a supervisor for it."""
        here = self._supervisor_here
        if here is None or here.line is None or self._mixed is not None or self.state not in MIXES:
            return []
        dialogue = self._dialogue
        conversation = dialogue.conversation
        mixed = MixedCall(self._line, conversation.plays, dialogue, self.timers, self._rules.reorder_ms)
        goes_on = self._talk_ended_at == now  # the rest of what the assistant said comes into this room
        mixed.ask_carrier(0.0 if goes_on else conversation.voice.ahead_s(now, sent=True), now)
        if self._liveness.is_dropped:
            mixed.caller_dropped()
        mixed.place(Member.CALLER, Role.TALKS)
        mixed.place(Member.ASSISTANT, Role.TALKS)
        mixed.give(dialogue.caller.stream_resumed())
        self._mixed = mixed
        self._follow_room()
        return self._join_supervisor(here, now)

    def _close_room(self, now: float) -> list[Command]:
        """It is a call of two again."""
        mixed = self._leave_room()
        return [] if mixed is None else mixed.close(now) + self._dialogue.caller.stream_resumed()

    def _drop_room(self) -> list[Command]:
        """The two do not hear each other any more: what waits to be heard is not."""
        mixed = self._leave_room()
        if mixed is None:
            return []
        mixed.leave(Member.SUPERVISOR)
        return mixed.drop()

    def _leave_room(self) -> MixedCall | None:
        mixed, self._mixed = self._mixed, None
        if mixed is not None:
            self._counts.update(mixed.counts())
            self._reads, self._conversation_reads = self.READS[self.state]
            self.lanes = self._dialogue.lanes if self.state is State.TALKING else NO_LANES
            if self.muted:
                self._follow_mute()
        return mixed

    def _follow_room(self) -> None:
        """Frames go through the room in this state."""
        if self._mixed is None or self.state not in MIXES:
            return
        self._reads = self._reads | _IN_ROOM
        frames = [on_bound(MemberAudio, self._member_straight)]
        if "caller" not in self.muted:
            frames.append(on_bound(CallerAudio, self._caller_straight))
        self.lanes = dict(frames)

    def _move(self, state: State) -> None:
        super()._move(state)
        self._follow_room()

    def _follow_mute(self) -> None:
        super()._follow_mute()
        self._follow_room()

    def _caller_talks(self, event: CallerAudio, now: float) -> list[Command]:
        if "caller" in self.muted:
            silence = self._line.silence * self._line.samples_in(len(event.audio))
            event = structs.replace(event, audio=silence)
        return self._caller_in_room(event, now)

    def _keys_heard(self, now: float) -> list[Command]:
        if self.state is State.IN_ROOM:
            return super()._keys_heard(now)
        conversation, keys = self._dialogue.conversation, self._dialogue.caller.take_keys()
        return [command for key in keys for command in conversation.pressed(key, now)]

    # To a person, and back

    def _enter(self, handover: Handover, now: float) -> list[Command]:
        commands, here = super()._enter(handover, now), self._supervisor_here
        return commands if here is None or here.line is None else commands + self._join_supervisor(here, now)

    def _end_room(self, now: float) -> list[Command]:
        """That with a person; one without is not over with a handover."""
        if self.state is not State.IN_ROOM:
            return []
        self._talk_ended_at = now
        here, commands = self._supervisor_here, super()._end_room(now)
        if here is None or here.line is None:
            return commands
        return [one for one in commands if not (isinstance(one, SendMark) and is_of_a_room(one.name))]

    def _play_hold(self, now: float) -> list[Command]:
        dropped = self._drop_room() if self.state is State.HOLDING else []
        return dropped + super()._play_hold(now)

    def _with_person(self, now: float) -> list[Command]:
        handover = self._handover
        if handover is not None and handover.person.mixes:
            return super()._with_person(now)
        dismissed = self._dismiss("the caller talks with a person on the carrier's side", now)
        return dismissed + super()._with_person(now)

    def _talk_again(self, now: float) -> list[Command]:
        return self._reopen(super()._talk_again(now), now)

    def _unhold(self, now: float) -> list[Command]:
        return self._reopen(super()._unhold(now), now)

    def _reopen(self, commands: list[Command], now: float) -> list[Command]:
        """The caller is back with the assistant. `commands`: with which the carrier is told so."""
        opened = self._open_room(now)
        if self._mixed is None:
            return commands + opened
        self._mixed.give(commands)
        return opened

    # The end

    def _call_ended(self, event: CallEnded, now: float) -> list[Command]:
        ended = self._dismiss_at_end("the caller hung up", now)
        return ended + super()._call_ended(event, now)

    def _end(self, hang_up: HangUp | None, now: float) -> list[Command]:
        why = "the call ended" if hang_up is None else hang_up.why
        return self._dismiss_at_end(why, now) + super()._end(hang_up, now)

    def _dismiss_at_end(self, why: str, now: float) -> list[Command]:
        dropped = self._drop_room() if self.state in (*MIXES, State.CLOSING) else []
        return dropped + self._dismiss(why, now)


_IN_ROOM: Reads = dict([on(CallerAudio, JoinedCall._caller_talks), on(MemberAudio, JoinedCall._member_audio)])
"""What frames mean in a room of the caller, the assistant and a supervisor."""


def joined_reads(call: type[JoinedCall]) -> ReadsByState:
    """The table of this class of calls."""
    members: Reads = dict([on(MemberJoined, call._member_joined), on(MemberLeft, call._member_left)])
    tables = supervised_reads(call)
    return {
        state: (read if state is State.ENDED else read | members, converse)
        for state, (read, converse) in tables.items()
    }


JoinedCall.READS = joined_reads(JoinedCall)
JoinedCall.FALLS_DUE = operated_room_falls_due(JoinedCall) | {Timer.SUPERVISOR: JoinedCall._supervisor_due}
