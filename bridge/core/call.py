"""The core of one call: an event and the time in, commands out. All policy is here, and nothing else is.

In which state an event means what is one table, `_READS`; an event that its state's row lacks is counted and has no
effect: it came from outside, and outside may be wrong. No clock and no socket: call `handle` with what came, perform
what it returns, call it with `TimePassed` at `deadline()`.
"""

from collections import Counter
from collections.abc import Callable, Collection
from typing import Any, get_args

from bridge.core.caller_audio import Caller
from bridge.core.conversation import EVER, TALK, Conversation, Read
from bridge.core.entries import KeypadRules
from bridge.core.failover import FINAL_CLOSES, Failover, FailoverPlan
from bridge.core.states import MOVES, State
from bridge.core.stream_liveness import StreamLiveness
from bridge.core.timers import Limits, Timer, Timers
from bridge.vocabulary.commands import CloseAssistant, Command, HangUp, SwitchToStandby
from bridge.vocabulary.events import (
    AssistantEvent,
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
    Ignored,
    LegLost,
    LegName,
    MarkReached,
    MessageRefused,
    NoteTaken,
    OtherPartyAudio,
    TimePassed,
    TokensUsed,
    ToolAnswered,
    Word,
)

LAST_MARK_S = 5.0
"""How much longer than its audio the last mark may take before we hang up without it."""

LOOK_AGAIN_S = 1.0
"""From one look for a quiet moment to the next."""

TRY_AGAIN_S = 30.0
"""From a standby that was not to be had to the next attempt."""


