"""Replays without a server: what they need, what they make of marks, streams, tools and losses, and what they refuse."""

import json
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from bridge.config.settings import Settings
from bridge.observers.trace import (
    BRIDGE,
    BadTrace,
    HttpMessage,
    Trace,
    TraceHeader,
    TraceLine,
    as_message,
    read_trace,
)
from bridge.simulators.replay.comparison import compare
from bridge.simulators.replay.dry import DryReplay
from telecodecs.format import PCMU_8K

FRAME = b64encode(b"\x12" * 160).decode()
HELLO = {"type": "hello", "version": 1, "hears": {"encoding": "pcmu", "rate_hz": 8000}, "keys": "both"}
STREAM = Settings.model_validate({"assistants": {"sales": {"kind": "stream", "url": "ws://h.example/"}}})


def header(kind: str = "echo", assistant: str = "", **fields: Any) -> TraceHeader:
    given: dict[str, Any] = {"voicebridge_trace": 1, "carrier": "twilio", "call_id": "CA1", "line": PCMU_8K}
    return TraceHeader(**given | {"kind": kind, "assistant": assistant or kind} | fields)


def from_carrier(at_ms: float, message: dict[str, Any], leg: str = "carrier", **more: Any) -> TraceLine:
    return TraceLine(at_ms, BRIDGE, leg=leg, **as_message(json.dumps(message, ensure_ascii=False)), **more)


def start(at_ms: float = 0.0, leg: str = "carrier", stream: str = "MZ1") -> TraceLine:
    body = {"callSid": "CA1", "streamSid": stream}
    return from_carrier(at_ms, {"event": "start", "streamSid": stream, "start": body}, leg)


def media(at_ms: float, number: int, leg: str = "carrier", stream: str = "MZ1") -> TraceLine:
    payload = {"payload": FRAME, "timestamp": str(number * 20)}
    return from_carrier(at_ms, {"event": "media", "streamSid": stream, "media": payload}, leg)


def key(at_ms: float, digit: str, **more: Any) -> TraceLine:
    return from_carrier(at_ms, {"event": "dtmf", "streamSid": "MZ1", "dtmf": {"digit": digit}}, **more)


def from_assistant(at_ms: float, message: dict[str, Any], leg: str = "assistant-1") -> TraceLine:
    return TraceLine(at_ms, BRIDGE, leg=leg, **as_message(json.dumps(message)))


def opened(at_ms: float, kind: str, name: str = "", leg: str = "assistant-1") -> TraceLine:
    return TraceLine(at_ms, what="opened", leg=leg, assistant=name or kind, kind=kind)


def trace(head: TraceHeader, *lines: TraceLine, is_cut_off: bool = False) -> Trace:
    ordered = sorted(lines, key=lambda line: line.at_ms)
    return Trace(
        head, (*ordered, *(() if is_cut_off else (TraceLine(ordered[-1].at_ms, what="ended"),))), is_cut_off
    )


def stop(at_ms: float) -> TraceLine:
    return from_carrier(at_ms, {"event": "stop", "streamSid": "MZ1"})


def replayed(one: Trace, settings: Settings | None = None) -> Trace:
    return read_trace(DryReplay(one, settings).run())


def sent(one: Trace, to: str, leg: str = "") -> list[Any]:
    """The messages without audio that were sent."""
    wires = [line.wire for line in one.lines if line.to == to and line.leg.startswith(leg)]
    messages = [json.loads(wire) for wire in wires if isinstance(wire, str)]
    return [
        message for message in messages if message.get("event", message.get("type")) not in ("media", "audio")
    ]


ECHO = trace(header(), start(), opened(0, "echo"), *(media(20 * n, n) for n in range(50)), stop(1_000))
PLAYED = trace(
    header("stream", "sales", has_assistant=True),
    start(),
    opened(0, "stream", "sales"),
    from_assistant(30, HELLO),
    from_assistant(300, {"type": "collect_digits", "id": "d1", "length": 2, "sensitive": True}),
    key(800, "•", masked=True),
    key(1_000, "•", masked=True),
    from_assistant(1_400, {"type": "call_tool", "id": "t1", "tool": "look", "arguments": {}}),
    *(media(20 * n, n) for n in range(100)),
    stop(2_000),
)


