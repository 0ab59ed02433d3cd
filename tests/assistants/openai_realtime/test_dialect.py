"""The dialect, told as sessions: when, what came, what it does."""

from typing import TYPE_CHECKING, Any

import pytest

from bridge.assistants.openai_realtime.dialect import SESSION_S, RealtimeDialect
from bridge.assistants.openai_realtime.settings import RealtimeSettings
from bridge.vocabulary.commands import AppendAudio, OpenAssistant
from bridge.vocabulary.events import AssistantFailed, AssistantReady, ReplyAudio, ReplyEnded, ReplySaid
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
    (
        formats({"type": "audio/pcm", "rate": "8000"}, {"type": "audio/pcm", "rate": 24000.0}),
        L16_8K,
        L16_24K,
    ),
    (formats({"type": "audio/pcm", "rate": [24000]}, 7), L16_24K, PCMU_8K),
    (session(audio={"input": "pcm", "output": []}, input_audio_format={}), PCMU_8K, PCMU_8K),
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


def test_the_shorter_life_counts_if_its_beginning_is_told_but_once(dial: "Dial") -> None:
    line = dial()
    line.tell(OpenAssistant("CA1", PCMU_8K))
    body = {"expires_at": 1_764_000_000, "created_at": 1_763_998_200}
    line.hear({"type": "session.created", "session": body})
    assert line.hear(session(expires_at=1_764_000_000)) == [ready(PCMU_8K, PCMU_8K, 1_800.0)]


@pytest.mark.parametrize(
    ("error", "final"),
    [
        ({"type": "invalid_request_error", "code": "missing_required_parameter"}, True),
        ({"type": "invalid_request_error", "code": "odd_code"}, True),
        ({"type": "invalid_request_error", "code": None}, True),
        ({"type": None, "code": "unknown_parameter"}, True),
        ({"type": "authentication_error"}, True),
        ({"type": "odd", "code": "insufficient_quota"}, True),
        ({"type": "server_error", "code": None}, False),
        ({"type": "invalid_request_error", "code": "rate_limit_exceeded"}, False),
        ({"type": "service_unavailable"}, False),
        ({"type": "invalid_request_error", "code": "session_expired"}, False),
        ({"type": "odd", "code": 503}, False),
    ],
)
def test_an_error_before_the_session_stands_is_the_end(
    dial: "Dial", error: dict[str, Any], final: bool
) -> None:
    line = dial()
    line.tell(OpenAssistant("CA1", PCMU_8K))
    (failed,) = line.hear({"type": "error", "error": error | {"message": "session.voice"}})
    assert isinstance(failed, AssistantFailed)
    assert failed.final is final
    assert str(error.get("code") or error["type"]) in failed.why
    assert "session.voice" in failed.why


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


def test_an_item_with_two_parts_ends_with_the_second(dial: "Dial") -> None:
    line = dial()
    line.open()
    line.play(
        [
            (1.0, "created R1", []),
            (1.1, "audio R1 A 500", ["sound A 500"]),
            (1.2, "audio-done R1 A", [ReplyEnded("A")]),
            (1.3, "audio R1 A 300", ["sound A 300"]),
            (1.4, "audio-done R1 A", [ReplyEnded("A")]),
            (1.5, "done R1", []),
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
