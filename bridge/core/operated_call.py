"""A call that an operator can steer: tell its assistant, hold it, mute in it, press keys, put it through, end it.

Whether that is possible now, `why_not` says; an event that is not possible changes nothing. No clock: `now` is seconds.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from msgspec import structs

from bridge.core.call_tables import Reads, ReadsByState
from bridge.core.conversation import Read
from bridge.core.handover import Handover
from bridge.core.lanes import NO_LANES, Lanes
from bridge.core.on_hold import ON_HOLD
from bridge.core.people import Person
from bridge.core.people_call import PeopleCall
from bridge.core.people_tables import people_reads
from bridge.core.states import SPOKEN_INTO, State
from bridge.vocabulary.commands import Command, HangUp, TellAssistant
from bridge.vocabulary.dispatch import on
from bridge.vocabulary.events import (
    CallerAudio,
    CallStarted,
    GoodbyeRequested,
    PressRequested,
    ReplyAudio,
    Word,
)
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
from bridge.vocabulary.people import Outcome, TakeBack, TransferRequested
from telecodecs.format import AudioFormat

GOING_AWAY = 1001
"""The WebSocket close code of a call that is ended by us (RFC 6455, 7.4.1)."""


class OperatedCall(PeopleCall):
    """One call; the arguments are those of `PeopleCall`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._line: AudioFormat  # of the caller's stream
        self._is_report_due = False  # to an assistant whose caller is still held

    def _start(self, event: CallStarted, now: float) -> list[Command]:
        self._line = event.line
        return super()._start(event, now)

    def why_not(self, event: OperatorEvent) -> str:
        """Why this cannot be done now, in words for an operator; empty if it can."""
        if self.state not in SPOKEN_INTO or self.state is State.CLOSING:
            return "the call has not begun, or is about to end"
        return _WHY_NOT[type(event)](self, event)

    def _perform(self, event: OperatorEvent, now: float) -> list[Command]:
        if self.why_not(event):
            return self._count("out_of_place")
        return _PERFORM[type(event)](self, event, now)

    # Words for the assistant

    def _why_not_tell(self, _event: TellRequested) -> str:
        return "" if self.state is State.TALKING else "no assistant has the call"

    def _tell(self, event: TellRequested, now: float) -> list[Command]:
        self._dialogue.conversation.told(event, now)
        return [TellAssistant(event.text, event.responds)]

    def _talk_again(self, now: float) -> list[Command]:
        """Where an operator holds the call, the caller is back with the assistant when that ends."""
        if not self.is_held:
            return self._report_back(now)
        self._is_report_due = True
        return self._play_hold(now)

    def _report_back(self, now: float) -> list[Command]:
        """The assistant knows nothing of what an operator asked for: it is told in words that the caller is back."""
        self._is_report_due = False
        commands = super()._talk_again(now)
        if commands and commands[-1] is self._report and not self._report.tool_call_id:
            return [*commands[:-1], TellAssistant(self._report.output, responds=True)]
        return commands

    # Hold

    def _why_not_hold(self, event: HoldRequested) -> str:
        if not event.on:
            return "" if self.is_held else "nobody holds the call"
        if self.is_held:
            return "the call is held already"
        if self.state is not State.TALKING:
            return "the caller does not talk with an assistant"
        return self._why_not_leave()

    def _why_not_leave(self) -> str:
        """Why the caller cannot be led away from the assistant."""
        if self._handover is not None:
            return f"the caller is being put through to {self._handover.name}"
        if self._goodbye_until:
            return "the call is about to end"
        return "the caller is typing an entry" if self._dialogue.conversation.is_typing else ""

    def _hold(self, event: HoldRequested, now: float) -> list[Command]:
        if not event.on:
            return self._unhold(now)
        commands = self._dialogue.hold(now)
        self._move(State.HOLDING)
        self.is_held = True
        return commands + self._play_hold(now)

    def _unhold(self, now: float) -> list[Command]:
        self.is_held = False
        if self._is_report_due:
            return self._report_back(now)
        dialogue = self._dialogue
        commands = dialogue.conversation.hold_music.stop(now)
        is_there = dialogue.is_talking
        commands += dialogue.come_back(now)
        self._move(State.TALKING if is_there else State.OPENING)
        return commands

    def _play_hold(self, now: float) -> list[Command]:
        if not self.is_held or self._liveness.is_dropped:
            return super()._play_hold(now)
        people = self._people
        return self._dialogue.conversation.hold_music.start(people.held, people.spoken, now)

    def _end_hold(self, now: float) -> list[Command]:
        """Something else begins: the caller is no longer held."""
        if not self.is_held:
            return []
        self.is_held = self._is_report_due = False
        self._move(State.TALKING if self._dialogue.is_talking else State.OPENING)
        return self._dialogue.conversation.hold_music.stop(now)

    def _why_not(self, event: TransferRequested) -> str:
        return "an operator holds the call; ask again later" if self.is_held else super()._why_not(event)

    def _stream_resumed(self, event: CallStarted, now: float) -> list[Command]:
        commands = super()._stream_resumed(event, now)
        is_back = self.is_held and self.state is State.HOLDING and not self._liveness.is_dropped
        is_playing = self._dialogue.conversation.hold_music.is_playing
        return commands + self._play_hold(now) if is_back and not is_playing else commands

    def _begin_message(self, name: str, person: Person) -> Callable[[float], list[Command]]:
        begin = super()._begin_message(name, person)

        def begin_unheld(now: float) -> list[Command]:
            self.is_held = False
            return begin(now)

        return begin_unheld

    # Mute

    def _why_not_mute(self, event: MuteRequested) -> str:
        return "" if self.state is not State.WITH_PERSON else "the caller is with a person, at the carrier"

    def _mute(self, event: MuteRequested, now: float) -> list[Command]:
        self.muted = self.muted | {event.who} if event.muted else self.muted - {event.who}
        self._follow_mute()
        if event.who != "assistant" or not event.muted or self.state is not State.TALKING:
            return []
        voice = self._dialogue.conversation.voice
        return voice.resume(now) + voice.interrupt(now)

    def _move(self, state: State) -> None:
        super()._move(state)
        if self.muted:
            self._follow_mute()

    def _follow_mute(self) -> None:
        """Frames of who is muted take the general way, where they are replaced or refused."""
        if self.state is not State.TALKING:
            return
        muted = {_FRAMES[who] for who in self.muted}
        lanes: Lanes = self._dialogue.lanes
        self.lanes = {kind: lane for kind, lane in lanes.items() if kind not in muted} or NO_LANES
        usual = self.READS[State.TALKING][1]
        self._conversation_reads = {**usual, **_REFUSED} if "assistant" in self.muted else usual

    def _caller_audio(self, event: CallerAudio, now: float) -> list[Command]:
        if "caller" in self.muted:
            silence = self._line.silence * self._line.samples_in(len(event.audio))
            event = structs.replace(event, audio=silence)
        return super()._caller_audio(event, now)

    # Keys

    def _why_not_press(self, _event: KeysRequested) -> str:
        return "" if self.state is State.TALKING else "the caller does not talk with an assistant"

    def _press_keys(self, event: KeysRequested, now: float) -> list[Command]:
        return self._dialogue.conversation.press_requested(PressRequested(event.keys), now)

    # To a person, and back

    def _why_not_hand_over(self, event: HandoverRequested) -> str:
        if not self.is_held and self.state not in (State.TALKING, State.OPENING):
            return "the caller does not talk with an assistant"
        return self._why_not_leave() or self._why_not_person(event)

    def _why_not_person(self, event: HandoverRequested) -> str:
        """Why a call cannot be put through to this person, whatever its state."""
        people = self._people
        if event.at_once and event.person in people.persons:
            cold = replace(
                people, persons={event.person: replace(people.persons[event.person], is_warm=False)}
            )
            return cold.why_not_at_once(event.person, self._rules.can)
        return people.why_not_at_once(event.person, self._rules.can)

    def _hand_over(self, event: HandoverRequested, now: float) -> list[Command]:
        tool_call_id = self._report.tool_call_id if self._is_report_due else ""
        commands = self._end_hold(now)
        self._begin_asked(event, tool_call_id, now)
        if event.at_once:
            self._parting_until = now
        return commands + self._part_when_heard(now)

    def _begin_asked(self, event: HandoverRequested, tool_call_id: str, now: float) -> Handover:
        """Begin what an operator asked for. `tool_call_id`: of the request of an assistant, which has no answer so far."""
        self._begin_handover(TransferRequested(event.person, tool_call_id=tool_call_id), now)
        handover = self._handover
        assert handover is not None, "it was begun"
        if event.at_once:
            handover.person = replace(handover.person, is_warm=False)
        return handover

    def _why_not_return(self, _event: ReturnRequested) -> str:
        if self._handover is None:
            return "the caller is not with a person"
        needs = self._is_stream_left or self.state is State.WITH_PERSON
        return "the carrier cannot take the caller back" if needs and TakeBack not in self._rules.can else ""

    def _return(self, _event: ReturnRequested, now: float) -> list[Command]:
        handover = self._handover
        assert handover is not None, "see `why_not`"
        handover.person = replace(handover.person, comes_back=True, nobody="back")
        if self.state not in (State.HOLDING, State.WITH_PERSON, State.IN_ROOM):  # nobody was called so far
            return self._drop_handover("an operator took the caller back", now)
        return self._follow(handover.abandon(Outcome.FAILED, "an operator took the caller back", now), now)

    # The end

    def _end_call(self, event: HangUpRequested, now: float) -> list[Command]:
        if self.is_held:
            return self._end_hold(now) + self._end_call_now(event, now)
        return self._end_call_now(event, now)

    def _end_call_now(self, event: HangUpRequested, now: float) -> list[Command]:
        if self.state in (State.HOLDING, State.WITH_PERSON):
            return self._end(HangUp(GOING_AWAY, event.why), now)
        return self._goodbye_requested(GoodbyeRequested(event.why, 0.0, GOING_AWAY), now)


