"""The heart of one call: an event and the time in, commands out. All policy is here, and nothing else is.

    waiting ──start──▶ opening ──ready──▶ talking ──▶ closing ──▶ ended
       └──start, one way──▶ listening ───────────────────────────▶ ended

In which state an event means what is one table, `_READS`; an event that its state's row lacks is counted and has no
effect: it came from outside, and outside may be wrong. No clock and no socket: call `handle` with what came, perform
what it returns, call it with `TimePassed` at `deadline()`.
"""

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, get_args

from bridge.events import (
    AppendAudio,
    AssistantReady,
    CallEnded,
    CallerAudio,
    CallerPaused,
    CallerSpoke,
    CallStarted,
    CloseAssistant,
    ClosingAsked,
    Command,
    DigitPressed,
    Event,
    HangUp,
    Ignored,
    LegLost,
    LegName,
    MarkReached,
    MessageRefused,
    OpenAssistant,
    OtherPartyAudio,
    ReplyAudio,
    ReplyEnded,
    TimePassed,
    Word,
)
from bridge.keypad import Keypad
from bridge.media import Downlink, Uplink
from bridge.playout import Playout
from bridge.timers import Timer, Timers
from telecodecs.format import AudioFormat

HELD_DIGITS = 32
"""Keys kept while the assistant opens; the oldest go."""

LAST_MARK_S = 5.0
"""How much longer than its audio the last mark may take before we hang up without it."""


