"""A call whose assistant may stay while the caller talks with a person: it hears both, and is not heard.

The carrier streams both voices beside their talk. They are mixed and given to the assistant as the caller's audio is;
its tools go on, and its replies are refused. Where that stream does not come, or ends, the assistant is closed, and the
call goes on as one whose assistant has left. No clock: `now` is seconds.
"""

from dataclasses import replace
from typing import Any

from bridge.core.call_tables import FallsDue, Reads, ReadsByState
from bridge.core.conversation import Conversation, Read
from bridge.core.handover import Handover
from bridge.core.on_hold import ON_HOLD
from bridge.core.operated_call import OperatedCall, operated_reads
from bridge.core.people_tables import people_falls_due
from bridge.core.states import State
from bridge.core.talk_audio import TalkMixer
from bridge.core.timers import Timer
from bridge.vocabulary.commands import Command
from bridge.vocabulary.dispatch import on
from bridge.vocabulary.events import (
    AssistantFailed,
    AssistantReportedError,
    CallerAudio,
    CloseRequested,
    GoodbyeRequested,
    LegLost,
    LegName,
    OutcomeSet,
    Word,
)
from bridge.vocabulary.people import ListeningLost, ListeningStarted, TalkAudio, TransferRequested
from telecodecs.format import AudioFormat

STARTS_S = 10.0
"""For the stream that listens to start, from when the two are joined."""


