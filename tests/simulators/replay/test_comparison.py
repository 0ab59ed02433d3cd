"""The first difference between two traces, as it is told: rows of what was sent then, what was sent now, and the words."""

import json
from base64 import b64encode
from typing import Any

import pytest

from bridge.observers.trace import ASSISTANT, BRIDGE, CARRIER, Trace, TraceHeader, TraceLine, as_message
from bridge.simulators.replay.comparison import Tolerance, compare
from telecodecs.format import PCMU_8K

HEADER = TraceHeader(
    voicebridge_trace=1, carrier="twilio", kind="stream", line=PCMU_8K, plays=PCMU_8K, has_assistant=True
)

Sent = tuple[str, Any]
"""Where to, and what: a message; a number is a frame of such bytes."""


def trace(*sent: Sent, every_ms: float = 20.0, **header: Any) -> Trace:
    """A trace in which these are sent, 20 ms apart."""
    lines = []
    for number, (to, what) in enumerate(sent):
        at_ms = number * every_ms
        leg = "assistant-1" if to.endswith(ASSISTANT) else CARRIER
        if to == "closed":
            lines.append(TraceLine(at_ms, what=to, code=what, reason="over"))
            continue
        message = what if isinstance(what, str) else json.dumps(said(leg, what))
        is_from = to.startswith("from ")
        lines.append(TraceLine(at_ms, BRIDGE if is_from else to, leg=leg, **as_message(message)))
    end = TraceLine(len(sent) * every_ms, what="ended")
    fields = {name: getattr(HEADER, name) for name in HEADER.__struct_fields__} | header
    return Trace(TraceHeader(**fields), (*lines, end))


def said(leg: str, what: Any) -> Any:
    if isinstance(what, dict):
        return what
    payload = b64encode(bytes([what]) * 160).decode()
    if leg == CARRIER:
        return {"event": "media", "streamSid": "MZ1", "media": {"payload": payload}}
    return {"type": "input_audio_buffer.append", "audio": payload}


def c(*what: Any) -> list[Sent]:
    return [(CARRIER, one) for one in what]


def a(*what: Any) -> list[Sent]:
    return [(ASSISTANT, one) for one in what]


def mark(name: str) -> dict[str, Any]:
    return {"event": "mark", "streamSid": "MZ1", "mark": {"name": name}}


def cut(ms: int, item: str = "item_1") -> dict[str, Any]:
    return {"type": "conversation.item.truncate", "event_id": "vb_1", "item_id": item, "audio_end_ms": ms}


CLEAR = {"event": "clear", "streamSid": "MZ1"}
OTHER_CLEAR = {"event": "clear", "streamSid": "MZ2"}
UPDATE = {"type": "session.update", "session": {"voice": "marin", "tools": [{"name": "a"}]}}

SAME = [
    (c(1, 2, mark("0.1")), c(1, 2, mark("0.1"))),
    (c(1, mark("0.1"), mark("0.2")), c(1, mark("m-1"), mark("m-2"))),
    (c(1, 2, CLEAR, 5), c(1, 2, OTHER_CLEAR, 5)),
    (c(1, 2, CLEAR, 5), c(1, 2, 3, CLEAR, 5)),
    (c(1, 2, mark("0.1"), 3), c(1, mark("0.1"), 2, 3)),
    (c(1, 2, 3), c(1, 2, 3, 4)),
    (a(1, cut(700), 2), a(1, 2, cut(715))),
    (a(UPDATE | {"event_id": "vb_1"}), a(UPDATE | {"event_id": "vb_7"})),
    ([*c(1), ("closed", 1000)], [*c(1), ("closed", 1000)]),
    (c("START", 1), c("START", 1)),
    ([], []),
]


@pytest.mark.parametrize(("then", "now"), SAME)
def test_what_does_no_harm_is_no_difference(then: list[Sent], now: list[Sent]) -> None:
    comparison = compare(trace(*then), trace(*now))
    assert comparison.difference is None
    assert comparison.notes == ()