def test_a_built_in_assistant_answers_anew() -> None:
    now = replayed(ECHO)
    audio = [line for line in now.lines if line.to == "carrier" and b'"media"' in bytes(line.message)]
    assert len(audio) == 50
    assert {name["mark"]["name"] for name in sent(now, "carrier")} == {f"0.{n}" for n in range(1, 6)}
    assert now.header.carrier == "twilio"
    assert compare(now, replayed(now)).difference is None


def test_an_assistant_says_again_what_it_said_and_masked_keys_are_pressed() -> None:
    told = sent(replayed(PLAYED, STREAM), "assistant")
    (entry,) = [message for message in told if message["type"] == "entry"]
    assert (entry["digits"], entry["name"], entry["reason"]) == ("••", "entry-1", "full")
    assert replayed(PLAYED) == replayed(PLAYED, STREAM), (
        "without settings the assistant of the trace is taken"
    )


def test_a_mark_comes_back_under_the_name_that_it_has_now_and_not_before_it_was_sent() -> None:
    renamed = from_carrier(5, {"event": "mark", "streamSid": "MZ1", "mark": {"name": "then-1"}})
    was_sent = TraceLine(
        4, "carrier", **as_message(json.dumps({"event": "mark", "mark": {"name": "then-1"}}))
    )
    now = replayed(trace(ECHO.header, *ECHO.lines[:-1], renamed, was_sent))
    (returned,) = [line for line in now.lines if line.to == BRIDGE and b'"mark"' in bytes(line.message)]
    first = next(line for line in now.lines if line.to == "carrier" and b'"mark"' in bytes(line.message))
    assert json.loads(returned.wire)["mark"]["name"] == json.loads(first.wire)["mark"]["name"] == "0.1"
    assert returned.at_ms >= first.at_ms


def test_a_stream_that_returns_has_the_call() -> None:
    again = trace(
        header(resume_s=20.0),
        start(),
        opened(0, "echo"),
        *(media(20 * n, n) for n in range(20)),
        TraceLine(400, what="lost", code=1006),
        start(700, "carrier-2", "MZ2"),
        *(media(700 + 20 * n, n, "carrier-2", "MZ2") for n in range(20)),
        from_carrier(1_200, {"event": "stop", "streamSid": "MZ2"}, "carrier-2"),
    )
    now = replayed(again)
    assert sum(line.to == "carrier" and line.leg == "carrier-2" for line in now.lines) >= 20
    assert now.lines[-1].what == "ended"


def test_an_assistant_that_is_lost_is_opened_again_and_hears_what_the_trace_has_for_it() -> None:
    lost = trace(
        PLAYED.header,
        start(),
        opened(0, "stream", "sales"),
        from_assistant(30, HELLO),
        TraceLine(500, what="lost", leg="assistant-1", code=1006, reason="gone"),
        opened(600, "stream", "sales", "assistant-2"),
        from_assistant(620, HELLO, "assistant-2"),
        *(media(20 * n, n) for n in range(200)),
        stop(4_000),
    )
    now = replayed(lost, STREAM)
    assert [line.leg for line in now.lines if line.what == "ready"] == ["assistant-1", "assistant-2"]


def test_the_outputs_of_tools_are_those_of_the_trace() -> None:
    tools = {"look": {"url": "http://h.example/", "description": "looks", "parameters": {"type": "object"}}}
    settings = Settings.model_validate(
        {"assistants": {"sales": {"kind": "stream", "url": "ws://h.example/", "tools": tools}}}
    )
    answered = TraceLine(1_500, what="tool", tool_call_id="t1", output='{"found": 3}')
    told = sent(replayed(trace(PLAYED.header, *PLAYED.lines[:-1], answered), settings), "assistant")
    (answer,) = [message for message in told if message["type"] == "answer"]
    assert answer["output"] == '{"found": 3}'


