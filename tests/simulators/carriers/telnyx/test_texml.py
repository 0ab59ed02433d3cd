"""The TeXML webhook: what Telnyx posts, and which answers give a stream."""

from base64 import b64decode

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from bridge.simulators.carriers.telnyx.coding import Coding
from bridge.simulators.carriers.telnyx.texml import TexmlStream, read_texml, signed_headers, texml_form
from bridge.vocabulary.errors import CallRefused, ConfigurationError

HOOK = "https://voice.example.com/telnyx/texml"
PRIVATE_KEY = "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A="
PUBLIC_KEY = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="


def answer(inside: str) -> bytes:
    return f"<?xml version='1.0' encoding='UTF-8'?><Response>{inside}</Response>".encode()


ORDERS = [
    (
        '<Connect><Stream url="wss://b.example.com/m/1" name="main" track="both_tracks" codec="PCMA" '
        'bidirectionalMode="rtp" bidirectionalCodec="OPUS" bidirectionalSamplingRate="16000" '
        'enableReconnect="false" statusCallback="https://b.example.com/s">'
        '<Parameter name="token" value="a&amp;b"/></Stream></Connect><Say>Bye</Say>',
        TexmlStream(
            "wss://b.example.com/m/1",
            {"token": "a&b"},
            tracks=("inbound", "outbound"),
            status_callback="https://b.example.com/s",
            name="main",
            codec="PCMA",
            mode="rtp",
            hears=Coding("OPUS", 16_000),
            reconnects=False,
        ),
    ),
    (
        '<Connect><Stream url="wss://x/m?a=1"/></Connect>',
        TexmlStream("wss://x/m?a=1", mode="mp3", hears=Coding("PCMU", 8_000), reconnects=True),
    ),
    (
        '<Connect><Stream url="wss://x/m" bidirectionalCodec="L16" bidirectionalMode="rtp"/></Connect>',
        TexmlStream("wss://x/m", mode="rtp", hears=Coding("L16", 8_000)),
    ),
    (
        '<Start><Stream url="ws://x/m" track="outbound_track"/></Start><Dial>+1</Dial>',
        TexmlStream("ws://x/m", one_way=True, tracks=("outbound",)),
    ),
]
REFUSALS = [
    ("<Hangup/>", "hung up before"),
    ("", "no <Stream>; it has no verbs"),
    ("<Connect><Stream/></Connect>", "not the URL of a WebSocket"),
    ('<Connect><Stream url="wss://x/m" track="all"/></Connect>', "track='all'> is unknown"),
    ('<Connect><Stream url="wss://x/m" bidirectionalMode="raw"/></Connect>', "expected mp3 or rtp"),
    ('<Connect><Stream url="wss://x/m" bidirectionalCodec="SPEEX"/></Connect>', "unknown codec 'SPEEX'"),
    (
        '<Connect><Stream url="wss://x/m" bidirectionalSamplingRate="16000"/></Connect>',
        "PCMU has no rate of 16000 Hz",
    ),
    ('<Connect><Stream url="wss://x/m" bidirectionalSamplingRate="fast"/></Connect>', "is not a number"),
]


@pytest.mark.parametrize(("inside", "stream"), ORDERS)
def test_reads_the_stream(inside: str, stream: TexmlStream) -> None:
    assert read_texml(answer(inside), HOOK) == stream


@pytest.mark.parametrize(("inside", "why"), REFUSALS)
def test_says_why_there_is_no_stream(inside: str, why: str) -> None:
    with pytest.raises(CallRefused, match=why):
        read_texml(answer(inside), HOOK)


def test_the_signature_is_telnyxs() -> None:
    body = b'{"data":{"event_type":"call.answered","id":"1"}}'
    headers = signed_headers(body, PRIVATE_KEY, 1_700_000_000.9)
    assert headers == {
        "telnyx-signature-ed25519": "aVsWRla+Z9tydV3JaLa3SWGX4Bdk7NMY3UnHkUPEkIftVrUgxRq5od4/Ql+RuqTVRCFzlozNhaEDruwSrXA+Cw==",
        "telnyx-timestamp": "1700000000",
    }
    public_key = Ed25519PublicKey.from_public_bytes(b64decode(PUBLIC_KEY))
    public_key.verify(b64decode(headers["telnyx-signature-ed25519"]), b"1700000000|" + body)
    assert signed_headers(body, "", 0.0) == {}


@pytest.mark.parametrize("key", ["secret", "c2VjcmV0", "%%%%"])
def test_an_invalid_key_is_refused_and_not_shown(key: str) -> None:
    with pytest.raises(ConfigurationError, match="expected base64 of 32 bytes") as refusal:
        signed_headers(b"", key, 0.0)
    assert key not in str(refusal.value)


def test_the_form_names_the_call_as_call_control_does() -> None:
    form = texml_form(call_control_id="v3:1", account_sid="A", caller="+15550199", called="+15550100")
    assert (form["CallSid"], form["From"], form["To"]) == ("v3:1", "+15550199", "+15550100")