class Call:
    """One call.

    `expected`: see `StreamLiveness`. `choose`: the plan by what the stream says, where nobody announced the call.
    `can`: the commands that the carrier performs beside its stream. `noise_dbfs`: see `Uplink`.
    """

    def __init__(
        self,
        now: float,
        limits: Limits,
        *,
        reorder_ms: int,
        expected: str | None = None,
        plan: FailoverPlan = FailoverPlan(),  # noqa: B008  # frozen
        keypad: KeypadRules = KeypadRules(),  # noqa: B008  # likewise
        can: Collection[type[Command]] = (),
        choose: Callable[[CallStarted], FailoverPlan] | None = None,
        noise_dbfs: float | None = None,
    ) -> None:
        self.state = State.WAITING
        self._reads = _READS[State.WAITING]
        self._limits = limits
        self._reorder_ms = reorder_ms
        self._plan = plan
        self._choose = choose
        self._keypad = keypad
        self._can = frozenset(can)
        self._noise_dbfs = noise_dbfs
        self._timers = Timers()
        self._liveness = StreamLiveness(limits, expected, self._timers, now)
        self._counts: Counter[str] = Counter()
        self._assistant_open = False
        self._hang_up = HangUp(1000, "")
        self.call_id = ""
        """The carrier's name for the call; empty until it started."""
        self._caller: Caller | None = None  # these three are there once the line can be spoken into
        self._conversation: Conversation
        self._failover: Failover

    def deadline(self) -> float | None:
        """When `handle` wants to be called next, at the latest; None once the call has ended."""
        return self._timers.next_due

    def handle(self, event: Event, now: float) -> list[Command]:
        """First what is due by `now`, then what the event asks."""
        due = self._timers.next_due
        commands = self._fall_due(now) if due is not None and now >= due else []
        read = self._reads.get(type(event))
        if read is None:
            return commands + self._count("out_of_place")
        answer = read(self, event, now)
        return commands + answer if commands else answer

    def counts(self) -> dict[str, int]:
        """What went on: events by kind of trouble, and what the media chain had to mend. Zeros are left out."""
        counts = Counter(self._counts)
        if self._caller is not None:
            counts.update(self._caller.counts())
            counts.update(self._conversation.counts())
        return {name: count for name, count in counts.items() if count}

    def _move(self, state: State) -> None:
        assert state in MOVES[self.state], f"a call that is {self.state} does not become {state}"
        self.state = state
        self._reads = _READS[state]

    def _fall_due(self, now: float) -> list[Command]:
        commands: list[Command] = []
        while (timer := self._timers.fallen_due(now)) is not None:
            match timer:
                case Timer.HOLE | Timer.PAUSE | Timer.KEYPAD | Timer.ROOM:
                    commands += self._media_due(timer, now)
                case Timer.START | Timer.AWAY:  # away: it may be back, and have said nothing
                    commands += self._end(HangUp(1008, timer), now)
                case Timer.OPEN if self.state is State.TALKING:
                    self._timers.set(Timer.RENEW, now + TRY_AGAIN_S)
                case Timer.OPEN:
                    commands += self._lose_assistant(now, final=False, why=timer)
                case Timer.RENEW:
                    commands += self._renew(now)
                case Timer.SILENT if self._liveness.is_silent(now):
                    commands += self._end(HangUp(1001, timer), now)
                case Timer.CLOSE:
                    commands += self._end(self._hang_up, now)
                case Timer.LONGEST:
                    commands += self._close(HangUp(1000, timer), now)
        return commands

    def _media_due(self, timer: Timer, now: float) -> list[Command]:
        caller, conversation = self._caller, self._conversation
        assert caller is not None
        match timer:
            case Timer.HOLE:
                return caller.give_up_frame()
            case Timer.PAUSE:
                return [] if self._liveness.away else caller.pauses(now)
            case Timer.KEYPAD:
                return conversation.entry_due(now)
        return conversation.voice.top_up(now)

    # The call's beginning

    def _start(self, event: CallStarted, now: float) -> list[Command]:
        if why := self._liveness.came(event, now):
            return self._end(HangUp(1008, why), now)
        self.call_id = event.call_id
        self._timers.set(Timer.LONGEST, now + self._limits.longest_s)
        if event.one_way:
            self._move(State.LISTENING)
            return []
        if self._choose is not None:
            self._plan = self._choose(event)
        self._caller = Caller(event.line, self._reorder_ms, self._keypad, self._timers, self._noise_dbfs)
        plays = event.plays or event.line
        self._conversation = Conversation(plays, self._keypad, self._timers, self._can)
        self._failover = Failover(self._plan, self._conversation.transcript.said)
        self._timers.set(Timer.OPEN, now + self._limits.open_s)
        self._move(State.OPENING)
        self._assistant_open = True
        return [*self._conversation.set_sensitive(now), self._failover.first(event)]

    # The assistant comes and goes

    def _ready(self, event: AssistantReady, now: float) -> list[Command]:
        self._timers.stop(Timer.OPEN)
        assert self._caller is not None
        try:
            commands = self._caller.listened_to(event.hears)
            commands += self._conversation.begin(event, now)
        except ValueError as error:
            return self._lose_assistant(now, final=True, why=f"its audio cannot be converted: {error}")
        if (renew_at := self._failover.ready(event, now)) is not None:
            self._timers.set(Timer.RENEW, renew_at)
        if self.state is State.OPENING:
            self._move(State.TALKING)
        return commands

    def _ready_again(self, event: AssistantReady, now: float) -> list[Command]:
        """With other formats; or it is a standby, and has the call if nothing was said since it was opened."""
        if event.is_standby:
            self._timers.stop(Timer.OPEN)
            if self._conversation.quiet(now) and self._failover.is_up_to_date:
                return [SwitchToStandby(), *self._conversation.break_off(now), *self._ready(event, now)]
            self._timers.set(Timer.RENEW, now + LOOK_AGAIN_S)
            return []
        return self._ready(event, now)

    def _failed(self, event: AssistantFailed, now: float) -> list[Command]:
        return self._lose_assistant(now, final=event.final)

    def _leg_lost(self, event: LegLost, now: float) -> list[Command]:
        match event.leg:
            case LegName.CARRIER:
                return self._carrier_left(now)
            case LegName.STANDBY:
                self._timers.stop(Timer.OPEN)
                self._timers.set(Timer.RENEW, now + TRY_AGAIN_S)
                return []
            case LegName.ASSISTANT:
                self._assistant_open = False
                return self._lose_assistant(now, final=event.code in FINAL_CLOSES)

    def _lose_assistant(self, now: float, *, final: bool, why: str = "") -> list[Command]:
        """What it said is heard, and the next one takes over; if there is none, the call closes."""
        self._counts["assistants_lost"] += 1
        self._timers.stop(Timer.OPEN, Timer.RENEW)
        commands = self._conversation.break_off(now)
        if self._assistant_open:
            commands.append(CloseAssistant(why))
            self._assistant_open = False
        if self._conversation.hanging_up:
            return commands + self._close(HangUp(1000, "the assistant hung up"), now)
        standby = self._failover.lost(now, final=final)
        if standby is None:
            commands += self._conversation.voice.recite(self._plan.sentence, self._plan.spoken, now)
            return commands + self._close(HangUp(1011, "the assistant was lost"), now)
        assert self._caller is not None
        if self.state is State.TALKING:
            self._caller.unheard()
            self._move(State.OPENING)
        self._assistant_open = True
        self._timers.set(Timer.OPEN, now + self._limits.open_s)
        return [*commands, standby]

    def _renew(self, now: float) -> list[Command]:
        """Have a standby ready before the assistant expires, when nobody speaks or waits."""
        if not self._conversation.quiet(now):
            self._timers.set(Timer.RENEW, now + LOOK_AGAIN_S)
            return []
        self._counts["renewals"] += 1
        self._timers.set(Timer.OPEN, now + self._limits.open_s)
        return [self._failover.renewed()]

    # The carrier's stream breaks, and comes back

    def _carrier_left(self, now: float) -> list[Command]:
        """What was sent and not heard is lost; what the assistant says from now on waits for the caller."""
        if self._liveness.away:
            return []
        if not self._liveness.left(now):
            return self._end(None, now)
        self._counts["breaks"] += 1
        return self._conversation.hold(now)

    def _carrier_back(self, event: CallStarted, now: float) -> list[Command]:
        if not self._liveness.away:
            return self._count("out_of_place")
        if why := self._liveness.came(event, now):
            return self._end(HangUp(1008, why), now)
        assert self._caller is not None
        return self._caller.back() + self._conversation.voice.resume(now)

    # The caller

    def _caller_audio(self, event: CallerAudio, now: float) -> list[Command]:
        self._liveness.heard_at = now
        caller = self._caller
        assert caller is not None
        commands = caller.audio(event, now)
        if caller.keys:
            for key in caller.take_keys():
                commands += self._conversation.pressed(key, now)
        return commands

    def _digit(self, event: DigitPressed, now: float) -> list[Command]:
        assert self._caller is not None
        return self._conversation.pressed(event, now) if self._caller.press(event, now) else []

    # The call's end

    def _carrier_lost(self, event: LegLost, now: float) -> list[Command]:
        return self._end(None, now) if event.leg is LegName.CARRIER else []

    def _stopped(self, _event: CallEnded, now: float) -> list[Command]:
        return self._end(HangUp(1000, "the call ended"), now)

    def _closing_asked(self, event: CloseRequested, now: float) -> list[Command]:
        return self._close(HangUp(event.code, event.why), now)

    def _close(self, hang_up: HangUp, now: float) -> list[Command]:
        """Hang up once the caller has heard what was sent."""
        if self._caller is None:
            return self._end(hang_up, now)
        commands = self._conversation.break_off(now)
        voice = self._conversation.voice
        if self._liveness.away or not voice.pending:
            return commands + self._end(hang_up, now)
        self._move(State.CLOSING)
        self._hang_up = hang_up
        self._timers.stop(Timer.OPEN, Timer.RENEW, Timer.KEYPAD, Timer.HOLE, Timer.PAUSE, Timer.LONGEST)
        self._timers.set(Timer.CLOSE, now + voice.left_s(now) + LAST_MARK_S)
        return commands

    def _closing_mark(self, event: MarkReached, now: float) -> list[Command]:
        commands = self._conversation.mark_reached(event, now)
        return commands if self._conversation.voice.pending else commands + self._end(self._hang_up, now)

    def _end(self, hang_up: HangUp | None, now: float) -> list[Command]:
        """The end, at once; with no carrier left there is nothing to hang up."""
        self._move(State.ENDED)
        self._timers.stop(*Timer)
        commands: list[Command] = []
        if self._assistant_open:
            commands += [*self._conversation.hang_up(now), CloseAssistant()]
        return commands if hang_up is None else [*commands, hang_up]

    # In any state

    def _refused(self, event: MessageRefused, _now: float) -> list[Command]:
        return self._count(f"refused_from_{event.leg}")

    def _count(self, what: str) -> list[Command]:
        self._counts[what] += 1
        return []

    def _nothing(self, _event: Word, _now: float) -> list[Command]:
        return []

    def _heard(self, _event: Word, now: float) -> list[Command]:
        self._liveness.heard_at = now
        return []


