"""Reads the settings again on SIGHUP, and certificates when their files change; calls under way notice nothing.

Routes, assistants, limits and the log level are for what comes from now on. What a running server cannot change is named
in the log. Settings with a fault change nothing. Reading and checking is done in a thread.
"""

import asyncio
import ssl
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import structlog
from pydantic import BaseModel

from bridge.config.checks import doubts, tls_context
from bridge.config.settings import Settings, vendor_tables
from bridge.shell.control.access import KnownToken, known_tokens
from bridge.shell.metrics.route import tokens_of
from bridge.shell.network import Network
from bridge.shell.setups import Setup, Setups
from bridge.shell.switchboard import Switchboard
from bridge.shell.systemd import Notifier
from bridge.vocabulary.errors import ConfigurationError

LOOK_S = 30.0
"""From one look at the files of the certificate to the next."""

RELOADED = frozenset(
    {
        *("ssl_certfile", "ssl_keyfile", "log_level", "routes", "assistant", "assistants"),
        *("limits", "circuit", "keypad", "silence", "busy", "closing", "before_call", "after_call"),
        *("people", "supervisors"),
    }
)
"""The settings that are read again, beside the tables of the assistants' vendors. All others need a restart."""

RELOADED_IN = {"control": frozenset({"tokens", "tokens_file", "hold"}), "metrics": frozenset({"token"})}
"""Those in tables of which the rest needs a restart."""

UseTokens = Callable[[Sequence[KnownToken], Sequence[str]], None]

log = structlog.get_logger()


class Changes(NamedTuple):
    """What a reload comes to. `ignored`: the settings that differ and need a restart, by their names."""

    settings: Settings
    ignored: list[str]


def changes(running: Settings, read: Settings) -> Changes:
    """The settings to go on with: those that were read, but for what a running server cannot change."""
    again = RELOADED | vendor_tables() | RELOADED_IN.keys()
    fixed = [name for name in type(running).model_fields if name not in again]
    if (running.ssl_certfile is None) != (read.ssl_certfile is None):  # TLS does not begin on an open port
        fixed += ["ssl_certfile", "ssl_keyfile"]
    ignored = [difference for name in fixed for difference in _differences(name, running, read)]
    kept: dict[str, object] = {name: getattr(running, name) for name in fixed}
    for name, reloaded in RELOADED_IN.items():
        one, other = getattr(running, name), getattr(read, name)
        ignored += _differences(name, running, read, reloaded)
        kept[name] = one.model_copy(update={key: getattr(other, key) for key in reloaded})
    return Changes(read.model_copy(update=kept), ignored)


def _differences(
    name: str, running: Settings, read: Settings, reloaded: frozenset[str] = frozenset()
) -> Iterator[str]:
    one, other = getattr(running, name), getattr(read, name)
    if one == other:
        return
    if not isinstance(one, BaseModel):
        yield name
        return
    for key in type(one).model_fields:
        if key not in reloaded and getattr(one, key) != getattr(other, key):
            yield f"{name}.{key}"


class Certificate:
    """The certificate of a running server. `context`: new connections get what is loaded into it; None: no TLS."""

    def __init__(self, context: ssl.SSLContext | None, settings: Settings) -> None:
        self._context = context
        self._settings = settings
        self._seen = _versions(settings)

    async def follow(self, settings: Settings) -> None:
        """Load the files that these settings name."""
        self._settings = settings
        await self._load()

    async def watch(self, look_s: float = LOOK_S) -> None:
        """Load the files whenever they have changed. Runs until it is cancelled."""
        while self._context is not None:
            await asyncio.sleep(look_s)
            if await asyncio.to_thread(_versions, self._settings) != self._seen:
                await self._load()

    async def _load(self) -> None:
        """A certificate that cannot be used leaves the one before in force."""
        settings, context = self._settings, self._context
        if context is None or settings.ssl_certfile is None:
            return
        self._seen = await asyncio.to_thread(_versions, settings)
        try:
            await asyncio.to_thread(tls_context, settings)  # half of a pair would spoil the context in use
            context.load_cert_chain(settings.ssl_certfile, settings.ssl_keyfile)
        except (ConfigurationError, OSError) as error:
            log.error("= the certificate was not loaded, the one before stays", reason=str(error))
        else:
            log.info("= certificate loaded", file=str(settings.ssl_certfile))


def _versions(settings: Settings) -> list[tuple[int, int, int] | None]:
    """What tells a file of the certificate from the one that was there before."""
    files = (settings.ssl_certfile, settings.ssl_keyfile)
    return [None if file is None else _version(file) for file in files]


def _version(file: Path) -> tuple[int, int, int] | None:
    try:
        state = file.stat()
    except OSError:
        return None
    return state.st_mtime_ns, state.st_ino, state.st_size


class Reload:
    """The reloads of one server.

    `read`: reads and checks the settings, in a thread; raises `ConfigurationError` with a line for each fault.
    `set_log_level`: what to do with `log_level`. `is_stopping`: whether the server has begun to stop. `use_tokens`: what to
    do with the tokens of [control] and [metrics].
    """

    def __init__(
        self,
        setups: Setups,
        certificate: Certificate,
        network: Network,
        read: Callable[[], Settings],
        set_log_level: Callable[[str], None],
        is_stopping: Callable[[], bool],
        notifier: Notifier,
        use_tokens: UseTokens = lambda _control, _metrics: None,
    ) -> None:
        self._setups = setups
        self._certificate = certificate
        self._network = network
        self._read = read
        self._set_log_level = set_log_level
        self._is_stopping = is_stopping
        self._notifier = notifier
        self._use_tokens = use_tokens
        self._started = setups.current.settings
        self._task: asyncio.Task[None] | None = None
        self._is_asked_again = False

    def signal(self) -> None:
        """Reload soon. Asked again meanwhile, once more after that."""
        if self._is_stopping():
            log.warning("= not reloaded: the server is stopping")
        elif self._task is not None and not self._task.done():
            self._is_asked_again = True
        else:
            self._task = asyncio.create_task(self._run())

    async def aclose(self) -> None:
        """Stop what runs."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            self._is_asked_again = False
            self._notifier.reloading()
            try:
                await self._reload()
            except ConfigurationError as error:
                faults = str(error).splitlines()
                log.error(
                    "= not reloaded: the settings have faults, those before stay in force", faults=faults
                )
            except Exception:  # in a module of a tool, for example
                log.exception("= not reloaded: the settings before stay in force")
            if not self._is_stopping():
                self._notifier.ready("serving")
            if not self._is_asked_again:
                return

    async def _reload(self) -> None:
        change, switchboard = await asyncio.to_thread(self._prepare)
        if self._is_stopping():
            await switchboard.aclose()
            log.warning("= not reloaded: the server is stopping")
            return
        settings = change.settings
        self._set_log_level(settings.log_level)
        self._setups.replace(Setup(settings, switchboard))
        self._use_tokens(known_tokens(settings.control.tokens), tokens_of(settings.metrics))
        await self._certificate.follow(settings)
        for doubt in doubts(settings):
            log.warning("= doubtful settings", reason=doubt)
        if change.ignored:
            log.warning("= these settings need a restart, and stay as they were", settings=change.ignored)
        log.info("= reloaded", assistant=settings.assistant, former_setups=self._setups.former)

    def _prepare(self) -> tuple[Changes, Switchboard]:
        """Read the settings, and make their assistants. Runs in a thread."""
        change = changes(self._started, self._read())
        return change, Switchboard(change.settings, self._network)
