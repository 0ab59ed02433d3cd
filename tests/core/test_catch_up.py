"""After a stall of the carrier's network: no word is lost, and the assistant's clock comes back to the caller's."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bridge.assistants.shared.model_clock import ModelClock
from bridge.core.call import Call
from bridge.core.catch_up import LEAD_MS, PAUSE_MS
from bridge.core.dialogue import DialogueRules
from bridge.core.timers import Limits
from bridge.vocabulary.commands import AppendAudio, Command, OpenAssistant
from bridge.vocabulary.events import AssistantReady, CallerAudio, CallStarted, LegLost, LegName, TimePassed
from telecodecs.codec import encoder
from telecodecs.format import L16_16K, PCMA_8K, PCMU_8K, AudioFormat

QUIET = b"\xff" * 160
DRIFT_MS = 100


def spoken(number: int) -> bytes:
    """A loud frame, unlike all others of a call."""
    return bytes([0x10 + number % 16, 0x90 + number // 16 % 16]) * 79 + bytes([0x10 + number // 256, 0x80])


class Stall(NamedTuple):
    """Frames from `at` on come `length` frames later, all at once."""

    at: int
    length: int


def arrivals(frames: int, stalls: Iterable[Stall]) -> list[float]:
    """When each frame comes, in seconds. What is held up comes in order."""
    came = [number * 0.02 for number in range(frames)]
    for stall in stalls:
        for number in range(stall.at, min(frames, stall.at + stall.length)):
            came[number] = max(came[number], (stall.at + stall.length) * 0.02)
    return list(np.maximum.accumulate(came)) if came else []


class Assistant:
    """A call, and what its assistant is given."""

    def __init__(self, reorder_ms: int = 0, line: AudioFormat = PCMU_8K) -> None:
        self.call = Call(0.0, Limits(silent_s=1000), DialogueRules(reorder_ms=reorder_ms))
        self.line = line
        self.given = b""
        self.take(self.call.handle(CallStarted("CA1", "MZ1", line), 0.0))
        self.take(self.call.handle(AssistantReady(line, line), 0.0))

    def take(self, commands: Sequence[Command]) -> None:
        self.given += b"".join(command.audio for command in commands if isinstance(command, AppendAudio))

    def hear(self, frames: Sequence[bytes], came: Sequence[float], stamp: int = 0) -> float:
        """Returns when the last frame came."""
        for number, (frame, at) in enumerate(zip(frames, came, strict=True), stamp):
            while (due := self.call.deadline()) is not None and due < at:
                self.take(self.call.handle(TimePassed(), due))
            self.take(self.call.handle(CallerAudio(frame, number * 20), at))
        return came[-1]

    def drift_ms(self, now: float) -> float:
        """How far the assistant's clock is ahead of the wall's. The first frame, 20 ms, came at 0."""
        return self.line.duration_ms(len(self.given)) - 20 - now * 1000

    @property
    def skipped_ms(self) -> int:
        return self.call.counts().get("skipped_ms", 0)


def speech(frames: Sequence[bytes]) -> list[bytes]:
    return [frame for frame in frames if frame != QUIET]


def pieces(given: bytes) -> list[bytes]:
    return [given[at : at + 160] for at in range(0, len(given), 160)]


def follow(said: str, *stalls: Stall, reorder_ms: int = 0) -> tuple[Assistant, float]:
    """`said`: a letter for each 100 ms, x is speech. Checks that no word is lost; returns the drift at the end as well."""
    letters = [letter for letter in said for _ in range(5)]
    frames = [spoken(number) if letter == "x" else QUIET for number, letter in enumerate(letters)]
    assistant = Assistant(reorder_ms)
    now = assistant.hear(frames, arrivals(len(frames), stalls))
    assert in_order(speech(frames), assistant.given)
    return assistant, assistant.drift_ms(now)


def in_order(words: Sequence[bytes], given: bytes) -> bool:
    """Whether all of these frames are there, one after the other. Silence may be filled in to the millisecond."""
    at = 0
    for word in words:
        at = given.find(word, at)
        if at < 0:
            return False
        at += len(word)
    return True


SECOND, HALF = 50, 25


@pytest.mark.parametrize(
    ("said", "stalls"),
    [
        ("." * 60, [Stall(SECOND, SECOND)]),
        ("x" * 20 + "." * 40, [Stall(SECOND, SECOND)]),
        ("x" * 10 + "." * 50, [Stall(HALF, SECOND)]),
        ("." * 10 + "x" * 10 + "." * 50, [Stall(HALF, SECOND)]),
        ("x" * 20 + "." * 60, [Stall(30, 20), Stall(60, 40)]),
        ("x" * 50 + "." * 60, [Stall(40, 50), Stall(100, 50), Stall(200, 30)]),
        ("." * 200, [Stall(at, 20) for at in range(50, 800, 60)]),
        ("xx...xx......x.....xxxx" + "." * 60, [Stall(20, 60)]),
    ],
)
def test_the_clock_comes_back(said: str, stalls: list[Stall]) -> None:
    assistant, drift_ms = follow(said, *stalls)
    assert -1 <= drift_ms < DRIFT_MS
    assert assistant.skipped_ms > 0


def test_a_pause_is_passed_on_before_any_quiet_is_skipped() -> None:
    """A turn detector that is 300 ms behind notices the end of the speech as soon as one that is not."""
    assistant, drift_ms = follow("x" * 10 + "." * 9, Stall(20, 20))
    assert drift_ms == pytest.approx(400, abs=20)
    assert pieces(assistant.given)[-PAUSE_MS // 20 + 10 :] == [QUIET] * (PAUSE_MS // 20 - 10)
    assert assistant.skipped_ms == 0


def test_quiet_that_was_filled_in_before_is_skipped_when_it_comes() -> None:
    assistant, drift_ms = follow("." * 25, Stall(50, 60))
    assert 0 <= drift_ms < DRIFT_MS
    assert assistant.skipped_ms >= 1200 - DRIFT_MS - LEAD_MS


def test_the_quiet_before_speech_is_not_skipped() -> None:
    assistant, _ = follow("." * 10 + "." * 15 + "xx" + ".", Stall(50, 60))
    given = pieces(assistant.given)
    first = next(number for number, frame in enumerate(given) if frame != QUIET)
    assert given[first - LEAD_MS // 20 : first] == [QUIET] * (LEAD_MS // 20)


def test_the_caller_mutes_for_a_while_and_nothing_is_skipped() -> None:
    """The carrier sends nothing and its clock stands still: the silence that was filled in is right."""
    assistant = Assistant()
    assistant.hear([QUIET] * 50, [number * 0.02 for number in range(50)])
    now = assistant.hear([QUIET] * 200, [3.0 + number * 0.02 for number in range(200)], 50)
    assert assistant.skipped_ms == 0
    assert abs(assistant.drift_ms(now)) < 40
    assert not assistant.call._dialogue.caller._catch_up.owed, (
        "and from a second later on a frame costs what it did"
    )


def test_a_burst_without_silence_filled_in_is_left_alone() -> None:
    """A stall that is too short for it, and an assistant that reads at its own pace."""
    assistant, drift_ms = follow("." * 30, Stall(50, 8))
    assert assistant.skipped_ms == 0
    assert abs(drift_ms) < 1


def test_the_next_assistant_has_a_clock_of_its_own() -> None:
    assistant = Assistant()
    frames = [spoken(number) for number in range(100)]
    assistant.hear(frames, arrivals(100, [Stall(30, 40)]))
    (opened,) = [
        command
        for command in assistant.call.handle(LegLost(LegName.ASSISTANT, 1006), 2.0)
        if isinstance(command, OpenAssistant)
    ]
    assert opened
    assistant.take(assistant.call.handle(AssistantReady(PCMU_8K, PCMU_8K), 2.5))
    assistant.given = b""
    assistant.hear([QUIET] * 200, [2.5 + number * 0.02 for number in range(200)], 125)
    assert assistant.skipped_ms == 0


def test_positions_in_the_audio_are_those_of_what_the_model_was_given() -> None:
    """The model's clock counts what was passed on; quiet that was skipped is in neither clock."""
    assistant, _ = follow("." * 25 + "x" + ".", Stall(50, 60))
    assert assistant.skipped_ms > 0
    clock = ModelClock()
    clock.hears(PCMU_8K)
    for at in range(0, len(assistant.given), 160):
        clock.append(len(assistant.given[at : at + 160]))
    word_ms = assistant.given.index(spoken(125)) / 8
    assert clock.given_ms == len(assistant.given) / 8
    assert clock.own_ms(word_ms) == round(word_ms)
    assert abs(word_ms - 125 * 20) < DRIFT_MS, "and the word stands where it was said"


