"""The session object, for lines of each kind; and what the `openai` package's types refuse of it."""

from typing import Any

import pytest
from pydantic import ValidationError

from bridge.assistants.openai_realtime.formats import Formats
from bridge.assistants.openai_realtime.session import FIELDS_WITH_A_SETTING
from bridge.assistants.openai_realtime.settings import RealtimeSettings, check_session
from bridge.settings.faults import faults_in
from bridge.vocabulary.contracts import ToolSchema
from bridge.vocabulary.errors import ConfigurationError
from telecodecs.format import L16_8K, L16_16K, L16_24K, PCMA_8K, PCMU_8K, AudioFormat, Encoding

PCM = {"type": "audio/pcm", "rate": 24_000}
HANG_UP = ToolSchema("hang_up", "Ends the call.", {"type": "object", "properties": {}})
FLAT = {
    "type": "function",
    "name": "hang_up",
    "description": "Ends the call.",
    "parameters": HANG_UP.parameters,
}
SERVER_VAD = {
    "type": "server_vad",
    "silence_duration_ms": 500,
    "create_response": True,
    "interrupt_response": True,
}


def settings(**fields: Any) -> RealtimeSettings:
    return RealtimeSettings.model_validate(fields)


def plain(asked: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "realtime",
        "output_modalities": ["audio"],
        "audio": {
            "input": {
                "format": asked,
                "transcription": {"model": "gpt-transcribe"},
                "turn_detection": SERVER_VAD,
            },
            "output": {"format": asked, "voice": "marin"},
        },
    }


LINES = [
    (PCMU_8K, {"type": "audio/pcmu"}),
    (PCMA_8K, {"type": "audio/pcma"}),
    (L16_8K, PCM),
    (L16_16K, PCM),
    (L16_24K, PCM),
    (AudioFormat(Encoding.L16_BE, 24_000), PCM),
    (AudioFormat(Encoding.PCMU, 16_000), PCM),
    (AudioFormat(Encoding.PCMU, 8_000, 2), PCM),
]


@pytest.mark.parametrize(("line", "asked"), LINES)
def test_formats_match_the_line(line: AudioFormat, asked: dict[str, Any]) -> None:
    assert settings().session(Formats(line, line), ()) == plain(asked)


WRITTEN: list[tuple[dict[str, Any], tuple[str | int, ...], Any]] = [
    ({"instructions": "Be kind."}, ("instructions",), "Be kind."),
    ({"voice": {"id": "voice_1"}}, ("audio", "output", "voice"), {"id": "voice_1"}),
    ({"speed": 1.2}, ("audio", "output", "speed"), 1.2),
    ({"noise_reduction": "far_field"}, ("audio", "input", "noise_reduction"), {"type": "far_field"}),
    (
        {"transcription": {"language": "en", "keywords": ["Ada"]}},
        ("audio", "input", "transcription"),
        {"model": "gpt-transcribe", "language": "en", "keywords": ["Ada"]},
    ),
    (
        {"turn_detection": {"threshold": 0.6, "idle_timeout_ms": 8000}},
        ("audio", "input", "turn_detection"),
        SERVER_VAD | {"threshold": 0.6, "idle_timeout_ms": 8000},
    ),
    (
        {"turn_detection": {"type": "semantic_vad", "eagerness": "low", "interrupt_response": False}},
        ("audio", "input", "turn_detection"),
        {"type": "semantic_vad", "eagerness": "low", "create_response": True, "interrupt_response": False},
    ),
    ({"turn_detection": "none"}, ("audio", "input", "turn_detection"), None),
    ({"max_output_tokens": 900}, ("max_output_tokens",), 900),
    ({"max_output_tokens": "inf"}, ("max_output_tokens",), "inf"),
    ({"truncation": "disabled"}, ("truncation",), "disabled"),
    (
        {"truncation": {"type": "retention_ratio", "retention_ratio": 0.8}},
        ("truncation",),
        {"type": "retention_ratio", "retention_ratio": 0.8},
    ),
    ({"parallel_tool_calls": False}, ("parallel_tool_calls",), False),
    ({"reasoning": "low"}, ("reasoning",), {"effort": "low"}),
    (
        {"tool_choice": {"type": "function", "name": "hang_up"}},
        ("tool_choice",),
        {"type": "function", "name": "hang_up"},
    ),
    (
        {"prompt": {"id": "pmpt_1", "variables": {"city": "Rome"}}},
        ("prompt",),
        {"id": "pmpt_1", "variables": {"city": "Rome"}},
    ),
    ({"tracing": "auto"}, ("tracing",), "auto"),
    # whatever else there is, or will be
    ({"session": {"include": ["x"], "new": {"a": 1}}}, ("new", "a"), 1),
    ({"session": {"audio": {"input": {"noise_reduction": {"strength": 2}}}}}, ("audio", "output", "voice"), "marin"),
    ({"session": {"reasoning": {"summary": "auto"}}, "reasoning": "low"}, ("reasoning",), {"effort": "low", "summary": "auto"}),
    ({"session": {"tools": [{"type": "mcp", "server_label": "x"}]}}, ("tools", 0), FLAT),
    ({"session": {"tools": [{"type": "mcp", "server_label": "x"}]}}, ("tools", 1, "server_label"), "x"),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "path", "value"), WRITTEN)
def test_what_is_set_is_sent(fields: dict[str, Any], path: tuple[str | int, ...], value: Any) -> None:
    at: Any = settings(**fields).session(Formats(PCMU_8K, PCMU_8K), [HANG_UP])
    for key in path:
        at = at[key]
    assert at == value


