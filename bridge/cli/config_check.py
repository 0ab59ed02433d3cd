"""What `config check` finds: all that would keep `serve` from starting, at once; else where each kind of call goes."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import structlog

from bridge.carriers.registry import CARRIERS
from bridge.cli.health import Unhealthy, ask
from bridge.config.audio_file import read_wav
from bridge.config.checks import check_assistants, check_carriers, check_doors, check_folders, tls_context
from bridge.config.people import people_of
from bridge.config.settings import Settings
from bridge.redaction import without_credentials
from bridge.settings.assistants import PlayFallback
from bridge.shell.header_values import HeaderReader
from bridge.shell.listener import bind
from bridge.shell.server import Server
from bridge.tools.toolbox import Toolbox
from bridge.vocabulary.contracts import ToolSchema
from bridge.vocabulary.errors import ConfigurationError


def check(settings: Settings, *, makes_server: bool = True) -> None:
    """Raises `ConfigurationError`, a line for each fault. Imports the tools' modules, and makes folders, as `serve` does.

    `makes_server`: whether a server is made as well, which finds what the checks before it do not name.
    """
    faults: list[str] = []

    def attempt(work: Callable[[], object], place: str = "") -> None:
        try:
            work()
        except ConfigurationError as error:
            faults.extend(place + line for line in str(error).splitlines())

    for checked in (check_doors, check_folders, tls_context, check_carriers):
        attempt(lambda: checked(settings))  # noqa: B023  # called at once
    schemas: dict[str, list[ToolSchema]] = {name: [] for name in settings.assistant_kinds}
    for name, found in schemas.items():
        for tool, table in settings.assistant_settings(name).tools.items():
            one = {tool: table}
            attempt(lambda: found.extend(Toolbox(name, one).schemas))  # noqa: B023  # called at once
    attempt(lambda: check_assistants(settings, schemas))
    attempt(lambda: people_of(settings))
    for place, file in _announcements(settings):
        attempt(lambda: read_wav(file), place)  # noqa: B023  # called at once
    attempt(lambda: _check_headers(settings))
    if makes_server and not faults:
        attempt(lambda: Server(settings))
    if faults:
        raise ConfigurationError("\n".join(dict.fromkeys(faults)))


def _check_headers(settings: Settings) -> None:
    """Read the files and run the commands that headers come from, once. Raises `ConfigurationError`."""
    addresses = {name: settings.assistant_settings(name).address() for name in settings.assistant_kinds}
    headers = {name: address.headers for name, address in addresses.items() if address is not None}

    async def faults() -> list[str]:
        reader, found = HeaderReader(), []
        for name, values in headers.items():
            for header, value in values.items():
                try:
                    await reader.resolve({header: value})
                except ConfigurationError as error:
                    found.append(f"assistants.{name}: {error}")
        await reader.aclose()
        return found

    if not all(isinstance(value, str) for values in headers.values() for value in values.values()):
        with structlog.testing.capture_logs():  # each fault is reported here, once
            found = asyncio.run(faults())
        if found:
            raise ConfigurationError("\n".join(found))


def port_doubts(settings: Settings) -> Iterator[str]:
    """A line where a server answers at the port already. Raises `ConfigurationError` if `serve` could not open it."""
    try:
        opened = bind(settings.host, settings.port, 1)
    except ConfigurationError as fault:
        try:
            ask(settings)
        except Unhealthy:
            raise fault from None
        yield str(fault)
    else:
        for one in opened:
            one.close()


def _announcements(settings: Settings) -> Iterator[tuple[str, Path]]:
    """The WAV files that callers hear, each with the setting that names it."""
    if settings.recording.announce is not None:
        yield "recording.announce.play: ", settings.recording.announce.play
    if settings.closing.goodbye is not None:
        yield "closing.goodbye.play: ", settings.closing.goodbye.play
    for name, assistant in settings.assistants.items():
        if isinstance(assistant.fallback, PlayFallback):
            yield f"assistants.{name}.fallback.play: ", assistant.fallback.play
        if assistant.waiting is not None:
            yield f"assistants.{name}.waiting.play: ", assistant.waiting.play


def destinations(settings: Settings) -> Iterator[str]:
    """Where each kind of call goes, a sentence for each. The settings must be good."""
    for number, route in enumerate(settings.routes):
        if route.supervisor is not None:
            yield f"routes[{number}]: {route.in_words()} are those of the supervisor {route.supervisor!r}."
        else:
            yield f"routes[{number}]: {route.in_words()} go to {_with_failover(settings, route.assistant or '')}."
    others = "All other calls" if settings.routes else "Calls"
    yield f"{others} go to {_with_failover(settings, settings.assistant)}."
    yield from _webhook_addresses(settings)
    if settings.routes:
        yield "?assistant=NAME in these addresses goes before the routes; `dial` names who talks, or has the default."
    if settings.security.allow_unauthenticated:
        yield "Media sockets without a webhook are let in; of the routes only those that ask for parameters alone fit."


def _webhook_addresses(settings: Settings) -> Iterator[str]:
    """The addresses that numbers at the carriers can be pointed at."""
    here = without_credentials(settings.reachable_url(settings.port))
    words = list(dict.fromkeys(route.path for route in settings.routes if route.path is not None))
    behind = f", or with /{' or /'.join(words)} behind it" if words else ""
    for name, kind in CARRIERS.items():
        table = settings.carrier(name)
        if kind.can_authenticate(table) or settings.security.allow_unauthenticated:
            for webhook in kind.voice_webhooks(table):
                yield f"{webhook.calls} come to {here}{webhook.path}{behind}."


def _with_failover(settings: Settings, name: str) -> str:
    """An assistant, and what follows when it is lost."""
    after = [f"to {other!r}" for other in settings.failover_chain(name)[1:]]
    if (announcement := settings.failover_announcement(name)) is not None:
        after.append(f"{announcement} is played")
    return repr(name) + (f" (if it is lost for good, {', then '.join(after)})" if after else "")
