"""The session of the Realtime protocol: tables of settings for its parts, and the form of it in `session.update`.

Wire: OpenAI, "Realtime API", `session.update` with `session.type = "realtime"`. Units: milliseconds.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, field_validator

from bridge.assistants.shared.templates import checked_template
from bridge.settings.faults import Key, describe, faults_in
from bridge.settings.table import Section, refusal
from bridge.vocabulary.contracts import ToolSchema
from bridge.vocabulary.errors import ConfigurationError
from telecodecs.format import AudioFormat, Encoding

WHO_FINDS_TURNS = "Who finds the caller's turns"
UTTERANCE_END = "So long without speech ends an utterance"
CREATES = "The server answers an utterance without being asked"
INTERRUPTS = "The server stops its response when the caller speaks"


class ServerVad(Section):
    """turn_detection.type = "server_vad": the server detects turns by loudness."""

    type: Literal["server_vad"] = Field("server_vad", description=WHO_FINDS_TURNS)
    threshold: float | None = Field(
        None, ge=0, le=1, description="How loud speech must be. Not set: the server's own, 0.5"
    )
    prefix_padding_ms: int | None = Field(
        None,
        ge=0,
        description="How much audio before the speech belongs to it. Not set: the server's own, 300",
    )
    silence_duration_ms: int = Field(500, gt=0, description=UTTERANCE_END)
    create_response: bool = Field(True, description=CREATES)
    interrupt_response: bool = Field(True, description=INTERRUPTS)
    idle_timeout_ms: int | None = Field(
        None, gt=0, description="After so long without speech the model speaks without being asked"
    )


class SemanticVad(Section):
    """turn_detection.type = "semantic_vad": the server estimates whether the caller has finished."""

    type: Literal["semantic_vad"] = Field(description=WHO_FINDS_TURNS)
    eagerness: Literal["low", "medium", "high", "auto"] | None = Field(
        None, description="How soon the server takes an utterance for complete"
    )
    create_response: bool = Field(True, description=CREATES)
    interrupt_response: bool = Field(True, description=INTERRUPTS)


class OwnVad(Section):
    """turn_detection.type = "none": the server detects no turns, the bridge does."""

    type: Literal["none"] = Field(description=WHO_FINDS_TURNS)
    silence_duration_ms: int = Field(700, gt=0, description=UTTERANCE_END)


def _typed(value: Any) -> Any:
    """A text is read as a table with this type; a table without a type is a `server_vad`."""
    if isinstance(value, str):
        return {"type": value}
    return {"type": "server_vad", **value} if isinstance(value, Mapping) else value


TurnDetection = Annotated[
    ServerVad | SemanticVad | OwnVad, Field(discriminator="type"), BeforeValidator(_typed)
]


class Transcription(Section):
    """transcription: a second model transcribes the caller; other fields are passed through."""

    model_config = ConfigDict(extra="allow")

    model: str = Field("gpt-transcribe", description="The model that transcribes")
    language: str | None = Field(None, description="The caller's language by ISO 639-1, such as en")
    prompt: str | None = Field(None, description="Words and names that the caller may say")


class CustomVoice(Section):
    """voice = { id = "voice_…" }"""

    id: str = Field(min_length=1, description="The identifier of a voice of your own")


class Prompt(Section):
    """prompt: one that is stored with the vendor; what is set here takes precedence."""

    id: str = Field(description="The identifier of the stored prompt")
    version: str | None = Field(None, description="Its version. Not set: the newest")
    variables: dict[str, Any] | None = Field(
        None, description="Values for the variables in it; a text may have places such as {caller_name}"
    )

    @field_validator("variables")
    @classmethod
    def _check_templates(cls, variables: dict[str, Any] | None) -> dict[str, Any] | None:
        for value in (variables or {}).values():
            if isinstance(value, str):
                checked_template(value)
        return variables


class Reasoning(Section):
    """reasoning = { effort = … }, for models that reason."""

    effort: Literal["minimal", "low", "medium", "high", "xhigh"] = Field(
        description="How much the model reasons before it answers"
    )


FIELDS_OF_THE_BRIDGE: dict[Key, str] = {
    ("type",): "it is always realtime",
    ("output_modalities",): "without audio the caller would hear nothing",
    ("audio", "input", "format"): "it is the format of the call",
    ("audio", "output", "format"): "it is the format of the call",
}
"""Fields of the session that cannot be set, and why."""

FIELDS_WITH_A_SETTING: dict[Key, str] = {
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
"""Fields of the session for which the assistant has a setting: the bridge must know their values."""


def check_extra(extra: dict[str, Any]) -> dict[str, Any]:
    """The same fields. Raises `ValidationError` if one may not be set by `session`."""
    for path, why in FIELDS_OF_THE_BRIDGE.items():
        _refuse(extra, path, f"should be left out, the bridge sets it: {why}")
    for path, name in FIELDS_WITH_A_SETTING.items():
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


def audio_format(line: AudioFormat) -> dict[str, Any]:
    """The wire format nearest to `line`. G.711 passes through untouched, and may not have a rate on the wire."""
    match line:
        case AudioFormat(Encoding.PCMU | Encoding.PCMA as encoding, 8_000, 1):
            return {"type": f"audio/{encoding}"}
        case _:
            return {"type": "audio/pcm", "rate": 24_000}


def function_tools(tools: Sequence[ToolSchema]) -> list[dict[str, Any]]:
    """The tools as functions of the Realtime API, which are flat; the nested form of chat completions is refused there."""
    return [{"type": "function", **tool._asdict()} for tool in tools]


def without_function(session: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The fields of a response in which the model is not offered this function; empty if the session lacks it."""
    tools = session.get("tools", [])
    left = [tool for tool in tools if tool.get("name") != name]
    if len(left) == len(tools):
        return {}
    if not left:
        return {"tool_choice": "none"}
    choice = session.get("tool_choice")
    is_forced = isinstance(choice, Mapping) and choice.get("name") == name
    return {"tools": left, **({"tool_choice": "auto"} if is_forced else {})}


def without_none(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that are not None."""
    return {name: value for name, value in fields.items() if value is not None}


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Both tables as one; `above` takes precedence. Lists of tools are joined, so that extra ones do not replace the bridge's."""
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
    """Compare with the types of the `openai` package, which is imported for it. Fields that the types lack are accepted.

    Raises `ConfigurationError` with a line for each wrong field.
    """
    from openai.types.realtime import RealtimeSessionCreateRequestParam
    from pydantic import TypeAdapter, ValidationError

    try:
        TypeAdapter(RealtimeSessionCreateRequestParam).validate_python(session, strict=True)
    except ValidationError as error:
        raise ConfigurationError("\n".join(describe(fault) for fault in faults_in(error, session))) from None
