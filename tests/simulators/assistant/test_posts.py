"""The simulated assistant over HTTP, without a socket: each POST, its answer, and every fault."""

import json
import wave
from base64 import b64decode
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from multidict import CIMultiDict

from bridge.config.audio_file import read_wav
from bridge.simulators.assistant.bodies import Unreadable, media_type, read_body, wav
from bridge.simulators.assistant.posts import CALL_HEADER, RUBBISH, TURN_HEADER, PostAnswer, Posts
from bridge.simulators.assistant.script import parse_script
from telecodecs.dtmf import tones
from telecodecs.format import L16_8K, L16_16K, PCMU_8K, AudioFormat, Encoding
from telecodecs.g711 import ulaw_encode
from telecodecs.l16 import l16_encode, l16be_encode

FIXTURES = Path(__file__).parents[3] / "fixtures"
TONE = (8000 * np.sin(np.arange(1600) / 3)).astype(np.int16)
L16, L16_BE, MULAW = l16_encode(TONE), l16be_encode(TONE), ulaw_encode(TONE).tobytes()


def posts(script: str = "") -> Posts:
    return Posts(parse_script(script, FIXTURES))


def post(
    server: Posts, body: bytes, content_type: str = "audio/wav", call: str = "CA1", turn: int | None = None
) -> PostAnswer:
    headers = CIMultiDict({"content-type": content_type, CALL_HEADER.lower(): call})
    if turn is not None:
        headers[TURN_HEADER] = str(turn)
    return server.hear(headers, body, 100.0)


def said(answer: PostAnswer) -> tuple[bytes, AudioFormat]:
    """The audio of a WAV, whoever reads it."""
    body = answer.body
    if answer.content_type == "application/json":
        body = b64decode(json.loads(body)["audio"], validate=True)
    with wave.open(BytesIO(body)) as file:
        assert (file.getnchannels(), file.getsampwidth()) == (1, 2)
        return file.readframes(file.getnframes()), AudioFormat(Encoding.L16, file.getframerate())


ECHOES = [
    ("wav", "audio/wav", wav(L16), "audio/wav", wav(L16)),
    ("wav", "audio/x-wav", wav(L16, L16_16K), "audio/wav", wav(L16, L16_16K)),
    ("l16", "audio/L16;rate=16000", L16_BE, "audio/L16;rate=16000", L16_BE),
    ("l16", "audio/l16; channels=1; rate=8000", L16_BE, "audio/L16;rate=8000", L16_BE),
    ("pcmu", "audio/PCMU", MULAW, "audio/PCMU", MULAW),
    ("pcmu", "audio/basic", MULAW, "audio/PCMU", MULAW),
]


@pytest.mark.parametrize(("reply_as", "content_type", "body", "back_as", "back"), ECHOES)
def test_the_audio_comes_back(
    reply_as: str, content_type: str, body: bytes, back_as: str, back: bytes
) -> None:
    server = posts(f'reply_as = "{reply_as}"')
    assert post(server, body, content_type) == PostAnswer(200, back_as, back, after_s=0.3)
    (turn,) = server.turns
    assert (turn.call, turn.number, turn.at) == ("CA1", 1, 100.0)
    assert turn.headers["Content-Type"] == content_type
    assert turn.utterance is not None


@pytest.mark.parametrize("reply_as", ["wav", "json", "pcmu", "l16"])
@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 24_000, 44_100])
def test_it_answers_in_any_format_and_rate(reply_as: str, rate_hz: int) -> None:
    answer = post(posts(f'reply_as = "{reply_as}"\nreply_rate_hz = {rate_hz}'), wav(L16))
    if reply_as in {"wav", "json"}:
        audio, format = said(answer)
        assert format.rate_hz == rate_hz
        assert format.duration_ms(len(audio)) == pytest.approx(200, abs=1)
    else:
        expected = 1600 if reply_as == "pcmu" else 2 * round(rate_hz / 5)
        assert len(answer.body) == pytest.approx(expected, abs=2)


