"""Turns over HTTP: what becomes of each kind of answer."""

import base64
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.assistants.turn_based.dialect import TurnBasedDialect
from bridge.assistants.turn_based.settings import TurnBasedSettings
from bridge.assistants.turn_based.turns import MOST_FAILURES
from bridge.vocabulary.commands import (
    ConfirmHeard,
    EnterDigits,
    OpenAssistant,
    TruncateReply,
)
from bridge.vocabulary.contracts import Post, Posted
from bridge.vocabulary.events import (
    AssistantFailed,
    AssistantHangingUp,
    AssistantReportedError,
    CallerSaid,
    CloseRequested,
    ReplyAudio,
    ReplyEnded,
    ReplySaid,
)
from telecodecs.codec import decoder
from telecodecs.format import L16_16K, PCMA_8K, PCMU_8K, AudioFormat
from telecodecs.g711 import alaw_encode, ulaw_encode
from telecodecs.resample import resample
from telecodecs.wav import wav_encode

if TYPE_CHECKING:
    from tests.assistants.turn_based.conftest import Open

URL = "http://assistant.example.com/turn"


def error_report(why: str) -> AssistantReportedError:
    return AssistantReportedError(why)


def sounds(item: str, ms: int) -> list[Any]:
    return [f"sound {item} {ms}", ReplyEnded(item)]


def entry(turn: int, digits: str, reason: str, terminator: str, sensitive: str = "false") -> str:
    return f'post {turn} {{"digits":"{digits}","reason":"{reason}","terminator":"{terminator}","sensitive":{sensitive}}}'


SOUND = np.rint(8000 * np.sin(np.arange(4000) * 2 * np.pi * 440 / 8000)).astype(np.int16)
STEREO = (
    b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x02\0\x40\x1f\0\0\0\x7d\0\0\x04\0\x10\0data\xff\xff\xff\xff"
    + np.repeat(SOUND, 2).tobytes()
)
BYTES8 = (
    b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x40\x1f\0\0\x01\0\x08\0data\xff\xff\xff\xff"
    + ((SOUND >> 8) + 128).astype(np.uint8).tobytes()
)


