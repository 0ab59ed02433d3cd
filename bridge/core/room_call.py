"""A call that can be mixed: the caller and a person on streams of the bridge's own, and an assistant that takes part.

While there is a room, what the assistant would have the carrier play goes to the room. The person's leg has a call of its
own, `MemberCall`. No clock: `now` is seconds.
"""

from typing import Any

from bridge.core.call_tables import FallsDue, Reads, ReadsByState, any_state
from bridge.core.conversation import ANY_TIME, TALKING, Conversation, Read
from bridge.core.far_buffer import is_of_a_room
from bridge.core.handover import Handover
from bridge.core.listening_call import ListeningCall, listening_falls_due, listening_reads
from bridge.core.mixed_call import MixedCall
from bridge.core.on_hold import ON_HOLD
from bridge.core.operated_call import OPERATED
from bridge.core.people_tables import OF_PEOPLE
from bridge.core.states import State
from bridge.core.timers import REASONS, Timer
from bridge.vocabulary.commands import Command, DropReply, HangUp
from bridge.vocabulary.dispatch import on, on_bound
from bridge.vocabulary.events import (
    AssistantFailed,
    AssistantReady,
    AssistantReportedError,
    CallEnded,
    CallerAudio,
    CallStarted,
    CloseRequested,
    DigitPressed,
    Event,
    GoodbyeRequested,
    LegLost,
    LegName,
    MarkReached,
    OtherPartyAudio,
    OutcomeSet,
    ReplyAudio,
    ReplyEnded,
    TokensUsed,
    Word,
)
from bridge.vocabulary.people import ListeningLost, ListeningStarted, TalkAudio, TransferRequested
from bridge.vocabulary.room import (
    AssistantAddressed,
    Member,
    MemberAudio,
    MemberJoined,
    MemberLeft,
    Role,
    RoleRequested,
)