class State(StrEnum):
    """Where the call is."""

    WAITING = "waiting"
    OPENING = "opening"
    TALKING = "talking"
    LISTENING = "listening"
    CLOSING = "closing"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a call waits, in seconds."""

    start_s: float = 10.0
    open_s: float = 10.0
    silent_s: float = 60.0
    longest_s: float = 4 * 3600.0


class Call:
    """One call. `expected`: the call that the stream's token was made for; any other is turned away."""

    def __init__(self, now: float, limits: Limits, *, reorder_ms: int, expected: str | None = None) -> None:
        self.state = State.WAITING
        self._reads = _READS[State.WAITING]
        self._limits = limits
        self._reorder_ms = reorder_ms
        self._expected = expected
        self._timers = Timers()
        self._timers.set(Timer.START, now + limits.start_s)
        self._counts: Counter[str] = Counter()
        self._keypad = Keypad()
        self._held_digits: deque[DigitPressed] = deque(maxlen=HELD_DIGITS)
        self._carrier_heard_at = now
        self._speaking: str | None = None  # the item whose audio is coming in
        self._interrupted: set[str] = set()  # items whose late audio is dropped until they end
        self._awaits_frame = False
        self._assistant_open = False
        self._hang_up = HangUp(1000, "")
        self.name = ""
        """The carrier's name for the call; empty until it started."""
        self._line: AudioFormat  # these three are known from the start on ...
        self._uplink: Uplink | None = None
        self._playout: Playout
        self._downlink: Downlink  # ... and this one when the assistant is ready

    def deadline(self) -> float | None:
        """When `handle` wants to be called next, at the latest; None once the call has ended."""
        return self._timers.next_due

    def handle(self, event: Event, now: float) -> list[Command]:
        """First what is due by `now`, then what the event asks."""
        due = self._timers.next_due
        commands = self._fall_due(now) if due is not None and now >= due else []
        read = self._reads.get(type(event))
        if read is None:
            self._counts["out_of_place"] += 1
            return commands
        answer = read(self, event, now)
        return commands + answer if commands else answer

    def counts(self) -> dict[str, int]:
        """What went on: events by kind of trouble, and what the media chain had to mend. Zeros are left out."""
        counts = Counter(self._counts)
        if self._uplink is not None:
            counts.update(self._uplink.counts())
            counts["stray_marks"] = self._playout.stray_marks
        return {name: count for name, count in counts.items() if count}

    def _move(self, state: State) -> None:
        assert state in _MOVES[self.state], f"a call that is {self.state} does not become {state}"
        self.state = state
        self._reads = _READS[state]

    def _fall_due(self, now: float) -> list[Command]:
        commands: list[Command] = []
        while (timer := self._timers.fallen_due(now)) is not None:
            match timer:
                case Timer.HOLE:
                    assert self._uplink is not None
                    self._awaits_frame = False
                    commands += map(AppendAudio, self._uplink.release())
                case Timer.START:
                    commands += self._end(HangUp(1008, timer))
                case Timer.OPEN:
                    commands += self._end(HangUp(1011, timer))
                case Timer.SILENT if now < self._carrier_heard_at + self._limits.silent_s:
                    self._timers.set(Timer.SILENT, self._carrier_heard_at + self._limits.silent_s)
                case Timer.SILENT:
                    commands += self._end(HangUp(1001, timer))
                case Timer.CLOSE:
                    commands += self._end(self._hang_up)
                case Timer.LONGEST:
                    commands += self._close(HangUp(1000, timer), now)
        return commands

    # The call's beginning

    def _start(self, event: CallStarted, now: float) -> list[Command]:
        self._timers.stop(Timer.START)
        if self._expected is not None and event.call != self._expected:
            return self._end(HangUp(1008, "the token was made for another call"))
        self.name = event.call
        self._timers.set(Timer.LONGEST, now + self._limits.longest_s)
        self._timers.set(Timer.SILENT, now + self._limits.silent_s)
        self._carrier_heard_at = now
        if event.one_way:
            self._move(State.LISTENING)
            return []
        self._line = event.line
        self._uplink = Uplink(event.line, self._reorder_ms)
        self._playout = Playout(event.line)
        self._timers.set(Timer.OPEN, now + self._limits.open_s)
        self._move(State.OPENING)
        self._assistant_open = True
        return [OpenAssistant(event.call, event.line, event.parameters)]

    def _hold_digit(self, event: DigitPressed, _now: float) -> list[Command]:
        self._held_digits.append(event)
        return []

    def _ready(self, event: AssistantReady, now: float) -> list[Command]:
        self._timers.stop(Timer.OPEN)
        uplink = self._uplink
        assert uplink is not None
        try:
            frames = uplink.open(event.hears)
            self._downlink = Downlink(event.speaks, self._line)
        except ValueError as error:
            return self._end(HangUp(1011, f"the assistant's audio cannot be converted: {error}"))
        self._move(State.TALKING)
        commands: list[Command] = list(map(AppendAudio, frames))
        while self._held_digits:
            commands += self._digit(self._held_digits.popleft(), now)
        return commands

    # The caller

    def _caller_audio(self, event: CallerAudio, now: float) -> list[Command]:
        self._carrier_heard_at = now
        uplink = self._uplink
        assert uplink is not None
        frames = uplink.feed(event.audio, event.at_ms)
        if len(frames) != 1 or self._awaits_frame:  # a frame in order comes back alone
            self._await_frame(uplink.holding, bool(frames), now)
        return list(map(AppendAudio, frames))

    def _await_frame(self, awaits: bool, moved_on: bool, now: float) -> None:
        """Give a missing frame its time, from when it was first missed. `moved_on`: and it is another one."""
        if awaits and (moved_on or not self._awaits_frame):
            self._timers.set(Timer.HOLE, now + self._reorder_ms / 1000)
        elif not awaits:
            self._timers.stop(Timer.HOLE)
        self._awaits_frame = awaits

    def _digit(self, event: DigitPressed, _now: float) -> list[Command]:
        self._counts["digits"] += 1
        return self._keypad.press(event.digit)

    def _barge_in(self, _event: CallerSpoke, now: float) -> list[Command]:
        commands = self._playout.interrupt(now)
        if commands:
            self._counts["barge_ins"] += 1
            self._downlink.discard()
            if self._speaking is not None:
                self._interrupted.add(self._speaking)
                self._speaking = None
        return commands

    # The assistant's voice

    def _reply_audio(self, event: ReplyAudio, now: float) -> list[Command]:
        item = event.item
        if item == self._speaking:
            return self._playout.play(item, self._downlink.feed(event.audio), now)
        if item in self._interrupted:
            self._counts["late_replies"] += 1
            return []
        commands = self._finish_item(now)
        self._speaking = item
        return commands + self._playout.play(item, self._downlink.feed(event.audio), now)

    def _reply_ended(self, event: ReplyEnded, now: float) -> list[Command]:
        self._interrupted.discard(event.item)
        return self._finish_item(now) if event.item == self._speaking else []

    def _finish_item(self, now: float) -> list[Command]:
        item, self._speaking = self._speaking, None
        if item is None:
            return []
        return self._playout.play(item, self._downlink.finish(), now) + self._playout.end_item(item)

    def _mark_reached(self, event: MarkReached, now: float) -> list[Command]:
        return self._playout.mark_reached(event.name, now)

    # The call's end

    def _leg_lost(self, event: LegLost, now: float) -> list[Command]:
        if event.leg is LegName.CARRIER:
            return self._end(None)
        self._assistant_open = False
        return self._close(HangUp(1011, "the assistant was lost"), now)

    def _carrier_lost(self, event: LegLost, _now: float) -> list[Command]:
        return self._end(None) if event.leg is LegName.CARRIER else []

    def _stopped(self, _event: CallEnded, _now: float) -> list[Command]:
        return self._end(HangUp(1000, "the call ended"))

    def _closing_asked(self, event: ClosingAsked, now: float) -> list[Command]:
        return self._close(HangUp(1001, event.why), now)

    def _close(self, hang_up: HangUp, now: float) -> list[Command]:
        """Hang up once the caller has heard what was sent."""
        if self.state is not State.TALKING:
            return self._end(hang_up)
        commands = self._finish_item(now) + self._playout.mark_end()
        if not self._playout.pending:
            return commands + self._end(hang_up)
        self._move(State.CLOSING)
        self._hang_up = hang_up
        self._timers.stop(Timer.HOLE, Timer.LONGEST)
        self._timers.set(Timer.CLOSE, now + self._playout.left_s(now) + LAST_MARK_S)
        return commands

    def _closing_mark(self, event: MarkReached, now: float) -> list[Command]:
        commands = self._playout.mark_reached(event.name, now)
        return commands if self._playout.pending else commands + self._end(self._hang_up)

    def _end(self, hang_up: HangUp | None) -> list[Command]:
        """The end, at once; with no carrier left there is nothing to hang up."""
        self._move(State.ENDED)
        self._timers.stop(*Timer)
        commands: list[Command] = [CloseAssistant()] if self._assistant_open else []
        return commands if hang_up is None else [*commands, hang_up]

    # In any state

    def _refused(self, event: MessageRefused, _now: float) -> list[Command]:
        self._counts[f"refused_from_{event.leg}"] += 1
        return []

    def _ignored(self, _event: Ignored, _now: float) -> list[Command]:
        self._counts["ignored"] += 1
        return []

    def _nothing(self, _event: Word, _now: float) -> list[Command]:
        return []

    def _heard(self, _event: Word, now: float) -> list[Command]:
        self._carrier_heard_at = now
        return []


