"""A talk of ten minutes in a room, in virtual time, over networks that are as uneven as real ones: every word is heard.

The caller, the person and the assistant take turns and now and then talk at the same time. Frames come up to 40 ms late,
some in bursts, marks come back late, and the clocks of the two telephones drift apart. What each telephone plays is held
against what was said: a word counts as heard where all its frames were played, in order and without a gap.
"""

import heapq
import random
from collections import defaultdict
from itertools import count

import numpy as np
import pytest

from bridge.core.states import State
from bridge.vocabulary.commands import ClearPlayback, Command, DropReply, PlayAudio, SendMark
from bridge.vocabulary.events import CallerAudio, MarkReached, ReplyAudio, ReplyEnded, TimePassed
from telecodecs.codec import decoder, encoder
from telecodecs.format import PCMU_8K
from tests.core.rooms import Far, Talk

FRAME = 160
SILENCE = b"\xff" * FRAME
WORD = 24
"""Frames of a word, of which each sixth is quiet as the gap between two sounds is."""
MOST_GAP = 8
"""Samples of a gap that nobody hears: 1 ms."""


class Telephone(Far):
    """A far end that plays by its own clock, `drift` too fast, with silence where it has nothing."""

    def __init__(self, drift: float) -> None:
        super().__init__()
        self.played = bytearray()
        self.deepest_s = 0.0
        self._speed = 1 + drift
        self._ends_at = 0.0
        self.due: list[tuple[float, str]] = []

    def take(self, command: Command, now: float) -> None:
        match command:
            case PlayAudio(audio):
                if (late := now - self._ends_at) > 0:
                    self.played += b"\xff" * round(late * 8000)
                    self._ends_at = now
                self.played += audio
                self._ends_at += len(audio) / 8000 / self._speed
                self.deepest_s = max(self.deepest_s, self._ends_at - now)
            case SendMark(name):
                self.due.append((self._ends_at, name))
            case ClearPlayback():
                raise AssertionError("nothing is cleared in these talks")


def word(seed: int) -> list[bytes]:
    """A word that no other is like."""
    noise = np.random.default_rng(seed).normal(0, 3000, WORD * FRAME)
    noise.reshape(-1, FRAME)[5::6] = 0
    audio = encoder(PCMU_8K)(noise.astype(np.int16))
    return [audio[at : at + FRAME] for at in range(0, len(audio), FRAME)]


