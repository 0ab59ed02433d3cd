"""TwiML: the documents that answer a call.

Source: Twilio, "TwiML Voice: <Stream>", "<Redirect>", "<Hangup>". No socket, no clock.
"""

from collections.abc import Mapping
from xml.etree import ElementTree as ET

TRACKS = ("inbound_track", "outbound_track", "both_tracks")
"""What a stream that only listens may be asked for; from Twilio's side of the call."""


def hang_up_document() -> str:
    """TwiML that hangs up."""
    response = ET.Element("Response")
    ET.SubElement(response, "Hangup")
    return _document(response)


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


def _document(response: ET.Element) -> str:
    return '<?xml version="1.0" encoding="UTF-8"?>' + ET.tostring(response, encoding="unicode")
