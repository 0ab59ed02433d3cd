"""The form of a trace: what is read back, what is refused, and in which words."""

import pytest
from msgspec import Raw

from bridge.observers.trace import (
    BRIDGE,
    CARRIER,
    BadTrace,
    HttpMessage,
    TraceHeader,
    TraceLine,
    as_message,
    read_trace,
    written,
)
from bridge.vocabulary.errors import ConfigurationError
from telecodecs.format import PCMU_8K

HEADER = TraceHeader(voicebridge_trace=1, carrier="twilio", kind="echo", line=PCMU_8K, plays=PCMU_8K)
TOP = b'{"voicebridge_trace":1,"carrier":"twilio"}\n'
ENDED = TraceLine(9.0, what="ended")

MESSAGES = [
    '{"event":"mark","mark":{"name":"0.1"}}',
    '[1, {"a": null}]',
    "RESTART",
    "",
    '{"event":"cut',
    '{"a":\n1}',
    "\u00fc " * 10,
    b"",
    b"\x00\xff\n",
]


@pytest.mark.parametrize("message", MESSAGES)
def test_a_message_is_read_as_it_was_sent(message: str | bytes) -> None:
    line = TraceLine(1.5, BRIDGE, **as_message(message))
    trace = read_trace(written(HEADER, [line, ENDED]))
    assert trace.header == HEADER
    assert trace.lines[0].wire == message
    assert trace.lines[0].at_ms == 1.5
    assert not trace.is_cut_off


@pytest.mark.parametrize(
    "body", [HttpMessage(json=Raw(b'{"a":1}')), HttpMessage(text="a"), HttpMessage(base64=b"\x00")]
)
def test_a_body_is_read_as_it_was_posted(body: HttpMessage) -> None:
    line = TraceLine(1.0, "assistant", leg="assistant-1", post=body)
    (read, _) = read_trace(written(HEADER, [line, ENDED])).lines
    assert read.post is not None
    assert read.post.body == body.body


def test_a_trace_without_its_end_is_cut_off() -> None:
    lines = [TraceLine(float(n), CARRIER, **as_message("{}")) for n in range(3)]
    content = written(HEADER, lines)
    assert read_trace(content).is_cut_off
    assert read_trace(content[:-5]) == (HEADER, tuple(lines[:2]), True)
    assert read_trace(written(HEADER, [])).is_cut_off


AS_SERVE = 'expected {"voicebridge_trace":1,…}, as `serve --capture` writes it'
MARK = b'{"at_ms":5,"to":"bridge","message":{}}\n'
BAD = [
    (b"", f"call: the first line is not the header of a trace: {AS_SERVE}"),
    (b"\x80\n", f"call: the first line is not the header of a trace: {AS_SERVE}"),
    (MARK, f"call: the first line is not the header of a trace: {AS_SERVE}"),
    (b'[{"voicebridge_trace":1}]\n', f"call: the first line is not the header of a trace: {AS_SERVE}"),
    (b'{"voicebridge_trace":2,"carrier":"twilio"}\n', "call: a trace of version 2: expected version 1"),
    (b'{"voicebridge_trace":"x"}\n', "call: a trace of version 'x': expected version 1"),
    (b'{"voicebridge_trace":1}\n', "call: the header: Object missing required field `carrier`"),
    (TOP + b"{cut\n" + MARK, "call, line 2: JSON is malformed: "),
    (TOP + MARK + b"\n" + MARK, "call, line 3: an empty line: expected a message"),
    (TOP + b'{"at_ms":"x"}\n' + MARK, "call, line 2: Expected `float`, got `str`"),
    (TOP + b'{"at_ms":1,"to":"moon","message":{}}\n', "call, line 2: to = 'moon': expected bridge, carrier or assistant"),
    (TOP + b'{"at_ms":1,"to":"bridge"}\n', "call, line 2: it has no message: expected "),
    (TOP + b'{"at_ms":1,"what":"sang"}\n', "call, line 2: what = 'sang': expected one of closed, ended, "),
    (TOP + MARK + b'{"at_ms":4,"what":"ended"}\n', "call, line 3: at_ms = 4 is earlier than the line before: expected "),
]  # fmt: skip


@pytest.mark.parametrize(("content", "fault"), BAD)
def test_what_is_no_trace_is_refused_in_words(content: bytes, fault: str) -> None:
    with pytest.raises(BadTrace) as refused:
        read_trace(content, "call")
    assert str(refused.value).startswith(fault)
    assert isinstance(refused.value, ConfigurationError)
