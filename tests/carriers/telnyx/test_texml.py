"""The TeXML that brings a call to a media socket."""

from typing import Any
from xml.etree import ElementTree as ET

import pytest

from bridge.carriers.telnyx.settings import TelnyxSettings
from bridge.carriers.telnyx.texml import stream_document

URL = "wss://voice.example.com/telnyx/media/t"
CALLBACK = "https://voice.example.com/telnyx/stream?a=1&b=2"


def texml(listen: bool = False, then: str | None = None, **settings: Any) -> ET.Element:
    document = stream_document(
        URL, TelnyxSettings.model_validate(settings), status_callback=CALLBACK, listen=listen, then=then
    )
    assert document.startswith("<?xml version='1.0' encoding='utf-8'?>")
    return ET.fromstring(document)


def stream(document: ET.Element, verb: str = "Connect") -> ET.Element:
    found = document.find(f"./{verb}/Stream")
    assert found is not None
    return found


def test_connects_both_ways() -> None:
    document = texml(parameters={"plan": "<gold>", "who": 'Zoë & "co"'})
    assert [verb.tag for verb in document] == ["Connect"]
    assert stream(document).attrib == {
        "url": URL,
        "statusCallback": CALLBACK,
        "track": "inbound_track",
        "enableReconnect": "true",
        "bidirectionalMode": "rtp",
        "bidirectionalCodec": "PCMU",
        "bidirectionalSamplingRate": "8000",
    }
    assert [parameter.attrib for parameter in stream(document)] == [
        {"name": "plan", "value": "<gold>"},
        {"name": "who", "value": 'Zoë & "co"'},
    ]


ASKED: list[tuple[dict[str, Any], dict[str, str | None]]] = [
    ({"codec": "PCMA"}, {"bidirectionalCodec": "PCMA", "bidirectionalSamplingRate": "8000", "codec": None}),
    ({"codec": "L16"}, {"bidirectionalCodec": "L16", "bidirectionalSamplingRate": "16000"}),
    ({"codec": "L16", "sampling_rate": 24_000}, {"bidirectionalSamplingRate": "24000"}),
    ({"stream_codec": "PCMA"}, {"codec": "PCMA", "bidirectionalCodec": "PCMU"}),
    ({"mode": "mp3"}, {"bidirectionalMode": "mp3", "bidirectionalCodec": None}),
    ({"return_s": 0}, {"enableReconnect": "false"}),
    ({"track": "both_tracks"}, {"track": "inbound_track"}),
]


@pytest.mark.parametrize(("settings", "expected"), ASKED)
def test_asks_for_what_is_set(settings: dict[str, Any], expected: dict[str, str | None]) -> None:
    found = stream(texml(**settings))
    assert {name: found.get(name) for name in expected} == expected


def test_listens_and_goes_on() -> None:
    document = texml(listen=True, then="https://a/next?x=1&y=2", track="both_tracks")
    assert [verb.tag for verb in document] == ["Start", "Redirect"]
    found = stream(document, "Start")
    assert found.get("track") == "both_tracks"
    assert found.get("bidirectionalMode") is None
    assert document.findtext("./Redirect") == "https://a/next?x=1&y=2"
