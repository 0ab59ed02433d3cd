"""The dialect, told as sessions: when, what came, what it does."""

from typing import TYPE_CHECKING, Any

import pytest

from bridge.assistants.openai_realtime.dialect import SESSION_S, RealtimeDialect
from bridge.assistants.openai_realtime.settings import RealtimeSettings
from bridge.errors import MalformedMessage
from bridge.events import (
    AppendAudio,
    AssistantComplained,
    AssistantFailed,
    AssistantReady,
    CallerPaused,
    CallerSaid,
    CallerSpoke,
    CloseAssistant,
    Ignored,
    OpenAssistant,
    ReplyAudio,
    ReplyEnded,
    ReplySaid,
    TokensUsed,
    TypeDigit,
)
from telecodecs.format import L16_8K, L16_16K, L16_24K, PCMA_8K, PCMU_8K, AudioFormat

if TYPE_CHECKING:
    from tests.assistants.openai_realtime.conftest import Dial, Row


def ready(hears: AudioFormat, speaks: AudioFormat, lasts_s: float | None = None) -> AssistantReady:
    return AssistantReady(hears, speaks, lasts_s, keys_interrupt=True)


READY = ready(PCMU_8K, PCMU_8K)


def session(**fields: Any) -> dict[str, Any]:
    return {"type": "session.updated", "session": fields}


def formats(hears: object, speaks: object) -> dict[str, Any]:
    return session(audio={"input": {"format": hears}, "output": {"format": speaks}})


# Opening


def test_the_session_is_set_at_once_and_ready_when_confirmed(dial: "Dial") -> None:
    line = dial()
    assert line.tell(OpenAssistant("CA1", PCMU_8K)) == ["update listening"]
    assert line.hear({"type": "session.created", "session": {"id": "sess_1"}}) == []
    assert line.hear(line.echo()) == [READY]
    assert line.dialect.deadline() is None


def test_nothing_is_heard_before_the_formats_are_confirmed(dial: "Dial") -> None:
    line = dial()
    line.tell(OpenAssistant("CA1", PCMU_8K))
    assert line.tell(AppendAudio(bytes(160))) == []
    line.hear(line.echo())
    assert line.tell(AppendAudio(bytes(160))) == ["append 160"]


CONFIRMED = [
    (session(), PCMU_8K, PCMU_8K),
    (session(audio=None), PCMU_8K, PCMU_8K),
    (formats({"type": "audio/pcmu"}, {"type": "audio/pcmu"}), PCMU_8K, PCMU_8K),
    (formats({"type": "audio/pcma", "rate": 8000}, None), PCMA_8K, PCMU_8K),
    (formats({"type": "audio/pcm", "rate": 24000}, {"type": "audio/pcm"}), L16_24K, L16_24K),
    (formats({"type": "audio/pcm", "rate": 16000}, {"type": "audio/pcmu"}), L16_16K, PCMU_8K),
    (formats("audio/pcmu", "audio/pcm"), PCMU_8K, L16_24K),
    (session(input_audio_format="g711_ulaw", output_audio_format="pcm16"), PCMU_8K, L16_24K),
    (session(input_audio_format="g711_alaw", output_audio_format="g711_alaw"), PCMA_8K, PCMA_8K),
]


@pytest.mark.parametrize(("answer", "hears", "speaks"), CONFIRMED)
def test_what_the_server_confirms_counts_and_not_what_was_asked(
    dial: "Dial", answer: dict[str, Any], hears: AudioFormat, speaks: AudioFormat
) -> None:
    line = dial()
    line.tell(OpenAssistant("CA1", PCMU_8K))
    assert line.hear(answer) == [ready(hears, speaks)]


@pytest.mark.parametrize(
    ("line_format", "asked"),
    [(PCMU_8K, PCMU_8K), (PCMA_8K, PCMA_8K), (L16_8K, L16_24K), (L16_16K, L16_24K)],
    ids=str,
)
def test_a_server_that_tells_no_formats_has_those_that_were_asked(
    dial: "Dial", line_format: AudioFormat, asked: AudioFormat
) -> None:
    line = dial()
    line.tell(OpenAssistant("CA1", line_format))
    assert line.hear(session()) == [ready(asked, asked)]


@pytest.mark.parametrize(
    ("answer", "named"),
    [
        (formats({"type": "audio/opus"}, {"type": "audio/pcmu"}), "audio/opus"),
        (session(output_audio_format="mp3"), "mp3"),
        (formats(None, {"type": "audio/pcm", "rate": 11025}), "audio/pcm at 11025 Hz"),
    ],
)
def test_a_format_that_the_bridge_cannot_is_refused_by_name(
    dial: "Dial", answer: dict[str, Any], named: str
) -> None:
    line = dial()
    line.tell(OpenAssistant("CA1", PCMU_8K))
    (failed,) = line.hear(answer)
    assert isinstance(failed, AssistantFailed)
    assert failed.final
    assert named in failed.why