class LongTalk:
    """Ten minutes, or less, of one call. Frames of one leg stay in order. `together`: two speak at a time."""

    def __init__(self, seconds: int, seed: int, *, together: bool) -> None:
        self.random = random.Random(seed)
        self.talk = Talk(assistant_talks=True)
        self.talk.caller, self.talk.person = Telephone(200e-6), Telephone(-200e-6)
        self.talk.answers()
        assert self.talk.call.state is State.IN_ROOM
        self.said: dict[str, list[list[bytes]]] = defaultdict(list)
        self._events: list[tuple[float, int, str, object]] = []
        self._numbers = count()
        self._frames: dict[str, list[bytes]] = {"caller": [], "person": []}
        self._turns(seconds, together)
        for leg, drift in (("caller", 200e-6), ("person", -200e-6)):
            self._come(leg, self._frames[leg], 0.007 * (leg == "person"), 0.02 * (1 - drift))

    def _turns(self, seconds: int, together: bool) -> None:
        seeds, at = count(1), 100  # frames
        while at < seconds * 50 - 100:
            who = self.random.sample(["caller", "person", "assistant"], 2 if together else 1)
            for name in who:
                said = word(next(seeds))
                self.said[name].append(said)
                if name == "assistant":
                    self._at(at * 0.02 + self.random.random() * 0.02, "reply", b"".join(said))
                else:
                    frames = self._frames[name]
                    frames += [SILENCE] * (at - len(frames)) + said
            at += WORD + 30 + self.random.randrange(40)
        for spoken in self._frames.values():
            spoken.extend([SILENCE] * (seconds * 50 - len(spoken)))

    def _at(self, when: float, what: str, data: object) -> None:
        heapq.heappush(self._events, (when, next(self._numbers), what, data))

    def _come(self, leg: str, frames: list[bytes], offset_s: float, every_s: float) -> None:
        came, held_until = 0.0, 0.0
        for number, frame in enumerate(frames):
            sent = offset_s + number * every_s
            if number > 200 and self.random.random() < 1 / 500:
                held_until = sent + 0.06  # three frames come at once
            came = max(came + 1e-4, sent + self.random.random() * 0.04, held_until)
            self._at(came, leg, (frame, number * 20))

    def run(self) -> "LongTalk":
        talk, replies = self.talk, count(1)
        while self._events:
            when, _, what, data = heapq.heappop(self._events)
            self._timers(when)
            talk.now = when
            match what, data:
                case "caller", (bytes(frame), int(at_ms)):
                    talk.feed(CallerAudio(frame, at_ms))
                case "person", (bytes(frame), int(at_ms)):
                    talk.feed_person(CallerAudio(frame, at_ms))
                case "reply", bytes(audio):
                    name = f"r{next(replies)}"
                    talk.feed(ReplyAudio(name, audio), ReplyEnded(name))
                case "mark of caller", str(name):
                    talk.feed(MarkReached(name))
                case "mark of person", str(name):
                    talk.feed_person(MarkReached(name))
            for leg, far in (("caller", talk.caller), ("person", talk.person)):
                assert isinstance(far, Telephone)
                for ends_at, name in far.due:
                    late = self.random.random() * (0.5 if self.random.random() < 0.1 else 0.04)
                    self._at(max(when, ends_at) + 0.05 + late, f"mark of {leg}", name)
                far.due.clear()
        return self

    def _timers(self, until: float) -> None:
        talk = self.talk
        for call, feed in ((talk.call, talk.feed), (talk.leg, talk.feed_person)):
            while (due := call.deadline()) is not None and due <= until:
                talk.now = max(talk.now, due)
                feed(TimePassed())

    def far(self, name: str) -> Telephone:
        far = self.talk.caller if name == "caller" else self.talk.person
        assert isinstance(far, Telephone)
        return far

    def counts(self) -> dict[str, int]:
        both = (self.talk.call.counts(), self.talk.leg.counts())
        return {name: sum(one.get(name, 0) for one in both) for name in ("room_skipped", "room_added")}


@pytest.mark.parametrize("seed", [1, 2])
def test_of_ten_minutes_in_turns_every_word_is_heard_whole(seed: int) -> None:
    long = LongTalk(600, seed, together=False).run()
    assert not long.talk.commanded(DropReply)
    for listener in ("caller", "person"):
        far = long.far(listener)
        said = [one for name, words in long.said.items() if name != listener for one in words]
        whole = [b"".join(one) in far.played for one in said]
        assert len(said) > 150
        assert sum(whole) == len(said), f"{listener}: {len(said) - sum(whole)}, {long.counts()}"
        assert far.deepest_s <= 0.165


def test_of_words_said_at_the_same_time_each_is_heard() -> None:
    """Of one voice alone the share would be 1. A frame that comes too late for the others splits a word in two."""
    long = LongTalk(60, 3, together=True).run()
    shares = []
    for listener in ("caller", "person"):
        heard = decoder(PCMU_8K)(bytes(long.far(listener).played)).astype(np.float64)
        size = 1 << len(heard).bit_length()
        spectrum = np.fft.rfft(heard, size)
        for name, words in long.said.items():
            for one in words if name != listener else ():
                said = decoder(PCMU_8K)(b"".join(one)).astype(np.float64)
                products = np.fft.irfft(spectrum * np.conj(np.fft.rfft(said, size)), size)
                shares.append(products.max() / (said @ said))
    assert len(shares) > 50
    assert np.mean(np.array(shares) >= 0.9) >= 0.95, sorted(shares)[:10]
    assert min(shares) >= 0.4