TOLD = ["CallEnded", "CloseRequested", "GoodbyeRequested", "LegLost"]


@pytest.mark.parametrize("event", TOLD)
def test_what_a_server_told_the_core_ends_the_call_again(event: str) -> None:
    line = TraceLine(500, what="told", event=event, reason="the server is closing", code=1001, within_s=1.0)
    now = replayed(trace(ECHO.header, *ECHO.lines[:26], line, stop(9_000)))
    assert now.lines[-1].what == "ended"
    assert now.lines[-1].at_ms < 9_000


def test_a_trace_that_is_cut_off_is_replayed_to_its_end_and_no_further() -> None:
    cut_off = Trace(ECHO.header, ECHO.lines[:20], is_cut_off=True)
    replay = DryReplay(cut_off)
    replay.run()
    assert replay.now_s <= ECHO.lines[19].at_ms / 1000
    now = read_trace(replay.stop())
    assert sum(line.to == "carrier" for line in now.lines) >= 16
    assert compare(now, now).difference is None


def test_a_replay_that_is_stopped_has_what_was_sent_so_far() -> None:
    replay = DryReplay(ECHO)
    for _ in range(20):
        replay._step()
    now = read_trace(replay.stop())
    assert sum(line.to == "carrier" for line in now.lines) > 10
    assert replay.now_s < 0.5


def test_posts_are_answered_by_the_trace() -> None:
    wav = (Path(__file__).parents[3] / "fixtures/sentence-en-us-male.wav").read_bytes()
    greeting = TraceLine(
        200, BRIDGE, leg="assistant-1", posted=HttpMessage(base64=wav, status=200, content_type="audio/wav")
    )
    settings = Settings.model_validate(
        {
            "assistants": {
                "mine": {"kind": "turn-based", "url": "http://h.example/", "greets": True},
            }
        }
    )
    one = trace(
        header("turn-based", "mine", has_assistant=True),
        start(),
        opened(0, "turn-based", "mine"),
        greeting,
        *(media(20 * n, n) for n in range(50)),
        stop(1_000),
    )
    now = replayed(one, settings)
    assert sum(line.to == "carrier" for line in now.lines) > 1
    assert any(line.post is not None for line in now.lines)


LACKS = (
    "the trace lacks the side of the assistant 'sales', of kind 'stream': expected one written by `serve --capture DIR "
    "--capture-assistant`; without it a trace can be replayed against a server alone"
)
REFUSED = [
    (trace(header("stream", "sales"), start(), opened(0, "stream", "sales")), STREAM, LACKS),
    (trace(header("stream", "sales"), start(), opened(0, "stream", "sales")), None, LACKS),
    (PLAYED, Settings.model_validate({}), "the trace has an assistant 'sales' of kind 'stream', and in the settings there is none: "),
    (trace(header("parrot", "sales"), opened(0, "parrot", "sales")), STREAM,
     "the trace has an assistant 'sales' of kind 'parrot', and in the settings it is 'stream': expected the settings of"),
    (trace(header("dog"), start(), opened(0, "dog")), None, "the kind of the assistant 'dog' is 'dog': expected one of echo, "),
    (trace(header(carrier="pigeon"), start()), None, "carrier = 'pigeon': expected one of telnyx, twilio"),
    (trace(header(carrier="telnyx"), start(), opened(0, "echo"), media(20, 1)), None,
     "no message of the carrier starts the call: expected messages of telnyx's, as the header has it"),
]  # fmt: skip


@pytest.mark.parametrize(("one", "settings", "why"), REFUSED)
def test_what_cannot_be_replayed_is_refused_in_words(one: Trace, settings: Settings | None, why: str) -> None:
    with pytest.raises(BadTrace) as refused:
        DryReplay(one, settings).run()
    assert str(refused.value).startswith(why)