def test_formats_that_change_later_are_told_and_those_that_stay_are_not(dial: "Dial") -> None:
    line = dial()
    line.open()
    assert line.hear(session()) == []
    assert line.hear(formats({"type": "audio/pcmu"}, {"type": "audio/pcmu"})) == []
    changed = formats({"type": "audio/pcm", "rate": 24000}, {"type": "audio/pcm", "rate": 24000})
    assert line.hear(changed) == [ready(L16_24K, L16_24K)]


@pytest.mark.parametrize(("respond", "interrupts"), [("create", True), ("silence", False), ("none", False)])
def test_an_entry_interrupts_where_it_is_answered(dial: "Dial", respond: str, interrupts: bool) -> None:
    line = dial(dtmf={"respond": respond})
    assert line.open() == [AssistantReady(PCMU_8K, PCMU_8K, keys_interrupt=interrupts)]


@pytest.mark.parametrize(
    ("body", "lasts_s"),
    [
        ({"id": "sess_1"}, None),
        ({"expires_at": 1_764_000_000}, SESSION_S),
        ({"expires_at": 1_764_000_000, "created_at": 1_763_998_200}, 1_800.0),
        ({"expires_at": "soon"}, None),
    ],
)
def test_how_long_it_lasts(dial: "Dial", body: dict[str, Any], lasts_s: float | None) -> None:
    line = dial()
    line.tell(OpenAssistant("CA1", PCMU_8K))
    line.hear({"type": "session.created", "session": body})
    assert line.hear(line.echo()) == [ready(PCMU_8K, PCMU_8K, lasts_s)]


@pytest.mark.parametrize(
    ("code", "text"),
    [("missing_required_parameter", "session.tools[0].name"), ("odd_code", ""), ("server_error", "sorry")],
)
def test_an_error_before_the_session_stands_is_the_end(dial: "Dial", code: str, text: str) -> None:
    line = dial()
    line.tell(OpenAssistant("CA1", PCMU_8K))
    (failed,) = line.hear(f"error {code} {text}")
    assert isinstance(failed, AssistantFailed)
    assert failed.final
    assert code in failed.why
    assert text in failed.why


def test_a_session_that_failed_does_not_become_ready(dial: "Dial") -> None:
    line = dial()
    line.tell(OpenAssistant("CA1", PCMU_8K))
    assert len(line.hear("error invalid_value no")) == 1
    assert line.hear(line.echo()) == []


# The voice


def test_a_reply_of_two_items(dial: "Dial") -> None:
    line = dial()
    line.open()
    line.play(
        [
            (1.0, "created R1", []),
            (1.1, "words R1 A Good day", [ReplySaid("A", "Good day")]),
            (1.1, "audio R1 A 500", ["sound A 500"]),
            (1.2, "audio R1 A 100", ["sound A 100"]),
            (1.2, "audio-done R1 A", [ReplyEnded("A")]),
            (1.3, "audio R1 B 300", ["sound B 300"]),
            (1.4, "done R1", [ReplyEnded("B")]),
        ]
    )


BETA: list[tuple[dict[str, Any], list[object]]] = [
    ({"type": "response.audio.delta", "item_id": "A", "response_id": "R", "delta": "//8="}, ["sound A 0.25"]),
    ({"type": "response.audio.done", "item_id": "A", "response_id": "R"}, [ReplyEnded("A")]),
    (
        {"type": "response.audio_transcript.delta", "item_id": "A", "response_id": "R", "delta": "Hi"},
        [ReplySaid("A", "Hi")],
    ),
    ({"type": "response.audio_transcript.done", "item_id": "A", "transcript": "Hi"}, []),
    ({"type": "conversation.item.created", "item": {"id": "A", "type": "message"}}, []),
]


def test_the_names_of_the_beta_are_understood(dial: "Dial") -> None:
    line = dial()
    line.open()
    for event, outcome in BETA:
        assert line.hear(event) == outcome


def test_words_that_come_only_at_the_end_are_told_then(dial: "Dial") -> None:
    line = dial()
    line.open()
    event = {"type": "response.output_audio_transcript.done", "item_id": "A", "transcript": "Good day"}
    assert line.hear(event) == [ReplySaid("A", "Good day")]
    assert line.hear(event) == []


def test_a_sample_cut_in_two_is_joined(dial: "Dial") -> None:
    line = dial()
    line.open(L16_16K)
    halves: list[object] = []
    for delta in ("AAAA", "AA==", "AAA="):
        halves += line.hear({"type": "response.output_audio.delta", "item_id": "A", "delta": delta})
    assert halves == [f"sound A {ms:g}" for ms in (1 / 24, 1 / 24, 1 / 24)]


# The caller's words, the price, what is not needed


def test_a_turn_of_the_caller(dial: "Dial") -> None:
    line = dial()
    line.open()
    line.play(
        [
            (1.0, "speech U1", [CallerSpoke()]),
            (2.0, "pause U1", [CallerPaused("U1")]),
            (2.0, "committed U1", []),
            (2.1, "created R1", []),
            (2.2, "audio R1 A 500", ["sound A 500"]),
            (2.3, "transcribed U1 Where are you?", [CallerSaid("U1", "Where are you?")]),
        ]
    )


