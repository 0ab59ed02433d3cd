"""public_url from outside: certificates that no carrier accepts, names that lead nowhere, and servers that are not ours."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest
import trustme
from aiohttp import web

from bridge.config.settings import Settings
from bridge.shell.network import Network
from bridge.shell.server import Server
from bridge.simulators.doctor.asking import Asker
from bridge.simulators.doctor.clock import Clock
from bridge.simulators.doctor.findings import Finding, Level
from bridge.simulators.doctor.public_address import look_at_public_url
from tests.processes import free_port
from tests.simulators.doctor.proxy import answering

NOW = datetime.now(UTC)


async def found(url: str, tls: ssl.SSLContext | None = None) -> dict[str, Finding]:
    network = Network()
    try:
        async with Asker(network, Clock()) as asker:
            return {finding.name: finding for finding in await look_at_public_url(url, asker, tls)}
    finally:
        await network.aclose()


@asynccontextmanager
async def tls_server(certificate: trustme.LeafCert, *, whole_chain: bool = True) -> AsyncIterator[int]:
    """Its port. It says nothing beyond TLS."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate.configure_cert(context)
    taken = asyncio.Event()

    async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()
        taken.set()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.mark.parametrize(
    ("name", "until", "level", "said", "remedy"),
    [
        ("localhost", NOW + timedelta(days=60, hours=1), Level.OK, "for 60 more days", ""),
        ("localhost", NOW + timedelta(days=3, hours=1), Level.WARNING, "It is good for 3 more days only.", "Renew it"),
        ("localhost", NOW - timedelta(days=5, hours=1), Level.FAULT, "It expired 5 days ago, on ", "certbot renew"),
        ("voice.acme.dev", NOW + timedelta(days=60), Level.FAULT,
         "It is for voice.acme.dev, and public_url is at localhost: no carrier connects.", "Get one for localhost"),
    ],
)  # fmt: skip
async def test_certificates(name: str, until: datetime, level: Level, said: str, remedy: str) -> None:
    authority = trustme.CA()
    issued = authority.issue_cert(name, not_before=NOW - timedelta(days=90), not_after=until)
    async with tls_server(issued) as port:
        certificate = (await found(f"https://localhost:{port}", trusting(authority)))["certificate"]
    assert certificate.level is level, certificate
    assert said in certificate.found
    assert remedy in certificate.remedy


async def test_an_authority_that_nobody_knows() -> None:
    async with tls_server(trustme.CA().issue_cert("localhost")) as port:
        certificate = (await found(f"https://localhost:{port}"))["certificate"]
    assert certificate.level is Level.FAULT
    assert certificate.found.startswith("Its chain does not end at a known authority")
    assert "fullchain.pem" in certificate.remedy


async def test_a_port_without_tls() -> None:
    async with answering(lambda _: web.Response()) as url:
        certificate = (await found(url.replace("http:", "https:")))["certificate"]
    assert certificate.level is Level.FAULT
    assert certificate.found.startswith("No TLS connection to 127.0.0.1")


async def test_a_port_where_nobody_listens() -> None:
    port = free_port()
    said = await found(f"http://127.0.0.1:{port}")
    assert said["server"].level is Level.FAULT
    assert f"http://127.0.0.1:{port} cannot be reached" in said["server"].found
    said = await found(f"https://127.0.0.1:{port}")
    assert said["certificate"].found.startswith(f"No TLS connection to 127.0.0.1, port {port}")


async def test_a_name_without_an_address() -> None:
    said = await found("https://no-such-host.invalid")
    assert said["name"].level is Level.FAULT
    assert said["name"].found.startswith("no-such-host.invalid has no address")
    assert list(said) == ["name"]


async def test_an_address_that_no_carrier_reaches_is_doubtful() -> None:
    async with Server(
        Settings.model_validate({"port": 0, "security": {"allow_unauthenticated": True}})
    ).running() as server:
        said = await found(f"http://127.0.0.1:{server.port}")
    assert (said["name"].level, said["server"].level) == (Level.WARNING, Level.OK)


@pytest.mark.parametrize(
    ("status", "headers", "why"),
    [
        (502, {}, "answers 502: the proxy in front does not reach this server."),
        (
            301,
            {"Location": "https://me:secret@www.acme.dev/x?token=1"},
            "redirects to https://***@www.acme.dev/x?***",
        ),
        (200, {}, "Something else answers at "),
        (404, {}, "Something else answers at "),
    ],
)
async def test_whoever_answers_is_not_ours(status: int, headers: dict[str, str], why: str) -> None:
    async with answering(lambda _: web.Response(status=status, headers=headers, text="<html>")) as url:
        server = (await found(url))["server"]
    assert server.level is Level.FAULT
    assert why in server.found
    assert "secret" not in server.found
    assert urlsplit(url).netloc in server.found
