"""Twilio's signature, against its published vectors and its own library."""

import pytest
from twilio.request_validator import RequestValidator

from bridge.carriers.twilio.signature import is_signed, signature


def form(caller: str) -> list[tuple[str, str]]:
    return [
        ("CallSid", "CA1234567890ABCDE"),
        ("Caller", caller),
        ("Digits", "1234"),
        ("From", caller),
        ("To", "+18005551212"),
    ]


VECTORS = [
    ("https://example.com/myapp.php?foo=1&bar=2", form("+14158675310"), "L/OH5YylLD5NRKLltdqwSvS0BnU="),
    ("https://mycompany.com/myapp.php?foo=1&bar=2", form("+14158675309"), "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
    ("wss://example.com/media", [], "7PR3qMkpDyEJtMrVOY/LDyNq8J8="),
    ("wss://example.com/media/", [], "T+WBXwUXC0/CyoZ1DA+p9ilZORs="),
]
URL = "https://voice.example.com/twilio/voice"
PORTS = [  # what we were told that we are, what Twilio signed
    (URL, URL),
    ("https://voice.example.com:8443/twilio/voice", URL),
    (URL, "https://voice.example.com:443/twilio/voice"),
    ("https://user:secret@voice.example.com/twilio/voice", URL),
    ("http://[::1]:8080/twilio/voice", "http://[::1]:8080/twilio/voice"),
]


@pytest.mark.parametrize(("url", "pairs", "expected"), VECTORS)
def test_published_vectors(url: str, pairs: list[tuple[str, str]], expected: str) -> None:
    assert signature("12345", url, pairs) == expected
    assert is_signed("12345", url, pairs, expected)


@pytest.mark.parametrize(("told", "signed"), PORTS)
def test_the_port_may_have_been_dropped_or_added(told: str, signed: str) -> None:
    assert is_signed("12345", told, form("+1"), signature("12345", signed, form("+1")))


@pytest.mark.parametrize(
    "forged",
    [
        signature("54321", URL, form("+1")),
        signature("12345", URL, form("+2")),
        signature("12345", URL + "?x=1", form("+1")),
        signature("12345", URL.replace("https", "http"), form("+1")),
        "",
        "ä",
    ],
)
def test_a_forged_or_altered_request_is_told(forged: str) -> None:
    assert not is_signed("12345", URL, form("+1"), forged)


def test_agrees_with_twilios_own_library() -> None:
    pairs = [("Body", ""), ("To", "+1"), ("Zoë", "ü €"), ("From", " padded ")]
    assert signature("12345", URL, pairs) == RequestValidator("12345").compute_signature(URL, dict(pairs))