class RoomCall(ListeningCall):
    """One call; the arguments are those of `ListeningCall`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._mixed: MixedCall | None = None  # while there is a room
        self._role = Role.SILENT  # of the assistant
        self._is_addressed = False  # though it is silent: its next reply is heard
        self._addressed_item = ""  # the item of that reply that was last heard

    def counts(self) -> dict[str, int]:
        """Those of `ListeningCall`, and what a room skipped and added."""
        counts = super().counts()
        rooms = {} if self._mixed is None else self._mixed.counts()
        for name in ("room_skipped", "room_added"):
            if count := self._counts[name] + rooms.get(name, 0):
                counts[name] = count
        return counts

    @property
    def can_resume(self) -> bool:
        """Whether another stream of the carrier could still continue this call."""
        return super().can_resume or self.state is State.IN_ROOM

    def handle(self, event: Event, now: float) -> list[Command]:
        """As `Call.handle`; what the assistant says goes into the room, where there is one."""
        due = self.timers.next_due
        first = self._fall_due(now) if due is not None and now >= due else []
        if first and self._mixed is not None:  # before the event opens a room, or closes this one
            first = self._mixed.take(first, now)
        commands = super().handle(event, now)
        commands = commands if self._mixed is None else self._mixed.take(commands, now)
        return first + commands if first else commands

    # The room begins, and ends

    def _with_person(self, now: float) -> list[Command]:
        handover = self._handover
        if handover is None or not handover.person.mixes:
            return super()._with_person(now)
        return [] if self.state is State.IN_ROOM else self._enter(handover, now)

    def _enter(self, handover: Handover, now: float) -> list[Command]:
        """The caller and the person hear each other from when the person's stream has joined."""
        dialogue = self._dialogue
        conversation = dialogue.conversation
        mixed = MixedCall(self._line, conversation.plays, dialogue, self.timers, self._rules.reorder_ms)
        mixed.give(conversation.hold_music.stop(now))  # of which the carrier has some
        if self._liveness.is_dropped:
            mixed.caller_dropped()
        mixed.place(Member.CALLER, Role.MUTED if "caller" in self.muted else Role.TALKS)
        mixed.place(Member.PERSON, Role.TALKS)
        if dialogue.is_talking:
            talks = handover.person.assistant_talks and "assistant" not in self.muted
            self._role = Role.TALKS if talks else Role.SILENT
            self._is_addressed = False
            mixed.place(Member.ASSISTANT, self._role)
            mixed.give(dialogue.caller.stream_resumed())
        self._mixed = mixed
        self._move(State.IN_ROOM)
        self.lanes = dict(
            [
                on_bound(CallerAudio, self._caller_straight),
                on_bound(MemberAudio, self._member_straight),
                on_bound(ReplyAudio, self._reply_straight),
            ]
        )
        self.timers.set(Timer.LONGEST, now + self._limits.longest_s)
        return []

    def _note_end(self, handover: Handover, now: float) -> list[Command]:
        return self._end_room(now) + super()._note_end(handover, now)

    def _end_room(self, now: float) -> list[Command]:
        mixed, self._mixed = self._mixed, None
        if mixed is None:
            return []
        self._counts.update(mixed.counts())
        self._dialogue.caller.hold()  # until the caller is back with the assistant
        return mixed.close(now)

    def _pause_due(self, now: float) -> list[Command]:
        return super()._pause_due(now) if self._mixed is None else self._dialogue.caller.pause_due(now)

    # Members

    def _caller_in_room(self, event: CallerAudio, now: float) -> list[Command]:
        self.timers.heard_at = now
        mixed = self._mixed
        assert mixed is not None, "a call in a room has one"
        mixed.caller_speaks(event, now)
        return self._keys_heard(now) if self._dialogue.caller.keys else []

    def _keys_heard(self, _now: float) -> list[Command]:
        """In a room with a person they are not meant for the assistant."""
        self._dialogue.caller.take_keys()
        return []

    def _member_audio(self, event: MemberAudio, now: float) -> list[Command]:
        if self._mixed is None:
            return []
        self._mixed.member_speaks(event, now)
        return self._keys_heard(now) if self._dialogue.caller.keys else []

    # The straight way; see `lanes.Lane`

    def _caller_straight(self, event: CallerAudio, now: float) -> list[Command] | None:
        due, mixed = self.timers.next_due, self._mixed
        if due is None or now >= due or mixed is None or mixed.is_assistant_speaking:
            return None
        return mixed.take(self._caller_in_room(event, now), now)

    def _member_straight(self, event: MemberAudio, now: float) -> list[Command] | None:
        due, mixed = self.timers.next_due, self._mixed
        if due is None or now >= due or mixed is None:
            return None
        return mixed.take(self._member_audio(event, now), now)

    def _reply_straight(self, event: ReplyAudio, now: float) -> list[Command] | None:
        """Of an assistant that is not heard; one that is heard takes the general way."""
        due, dialogue = self.timers.next_due, self._dialogue
        if due is None or now >= due or self._role is Role.TALKS or not dialogue.is_talking:
            return None
        return [DropReply(event.item)] if dialogue.conversation.voice.refuse(event.item) else []

    def _member_joined(self, event: MemberJoined, now: float) -> list[Command]:
        """The person's stream is a part of the room; where its sound cannot be converted, the person is hung up on."""
        handover = self._handover
        if handover is None or self._mixed is None or event.member_leg != handover.person_leg:
            return self._count("late_person_events")
        try:
            self._mixed.join(event.member, event.member_leg, event.line)
        except ValueError:
            return self._follow(handover.person_lost(now), now)
        return []

    def _member_left(self, event: MemberLeft, now: float) -> list[Command]:
        """The person's stream has ended, and with it the talk."""
        handover = self._handover
        if handover is None or event.member_leg != handover.person_leg:
            return []
        return self._follow(handover.person_lost(now), now)

    def _role_requested(self, event: RoleRequested, now: float) -> list[Command]:
        """A member has another role from the next frame on."""
        mixed = self._mixed
        if mixed is None or event.member not in mixed.room.parts:
            return self._count("out_of_place")
        mixed.place(event.member, event.role, event.to)
        if event.member is Member.ASSISTANT:
            self._is_addressed = False
        if event.member is Member.ASSISTANT and event.role is not self._role:
            self._role = event.role
            return [] if event.role is Role.TALKS else self._dialogue.conversation.voice.interrupt(now)
        return []

    def _addressed(self, _event: AssistantAddressed, _now: float) -> list[Command]:
        """The next reply of a silent assistant is heard."""
        mixed = self._mixed
        if (
            mixed is None
            or self._role is Role.TALKS
            or "assistant" in self.muted
            or Member.ASSISTANT not in mixed.room.parts
        ):
            return []
        self._is_addressed, self._role, self._addressed_item = True, Role.TALKS, ""
        mixed.place(Member.ASSISTANT, Role.TALKS)
        return []

    # The carrier

    def _mark_reached(self, event: MarkReached, now: float) -> list[Command]:
        if not is_of_a_room(event.name):
            return super()._mark_reached(event, now)
        self.timers.heard_at = now
        if self._mixed is not None:
            self._mixed.mark_reached(event, now)
        return []

    def _key_in_room(self, _event: DigitPressed, now: float) -> list[Command]:
        self.timers.heard_at = now
        return self._count("keys_in_room")

    def _stream_dropped(self, now: float) -> list[Command]:
        if self._mixed is not None:
            self._mixed.caller_dropped()
        return super()._stream_dropped(now)

    def _stream_resumed(self, event: CallStarted, now: float) -> list[Command]:
        if self._mixed is not None and self._liveness.is_dropped:
            self._mixed.caller_resumed(now)
        return super()._stream_resumed(event, now)

    # The assistant in the room

    def _said_in_room(self, event: Word, now: float) -> list[Command]:
        """What an assistant says that is not there any more comes too late."""
        if not self._dialogue.is_talking:
            return []
        table = _TALKS if self._role is Role.TALKS else _IS_SILENT
        read = table.get(type(event))
        commands = [] if read is None else read(self._dialogue.conversation, event, now)
        if not self._is_addressed or self._mixed is None:
            return commands
        if isinstance(event, ReplyAudio) and event.item == self._dialogue.conversation.voice.incoming_item:
            self._addressed_item = event.item
        elif isinstance(event, ReplyEnded) and event.item == self._addressed_item:
            self._is_addressed, self._role = False, Role.SILENT
            self._mixed.fall_silent()
        return commands

    def _failed_in_room(self, _event: AssistantFailed, now: float) -> list[Command]:
        """The two go on."""
        return self._assistant_leaves(now) + self._dialogue.lose_on_hold(now)

    def _leg_lost_in_room(self, event: LegLost, now: float) -> list[Command]:
        if event.leg is LegName.CARRIER:
            return self._stream_dropped(now)
        left = self._assistant_leaves(now) if event.leg is LegName.ASSISTANT else []
        return left + self._dialogue.leg_lost_on_hold(event, now)

    def _assistant_leaves(self, now: float) -> list[Command]:
        if self._mixed is not None:
            self._mixed.leave(Member.ASSISTANT)
        return self._dialogue.conversation.voice.interrupt(now)

    def _close_in_room(self, event: CloseRequested | GoodbyeRequested, now: float) -> list[Command]:
        """An assistant that hangs up has done its part. A server that stops ends the call: without it nobody mixes."""
        if event.code == 1000:
            return self._assistant_leaves(now) + self._dialogue.part(now)
        return self._end(HangUp(event.code, event.why), now)

    def _longest_due(self, now: float) -> list[Command]:
        if self.state is State.IN_ROOM:
            return self._end(HangUp(1000, REASONS[Timer.LONGEST]), now)
        return super()._longest_due(now)