def test_tools_are_flat_functions() -> None:
    assert settings().session(Formats(PCMU_8K, PCMU_8K), [HANG_UP])["tools"] == [FLAT]


@pytest.mark.parametrize("off", [False, "false"])
def test_a_voice_can_be_left_to_the_server(off: Any) -> None:
    assert "voice" not in settings(voice=off).session(Formats(PCMU_8K, PCMU_8K), ())["audio"]["output"]


@pytest.mark.parametrize("off", [False, "false"])
def test_transcription_can_be_turned_off(off: Any) -> None:
    assert (
        "transcription"
        not in settings(transcription=off).session(Formats(PCMU_8K, PCMU_8K), ())["audio"]["input"]
    )


MUTE = "should be left out, the bridge sets it: without audio the caller would hear nothing"
LINE = "should be left out, the bridge sets it: it is the format of the call"
NOT_HERE: list[tuple[dict[str, Any], str, str]] = [
    ({"type": "transcription"}, "type", "should be left out, the bridge sets it: it is always realtime"),
    ({"output_modalities": ["text"]}, "output_modalities", MUTE),
    ({"audio": {"input": {"format": {"type": "audio/opus"}}}}, "audio.input.format", LINE),
    ({"audio": {"output": {"format": {"rate": 8000}}}}, "audio.output.format", LINE),
    ({"audio": 5}, "audio", "should be a table"),
    ({"audio": {"output": []}}, "audio.output", "should be a table"),
    *(
        ({name: "x"}, name, f"should be set by {name}, beside session")
        for name in ("instructions", "tool_choice", "parallel_tool_calls", "max_output_tokens")
    ),
    *(
        ({name: "x"}, name, f"should be set by {name}, beside")
        for name in ("truncation", "prompt", "tracing")
    ),
    ({"reasoning": {"effort": "low"}}, "reasoning.effort", "should be set by reasoning, beside session"),
    *(
        ({"audio": {way: {name: {}}}}, f"audio.{way}.{name}", f"should be set by {name}, beside session")
        for way, names in (("input", ("turn_detection", "transcription")), ("output", ("voice", "speed")))
        for name in names
    ),
    (
        {"audio": {"input": {"noise_reduction": {"type": "far_field"}}}},
        "audio.input.noise_reduction.type",
        "should be set by noise_reduction, beside session",
    ),
]


@pytest.mark.parametrize(("extra", "key", "message"), NOT_HERE)
def test_what_has_a_setting_or_is_the_bridge_s_is_not_for_session(
    extra: dict[str, Any], key: str, message: str
) -> None:
    fields = {"session": extra}
    with pytest.raises(ValidationError) as refusal:
        settings(**fields)
    (fault,) = faults_in(refusal.value, fields)
    assert ".".join(fault.key) == f"session.{key}"
    assert fault.message.startswith(message)


def test_what_is_refused_names_settings_that_there_are() -> None:
    assert set(FIELDS_WITH_A_SETTING.values()) <= set(RealtimeSettings.model_fields)


EVERY_VAD = ["server_vad", "semantic_vad", "none"]


@pytest.mark.parametrize("kind", EVERY_VAD)
def test_the_guard_has_nobody_listen_whatever_is_set(kind: str) -> None:
    guarded = settings(turn_detection=kind).session(Formats(PCMU_8K, PCMU_8K), (), listening=False)
    assert guarded["audio"]["input"]["turn_detection"] is None
    assert guarded["audio"]["input"]["format"] == {"type": "audio/pcmu"}


@pytest.mark.parametrize("kind", EVERY_VAD)
@pytest.mark.parametrize("line", [PCMU_8K, L16_16K])
def test_listening_again_is_the_session_s_own_turn_detection_and_both_formats(
    kind: str, line: AudioFormat
) -> None:
    realtime = settings(turn_detection=kind)
    audio = realtime.session(Formats(line, line), ())["audio"]
    assert realtime.listening_update(Formats(line, line)) == {
        "type": "realtime",
        "audio": {
            "input": {
                "format": audio["input"]["format"],
                "turn_detection": audio["input"]["turn_detection"],
            },
            "output": {"format": audio["output"]["format"]},
        },
    }


@pytest.mark.parametrize(("fields", "_path", "_value"), WRITTEN)
def test_the_package_s_types_take_it(fields: dict[str, Any], _path: object, _value: object) -> None:
    if "include" not in fields.get("session", {}):
        check_session(settings(**fields), [HANG_UP])


IMPOSSIBLE: list[tuple[dict[str, Any], str]] = [
    (
        {"tool_choice": "any"},
        "tool_choice = 'any': Input should be 'none', 'auto' or 'required'; should be a table",
    ),
    ({"truncation": {"type": "retention_ratio"}}, "truncation.retention_ratio is missing"),
    ({"tracing": {"group_id": 7}}, "tracing.group_id = 7: Input should be a valid string"),
    ({"prompt": {"id": "p", "variables": {"a": 7}}}, "prompt.variables.a = 7: Input should be a valid string"),
    ({"transcription": {"delay": "long"}}, "audio.input.transcription.delay = 'long': Input should be 'minimal'"),
    ({"session": {"tools": [{"type": "function", "name": 5}]}}, "tools.1.name = 5: Input should be a valid string"),
    (
        {"session": {"tools": [{"type": "mcp", "server_label": "x", "authorization": 123456}]}},
        "tools.1.authorization: Input should be a valid string",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "message"), IMPOSSIBLE)
def test_the_package_s_types_refuse_and_the_field_is_named(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        check_session(settings(**fields), [HANG_UP])
    assert str(refusal.value).startswith(message)
    assert len(str(refusal.value).splitlines()) == 1
    assert "123456" not in str(refusal.value)
