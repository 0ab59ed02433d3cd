"""Asks a voice webhook for a stream as Twilio does: the form that it posts, the signature, the TwiML that it obeys.

Wire: Twilio, "TwiML for Programmable Voice", "TwiML Voice: <Stream>", "Webhooks security". Only `ask_webhook` does I/O.
"""

import hashlib
import hmac
from base64 import b64encode
from collections.abc import Mapping
from urllib.parse import urlencode, urlsplit
from xml.etree import ElementTree

from bridge.simulators.carriers.rehearsal import Rehearsal
from bridge.simulators.carriers.voice_xml import (
    TRACKS,
    StreamElement,
    first_stream,
    post,
    socket_url,
    stream_parameters,
)
from bridge.vocabulary.errors import CallRefused


async def ask_webhook(
    url: str,
    *,
    call_sid: str,
    account_sid: str,
    caller: str,
    called: str,
    auth_token: str = "",
    rehearsal: Rehearsal | None = None,
) -> StreamElement:
    """Post an inbound call to `url` and read the stream that its TwiML asks for. With `auth_token` the form is signed.

    `rehearsal`: the form is signed for the server's public address. Raises `CallRefused` with the reason if the answer asks for no stream that Twilio would open.
    """
    form = call_form(call_sid=call_sid, account_sid=account_sid, caller=caller, called=called)
    public = rehearsal.public if rehearsal else url
    signed = signed_headers(public, form, auth_token)
    return read_twiml(await post(url, urlencode(form).encode(), signed, rehearsal), public)


def call_form(*, call_sid: str, account_sid: str, caller: str, called: str) -> dict[str, str]:
    """The form fields of an inbound call that rings (Twilio, "TwiML for Programmable Voice": request parameters)."""
    form = {
        "AccountSid": account_sid,
        "ApiVersion": "2010-04-01",
        "CallSid": call_sid,
        "CallStatus": "ringing",
        "Direction": "inbound",
    }
    for party, number in {"From": caller, "Caller": caller, "To": called, "Called": called}.items():
        form |= {
            party: number,
            f"{party}City": "",
            f"{party}State": "",
            f"{party}Zip": "",
            f"{party}Country": "US",
        }
    return form


def signed_headers(url: str, form: Mapping[str, str], auth_token: str) -> dict[str, str]:
    """The header `X-Twilio-Signature`, or nothing without a token (Twilio, "Webhooks security").

    The WebSocket upgrade of a media stream is signed like a form without fields.
    """
    if not auth_token:
        return {}
    signed = _signed_url(url) + "".join(name + value for name, value in sorted(form.items()))
    mac = hmac.new(auth_token.encode(), signed.encode(), hashlib.sha1)
    return {"X-Twilio-Signature": b64encode(mac.digest()).decode()}


def _signed_url(url: str) -> str:
    """The URL as Twilio signs it: without the user's name and password, and for https without the port."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    if parts.scheme == "https" and parts.port is not None:
        host = host.rpartition(":")[0]
    return url.replace(parts.netloc, host, 1)


def read_twiml(answer: bytes, webhook_url: str) -> StreamElement:
    """The first stream of the TwiML. Raises `CallRefused` if it has none, or one that Twilio would not open."""
    verb, stream = first_stream(answer)
    return read_stream(stream, webhook_url, one_way=verb == "Start")


def read_stream(stream: ElementTree.Element, webhook_url: str, *, one_way: bool) -> StreamElement:
    """Read a `<Stream>`. `one_way`: it stands under `<Start>`. Raises `CallRefused` if Twilio would not open it."""
    url = socket_url(stream.get("url", ""), webhook_url)
    if urlsplit(url).query:
        raise CallRefused("<Stream url> has a query string, which Twilio does not pass on (its error 31920)")
    track = stream.get("track", "inbound_track")
    if track not in TRACKS or not (one_way or track == "inbound_track"):
        raise CallRefused(
            f"<Stream track={track!r}> is not possible under <{'Start' if one_way else 'Connect'}>"
        )
    parameters = stream_parameters(stream)
    for name, value in parameters.items():
        if not name or len(name) + len(value) >= 500:
            raise CallRefused(
                f"<Parameter name={name!r}>: expected a name, and less than 500 characters with its value"
            )
    return StreamElement(
        url=url,
        parameters=parameters,
        one_way=one_way,
        tracks=TRACKS[track],
        status_callback=stream.get("statusCallback", ""),
        name=stream.get("name", ""),
    )
