"""Runs an examination: starts a server if none runs, looks at one thing after the other, and collects what was found."""

import secrets
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import SecretStr

from bridge.carriers.registry import CARRIERS
from bridge.carriers.shared.kind import CarrierKind
from bridge.config.settings import Settings
from bridge.settings.before_and_after import AfterCallSettings, BeforeCallSettings
from bridge.settings.call_files import CaptureSettings, JournalSettings, RecordingSettings
from bridge.settings.control import ControlSettings
from bridge.settings.metrics import MetricsSettings
from bridge.shell.network import Network
from bridge.shell.server import Server
from bridge.simulators.carriers.contract import CallOptions
from bridge.simulators.carriers.registry import carrier_simulator
from bridge.simulators.carriers.rehearsal import Rehearsal
from bridge.simulators.doctor.asking import Asker
from bridge.simulators.doctor.carrier_account import look_at_accounts
from bridge.simulators.doctor.clock import Clock
from bridge.simulators.doctor.findings import Finding, Findings, Group
from bridge.simulators.doctor.handshake import look_at_assistants
from bridge.simulators.doctor.machine import look_at_keys, look_at_machine
from bridge.simulators.doctor.public_address import look_at_public_url
from bridge.simulators.doctor.self_call import call, report
from bridge.vocabulary.errors import BridgeError

ECHO = "echo"

LOCAL = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104  # nothing is bound here


@dataclass(frozen=True, slots=True)
class Patient:
    """The server that is examined. `runs`: it ran before; else the examination starts one if the port is `free`."""

    settings: Settings
    runs: bool
    free: bool


@dataclass(frozen=True, slots=True)
class Caller:
    """Who can call the server as a carrier would: the carrier, and what signs its requests."""

    kind: CarrierKind[Any]
    options: CallOptions
    settings: Settings
    """Those of a server that takes such calls."""


async def examine(
    patient: Patient, groups: Collection[Group], say: Callable[[str], None] = lambda _step: None
) -> list[Finding]:
    """Look at these groups, but for settings and port, which whoever calls has looked at. `say`: is told each step."""
    settings = patient.settings
    found: list[Finding] = []
    if Group.KEYS in groups:
        found += look_at_keys(settings)
    if Group.MACHINE in groups:
        say("trying codecs, counting file descriptors")
        found += look_at_machine(settings)
    clock, network = Clock(), Network(settings.proxy)
    try:
        async with Asker(network, clock) as asker:
            found += await _look_at_server(patient, groups, asker, say)
            if Group.ASSISTANTS in groups:
                say("connecting to the assistants")
                found += await look_at_assistants(settings, network, asker)
            if Group.CARRIER in groups:
                say("asking the carriers")
                found += await look_at_accounts(settings, asker)
    finally:
        await network.aclose()
    if Group.CLOCK in groups:
        found += clock.findings()
    return found


async def _look_at_server(
    patient: Patient, groups: Collection[Group], asker: Asker, say: Callable[[str], None]
) -> list[Finding]:
    """The public address, and the call. Both need a server."""
    if not {Group.PUBLIC, Group.CALL} & set(groups):
        return []
    caller = _caller(patient)
    findings = Findings(Group.CALL)
    if not (patient.runs or patient.free):
        findings.skipped("call", "No server of ours runs, and its port is not free.", "See port.")
        return findings.all if Group.CALL in groups else []
    found: list[Finding] = []
    try:
        async with _serving(patient, caller) as port:
            if Group.PUBLIC in groups:
                found += await _public(patient.settings, asker, say)
            if Group.CALL in groups:
                goes_out = Group.PUBLIC in groups and not any(one.level == "fault" for one in found)
                say("calling the server as a carrier would")
                await _call(findings, patient, caller, port, by_public=goes_out)
                found += findings.all
    except BridgeError as error:
        findings.fault("server", f"No server could be started: {error}.", "See settings.")
        found += findings.all
    return found


async def _public(settings: Settings, asker: Asker, say: Callable[[str], None]) -> list[Finding]:
    if settings.public_url is None:
        findings = Findings(Group.PUBLIC)
        findings.skipped(
            "public_url", "It is not set, so calls come from this machine alone.", "Set it for a carrier."
        )
        return findings.all
    say("reaching the public address")
    return await look_at_public_url(settings.public_url, asker)


