"""The document for a refused call: rows of the settings and the webhook's form, and the verbs that answer it."""

from typing import Any
from xml.etree import ElementTree

import pytest

from bridge.carriers.shared.busy import busy_document
from bridge.settings.busy import BusySettings

RINGS = {"CallStatus": "ringing", "Direction": "inbound"}
ANSWERED = {"CallStatus": "in-progress", "Direction": "inbound"}
PLACED = {"CallStatus": "ringing", "Direction": "outbound-api"}
SAY = {"say": "Please call <later> & again."}
NEXT = "https://example.com/next.xml?a=1&b=2"

Verbs = list[tuple[str, dict[str, str], str | None]]
HANG_UP: tuple[str, dict[str, str], None] = ("Hangup", {}, None)

ROWS: dict[str, tuple[dict[str, Any], dict[str, str], Verbs]] = {
    "it rings": ({}, RINGS, [("Reject", {"reason": "busy"}, None)]),
    "nothing says how far it is": ({}, {}, [("Reject", {"reason": "busy"}, None)]),
    "it was answered before": ({}, ANSWERED, [HANG_UP]),
    "we placed it": ({}, PLACED, [HANG_UP]),
    "words": (SAY, RINGS, [("Say", {}, SAY["say"]), HANG_UP]),
    "words in a voice": (
        SAY | {"voice": "Polly.Vicki", "language": "de-DE"},
        PLACED,
        [("Say", {"voice": "Polly.Vicki", "language": "de-DE"}, SAY["say"]), HANG_UP],
    ),
    "a recording": ({"play": NEXT}, RINGS, [("Play", {}, NEXT), HANG_UP]),
    "another server": ({"redirect": NEXT}, RINGS, [("Redirect", {"method": "POST"}, NEXT)]),
}


def verbs(document: str) -> Verbs:
    return [(verb.tag, verb.attrib, verb.text) for verb in ElementTree.fromstring(document)]


@pytest.mark.parametrize("name", ROWS)
def test_what_the_caller_hears(name: str) -> None:
    table, form, expected = ROWS[name]
    assert verbs(busy_document(BusySettings.model_validate(table), form)) == expected


@pytest.mark.parametrize("table", [{}, SAY, {"redirect": "https://example.com/other.xml"}])
def test_a_call_that_is_only_listened_to_goes_on_as_it_would_have(table: dict[str, Any]) -> None:
    document = busy_document(BusySettings.model_validate(table), RINGS, then=NEXT)
    assert verbs(document) == [("Redirect", {"method": "POST"}, NEXT)]
