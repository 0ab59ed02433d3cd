"""What the caller says while the carrier pauses: told as transcripts against the core."""

from collections.abc import Sequence

import numpy as np
import pytest

from bridge.core.call import Call
from bridge.core.dialogue import DialogueRules
from bridge.core.timers import Limits
from bridge.vocabulary.commands import AppendAudio, Command
from bridge.vocabulary.events import (
    AssistantReady,
    CallerAudio,
    CallStarted,
    Event,
    LegLost,
    LegName,
    TimePassed,
)
from telecodecs.codec import decoder
from telecodecs.format import L16_24K, PCMA_8K, PCMU_8K, AudioFormat
from telecodecs.level import dbfs

FRAME = bytes(range(160))

Row = tuple[float, Event, Sequence[Command]]


def started(line: AudioFormat = PCMU_8K, *, noise_dbfs: float | None = None, resume_s: float = 0.0) -> Call:
    call = Call(0.0, Limits(resume_s=resume_s), DialogueRules(reorder_ms=0, noise_dbfs=noise_dbfs))
    call.handle(CallStarted("CA1", "MZ1", line), 0.0)
    return call


def talking(line: AudioFormat = PCMU_8K, *, noise_dbfs: float | None = None, resume_s: float = 0.0) -> Call:
    call = started(line, noise_dbfs=noise_dbfs, resume_s=resume_s)
    call.handle(AssistantReady(line, line), 0.0)
    return call


def follow(call: Call, transcript: Sequence[Row]) -> None:
    for when, event, commands in transcript:
        assert call.handle(event, when) == list(commands), f"at {when}: {event}"


def silence(ms: int, line: AudioFormat = PCMU_8K) -> list[Command]:
    return [AppendAudio(line.silence * line.samples_in(line.bytes_in(ms)))]


@pytest.mark.parametrize("line", [PCMU_8K, PCMA_8K], ids=str)
def test_the_assistants_clock_goes_on_while_the_carrier_pauses(line: AudioFormat) -> None:
    follow(
        talking(line),
        [
            (1.00, CallerAudio(FRAME, 1000), [AppendAudio(FRAME)]),
            (1.19, TimePassed(), []),
            (1.205, TimePassed(), silence(205, line)),
            (1.30, TimePassed(), []),
            (1.31, TimePassed(), silence(105, line)),
            (1.415, TimePassed(), silence(105, line)),
            (1.43, CallerAudio(FRAME, 1430), [AppendAudio(FRAME)]),
            (1.62, TimePassed(), []),
            (1.635, TimePassed(), silence(205, line)),
        ],
    )


def test_what_the_clock_has_not_filled_the_stamps_do() -> None:
    call = talking()
    follow(
        call,
        [
            (1.00, CallerAudio(FRAME, 0), [AppendAudio(FRAME)]),
            (1.20, TimePassed(), silence(200)),
            (1.28, CallerAudio(FRAME, 280), [*silence(60), AppendAudio(FRAME)]),
        ],
    )
    assert call.counts() == {"holes": 1, "filled_ms": 60, "paused_ms": 200}


def test_what_was_only_held_up_is_heard_all_the_same() -> None:
    follow(
        talking(),
        [
            (1.00, CallerAudio(FRAME, 0), [AppendAudio(FRAME)]),
            (1.20, TimePassed(), silence(200)),
            *((1.21, CallerAudio(FRAME, at_ms), [AppendAudio(FRAME)]) for at_ms in range(20, 240, 20)),
        ],
    )


def test_who_was_held_up_himself_reads_first_what_has_come() -> None:
    follow(
        talking(),
        [
            (1.00, CallerAudio(FRAME, 0), [AppendAudio(FRAME)]),
            (1.50, TimePassed(), []),
            (1.50, CallerAudio(FRAME, 20), [AppendAudio(FRAME)]),
            (1.70, TimePassed(), silence(200)),
            (2.50, TimePassed(), []),
            (2.69, TimePassed(), []),
            (2.70, TimePassed(), silence(1000)),
        ],
    )


def test_so_it_is_each_time() -> None:
    call, at_ms = talking(), 0
    for held_up_at in (2.0, 4.0):
        while at_ms < held_up_at * 1000:
            assert call.handle(CallerAudio(FRAME, at_ms), at_ms / 1000) == [AppendAudio(FRAME)]
            at_ms += 20
        assert call.handle(TimePassed(), held_up_at + 0.5) == []


def test_what_waits_behind_a_hole_is_heard_before_the_pause() -> None:
    call = Call(0.0, Limits(), DialogueRules(reorder_ms=500))
    call.handle(CallStarted("CA1", "MZ1", PCMU_8K), 0.0)
    call.handle(AssistantReady(PCMU_8K, PCMU_8K), 0.0)
    follow(
        call,
        [
            (1.00, CallerAudio(FRAME, 0), [AppendAudio(FRAME)]),
            (1.02, CallerAudio(FRAME, 40), []),
            (1.22, TimePassed(), [*silence(20), AppendAudio(FRAME), *silence(200)]),
            (1.60, CallerAudio(FRAME, 60), [AppendAudio(FRAME)]),
        ],
    )
    assert call.counts() == {"holes": 1, "filled_ms": 20, "paused_ms": 200}


def test_nothing_is_filled_in_before_the_caller_was_heard_nor_before_there_is_a_listener() -> None:
    call = started()
    follow(call, [(0.3, CallerAudio(FRAME, 0), []), (1.0, TimePassed(), [])])
    assert call.handle(AssistantReady(PCMU_8K, PCMU_8K), 1.01) == [AppendAudio(FRAME)]
    assert talking().handle(TimePassed(), 5.0) == []


def test_nobody_is_filled_in_for_who_is_away() -> None:
    follow(
        talking(resume_s=10.0),
        [
            (1.0, CallerAudio(FRAME, 0), [AppendAudio(FRAME)]),
            (1.1, LegLost(LegName.CARRIER, 1006), []),
            (1.5, TimePassed(), []),
            (3.0, CallStarted("CA1", "MZ2", PCMU_8K), []),
            (3.1, CallerAudio(FRAME, 0), [AppendAudio(FRAME)]),
            (3.305, TimePassed(), silence(205)),
        ],
    )


def test_the_silence_is_in_the_assistants_format() -> None:
    call = started()
    call.handle(AssistantReady(L16_24K, L16_24K), 0.0)
    call.handle(CallerAudio(PCMU_8K.silence * 160, 0), 1.0)
    (filled,) = call.handle(TimePassed(), 1.2)
    assert filled == AppendAudio(bytes(L16_24K.bytes_in(200)))


def test_it_may_be_a_faint_noise() -> None:
    call = talking(noise_dbfs=-60.0)
    call.handle(CallerAudio(FRAME, 0), 1.0)
    (filled,) = call.handle(TimePassed(), 1.2)
    assert isinstance(filled, AppendAudio)
    assert dbfs(decoder(PCMU_8K)(filled.audio)) == pytest.approx(-60, abs=1.5)
    assert len(np.unique(np.frombuffer(filled.audio, np.uint8))) > 3