@pytest.mark.parametrize("line", [PCMU_8K, PCMA_8K, L16_16K], ids=str)
def test_in_noise_as_well(line: AudioFormat) -> None:
    """-35 dBFS of noise all the time. It is known for noise after some seconds of it."""
    rng = np.random.default_rng(5)
    samples = line.rate_hz // 50
    noise = [encoder(line)(rng.normal(0, 410, samples).astype(np.int16)) for _ in range(600)]
    assistant = Assistant(line=line)
    now = assistant.hear(noise, arrivals(600, [Stall(100, 60)]))
    assert 0 <= assistant.drift_ms(now) < DRIFT_MS


@example("", [Stall(10, 60), Stall(75, 30)], 0)
@example("", [Stall(182, 150), Stall(190, 147)], 0)
@example("xx.xx", [Stall(10, 60), Stall(12, 61), Stall(90, 150)], 100)
@given(
    st.text("x.", max_size=80),
    st.lists(st.builds(Stall, st.integers(0, 400), st.integers(1, 150)), max_size=8),
    st.sampled_from([0, 100]),
)
def test_whatever_stalls_no_word_is_lost_and_the_clock_comes_back(
    said: str, stalls: list[Stall], reorder_ms: int
) -> None:
    last = max((stall.at + stall.length for stall in stalls), default=0)
    _, drift_ms = follow(said.ljust(last // 5 + 1, ".") + "." * 60, *stalls, reorder_ms=reorder_ms)
    assert -25 <= drift_ms < DRIFT_MS
