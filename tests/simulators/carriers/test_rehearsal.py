"""Rehearsing production: calls that are signed for the server's public address and carried on this machine."""

import ssl
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bridge.config.settings import Settings
from bridge.shell.server import Server
from bridge.simulators.carriers.contract import CallOptions
from bridge.simulators.carriers.registry import carrier_simulator
from bridge.simulators.carriers.rehearsal import Rehearsal, read_private_key, read_rehearsal
from bridge.simulators.interruption import Interruption
from bridge.simulators.phone.call import place_call
from bridge.simulators.phone.handset import Ending
from bridge.simulators.phone.live_call import Network
from bridge.simulators.phone.network_delay import Delay
from bridge.simulators.phone.plan import CallPlan
from bridge.simulators.phone.report import CallReport
from bridge.vocabulary.errors import CallRefused, ConfigurationError
from tests.processes import free_port

PUBLIC = "https://voice.example.com"
HERE = "http://127.0.0.1:8080"

ADDRESSES = [  # what is called, public_url; what is signed; the socket that is named, and where it is reached
    (f"{HERE}/twilio/voice?a=%2B1", PUBLIC, f"{PUBLIC}/twilio/voice?a=%2B1"),
    (f"{HERE}/telnyx/texml/sales", f"{PUBLIC}:8443", f"{PUBLIC}:8443/telnyx/texml/sales"),
    (f"{HERE}/twilio/voice", f"{PUBLIC}/calls", f"{PUBLIC}/calls/twilio/voice"),
    ("https://[::1]:8443/twilio/voice", PUBLIC, f"{PUBLIC}/twilio/voice"),
    ("ws://127.0.0.1:8080/twilio/media", PUBLIC, "wss://voice.example.com/twilio/media"),
    ("ws://127.0.0.1:8080/twilio/media", "http://10.0.0.1", "ws://10.0.0.1/twilio/media"),
]
SOCKETS = [
    (HERE, PUBLIC, "wss://voice.example.com/twilio/media/t1", "ws://127.0.0.1:8080/twilio/media/t1"),
    ("https://[::1]:8443", PUBLIC, "wss://voice.example.com/m/t1", "wss://[::1]:8443/m/t1"),
    (HERE, f"{PUBLIC}/calls", "wss://voice.example.com/calls/m/t1", "ws://127.0.0.1:8080/m/t1"),
]
SOMEWHERE_ELSE = [
    ("wss://voice.example.org/twilio/media/t1", PUBLIC),
    ("ws://voice.example.com/twilio/media/t1", PUBLIC),
    ("ws://127.0.0.1:8080/twilio/media/t1", PUBLIC),
    ("wss://voice.example.com/twilio/media/t1", f"{PUBLIC}/calls"),
    ("wss://voice.example.com/callsign/media/t1", f"{PUBLIC}/calls"),
]
REFUSED = [
    (
        "voice.example.com",
        f"{HERE}/twilio/voice",
        "--public-url 'voice.example.com': should be a web address",
    ),
    (f"{PUBLIC}/?a=1", f"{HERE}/twilio/voice", "should have no query"),
    (PUBLIC, "127.0.0.1:8080/twilio/voice", "127.0.0.1:8080/twilio/voice: not an address on this machine"),
]


@pytest.mark.parametrize(("url", "public_url", "signed"), ADDRESSES)
def test_what_is_signed(url: str, public_url: str, signed: str) -> None:
    assert Rehearsal(public_url, url).public == signed


@pytest.mark.parametrize(("here", "public_url", "named", "reached"), SOCKETS)
def test_where_the_media_socket_is_reached(here: str, public_url: str, named: str, reached: str) -> None:
    assert Rehearsal(public_url, f"{here}/twilio/voice").reached(named) == reached


@pytest.mark.parametrize(("named", "public_url"), SOMEWHERE_ELSE)
def test_a_socket_at_another_address_is_a_wrong_public_url(named: str, public_url: str) -> None:
    with pytest.raises(CallRefused, match=r"expected wss://voice\.example\.com.*as --public-url says"):
        Rehearsal(public_url, f"{HERE}/twilio/voice").reached(named)


@pytest.mark.parametrize(("public_url", "url", "why"), REFUSED)
def test_refuses_what_is_no_address(public_url: str, url: str, why: str) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        read_rehearsal(public_url, url)
    assert why in str(refusal.value)


def test_without_a_public_url_there_is_no_rehearsal() -> None:
    assert read_rehearsal("", f"{HERE}/twilio/voice") is None


def pem(key: Ed25519PrivateKey | X25519PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def test_reads_the_key_that_openssl_writes(tmp_path: Path) -> None:
    key = Ed25519PrivateKey.generate()
    (tmp_path / "key.pem").write_bytes(pem(key))
    assert read_private_key(tmp_path / "key.pem") == b64encode(key.private_bytes_raw()).decode()


@pytest.mark.parametrize("content", [b"", b"KEY", pem(X25519PrivateKey.generate())])
def test_a_key_of_another_kind_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"key\.pem: not an Ed25519 key in PEM: expected"):
        read_private_key(tmp_path / "key.pem")


