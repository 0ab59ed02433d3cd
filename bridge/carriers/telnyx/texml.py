"""TeXML: the documents that connect a Telnyx call to a media socket, and to a person.

Source: Telnyx, "TeXML <Stream>", "<Dial>", "<Conference>", "<Enqueue>", "<Refer>", "TeXML stream callbacks". No socket, no clock.
"""

from collections.abc import Callable, Sequence
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
from bridge.carriers.telnyx.settings import TelnyxSettings

SHOWN = ("CallSid", "StreamSid", "StreamEvent", "CallStatus")
"""Fields of a stream's callback that may be logged; of StreamError only what `without_addresses` leaves."""


def stream_document(
    stream_url: str,
    settings: TelnyxSettings,
    *,
    status_callback: str,
    listen: bool = False,
    then: str | None = None,
    reconnects: bool = True,
) -> str:
    """TeXML that connects the call to `stream_url`, both ways; with `listen` it only listens.

    `then`: the URL of the TeXML that the call goes on with when the stream has ended. `reconnects`: whether Telnyx may
    open the socket again, where the settings wait for that.
    """
    response = ET.Element("Response")
    verb = ET.SubElement(response, "Start" if listen else "Connect")
    stream = ET.SubElement(verb, "Stream", url=stream_url, statusCallback=status_callback)
    stream.set("track", settings.track if listen else "inbound_track")
    stream.set("enableReconnect", "true" if settings.return_s and reconnects and not listen else "false")
    if settings.stream_codec != "default":
        stream.set("codec", settings.stream_codec)
    if not listen:
        stream.set("bidirectionalMode", settings.mode)
        if settings.mode == "rtp":
            stream.set("bidirectionalCodec", settings.codec)
            stream.set("bidirectionalSamplingRate", str(settings.rate_hz))
    for name, value in settings.parameters.items():
        ET.SubElement(stream, "Parameter", name=name, value=value)
    if then is not None:
        ET.SubElement(response, "Redirect", method="POST").text = then
    return _document(response)


class TexmlWords:
    """The documents of a handover; see `DocumentWords`. `public_url` is asked each time: it is known once we listen."""

    carrier = "telnyx"

    def __init__(self, settings: TelnyxSettings, public_url: Callable[[], str]) -> None:
        self._settings = settings
        self._public_url = public_url

    @property
    def detects_machines(self) -> bool:
        """Whether the settings ask for it."""
        return self._settings.detect_machines_of_people

    def stream(self, url: str, goes_on: str) -> str:
        """Connect the call to this media socket; when the stream has ended, ask `goes_on`.

        Telnyx would open a socket again that we close, so it may not: a stream that broke comes back by `goes_on`.
        """
        return stream_document(
            url,
            self._settings,
            status_callback=f"{self._public_url()}/telnyx/stream",
            then=goes_on,
            reconnects=False,
        )

    def dial(self, targets: Sequence[Target], action: str, ring_s: float, caller_id: str) -> str:
        """Call all of them. `machineDetection` is Twilio's; whether Telnyx heeds it in a `<Dial>` is not documented."""
        return dial_document(
            targets,
            action=action,
            ring_s=min(max(ring_s, 5), 120),
            caller_id=caller_id,
            noun={"machineDetection": "Enable"} if self.detects_machines else {},
        )

    def room(self, room: str, who: Literal["caller", "person"], callback: str, action: str | None) -> str:
        """Join a conference of two."""
        return room_document(room, callback=callback, action=action)

    def queue(self, queue: str, action: str) -> str:
        """Put the call into this queue. Telnyx plays its own music there."""
        return enqueue_document({"action": action}, queue)

    def refer(self, to: str, action: str) -> str:
        """Have the caller's telephone call this SIP address."""
        return refer_document(to, action=action)

    def listen(self, document: str, url: str) -> str:
        """Have a stream listen to both parties beside the document. It may not come back by itself: what is lost is lost."""
        stream = {"url": url, "enableReconnect": "false"}
        if self._settings.stream_codec != "default":
            stream["codec"] = self._settings.stream_codec
        return listen_document(document, stream, self._settings.parameters)


def _document(response: ET.Element) -> str:
    document: bytes = ET.tostring(response, encoding="utf-8", xml_declaration=True)
    return document.decode()
