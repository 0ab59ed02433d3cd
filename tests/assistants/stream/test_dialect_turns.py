"""Turns that the bridge hears for the assistant: what the caller's audio makes of the conversation."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from bridge.assistants.shared import turn_detection
from bridge.config.audio_file import read_wav
from bridge.vocabulary.commands import AppendAudio, OpenAssistant, TruncateReply
from bridge.vocabulary.events import (
    AssistantReady,
    CallerSaid,
    ReplyAudio,
    ReplyEnded,
    SpeechDismissed,
    SpeechStarted,
    SpeechStopped,
    SpeechSuspected,
)
from telecodecs.codec import encoder
from telecodecs.format import L16_16K, L16_24K, PCMU_8K, AudioFormat
from telecodecs.g711 import ulaw_decode
from telecodecs.resample import resample
from telecodecs.turns import Turn, TurnDismissed, TurnEnded, TurnStarted, TurnSuspected

if TYPE_CHECKING:
    from tests.assistants.stream.conftest import Dial, Row

FIXTURES = Path(__file__).parents[3] / "fixtures"
SOUND = b"\x10\x20" * 80

HEARD: dict[bytes, Sequence[Turn]] = {
    b"suspect": [TurnSuspected(60)],
    b"dismiss": [TurnDismissed(60)],
    b"spoke": [TurnStarted(80)],
    b"pause": [TurnEnded(900)],
    b"all": [TurnSuspected(60), TurnStarted(60), TurnEnded(300)],
}


class Detector:
    """Hears what it is told to hear; remembers how it was set."""

    set_to: tuple[AudioFormat, dict[str, int]]

    def __init__(self, hears: AudioFormat, **spans: int) -> None:
        type(self).set_to = hears, spans
        self.speaking = False

    def feed(self, audio: bytes) -> Sequence[Turn]:
        turns = HEARD.get(audio, ())
        for turn in turns:
            self.speaking = isinstance(turn, TurnStarted) or (
                self.speaking and not isinstance(turn, TurnEnded)
            )
        return turns


@pytest.fixture
def scripted_detector(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turn_detection, "TurnDetector", Detector)


scripted = pytest.mark.usefixtures("scripted_detector")


STARTED = {"type": "speech_started", "at_ms": 80}
STOPPED = {"type": "speech_stopped", "at_ms": 900}


@scripted
def test_a_barge_in_on_an_assistant_that_only_sends_sound(dial: "Dial") -> None:
    rows: list[Row] = [
        (1.0, SOUND, [ReplyAudio("item-1", SOUND)]),
        (1.1, AppendAudio(b"spoke"), [b"spoke", STARTED, SpeechStarted(at_ms=80)]),
        (1.1, TruncateReply("item-1", 60), [{"type": "interrupted", "item": "item-1", "heard_ms": 60}, ReplyEnded("item-1")]),
        (1.2, SOUND, []),
        (1.4, AppendAudio(b"pause"), [b"pause", STOPPED, SpeechStopped("utterance-2", 900)]),
        (1.4, SOUND, [ReplyAudio("item-3", SOUND)]),  # it does not pause by itself, or answers at once
        (1.5, {"type": "said", "who": "caller", "text": "Yes"}, [CallerSaid("utterance-2", "Yes")]),
    ]  # fmt: skip
    dial().open(turns="bridge").play(rows)


@scripted
def test_a_cough_is_for_the_core_alone(dial: "Dial") -> None:
    line = dial(barge_in={"confirm_ms": 300})
    line.pass_on(0.0, OpenAssistant("CA1", PCMU_8K))
    rows: list[Row] = [
        (0.1, {"type": "hello"}, [AssistantReady(PCMU_8K, PCMU_8K, keys_interrupt=True, may_suspect=True)]),
        (1.1, AppendAudio(b"suspect"), [b"suspect", SpeechSuspected()]),
        (1.2, AppendAudio(b"dismiss"), [b"dismiss", SpeechDismissed()]),
        (1.3, AppendAudio(b"nothing"), [b"nothing"]),
        (1.4, AppendAudio(b"suspect"), [b"suspect", SpeechSuspected()]),
        (1.5, AppendAudio(b"spoke"), [b"spoke", STARTED, SpeechStarted(at_ms=80)]),
        (2.5, AppendAudio(b"pause"), [b"pause", STOPPED, SpeechStopped("utterance-1", 900)]),
    ]
    line.play(rows)


@scripted
def test_all_in_one_piece_of_audio_is_told_in_its_order(dial: "Dial") -> None:
    line = dial().open(turns="bridge", audio="base64")
    sent, *told = line.pass_on(1.0, AppendAudio(b"all"))
    assert sent == {"type": "audio", "audio": "YWxs"}
    assert told == [
        SpeechSuspected(),
        {"type": "speech_started", "at_ms": 60},
        SpeechStarted(at_ms=60),
        {"type": "speech_stopped", "at_ms": 300},
        SpeechStopped("utterance-1", 300),
    ]


@scripted
def test_an_interruption_for_another_reason_has_no_end_of_its_own(dial: "Dial") -> None:
    rows: list[Row] = [
        (1.0, {"type": "interrupt"}, [SpeechStarted(), SpeechStopped("utterance-1")]),
        (1.1, AppendAudio(b"spoke"), [b"spoke", STARTED, SpeechStarted(at_ms=80)]),
        (1.2, {"type": "interrupt"}, [SpeechStarted()]),  # the caller still speaks
        (1.3, SOUND, [ReplyAudio("item-2", SOUND)]),
        (1.4, AppendAudio(b"pause"), [b"pause", STOPPED, SpeechStopped("utterance-3", 900)]),
    ]
    dial().open(turns="bridge").play(rows)


@scripted
def test_who_hears_turns_is_asked_once(dial: "Dial") -> None:
    why = 'speech_stopped: the bridge detects turns: expected "turns": "assistant" in hello'
    assert dial().open(turns="bridge").pass_on(1.0, {"type": "speech_stopped"}) == [{"refused": why}]
    assert dial().open(turns="assistant").pass_on(1.0, AppendAudio(b"spoke")) == [b"spoke"]


@scripted
def test_the_detector_is_set_as_the_settings_say_and_hears_what_the_assistant_hears(dial: "Dial") -> None:
    line = dial(barge_in={"min_speech_ms": 60, "confirm_ms": 240}, silence_ms=500)
    line.open(turns="bridge", hears={"encoding": "l16", "rate_hz": 24000})
    assert Detector.set_to == (L16_24K, {"min_speech_ms": 60, "confirm_ms": 240, "silence_ms": 500})


def frames(hears: AudioFormat) -> list[AppendAudio]:
    """A sentence, and a second of silence after it, in pieces of 20 ms."""
    sentence = ulaw_decode(np.frombuffer(read_wav(FIXTURES / "sentence-en-us-male.wav"), np.uint8))
    samples = np.concatenate([sentence, np.zeros(12_000, np.int16)])
    audio = encoder(hears)(resample(samples, 8_000, hears.rate_hz))
    size = hears.bytes_in(20)
    return [AppendAudio(audio[at : at + size]) for at in range(0, len(audio), size)]


@pytest.mark.parametrize("hears", [PCMU_8K, L16_16K, L16_24K], ids=str)
def test_a_sentence_is_heard_from_its_beginning_to_its_end(dial: "Dial", hears: AudioFormat) -> None:
    line = dial().open(turns="bridge", hears={"encoding": hears.encoding, "rate_hz": hears.rate_hz})
    told: list[Any] = []
    for number, frame in enumerate(frames(hears)):
        sent, *more = line.pass_on(1 + number / 50, frame)
        assert sent == frame.audio
        told += more
    kinds: list[Callable[[Any], bool]] = [
        lambda one: one["type"] == "speech_started",
        lambda one: isinstance(one, SpeechStarted) and one.at_ms == told[0]["at_ms"],
        lambda one: one["type"] == "speech_stopped",
        lambda one: isinstance(one, SpeechStopped) and one.at_ms == told[2]["at_ms"],
    ]
    assert all(kind(one) for kind, one in zip(kinds, told[:2] + told[-2:], strict=True))
    assert told[0]["at_ms"] < told[-2]["at_ms"] <= len(frames(hears)) * 20 - 700
