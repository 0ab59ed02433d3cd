"""TeXML: the document that connects a Telnyx call to a media socket.

Source: Telnyx, "TeXML <Stream>" and "TeXML stream callbacks". No socket, no clock.
"""

from xml.etree import ElementTree as ET

from bridge.carriers.telnyx.settings import TelnyxSettings

SHOWN = ("CallSid", "StreamSid", "StreamEvent", "CallStatus")
"""Fields of a stream's callback that may be logged; of StreamError only what `without_addresses` leaves."""


def hang_up_document() -> str:
    """TeXML that hangs up."""
    response = ET.Element("Response")
    ET.SubElement(response, "Hangup")
    return _document(response)


def stream_document(
    stream_url: str,
    settings: TelnyxSettings,
    *,
    status_callback: str,
    listen: bool = False,
    then: str | None = None,
) -> str:
    """TeXML that connects the call to `stream_url`, both ways; with `listen` it only listens.

    `then`: the URL of the TeXML that the call goes on with when the stream has ended.
    """
    response = ET.Element("Response")
    verb = ET.SubElement(response, "Start" if listen else "Connect")
    stream = ET.SubElement(verb, "Stream", url=stream_url, statusCallback=status_callback)
    stream.set("track", settings.track if listen else "inbound_track")
    stream.set("enableReconnect", "true" if settings.return_s and not listen else "false")
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


def _document(response: ET.Element) -> str:
    document: bytes = ET.tostring(response, encoding="utf-8", xml_declaration=True)
    return document.decode()
