"""Runs the check of an assistant: connects to it, keeps the time, and goes on until every rule was tried."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from pydantic import ValidationError

from bridge.assistants.registry import ASSISTANTS
from bridge.settings.assistants import Address, AssistantSettings, PostAddress
from bridge.shell.assistant_http import AssistantPosts, PostingLeg
from bridge.shell.assistant_socket import CONNECT_TIMEOUT_S, AssistantSocketLeg, AssistantSockets
from bridge.shell.network import Network
from bridge.shell.session import clock
from bridge.simulators.check.checked_call import Way
from bridge.simulators.check.examination import Examination
from bridge.simulators.check.part import Part
from bridge.simulators.check.rules import STREAM, rules_for
from bridge.simulators.check.verdicts import Verdict
from bridge.simulators.interruption import Interruption
from bridge.vocabulary.contracts import Lost, Receive
from bridge.vocabulary.errors import BridgeError, ConfigurationError

KINDS = (STREAM, "turn-based")

SOONEST_S = 0.001


class _RemoteWay:
    """A leg to an assistant on the network, whose connection can be broken."""

    def __init__(self, leg: AssistantSocketLeg | PostingLeg) -> None:
        self._leg = leg

    @property
    def stalled(self) -> bool:
        return self._leg.stalled

    @property
    def gone(self) -> bool:
        return self._leg.task.done()

    def send(self, message: Any) -> None:
        self._leg.send(message)

    def close(self, code: int = 1000, reason: str = "") -> None:
        self._leg.close(code, reason)

    def cut(self) -> None:
        self._leg.task.cancel()


class Ways:
    """Opens legs to one assistant. `network`: how it is reached; None: directly."""

    def __init__(self, address: Address, network: Network | None = None) -> None:
        self._address = address
        self._sockets = AssistantSockets(network=network)
        self._posts = AssistantPosts(network)

    def open(self, receive: Receive, lost: Lost) -> Way:
        """Open a leg; see `Dial`."""
        if isinstance(self._address, PostAddress):
            return _RemoteWay(self._posts.open(self._address, receive, lost))
        return _RemoteWay(self._sockets.connect(self._address, receive, lost))

    async def aclose(self) -> None:
        """Drop all of them."""
        await self._sockets.aclose()
        await self._posts.aclose()


class NobodyListens(BridgeError):
    """There is no server at the assistant's address."""


async def check(
    kind: str,
    url: str,
    headers: Mapping[str, str],
    part: Part,
    *,
    speed: float = 1.0,
    interruption: Interruption | None = None,
    say: Callable[[str], None] = lambda _step: None,
) -> list[Verdict]:
    """Check the assistant at `url`. Raises `ConfigurationError` if the kind, the URL or a header is not valid.

    `speed`: of the caller's time. An assistant that goes by the audio and not by a clock can be checked faster.
    `interruption`: ends the check; the verdicts so far are returned. `say`: is told what is being checked.
    Raises `NobodyListens` if no connection to the address could be made.
    """
    interruption = interruption or Interruption()
    settings, address = _settings(kind, url, headers)
    ways = Ways(address)
    began = clock()

    def now() -> float:
        return began + (clock() - began) * speed

    rules = rules_for(kind, posted=isinstance(address, PostAddress))
    examination = Examination(rules, lambda: ASSISTANTS[kind].dialect(settings, ()), ways.open, part, now)
    stopped = asyncio.Event()
    said = ""
    try:
        with interruption.ends_with(stopped.set):
            while not (examination.over or stopped.is_set()):
                if said != examination.act:
                    said = examination.act
                    say(f"checking: {said}")
                with suppress(TimeoutError):
                    async with asyncio.timeout(max(SOONEST_S, (examination.deadline() - now()) / speed)):
                        await stopped.wait()
                examination.advance()
    finally:
        await ways.aclose()
    if not examination.has_answered:
        await _check_reachable(address.url)
    return examination.verdicts(interrupted=stopped.is_set())


async def _check_reachable(url: str) -> None:
    """Raises `NobodyListens` if nobody takes a connection there."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme in ("wss", "https") else 80)
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            _, writer = await asyncio.open_connection(parts.hostname, port)
    except (OSError, TimeoutError) as error:
        why = str(error) or f"no answer within {CONNECT_TIMEOUT_S:g} s"
        raise NobodyListens(
            f"nobody listens at {parts.hostname}, port {port}: {why}: expected an assistant there; nothing was checked"
        ) from None
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


def _settings(kind: str, url: str, headers: Mapping[str, str]) -> tuple[AssistantSettings, Address]:
    """The settings and the address of the assistant. Raises `ConfigurationError`."""
    if kind not in KINDS:
        raise ConfigurationError(f"--kind: unknown kind {kind!r}; expected {' or '.join(KINDS)}")
    try:
        settings = ASSISTANTS[kind].settings.model_validate(
            {"kind": kind, "url": url, "headers": dict(headers)}
        )
    except ValidationError as error:
        (fault, *_) = error.errors(include_url=False, include_context=False)
        where = "--header" if "headers" in fault["loc"] else "URL"
        raise ConfigurationError(f"{where}: {fault['msg'].removeprefix('Value error, ')}") from None
    address = settings.address()
    assert address is not None, "assistants of these kinds are on the network"
    return settings, address


def read_headers(lines: Sequence[str]) -> dict[str, str]:
    """Read lines of the form "Name: value". Raises `ConfigurationError`, which does not show what may be a key."""
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name.strip():
            raise ConfigurationError('--header: not a header; expected "Name: value"')
        headers[name.strip()] = value.strip()
    return headers