# Whole calls to a server with the settings of production


@pytest.fixture
def api_port() -> int:
    return free_port()


@pytest.fixture
def own_key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


@pytest.fixture
def production(own_key: Ed25519PrivateKey, api_port: int) -> dict[str, Any]:
    """Doors closed, a public address, and keys of its own; Telnyx's public key is exchanged for the rehearsal."""
    public_key = b64encode(own_key.public_key().public_bytes_raw()).decode()
    return {
        "port": 0,
        "public_url": PUBLIC,
        "assistant": "echo",
        "twilio": {"auth_token": "a-token-of-production"},
        "telnyx": {
            "public_key": public_key,
            "api_key": "KEY_of_production",
            "api_url": f"http://127.0.0.1:{api_port}/v2",
        },
    }


async def call(
    server: Server, carrier: str, path: str, *, api_port: int | None = None, scheme: str = "http", **own: Any
) -> CallReport:
    """As the command line calls. `own`: keys of the phone's."""
    url = f"{scheme}://127.0.0.1:{server.port}{path}"
    options = CallOptions(rehearsal=read_rehearsal(PUBLIC, url), **own)
    simulator = carrier_simulator(carrier)
    plan = CallPlan(b"\x10" * 1600, hang_up_at_ms=300)
    if api_port is None:
        return await place_call(url, plan, carrier=simulator.exchange(options))
    assert simulator.place_controlled_call is not None
    return await simulator.place_controlled_call(
        url, lambda _line: plan, options, Network(), api_port, Interruption()
    )


CALLS = [
    ("twilio", "/twilio/voice?assistant=echo"),
    ("telnyx", "/telnyx/texml"),
    ("telnyx", "/telnyx/webhook"),
]


@pytest.mark.parametrize(("carrier", "path"), CALLS)
async def test_a_call_to_the_settings_of_production(
    carrier: str, path: str, production: dict[str, Any], own_key: Ed25519PrivateKey, api_port: int
) -> None:
    keys = {
        "auth_token": "a-token-of-production",
        "private_key": b64encode(own_key.private_bytes_raw()).decode(),
        "api_key": "KEY_of_production",
    }
    port = api_port if path == "/telnyx/webhook" else None
    async with Server(Settings.model_validate(production)).running() as server:
        report = await call(server, carrier, path, api_port=port, **keys)
    assert (report.ending, report.fault) == (Ending.HUNG_UP, "")
    assert b"\x10" * 160 in report.heard


WRONG = [
    ("twilio", "/twilio/voice", {"auth_token": "another"}, "HTTP 403: the signature does not match"),
    ("twilio", "/twilio/voice", {}, "HTTP 403: the signature does not match"),
    ("telnyx", "/telnyx/texml", {}, "HTTP 403"),
]


@pytest.mark.parametrize(("carrier", "path", "keys", "why"), WRONG)
async def test_the_rehearsal_fails_as_production_would(
    carrier: str, path: str, keys: dict[str, Any], why: str, production: dict[str, Any]
) -> None:
    async with Server(Settings.model_validate(production)).running() as server:
        with pytest.raises(CallRefused, match=why):
            await call(server, carrier, path, **keys)


async def test_a_server_with_another_public_url_is_found_out(production: dict[str, Any]) -> None:
    """Telnyx signs no address: here the socket tells."""
    own_key = Ed25519PrivateKey.generate()
    public_key = b64encode(own_key.public_key().public_bytes_raw()).decode()
    private_key = b64encode(own_key.private_bytes_raw()).decode()
    elsewhere = production | {"public_url": "https://old.example.com", "telnyx": {"public_key": public_key}}
    async with Server(Settings.model_validate(elsewhere)).running() as server:
        with pytest.raises(CallRefused, match=r"wss://old\.example\.com: expected wss://voice\.example\.com"):
            await call(server, "telnyx", "/telnyx/texml", private_key=private_key)


@pytest.mark.parametrize("delay", [Delay(), Delay(5)])
async def test_a_certificate_for_the_public_name_is_good_enough_here(
    delay: Delay, production: dict[str, Any], tmp_path: Path
) -> None:
    issued = trustme.CA().issue_cert("voice.example.com")
    issued.private_key_and_cert_chain_pem.write_to_path(tmp_path / "both.pem")
    tls = {"ssl_certfile": tmp_path / "both.pem", "ssl_keyfile": tmp_path / "both.pem"}
    async with Server(Settings.model_validate(production | tls)).running() as server:
        url = f"https://127.0.0.1:{server.port}/twilio/voice"
        options = CallOptions(rehearsal=read_rehearsal(PUBLIC, url), auth_token="a-token-of-production")
        plan = CallPlan(hang_up_at_ms=100)
        exchange = carrier_simulator("twilio").exchange(options)
        report = await place_call(url, plan, carrier=exchange, network=Network(delay))
    assert report.ending is Ending.HUNG_UP
    context = Rehearsal(PUBLIC, url).tls
    assert context is not None
    assert context.verify_mode is ssl.CERT_NONE
