"""How long a peer asks to be left alone: every form of it, and what is none."""

import pytest

from bridge.vocabulary.retry_after import LONGEST_S, from_header, from_text, in_words

NOON = 784_111_777.0
"""Sun, 06 Nov 1994 08:49:37 GMT, the date of RFC 9110, 5.6.7."""


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Rate limit reached for gpt-realtime … Please try again in 2.400s. Visit …", 2.4),
        ("Please try again in 20ms.", 0.02),
        ("Please try again in 6m0s.", 360.0),
        ("please try again in 1h2m3.5s", 3723.5),
        ("try again in 2 seconds", 2.0),
        ("try again in 1 minute 30 seconds", 90.0),
        ("Retry after 800 milliseconds", 0.8),
        ("Please retry after 3 sec", 3.0),
        ("TRY AGAIN IN 5 S", 5.0),
        ("try again in 30 days", LONGEST_S),
        ("HTTP 429; try again in 0.4 s", 0.4),
        ("", None),
        ("Please try again later.", None),
        ("try again in 5", None),
        ("try again in 5 sausages", None),
        ("try again in a minute", None),
        ("it was tried again in 2 s", None),
        ("country again in 2 s", None),
        ("try again in 2 stops", None),
    ],
)
def test_words(text: str, seconds: float | None) -> None:
    assert from_text(text) == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120.0),
        (" 2 ", 2.0),
        ("0", 0.0),
        ("9" * 5000, LONGEST_S),
        ("Sun, 06 Nov 1994 08:49:47 GMT", 10.0),
        ("Sunday, 06-Nov-94 08:49:47 GMT", 10.0),
        ("Sun Nov  6 08:49:47 1994", 10.0),
        ("Sun, 06 Nov 1994 09:49:47 +0100", 10.0),
        ("Sun, 06 Nov 1994 08:49:30 GMT", 0.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", LONGEST_S),
        ("", None),
        ("-1", None),
        ("1.5", None),
        ("soon", None),
        ("Sun, 06 Nov", None),
        ("Sun, 99 Nov 99999999999999 08:49:47 GMT", None),
        ("²", None),
    ],
)
def test_header(value: str, seconds: float | None) -> None:
    assert from_header(value, NOON) == seconds


@pytest.mark.parametrize("seconds", [0.001, 0.4, 2.4, 60.0, 12_345.0])
def test_what_is_said_is_understood(seconds: float) -> None:
    assert from_text(in_words(seconds)) == pytest.approx(seconds, rel=1e-3)
