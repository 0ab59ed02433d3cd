"""Placing a call at a voice webhook as Twilio does: the form it posts, its signature, and the answer it obeys.

Wire: Twilio, "TwiML for Programmable Voice", "TwiML Voice: <Stream>", "Webhooks security". Of the answer only what
decides about the stream is obeyed; other verbs are passed over. `read_answer` and `signed_headers` do no I/O.
What TeXML shares with TwiML, `texml` takes from here.
"""

import hashlib
import hmac
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode, urljoin, urlsplit
from xml.etree import ElementTree

from bridge.vocabulary.errors import CallRefused

TIMEOUT_S = 15.0
CONNECT_TIMEOUT_S = 5.0
MAX_ANSWER_BYTES = 65_536
"""Twilio's own limit (error 11750)."""

TRACKS = {
    "inbound_track": ("inbound",),
    "outbound_track": ("outbound",),
    "both_tracks": ("inbound", "outbound"),
}
_XML = ("text/xml", "application/xml", "text/html")


@dataclass(frozen=True, slots=True)
class StreamOrder:
    """The media stream that a webhook's answer asks for."""

    url: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    one_way: bool = False
    """`<Start><Stream>`: the server only listens."""
    tracks: tuple[str, ...] = ("inbound",)
    status_callback: str = ""
    name: str = ""


async def order_stream(
    url: str, *, call_sid: str, account_sid: str, caller: str, called: str, auth_token: str = ""
) -> StreamOrder:
    """Post the call to `url`. Raises `CallRefused` with what came back if that is no stream."""
    form = call_form(call_sid=call_sid, account_sid=account_sid, caller=caller, called=called)
    answer = await post(url, urlencode(form).encode(), signed_headers(url, form, auth_token))
    return read_answer(answer, url)


async def post(url: str, form: bytes, headers: Mapping[str, str]) -> bytes:
    """The webhook's answer, XML by its own word. Raises `CallRefused` with what came instead."""
    import aiohttp  # here: a call to a media socket needs no HTTP client
    from yarl import URL

    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S, connect=CONNECT_TIMEOUT_S)
    answer = bytearray()
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as http,
            http.post(
                URL(url, encoded=True),
                data=form,
                headers={"Content-Type": "application/x-www-form-urlencoded", **headers},
                allow_redirects=False,
            ) as response,
        ):
            async for piece in response.content.iter_any():
                answer += piece
                if len(answer) > MAX_ANSWER_BYTES:
                    raise CallRefused(f"the webhook's answer is longer than {MAX_ANSWER_BYTES} bytes")
    except TimeoutError as error:
        raise CallRefused(f"the webhook did not answer within {TIMEOUT_S:g} s") from error
    except (aiohttp.ClientError, ValueError) as error:
        raise CallRefused(f"no webhook there: {error}") from error
    if response.status != 200:
        text = " ".join(answer.decode(errors="replace").split())[:200]
        raise CallRefused(f"the webhook answered HTTP {response.status}: {text or 'with nothing'}")
    if response.content_type not in _XML:
        raise CallRefused(f"the webhook answered {response.content_type}; text/xml is right")
    return bytes(answer)


def call_form(*, call_sid: str, account_sid: str, caller: str, called: str) -> dict[str, str]:
    """The fields of an inbound call that rings."""
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
    """`X-Twilio-Signature`, or nothing without a token. A media socket is signed like a form without fields."""
    if not auth_token:
        return {}
    signed = _as_signed(url) + "".join(name + value for name, value in sorted(form.items()))
    mac = hmac.new(auth_token.encode(), signed.encode(), hashlib.sha1)
    return {"X-Twilio-Signature": b64encode(mac.digest()).decode()}


def _as_signed(url: str) -> str:
    """Twilio leaves the user's name out of what it signs, and for https the port too."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    if parts.scheme == "https" and parts.port is not None:
        host = host.rpartition(":")[0]
    return url.replace(parts.netloc, host, 1)


def read_answer(answer: bytes, webhook_url: str) -> StreamOrder:
    """The first stream of the TwiML. Raises `CallRefused` if it has none, or one that Twilio would not open."""
    verb, stream = first_stream(answer)
    return _read_stream(stream, webhook_url, one_way=verb == "Start")


def first_stream(answer: bytes) -> tuple[str, ElementTree.Element]:
    """The first <Stream>, and the verb that it stands under. Raises `CallRefused` if there is none."""
    try:
        response = ElementTree.fromstring(answer)  # noqa: S314 - 64 KiB, and expat bounds what entities may grow to
    except ElementTree.ParseError as error:
        raise CallRefused(f"the webhook's answer is no XML: {error}") from error
    if response.tag != "Response":
        raise CallRefused(f"the webhook's answer is <{response.tag}>; <Response> is right")
    for verb in response:
        match verb.tag:
            case "Connect" | "Start" if (stream := verb.find("Stream")) is not None:
                return verb.tag, stream
            case "Reject":
                raise CallRefused(f"the webhook rejected the call ({verb.get('reason', 'rejected')})")
            case "Hangup":
                raise CallRefused("the webhook hung up before any stream")
            case _:
                pass
    verbs = ", ".join(f"<{verb.tag}>" for verb in response)
    raise CallRefused(f"the webhook's answer has no <Stream>: {verbs or 'it is empty'}")


def _read_stream(stream: ElementTree.Element, webhook_url: str, *, one_way: bool) -> StreamOrder:
    url = socket_url(stream.get("url", ""), webhook_url)
    if urlsplit(url).query:
        raise CallRefused("<Stream url> has a query string, which Twilio does not pass on (its 31920)")
    track = stream.get("track", "inbound_track")
    if track not in TRACKS or not (one_way or track == "inbound_track"):
        raise CallRefused(
            f"<Stream track={track!r}> is not possible under <{'Start' if one_way else 'Connect'}>"
        )
    parameters = stream_parameters(stream)
    for name, value in parameters.items():
        if not name or len(name) + len(value) >= 500:
            raise CallRefused(
                f"<Parameter name={name!r}> needs a name, and under 500 characters with its value"
            )
    return StreamOrder(
        url=url,
        parameters=parameters,
        one_way=one_way,
        tracks=TRACKS[track],
        status_callback=stream.get("statusCallback", ""),
        name=stream.get("name", ""),
    )


def stream_parameters(stream: ElementTree.Element) -> dict[str, str]:
    """Its <Parameter>s."""
    return {item.get("name", ""): item.get("value", "") for item in stream.findall("Parameter")}


def socket_url(asked: str, webhook_url: str) -> str:
    """Where the stream goes, absolute. Raises `CallRefused`."""
    impossible = CallRefused(f"<Stream url={asked!r}> is no address of a WebSocket (Twilio's 31922, 31923)")
    try:
        url = urljoin(webhook_url.replace("http", "ws", 1), asked)
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:  # a port out of range, a bracket left open
        raise impossible from error
    if not asked or parts.scheme not in ("ws", "wss") or not parts.hostname or port == 0:
        raise impossible
    return url
