"""What `config check` finds: all that would keep `serve` from starting, at once; else where each kind of call goes."""

from collections.abc import Callable, Iterator
from pathlib import Path

from bridge.carriers.telnyx.rest import TelnyxApi
from bridge.config.audio_file import read_wav
from bridge.config.settings import Settings
from bridge.redaction import without_credentials
from bridge.settings.assistants import PlayFallback
from bridge.shell.server import Server
from bridge.tools.toolbox import Toolbox
from bridge.vocabulary.contracts import ToolSchema
from bridge.vocabulary.errors import ConfigurationError


def check(settings: Settings) -> None:
    """Raises `ConfigurationError`, a line for each fault. Imports the tools' modules, and makes folders, as `serve` does."""
    told: list[str] = []

    def attempt(work: Callable[[], object], place: str = "") -> None:
        try:
            work()
        except ConfigurationError as error:
            told.extend(place + line for line in str(error).splitlines())

    attempt(settings.check_doors)
    attempt(settings.check_folders)
    attempt(settings.tls)
    attempt(settings.telnyx.check)
    if settings.telnyx.api_key is not None:
        attempt(lambda: TelnyxApi(settings.telnyx))
    schemas: dict[str, list[ToolSchema]] = {name: [] for name in settings.assistant_kinds}
    for name, found in schemas.items():
        for tool, table in settings.settings_of(name).tools.items():
            one = {tool: table}
            attempt(lambda: found.extend(Toolbox(name, one).schemas))  # noqa: B023  # called at once
    attempt(lambda: settings.check_assistants(schemas))
    for place, file in _sentences(settings):
        attempt(lambda: read_wav(file), place)  # noqa: B023  # called at once
    if not told:
        attempt(lambda: Server(settings))
    if told:
        raise ConfigurationError("\n".join(dict.fromkeys(told)))


def _sentences(settings: Settings) -> Iterator[tuple[str, Path]]:
    for name, assistant in settings.assistants.items():
        if isinstance(assistant.fallback, PlayFallback):
            yield f"assistants.{name}.fallback.play: ", assistant.fallback.play


def in_words(settings: Settings) -> Iterator[str]:
    """Where each kind of call goes. Settings that are good."""
    for number, route in enumerate(settings.routes):
        yield f"routes[{number}]: {route.in_words()} go to {_who(settings, route.assistant)}."
    yield f"{'All other calls' if settings.routes else 'Calls'} go to {_who(settings, settings.assistant)}."
    here = without_credentials(settings.reachable_url(settings.port))
    paths = list(dict.fromkeys(route.path for route in settings.routes if route.path is not None))
    behind = f", or with /{' or /'.join(paths)} behind it" if paths else ""
    if settings.twilio.auth_token is not None or settings.security.allow_unauthenticated:
        yield f"Twilio's come to {here}/twilio/voice{behind}."
    if settings.telnyx.public_key is not None or settings.security.allow_unauthenticated:
        yield f"Telnyx's with TeXML come to {here}/telnyx/texml{behind}."
        if settings.telnyx.api_key is not None:
            yield f"Telnyx's under Call Control come to {here}/telnyx/webhook{behind}."
    if settings.routes:
        yield "?assistant=NAME in these addresses goes before the routes; `dial` names who talks, or has the default."
    if settings.security.allow_unauthenticated:
        yield "Media sockets without a webhook are let in; of the routes only those that ask for parameters alone fit."


def _who(settings: Settings, name: str) -> str:
    """An assistant, and what comes after it."""
    after = [f"to {other!r}" for other in settings.rescue_chain(name)[1:]]
    if (sentence := settings.rescue_sentence(name)) is not None:
        after.append(f"{sentence} is played")
    return repr(name) + (f" (if it is lost for good, {', then '.join(after)})" if after else "")
