"""Asks a TeXML webhook for a stream as Telnyx does: the form that it posts, the signature, the TeXML that it obeys.

Wire: Telnyx, "TeXML <Stream>", "TeXML stream callbacks", "Receiving webhooks". Only `ask_texml_webhook` does I/O.
"""

from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode
from xml.etree import ElementTree

from bridge.simulators.carriers.rehearsal import Rehearsal
from bridge.simulators.carriers.telnyx.coding import PCMU, Coding, Mode
from bridge.simulators.carriers.voice_xml import (
    TRACKS,
    StreamElement,
    first_stream,
    post,
    socket_url,
    stream_parameters,
)
from bridge.vocabulary.errors import CallRefused, ConfigurationError

DEFAULT_RATE = "8000"
"""The default of `bidirectionalSamplingRate`, for every codec ("TeXML <Stream>")."""


@dataclass(frozen=True, slots=True)
class TexmlStream(StreamElement):
    """What a `<Stream>` element of TeXML asks for."""

    codec: str = ""
    """The codec in which the caller's audio should be sent; Telnyx transcodes between PCMU and PCMA only."""
    mode: Mode = "mp3"
    hears: Coding = PCMU
    """The codec of the server's audio, in the mode rtp."""
    reconnects: bool = True
    """`enableReconnect`: Telnyx connects again when the connection breaks."""


async def ask_texml_webhook(
    url: str,
    *,
    call_control_id: str,
    account_sid: str,
    caller: str,
    called: str,
    private_key: str = "",
    unix_now: float,
    rehearsal: Rehearsal | None = None,
) -> TexmlStream:
    """Post an inbound call to `url` and read the stream that its TeXML asks for. With `private_key` the form is signed.

    Raises `CallRefused` with the reason if the answer asks for no stream that Telnyx would open.
    """
    form = texml_form(call_control_id=call_control_id, account_sid=account_sid, caller=caller, called=called)
    body = urlencode(form).encode()
    answer = await post(url, body, signed_headers(body, private_key, unix_now), rehearsal)
    return read_texml(answer, rehearsal.public if rehearsal else url)


def texml_form(*, call_control_id: str, account_sid: str, caller: str, called: str) -> dict[str, str]:
    """The form fields of an inbound call that rings."""
    return {
        "AccountSid": account_sid,
        "CallSid": call_control_id,
        "CallSidLegacy": call_control_id,
        "CallStatus": "ringing",
        "Direction": "inbound",
        "From": caller,
        "To": called,
    }


def signed_headers(body: bytes, private_key: str, unix_now: float) -> dict[str, str]:
    """The headers of Telnyx's signature, or nothing without a key ("Receiving webhooks").

    `private_key`: Ed25519, base64 of its 32 byte seed. `unix_now`: seconds. Raises `ConfigurationError` if the key is
    not valid.
    """
    if not private_key:
        return {}
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    try:
        key = Ed25519PrivateKey.from_private_bytes(b64decode(private_key, validate=True))
    except ValueError:
        raise ConfigurationError("the private key is not valid; expected base64 of 32 bytes") from None
    timestamp = str(int(unix_now))
    signature = key.sign(timestamp.encode() + b"|" + body)
    return {"telnyx-signature-ed25519": b64encode(signature).decode(), "telnyx-timestamp": timestamp}


def read_texml(answer: bytes, webhook_url: str) -> TexmlStream:
    """The first stream of the answer. Raises `CallRefused` if it has none, or one that Telnyx would not open."""
    verb, stream = first_stream(answer)
    return read_stream(stream, webhook_url, verb == "Start")


def read_stream(stream: ElementTree.Element, webhook_url: str, one_way: bool) -> TexmlStream:
    """Read a `<Stream>`. `one_way`: it stands under `<Start>`. Raises `CallRefused` if Telnyx would not open it."""
    asked = stream.attrib
    track = asked.get("track", "inbound_track")
    if track not in TRACKS:
        raise CallRefused(f"<Stream track={track!r}> is unknown; expected one of {', '.join(TRACKS)}")
    mode = asked.get("bidirectionalMode", "mp3")
    if mode not in ("mp3", "rtp"):
        raise CallRefused(f"<Stream bidirectionalMode={mode!r}> is unknown; expected mp3 or rtp")
    return TexmlStream(
        url=socket_url(asked.get("url", ""), webhook_url),
        parameters=stream_parameters(stream),
        one_way=one_way,
        tracks=TRACKS[track],
        status_callback=asked.get("statusCallback", ""),
        name=asked.get("name", ""),
        codec=asked.get("codec", ""),
        mode="rtp" if mode == "rtp" else "mp3",
        hears=_coding(asked),
        reconnects=asked.get("enableReconnect", "true") != "false",
    )


def _coding(asked: Mapping[str, str]) -> Coding:
    codec = asked.get("bidirectionalCodec", "PCMU")
    rate = asked.get("bidirectionalSamplingRate", DEFAULT_RATE)
    try:
        return Coding(codec, int(rate))
    except ValueError:
        raise CallRefused(
            f"<Stream bidirectionalSamplingRate={rate!r}> is not a number; expected for example 16000"
        ) from None
    except ConfigurationError as error:
        raise CallRefused(f"<Stream>: {error}") from None
