"""A runaway assistant, told to its dialect: what a dialect keeps is bounded, and what goes beyond is refused or ends it."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from msgspec import json

from bridge.assistants.openai_realtime.calls import MOST_AT_ONCE
from bridge.assistants.openai_realtime.dialect import RealtimeDialect
from bridge.assistants.openai_realtime.gate import MOST_OPEN
from bridge.assistants.openai_realtime.settings import RealtimeSettings
from bridge.assistants.shared.arguments import LONGEST_ARGUMENTS
from bridge.assistants.shared.tool_calls import CALLS_AT_ONCE, MOST_OPEN_CALLS
from bridge.assistants.stream.conversation import REQUESTS_AT_ONCE, REQUESTS_PER_S
from bridge.assistants.stream.dialect import StreamDialect
from bridge.assistants.stream.names import MOST_ITEMS
from bridge.assistants.stream.settings import StreamSettings
from bridge.vocabulary.commands import OpenAssistant
from bridge.vocabulary.contracts import AssistantOutcome, ToolSchema
from bridge.vocabulary.errors import LimitExceeded, MalformedMessage
from bridge.vocabulary.events import MessageRefused, NoteTaken, PressRequested, ToolCalled
from telecodecs.format import PCMU_8K

BOOK = ToolSchema("book", "", {})
PCMU = {"format": {"type": "audio/pcmu"}}


def text(kind: str, **fields: Any) -> str:
    return json.encode({"type": kind, **fields}).decode()


@pytest.fixture
def stream() -> StreamDialect:
    dialect = StreamDialect(StreamSettings(url="ws://127.0.0.1:1/"), [BOOK])
    dialect.encode(OpenAssistant("CA1", PCMU_8K), 0.0)
    dialect.decode(text("hello", turns="assistant"), 0.0)
    return dialect


@pytest.fixture
def realtime() -> RealtimeDialect:
    dialect = RealtimeDialect(RealtimeSettings(), [BOOK])
    dialect.encode(OpenAssistant("CA1", PCMU_8K), 0.0)
    dialect.decode(text("session.updated", session={"audio": {"input": PCMU, "output": PCMU}}), 0.0)
    return dialect


def of(kind: type, outcomes: list[AssistantOutcome]) -> list[Any]:
    return [outcome for outcome in outcomes if isinstance(outcome, kind)]


def test_an_assistant_may_name_so_many_items(stream: StreamDialect) -> None:
    for number in range(MOST_ITEMS):
        assert not of(MessageRefused, [*stream.decode(text("reply", item=f"i{number}"), 0.0)])
    with pytest.raises(LimitExceeded, match="more than 10000 items"):
        stream.decode(text("reply", item="one more"), 0.0)


@pytest.mark.parametrize(
    ("message", "event"),
    [({"type": "send_digits", "keys": "1"}, PressRequested), ({"type": "note", "text": "n"}, NoteTaken)],
)
def test_requests_beyond_their_allowance_are_refused_until_it_has_grown(
    stream: StreamDialect, message: dict[str, str], event: type
) -> None:
    outcomes = [one for _ in range(2_000) for one in stream.decode(json.encode(message).decode(), 1.0)]
    assert len(of(event, outcomes)) == REQUESTS_AT_ONCE
    refused = of(MessageRefused, outcomes)
    assert len(refused) == 2_000 - REQUESTS_AT_ONCE
    assert refused[0].why.endswith("too many requests: expected at most 5 in a second, 50 at once")
    later = [one for _ in range(20) for one in stream.decode(json.encode(message).decode(), 2.0)]
    assert len(of(event, later)) == REQUESTS_PER_S


def test_arguments_that_are_too_long_are_refused(stream: StreamDialect) -> None:
    arguments = {"a": "x" * LONGEST_ARGUMENTS}
    refused, error = stream.decode(text("call_tool", id="c1", tool="book", arguments=arguments), 0.0)
    assert isinstance(refused, MessageRefused)
    assert refused.why == "call_tool: arguments have 65544 bytes: expected at most 65536"
    assert "65536" in str(error)
    assert of(ToolCalled, [*stream.decode(text("call_tool", id="c1", tool="book", arguments={}), 0.0)])


def call(number: int, arguments: str = "{}") -> str:
    names = {"response_id": "r", "item_id": f"i{number}", "call_id": f"c{number}", "name": "book"}
    return text("response.function_call_arguments.done", **names, arguments=arguments)


def test_a_model_is_told_that_its_arguments_are_too_long(realtime: RealtimeDialect) -> None:
    (output,) = realtime.decode(call(1, "x" * 1_000_000), 0.0)
    assert "error: the arguments are too long; they should have at most 65536 characters" in str(output)


def test_a_model_is_told_that_too_many_tools_run(realtime: RealtimeDialect) -> None:
    outcomes = [one for number in range(CALLS_AT_ONCE) for one in realtime.decode(call(number), 0.0)]
    assert len(of(ToolCalled, outcomes)) == MOST_OPEN_CALLS
    assert f"error: {MOST_OPEN_CALLS} calls have no output yet; wait for one of them" in str(outcomes[-1])


ENDS: dict[str, tuple[Callable[[int], str], int]] = {
    "responses": (lambda n: text("response.created", response={"id": f"r{n}"}), MOST_OPEN),
    "calls": (call, MOST_AT_ONCE),
    "beginnings of calls": (
        lambda n: text(
            "response.output_item.added", response_id="r", item={"id": f"i{n}", "type": "function_call"}
        ),
        MOST_AT_ONCE,
    ),
}


@pytest.mark.parametrize(("message", "most"), ENDS.values(), ids=ENDS)
def test_what_no_server_does_ends_the_session(
    realtime: RealtimeDialect, message: Callable[[int], str], most: int
) -> None:
    for number in range(most):
        realtime.decode(message(number), 0.0)
    with pytest.raises(LimitExceeded, match=f"more than {most}"):
        realtime.decode(message(most), 0.0)


def floods(n: int) -> Iterator[str]:
    """What may come for ever."""
    yield text("conversation.item.added", item={"id": f"vb_x{n}"})
    yield text("response.created", response={"id": f"r{n}"})
    yield text(
        "response.output_audio_transcript.delta", item_id=f"i{n}", response_id=f"r{n}", delta="w" * 5_000
    )
    yield text("input_audio_buffer.speech_started", item_id=f"u{n}")
    yield text("input_audio_buffer.speech_stopped", item_id=f"u{n}")
    yield text("response.done", response={"id": f"r{n}"})
    yield text(f"kind {n}" * 100)


def size(found: object, seen: set[int]) -> int:
    """How many objects hang on this one."""
    if id(found) in seen or isinstance(found, type) or callable(found):
        return 0
    seen.add(id(found))
    parts: list[object] = []
    if isinstance(found, dict):
        parts = [*found.keys(), *found.values()]
    elif isinstance(found, (list, tuple, set, frozenset)):
        parts = [*found]
    elif hasattr(found, "__dict__"):
        parts = [*vars(found).values()]
    elif hasattr(found, "__struct_fields__"):
        parts = [getattr(found, name) for name in found.__struct_fields__]
    return 1 + sum(size(part, seen) for part in parts)


def test_what_a_session_keeps_stays_the_same_however_long_it_goes_on(realtime: RealtimeDialect) -> None:
    sizes = []
    for number in range(6_000):
        for message in floods(number):
            realtime.decode(message, number * 1.0)
        if number in (2_999, 5_999):
            sizes.append(size(realtime, set()))
    assert sizes[1] <= sizes[0] + 100


def test_names_that_are_too_long_are_refused(realtime: RealtimeDialect) -> None:
    with pytest.raises(MalformedMessage, match="str` of length <= 512"):
        realtime.decode(text("response.output_audio.delta", item_id="i" * 513, delta=""), 0.0)
