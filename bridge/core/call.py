"""The state machine of one call: an event and the time in, commands out. All policy is in this folder.

The tables of `call_tables` say what an event means in which state; an event that the row of its state lacks is counted as
`out_of_place` and has no effect. No clock and no socket: call `handle` with what came, perform what it returns, and
call it with `TimePassed` at `deadline()`.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import ClassVar

from bridge.core.call_tables import FallsDue, ReadsByState, falls_due, reads
from bridge.core.dialogue import Dialogue, DialogueRules
from bridge.core.failover import FailoverPlan
from bridge.core.lanes import NO_LANES, Lanes
from bridge.core.states import MOVES, SPOKEN_INTO, State
from bridge.core.stream_liveness import StreamLiveness
from bridge.core.timers import REASONS, Limits, Timer, Timers
from bridge.vocabulary.commands import Command, HangUp
from bridge.vocabulary.events import (
    AssistantFailed,
    AssistantReady,
    AssistantReportedError,
    CallEnded,
    CallerAudio,
    CallStarted,
    CarrierReportedError,
    CloseRequested,
    DigitPressed,
    Event,
    GoodbyeRequested,
    History,
    Ignored,
    LegLost,
    LegName,
    MarkReached,
    MessageRefused,
    Word,
)
from bridge.vocabulary.operator import Voice

LAST_MARK_S = 5.0
"""How much longer than its audio the last mark may take; then the call is hung up without it."""

LOOK_AGAIN_S = 0.2
"""From one look for a good moment to say goodbye to the next."""

RESUMABLE = frozenset({State.WAITING, State.OPENING, State.TALKING})
"""The states in which a stream that broke may be resumed, where the call's limits allow it."""


