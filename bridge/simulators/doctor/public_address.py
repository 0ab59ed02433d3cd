"""Examines public_url from outside: its name, its certificate, and whether our server answers behind it."""

import asyncio
import ipaddress
import socket
import ssl
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.x509.oid import ExtensionOID
from msgspec import json

from bridge.carriers.shared.rest import ApiAnswer
from bridge.redaction import without_credentials
from bridge.simulators.doctor.asking import ANSWER_S, Asker, NoAnswerCame
from bridge.simulators.doctor.findings import Finding, Findings, Group

EXPIRES_SOON_DAYS = 14
"""Certificates that are renewed by themselves are renewed earlier than this."""

TOO_OLD, NOT_YET, OTHER_NAME = 10, 9, 62
"""OpenSSL's codes (x509_vfy.h): certificate has expired, is not yet valid, hostname mismatch."""

NO_ISSUER = {18, 19, 20, 21}
"""Self-signed, self-signed in the chain, no local issuer, no chain to verify the leaf."""


class Certificate(NamedTuple):
    """What a server's certificate says."""

    names: tuple[str, ...]
    until: datetime


async def look_at_public_url(
    url: str, asker: Asker, tls: ssl.SSLContext | None = None, now: datetime | None = None
) -> list[Finding]:
    """Findings about `public_url`. `tls`: what verifies its certificate; None: the system's authorities."""
    findings = Findings(Group.PUBLIC)
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    if not await _resolves(findings, host, port):
        return findings.all
    if parts.scheme == "https":
        context = tls or ssl.create_default_context()
        if not await _certificate(findings, host, port, context, now or datetime.now(UTC)):
            return findings.all
    await _answers(findings, url, asker)
    return findings.all


async def _resolves(findings: Findings, host: str, port: int) -> bool:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        findings.fault(
            "name",
            f"{host} has no address: {error.strerror or error}.",
            "Make an A or AAAA record for it, or correct public_url.",
        )
        return False
    addresses = list(dict.fromkeys(str(one[4][0]) for one in found))
    private = [one for one in addresses if ipaddress.ip_address(one.partition("%")[0]).is_private]
    shown = ", ".join(addresses)
    if private:
        findings.warning(
            "name",
            f"{host} leads to {shown} from here, which no carrier reaches.",
            "That is right only if another DNS answers outside, or for trying things.",
        )
    else:
        findings.ok("name", f"{host} leads to {shown}.")
    return True


async def _certificate(
    findings: Findings, host: str, port: int, context: ssl.SSLContext, now: datetime
) -> bool:
    """Whether a TLS connection can be made that carriers would make as well."""
    refused: ssl.SSLCertVerificationError | None = None
    found: Certificate | None
    try:
        found = await _read_certificate(host, port, context)
    except ssl.SSLCertVerificationError as error:
        refused = error
        found = await _unverified(host, port)
    except (OSError, TimeoutError, ssl.SSLError) as error:
        why = f"no answer within {ANSWER_S:g} s" if isinstance(error, TimeoutError) else str(error)
        findings.fault(
            "certificate",
            f"No TLS connection to {host}, port {port}: {why}.",
            "Start the proxy or the tunnel that does TLS, and open the port in the firewall.",
        )
        return False
    if refused is not None:
        findings.fault("certificate", *_refusal(host, refused, found, now))
        return False
    assert found is not None, "a connection was verified"
    days = (found.until - now).days
    if days < EXPIRES_SOON_DAYS:
        findings.warning(
            "certificate",
            f"It is good for {days} more days only.",
            "Renew it, and see why nothing renews it.",
        )
    else:
        findings.ok("certificate", f"It is good for {host}, by a known authority, for {days} more days.")
    return True


def _refusal(
    host: str, error: ssl.SSLCertVerificationError, found: Certificate | None, now: datetime
) -> tuple[str, str]:
    """What is wrong with a certificate, and the remedy."""
    code = error.verify_code
    if code == TOO_OLD and found is not None:
        days = (now - found.until).days
        return (
            f"It expired {days} days ago, on {found.until:%Y-%m-%d}: no carrier connects.",
            "Renew it (certbot renew), and have the proxy load it again.",
        )
    if code == NOT_YET:
        return "It is not good yet: no carrier connects.", "Check the clocks, or wait."
    if code == OTHER_NAME and found is not None:
        names = ", ".join(found.names) or "no name"
        return (
            f"It is for {names}, and public_url is at {host}: no carrier connects.",
            f"Get one for {host}, or correct public_url.",
        )
    if code in NO_ISSUER:
        return (
            f"Its chain does not end at a known authority ({error.verify_message}): no carrier connects.",
            "Have the proxy send the whole chain (fullchain.pem), by an authority that browsers know.",
        )
    return f"It is not accepted: {error.verify_message}.", "Get another one."


async def _unverified(host: str, port: int) -> Certificate | None:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        return await _read_certificate(host, port, context)
    except (OSError, TimeoutError, ssl.SSLError):
        return None


async def _read_certificate(host: str, port: int, context: ssl.SSLContext) -> Certificate:
    """Raises `OSError`, `TimeoutError`, `ssl.SSLError`."""
    async with asyncio.timeout(ANSWER_S):
        _, writer = await asyncio.open_connection(host, port, ssl=context, server_hostname=host)
    try:
        wire = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    finally:
        writer.transport.abort()
    read = x509.load_der_x509_certificate(wire)
    try:
        named = read.extensions.get_extension_for_oid(ExtensionOID.SUBJECT_ALTERNATIVE_NAME).value
        names = tuple(named.get_values_for_type(x509.DNSName))  # type: ignore[attr-defined]
    except x509.ExtensionNotFound:
        names = ()
    return Certificate(names, read.not_valid_after_utc)


async def _answers(findings: Findings, url: str, asker: Asker) -> None:
    shown = without_credentials(url)
    try:
        answer = await asker.ask(f"{url}/healthz", by_proxy=False)
    except NoAnswerCame as error:
        findings.fault(
            "server",
            f"{shown} cannot be reached: {error}.",
            "Start the proxy or the tunnel, open the port in the firewall, or correct public_url.",
        )
        return
    if answer.status == 200 and _is_healthy(answer):
        findings.ok("server", f"A voicebridge server answers at {shown}.")
    elif answer.status in (502, 503, 504):
        findings.fault(
            "server",
            f"{shown} answers {answer.status}: the proxy in front does not reach this server.",
            "Have it pass requests to the host and port of the settings.",
        )
    elif 300 <= answer.status < 400:
        goes_to = without_credentials(answer.headers.get("location", ""))
        findings.fault(
            "server",
            f"{shown} redirects to {goes_to or 'nowhere'}; carriers' signatures and WebSockets do not follow.",
            "Set public_url to the address that answers itself.",
        )
    else:
        findings.fault(
            "server",
            f"Something else answers at {shown}: {answer.status} to /healthz.",
            "Have the proxy pass all paths to the host and port of the settings, or correct public_url.",
        )


def _is_healthy(answer: ApiAnswer) -> bool:
    try:
        found = json.decode(answer.body)
    except ValueError:
        return False
    return isinstance(found, dict) and found.get("status") == "ok"
