"""Interrupted at any moment, over a line of any delay, the ledger has_assistant what the caller's ear had played.

Both ends of a stream in virtual time: voice and ledger behind the real dialect, the pretend carrier before a real earpiece,
a slow network between them. Each item is one byte, over and over, so what the ear played of it can be counted.
"""

import random
from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from math import inf

import pytest

from bridge.carriers.twilio.stream import TwilioStream
from bridge.core.reply_audio import Voice
from bridge.core.timers import Timer, Timers
from bridge.simulators.carriers.contract import Clear, Mark, Play
from bridge.simulators.carriers.twilio.media import SimulatedTwilioStream
from bridge.simulators.phone.earpiece import Earpiece
from bridge.simulators.phone.network_delay import Delay, DelayLine
from bridge.vocabulary.commands import (
    ClearPlayback,
    Command,
    ConfirmHeard,
    DropReply,
    PlayAudio,
    SendMark,
    TruncateReply,
)
from bridge.vocabulary.contracts import WireMessage
from bridge.vocabulary.events import MarkReached
from telecodecs.format import PCMU_8K

CALLS, REPLIES = 6, 45
INTERRUPTIONS = 200
"""At least so many that cut something, of those tried."""

BYTES_IN_MS = 8

MOMENTS = ("any", "any", "first mark still out", "tail of an item", "between two items", "end of the reply")


@dataclass(frozen=True, slots=True)
class Cut:
    """What the assistant was told of one item when it was interrupted, what it had sent of it, what the ear played."""

    moment: str
    told_ms: float
    received_ms: float
    played_ms: float

    @property
    def error_ms(self) -> float:
        return abs(self.told_ms - self.played_ms)


@dataclass(slots=True)
class Reply:
    """Times are seconds from the reply's start."""

    pieces: list[tuple[float, int, bytes, bool]] = field(default_factory=list)
    """When, of which item, audio, whether it is the item's last."""
    ends_at: list[float] = field(default_factory=list)
    """When the ear will have played each item, were there no network."""

    def moment(self, chance: random.Random, which: str) -> float:
        match which:
            case "first mark still out":
                return chance.uniform(0, 0.5)
            case "tail of an item":
                return chance.choice(self.ends_at) - chance.uniform(0, 0.15)
            case "between two items":
                return chance.choice(self.ends_at[:-1] or self.ends_at) + chance.uniform(-0.02, 0.02)
            case "end of the reply":
                return self.ends_at[-1] + chance.uniform(-0.05, 0.4)
            case _:
                return chance.uniform(0, self.ends_at[-1])


def speak(chance: random.Random, first_item: int) -> Reply:
    """One to three items in uneven bursts, faster than they are spoken; between two the assistant may have to think."""
    reply = Reply()
    at = played_at = 0.0
    for item in range(first_item, first_item + chance.choice([1, 1, 2, 3])):
        left_ms = chance.randrange(300, chance.choice([2_500, 2_500, 2_500, 12_000]), 20)
        played_at = max(played_at, at) + left_ms / 1000
        while left_ms > 0:
            piece_ms = min(left_ms, chance.choice([20, 100, 200, 250, 400, 600]))
            left_ms -= piece_ms
            reply.pieces.append((at, item, bytes([item]) * (piece_ms * BYTES_IN_MS), not left_ms))
            at += piece_ms / 1000 / chance.uniform(1.5, 8)
        reply.ends_at.append(played_at)
        at += chance.choice([0, 0, 0.4, 2.5])
    return reply


class Stream:
    """One call's stream: both its ends and the network between them."""

    def __init__(self, there: Delay, back: Delay, seed: int) -> None:
        self.now = 1_000_000.25  # a machine that is up for days: the coarsest float the clock gives
        self._timers = Timers()
        self.voice = Voice(PCMU_8K, self._timers, lambda _item, _share: None)
        self.voice.open(PCMU_8K, self.now)
        self.ear = Earpiece(PCMU_8K, self.now)
        self.confirmed: set[str] = set()
        self._carrier = SimulatedTwilioStream(call_sid="CA", account_sid="AC")
        self._dialect = TwilioStream()
        for message in self._carrier.opening():
            self._dialect.decode(message, self.now)
        self._to_phone: DelayLine[WireMessage] = DelayLine(there, seed)
        self._to_bridge: DelayLine[WireMessage] = DelayLine(back, seed + 1_000)

    def perform(self, commands: list[Command]) -> None:
        for command in commands:
            match command:
                case PlayAudio() | SendMark() | ClearPlayback():
                    (message,) = self._dialect.encode(command, self.now)
                    self._to_phone.put(message, self.now)
                case ConfirmHeard(item):
                    self.confirmed.add(item)

    def pass_until(self, at: float) -> None:
        while (due := self._deadline()) <= at:
            self.now = due
            self._return(self.ear.advance(due))
            for message in self._to_phone.arrived(due):
                match self._carrier.decode(message):
                    case Play(audio):
                        self.ear.play(audio, due)
                    case Mark(name):
                        self._return(self.ear.mark(name, due))
                    case Clear():
                        self._return(self.ear.clear(due))
            for message in self._to_bridge.arrived(due):
                (event,) = self._dialect.decode(message, self.now)
                assert isinstance(event, MarkReached)
                self.perform(self.voice.mark_reached(event.name, due))
            if self._timers.fallen_due(due) is Timer.TOP_UP:
                self.perform(self.voice.top_up(due))
        self.now = at

    def _return(self, names: list[str]) -> None:
        for name in names:
            self._to_bridge.put(self._carrier.mark(name), self.now)

    def _deadline(self) -> float:
        ways = (self._to_phone.deadline(), self._to_bridge.deadline())
        deadlines = (self.ear.deadline(), self._timers.next_due, *ways)
        return min(inf if deadline is None else deadline for deadline in deadlines)