class Call:
    """One call. `now`: when its socket was opened.

    `rules`: for the dialogue. `expected`: see `StreamLiveness`. `choose`: makes the plan from the carrier's start, for a
    call that nobody announced; without it the plan is `plan`.
    """

    READS: ClassVar[ReadsByState]
    FALLS_DUE: ClassVar[FallsDue]

    def __init__(
        self,
        now: float,
        limits: Limits,
        rules: DialogueRules,
        *,
        expected: str | None = None,
        plan: FailoverPlan = FailoverPlan(),  # noqa: B008  # frozen
        choose: Callable[[CallStarted], FailoverPlan] | None = None,
    ) -> None:
        self.state = State.WAITING
        self.call_id = ""
        """The carrier's name for the call; empty until it started."""
        self.is_held = False
        """An operator holds it."""
        self.muted: frozenset[Voice] = frozenset()
        """Whom an operator has muted."""
        self._reads, self._conversation_reads = self.READS[State.WAITING]
        self._limits = limits
        self._rules = rules
        self._choose = choose or (lambda _: plan)
        self.lanes: Lanes = NO_LANES
        """How frames go straight through in the present state, by their type; empty where none does. See `Lane`."""
        self.timers = Timers()
        """What may fall due."""
        self._liveness = StreamLiveness(limits, expected, self.timers, now)
        self._counts: Counter[str] = Counter()
        self._dialogue_counts: Callable[[], Mapping[str, int]] = dict
        self.heard: Callable[[float], History] = lambda _now: ()
        """What was said and done, as it was heard; asked once the call is over."""
        self._dialogue: Dialogue  # in the states of `SPOKEN_INTO`
        self._hang_up = HangUp(1000, "")  # how to close, when the last mark has come back
        self._goodbye = GoodbyeRequested("", 0.0)  # what `Timer.GOODBYE` is about
        self._goodbye_until = 0.0

    def deadline(self) -> float | None:
        """When `handle` wants to be called next, at the latest; None once the call has ended."""
        return self.timers.next_due

    def handle(self, event: Event, now: float) -> list[Command]:
        """Do what is due by `now`, then what the event asks."""
        due = self.timers.next_due
        commands = self._fall_due(now) if due is not None and now >= due else []
        kind = type(event)
        if (read := self._reads.get(kind)) is not None:
            answer = read(self, event, now)
        elif (converse := self._conversation_reads.get(kind)) is not None:
            answer = converse(self._dialogue.conversation, event, now)
        else:
            answer = self._count("out_of_place")
        return commands + answer if commands else answer

    def refusal(self, event: CallStarted) -> str:
        """Why a stream that starts so cannot have this call, in words for the carrier; empty if it can."""
        return self._liveness.refusal(event) if self.can_resume else "the call is about to end"

    @property
    def can_resume(self) -> bool:
        """Whether another stream of the carrier could still continue this call."""
        return self.state in RESUMABLE

    @property
    def assistant_listens(self) -> bool:
        """Whether an assistant hears the caller and a person, and is not heard."""
        return False

    @property
    def expects_stream_end(self) -> bool:
        """Whether the carrier ends the stream while the call goes on: its end is then not that of the call."""
        return False

    def counts(self) -> dict[str, int]:
        """Events that had no effect, faults, and what was repaired in the audio. Zeros are left out."""
        counts = Counter(self._counts)
        counts.update(self._dialogue_counts())
        return {name: count for name, count in counts.items() if count}

    def _move(self, state: State) -> None:
        assert state in MOVES[self.state], f"a call that is {self.state} does not become {state}"
        self.state = state
        self._reads, self._conversation_reads = self.READS[state]
        self.lanes = self._dialogue.lanes if state is State.TALKING else NO_LANES

    def _fall_due(self, now: float) -> list[Command]:
        commands: list[Command] = []
        while (timer := self.timers.fallen_due(now)) is not None:
            commands += self.FALLS_DUE[timer](self, now)
        return commands

    # The stream starts, is dropped, is resumed

    def _start(self, event: CallStarted, now: float) -> list[Command]:
        if why := self._liveness.started(event, now):
            return self._end(HangUp(1008, why), now)
        self.call_id = event.call_id
        self.timers.set(Timer.LONGEST, now + self._limits.longest_s)
        if event.one_way:
            self._move(State.LISTENING)
            return []
        self._dialogue = Dialogue(event, self._choose(event), self._rules, self._limits, self.timers)
        self._dialogue_counts, self.heard = self._dialogue.counts, self._dialogue.conversation.heard
        self._move(State.OPENING)
        return self._begin(now)

    def _begin(self, now: float) -> list[Command]:
        return self._dialogue.begin(now)

    def _stream_dropped(self, now: float) -> list[Command]:
        """What was sent and not heard is lost; what the assistant says from now on waits for the caller."""
        if self._liveness.is_dropped:
            return []
        if not self._liveness.dropped(now):
            return self._end(None, now)
        self._counts["stream_drops"] += 1
        return self._dialogue.conversation.stream_dropped(now)

    def _lost_before_start(self, event: LegLost, now: float) -> list[Command]:
        """A stream that may return can do so before it has started as well: nobody has spoken yet."""
        if event.leg is not LegName.CARRIER or self._liveness.is_dropped:
            return []
        return self._count("stream_drops") if self._liveness.dropped(now) else self._end(None, now)

    def _stream_resumed(self, event: CallStarted, now: float) -> list[Command]:
        if not self._liveness.is_dropped:
            return self._count("out_of_place")
        if why := self._liveness.started(event, now):
            return self._end(HangUp(1008, why), now)
        return self._dialogue.stream_resumed(now)

    # The assistant is ready, or lost

    def _ready(self, event: AssistantReady, now: float) -> list[Command]:
        return self._follow_dialogue(self._dialogue.ready(event, now), now)

    def _failed(self, event: AssistantFailed, now: float) -> list[Command]:
        return self._follow_dialogue(self._dialogue.failed(event, now), now)

    def _leg_lost(self, event: LegLost, now: float) -> list[Command]:
        if event.leg is LegName.CARRIER:
            return self._stream_dropped(now)
        return self._follow_dialogue(self._dialogue.leg_lost(event, now), now)

    def _open_due(self, now: float) -> list[Command]:
        return self._follow_dialogue(self._dialogue.open_due(now), now)

    def _follow_dialogue(self, commands: list[Command], now: float) -> list[Command]:
        """Take the state that the dialogue has come to."""
        dialogue = self._dialogue
        if dialogue.hang_up is not None:
            return commands + self._close(dialogue.hang_up, now)
        state = State.TALKING if dialogue.is_talking else State.OPENING
        if state is not self.state:
            self._move(state)
        return commands

    # The caller

    def _caller_audio(self, event: CallerAudio, now: float) -> list[Command]:
        self.timers.heard_at = now
        caller = self._dialogue.caller
        commands = caller.audio(event, now)
        if caller.keys:
            for key in caller.take_keys():
                commands += self._dialogue.conversation.pressed(key, now)
        return commands

    def _pressed(self, event: DigitPressed, now: float) -> list[Command]:
        self.timers.heard_at = now
        dialogue = self._dialogue
        return dialogue.conversation.pressed(event, now) if dialogue.caller.press(event, now) else []

    def _mark_reached(self, event: MarkReached, now: float) -> list[Command]:
        self.timers.heard_at = now
        return self._dialogue.conversation.mark_reached(event, now)

    def _pause_due(self, now: float) -> list[Command]:
        return [] if self._liveness.is_dropped else self._dialogue.caller.pause_due(now)

    # The call's end

    def _carrier_lost(self, event: LegLost, now: float) -> list[Command]:
        return self._end(None, now) if event.leg is LegName.CARRIER else []

    def _call_ended(self, _event: CallEnded, now: float) -> list[Command]:
        return self._end(HangUp(1000, "the call ended"), now)

    def _end_requested(self, event: CloseRequested | GoodbyeRequested, now: float) -> list[Command]:
        return self._end(HangUp(event.code, event.why), now)

    def _close_requested(self, event: CloseRequested, now: float) -> list[Command]:
        return self._close(HangUp(event.code, event.why), now)

    def _goodbye_requested(self, event: GoodbyeRequested, now: float) -> list[Command]:
        self._goodbye, self._goodbye_until = event, now + event.within_s
        return self._goodbye_due(now)

    def _goodbye_due(self, now: float) -> list[Command]:
        """Say goodbye where that cuts nobody off, or when the time for that is up."""
        dialogue, is_late = self._dialogue, now >= self._goodbye_until
        if not is_late and (self._liveness.is_dropped or not dialogue.may_say_goodbye(now)):
            self.timers.set(Timer.GOODBYE, min(now + LOOK_AGAIN_S, self._goodbye_until))
            return []
        hang_up = HangUp(self._goodbye.code, self._goodbye.why)
        return dialogue.say_goodbye(now, cuts=is_late) + self._close(hang_up, now)

    def _close(self, hang_up: HangUp, now: float) -> list[Command]:
        """Hang up once the caller has heard what was sent."""
        voice = self._dialogue.conversation.voice
        commands = self._dialogue.conversation.break_off(now) + voice.end_signal(now)
        if self._liveness.is_dropped or not voice.is_pending:
            return commands + self._end(hang_up, now)
        self._move(State.CLOSING)
        self._hang_up = hang_up
        self.timers.stop(*_OF_THE_DIALOGUE)
        self.timers.set(Timer.CLOSE, now + voice.left_s(now) + LAST_MARK_S)
        return commands

    def _longest_due(self, now: float) -> list[Command]:
        hang_up = HangUp(1000, REASONS[Timer.LONGEST])
        return self._end(hang_up, now) if self.state is State.LISTENING else self._close(hang_up, now)

    def _silent_due(self, now: float) -> list[Command]:
        return self._end(HangUp(1001, REASONS[Timer.SILENT]), now) if self._liveness.is_silent(now) else []

    def _closing_mark(self, event: MarkReached, now: float) -> list[Command]:
        conversation = self._dialogue.conversation
        commands = self._mark_reached(event, now)
        return commands if conversation.voice.is_pending else commands + self._end(self._hang_up, now)

    def _end(self, hang_up: HangUp | None, now: float) -> list[Command]:
        """End the call at once. `hang_up`: None where the carrier's leg is gone already."""
        commands = self._dialogue.end(now) if self.state in SPOKEN_INTO else []
        self._move(State.ENDED)
        self.timers.stop(*Timer)
        return commands if hang_up is None else [*commands, hang_up]

    # In any state

    def _refused(self, event: MessageRefused, _now: float) -> list[Command]:
        return self._count(f"refused_from_{event.leg}")

    def _ignored(self, _event: Ignored, _now: float) -> list[Command]:
        return self._count("ignored")

    def _carrier_error(self, _event: CarrierReportedError, _now: float) -> list[Command]:
        return self._count("carrier_errors")

    def _assistant_error(self, _event: AssistantReportedError, _now: float) -> list[Command]:
        return self._count("assistant_errors")

    def _count(self, what: str) -> list[Command]:
        self._counts[what] += 1
        return []

    def _nothing(self, _event: Word, _now: float) -> list[Command]:
        return []

    def _heard(self, _event: Word, now: float) -> list[Command]:
        self.timers.heard_at = now
        return []


Call.READS = reads(Call)
Call.FALLS_DUE = falls_due(Call)

_OF_THE_DIALOGUE = (
    *(Timer.OPEN, Timer.RETRY, Timer.WAITING, Timer.RENEW),
    *(Timer.KEYPAD, Timer.MISSING_FRAME, Timer.PAUSE, Timer.LONGEST),
    Timer.GOODBYE,
)
"""The timers that end when the call is about to be closed."""
