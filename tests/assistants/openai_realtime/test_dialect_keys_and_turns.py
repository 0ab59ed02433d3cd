"""An entry that is not answered at once, and turns that we detect ourselves."""

from base64 import b64decode
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from msgspec import structs

from bridge.config.audio_file import read_wav
from bridge.vocabulary.commands import AppendAudio, EnterDigits, OpenAssistant, TruncateReply
from bridge.vocabulary.events import (
    EntryEnd,
    ReplyEnded,
    SpeechDismissed,
    SpeechStarted,
    SpeechStopped,
    SpeechSuspected,
)
from telecodecs.codec import encoder
from telecodecs.format import L16_16K, PCMU_8K, AudioFormat
from telecodecs.g711 import ulaw_decode
from telecodecs.resample import resample

if TYPE_CHECKING:
    from tests.assistants.openai_realtime.conftest import Dial, Outcome, RealtimeLine

FIXTURES = Path(__file__).parents[3] / "fixtures"

TYPED = "item user: The caller typed on the keypad: 12"


@pytest.mark.parametrize(
    ("vad", "silence"),
    [
        ("server_vad", 600),
        ("semantic_vad", 600),
        ({"type": "server_vad", "silence_duration_ms": 333}, 440),
        ({"type": "none", "silence_duration_ms": 700}, 800),
    ],
)
def test_an_entry_followed_by_silence(dial: "Dial", vad: object, silence: int) -> None:
    line = dial(dtmf={"respond": "silence"}, turn_detection=vad)
    line.open()
    assert line.tell(EnterDigits("12")) == [TYPED, f"append {silence * 8}"]
    audio = b64decode(line.last("input_audio_buffer.append")["audio"])
    assert audio.count(PCMU_8K.silence) == len(audio)


def test_no_silence_in_the_middle_of_speech(dial: "Dial") -> None:
    line = dial(dtmf={"respond": "silence"})
    line.open()
    line.play(
        [
            (1.0, "speech U1", [SpeechStarted()]),
            (1.1, EnterDigits("12"), [TYPED]),
            (2.0, "pause U1", [SpeechStopped("U1")]),
            (2.1, EnterDigits("12"), [TYPED, "append 4800"]),
        ]
    )


def test_an_entry_that_is_only_told(dial: "Dial") -> None:
    line = dial(dtmf={"respond": "none", "text": "keys: {digits}"})
    line.open()
    line.play(
        [
            (1.0, "created R1", []),
            (1.1, "audio R1 A 500", ["sound A 500"]),
            (1.2, EnterDigits("1#"), ["item user: keys: 1#"]),
            (1.3, "audio R1 A 500", ["sound A 500"]),
        ]
    )


ENTRIES = [
    (EnterDigits("12", EntryEnd.TERMINATOR, "#"), TYPED),
    (EnterDigits("", EntryEnd.TERMINATOR, "#"), "item user: The caller typed on the keypad: #"),
    (EnterDigits("#"), "item user: The caller typed on the keypad: #"),
    (EnterDigits("1", EntryEnd.INVALID), "item user: The caller typed on the keypad: 1 (It is too short.)"),
    (
        EnterDigits("4111111111111111", placeholder="entry-1"),
        "item user: The caller typed a confidential entry of 16 digits on the keypad; its name is entry-1.",
    ),
    (
        EnterDigits("4", EntryEnd.INVALID, placeholder="entry-2"),
        "item user: The caller typed a confidential entry of 1 digit on the keypad; its name is entry-2. "
        "(It is too short.)",
    ),
]


@pytest.mark.parametrize(("entry", "told"), ENTRIES)
@pytest.mark.parametrize("respond", ["create", "silence", "none"])
def test_an_entry_that_nobody_asked_for(dial: "Dial", entry: EnterDigits, told: str, respond: str) -> None:
    line = dial(dtmf={"respond": respond})
    line.open()
    follows = {"create": ["create"], "silence": ["append 4800"], "none": []}
    assert line.tell(entry) == [told, *follows[respond]]


@pytest.mark.parametrize("respond", ["create", "silence", "none"])
def test_a_caller_who_has_hung_up_is_not_answered(dial: "Dial", respond: str) -> None:
    line = dial(dtmf={"respond": respond})
    line.open()
    line.play([(1.0, "created R1", []), (1.1, EnterDigits("12", EntryEnd.HANGUP), [TYPED])])
    assert line.tell(EnterDigits("", EntryEnd.QUIET)) == [], "nor one who has typed nothing"


def test_the_text_of_an_entry_cannot_tell_what_is_sensitive(dial: "Dial") -> None:
    line = dial(dtmf={"text": "Keys {digits}!"})
    line.open()
    line.tell(EnterDigits("48151623", placeholder="entry-1"))
    assert "48151623" not in str(line.sent)


# What we append moves the server's clock, and not the caller's


def speech_at(line: "RealtimeLine", kind: str, ms: object) -> "list[Outcome]":
    field = {"speech": "audio_start_ms", "pause": "audio_end_ms"}[kind]
    return line.hear(line.event(f"{kind} U1") | {field: ms})


