"""What of a call may be written to its trace, and when: transcripts of (ms, what came), and the lines that came of it."""

import json
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any

import pytest

from bridge.observers.trace import ASSISTANT, BRIDGE, CARRIER, HttpMessage, TraceLine, as_message, encode
from bridge.observers.trace_redaction import HOLD_MS, LONGEST_HELD_MS, TraceRedaction
from bridge.vocabulary.commands import EnterDigits, SetSensitive
from bridge.vocabulary.events import CallerAudio, CallStarted, DigitPressed, EntryEnd, Word
from telecodecs.format import PCMU_8K
from telecodecs.g711 import ulaw_encode
from telecodecs.wav import wav_decode

FIXTURES = Path(__file__).parents[2] / "fixtures"
LOUD, SILENCE = b"\x12" * 160, b"\xff" * 160
ON, OFF = SetSensitive(on=True), SetSensitive(on=False)
START: dict[str, Any] = {
    "event": "start",
    "start": {"mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}},
}


def media(audio: bytes = LOUD, track: str = "inbound") -> dict[str, Any]:
    return {"event": "media", "media": {"track": track, "payload": b64encode(audio).decode()}}


def key(digit: str) -> dict[str, Any]:
    return {"event": "dtmf", "dtmf": {"digit": digit}}


class Story:
    """One call's redaction, and what it has let out."""

    def __init__(self, *, shows: bool = False) -> None:
        self.redaction = TraceRedaction(shows=shows)
        self.lines: list[TraceLine] = []
        self.redaction.saw(CallStarted("CA1", "MZ1", PCMU_8K), 0.0)

    def said(self, at_ms: float, message: dict[str, Any] | str | bytes, to: str = BRIDGE) -> None:
        """A message was sent on a leg."""
        wire = json.dumps(message, ensure_ascii=False) if isinstance(message, dict) else message
        leg = "assistant-1" if to == ASSISTANT else CARRIER
        self.redaction.add(TraceLine(at_ms, to, leg=leg, **as_message(wire)))

    def pressed(self, at_ms: float, digit: str) -> None:
        """A key: its message, and the event that comes of it."""
        self.said(at_ms, key(digit))
        self.redaction.saw(DigitPressed(digit), at_ms)

    def saw(self, at_ms: float, *words: Word) -> None:
        for word in words:
            self.redaction.saw(word, at_ms)

    def taken(self, at_ms: float) -> int:
        """How many more lines may be written by then."""
        more = self.redaction.take(at_ms)
        self.lines += more
        return len(more)

    def end(self) -> list[TraceLine]:
        self.lines += self.redaction.rest()
        return self.lines

    @property
    def digits(self) -> str:
        messages = [json.loads(line.wire) for line in self.lines if line.message]
        return "".join(message["dtmf"]["digit"] for message in messages if "dtmf" in message)


def audio(line: TraceLine) -> bytes:
    message = json.loads(line.wire)
    return b64decode(message["media"]["payload"] if "media" in message else message["audio"])


def test_lines_wait_until_no_key_can_reach_back_to_them() -> None:
    call = Story()
    call.said(0, media())
    assert call.taken(HOLD_MS - 1) == 0
    assert call.taken(HOLD_MS) == 1


def test_an_entry_that_is_not_sensitive_is_shown_with_its_audio() -> None:
    call = Story()
    call.said(0, media())
    call.pressed(500, "4")
    assert call.taken(5_000) == 0, "it may become sensitive"
    call.pressed(5_500, "2")
    call.saw(6_500, EnterDigits("42"))
    assert call.taken(7_500) == 3
    assert call.digits == "42"
    assert audio(call.lines[0]) == LOUD


def test_keys_are_masked_while_they_are_sensitive() -> None:
    call = Story(shows=True)
    call.saw(100, ON)
    call.pressed(500, "4")
    call.pressed(900, "2")
    call.pressed(1_000, "#")
    call.saw(1_000, EnterDigits("42", EntryEnd.TERMINATOR, "#", "r1", "entry-1"), OFF)
    call.pressed(3_000, "7")
    call.saw(4_000, EnterDigits("7"))
    call.end()
    assert call.digits == "••#7", "the key that ended the entry is known, and needed by a replay"
    assert [line.masked for line in call.lines] == [True, True, False, False]


def test_keys_that_were_typed_ahead_are_masked_when_their_entry_becomes_sensitive() -> None:
    call = Story()
    call.said(0, START)
    for at_ms in (0, 300, 620, 900, 1_300):
        call.said(at_ms, media())
    call.pressed(1_400, "4")
    call.said(1_410, {"type": "digit", "digit": "4"}, ASSISTANT)
    call.taken(3_000)
    call.saw(3_000, ON)
    call.pressed(3_100, "2")
    call.saw(4_100, EnterDigits("42", placeholder="entry-1"), OFF)
    call.end()
    assert call.digits == "••"
    heard = [audio(line) for line in call.lines[1:6]]
    assert heard == [LOUD, LOUD, LOUD, SILENCE, SILENCE], "from 700 ms before the key on"
    assert json.loads(call.lines[7].wire) == {"type": "digit", "digit": "•"}


def test_the_callers_audio_is_silent_around_a_sensitive_key_on_both_ways() -> None:
    call = Story(shows=True)
    call.said(0, START)
    call.saw(0, ON)
    for at_ms in range(0, 3_000, 100):
        call.said(at_ms, media())
        call.said(at_ms, media(track="outbound"))
        call.said(at_ms, {"type": "input_audio_buffer.append", "audio": b64encode(LOUD).decode()}, ASSISTANT)
        call.said(at_ms, b64encode(LOUD).decode(), ASSISTANT)
        call.said(at_ms, LOUD, ASSISTANT)
        call.said(at_ms, media(), CARRIER)
        if at_ms == 1_500:
            call.redaction.saw(DigitPressed("5"), at_ms)
    _, *lines = call.end()
    for number in range(0, len(lines), 6):
        sent_ms = lines[number].at_ms
        is_silent = 1_500 - HOLD_MS <= sent_ms <= 1_500 + 150
        inbound, outbound, append, text, binary, played = lines[number : number + 6]
        expected = SILENCE if is_silent else LOUD
        assert audio(inbound) == audio(append) == b64decode(text.wire) == binary.wire == expected, sent_ms
        assert audio(outbound) == audio(played) == LOUD, "what is played to the caller is not the caller's"
        assert inbound.masked is append.masked is is_silent


def test_tones_in_the_audio_are_taken_out_while_keys_are_sensitive() -> None:
    samples, _ = wav_decode((FIXTURES / "dtmf.wav").read_bytes())
    sound = bytes(ulaw_encode(samples))
    frames = [sound[at : at + 160] for at in range(0, len(sound) - 159, 160)]
    call = Story()
    call.said(0, START)
    call.saw(0, ON)
    for number, frame in enumerate(frames):
        call.said(number * 20, media(frame))
        call.saw(number * 20, CallerAudio(frame, number * 20))
        call.taken(number * 20)
    _, *lines = call.end()
    heard = [audio(line) for line in lines]
    first, last = 1_940 // 20, 2_840 // 20  # the keys 1 2 3 4 #, see fixtures/README.md
    assert set(heard[first : last + 1]) == {SILENCE}
    assert heard[: first - 40] == frames[: first - 40]
    assert heard[last + 12 :] == frames[last + 12 :]


def test_an_unknown_codec_is_emptied() -> None:
    call = Story()
    call.said(0, {"event": "start", "start": {"media_format": {"encoding": "OPUS", "sample_rate": 16000}}})
    call.saw(0, ON)
    call.said(10, media(b"packet"))
    call.pressed(20, "5")
    assert audio(call.end()[1]) == b""


def test_a_key_whose_entry_never_ends_is_masked() -> None:
    call = Story()
    call.pressed(0, "4")
    assert call.taken(LONGEST_HELD_MS) == 0
    assert call.taken(LONGEST_HELD_MS + 1) == 1
    assert call.digits == "•"


def test_a_key_at_the_end_of_the_call_is_masked() -> None:
    call = Story()
    call.said(0, key("4"))
    call.end()
    assert call.digits == "•"


def test_keys_ahead_of_a_full_entry_stay_open_until_theirs_ends() -> None:
    call = Story()
    for number, digit in enumerate("4271"):
        call.pressed(number * 100, digit)
    call.saw(400, EnterDigits("42", EntryEnd.FULL))
    call.saw(450, ON)
    call.saw(1_500, EnterDigits("71", placeholder="entry-1"), OFF)
    call.end()
    assert call.digits == "42••"


def test_digits_of_an_entry_are_hidden_in_every_text_that_follows_and_in_those_that_wait() -> None:
    call = Story(shows=True)
    call.saw(0, ON)
    call.said(0, {"text": "864297?"}, ASSISTANT)
    call.saw(100, EnterDigits("864297", placeholder="entry-1"), OFF)
    call.said(5_000, {"text": "it is 86 42 97"}, ASSISTANT)
    call.redaction.add(TraceLine(5_001, what="tool", tool_call_id="t1", output='{"pin":"864297"}'))
    call.redaction.add(TraceLine(5_002, what="lost", leg="assistant-1", reason="864297"))
    assert b"86" not in b"".join(map(encode, call.end()))


def test_an_utterance_that_is_posted_with_a_sensitive_key_in_it_is_silent() -> None:
    call = Story()

    def posted(at_ms: float) -> None:
        post = HttpMessage(base64=LOUD, headers={"Content-Type": "audio/PCMU", "Authorization": "Bearer x"})
        call.redaction.add(TraceLine(at_ms, ASSISTANT, leg="assistant-1", post=post))

    posted(0)
    call.saw(100, ON)
    call.pressed(200, "4")
    posted(300)
    posted(400)
    call.saw(500, EnterDigits("4", placeholder="entry-1"), OFF)
    posts = [line.post for line in call.end() if line.post is not None]
    assert [post.base64 for post in posts] == [LOUD, SILENCE, LOUD]
    assert posts[0].headers == {"Content-Type": "audio/PCMU", "Authorization": "**********"}


SECRET = CallStarted("CA1", "MZ1", PCMU_8K, parameters={"api_key": "hunter2-canary"})


@pytest.mark.parametrize("shows", [False, True])
def test_secret_parameters_of_the_call_are_hidden_by_their_value(shows: bool) -> None:
    call = Story(shows=shows)
    call.saw(0, SECRET)
    call.said(0, {"text": "hunter2-canary"}, ASSISTANT)
    assert "hunter2" not in call.end()[0].wire