def test_recordings_in_turn() -> None:
    server = posts('say = ["sentence-en-us-male.wav", "dtmf.wav"]\nreply_as = "pcmu"')
    bodies = [post(server, MULAW, "audio/PCMU").body for _ in range(3)]
    assert bodies[0] == bodies[2] == read_wav(FIXTURES / "sentence-en-us-male.wav")
    assert bodies[1] == read_wav(FIXTURES / "dtmf.wav")


def test_json_has_words_and_the_end() -> None:
    server = posts('reply_as = "json"\ntext = ["Good.", "Bye."]\nunderstood = ["Hm."]\nhang_up_turn = 2')
    first, second = (json.loads(post(server, wav(L16)).body) for _ in range(2))
    assert (first["text"], first["understood"], "hang_up" in first) == ("Good.", "Hm.", False)
    assert (second["text"], second["hang_up"]) == ("Bye.", True)
    assert b64decode(first["audio"]) == wav(L16)


@pytest.mark.parametrize("digits", ["4", "1234", "*0#"])
def test_an_entry_comes_back_as_tones(digits: str) -> None:
    server = posts()
    entry = {"digits": digits, "reason": "terminator", "sensitive": True}
    answer = post(server, json.dumps(entry).encode(), "application/json; charset=utf-8")
    assert said(answer) == (l16_encode(tones(digits)), L16_8K)
    (turn,) = server.turns
    assert (turn.entry, turn.utterance) == (entry, None)


def test_an_empty_entry_is_answered_without_audio() -> None:
    assert said(post(posts(), b'{"digits":""}', "application/json"))[0] == b""


@pytest.mark.parametrize("body", [b"", wav(b"")])
def test_an_empty_utterance_asks_for_the_greeting(body: bytes) -> None:
    assert post(posts(), body, turn=0).status == 204
    greets = posts('greeting = "sentence-en-us-male.wav"\nreply_as = "pcmu"')
    assert post(greets, body, turn=0).body == read_wav(FIXTURES / "sentence-en-us-male.wav")
    assert [turn.number for turn in greets.turns] == [0]


REFUSED: list[tuple[str, bytes, int, str]] = [
    (
        "audio/mpeg",
        b"x",
        415,
        "'audio/mpeg' is not audio; expected audio/wav, audio/PCMU or audio/L16;rate=…",
    ),
    ("", b"x", 415, "is not audio"),
    ("audio/wav", b"RIFF", 400, "the body is not a WAV file"),
    ("audio/wav", b"nothing of the kind", 400, "the body is not a WAV file"),
    ("audio/wav", wav(L16)[:30], 400, "the body is not a WAV file"),
    ("audio/L16", L16_BE, 400, "expected the parameter rate"),
    ("audio/L16;rate=fast", L16_BE, 400, "expected the parameter rate"),
    ("audio/L16;rate=1", L16_BE, 400, "rate_hz 1 is out of range"),
    ("audio/L16;rate=8000", L16_BE[:-1], 400, "two bytes for each sample"),
    ("application/json", b"{", 400, "not a JSON object"),
    ("application/json", b"[]", 400, "not a JSON object"),
    ("application/json", b"{}", 400, "digits: expected a string of keys"),
    ("application/json", b'{"digits":"1a"}', 400, "digits: expected a string of keys"),
    ("application/json", b'{"digits":12}', 400, "digits: expected a string of keys"),
]


@pytest.mark.parametrize(("content_type", "body", "status", "why"), REFUSED)
def test_a_wrong_post_is_refused_with_a_reason(content_type: str, body: bytes, status: int, why: str) -> None:
    server = posts()
    answer = post(server, body, content_type)
    assert answer.status == status
    assert why in answer.body.decode()
    assert (len(server.refused), server.turns) == (1, [])


