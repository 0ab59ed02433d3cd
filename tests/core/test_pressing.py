"""Keys for who is at the far end: pressed by the carrier, or played on top of nothing else."""

from collections.abc import Sequence

import numpy as np

from bridge.core.call import Call
from bridge.core.dialogue import DialogueRules
from bridge.core.reply_audio import MOST_INSERTS
from bridge.core.timers import Limits
from bridge.vocabulary.commands import Command, ConfirmHeard, PlayAudio, PressKeys, SendMark
from bridge.vocabulary.events import (
    AssistantReady,
    CallStarted,
    LegLost,
    LegName,
    MarkReached,
    PressRequested,
    ReplyAudio,
    ReplyEnded,
    SpeechStarted,
)
from telecodecs.codec import decoder
from telecodecs.dtmf_detector import ToneDetector
from telecodecs.format import L16_16K, PCMU_8K, AudioFormat

FRAME = bytes(range(160))
SILENCE = b"\xff"


def talking(*, presses: bool, plays: AudioFormat | None = None) -> Call:
    can: frozenset[type[Command]] = frozenset({PressKeys} if presses else ())
    call = Call(0.0, Limits(), DialogueRules(reorder_ms=0, can=can))
    call.handle(CallStarted("CA1", "MZ1", PCMU_8K, plays=plays), 0.0)
    call.handle(AssistantReady(PCMU_8K, PCMU_8K), 0.0)
    return call


def sound(commands: Sequence[Command]) -> bytes:
    return b"".join(command.audio for command in commands if isinstance(command, PlayAudio))


def keys_in(audio: bytes, line: AudioFormat) -> str:
    detector = ToneDetector(line.rate_hz)
    samples = np.concatenate([decoder(line)(audio), np.zeros(line.rate_hz // 10, np.int16)])
    return "".join(tone.digit for tone in detector.feed(samples))


def test_a_carrier_that_can_presses_them_beside_the_stream() -> None:
    assert talking(presses=True).handle(PressRequested("12w3#"), 1.0) == [PressKeys("12w3#")]


def test_otherwise_they_are_tones_with_their_pauses() -> None:
    call = talking(presses=False)
    commands = call.handle(PressRequested("1234#w5W0"), 1.0)
    played = sound(commands)
    assert keys_in(played, PCMU_8K) == "1234#50"
    assert len(played) == (7 * 200 + 500 + 1000) * 8
    *_, last = commands
    assert isinstance(last, SendMark)
    assert call.handle(MarkReached(last.name), 4.0) == [], "no item of the assistant's"
    assert call.counts()["keys_played"] == 1


def test_they_are_in_the_format_that_is_played() -> None:
    played = sound(talking(presses=False, plays=L16_16K).handle(PressRequested("7*"), 1.0))
    assert keys_in(played, L16_16K) == "7*"


def test_they_sound_behind_the_reply_that_is_coming_in() -> None:
    call = talking(presses=False)
    assert sound(call.handle(ReplyAudio("a", FRAME), 1.0)) == FRAME
    assert call.handle(PressRequested("5"), 1.0) == []
    assert sound(call.handle(ReplyAudio("a", FRAME), 1.1)) == FRAME
    ended = call.handle(ReplyEnded("a"), 1.2)
    assert keys_in(sound(ended), PCMU_8K) == "5"
    assert sound(call.handle(ReplyAudio("b", FRAME), 1.3)) == FRAME
    marks = [command.name for command in ended if isinstance(command, SendMark)]
    heard = [word for mark in marks for word in call.handle(MarkReached(mark), 1.5)]
    assert heard == [ConfirmHeard("a")]


def test_a_reply_that_follows_at_once_sounds_behind_them() -> None:
    call = talking(presses=False)
    call.handle(ReplyAudio("a", FRAME), 1.0)
    call.handle(PressRequested("5"), 1.0)
    played = sound(call.handle(ReplyAudio("b", FRAME), 1.1))
    assert keys_in(played, PCMU_8K) == "5"
    assert played.endswith(FRAME)


def test_nor_while_the_reply_before_them_is_still_coming_in() -> None:
    call = talking(presses=False)
    call.handle(ReplyAudio("a", FRAME), 1.0)
    call.handle(PressRequested("5"), 1.0)
    call.handle(ReplyAudio("a", FRAME * 50), 1.1)
    assert call.handle(SpeechStarted(), 1.8) == []
    assert keys_in(sound(call.handle(ReplyEnded("a"), 1.9)), PCMU_8K) == "5"
    assert call.handle(SpeechStarted(), 2.2) == []


def test_a_stream_that_breaks_takes_them_along_and_the_next_reply_can_be_cut() -> None:
    call = Call(0.0, Limits(resume_s=10.0), DialogueRules(reorder_ms=0))
    call.handle(CallStarted("CA1", "MZ1", PCMU_8K), 0.0)
    call.handle(AssistantReady(PCMU_8K, PCMU_8K), 0.0)
    call.handle(PressRequested("1WWWW2"), 1.0)
    assert call.handle(LegLost(LegName.CARRIER, 1006), 1.1) != []
    call.handle(CallStarted("CA1", "MZ2", PCMU_8K), 1.2)
    call.handle(ReplyAudio("a", FRAME * 50), 1.3)
    assert call.handle(SpeechStarted(), 1.5) != []


def test_more_than_can_wait_is_counted() -> None:
    call = talking(presses=False)
    call.handle(ReplyAudio("a", FRAME), 1.0)
    for _ in range(20):
        call.handle(PressRequested("5"), 1.0)
    assert keys_in(sound(call.handle(ReplyEnded("a"), 1.0)), PCMU_8K) == "5" * MOST_INSERTS
    assert call.counts()["too_long_replies"] == 4


def test_what_the_far_end_says_does_not_cut_them() -> None:
    call = talking(presses=False)
    call.handle(PressRequested("12345"), 1.0)
    assert call.handle(SpeechStarted(), 1.5) == []
    assert call.handle(ReplyAudio("a", FRAME * 50), 2.5) != []
    assert call.handle(SpeechStarted(), 2.6) != []
