"""A call that can be put through to people: on hold, with a person, back with the assistant, or leaving a message.

The steps between request and end are `Handover`'s; here is what they mean to the caller's stream and to the assistant:
the assistant stays open while the caller is on hold, hears nothing and is not heard; it is closed when the caller is with
the person, and opened again when they are back; `listening_call` has the one that stays. No clock: `now` is seconds.
"""

from collections.abc import Callable
from typing import Any

from bridge.core.call import Call
from bridge.core.elsewhere import NEED_STREAM
from bridge.core.handover import Handover, request_of
from bridge.core.handover_phase import Phase
from bridge.core.on_hold import BEEP_S, ENDS_MESSAGE, play_beep
from bridge.core.people import BriefingNotes, People, Person, in_words
from bridge.core.people_tables import people_falls_due, people_reads
from bridge.core.released import Released
from bridge.core.states import State
from bridge.core.timers import REASONS, Timer
from bridge.vocabulary.commands import ClearPlayback, Command, HangUp, ReportTransfer
from bridge.vocabulary.events import (
    AssistantFailed,
    CallEnded,
    CallStarted,
    CloseRequested,
    DigitPressed,
    GoodbyeRequested,
    LegLost,
    LegName,
    MarkReached,
)
from bridge.vocabulary.people import (
    BriefingStarted,
    CloseStream,
    EndHandover,
    EndMessage,
    Outcome,
    PeopleJoined,
    PersonAccepted,
    PersonAnswered,
    PersonEvent,
    PersonRings,
    TakeBack,
    TakeMessage,
    TransferRequested,
)

PARTING_S = 20.0
"""The longest that the assistant's last words before a handover may take to be heard."""

LOOK_AGAIN_S = 0.2
"""From one look whether they were heard to the next."""

RETURN_S = 10.0
"""For the caller's stream to come back."""


