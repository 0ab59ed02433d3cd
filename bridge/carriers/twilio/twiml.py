"""TwiML: the documents that answer a call.

Source: Twilio, "TwiML Voice: <Stream>", "<Redirect>", "<Dial>", "<Number>", "<Conference>", "<Enqueue>", "<Refer>".
No socket, no clock.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Literal
from xml.etree import ElementTree as ET

from bridge.carriers.shared.dial_documents import (
    Target,
    dial_document,
    enqueue_document,
    listen_document,
    refer_document,
    room_document,
)
from bridge.carriers.twilio.settings import TwilioSettings

TRACKS = ("inbound_track", "outbound_track", "both_tracks")
"""What a stream that only listens may be asked for; from Twilio's side of the call."""

WORKFLOW = re.compile(r"WW[0-9a-f]{32}", re.ASCII)
"""The SID of a workflow of TaskRouter's."""


def stream_document(
    stream_url: str,
    *,
    parameters: Mapping[str, str],
    status_callback: str,
    listen: str | None = None,
    then: str | None = None,
) -> str:
    """TwiML that connects the call to `stream_url`, both ways; with `listen`, one of `TRACKS`, it only listens.

    `then`: the URL of the TwiML that the call goes on with when the stream has ended.
    """
    response = ET.Element("Response")
    verb = ET.SubElement(response, "Start" if listen else "Connect")
    stream = ET.SubElement(verb, "Stream", statusCallback=status_callback, statusCallbackMethod="POST")
    if listen:
        stream.set("track", listen)
    stream.set("url", stream_url)
    for name, value in parameters.items():
        ET.SubElement(stream, "Parameter", name=name, value=value)
    if then is not None:
        ET.SubElement(response, "Redirect", method="POST").text = then
    return _document(response)


class TwilioWords:
    """The documents of a handover; see `DocumentWords`. `public_url` is asked each time: it is known once we listen."""

    carrier = "twilio"

    def __init__(self, settings: TwilioSettings, public_url: Callable[[], str]) -> None:
        self._settings = settings
        self._public_url = public_url

    @property
    def detects_machines(self) -> bool:
        """Whether the settings ask for it."""
        return self._settings.detect_machines_of_people

    def stream(self, url: str, goes_on: str) -> str:
        """Connect the call to this media socket; when the stream has ended, ask `goes_on`."""
        status_callback = f"{self._public_url()}/twilio/status"
        return stream_document(
            url, parameters=self._settings.parameters, status_callback=status_callback, then=goes_on
        )

    def dial(self, targets: Sequence[Target], action: str, ring_s: float, caller_id: str) -> str:
        """Call all of them. The caller's call is not answered by it, and a machine is looked for beside."""
        detection = self._settings.machine_detection if self.detects_machines else None
        return dial_document(
            targets,
            action=action,
            ring_s=ring_s,
            caller_id=caller_id,
            dial={"answerOnBridge": "true"},
            noun={} if detection is None else {"machineDetection": detection},
        )

    def room(self, room: str, who: Literal["caller", "person"], callback: str, action: str | None) -> str:
        """Join a conference of two, with as little delay as Twilio's mixer can have."""
        conference = {"jitterBufferSize": "small", "participantLabel": who, "waitUrl": ""}
        return room_document(room, callback=callback, action=action, conference=conference)

    def queue(self, queue: str, action: str) -> str:
        """Put the call into this queue, or into a workflow of TaskRouter's. Twilio plays its own music there."""
        if WORKFLOW.fullmatch(queue):
            return enqueue_document({"action": action, "workflowSid": queue}, "")
        return enqueue_document({"action": action}, queue)

    def refer(self, to: str, action: str) -> str:
        """Have the caller's telephone call this SIP address, which Twilio does on SIP legs alone."""
        return refer_document(to, action=action)

    def listen(self, document: str, url: str) -> str:
        """Have a stream listen to both parties beside the document."""
        return listen_document(document, {"url": url}, self._settings.parameters)


def _document(response: ET.Element) -> str:
    return '<?xml version="1.0" encoding="UTF-8"?>' + ET.tostring(response, encoding="unicode")