class ListeningCall(OperatedCall):
    """One call; the arguments are those of `PeopleCall`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._heard_in: AudioFormat | None = None  # the format of the stream that listens, while there is one
        self._is_kept = False  # an assistant is there while the two talk
        self._mixer: TalkMixer | None = None  # while it hears them

    def counts(self) -> dict[str, int]:
        """Those of `PeopleCall`, and the frames of a talk that came too late."""
        late = self._counts["late_talk_frames"] + (0 if self._mixer is None else self._mixer.late)
        return super().counts() | ({"late_talk_frames": late} if late else {})

    @property
    def assistant_listens(self) -> bool:
        """Whether an assistant hears the caller and a person, and is not heard."""
        return self._mixer is not None

    def _begin_handover(self, request: TransferRequested, now: float) -> None:
        super()._begin_handover(request, now)
        handover = self._handover
        if handover is not None and not self._dialogue.is_talking:  # nobody is there who could listen
            handover.person = replace(handover.person, listens=False)

    def _with_person(self, now: float) -> list[Command]:
        handover = self._handover
        if handover is None or not handover.person.listens or not self._dialogue.is_talking:
            return super()._with_person(now)
        commands = self._leave_stream(now)
        self._move(State.WITH_PERSON)
        self.timers.set(Timer.LONGEST, now + self._limits.longest_s)
        self._is_kept = True
        if self._heard_in is not None:
            return commands + self._listen(now)
        self.timers.set(Timer.LISTENING, now + STARTS_S)
        return commands

    # The stream that listens

    def _listening_started(self, event: ListeningStarted, now: float) -> list[Command]:
        self._heard_in = event.line
        return self._listen(now) if self._is_kept else []

    def _listen(self, now: float) -> list[Command]:
        """The assistant hears the two from here on."""
        self.timers.stop(Timer.LISTENING)
        if self._heard_in != self._line:
            return self._leave(now)
        self._mixer = TalkMixer(self._line)
        return self._dialogue.caller.stream_resumed()

    def _talk_audio(self, event: TalkAudio, now: float) -> list[Command]:
        if self._mixer is None:
            return []
        caller = self._dialogue.caller
        commands: list[Command] = []
        for audio, at_ms in self._mixer.feed(event.audio, event.at_ms, is_callers=event.is_callers):
            commands += caller.audio(CallerAudio(audio, at_ms), now)
        caller.take_keys()  # they are not meant for the assistant
        return commands

    def _listening_lost(self, _event: ListeningLost, now: float) -> list[Command]:
        self._heard_in = None
        return self._leave(now) if self._mixer is not None else []

    def _listening_due(self, now: float) -> list[Command]:
        return self._leave(now)

    def _leave(self, now: float) -> list[Command]:
        """The assistant cannot hear them, or not any more: it is closed, and opened again when the caller is back."""
        self._counts["listening_lost"] += 1
        self._stop_listening()
        return self._dialogue.part(now)

    def _stop_listening(self) -> None:
        self._is_kept = False
        self.timers.stop(Timer.LISTENING)
        if self._mixer is not None:
            self._counts["late_talk_frames"] += self._mixer.late
            self._mixer = None
            self._dialogue.caller.hold()

    def _note_end(self, handover: Handover, now: float) -> list[Command]:
        self._stop_listening()
        return super()._note_end(handover, now)

    def _pause_due(self, now: float) -> list[Command]:
        return super()._pause_due(now) if self._mixer is None else self._dialogue.caller.pause_due(now)

    # The assistant, while the two talk

    def _said_in_talk(self, event: Word, now: float) -> list[Command]:
        """What an assistant says that is not there any more comes too late."""
        return _IN_TALK[type(event)](self._dialogue.conversation, event, now) if self._is_kept else []

    def _transfer_in_talk(self, event: TransferRequested, now: float) -> list[Command]:
        return self._transfer_requested(event, now) if self._is_kept else []

    def _failed_in_talk(self, event: AssistantFailed, now: float) -> list[Command]:
        if not self._is_kept:
            return []
        self._stop_listening()
        return self._failed_on_hold(event, now)

    def _leg_lost_in_talk(self, event: LegLost, now: float) -> list[Command]:
        if not self._is_kept or event.leg is LegName.CARRIER:
            return []
        if event.leg is LegName.ASSISTANT:
            self._stop_listening()
        return self._leg_lost_on_hold(event, now)

    def _close_in_talk(self, event: CloseRequested | GoodbyeRequested, now: float) -> list[Command]:
        """An assistant that hangs up has done its part; a server that stops leaves the two alone."""
        if self._is_kept and event.code == 1000:
            self._stop_listening()
            return self._dialogue.part(now)
        return self._leave_people(event, now)


_IN_TALK: dict[type[Word], Read] = ON_HOLD | dict([on(OutcomeSet, Conversation.outcome_set)])
"""What these events of an assistant that listens mean to the conversation: as on hold."""


def listening_reads(call: type[ListeningCall]) -> ReadsByState:
    """The table of this class of calls."""
    usual = operated_reads(call)
    stream: Reads = dict(
        [on(ListeningStarted, call._listening_started), on(ListeningLost, call._listening_lost)]
    )
    in_talk: Reads = {
        **dict.fromkeys(_IN_TALK, call._said_in_talk),
        **stream,
        **dict(
            [
                on(TalkAudio, call._talk_audio),
                on(TransferRequested, call._transfer_in_talk),
                on(AssistantFailed, call._failed_in_talk),
                on(AssistantReportedError, call._assistant_error),
                on(LegLost, call._leg_lost_in_talk),
                on(CloseRequested, call._close_in_talk),
                on(GoodbyeRequested, call._close_in_talk),
            ]
        ),
    }
    late = dict([on(TalkAudio, call._nothing)]) | stream
    tables = {state: (read | late, converse) for state, (read, converse) in usual.items()}
    with_person, converse = usual[State.WITH_PERSON]
    ended = usual[State.ENDED]
    return tables | {State.WITH_PERSON: (with_person | in_talk, converse), State.ENDED: ended}


def listening_falls_due(call: type[ListeningCall]) -> FallsDue:
    """What this class of calls does at each timer."""
    return people_falls_due(call) | {Timer.LISTENING: call._listening_due}


ListeningCall.READS = listening_reads(ListeningCall)
ListeningCall.FALLS_DUE = listening_falls_due(ListeningCall)
