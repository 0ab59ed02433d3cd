"""The header `traceparent`: what is read, and what is refused (W3C Trace Context, 3.2 and 4.3)."""

import pytest

from bridge.vocabulary.trace_context import TraceContext, read_traceparent

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
READ = TraceContext(int(TRACE, 16), int(SPAN, 16), is_sampled=True)


@pytest.mark.parametrize(
    ("text", "context"),
    [
        (f"00-{TRACE}-{SPAN}-01", READ),
        (f" 00-{TRACE}-{SPAN}-01 ", READ),
        (f"00-{TRACE}-{SPAN}-00", READ._replace(is_sampled=False)),
        (f"00-{TRACE}-{SPAN}-03", READ),  # flags that are not known yet
        (f"cc-{TRACE}-{SPAN}-01-what-comes-later", READ),
        (f"00-{TRACE}-{SPAN}-01-more", None),
        (f"ff-{TRACE}-{SPAN}-01", None),
        (f"00-{'0' * 32}-{SPAN}-01", None),
        (f"00-{TRACE}-{'0' * 16}-01", None),
        (f"00-{TRACE.upper()}-{SPAN}-01", None),
        (f"00-{TRACE}-{SPAN}", None),
        (f"00-{TRACE[1:]}-{SPAN}-01", None),
        ("", None),
        ("+15550142", None),
    ],
)
def test_what_is_read_of_a_header(text: str, context: TraceContext | None) -> None:
    assert read_traceparent(text) == context


def test_what_is_written_is_read_again() -> None:
    assert read_traceparent(READ.traceparent) == READ
    assert TraceContext(1, 2, is_sampled=False).traceparent == f"00-{'0' * 31}1-{'0' * 15}2-00"
