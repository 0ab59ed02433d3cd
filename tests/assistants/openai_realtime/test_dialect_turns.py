"""Whose turn it is: responses asked for and not, digits, our own turn detection, and replies that do not come."""

from base64 import b64decode
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from bridge.events import (
    AppendAudio,
    AssistantComplained,
    AssistantFailed,
    CallerPaused,
    CallerSpoke,
    EnterDigits,
    Ignored,
    OpenAssistant,
    ReplyEnded,
    TruncateReply,
)
from bridge.phone.wav import read_wav
from telecodecs.codec import encoder
from telecodecs.format import L16_16K, PCMU_8K, AudioFormat
from telecodecs.g711 import ulaw_decode
from telecodecs.resample import resample

if TYPE_CHECKING:
    from tests.assistants.openai_realtime.conftest import Dial, Outcome, Row

FIXTURES = Path(__file__).parents[3] / "fixtures"

TYPED = "item user: The caller typed on the keypad: 12"
REFUSED = Ignored("error: conversation_already_has_active_response")
NO_REPLY = AssistantFailed("no reply within 10 s")

SPOKE: "list[Row]" = [
    (1.0, "speech U1", [CallerSpoke()]),
    (2.0, "pause U1", [CallerPaused("U1")]),
    (2.0, "committed U1", []),
]

SCENES: "dict[str, list[Row]]" = {
    # Digits
    "an entry becomes an item and a request": [
        (1.0, EnterDigits("12"), [TYPED, "create"]),
        (1.1, "added", []),
        (1.2, "created R1 ours", []),
        (1.3, "audio R1 A 20", ["sound A 20"]),
        (1.4, "done R1 ours", [ReplyEnded("A")]),
    ],
    "an entry during a reply cancels it, and is answered after its end": [
        (1.0, "created R1", []),
        (1.1, "audio R1 A 500", ["sound A 500"]),
        (1.2, EnterDigits("12"), ["cancel R1", TYPED]),
        (1.3, "audio R1 A 500", []),
        (1.4, "done R1 cancelled client_cancelled", [ReplyEnded("A"), "create"]),
    ],
    "an entry while a request is in flight: its response is not wanted any more": [
        (1.0, EnterDigits("12"), [TYPED, "create"]),
        (1.1, EnterDigits("12"), [TYPED]),
        (1.2, "created R1 ours", ["cancel R1"]),
        (1.3, "audio R1 A 20", []),
        (1.4, "done R1 cancelled client_cancelled", ["create"]),
    ],
    "an entry while the caller speaks is covered by the turn's own response": [
        (1.0, "speech U1", [CallerSpoke()]),
        (1.5, EnterDigits("12"), [TYPED]),
        (1.6, "added", []),
        (2.0, "pause U1", [CallerPaused("U1")]),
        (2.0, "committed U1", []),
        (2.2, "created R1", []),
        (2.3, "audio R1 A 20", ["sound A 20"]),
        (2.4, "done R1", [ReplyEnded("A")]),
    ],
    "an entry that the turn's response did not know is answered after it": [
        (1.0, "speech U1", [CallerSpoke()]),
        (2.0, "pause U1", [CallerPaused("U1")]),
        (2.0, "committed U1", []),
        (2.1, EnterDigits("12"), [TYPED]),
        (2.2, "created R1", []),
        (2.2, "added", []),
        (2.3, "audio R1 A 20", ["sound A 20"]),
        (2.4, "done R1", [ReplyEnded("A"), "create"]),
    ],
    # The gate against the server's own turn detection
    "refused, for the server was faster: kept until that response is done": [
        (1.0, EnterDigits("12"), [TYPED, "create"]),
        (1.1, "created R1", []),
        (1.1, "refused", [REFUSED]),
        (1.2, "added", []),
        (1.4, "audio R1 A 20", ["sound A 20"]),
        (1.5, "done R1", [ReplyEnded("A"), "create"]),
    ],
    "refused, but the server's own response knew the entry": [
        (1.0, EnterDigits("12"), [TYPED, "create"]),
        (1.1, "added", []),
        (1.1, "created R1", []),
        (1.1, "refused", [REFUSED]),
        (1.4, "audio R1 A 20", ["sound A 20"]),
        (1.5, "done R1", [ReplyEnded("A")]),
    ],
    "refused, and the response in the way was never announced": [
        (1.0, EnterDigits("12"), [TYPED, "create"]),
        (1.1, "refused", [REFUSED]),
        (1.5, "done R0", ["create"]),
    ],
    "a request that overlaps with the caller's speech is not talked over": [
        (1.0, EnterDigits("12"), [TYPED, "create"]),
        (1.1, "speech U1", [CallerSpoke()]),
        (1.2, "created R1 ours", ["cancel R1"]),
        (1.3, "audio R1 A 20", []),
        (1.4, "done R1 cancelled client_cancelled", []),
        (2.0, "pause U1", [CallerPaused("U1")]),
        (2.2, "created R2", []),
        (2.3, "audio R2 B 20", ["sound B 20"]),
    ],
    # No dead air
    "a request without an answer is made once more, then given up": [
        (1.0, EnterDigits("12"), [TYPED, "create"]),
        (5.9, None, []),
        (6.0, None, ["create"]),
        (11.0, None, [AssistantFailed("it makes no response, though asked twice")]),
        (60.0, None, []),
    ],
    "a turn that the server does not answer is asked for, once": [
        *SPOKE,
        (11.9, None, []),
        (12.0, None, ["create"]),
        (12.5, "created R1 ours", []),
        (12.6, "audio R1 A 20", ["sound A 20"]),
        (12.7, "done R1 ours", [ReplyEnded("A")]),
        (99.0, None, []),
    ],
    "a turn that is never answered": [
        *SPOKE,
        (12.0, None, ["create"]),
        (17.0, None, ["create"]),
        (21.9, None, []),
        (22.0, None, [NO_REPLY]),
        (99.0, None, []),
    ],
    "a response of which nothing comes": [
        *SPOKE,
        (2.1, "created R1", []),
        (12.0, None, []),
        (12.1, None, [NO_REPLY]),
    ],
    "a reply that stops in its middle": [
        *SPOKE,
        (2.1, "created R1", []),
        (3.0, "audio R1 A 20", ["sound A 20"]),
        (6.0, "audio R1 A 20", ["sound A 20"]),
        (15.9, None, []),
        (16.0, None, [NO_REPLY]),
    ],
    "a caller who speaks again waits for nothing": [
        *SPOKE,
        (3.0, "speech U2", [CallerSpoke()]),
        (30.0, "pause U2", [CallerPaused("U2")]),
        (30.0, "committed U2", []),
        (30.1, "created R1", []),
        (30.2, "audio R1 A 20", ["sound A 20"]),
    ],
    "a failed response is asked for once more, after a pause": [
        *SPOKE,
        (2.1, "created R1", []),
        (2.2, "done R1 failed server_error", [AssistantComplained("a response failed: server_error")]),
        (2.6, None, []),
        (2.7, None, ["create"]),
        (2.8, "created R2 ours", []),
        (2.9, "done R2 failed server_error", [AssistantFailed("a response failed: server_error")]),
    ],
    "a caller who speaks in the pause is answered by the server": [
        *SPOKE,
        (2.1, "created R1", []),
        (2.2, "done R1 failed server_error", [AssistantComplained("a response failed: server_error")]),
        (2.5, "speech U2", [CallerSpoke()]),
        (4.0, "pause U2", [CallerPaused("U2")]),
        (4.1, "created R2", []),
        (4.2, "audio R2 A 20", ["sound A 20"]),
        (4.3, "done R2", [ReplyEnded("A")]),
    ],
    "a reply cut short by the server is told": [
        (1.0, "created R1", []),
        (
            1.1,
            "done R1 incomplete max_output_tokens",
            [AssistantComplained("a reply is incomplete: max_output_tokens")],
        ),
    ],
    "an end without a beginning": [(1.0, "done R1 cancelled turn_detected", []), (1.1, "done R1", [])],
}


