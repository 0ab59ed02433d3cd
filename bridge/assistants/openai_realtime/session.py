"""The session of the Realtime protocol: what can be set of it, and how it stands in `session.update`.

Wire: OpenAI Realtime GA, `session.update`, `session.type = "realtime"`. Units: milliseconds.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field

from bridge.settings.faults import Key, describe, faults_in
from bridge.settings.table import Section, refusal
from bridge.vocabulary.contracts import ToolSchema
from bridge.vocabulary.errors import ConfigurationError
from telecodecs.format import AudioFormat, Encoding


class ServerVad(Section):
    """turn_detection.type = "server_vad": the server hears turns by loudness."""

    type: Literal["server_vad"] = "server_vad"
    threshold: float | None = Field(None, ge=0, le=1, description="0.5 where it is not set")
    prefix_padding_ms: int | None = Field(None, ge=0, description="300 where it is not set")
    silence_duration_ms: int = Field(500, gt=0)
    create_response: bool = True
    interrupt_response: bool = True
    idle_timeout_ms: int | None = Field(None, gt=0, description="then the model speaks of its own accord")


class SemanticVad(Section):
    """turn_detection.type = "semantic_vad": the server weighs whether the caller has finished."""

    type: Literal["semantic_vad"]
    eagerness: Literal["low", "medium", "high", "auto"] | None = None
    create_response: bool = True
    interrupt_response: bool = True


class OwnVad(Section):
    """turn_detection.type = "none": the server hears no turns; the bridge's own voice detection makes them."""

    type: Literal["none"]
    silence_duration_ms: int = Field(700, gt=0)


def _typed(value: Any) -> Any:
    """The type alone for a table of it; the first type where none is named."""
    if isinstance(value, str):
        return {"type": value}
    return {"type": "server_vad", **value} if isinstance(value, Mapping) else value


TurnDetection = Annotated[
    ServerVad | SemanticVad | OwnVad, Field(discriminator="type"), BeforeValidator(_typed)
]


class Transcription(Section):
    """transcription: a second model writes down what the caller says; other fields are passed through."""

    model_config = ConfigDict(extra="allow")

    model: str = "gpt-transcribe"
    language: str | None = Field(None, description="ISO 639-1, such as en")
    prompt: str | None = None


class CustomVoice(Section):
    """voice = { id = "voice_…" }"""

    id: str = Field(min_length=1)


class Prompt(Section):
    """prompt: one that is stored with the vendor; what is set here goes before it."""

    id: str
    version: str | None = None
    variables: dict[str, Any] | None = None


class Reasoning(Section):
    """reasoning = { effort = … }, of models that reason."""

    effort: Literal["minimal", "low", "medium", "high", "xhigh"]


THE_BRIDGE_S: dict[Key, str] = {
    ("type",): "it is always realtime",
    ("output_modalities",): "without sound nobody would hear it",
    ("audio", "input", "format"): "it is that of the line",
    ("audio", "output", "format"): "it is that of the line",
}
"""Fields of the session that cannot be set, and why."""

SET_BESIDE: dict[Key, str] = {
    ("instructions",): "instructions",
    ("tool_choice",): "tool_choice",
    ("parallel_tool_calls",): "parallel_tool_calls",
    ("reasoning", "effort"): "reasoning",
    ("max_output_tokens",): "max_output_tokens",
    ("truncation",): "truncation",
    ("prompt",): "prompt",
    ("tracing",): "tracing",
    ("audio", "input", "turn_detection"): "turn_detection",
    ("audio", "input", "transcription"): "transcription",
    ("audio", "input", "noise_reduction", "type"): "noise_reduction",
    ("audio", "output", "voice"): "voice",
    ("audio", "output", "speed"): "speed",
}
"""Fields of the session that the assistant has settings for: the bridge must know what they are."""


def check_extra(extra: dict[str, Any]) -> dict[str, Any]:
    """The same fields. Raises where one is not for `session` to say."""
    for path, why in THE_BRIDGE_S.items():
        _refuse(extra, path, f"should be left out, the bridge sets it: {why}")
    for path, name in SET_BESIDE.items():
        _refuse(extra, path, f"should be set by {name}, beside session")
    return extra


def _refuse(extra: dict[str, Any], path: Key, message: str) -> None:
    at: Any = extra
    for depth, key in enumerate(path):
        if not isinstance(at, Mapping):
            raise refusal(path[:depth], "should be a table", at)
        if key not in at:
            return
        at = at[key]
    raise refusal(path, message, at)


def off(value: Any) -> Any:
    """`false` in the file or in the environment, for None."""
    return None if value is False or value == "false" else value


def word_as(key: str) -> Callable[[Any], Any]:
    """A text that stands for a whole table stands for its `key`."""
    return lambda value: {key: value} if isinstance(value, str) else value


def audio_format(line: AudioFormat) -> dict[str, Any]:
    """What to ask for to come nearest to `line`; G.711 goes through untouched, and may not name its rate."""
    match line:
        case AudioFormat(Encoding.PCMU | Encoding.PCMA as encoding, 8_000, 1):
            return {"type": f"audio/{encoding}"}
        case _:
            return {"type": "audio/pcm", "rate": 24_000}


def function_tools(tools: Sequence[ToolSchema]) -> list[dict[str, Any]]:
    """Flat functions; those of chat completions are nested, and are refused here."""
    return [{"type": "function", **tool._asdict()} for tool in tools]


def without_none(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that are set."""
    return {name: value for name, value in fields.items() if value is not None}


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Both tables as one, `above` first; tools are added up, or a server's tools would cost the bridge its own."""
    both = dict(below)
    for name, value in above.items():
        if name == "tools" and isinstance(value, list):
            both[name] = [*below.get(name, []), *value]
        elif isinstance(value, Mapping) and isinstance(below.get(name), Mapping):
            both[name] = merged(below[name], value)
        else:
            both[name] = value
    return both


def check_types(session: Mapping[str, Any]) -> None:
    """Compare with the types of the `openai` package, which costs its import. Fields that they lack are let through.

    Raises `ConfigurationError` with a line for each wrong field.
    """
    from openai.types.realtime import RealtimeSessionCreateRequestParam
    from pydantic import TypeAdapter, ValidationError

    try:
        TypeAdapter(RealtimeSessionCreateRequestParam).validate_python(session, strict=True)
    except ValidationError as error:
        raise ConfigurationError("\n".join(describe(fault) for fault in faults_in(error, session))) from None