def carry(there: Delay, back: Delay, seed: int) -> list[list[Cut]]:
    """One call. For each interruption that cut something, what was told of each item."""
    chance, stream = random.Random(seed), Stream(there, back, seed)
    told: list[tuple[str, dict[int, float]]] = []
    received: Counter[int] = Counter()
    item = 1
    for turn in range(REPLIES):
        reply, began = speak(chance, item), stream.now
        moment = chance.choice(MOMENTS) if turn else "first mark still out"
        stops_at = began + reply.moment(chance, moment)
        for at, item, audio, is_last in reply.pieces:
            if began + at >= stops_at:
                break
            stream.pass_until(began + at)
            stream.perform(stream.voice.play(str(item), audio, stream.now))
            received[item] += len(audio)
            if is_last:
                stream.perform(stream.voice.end(str(item), stream.now))
        stream.pass_until(stops_at)
        commands = stream.voice.interrupt(stream.now)
        stream.perform(commands)
        if commands:
            told.append((moment, heard_ms(commands, received)))
        item += 1
        stream.pass_until(stream.now + chance.uniform(0.02, 1.0))
    stream.pass_until(stream.now + 30)
    played = Counter(stream.ear.heard)
    assert {str(n) for n in received} == stream.confirmed | {str(n) for _, items in told for n in items}
    return [
        [Cut(moment, ms, received[n] / BYTES_IN_MS, played[n] / BYTES_IN_MS) for n, ms in items.items()]
        for moment, items in told
    ]


def heard_ms(commands: list[Command], received: Counter[int]) -> dict[int, float]:
    """What `interrupt` said of each item."""
    told: dict[int, float] = {}
    for command in commands:
        match command:
            case TruncateReply(item, ms):
                told[int(item)] = ms
            case DropReply(item):
                told[int(item)] = 0
            case ConfirmHeard(item):
                told[int(item)] = received[int(item)] / BYTES_IN_MS
    return told


@cache
def interruptions(there_ms: int, back_ms: int, jitter_ms: int) -> list[list[Cut]]:
    """All calls over one kind of line."""
    there, back = Delay(there_ms, jitter_ms), Delay(back_ms, jitter_ms)
    return [cuts for seed in range(CALLS) for cuts in carry(there, back, seed)]


def errors_ms(there_ms: int, back_ms: int, jitter_ms: int) -> list[float]:
    """By how much the worst told item of each interruption is wrong, in order of size."""
    told = interruptions(there_ms, back_ms, jitter_ms)
    return sorted(max(cut.error_ms for cut in cuts) for cuts in told)


def percentile(ordered: list[float], percent: int) -> float:
    return ordered[-(-len(ordered) * percent // 100) - 1]


LINES = [  # ms to the phone, ms back, jitter; 95 of 100 are told within so many ms
    (0, 0, 0, 1),
    (50, 50, 0, 1),
    (150, 150, 0, 1),
    (20, 130, 0, 1),  # a mark takes longer than a clear
    (50, 50, 20, 60),
    (150, 150, 20, 60),
]


@pytest.mark.parametrize(("there_ms", "back_ms", "jitter_ms", "within_ms"), LINES)
def test_the_assistant_is_told_what_the_ear_had_played(
    there_ms: int, back_ms: int, jitter_ms: int, within_ms: int
) -> None:
    errors = errors_ms(there_ms, back_ms, jitter_ms)
    assert len(errors) >= INTERRUPTIONS
    assert percentile(errors, 95) <= within_ms
    cuts = [cut for cuts in interruptions(there_ms, back_ms, jitter_ms) for cut in cuts]
    assert all(0 <= cut.told_ms <= cut.received_ms for cut in cuts)
    assert {cut.moment for cut in cuts} == set(MOMENTS)
