"""The lanes and the general way give the same, for any sequence of events: commands, counts, deadlines, and all state.

Two calls get the same events at the same times. One has its lanes, as `CallEngine` uses them; the other takes every event
by `Call.handle`.
"""

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.core.call import Call
from bridge.core.dialogue import DialogueRules
from bridge.core.entries import KeypadRules
from bridge.core.failover import FailoverPlan
from bridge.core.states import State
from bridge.core.timers import Limits
from bridge.vocabulary.commands import Command, PlayAudio, SendMark
from bridge.vocabulary.events import (
    AssistantFailed,
    AssistantReady,
    CallEnded,
    CallerAudio,
    CallStarted,
    DigitPressed,
    Event,
    LegLost,
    LegName,
    MarkReached,
    PressRequested,
    ReplyAudio,
    ReplyEnded,
    SpeechDismissed,
    SpeechStarted,
    SpeechStopped,
    SpeechSuspected,
    TimePassed,
    Word,
)
from telecodecs.format import L16_24K, PCMU_8K, AudioFormat

START = CallStarted("CA1", "MZ1", PCMU_8K)
FRAME_BYTES = 160
OURS = ("bridge.", "telecodecs.")


def made_call(rules: KeypadRules) -> Call:
    return Call(
        0.0,
        Limits(silent_s=60, resume_s=20),
        DialogueRules(reorder_ms=40, keypad=rules),
        plan=FailoverPlan(("one", "two", "three"), waiting=b"\x20" * 800, spoken=PCMU_8K),
    )


def by_lanes(call: Call, event: Event, now: float) -> list[Command]:
    """As `CallEngine` has it."""
    lane = call.lanes.get(type(event))
    commands = None if lane is None else lane(event, now)
    return call.handle(event, now) if commands is None else commands


def state_of(thing: object, seen: frozenset[int] = frozenset()) -> object:
    """All that an object of ours holds, in a form that is compared by value; functions are left out."""
    if isinstance(thing, dict | Mapping):
        return {str(key): state_of(value, seen) for key, value in thing.items()}
    if isinstance(thing, list | tuple | deque):
        return [state_of(value, seen) for value in thing]
    if not type(thing).__module__.startswith(OURS) or isinstance(thing, Word | type):
        return None if callable(thing) else repr(thing)
    if id(thing) in seen:
        return "above"
    names = {*getattr(thing, "__dict__", ()), *getattr(type(thing), "__slots__", ())}
    return {
        name: state_of(getattr(thing, name), seen | {id(thing)})
        for name in sorted(names)
        if hasattr(thing, name)
    }