def body(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


def b64(audio: bytes) -> str:
    return base64.b64encode(audio).decode()


def at(rate_hz: int) -> np.ndarray:
    return resample(SOUND, 8_000, rate_hz)


READ: list[tuple[str, bytes, dict[str, Any]]] = [
    ("audio/wav", wav_encode(SOUND, 8_000), {}),
    ("audio/x-wav", wav_encode(at(24_000), 24_000), {}),
    ("Audio/Wav; codecs=1", wav_encode(at(44_100), 44_100), {}),
    ("audio/vnd.wave", STEREO, {}),
    ("audio/wave", BYTES8, {}),
    ("audio/basic", ulaw_encode(SOUND).tobytes(), {}),
    ("audio/PCMU", ulaw_encode(SOUND).tobytes(), {}),
    ("audio/PCMA;rate=8000", alaw_encode(SOUND).tobytes(), {}),
    ("audio/L16;rate=16000", at(16_000).astype(">i2").tobytes(), {}),
    ('audio/L16; rate="8000"; channels=1', SOUND.astype(">i2").tobytes(), {}),
    ("application/octet-stream", wav_encode(SOUND, 8_000), {}),
    ("", wav_encode(SOUND, 8_000), {}),
    ("application/octet-stream", at(24_000).tobytes(), {"reply_format": "l16/24000"}),
    ("application/octet-stream", ulaw_encode(SOUND).tobytes(), {"reply_format": "pcmu"}),
    ("application/json", body(audio=b64(wav_encode(SOUND, 8_000))), {}),
    ("application/json; charset=utf-8", body(audio=b64(SOUND.tobytes()), format="l16/8000"), {}),
    ("application/json", body(audio=b64(wav_encode(SOUND, 8_000)), format="WAV", mood="sunny"), {}),
    ("application/json", body(audio=b64(ulaw_encode(SOUND).tobytes())), {"reply_format": "pcmu"}),
]


@pytest.mark.parametrize("line_format", [PCMU_8K, PCMA_8K, L16_16K], ids=str)
@pytest.mark.parametrize(("content_type", "answer", "settings"), READ, ids=[row[0] for row in READ])
def test_any_audio_is_spoken_in_the_lines_format(
    opened: "Open", line_format: AudioFormat, content_type: str, answer: bytes, settings: dict[str, Any]
) -> None:
    line = opened(line_format, **settings)
    line.tell(EnterDigits("1"))
    audio, ended = line.dialect.decode(Posted(200, content_type, answer), 1.0)
    assert isinstance(audio, ReplyAudio)
    assert ended == ReplyEnded(audio.item)
    heard = resample(decoder(line_format)(audio.audio), line_format.rate_hz, 8_000).astype(float)
    assert len(heard) == pytest.approx(len(SOUND), abs=2)
    middle = slice(500, 3500)
    error = np.sqrt(np.mean((heard[middle] - SOUND[middle]) ** 2))
    assert error < 0.03 * 8000


def test_what_is_in_the_lines_format_is_not_touched(opened: "Open") -> None:
    line = opened()
    line.tell(EnterDigits("1"))
    every = bytes(range(256))
    assert line.dialect.decode(Posted(200, "audio/basic", every), 1.0)[0] == ReplyAudio("reply-1", every)


def test_json_tells_words(opened: "Open", sentence: bytes) -> None:
    line = opened()
    line.says(sentence)
    answer = body(audio=b64(wav_encode(SOUND, 8_000)), text="Good day.", understood="Hello.")
    assert line.hear(Posted(200, "application/json", answer)) == [
        CallerSaid("utterance-1", "Hello."),
        ReplySaid("reply-1", "Good day."),
        *sounds("reply-1", 500),
    ]


NO_VOICE = "its reply has text and no audio: expected audio, the bridge has no speech synthesis"


def test_words_alone_are_not_heard(opened: "Open") -> None:
    line = opened()
    line.tell(EnterDigits("1"))
    assert line.hear(Posted(200, "application/json", body(text="Good day."))) == [error_report(NO_VOICE)]
    assert line.tell(EnterDigits("2")) == [entry(2, "2", "quiet", "")]


LEAVES = CloseRequested("the assistant hung up", 1000)


def test_it_hangs_up_when_its_goodbye_was_heard(opened: "Open") -> None:
    goodbye = Posted(200, "application/json", body(audio=b64(wav_encode(SOUND, 8_000)), hang_up=True))
    opened().play(
        [
            (1.0, EnterDigits("1"), [entry(1, "1", "quiet", "")]),
            (2.0, goodbye, [*sounds("reply-1", 500), AssistantHangingUp()]),
            (2.6, ConfirmHeard("reply-1"), [LEAVES]),
            (2.7, EnterDigits("1"), []),
        ]
    )


def test_or_at_once_if_there_is_none(opened: "Open") -> None:
    line = opened()
    line.tell(EnterDigits("1"))
    assert line.hear(Posted(200, "application/json", body(hang_up=True))) == [LEAVES]


def test_a_goodbye_that_was_cut_is_none(opened: "Open", sentence: bytes) -> None:
    line = opened(barge_in={})
    line.tell(EnterDigits("1"))
    line.hear(Posted(200, "application/json", body(audio=b64(wav_encode(SOUND, 8_000)), hang_up=True)))
    line.says(sentence[: 1000 * 8])
    assert line.tell(TruncateReply("reply-1", 100)) == [AssistantHangingUp(intended=False)]


def test_a_goodbye_without_a_mark_is_heard_in_time(opened: "Open") -> None:
    line = opened()
    line.tell(EnterDigits("1"))
    line.hear(Posted(200, "application/json", body(audio=b64(wav_encode(SOUND, 8_000)), hang_up=True)))
    assert line.pass_to(5.6)[-1] == LEAVES


REFUSED: list[tuple[Posted, str]] = [
    (Posted(0, "", b"no response came within 20 s"), "no response came within 20 s"),
    (
        Posted(404, "text/html", b"<h1>"),
        "it answered with 404 Not Found: expected 200, or 204 for nothing to say",
    ),
    (Posted(500, "audio/wav", b""), "it answered with 500 Internal Server Error"),
    (Posted(307, "", b""), "it answered with 307 Temporary Redirect"),
    (Posted(799, "", b""), "it answered with 799"),
    (Posted(200, "text/html", b"<h1>"), "it answered with 'text/html': expected one of audio/wav, "),
    (Posted(200, "audio/mpeg", b"ID3"), "it answered with 'audio/mpeg'"),
    (Posted(200, "audio/wav", b"RIFF"), "this is not a WAV file"),
    (Posted(200, "audio/wav", wav_encode(SOUND, 8_000)[:30]), "no format or no audio"),
    (Posted(200, "audio/wav", wav_encode(SOUND, 1)), "rate_hz 1 is out of range"),
    (Posted(200, "audio/wav", wav_encode(np.zeros(4_000_000, np.int16), 4_000)), "longer than 900 s"),
    (Posted(200, "audio/L16", b"\0\0"), "its audio/L16 should say its rate"),
    (
        Posted(200, "audio/L16;rate=8000;channels=2", b"\0\0"),
        "should say its rate, audio/L16;rate=16000, and have one",
    ),
    (Posted(200, "audio/L16;rate=8000", b"\0\0\0"), "3 bytes of L16 end within a sample"),
    (Posted(200, "audio/L16;rate=1", b"\0\0"), "rate_hz 1 is out of range"),
    (
        Posted(200, "application/octet-stream", b"\0\0"),
        "its audio does not say its format; reply_format should",
    ),
    (Posted(200, "application/json", b"{"), "its JSON cannot be read"),
    (Posted(200, "application/json", b"\xff"), "its JSON cannot be read"),
    (Posted(200, "application/json", b"[]"), "its JSON cannot be read: Expected `object`"),
    (Posted(200, "application/json", b"[" * 100_000), "its JSON cannot be read"),
    (Posted(200, "application/json", body(audio="//8")), "its JSON cannot be read: Invalid base64"),
    (Posted(200, "application/json", body(audio=b64(b"\xff"))), "its audio does not say its format"),
    (Posted(200, "application/json", body(audio="//8=", format="mp3")), "its format should be one of pcmu"),
    (Posted(200, "application/json", body(hang_up="yes")), "Expected `bool`, got `str` - at `$.hang_up`"),
]


@pytest.mark.parametrize(("posted", "why"), REFUSED, ids=[why for _, why in REFUSED])
def test_what_is_no_reply_costs_a_turn(opened: "Open", posted: Posted, why: str) -> None:
    line = opened()
    line.tell(EnterDigits("1"))
    (told,) = line.hear(posted)
    assert isinstance(told, AssistantReportedError)
    assert why in told.why
    assert len(told.why) < 300
    assert line.tell(EnterDigits("2")) == [entry(2, "2", "quiet", "")]
    assert line.hear("reply 500") == sounds("reply-1", 500)


def test_the_caller_hears_sorry(opened: "Open", tmp_path: Any) -> None:
    file = tmp_path / "sorry.wav"
    file.write_bytes(wav_encode(SOUND, 8_000))
    line = opened(L16_16K, sorry={"play": str(file)})
    line.tell(EnterDigits("1"))
    assert line.hear(Posted(500, "", b""))[1:] == sounds("sorry-1", 500)
    assert line.tell(EnterDigits("2")) == [entry(2, "2", "quiet", "")]


def test_five_failures_in_a_row_are_the_end(opened: "Open") -> None:
    line = opened()
    for answer in [Posted(500, "", b"")] * (MOST_FAILURES - 1) + [Posted(204, "", b"")]:
        line.tell(EnterDigits("1"))
        assert len(line.hear(answer)) == (answer.status == 500)
    for _ in range(MOST_FAILURES - 1):
        line.tell(EnterDigits("1"))
        assert [type(one) for one in line.hear(Posted(503, "", b""))] == [AssistantReportedError]
    line.tell(EnterDigits("1"))
    (failed,) = line.hear(Posted(0, "", b"no response came within 20 s"))
    why = "5 posts in a row brought no reply: no response came within 20 s"
    assert failed == AssistantFailed(why, final=True)
    assert line.tell(EnterDigits("1")) == []


ANSWERS = st.builds(
    Posted,
    st.sampled_from([0, 200, 204, 302, 404, 500]),
    st.sampled_from([row[0] for row in READ] + ["text/html", "audio/l16;rate=\u0664", ";;=", "audio/wav;"]),
    st.binary(max_size=60) | st.sampled_from([row[1] for row in READ]),
)


@given(story=st.lists(ANSWERS | st.sampled_from([EnterDigits("1"), ConfirmHeard("reply-1")]), max_size=20))
def test_whatever_is_answered_nothing_raises(story: list[Any]) -> None:
    dialect = TurnBasedDialect(TurnBasedSettings(url=URL))
    dialect.encode(OpenAssistant("CA1", PCMU_8K), 0.0)
    owed = 0
    for came in story:
        if not isinstance(came, Posted):
            owed += len([post for post in dialect.encode(came, 0.0) if isinstance(post, Post)])
        elif owed:
            owed -= 1
            dialect.decode(came, 0.0)


def test_a_server_that_asks_to_be_left_alone_is_when_it_has_failed(opened: "Open") -> None:
    line = opened()
    *_, failed = (
        outcome
        for _ in range(MOST_FAILURES)
        for outcome in [*line.tell(EnterDigits("1")), *line.hear(Posted(503, "", b"", 60.0))]
    )
    assert isinstance(failed, AssistantFailed)
    assert (failed.final, failed.retry_after_s) == (False, 60.0)
