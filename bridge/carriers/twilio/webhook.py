"""Twilio's HTTP side: is a request really Twilio's, and the TwiML that answers a call.

Source: Twilio, "Webhooks security" and "TwiML Voice: <Stream>". No socket, no clock.
"""

import hashlib
import hmac
from base64 import b64encode
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit, urlunsplit
from xml.etree import ElementTree as ET

TRACKS = ("inbound_track", "outbound_track", "both_tracks")


def signature(auth_token: str, url: str, form: Iterable[tuple[str, str]] = ()) -> str:
    """The `X-Twilio-Signature` of a request: `url` as Twilio was told it, `form` its POST parameters, decoded.

    Values of a repeated parameter are sorted and counted once, as Twilio's own library does.
    """
    signed = url + "".join(name + value for name, value in sorted(set(form)))
    mac = hmac.new(auth_token.encode(), signed.encode("utf-8", "surrogateescape"), hashlib.sha1)
    return b64encode(mac.digest()).decode()


def is_signed(auth_token: str, url: str, form: Iterable[tuple[str, str]], given: str) -> bool:
    """Whether `given` is the signature of this request; Twilio may have dropped, or added, the port of `url`."""
    pairs = list(form)
    return any(
        hmac.compare_digest(
            signature(auth_token, candidate, pairs).encode(), given.encode("utf-8", "surrogateescape")
        )
        for candidate in _as_twilio_may_write(url)
    )


def _as_twilio_may_write(url: str) -> Iterable[str]:
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    port = parts.port
    bare = host if port is None else host.removesuffix(f":{port}")
    default = {"https": 443, "wss": 443}.get(parts.scheme, 80)
    for netloc in {host, bare, f"{bare}:{port or default}"}:
        yield urlunsplit(parts._replace(netloc=netloc))


def no_answer() -> str:
    """TwiML that hangs up."""
    response = ET.Element("Response")
    ET.SubElement(response, "Hangup")
    return _document(response)


def answer(
    stream_url: str,
    *,
    parameters: Mapping[str, str],
    status_callback: str,
    listen: str | None = None,
    then: str | None = None,
) -> str:
    """TwiML that connects the call to `stream_url`, both ways, or with `listen` (one of `TRACKS`) only taps it.

    `then`: the URL of the TwiML that the call goes on with.
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