@pytest.mark.parametrize("scene", SCENES)
def test_with_the_servers_turn_detection(dial: "Dial", scene: str) -> None:
    line = dial()
    line.open()
    line.play(SCENES[scene])


def test_a_request_that_the_server_rejects_is_made_once_more(dial: "Dial") -> None:
    line = dial()
    line.open()
    line.tell(EnterDigits("12"))
    rejected = line.event("error invalid_value no")
    rejected["error"]["event_id"] = line.last("response.create")["event_id"]
    assert line.hear(rejected) == [AssistantComplained("a response failed: invalid_value: no")]
    assert line.pass_to(0.5) == ["create"]
    rejected["error"]["event_id"] = line.last("response.create")["event_id"]
    assert line.hear(rejected) == [AssistantFailed("a response failed: invalid_value: no")]


def test_if_the_server_detects_turns_but_does_not_answer_we_ask(dial: "Dial") -> None:
    line = dial(turn_detection={"type": "server_vad", "create_response": False})
    line.open()
    line.play(
        [
            (1.0, "speech U1", [CallerSpoke()]),
            (1.5, EnterDigits("12"), [TYPED]),
            (2.0, "pause U1", [CallerPaused("U1")]),
            (2.0, "committed U1", ["create"]),
            (2.2, "created R1 ours", []),
            (2.3, "audio R1 A 20", ["sound A 20"]),
            (2.4, "done R1 ours", [ReplyEnded("A")]),
        ]
    )


# Digits, other ways


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
