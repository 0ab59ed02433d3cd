"""Setting up a call: the options of the command line, and calls over real HTTP and loopback sockets."""

import json
from base64 import b64decode
from typing import Any

import numpy as np
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from websockets.asyncio.server import ServerConnection, serve

from bridge.simulators.carriers.contract import CallOptions, Exchange
from bridge.simulators.carriers.registry import carrier_simulator
from bridge.simulators.carriers.telnyx.coding import Coding
from bridge.simulators.carriers.telnyx.exchange import TelnyxExchange, telnyx_exchange
from bridge.simulators.carriers.twilio.exchange import TwilioExchange
from bridge.simulators.phone.call import place_call
from bridge.simulators.phone.plan import CallPlan
from bridge.simulators.phone.report import CallReport
from bridge.vocabulary.errors import CallRefused, ConfigurationError
from telecodecs.format import L16_16K, PCMA_8K, PCMU_8K

PRIVATE_KEY = "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A="
PUBLIC_KEY = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
NOISE = np.random.default_rng(7).integers(0, 127, 8000, np.uint8).tobytes()

EXCHANGES: list[tuple[dict[str, Any], Exchange]] = [
    ({"carrier": "twilio", "auth_token": "1"}, TwilioExchange("1", "CA1", "AC1")),
    ({"carrier": "telnyx"}, TelnyxExchange()),
    ({"carrier": "telnyx", "codec": "pcma"}, TelnyxExchange(Coding("PCMA"), Coding("PCMA"))),
    ({"carrier": "telnyx", "codec": "L16"}, TelnyxExchange(Coding("L16", 16_000), Coding("L16", 16_000))),
    (
        {"carrier": "telnyx", "codec": "L16", "rate_hz": 8_000, "byteorder": "big"},
        TelnyxExchange(Coding("L16", 8_000, "big"), Coding("L16", 8_000, "big")),
    ),
    (
        {"carrier": "telnyx", "codec": "L16", "rate_hz": 8_000, "play_rate_hz": 24_000},
        TelnyxExchange(Coding("L16", 8_000), Coding("L16", 24_000)),
    ),
    (
        {"carrier": "telnyx", "play_codec": "L16"},
        TelnyxExchange(Coding("PCMU"), Coding("L16", 16_000)),
    ),
]
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"carrier": "vonage"}, "--carrier: unknown carrier 'vonage'; expected telnyx or twilio"),
    ({"carrier": "twilio", "codec": "PCMA"}, "--codec: Twilio has PCMU only"),
    ({"carrier": "twilio", "play_rate_hz": 8_000}, "--codec: Twilio has PCMU only"),
    ({"carrier": "telnyx", "codec": "SPEEX"}, "--codec, --rate: unknown codec 'SPEEX'"),
    ({"carrier": "telnyx", "rate_hz": 16_000}, "--codec, --rate: PCMU has no rate of 16000 Hz"),
    ({"carrier": "telnyx", "play_codec": "x"}, "--play-codec, --play-rate: unknown codec 'X'"),
    (
        {"carrier": "telnyx", "byteorder": "middle"},
        "--byteorder: unknown byte order 'middle'; expected little or big",
    ),
]


def read_exchange(carrier: str, **options: Any) -> Exchange:
    return carrier_simulator(carrier).exchange(CallOptions(**options))


@pytest.mark.parametrize(("words", "exchange"), EXCHANGES)
def test_reads_the_command_line(words: dict[str, Any], exchange: Exchange) -> None:
    read = read_exchange(**words)
    assert type(read) is type(exchange)
    assert read.line == exchange.line
    if isinstance(read, TelnyxExchange) and isinstance(exchange, TelnyxExchange):
        assert (read.says, read.hears, read.mode) == (exchange.says, exchange.hears, "rtp")


@pytest.mark.parametrize(("words", "why"), REFUSED)
def test_refuses_and_names_the_option(words: dict[str, Any], why: str) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        read_exchange(**words)
    assert str(refusal.value).startswith(why)


def test_mp3_is_a_mode_of_its_own() -> None:
    exchange = telnyx_exchange(CallOptions(codec="L16", play_codec="mp3"))
    assert isinstance(exchange, TelnyxExchange)
    assert (exchange.says, exchange.mode) == (Coding("L16"), "mp3")