_FRAMES: Mapping[str, type[Word]] = {"caller": CallerAudio, "assistant": ReplyAudio}

_REFUSED: dict[type[Word], Read] = {ReplyAudio: ON_HOLD[ReplyAudio]}
"""What an assistant says that is muted: it is told that nobody hears it."""


def _always(_call: OperatedCall, _event: HangUpRequested) -> str:
    return ""


_WHY_NOT: dict[type[Word], Callable[[OperatedCall, Any], str]] = {
    TellRequested: OperatedCall._why_not_tell,
    HoldRequested: OperatedCall._why_not_hold,
    MuteRequested: OperatedCall._why_not_mute,
    KeysRequested: OperatedCall._why_not_press,
    HandoverRequested: OperatedCall._why_not_hand_over,
    ReturnRequested: OperatedCall._why_not_return,
    HangUpRequested: _always,
}

_PERFORM: dict[type[Word], Callable[[OperatedCall, Any, float], list[Command]]] = dict(
    [
        on(TellRequested, OperatedCall._tell),
        on(HoldRequested, OperatedCall._hold),
        on(MuteRequested, OperatedCall._mute),
        on(KeysRequested, OperatedCall._press_keys),
        on(HandoverRequested, OperatedCall._hand_over),
        on(ReturnRequested, OperatedCall._return),
        on(HangUpRequested, OperatedCall._end_call),
    ]
)

OPERATED = frozenset(_PERFORM)
"""The events that an operator brings about."""


def operated_reads(call: type[OperatedCall]) -> ReadsByState:
    """The table of this class of calls."""
    steered: Reads = dict.fromkeys(_PERFORM, call._perform)
    under_way = (State.OPENING, State.TALKING, State.HOLDING, State.WITH_PERSON)
    return {
        state: (read | steered, converse) if state in under_way else (read, converse)
        for state, (read, converse) in people_reads(call).items()
    }
