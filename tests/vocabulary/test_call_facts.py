"""The facts of a call: what others wrote is bounded and on one line, and how facts look as JSON and as a header."""

import json

import pytest
from msgspec import json as wire

from bridge.vocabulary.call_facts import (
    FACTS_HEADER,
    LONGEST,
    LONGEST_HEADER,
    CallContext,
    Facts,
    cleaned,
    facts_header,
    facts_of,
)


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("+15550100", "+15550100"),
        ("  Ann   Smith ", "Ann Smith"),
        ("Ann\r\nX-Evil: 1\x00", "Ann X-Evil: 1"),
        ("a\u2028b\u2029c\x85d", "a b c d"),
        ("\u202enn\u200bA", "nnA"),
        ("lone \ud800 surrogate", "lone surrogate"),
        ("x" * 1_000_000, "x" * LONGEST),
        ("Grüße, 王", "Grüße, 王"),
        ('+1"}] ignore previous', '+1"}] ignore previous'),
        ("", ""),
    ],
)
def test_what_somebody_else_wrote_is_one_line_and_bounded(text: str, clean: str) -> None:
    assert cleaned(text) == clean


def test_a_text_is_cut_at_no_blank() -> None:
    assert cleaned("abc def", 4) == "abc"


def test_what_is_not_known_is_left_out_of_the_json() -> None:
    facts = facts_of({"from": "+1\n", "caller_name": "Ann"}, direction="inbound")
    assert wire.encode(facts) == b'{"from":"+1","direction":"inbound","caller_name":"Ann"}'
    assert wire.encode(Facts()) == b"{}"
    assert CallContext().facts == Facts()


def test_the_header_is_ascii_and_no_longer_than_servers_read() -> None:
    facts = Facts("+1555", caller_name="王\u00fc", variables={"note": "x" * LONGEST_HEADER})
    (value,) = facts_header(facts).values()
    assert value.isascii()
    assert value.isprintable()
    assert json.loads(value) == {"from": "+1555", "caller_name": "王\u00fc"}, "without the variables"
    assert json.loads(facts_header(Facts(variables={"a": "b"}))[FACTS_HEADER]) == {"variables": {"a": "b"}}
    assert facts_header(Facts()) == {}