DIFFERENT = [
    (c(1, 2, 3, CLEAR), c(1, 2, 3, 4, 5, CLEAR),
     "at 0.060 s the trace has a clear after 3 frames of audio; now 2 frames more were sent before it"),
    (c(1, 2, 3, CLEAR), c(1, CLEAR),
     "at 0.060 s the trace has a clear after 3 frames of audio; now 2 frames that were sent before it had not been sent"),
    (c(1, 2, CLEAR), c(1, 2),
     "at 0.040 s the trace has a clear; now nothing was sent to the carrier"),
    (c(1, 2), c(1, 2, CLEAR),
     "at 0.040 s the trace has nothing more for the carrier; now a clear was sent"),
    (c(1, mark("0.1"), CLEAR), c(1, CLEAR, mark("0.1")),
     "at 0.020 s the trace has a mark; now a clear was sent first"),
    (c(1, 2, 3), c(1, 9, 3),
     "at 0.020 s frame 2 of the audio for the carrier differs now; the frames before it are the same"),
    (c(1, 2, 3), c(9, 2, 3),
     "at 0.000 s frame 1 of the audio for the carrier differs now"),
    (c(1, CLEAR, 2, 3), c(1, CLEAR, 2, 9),
     "at 0.060 s frame 2 of the audio for the carrier since the last clear differs now; the frames before it are the same"),
    (c(1, 2, 3, 4, 5), c(1, 2, 3),
     "at 0.060 s the trace has 40 ms more audio for the carrier; now it was not sent"),
    (c(1, 2, 3), c(1, 2, 3, 4, 5),
     "at 0.060 s the trace has no more audio for the carrier; now 40 ms more were sent"),
    (a(cut(700)), a(cut(800)),
     "at 0.000 s the trace has conversation.item.truncate with audio_end_ms = 700; now 800"),
    (a(UPDATE), a({"type": "session.update", "session": {"voice": "alloy"}}),
     "at 0.000 s the trace has session.update with session.voice = 'marin'; now 'alloy'"),
    (a(UPDATE), a({"type": "session.update", "session": {"voice": "marin", "tools": [{"name": "b"}]}}),
     "at 0.000 s the trace has session.update with session.tools[0].name = 'a'; now 'b'"),
    (a(UPDATE), a({"type": "session.update", "session": {"voice": "marin"}}),
     "at 0.000 s the trace has session.update with session.tools = [{'name': 'a'}]; now nothing"),
    ([*c(1), ("closed", 1000)], [*c(1), ("closed", 1011)],
     "at 0.020 s the trace has the close of the leg with code = 1000; now 1011"),
    (c(1, mark("0.1"), mark("0.2")), c(1, mark("x"), mark("x")),
     "at 0.040 s the trace has a mark with mark.name = '0.2'; now 'x'"),
    ([("from " + ASSISTANT, {"type": "x", "item_id": "item_1"}), *a(cut(700))],
     [("from " + ASSISTANT, {"type": "x", "item_id": "item_1"}), *a(cut(700, "item_2"))],
     "at 0.020 s the trace has conversation.item.truncate with item_id = 'item_1'; now 'item_2'"),
]  # fmt: skip


@pytest.mark.parametrize(("then", "now", "words"), DIFFERENT)
def test_the_first_difference_is_told(then: list[Sent], now: list[Sent], words: str) -> None:
    difference = compare(trace(*then), trace(*now)).difference
    assert difference is not None
    assert difference.words == words


def test_of_two_legs_the_earlier_difference_is_told() -> None:
    then, now = trace(*a(UPDATE), *c(1, 2, CLEAR)), trace(*c(1, 2), *a(cut(5)))
    difference = compare(then, now).difference
    assert difference is not None
    assert difference.at_ms == 0


def test_a_tolerance_lets_a_clear_come_later() -> None:
    then, now = trace(*c(1, 2, CLEAR)), trace(*c(1, 2, 3, 4, 5, CLEAR))
    assert compare(then, now).difference is not None
    assert compare(then, now, Tolerance(60)).difference is None


def test_a_trace_that_is_cut_off_is_compared_up_to_its_end() -> None:
    whole = trace(*c(1, 2, CLEAR, 3, mark("0.1")))
    cut_off = Trace(whole.header, whole.lines[:2], is_cut_off=True)
    assert compare(cut_off, whole).difference is None
    assert compare(cut_off, trace(*c(1, 9, CLEAR))).difference is not None


def test_what_was_compared_until_an_interruption() -> None:
    then, now = trace(*c(1, 2, CLEAR, 3)), trace(*c(1, 2))
    assert compare(then, now, until_ms=25).difference is None
    assert compare(then, now, until_ms=45).difference is not None


def test_only_the_carriers_socket_can_be_compared_with_a_server() -> None:
    comparison = compare(trace(*a(UPDATE), *c(1)), trace(*c(1)), carrier_only=True)
    assert comparison.difference is None
    assert comparison.legs.keys() == {CARRIER}
    assert comparison.notes == (
        "only what was sent to the carrier was compared: a server does not tell what it sends to its assistant",
    )


def test_audio_around_what_was_taken_out_is_not_compared() -> None:
    frames = [n % 7 for n in range(40)]
    then, now = trace(*a(*frames)), trace(*a(*frames[:18], 99, 98, 97, *frames[21:]))
    assert compare(then, now).difference is not None
    lines = tuple(
        TraceLine(line.at_ms, line.to, leg=line.leg, message=line.message, masked=number == 19)
        if line.to
        else line
        for number, line in enumerate(then.lines)
    )
    assert compare(then._replace(lines=lines), now).difference is None


def test_of_an_assistant_that_repeats_masked_audio_only_the_length_is_compared() -> None:
    start = TraceLine(0.0, BRIDGE, masked=True, **as_message("{}"))
    then = trace(*c(1, 2, 3))
    masked = then._replace(lines=(start, *then.lines))
    comparison = compare(masked, trace(*c(9, 9, 9)))
    assert comparison.difference is None
    assert comparison.notes[0].startswith("sensitive keys are masked in the caller's audio")
    assert compare(masked, trace(*c(9))).difference is not None
