"""Redaction: what a peer wrote is shown without keys, numbers and tokens."""

import pytest

from bridge.redaction import LONGEST_SHOWN, for_log, without_numbers

SHOWN = [
    ("dialled +49 170 1234567 for it", "dialled ***67 for it"),
    ("sip:+15551234567@example.com", "sip:***67@example.com"),
    ("from 10.100.200.30:8080 on 2026-11-30 12:33", "from 10.100.200.30:8080 on 2026-11-30 12:33"),
    ("wss://user:pass@voice.example.com:8443/twilio/media/TOKEN?x=1 failed", "wss://voice.example.com:8443/… failed"),
    ("see https://example.com/ and http://127.0.0.1:80", "see https://example.com and http://127.0.0.1:80"),
    ("key sk-abc123456, Bearer abc.def", "key ***, ***"),
    ("0123456789abcdef0123456789abcdef", "***"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "shown"), SHOWN)
def test_a_text_is_shown_without_what_must_not_be_read(text: str, shown: str) -> None:
    assert for_log(text) == shown


def test_a_long_text_is_cut_before_anything_looks_at_it() -> None:
    assert for_log("word " * LONGEST_SHOWN) == ("word " * LONGEST_SHOWN)[:LONGEST_SHOWN] + " …"


def test_a_number_keeps_its_last_two_digits() -> None:
    assert without_numbers("(555) 123-4567") == "(***67"