def test_stereo_is_refused() -> None:
    body = BytesIO()
    with wave.open(body, "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(L16)
    with pytest.raises(Unreadable, match="one channel"):
        read_body("audio/wav", body.getvalue())


def test_media_types() -> None:
    assert media_type("Audio/L16; Rate=16000") == ("audio/l16", {"rate": "16000"})
    assert media_type("application/json") == ("application/json", {})
    assert media_type("rubbish")[0] == "text/plain"


FAULTS: list[tuple[str, dict[str, Any]]] = [
    ("refuse = 503", {"status": 503, "content_type": "text/plain", "body": b"scripted"}),
    ('reply = "rubbish"', {"body": RUBBISH}),
    ('reply = "mislabelled"', {"content_type": "text/html"}),
    ('reply = "empty"', {"body": b""}),
    ('reply = "half"', {"cut": True}),
    ('reply = "none"', {"status": 0, "content_type": "", "body": b"", "after_s": 0.0}),
    ("reply_s = 25", {"after_s": 25.0}),
    ("body_s = 3", {"body_s": 3.0}),
    (
        "close = 1006\nclose_after_s = 2",
        {"status": 0, "content_type": "", "body": b"", "cut": True, "after_s": 2.0},
    ),
]


@pytest.mark.parametrize(("fault", "differs"), FAULTS)
def test_a_turn_with_a_fault_and_one_without(fault: str, differs: dict[str, Any]) -> None:
    server = posts(f"[[faults]]\nturns = 1\n{fault}")
    good = PostAnswer(200, "audio/wav", wav(L16), after_s=0.3)
    assert post(server, wav(L16)) == good._replace(**differs)
    assert post(server, wav(L16)) == good, "only the first turn has the fault"


@pytest.mark.parametrize("reply_as", ["wav", "json", "pcmu", "l16"])
@pytest.mark.parametrize("length", [1_024, 2_000_000])
def test_a_body_of_any_length(reply_as: str, length: int) -> None:
    answer = post(posts(f'reply_as = "{reply_as}"\n[faults]\nreply_bytes = {length}'), wav(L16))
    assert len(answer.body) == pytest.approx(length, abs=100)


def test_noise_in_json() -> None:
    answer = post(posts('reply_as = "json"\n[faults]\nnoise = true'), wav(L16))
    assert {"audio", "mood", ""} == json.loads(answer.body).keys()


def test_faults_concern_calls_and_turns_by_their_numbers() -> None:
    server = posts("[[faults]]\nconnections = [2]\nturns = [2]\nrefuse = 500")
    rows = [("A", None), ("B", None), ("A", None), ("B", None), ("B", None), ("A", 2), ("B", 2)]
    statuses = [post(server, wav(L16), call=call, turn=turn).status for call, turn in rows]
    assert statuses == [200, 200, 200, 500, 200, 200, 500]
    assert [turn.number for turn in server.turns] == [1, 1, 2, 2, 3, 2, 2]


def test_a_turn_is_refused_for_a_while() -> None:
    server = posts("[[faults]]\nturns = [2]\nrefuse = 503\nrefuse_times = 2\nretry_after_s = 1")
    answers = [post(server, wav(L16), call="A", turn=turn) for turn in (1, 2, 2, 2)]
    assert [(one.status, one.retry_after_s) for one in answers] == [
        (200, None),
        (503, 1),
        (503, 1),
        (200, None),
    ]
    assert post(server, wav(L16), call="B", turn=2).status == 503, "another call has its own count"


def test_without_a_record_nothing_is_kept() -> None:
    server = Posts(parse_script(""), keeps_record=False)
    post(server, wav(L16))
    post(server, b"x")
    assert (server.turns, server.refused) == ([], [])


def test_a_pcmu_request_is_answered_as_wav() -> None:
    audio, format = said(post(posts(), MULAW, "audio/PCMU"))
    assert (len(audio), format) == (3200, L16_8K)
    assert read_body("audio/PCMU", MULAW).format == PCMU_8K