def test_repr_does_not_show_secrets() -> None:
    shown = repr(TwilioExchange("secret-1")) + repr(
        TelnyxExchange(private_key="secret-2", stream_token="secret-3")
    )
    assert "secret" not in shown


async def listen(socket: ServerConnection) -> None:
    async for _ in socket:
        pass


async def texml_call(
    stream: str, exchange: TelnyxExchange, plan: CallPlan
) -> tuple[CallReport, dict[str, str]]:
    """A call through a webhook that answers with this <Stream>: its report, and the form that was posted."""
    forms: list[dict[str, str]] = []

    async with serve(listen, "127.0.0.1", 0, compression=None) as listening:
        port = next(iter(listening.sockets)).getsockname()[1]

        async def texml(request: web.Request) -> web.Response:
            body = await request.read()
            signed = request.headers["telnyx-timestamp"].encode() + b"|" + body
            signature = b64decode(request.headers["telnyx-signature-ed25519"])
            Ed25519PublicKey.from_public_bytes(b64decode(PUBLIC_KEY)).verify(signature, signed)
            forms.append({name: str(value) for name, value in (await request.post()).items()})
            text = f'<Response><Connect><Stream url="ws://127.0.0.1:{port}/m" {stream}/></Connect></Response>'
            return web.Response(text=text, content_type="text/xml")

        app = web.Application()
        app.router.add_post("/texml", texml)
        async with TestServer(app) as hook:
            report = await place_call(str(hook.make_url("/texml")), plan, carrier=exchange)
    return report, forms[0]


async def test_a_texml_call_gets_the_stream_that_was_asked_for() -> None:
    exchange = TelnyxExchange(private_key=PRIVATE_KEY, stream_token="token", call_control_id="v3:a+b")
    stream = 'bidirectionalMode="rtp" bidirectionalCodec="L16" bidirectionalSamplingRate="16000" codec="PCMA"'
    report, form = await texml_call(stream, exchange, CallPlan(NOISE, hang_up_at_ms=50))
    assert form["CallSid"] == report.call_sid == "v3:a+b"
    assert (report.line, report.plays) == (PCMU_8K, L16_16K)
    connected, start = (json.loads(line.message) for line in report.trace[:2])
    assert connected["connected"] == {"x-telnyx-streaming-auth-token": "token"}
    assert start["start"]["media_format"]["encoding"] == "PCMA", "the network changes the law"
    assert start["start"]["call_control_id"] == "v3:a+b"
    assert (start["start"]["from"], start["start"]["to"]) == (form["From"], form["To"])


async def test_a_codec_that_telnyx_cannot_transcode_to_is_ignored() -> None:
    exchange = TelnyxExchange(Coding("L16"), private_key=PRIVATE_KEY)
    plan = CallPlan(hang_up_at_ms=0)
    report, _ = await texml_call('bidirectionalMode="rtp" codec="PCMA"', exchange, plan)
    assert json.loads(report.trace[1].message)["start"]["media_format"]["encoding"] == "L16"
    assert report.line == L16_16K


async def test_the_upgrade_has_the_token() -> None:
    tokens: list[str | None] = []

    async def note(socket: ServerConnection) -> None:
        assert socket.request is not None
        tokens.append(socket.request.headers.get("x-telnyx-streaming-auth-token"))
        await listen(socket)

    async with serve(note, "127.0.0.1", 0) as listening:
        url = f"ws://127.0.0.1:{next(iter(listening.sockets)).getsockname()[1]}/"
        for token in ("token", ""):
            carrier = TelnyxExchange(Coding("PCMA"), stream_token=token)
            report = await place_call(url, CallPlan(hang_up_at_ms=0), carrier=carrier)
    assert tokens == ["token", None]
    assert report.line == PCMA_8K


async def test_the_webhook_cannot_be_reached(unused_tcp_port: int) -> None:
    with pytest.raises(CallRefused, match="webhook cannot be reached"):
        await place_call(f"http://127.0.0.1:{unused_tcp_port}/", CallPlan(), carrier=TelnyxExchange())