class TwoCalls:
    """The same call twice, and what of it has to be known to make events that fit."""

    def __init__(self, rules: KeypadRules) -> None:
        self.general, self.laned = made_call(rules), made_call(rules)
        self.now = 0.0
        self.at_ms = 0
        self.item = 1
        self.marks: list[str] = []

    def give(self, event: Event) -> list[Command]:
        commands = self.general.handle(event, self.now)
        assert by_lanes(self.laned, event, self.now) == commands
        self.marks += [command.name for command in commands if isinstance(command, SendMark)]
        return commands

    def pass_time(self, seconds: float) -> None:
        until = self.now + seconds
        while (due := self.general.deadline()) is not None and due <= until:
            assert self.laned.deadline() == due
            self.now = max(due, self.now)
            self.give(TimePassed())
        self.now = until

    def frame(self, number: int = 0, length: int = FRAME_BYTES) -> None:
        """A frame of the caller's, so many frames ahead of the next one in order."""
        at_ms = max(0, self.at_ms + number * 20)
        self.give(CallerAudio(bytes([at_ms // 20 % 251]) * length, at_ms))
        if number >= 0:
            self.at_ms = at_ms + 20

    def frames_in_time(self, count: int) -> None:
        for _ in range(count):
            self.frame()
            self.pass_time(0.02)

    def stalled_frames(self, count: int) -> None:
        """The network stalls, and then all comes at once."""
        self.pass_time(count * 0.02)
        for _ in range(count):
            self.frame()

    def reply(self, length: int) -> None:
        self.give(ReplyAudio(f"item-{self.item}", bytes([self.item % 251]) * length))

    def pieces_in_time(self, count: int) -> None:
        """A reply piece by piece as it is played."""
        for _ in range(count):
            self.reply(FRAME_BYTES * 2)
            self.pass_time(0.04)

    def suspect(self, after_s: float) -> None:
        """The caller may have begun to speak, when little or nothing of the reply is left, and more of it comes."""
        self.reply(FRAME_BYTES * 2)
        self.pass_time(after_s)
        self.give(SpeechSuspected())
        self.reply(FRAME_BYTES * 2)

    def end_reply(self) -> None:
        self.give(ReplyEnded(f"item-{self.item}"))
        self.item += 1

    def next_mark(self, skipped: int) -> None:
        del self.marks[:skipped]
        if self.marks:
            self.give(MarkReached(self.marks.pop(0)))

    def drop_and_resume(self, after_s: float) -> None:
        self.give(LegLost(LegName.CARRIER, 1006))
        self.marks.clear()
        self.pass_time(after_s)
        self.give(START)
        self.at_ms = 0

    def lose_assistant(self, ready: AssistantReady, after_s: float) -> None:
        self.give(LegLost(LegName.ASSISTANT, 1006))
        self.item += 1
        self.pass_time(after_s)
        self.get_ready(ready)

    def get_ready(self, ready: AssistantReady) -> None:
        if self.general.state in (State.OPENING, State.TALKING):
            self.give(ready)


Step = Callable[[TwoCalls], object]


def step(name: str, *values: st.SearchStrategy[Any]) -> st.SearchStrategy[Step]:
    return st.tuples(*values).map(lambda given: lambda calls: getattr(calls, name)(*given))


FORMATS = st.sampled_from([PCMU_8K, PCMU_8K, L16_24K])
READY = st.builds(AssistantReady, FORMATS, FORMATS, may_suspect=st.booleans(), keys_interrupt=st.booleans())
TOLD: list[Event] = [
    SpeechStarted(),
    SpeechStarted(interrupts=False),
    SpeechStopped("u"),
    SpeechSuspected(),
    SpeechDismissed(),
    DigitPressed("4"),
    PressRequested("12"),
    MarkReached("9.9"),
    AssistantFailed("it failed"),
]
STEPS: st.SearchStrategy[Step] = st.one_of(
    step("frames_in_time", st.integers(1, 40)),
    step("frames_in_time", st.integers(1, 40)),
    step("frame", st.integers(-3, 4)),
    step("frame", st.just(0), st.integers(0, 400)),
    step("stalled_frames", st.integers(2, 60)),
    step("pass_time", st.floats(0.0, 3.0)),
    step("pieces_in_time", st.integers(1, 20)),
    step("reply", st.integers(0, 4_000).map(lambda samples: samples * 2)),
    step("reply", st.just(50_000)),
    step("suspect", st.floats(0.0, 0.5)),
    step("end_reply"),
    step("next_mark", st.integers(0, 2)),
    step("give", st.sampled_from(TOLD)),
    step("drop_and_resume", st.floats(0.0, 5.0)),
    step("lose_assistant", READY, st.floats(0.0, 5.0)),
    step("get_ready", READY),
)
KEYPADS = st.sampled_from([KeypadRules(), KeypadRules(in_band=True), KeypadRules(mute_s=0.5)])


@settings(max_examples=100, deadline=None)
@given(rules=KEYPADS, ready=READY, steps=st.lists(STEPS, max_size=40))
def test_any_sequence(rules: KeypadRules, ready: AssistantReady, steps: list[Step]) -> None:
    calls = TwoCalls(rules)
    calls.give(START)
    calls.give(ready)
    calls.frames_in_time(2)
    for take in steps:
        take(calls)
        assert calls.laned.deadline() == calls.general.deadline()
    assert state_of(calls.laned) == state_of(calls.general)
    assert calls.laned.counts() == calls.general.counts()
    calls.give(CallEnded())


@pytest.mark.parametrize("hears", [PCMU_8K, L16_24K])
def test_all_frames_but_the_first_ones_go_straight(hears: AudioFormat) -> None:
    call = made_call(KeypadRules())
    call.handle(START, 0.0)
    call.handle(AssistantReady(hears, PCMU_8K), 0.0)
    assert by_lanes(call, CallerAudio(bytes(160), 0), 0.0)
    assert by_lanes(call, ReplyAudio("a", bytes(160)), 0.0) == [PlayAudio(bytes(160))]
    caller, reply = call.lanes[CallerAudio], call.lanes[ReplyAudio]
    for number in range(1, 9):
        assert caller(CallerAudio(bytes(160), number * 20), number * 0.02)
        assert reply(ReplyAudio("a", bytes(160)), number * 0.02) == [PlayAudio(bytes(160))]
    assert reply(ReplyAudio("a", bytes(160)), 0.18) == [PlayAudio(bytes(160)), SendMark("0.1")]


def test_no_frame_goes_straight_before_an_assistant_is_ready_or_after_the_call() -> None:
    call = made_call(KeypadRules())
    assert not call.lanes
    call.handle(START, 0.0)
    assert not call.lanes
    call.handle(AssistantReady(PCMU_8K, PCMU_8K), 0.0)
    assert call.lanes.keys() == {CallerAudio, ReplyAudio}
    call.handle(CallEnded(), 1.0)
    assert not call.lanes