async def _call(
    findings: Findings, patient: Patient, caller: Caller | None, port: int, *, by_public: bool
) -> None:
    """Through the public address, and where that fails, or must not be tried, straight at the port."""
    if caller is None:
        findings.skipped(
            "call",
            "Nothing here can sign a call: no carrier's secret is set, or only the carrier itself has its key.",
            "Where the carrier signs with a key of its own, stop the server: an examination then starts one with a key of its own.",
        )
        return
    settings = patient.settings
    kind = caller.kind
    path = kind.voice_webhooks(settings.carrier(kind.name))[0].path
    asks = f"{path}?assistant={_echo(settings)}"
    exchange = carrier_simulator(kind.simulator).exchange
    if by_public and settings.public_url is not None:
        outcome = await call(f"{settings.public_url}{asks}", exchange(caller.options))
        if report(findings, "call by public_url", "through the public address", outcome):
            return
    host = LOCAL.get(settings.host, settings.host)
    host = f"[{host}]" if ":" in host else host
    local = f"{'https' if settings.ssl_certfile else 'http'}://{host}:{port}{asks}"
    rehearsed = _rehearsed(caller.options, settings.public_url, local)
    outcome = await call(local, exchange(rehearsed))
    report(findings, "call at the port", f"on this machine, at port {port}", outcome)


def _rehearsed(options: CallOptions, public_url: str | None, local: str) -> CallOptions:
    """Signed as if it came by the public address, where there is one."""
    from dataclasses import replace

    return options if public_url is None else replace(options, rehearsal=Rehearsal(public_url, local))


def _echo(settings: Settings) -> str:
    """The name of an assistant that sends everything back."""
    return next((name for name, kind in settings.assistant_kinds.items() if kind == ECHO), ECHO)


def _caller(patient: Patient) -> Caller | None:
    """The first carrier whose requests can be signed here, or anybody's where nobody needs to sign."""
    settings = patient.settings
    kinds = [kind for kind in CARRIERS.values() if kind.simulator]
    for kind in kinds:
        key = getattr(settings.carrier(kind.name), kind.authenticated_by)
        if isinstance(key, SecretStr):
            return Caller(kind, CallOptions(auth_token=key.get_secret_value()), settings)
    if settings.security.allow_unauthenticated:
        return Caller(kinds[0], CallOptions(), settings)
    for kind in kinds:
        if kind.can_authenticate(settings.carrier(kind.name)) and not patient.runs:
            return _with_key_of_its_own(kind, settings)
    return None


def _with_key_of_its_own(kind: CarrierKind[Any], settings: Settings) -> Caller:
    """A carrier that signs with a private key: the server that is started for this gets the other half of a new one."""
    key = Ed25519PrivateKey.generate()
    public = b64encode(key.public_key().public_bytes_raw()).decode()
    table = settings.carrier(kind.name).model_copy(update={kind.authenticated_by: public})
    options = CallOptions(private_key=b64encode(key.private_bytes_raw()).decode())
    return Caller(kind, options, settings.model_copy(update={kind.name: table}))


@asynccontextmanager
async def _serving(patient: Patient, caller: Caller | None) -> AsyncIterator[int]:
    """A server runs inside; gives its port. One that is started keeps no files and tells nobody of its calls."""
    if patient.runs:
        yield patient.settings.port
        return
    settings = patient.settings if caller is None else caller.settings
    security = settings.security
    if not security.token_keys:
        key = SecretStr(secrets.token_hex(32))
        security = security.model_copy(update={"token_keys": (key,)})
    alone = settings.model_copy(
        update={
            "journal": JournalSettings(),
            "recording": RecordingSettings(),
            "capture": CaptureSettings(),
            "before_call": BeforeCallSettings(),
            "after_call": AfterCallSettings(),
            "metrics": MetricsSettings(),
            "control": ControlSettings(),
            "security": security,
            "workers": 1,
            "limits": settings.limits.model_copy(update={"max_lag_ms": 0.0}),
        }
    )
    async with Server(alone, keeps_files=False).running() as server:
        yield server.port
