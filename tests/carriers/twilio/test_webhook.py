"""Twilio's signature and TwiML, against its published vectors and its own library."""

from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from twilio.request_validator import RequestValidator
from twilio.twiml.voice_response import Connect, Start, Stream, VoiceResponse

from bridge.carriers.twilio.webhook import answer, is_signed, no_answer, signature


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


def test_connects_both_ways() -> None:
    twiml = ET.fromstring(
        answer(
            "wss://voice.example.com/s",
            parameters={"plan": "<gold>"},
            status_callback="https://voice.example.com/c",
        )
    )
    stream = twiml.find("./Connect/Stream")
    assert stream is not None
    assert stream.attrib == {
        "url": "wss://voice.example.com/s",
        "statusCallback": "https://voice.example.com/c",
        "statusCallbackMethod": "POST",
    }
    assert [parameter.attrib for parameter in stream] == [{"name": "plan", "value": "<gold>"}]
    assert twiml.find("./Redirect") is None


def test_listens_and_goes_on() -> None:
    twiml = ET.fromstring(
        answer(
            "wss://a/b",
            parameters={},
            status_callback="https://a/c",
            listen="both_tracks",
            then="https://a/next?x=1&y=2",
        )
    )
    stream = twiml.find("./Start/Stream")
    assert stream is not None
    assert stream.get("track") == "both_tracks"
    assert twiml.findtext("./Redirect") == "https://a/next?x=1&y=2"


def by_twilios_library(
    stream_url: str,
    *,
    parameters: Mapping[str, str],
    status_callback: str,
    listen: str | None = None,
    then: str | None = None,
) -> str:
    response = VoiceResponse()
    stream = Stream(
        url=stream_url, track=listen, status_callback=status_callback, status_callback_method="POST"
    )
    for name, value in parameters.items():
        stream.parameter(name=name, value=value)
    response.append((Start() if listen else Connect()).append(stream))
    if then is not None:
        response.redirect(then, method="POST")
    return str(response)


ANSWERS: list[dict[str, Any]] = [
    {"parameters": {}},
    {"parameters": {"plan": "<gold>", "who": 'Zoë & "co"', "two": "lines\nand a\ttab", "empty": ""}},
    {"parameters": {"a": "1"}, "then": "https://a/next?x=1&y=<2>"},
    {"parameters": {}, "listen": "both_tracks", "then": "https://a/next"},
    {"parameters": {"a": "ü €"}, "listen": "inbound_track"},
]


@pytest.mark.parametrize("asked", ANSWERS)
def test_the_document_is_byte_for_byte_what_twilios_own_library_writes(asked: dict[str, Any]) -> None:
    arguments = {"status_callback": "https://a/c?x=1&y=2"} | asked
    expected = by_twilios_library("wss://a/b?c=d&e=f", **arguments)
    assert answer("wss://a/b?c=d&e=f", **arguments) == expected


def test_so_is_the_one_that_hangs_up() -> None:
    response = VoiceResponse()
    response.hangup()
    assert no_answer() == str(response)