class PeopleCall(Call):
    """One call; `people`: whom it can be put through to. The other arguments are those of `Call`."""

    def __init__(self, *args: Any, people: People = People(), **kwargs: Any) -> None:  # noqa: B008  # frozen
        super().__init__(*args, **kwargs)
        self.leaves_people = False
        """It ended while the caller talked with a person: the carrier goes on with that call, and nobody hangs it up."""
        self._people = people
        self._handover: Handover | None = None  # from the request to its end
        self._handovers = 0
        self._released = Released()
        self._parting_until = 0.0
        self._is_stream_left = False  # to the carrier, who ends it when it likes
        self._then: Callable[[float], list[Command]] | None = None  # when the stream is back
        self._report: ReportTransfer  # for the assistant, of the last handover
        self._message: tuple[str, float] | None = None  # for whom the caller leaves it, and since when

    @property
    def can_resume(self) -> bool:
        """Whether another stream of the carrier could still continue this call."""
        is_leaving = self._handover is not None and self._handover.phase is Phase.LEAVING
        is_away = self.state in (State.HOLDING, State.WITH_PERSON) and not is_leaving
        return super().can_resume or is_away

    @property
    def expects_stream_end(self) -> bool:
        """Whether the carrier ends the stream while the call goes on: its end is then not that of the call."""
        return self._is_stream_left or (self._handover is not None and self._handover.takes_stream)

    def briefing(self, person_leg: str) -> BriefingNotes | None:
        """What this person is to be told; None where they are not being briefed."""
        handover = self._handover
        if handover is None or handover.phase is not Phase.BRIEFING or handover.person_leg != person_leg:
            return None
        dialogue = self._dialogue
        return BriefingNotes(
            handover.request, handover.person, dialogue.conversation.history(), dialogue.assistant
        )

    # The request, and the last words before it is done

    def _begin(self, now: float) -> list[Command]:
        """An assistant answers; or the caller is put through at once, and nobody has asked for it."""
        person = self._dialogue.put_through
        if self._people.why_not_at_once(person, self._rules.can):
            return super()._begin(now)
        self._begin_handover(TransferRequested(person), now)
        return self._dialogue.begin_on_hold(now) + self._part_when_heard(now)

    def _transfer_requested(self, event: TransferRequested, now: float) -> list[Command]:
        if why := self._why_not(event):
            output = f"error: {why}"
            self._dialogue.conversation.transferred(request_of(event), output)
            return [ReportTransfer(event.tool_call_id, event.person, Outcome.NOT_POSSIBLE, output)]
        self._begin_handover(event, now)
        return self._part_when_heard(now)

    def _begin_handover(self, request: TransferRequested, now: float) -> None:
        self._handovers += 1
        person = self._people.persons[request.person]
        self._handover = Handover(request, person, self._handovers, self._released, self.timers, now)
        self._parting_until = now + PARTING_S

    def _why_not(self, event: TransferRequested) -> str:
        """Why this is not done, in words for a model; empty if it is."""
        if self._handover is not None:
            return f"the caller is being put through to {self._handover.name} already; wait for the answer"
        if self._goodbye_until:
            return "the call is about to end; nobody can be called any more"
        if self._dialogue.conversation.is_typing:
            return "the caller is typing an entry; wait until it is complete"
        return self._people.why_not(event.person, self._dialogue.assistant, self._rules.can)

    def _mark_reached(self, event: MarkReached, now: float) -> list[Command]:
        commands = super()._mark_reached(event, now)
        return commands if self._handover is None else commands + self._part_when_heard(now)

    def _part_when_heard(self, now: float) -> list[Command]:
        """Put the caller on hold once they have heard the assistant's last words."""
        handover = self._handover
        if handover is None or handover.phase is not Phase.PARTING:
            return []
        is_dropped = self._liveness.is_dropped
        if is_dropped or (self._dialogue.conversation.voice.is_pending and now < self._parting_until):
            until = self._parting_until if now < self._parting_until else now + LOOK_AGAIN_S
            self.timers.set(Timer.PARTING, min(now + LOOK_AGAIN_S, until))
            return []
        self.timers.stop(Timer.PARTING, Timer.GOODBYE)
        commands = self._dialogue.hold(now)
        self._move(State.HOLDING)
        called = self._follow(handover.begin(now), now)
        return commands + called + self._play_hold(now)

    def _play_hold(self, now: float) -> list[Command]:
        if self._handover is None or self._liveness.is_dropped or self.state is not State.HOLDING:
            return []
        music = self._dialogue.conversation.hold_music
        return music.start(self._handover.person.hold, self._people.spoken, now)

    def _close_requested(self, event: CloseRequested, now: float) -> list[Command]:
        """An assistant that hangs up after it has asked for a transfer means that its own part is over."""
        if self._handover is None or event.code != 1000:
            return super()._close_requested(event, now)
        commands = self._follow_dialogue(self._dialogue.part(now), now)
        return commands + self._part_when_heard(now)

    def _goodbye_requested(self, event: GoodbyeRequested, now: float) -> list[Command]:
        return self._drop_handover(event.why, now) + super()._goodbye_requested(event, now)

    def _close(self, hang_up: HangUp, now: float) -> list[Command]:
        return self._drop_handover(hang_up.why, now) + super()._close(hang_up, now)

    # The handover goes on

    def _person(self, event: PersonEvent, now: float) -> list[Command]:
        """The carrier, or a briefing, says something of a person."""
        if self._handover is None:
            return self._late(event, now)
        return self._follow(self._handover.handle(event, now), now)

    def _late(self, event: PersonEvent, _now: float) -> list[Command]:
        """Nobody waits for this person any more."""
        self._counts["late_person_events"] += 1
        if isinstance(event, PersonRings | PersonAnswered | PeopleJoined | PersonAccepted | BriefingStarted):
            why, has_answered = "the caller does not wait any more", isinstance(event, PersonAnswered)
            return self._released.release(event.person_leg, why, has_answered=has_answered)
        return []

    def _follow(self, commands: list[Command], now: float) -> list[Command]:
        """Take the state that the handover has come to."""
        handover = self._handover
        assert handover is not None, "a handover is followed while it is under way"
        if handover.outcome is not None:
            return commands + self._over(handover, now)
        asks_to_close = any(isinstance(command, NEED_STREAM) for command in commands)
        closes = asks_to_close and CloseStream in self._rules.can and not self._is_stream_left
        left = self._leave_stream(now) if handover.phase is Phase.JOINING or closes else []
        followed = [*left, *commands, *([CloseStream("the caller is put through")] if closes else [])]
        begins = handover.is_away and self.state is not State.WITH_PERSON
        return followed + self._with_person(now) if begins else followed

    def _leave_stream(self, now: float) -> list[Command]:
        """The carrier ends the stream; what it has of the music may be played until then."""
        if self._is_stream_left:
            return []
        self._is_stream_left = True
        conversation = self._dialogue.conversation
        conversation.hold_music.leave()
        commands = conversation.stream_dropped(now)
        self._liveness.leave()
        return [command for command in commands if not isinstance(command, ClearPlayback)]

    def _with_person(self, now: float) -> list[Command]:
        """They hear each other. Their talk may last as long as a call may."""
        commands = self._leave_stream(now) + self._dialogue.part(now)
        self._move(State.WITH_PERSON)
        self.timers.set(Timer.LONGEST, now + self._limits.longest_s)
        return commands

    def _over(self, handover: Handover, now: float) -> list[Command]:
        """It is over: the caller is taken back, leaves a message, or is hung up on."""
        outcome, person = handover.outcome, handover.person
        assert outcome is not None
        commands = self._note_end(handover, now)
        if outcome is Outcome.CALLER_LEFT:
            return commands + self._end(HangUp(1000, "the call ended"), now)
        if outcome is Outcome.SENT_ON:
            return commands + self._end(HangUp(1000, "the caller was referred to another line"), now)
        if outcome is Outcome.TALKED:
            if person.comes_back:
                return commands + self._take_back(self._talk_again, now)
            return commands + self._end(HangUp(1000, "the person left"), now)
        match person.nobody:
            case "back":
                return commands + self._take_back(self._talk_again, now)
            case "message":
                return commands + self._take_back(self._begin_message(handover.name, person), now)
            case "hang_up":
                return commands + self._end(HangUp(1000, "nobody was reached"), now)

    def _note_end(self, handover: Handover, now: float) -> list[Command]:
        """Keep what became of it, for the assistant, the journal and the account."""
        assert handover.outcome is not None
        self._handover = None
        output = in_words(handover.name, handover.outcome, handover.why, handover.talked_s)
        self._dialogue.conversation.transferred(request_of(handover.request), output)
        self._report = ReportTransfer(handover.request.tool_call_id, handover.name, handover.outcome, output)
        return [EndHandover(handover.name, handover.outcome, handover.waited_s(now), handover.talked_s)]

    def _drop_handover(self, why: str, now: float) -> list[Command]:
        """The call is about to end: nobody is to be reached any more, and nobody is left on the line."""
        handover = self._handover
        if handover is None:
            return []
        self.timers.stop(Timer.PARTING)
        return handover.abandon(Outcome.CALLER_LEFT, why, now) + self._note_end(handover, now)

    # The caller is taken back

    def _take_back(self, then: Callable[[float], list[Command]], now: float) -> list[Command]:
        """Do `then`, once the caller's stream is there."""
        if self.state in (State.WITH_PERSON, State.IN_ROOM):
            self._move(State.HOLDING)
        if not self._is_stream_left and not self._liveness.is_dropped:
            return then(now)
        if TakeBack not in self._rules.can:
            return self._end(HangUp(1000, "the carrier cannot take the caller back"), now)
        self._is_stream_left, self._then = True, then
        self.timers.stop(Timer.RESUME)
        self.timers.set(Timer.HANDOVER, now + RETURN_S)
        return [TakeBack()]

    def _talk_again(self, now: float) -> list[Command]:
        dialogue = self._dialogue
        commands = dialogue.conversation.hold_music.stop(now)
        is_there = dialogue.is_talking
        commands += dialogue.come_back(now)
        self._move(State.TALKING if is_there else State.OPENING)
        return [*commands, self._report] if is_there else commands

    def _begin_message(self, name: str, person: Person) -> Callable[[float], list[Command]]:
        def begin(now: float) -> list[Command]:
            conversation = self._dialogue.conversation
            commands = conversation.hold_music.stop(now) + self._dialogue.part(now)
            self._message = name, now + BEEP_S
            self.timers.set(Timer.HANDOVER, now + BEEP_S + person.message_s)
            return [*commands, TakeMessage(name, person.message_s), *play_beep(conversation, now)]

        return begin

    def _stream_resumed(self, event: CallStarted, now: float) -> list[Command]:
        if self.state not in (State.HOLDING, State.WITH_PERSON):
            return super()._stream_resumed(event, now)
        handover = self._handover
        if not self._liveness.is_dropped or not self.can_resume:
            return self._count("out_of_place")
        if why := self._liveness.started(event, now):
            return self._end(HangUp(1008, why), now)
        was_left, self._is_stream_left = self._is_stream_left, False
        commands = self._dialogue.stream_resumed(now)
        if self._then is not None:
            then, self._then = self._then, None
            self.timers.stop(Timer.HANDOVER)
            return commands + then(now)
        if handover is None:
            return commands
        if handover.phase is Phase.WITH_PERSON:
            commands += handover.caller_returned(now)
        elif was_left:
            commands += handover.abandon(Outcome.FAILED, "the caller came back", now)
        return self._follow(commands, now) + self._play_hold(now)

    # On hold

    def _key_on_hold(self, event: DigitPressed, now: float) -> list[Command]:
        self.timers.heard_at = now
        self._counts["keys_on_hold"] += 1
        if self._message is not None and event.digit == ENDS_MESSAGE:
            return self._end(HangUp(1000, "a message was taken"), now)
        return []

    def _failed_on_hold(self, _event: AssistantFailed, now: float) -> list[Command]:
        return self._dialogue.lose_on_hold(now)

    def _leg_lost_on_hold(self, event: LegLost, now: float) -> list[Command]:
        if event.leg is not LegName.CARRIER:
            return self._dialogue.leg_lost_on_hold(event, now)
        if self._liveness.is_dropped:
            return []
        if self._message is not None:
            return self._end(None, now)
        self._counts["stream_drops"] += not self.expects_stream_end
        self._liveness.leave()
        conversation = self._dialogue.conversation
        conversation.hold_music.leave()
        if self.expects_stream_end:
            self._is_stream_left = True
        else:
            self.timers.set(Timer.RESUME, now + max(self._limits.resume_s, RETURN_S))
        return conversation.stream_dropped(now)

    def _close_on_hold(self, event: CloseRequested | GoodbyeRequested, now: float) -> list[Command]:
        if event.code == 1000:  # the assistant's: its part is over
            return self._dialogue.part(now)
        return self._end(HangUp(event.code, event.why), now)

    # The end

    def _leave_people(self, event: CloseRequested | GoodbyeRequested, now: float) -> list[Command]:
        """The server stops: the two go on talking."""
        handover = self._handover
        assert handover is not None, "the caller is with a person"
        handover.leave_them(now)
        self.leaves_people = True
        return self._note_end(handover, now) + self._end(HangUp(event.code, event.why), now)

    def _call_ended(self, event: CallEnded, now: float) -> list[Command]:
        handover = self._handover
        if handover is None:
            return super()._call_ended(event, now)
        if handover.phase is Phase.LEAVING:
            return []
        commands = handover.caller_left("the caller hung up", now)
        if handover.outcome is not None:
            return commands + self._note_end(handover, now) + super()._call_ended(event, now)
        self._liveness.leave()
        self.timers.stop(Timer.LONGEST)
        self._dialogue.conversation.hold_music.leave()
        return commands + self._dialogue.part(now) + self._dialogue.conversation.stream_dropped(now)

    def _end(self, hang_up: HangUp | None, now: float) -> list[Command]:
        why = "the carrier's stream is gone" if hang_up is None else hang_up.why
        commands = self._drop_handover(why, now)
        if self._message is not None:
            name, since = self._message
            commands.append(EndMessage(name, round(max(0.0, now - since), 3)))
        return commands + super()._end(hang_up, now)

    def _longest_due(self, now: float) -> list[Command]:
        if self.state in (State.HOLDING, State.WITH_PERSON):
            return self._end(HangUp(1000, REASONS[Timer.LONGEST]), now)
        return super()._longest_due(now)

    def _resume_due(self, now: float) -> list[Command]:
        if self.state is State.HOLDING:
            return self._call_ended(CallEnded(), now)
        return self._end(HangUp(1008, REASONS[Timer.RESUME]), now)

    def _handover_due(self, now: float) -> list[Command]:
        """What was waited for did not come; or a message is long enough."""
        if self._message is not None:
            return self._end(HangUp(1000, "a message was taken"), now)
        if (handover := self._handover) is None:
            return self._end(HangUp(1008, REASONS[Timer.RESUME]), now)
        if handover.phase is Phase.RINGING and self._is_stream_left:
            handover.assume_joined(now)
            return self._follow([], now)
        return self._follow(handover.due(now), now)


PeopleCall.READS = people_reads(PeopleCall)
PeopleCall.FALLS_DUE = people_falls_due(PeopleCall)
