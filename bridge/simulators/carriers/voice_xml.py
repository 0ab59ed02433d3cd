"""What TwiML and TeXML have in common: the form is posted to a webhook, and its XML answer names a media stream.

Wire: Twilio, "TwiML for Programmable Voice" and "TwiML Voice: <Stream>"; Telnyx, "TeXML <Stream>". Of the answer only
what decides about the stream is obeyed; other verbs are skipped. Only `post` does I/O.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urljoin, urlsplit
from xml.etree import ElementTree

from bridge.simulators.carriers.rehearsal import Rehearsal
from bridge.vocabulary.errors import CallRefused

TIMEOUT_S = 15.0
CONNECT_TIMEOUT_S = 5.0
MAX_ANSWER_BYTES = 65_536
"""Twilio's limit for a TwiML answer (its error 11750)."""

TRACKS = {
    "inbound_track": ("inbound",),
    "outbound_track": ("outbound",),
    "both_tracks": ("inbound", "outbound"),
}
_XML = ("text/xml", "application/xml", "text/html")


@dataclass(frozen=True, slots=True)
class StreamElement:
    """What a `<Stream>` element asks for."""

    url: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    one_way: bool = False
    """It stands under `<Start>`: the server only listens."""
    tracks: tuple[str, ...] = ("inbound",)
    status_callback: str = ""
    name: str = ""


async def post(
    url: str, form: bytes, headers: Mapping[str, str], rehearsal: Rehearsal | None = None
) -> bytes:
    """POST a form to a webhook and return its XML answer, at most `MAX_ANSWER_BYTES`.

    `rehearsal`: as a proxy of the server would pass the request on. Raises `CallRefused` if there is no answer in time, or its status is not 200, or it is not XML by its content type.
    """
    import aiohttp  # here: a call to a media socket needs no HTTP client
    from yarl import URL

    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S, connect=CONNECT_TIMEOUT_S)
    answer = bytearray()
    own = {"Content-Type": "application/x-www-form-urlencoded", **(rehearsal.headers if rehearsal else {})}
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as http,
            http.post(
                URL(url, encoded=True),
                data=form,
                headers=own | dict(headers),
                ssl=(rehearsal.tls if rehearsal else None) or True,
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
        raise CallRefused(f"the webhook cannot be reached: {error}") from error
    if response.status != 200:
        text = " ".join(answer.decode(errors="replace").split())[:200]
        raise CallRefused(f"the webhook answered HTTP {response.status}: {text or 'an empty body'}")
    if response.content_type not in _XML:
        raise CallRefused(f"the webhook's answer is {response.content_type}; expected text/xml")
    return bytes(answer)


def first_stream(answer: bytes) -> tuple[str, ElementTree.Element]:
    """The first `<Stream>` and the tag above it, `Connect` or `Start`. Raises `CallRefused` if there is none."""
    try:
        response = ElementTree.fromstring(answer)  # noqa: S314 - 64 KiB, and expat bounds what entities may grow to
    except ElementTree.ParseError as error:
        raise CallRefused(f"the webhook's answer is not XML: {error}") from error
    if response.tag != "Response":
        raise CallRefused(f"the webhook's answer is <{response.tag}>; expected <Response>")
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
    raise CallRefused(f"the webhook's answer has no <Stream>; it has {verbs or 'no verbs'}")


def stream_parameters(stream: ElementTree.Element) -> dict[str, str]:
    """Name and value of each `<Parameter>` of the stream."""
    return {item.get("name", ""): item.get("value", "") for item in stream.findall("Parameter")}


def socket_url(asked: str, webhook_url: str) -> str:
    """The absolute URL of the stream's WebSocket; `asked` may be relative to the webhook's.

    Raises `CallRefused` if it is not ws or wss with a host (Twilio's errors 31922, 31923).
    """
    impossible = CallRefused(
        f"<Stream url={asked!r}> is not the URL of a WebSocket; expected ws:// or wss:// (Twilio's 31922, 31923)"
    )
    try:
        url = urljoin(webhook_url.replace("http", "ws", 1), asked)
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:  # a port out of range, a bracket left open
        raise impossible from error
    if not asked or parts.scheme not in ("ws", "wss") or not parts.hostname or port == 0:
        raise impossible
    return url