_Read = Callable[[Call, Any, float], list[Command]]


def _conversing(read: Read) -> _Read:
    return lambda call, event, now: read(call._conversation, event, now)


_NOTHING: dict[type[Word], _Read] = dict.fromkeys(
    (*get_args(AssistantEvent), CallerAudio, OtherPartyAudio, DigitPressed, ToolAnswered), Call._nothing
)
_EVER: dict[type[Word], _Read] = {
    TimePassed: Call._nothing,
    Ignored: lambda call, _event, _now: call._count("ignored"),
    MessageRefused: Call._refused,
    CarrierReportedError: lambda call, _event, _now: call._count("carrier_errors"),
}
_WHILE_OPEN: dict[type[Word], _Read] = _EVER | {
    CallEnded: Call._stopped,
    LegLost: Call._leg_lost,
    CloseRequested: Call._closing_asked,
}
_WITH_ASSISTANT: dict[type[Word], _Read] = (
    _WHILE_OPEN
    | {kind: _conversing(read) for kind, read in EVER.items()}
    | {
        CallStarted: Call._carrier_back,
        OtherPartyAudio: Call._nothing,
        CallerAudio: Call._caller_audio,
        DigitPressed: Call._digit,
        AssistantReady: Call._ready,
        AssistantFailed: Call._failed,
        AssistantReportedError: lambda call, _event, _now: call._count("assistant_errors"),
    }
)
_TALK: dict[type[Word], _Read] = {kind: _conversing(read) for kind, read in TALK.items()} | {
    AssistantReady: Call._ready_again,
    NoteTaken: Call._nothing,
    TokensUsed: Call._nothing,
}
_READS: dict[State, dict[type[Word], _Read]] = {
    State.WAITING: _WHILE_OPEN | {CallStarted: Call._start, Ignored: Call._nothing},  # a carrier's greeting
    State.OPENING: _WITH_ASSISTANT,
    State.TALKING: _WITH_ASSISTANT | _TALK,
    State.LISTENING: _WHILE_OPEN
    | {
        CallerAudio: Call._heard,
        OtherPartyAudio: Call._heard,
        DigitPressed: Call._nothing,
    },
    State.CLOSING: _NOTHING
    | _EVER
    | {
        MarkReached: Call._closing_mark,
        CallEnded: Call._stopped,
        LegLost: Call._carrier_lost,
        CallerAudio: Call._heard,
    },
    State.ENDED: dict.fromkeys(get_args(Event), Call._nothing),
}