def test_times_of_speech_are_those_of_the_callers_own_audio(dial: "Dial") -> None:
    line = dial(dtmf={"respond": "silence"}, turn_detection={"silence_duration_ms": 500})
    line.open()
    line.tell(AppendAudio(bytes(8_000)))
    assert speech_at(line, "speech", 300) == [SpeechStarted(at_ms=300)]
    assert speech_at(line, "pause", 900) == [SpeechStopped("U1", 900)]
    line.tell(EnterDigits("12"))  # 600 ms of silence, from 1000 on
    line.tell(AppendAudio(bytes(8_000)))
    assert speech_at(line, "speech", 1_900) == [SpeechStarted(at_ms=1_300)]
    assert speech_at(line, "pause", 2_500) == [SpeechStopped("U1", 1_900)]


@pytest.mark.parametrize("ms", [None, "soon", [], {}])
def test_a_time_that_is_none_is_left_out(dial: "Dial", ms: object) -> None:
    line = dial()
    line.open()
    assert speech_at(line, "speech", ms) == [SpeechStarted()]


# Our own turn detection


def speech(line: AudioFormat) -> bytes:
    """A sentence, and a second and a half of silence, in this format."""
    spoken = read_wav(FIXTURES / "sentence-en-us-male.wav")
    samples = ulaw_decode(np.frombuffer(spoken + b"\xff" * 12_000, np.uint8))
    return encoder(line)(resample(samples, 8_000, line.rate_hz))


def timeless(outcome: "list[Outcome]") -> "list[Outcome]":
    """Where exactly speech begins is the detector's affair."""
    times = (SpeechStarted, SpeechStopped)
    return [structs.replace(word, at_ms=None) if isinstance(word, times) else word for word in outcome]


@pytest.mark.parametrize("format", [PCMU_8K, L16_16K], ids=str)
def test_without_the_servers_turn_detection_we_hear_turns(dial: "Dial", format: AudioFormat) -> None:
    line = dial(turn_detection="none")
    line.open(format)
    line.play([(0.5, "created R1", []), (0.6, "audio R1 A 900", ["sound A 900"])])
    audio, size = speech(line.speaks), line.speaks.bytes_in(20)
    heard: list[Outcome] = []
    for at in range(0, len(audio), size):
        line.now += 0.02
        outcome = timeless(line.tell(AppendAudio(audio[at : at + size])))
        assert outcome[0] == f"append {len(audio[at : at + size])}"
        heard += outcome[1:]
        if SpeechStarted() in outcome:
            heard += line.tell(TruncateReply("A", 100))
        if "cancel R1" in outcome:
            heard += line.hear("done R1 cancelled client_cancelled")
    spoke = ["cancel R1", SpeechStarted(), "truncate A 100", ReplyEnded("A")]
    assert heard == [*spoke, SpeechStopped(), "commit", "create"]
    line.play(
        [
            (line.now, "committed U1", []),
            (line.now, "created R2 ours", []),
            (line.now, "audio R2 B 20", ["sound B 20"]),
            (line.now, "done R2 ours", [ReplyEnded("B")]),
        ]
    )


def test_our_own_turn_detector_counts_the_callers_audio_alone(dial: "Dial") -> None:
    line = dial(turn_detection={"type": "none", "silence_duration_ms": 700}, dtmf={"respond": "silence"})
    line.open()
    heard: list[Outcome] = []
    for _ in range(2):
        heard += line.tell(AppendAudio(speech(PCMU_8K)))
        line.tell(EnterDigits("12"))  # 800 ms
    first, second = (word.at_ms for word in heard if isinstance(word, SpeechStarted))
    assert first is not None
    assert second is not None
    assert abs(second - first - len(speech(PCMU_8K)) // 8) <= 60


def test_a_caller_who_only_is_suspected(dial: "Dial") -> None:
    line = dial(turn_detection="none", barge_in={"confirm_ms": 800})
    line.open()
    audio = speech(PCMU_8K)
    cough, rest = audio[: 8 * 700], bytes([0xFF]) * 8_000
    suspects = line.tell(AppendAudio(cough)) + line.tell(AppendAudio(rest))
    assert suspects == ["append 5600", SpeechSuspected(), "append 8000", SpeechDismissed()]
    speaks = timeless(line.tell(AppendAudio(audio + rest)))
    assert speaks[1:] == [SpeechSuspected(), SpeechStarted(), SpeechStopped(), "commit", "create"]


def test_what_our_turn_detector_hears_comes_with_the_frame_and_waits_for_no_timer(dial: "Dial") -> None:
    line = dial(turn_detection="none")
    line.open()
    audio = speech(PCMU_8K)
    frame, *heard = line.dialect.encode(AppendAudio(audio[: len(audio) // 2]), 5.0)
    assert isinstance(frame, str)
    assert [type(event) for event in heard] == [SpeechStarted]
    assert line.dialect.deadline() is None


def test_an_entry_before_the_session_stands_waits_for_it(dial: "Dial") -> None:
    line = dial()
    line.tell(OpenAssistant("CA1", PCMU_8K))
    assert line.tell(EnterDigits("12")) == [TYPED]
    assert line.hear(line.echo())[1:] == ["create"]
