"""TwiML, against Twilio's own library."""

from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from twilio.twiml.voice_response import Connect, Start, Stream, VoiceResponse

from bridge.carriers.shared.dial_documents import Target, hang_up_document, redirect_document
from bridge.carriers.twilio.settings import TwilioSettings
from bridge.carriers.twilio.twiml import TwilioWords, stream_document


def test_connects_both_ways() -> None:
    twiml = ET.fromstring(
        stream_document(
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
        stream_document(
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
    assert stream_document("wss://a/b?c=d&e=f", **arguments) == expected


WORDS = TwilioWords(TwilioSettings(machine_detection="DetectMessageEnd"), lambda: "https://a")
TARGETS = [
    Target("+15550111", "https://a/p/1?x=1&y=2"),
    Target("sip:ann@pbx.example.com;a=b", "https://a/p/2"),
]


def test_so_is_the_one_that_calls_people() -> None:
    response = VoiceResponse()
    dial = response.dial(
        action="https://a/back", method="POST", timeout=25, caller_id="+15550100", answer_on_bridge=True
    )
    for target, add in zip(TARGETS, (dial.number, dial.sip), strict=True):
        add(
            target.to,
            status_callback=target.callback,
            status_callback_method="POST",
            status_callback_event="initiated ringing answered completed",
            machine_detection="DetectMessageEnd",
            amd_status_callback=target.callback,
            amd_status_callback_method="POST",
        )
    assert WORDS.dial(TARGETS, "https://a/back", 25.0, "+15550100") == str(response)


@pytest.mark.parametrize("action", ["https://a/back", None])
def test_so_is_the_conference_of_two(action: str | None) -> None:
    response = VoiceResponse()
    dial = response.dial(action=action, method=action and "POST")
    dial.conference(
        "h7",
        beep="false",
        start_conference_on_enter=True,
        end_conference_on_exit=True,
        wait_url="",
        jitter_buffer_size="small",
        participant_label="caller",
        status_callback="https://a/room",
        status_callback_event="start end join leave",
        status_callback_method="POST",
    )
    assert WORDS.room("h7", "caller", "https://a/room", action) == str(response)


def test_so_is_the_one_that_asks_again() -> None:
    response = VoiceResponse()
    response.pause(length=1)
    response.redirect("https://a/person", method="POST")
    assert redirect_document("https://a/person", after_s=1) == str(response)


def test_so_is_the_one_that_hangs_up() -> None:
    response = VoiceResponse()
    response.hangup()
    assert hang_up_document() == str(response)
