"""The documents of a handover, in TwiML and TeXML, which have the same verbs: `<Dial>` with people or a conference.

Source: Twilio, "TwiML Voice: <Dial>", "<Number>", "<Sip>", "<Conference>", "<Enqueue>", "<Refer>", "<Redirect>"; Telnyx,
"TeXML <Dial>", "TeXML <Conference>", "TeXML <Enqueue>", "TeXML <Refer>". A carrier's own attributes are passed in. No socket, no clock.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple
from xml.etree import ElementTree as ET

PERSON_EVENTS = ("initiated", "ringing", "answered", "completed")
"""The events of a person's leg that are asked for."""

ROOM_EVENTS = "start end join leave"
"""Those of a conference."""

SIP = ("sip:", "sips:")

NONE: Mapping[str, str] = {}


class Target(NamedTuple):
    """One address that is called, and where the carrier tells of its leg."""

    to: str
    callback: str


def dial_document(
    targets: Sequence[Target],
    *,
    action: str,
    ring_s: float,
    caller_id: str,
    dial: Mapping[str, str] = NONE,
    noun: Mapping[str, str] = NONE,
) -> str:
    """Call all of them at the same time, and join the first who answers; then ask `action` how the call goes on.

    `caller_id`: the number that they are shown; empty: the carrier's choice. `dial`, `noun`: further attributes of
    `<Dial>`, and of each `<Number>` and `<Sip>`. With `machineDetection` among these the verdict goes to the callback.
    """
    verb = {"action": action, "method": "POST", "timeout": str(round(ring_s)), **dial}
    if caller_id:
        verb["callerId"] = caller_id
    response = ET.Element("Response")
    element = _add(response, "Dial", verb)
    for target in targets:
        told = {
            "statusCallback": target.callback,
            "statusCallbackEvent": " ".join(PERSON_EVENTS),
            "statusCallbackMethod": "POST",
            **noun,
        }
        if "machineDetection" in noun:
            told |= {"amdStatusCallback": target.callback, "amdStatusCallbackMethod": "POST"}
        _add(element, "Sip" if target.to.startswith(SIP) else "Number", told).text = target.to
    return _document(response)


def room_document(
    room: str, *, callback: str, action: str | None = None, conference: Mapping[str, str] = NONE
) -> str:
    """Join a conference that begins at once and ends when either of the two leaves it.

    `action`: who is asked how the call goes on then; None: the call ends. `conference`: further attributes.
    """
    response = ET.Element("Response")
    verb = {} if action is None else {"action": action, "method": "POST"}
    attributes = {
        "beep": "false",
        "startConferenceOnEnter": "true",
        "endConferenceOnExit": "true",
        "statusCallback": callback,
        "statusCallbackEvent": ROOM_EVENTS,
        "statusCallbackMethod": "POST",
        **conference,
    }
    _add(_add(response, "Dial", verb), "Conference", attributes).text = room
    return _document(response)


def enqueue_document(attributes: Mapping[str, str], queue: str) -> str:
    """Put the call into this queue. `attributes`: of `<Enqueue>`; its `action` is asked when the call is out of it."""
    response = ET.Element("Response")
    _add(response, "Enqueue", {"method": "POST", **attributes}).text = queue or None
    return _document(response)


def refer_document(to: str, *, action: str) -> str:
    """Have the caller's telephone call this SIP address; then ask `action`, which hears what came of it."""
    response = ET.Element("Response")
    _add(_add(response, "Refer", {"action": action, "method": "POST"}), "Sip", NONE).text = to
    return _document(response)


LISTENS = "listens"
"""The name of the stream that listens to the caller and a person; a call has one at a time."""


def listen_document(document: str, stream: Mapping[str, str], parameters: Mapping[str, str]) -> str:
    """The document, with a stream in front of it that listens to both tracks of the call beside what comes next."""
    start = ET.Element("Start")
    attributes = {"name": LISTENS, "track": "both_tracks", **stream}
    element = _add(start, "Stream", attributes)
    for name, value in parameters.items():
        ET.SubElement(element, "Parameter", name=name, value=value)
    return _in_front(start, document)


def stop_listening_document(document: str) -> str:
    """The document, with the end of that stream in front of it."""
    stop = ET.Element("Stop")
    ET.SubElement(stop, "Stream", name=LISTENS)
    return _in_front(stop, document)


def _in_front(verb: ET.Element, document: str) -> str:
    response = ET.fromstring(document)  # noqa: S314 - a document of our own
    response.insert(0, verb)
    return _document(response)


def hang_up_document() -> str:
    """Hang up."""
    response = ET.Element("Response")
    ET.SubElement(response, "Hangup")
    return _document(response)


def redirect_document(url: str, *, after_s: int = 0) -> str:
    """Go on with the document at `url`, after some seconds of silence."""
    response = ET.Element("Response")
    if after_s:
        ET.SubElement(response, "Pause", length=str(after_s))
    ET.SubElement(response, "Redirect", method="POST").text = url
    return _document(response)


def _add(parent: ET.Element, tag: str, attributes: Mapping[str, str]) -> ET.Element:
    return ET.SubElement(parent, tag, {name: attributes[name] for name in sorted(attributes)})


def _document(response: ET.Element) -> str:
    return '<?xml version="1.0" encoding="UTF-8"?>' + ET.tostring(response, encoding="unicode")
