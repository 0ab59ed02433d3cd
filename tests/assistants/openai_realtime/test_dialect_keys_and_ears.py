"""An entry that is not answered at once, and turns that we detect ourselves."""

from base64 import b64decode
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from bridge.commands import AppendAudio, EnterDigits, OpenAssistant, TruncateReply
from bridge.events import CallerPaused, CallerSpoke, ReplyEnded
from bridge.phone.wav import read_wav
from telecodecs.codec import encoder
from telecodecs.format import L16_16K, PCMU_8K, AudioFormat
from telecodecs.g711 import ulaw_decode
from telecodecs.resample import resample

if TYPE_CHECKING:
    from tests.assistants.openai_realtime.conftest import Dial, Outcome

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
            (1.0, "speech U1", [CallerSpoke()]),
            (1.1, EnterDigits("12"), [TYPED]),
            (2.0, "pause U1", [CallerPaused("U1")]),
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


# Our own turn detection


def speech(line: AudioFormat) -> bytes:
    """A sentence, and a second and a half of silence, in this format."""
    spoken = read_wav(FIXTURES / "sentence-en-us-male.wav")
    samples = ulaw_decode(np.frombuffer(spoken + b"\xff" * 12_000, np.uint8))
    return encoder(line)(resample(samples, 8_000, line.rate_hz))


@pytest.mark.parametrize("format", [PCMU_8K, L16_16K], ids=str)
def test_without_the_servers_turn_detection_we_hear_turns(dial: "Dial", format: AudioFormat) -> None:
    line = dial(turn_detection="none")
    line.open(format)
    line.play([(0.5, "created R1", []), (0.6, "audio R1 A 900", ["sound A 900"])])
    audio, size = speech(line.speaks), line.speaks.bytes_in(20)
    heard: list[Outcome] = []
    for at in range(0, len(audio), size):
        line.now += 0.02
        outcome = line.tell(AppendAudio(audio[at : at + size]))
        assert outcome[0] == f"append {len(audio[at : at + size])}"
        heard += outcome[1:]
        if CallerSpoke() in outcome:
            heard += line.tell(TruncateReply("A", 100))
        if "cancel R1" in outcome:
            heard += line.hear("done R1 cancelled client_cancelled")
    spoke = ["cancel R1", CallerSpoke(), "truncate A 100", ReplyEnded("A")]
    assert heard == [*spoke, "commit", "create", CallerPaused()]
    line.play(
        [
            (line.now, "committed U1", []),
            (line.now, "created R2 ours", []),
            (line.now, "audio R2 B 20", ["sound B 20"]),
            (line.now, "done R2 ours", [ReplyEnded("B")]),
        ]
    )


def test_what_is_noticed_while_audio_is_sent_is_due_at_once(dial: "Dial") -> None:
    line = dial(turn_detection="none")
    line.open()
    audio = speech(PCMU_8K)
    line.now = 5.0
    line.dialect.encode(AppendAudio(audio[: len(audio) // 2]), 5.0)
    assert line.dialect.deadline() == 5.0
    assert line.hear("transcribed U0 ") == [CallerSpoke()], "in order, if a message comes first"
    assert line.dialect.deadline() is None


def test_an_entry_before_the_session_stands_waits_for_it(dial: "Dial") -> None:
    line = dial()
    line.tell(OpenAssistant("CA1", PCMU_8K))
    assert line.tell(EnterDigits("12")) == [TYPED]
    assert line.hear(line.echo())[1:] == ["create"]