_MOVES: dict[State, frozenset[State]] = {
    State.WAITING: frozenset({State.OPENING, State.LISTENING, State.ENDED}),
    State.OPENING: frozenset({State.TALKING, State.ENDED}),
    State.LISTENING: frozenset({State.ENDED}),
    State.TALKING: frozenset({State.CLOSING, State.ENDED}),
    State.CLOSING: frozenset({State.ENDED}),
    State.ENDED: frozenset(),
}


_Read = Callable[[Call, Any, float], list[Command]]
_EVER: dict[type[Word], _Read] = {
    TimePassed: Call._nothing,
    Ignored: Call._ignored,
    MessageRefused: Call._refused,
}
_WHILE_OPEN: dict[type[Word], _Read] = _EVER | {
    CallEnded: Call._stopped,
    LegLost: Call._leg_lost,
    ClosingAsked: Call._closing_asked,
}
_READS: dict[State, dict[type[Word], _Read]] = {
    State.WAITING: _WHILE_OPEN | {CallStarted: Call._start, Ignored: Call._nothing},  # a carrier's greeting
    State.OPENING: _WHILE_OPEN
    | {
        CallerAudio: Call._caller_audio,
        DigitPressed: Call._hold_digit,
        AssistantReady: Call._ready,
    },
    State.TALKING: _WHILE_OPEN
    | {
        CallerAudio: Call._caller_audio,
        DigitPressed: Call._digit,
        MarkReached: Call._mark_reached,
        ReplyAudio: Call._reply_audio,
        ReplyEnded: Call._reply_ended,
        CallerSpoke: Call._barge_in,
        CallerPaused: Call._nothing,
    },
    State.LISTENING: _WHILE_OPEN
    | {
        CallerAudio: Call._heard,
        OtherPartyAudio: Call._heard,
        DigitPressed: Call._nothing,
    },
    State.CLOSING: _EVER
    | {
        MarkReached: Call._closing_mark,
        CallEnded: Call._stopped,
        LegLost: Call._carrier_lost,
        CallerAudio: Call._heard,
        DigitPressed: Call._nothing,
        ReplyAudio: Call._nothing,
        ReplyEnded: Call._nothing,
        CallerSpoke: Call._nothing,
        CallerPaused: Call._nothing,
        ClosingAsked: Call._nothing,
    },
    State.ENDED: dict.fromkeys(get_args(Event), Call._nothing),
}
