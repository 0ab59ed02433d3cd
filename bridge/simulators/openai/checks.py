"""Checks the client's events as OpenAI's server does, field by field, and refuses them with its error codes.

Wire: OpenAI, "Realtime API reference" (GA). A check gets a value and its path, which the error names; it raises
`RealtimeRefusal` if the value is wrong.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from bridge.vocabulary.errors import BridgeError

MOST_METADATA = 16

Check = Callable[[Any, str], None]


class RealtimeRefusal(BridgeError):
    """An event is answered with an error. `code` and `param`: as on the wire; `family`: its `type`."""

    def __init__(
        self, code: str, message: str, param: str | None = None, family: str = "invalid_request_error"
    ) -> None:
        super().__init__(message)
        self.family = family
        self.code = code
        self.message = message
        self.param = param


def kind(*types: type) -> Check:
    def check(value: Any, path: str) -> None:
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            names = " or ".join(TYPE_NAMES[type_] for type_ in types)
            raise RealtimeRefusal("invalid_type", f"Invalid type for '{path}': expected {names}.", path)

    return check


TYPE_NAMES = {
    str: "a string",
    bool: "a boolean",
    int: "an integer",
    float: "a decimal",
    dict: "an object",
    list: "an array",
}

TEXT, FLAG, OBJECT = kind(str), kind(bool), kind(dict)


def anything(_value: Any, _path: str) -> None:
    pass


def missing(path: str) -> RealtimeRefusal:
    return RealtimeRefusal("missing_required_parameter", f"Missing required parameter: '{path}'.", path)


def unsupported(value: object, supported: Collection[object], path: str) -> RealtimeRefusal:
    names = ", ".join(f"'{name}'" for name in supported)
    return RealtimeRefusal("invalid_value", f"Invalid value: '{value}'. Supported values are: {names}.", path)


def one_of(*supported: object) -> Check:
    def check(value: Any, path: str) -> None:
        if value not in supported:
            raise unsupported(value, supported, path)

    return check


def between(lowest: float, highest: float) -> Check:
    is_number = kind(int, float)

    def check(value: Any, path: str) -> None:
        is_number(value, path)
        if not lowest <= value <= highest:
            message = f"Invalid '{path}': {value} is not between {lowest:g} and {highest:g}."
            raise RealtimeRefusal("invalid_value", message, path)

    return check


def or_null(inner: Check) -> Check:
    return lambda value, path: None if value is None else inner(value, path)


def either(*inner: tuple[type, Check]) -> Check:
    """The check for the first type that fits; if none does, the last check, which then refuses."""

    def check(value: Any, path: str) -> None:
        chosen = next((check for type_, check in inner if isinstance(value, type_)), inner[-1][1])
        chosen(value, path)

    return check


def each(inner: Check) -> Check:
    def check(value: Any, path: str) -> None:
        kind(list)(value, path)
        for index, element in enumerate(value):
            inner(element, f"{path}[{index}]")

    return check


def table(required: Collection[str] = (), **checks: Check) -> Check:
    """An object with these fields. A missing field is reported before an unknown one."""

    def check(value: Any, path: str) -> None:
        OBJECT(value, path)
        for key in required:
            if key not in value:
                raise missing(f"{path}.{key}")
        for key, inner in value.items():
            if key not in checks:
                raise RealtimeRefusal(
                    "unknown_parameter", f"Unknown parameter: '{path}.{key}'.", f"{path}.{key}"
                )
            checks[key](inner, f"{path}.{key}")

    return check


def tagged(shapes: Mapping[str, Check], tag: str = "type") -> Check:
    """An object whose field `tag` names its shape."""

    def check(value: Any, path: str) -> None:
        OBJECT(value, path)
        if tag not in value:
            raise missing(f"{path}.{tag}")
        if value[tag] not in shapes:
            raise unsupported(value[tag], shapes, f"{path}.{tag}")
        shapes[value[tag]](value, path)

    return check


FORMAT = tagged(
    {
        "audio/pcm": table(type=anything, rate=one_of(24_000)),
        "audio/pcmu": table(type=anything),
        "audio/pcma": table(type=anything),
    }
)
TURN_DETECTION = tagged(
    {
        "server_vad": table(
            type=anything,
            threshold=between(0, 1),
            prefix_padding_ms=between(0, 60_000),
            silence_duration_ms=between(0, 60_000),
            create_response=FLAG,
            interrupt_response=FLAG,
            idle_timeout_ms=or_null(between(1, 600_000)),
        ),
        "semantic_vad": table(
            type=anything,
            eagerness=one_of("low", "medium", "high", "auto"),
            create_response=FLAG,
            interrupt_response=FLAG,
        ),
    }
)
NOISE_REDUCTION = table(("type",), type=one_of("near_field", "far_field"), strength=kind(int, float))
TRANSCRIPTION = table(
    model=TEXT, language=TEXT, languages=each(TEXT), prompt=TEXT, keywords=each(TEXT), delay=TEXT
)
VOICE = either((dict, table(("id",), id=TEXT)), (str, TEXT))
OUTPUT = table(format=FORMAT, voice=VOICE, speed=between(0.25, 1.5))
TOOLS = each(
    tagged(
        {
            "function": table(("name",), type=anything, name=TEXT, description=TEXT, parameters=OBJECT),
            "mcp": OBJECT,
        }
    )
)
TOOL_CHOICE = either(
    (dict, tagged({"function": OBJECT, "mcp": OBJECT})), (str, one_of("auto", "none", "required"))
)
MODALITIES = one_of(["audio"], ["text"])
MOST_TOKENS = either((str, one_of("inf")), (int, between(1, 128_000)))

SESSION = table(
    ("type",),
    type=one_of("realtime"),
    model=TEXT,
    output_modalities=MODALITIES,
    instructions=TEXT,
    audio=table(
        input=table(
            format=FORMAT,
            noise_reduction=or_null(NOISE_REDUCTION),
            transcription=or_null(TRANSCRIPTION),
            turn_detection=or_null(TURN_DETECTION),
        ),
        output=OUTPUT,
    ),
    tools=TOOLS,
    tool_choice=TOOL_CHOICE,
    parallel_tool_calls=FLAG,
    reasoning=OBJECT,
    max_output_tokens=MOST_TOKENS,
    truncation=either((str, one_of("auto", "disabled")), (dict, tagged({"retention_ratio": OBJECT}))),
    tracing=or_null(either((str, one_of("auto")), (dict, OBJECT))),
    prompt=or_null(OBJECT),
    include=or_null(each(one_of("item.input_audio_transcription.logprobs"))),
)

CONTENT = {
    "user": each(tagged({"input_text": OBJECT, "input_audio": OBJECT, "input_image": OBJECT})),
    "system": each(tagged({"input_text": OBJECT})),
    "assistant": each(tagged({"output_text": OBJECT})),
}


def _message(value: Any, path: str) -> None:
    table(("role", "content"), **_ITEM, role=one_of(*CONTENT), content=kind(list))(value, path)
    CONTENT[value["role"]](value["content"], f"{path}.content")


_ITEM = {"type": anything, "id": TEXT, "object": TEXT, "status": TEXT}
ITEM = tagged(
    {
        "message": _message,
        "function_call": table(("name", "arguments"), **_ITEM, name=TEXT, arguments=TEXT, call_id=TEXT),
        "function_call_output": table(("call_id", "output"), **_ITEM, call_id=TEXT, output=TEXT),
    }
)


def _metadata(value: Any, path: str) -> None:
    OBJECT(value, path)
    if len(value) > MOST_METADATA:
        raise RealtimeRefusal("invalid_value", f"Invalid '{path}': more than {MOST_METADATA} pairs.", path)
    for key, text in value.items():
        TEXT(text, f"{path}.{key}")


RESPONSE = table(
    instructions=TEXT,
    output_modalities=MODALITIES,
    audio=table(output=OUTPUT),
    tools=TOOLS,
    tool_choice=TOOL_CHOICE,
    parallel_tool_calls=FLAG,
    reasoning=OBJECT,
    max_output_tokens=MOST_TOKENS,
    conversation=one_of("auto", "none"),
    input=each(OBJECT),
    metadata=or_null(_metadata),
    prompt=or_null(OBJECT),
)