_TALKS: dict[type[Word], Read] = ANY_TIME | TALKING
_IS_SILENT: dict[type[Word], Read] = ON_HOLD | dict([on(OutcomeSet, Conversation.outcome_set)])
"""What these events of an assistant that is not heard mean to the conversation."""


def room_reads(call: type[RoomCall]) -> ReadsByState:
    """The table of this class of calls."""
    usual = listening_reads(call)
    members: Reads = dict(
        [
            on(MemberAudio, call._member_audio),
            on(MemberJoined, call._member_joined),
            on(MemberLeft, call._member_left),
            on(RoleRequested, call._role_requested),
            on(AssistantAddressed, call._addressed),
        ]
    )
    in_room: Reads = {
        **any_state(call),
        **dict.fromkeys({**_TALKS, **_IS_SILENT}, call._said_in_room),
        **dict.fromkeys(OF_PEOPLE, call._person),
        **members,
        **dict.fromkeys(OPERATED, call._perform),
        **dict(
            [
                on(CallerAudio, call._caller_in_room),
                on(OtherPartyAudio, call._heard),
                on(DigitPressed, call._key_in_room),
                on(MarkReached, call._mark_reached),
                on(TransferRequested, call._transfer_requested),
                on(TokensUsed, call._nothing),
                on(AssistantReady, call._nothing),
                on(AssistantFailed, call._failed_in_room),
                on(AssistantReportedError, call._assistant_error),
                on(CallStarted, call._stream_resumed),
                on(CallEnded, call._call_ended),
                on(LegLost, call._leg_lost_in_room),
                on(CloseRequested, call._close_in_room),
                on(GoodbyeRequested, call._close_in_room),
                on(TalkAudio, call._nothing),
                on(ListeningStarted, call._nothing),
                on(ListeningLost, call._nothing),
            ]
        ),
    }
    ended = usual[State.ENDED]
    late: Reads = dict([on(MemberAudio, call._nothing), on(MemberLeft, call._nothing)])
    tables = {state: (read | late, converse) for state, (read, converse) in usual.items()}
    return tables | {State.IN_ROOM: (in_room, {}), State.ENDED: ended}


def room_falls_due(call: type[RoomCall]) -> FallsDue:
    """What this class of calls does at each timer."""
    return listening_falls_due(call) | {Timer.ROOM: lambda _one, _now: []}


RoomCall.READS = room_reads(RoomCall)
RoomCall.FALLS_DUE = room_falls_due(RoomCall)