USAGE = {
    "total_tokens": 410,
    "input_token_details": {"text_tokens": 200, "audio_tokens": 110, "cached_tokens": 128},
    "output_token_details": {"text_tokens": 25, "audio_tokens": 0},
}


def test_what_a_reply_costs(dial: "Dial") -> None:
    line = dial()
    line.open()
    done = {"type": "response.done", "response": {"id": "R1", "status": "completed", "usage": USAGE}}
    tokens = {"input_text": 200, "input_audio": 110, "input_cached": 128, "output_text": 25}
    assert line.hear(done) == [TokensUsed(tokens)]


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        (
            {
                "type": "tokens",
                "input_token_details": {"audio_tokens": 30, "text_tokens": 0},
                "output_tokens": 7,
            },
            {"transcription_input_audio": 30, "transcription_output_text": 7},
        ),
        ({"type": "duration", "seconds": 2.2}, {"transcription_seconds": 3}),
    ],
)
def test_what_writing_down_the_caller_costs(dial: "Dial", usage: object, tokens: dict[str, int]) -> None:
    line = dial()
    line.open()
    event = line.event("transcribed U1 Hello") | {"usage": usage}
    assert line.hear(event) == [CallerSaid("U1", "Hello"), TokensUsed(tokens)]


@pytest.mark.parametrize("usage", [None, [], "7", {"input_token_details": 7}, {"input_token_details": None}])
def test_a_price_that_makes_no_sense_costs_nothing_else(dial: "Dial", usage: object) -> None:
    line = dial()
    line.open()
    line.play([(1.0, "created R1", []), (1.1, "audio R1 A 20", ["sound A 20"])])
    done = {"type": "response.done", "response": {"id": "R1", "usage": usage}}
    assert line.hear(done) == [ReplyEnded("A")]


def test_what_could_not_be_written_down_is_a_complaint(dial: "Dial") -> None:
    line = dial()
    line.open()
    event = {
        "type": "conversation.item.input_audio_transcription.failed",
        "error": {"code": "audio_unintelligible"},
    }
    (complaint,) = line.hear(event)
    assert isinstance(complaint, AssistantComplained)
    assert "audio_unintelligible" in complaint.why


@pytest.mark.parametrize("kind", ["vendor.novelty", "mcp_list_tools.completed"])
def test_an_unknown_kind_is_ignored(dial: "Dial", kind: str) -> None:
    line = dial()
    line.open()
    assert line.hear({"type": kind, "delta": 7}) == [Ignored(kind)]


@pytest.mark.parametrize("kind", ["rate_limits.updated", "response.content_part.added"])
def test_a_known_kind_without_news_is_not_told(dial: "Dial", kind: str) -> None:
    line = dial()
    line.open()
    assert line.hear({"type": kind}) == []


@pytest.mark.parametrize("message", [b"{}", "", "[]", '{"type":"response.output_audio.delta","item_id":"A"}'])
def test_refuses(dial: "Dial", message: str | bytes) -> None:
    with pytest.raises(MalformedMessage):
        dial().dialect.decode(message, 0.0)


def test_a_key_alone_is_not_told_and_the_end_needs_no_words(dial: "Dial") -> None:
    line = dial()
    line.open()
    assert line.tell(TypeDigit("5")) == []
    assert line.tell(CloseAssistant()) == []
    assert line.dialect.deadline() is None


# Pass-through


def test_audio_passes_without_a_codec(monkeypatch: pytest.MonkeyPatch) -> None:
    def decoded(*_: object) -> None:
        raise AssertionError("a sample was decoded or encoded")

    for module, function in (("g711", "ulaw_decode"), ("g711", "ulaw_encode"), ("l16", "l16_decode")):
        monkeypatch.setattr(f"telecodecs.{module}.{function}", decoded)
        monkeypatch.setattr(f"telecodecs.codec.{function}", decoded)
    monkeypatch.setattr("telecodecs.speech.SpeechDetector.feed", decoded)
    dialect = RealtimeDialect(RealtimeSettings(), ())
    dialect.encode(OpenAssistant("CA1", PCMU_8K), 0.0)
    dialect.decode('{"type":"session.updated","session":{}}', 0.0)
    (message,) = dialect.encode(AppendAudio(b"\xff\x7f\x00"), 0.0)
    assert message == '{"type":"input_audio_buffer.append","audio":"/38A"}'
    delta = '{"type":"response.output_audio.delta","response_id":"R","item_id":"A","delta":"/38A"}'
    (reply,) = dialect.decode(delta, 0.0)
    assert reply == ReplyAudio("A", b"\xff\x7f\x00")


def test_a_transcript_of_rows_can_fail(dial: "Dial") -> None:
    rows: list[Row] = [(1.0, "speech U1", [])]
    line = dial()
    line.open()
    with pytest.raises(AssertionError):
        line.play(rows)


def test_what_was_typed_into_the_settings_stays_one_json_string(dial: "Dial") -> None:
    line = dial(greeting='Say "hi"\nand mean it')
    line.open()
    assert line.sent[-1]["response"]["instructions"].endswith('nothing else: "Say "hi"\nand mean it"')
