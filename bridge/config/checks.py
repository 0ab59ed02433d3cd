"""Checks the settings as a whole before a server starts: doors, carriers, assistants, folders, TLS; and finds doubts."""

import re
import ssl
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from tempfile import TemporaryFile
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr

from bridge.assistants.shared.templates import VARIABLES, names_in
from bridge.carriers.registry import CARRIERS
from bridge.config.addresses import LOOPBACK, is_on_loopback, public_url_doubts, public_url_faults
from bridge.config.assistant_names import names_used
from bridge.config.certificate import load_certificate
from bridge.config.durations import long_durations
from bridge.config.people import doubtful_people
from bridge.config.routes import never_taken
from bridge.config.settings import Settings, doubtful_secret_files
from bridge.redaction import without_credentials, without_numbers
from bridge.vocabulary.contracts import ToolSchema
from bridge.vocabulary.errors import ConfigurationError


def check_doors(settings: Settings) -> None:
    """Raises `ConfigurationError` where a server would let strangers in, or could let nobody in."""
    _refuse(_wrong_doors(settings))


def check_carriers(settings: Settings) -> None:
    """Raises `ConfigurationError` where what is set of a carrier cannot work."""
    faults: list[str] = []
    for name, kind in CARRIERS.items():
        for check in kind.checks:
            try:
                check(settings.carrier(name))
            except ConfigurationError as error:
                faults += str(error).splitlines()
    _refuse(faults)


def check_assistants(settings: Settings, tools: Mapping[str, Sequence[ToolSchema]] | None = None) -> None:
    """Raises `ConfigurationError` where an assistant could not answer. `tools`: what is known of them, by name."""
    used = (name for _, name in names_used(settings))
    faults: list[str] = []
    for name in dict.fromkeys([*used, *settings.assistants]):
        try:
            settings.assistant_settings(name).check((tools or {}).get(name, ()))
        except ConfigurationError as error:
            faults += [f"assistants.{name}: {line}" for line in str(error).splitlines()]
    _refuse([*faults, *_unknown_variables(settings)])


def _unknown_variables(settings: Settings) -> Iterator[str]:
    """Templates with variables that nobody gives a value."""
    if settings.before_call.url is not None:
        return
    for name in settings.assistants:
        for key, text in settings.assistant_settings(name).templates():
            for variable in names_in(text):
                if variable.startswith(VARIABLES):
                    yield (
                        f"assistants.{name}.{key}: {{{variable}}} is never known: before_call.url should be set, whose "
                        "answer has the variables"
                    )


def check_folders(settings: Settings) -> None:
    """Make the folders of journals, recordings and traces. Raises `ConfigurationError` where they cannot be written."""
    _refuse(_wrong_folders(settings))


def tls_context(settings: Settings) -> ssl.SSLContext | None:
    """The server's side of TLS; None where a proxy does it. Raises `ConfigurationError`."""
    if settings.ssl_certfile is None:
        return None
    return load_certificate(settings.ssl_certfile, settings.ssl_keyfile)


def doubts(settings: Settings) -> Iterator[str]:
    """Settings that a server starts with, and that are hardly meant; a line for each."""
    if settings.public_url is not None:
        yield from public_url_doubts(settings.public_url, own_paths())
    if not is_on_loopback(settings.public_url):
        yield from _unlikely_keys(settings)
    yield from doubtful_secret_files()
    yield from long_durations(settings)
    yield from _doubtful_posts(settings)
    public = urlsplit(settings.public_url or "")
    if public.scheme == "http" and public.hostname not in LOOPBACK:
        with_tls = " and ".join(kind.title for kind in CARRIERS.values() if kind.requires_tls)
        yield (
            f"public_url = {without_credentials(public.geturl())!r}: should begin with https; {with_tls} opens no media "
            "socket without TLS, and what other carriers send can be read on the way"
        )
    for key, url in settings.proxy.unused():
        yield (
            f"proxy.{key} = {without_credentials(url)!r}: is not used: should begin with http://; what it is for is "
            "reached directly"
        )
    if not (settings.security.allow_unauthenticated or _can_authenticate(settings)):
        yield f"{_missing_keys()}: no carrier can call; the phone on the page can, on this machine"
    yield from _doubtful_announcement(settings)
    yield from doubtful_people(settings)
    for number, taker in never_taken(settings.routes):
        taken = without_numbers(settings.routes[number].in_words())  # `serve` logs it
        yield f"routes[{number}]: no call gets there, routes[{taker}] takes {taken}; should stand before it"


def _doubtful_posts(settings: Settings) -> Iterator[str]:
    """Requests about calls that anybody could have sent, or could read."""
    for key, table in (("before_call", settings.before_call), ("after_call", settings.after_call)):
        if table.url is None:
            continue
        if table.secret is None:
            yield f"{key}.secret: is not set, so {key}.url cannot tell our requests from those of others; should be set"
        parts = urlsplit(table.url)
        if parts.scheme == "http" and parts.hostname not in LOOPBACK:
            yield (
                f"{key}.url = {without_credentials(table.url)!r}: should begin with https; telephone numbers and words of "
                "callers can be read on the way"
            )


def _doubtful_announcement(settings: Settings) -> Iterator[str]:
    """A recording that is not announced to everybody whom it records."""
    if settings.recording.announce is None:
        return
    if settings.recording.directory is None:
        yield "recording.announce: recording.directory is not set, so nothing is recorded and nothing announced"
    else:
        yield (
            "recording.announce: a call that is only listened to is recorded and cannot be played anything; its "
            "callers should be told by whoever talks with them"
        )


def _wrong_doors(settings: Settings) -> Iterator[str]:
    on_loopback = settings.host in LOOPBACK
    is_open = settings.security.allow_unauthenticated
    if settings.workers > 1:
        yield from _wrong_workers(settings)
    if settings.public_url is not None:
        yield from public_url_faults(settings.public_url, own_paths())
    if is_open and not is_on_loopback(settings.public_url):
        yield (
            f"security.allow_unauthenticated with public_url = {without_credentials(settings.public_url or '')!r}: "
            "should be left out; anybody who reaches this address could talk to the assistant at your cost"
        )
    if not (is_open and on_loopback):
        yield from _published_keys(settings)
    if is_open and not on_loopback:
        yield (
            f"host = {settings.host!r} with security.allow_unauthenticated: "
            f"should be one of {', '.join(LOOPBACK)}; anybody could talk to the assistant at your cost"
        )
    own = tuple(f"{settings.public_url}{path}/" for path in own_paths())
    if settings.public_url is not None and (settings.busy.redirect or "").startswith(own):
        yield (
            f"busy.redirect = {without_credentials(settings.busy.redirect or '')!r}: should be another server's; this one "
            "would refuse the call again, over and over"
        )
    if not (_is_only_here(settings) or is_open or _can_authenticate(settings)):
        kinds = CARRIERS.values()
        variables = [kind.authenticated_by_variable for kind in kinds if kind.authenticated_by_variable]
        yield (
            f"{_missing_keys()}, and without one of them no carrier can prove "
            f"to be one: set {_listed(variables, 'or')}, or to try things on this machine alone, "
            "[security] allow_unauthenticated = true"
        )
    if settings.public_url is None and not (on_loopback or is_open):
        yield (
            "public_url is missing: it is where the carriers send calls, and what their signatures are "
            "checked against, such as https://voice.example.com"
        )


def _is_only_here(settings: Settings) -> bool:
    """Whether nobody but this machine reaches the server: then the phone on its page is enough to try it with."""
    return settings.host in LOOPBACK and settings.public_url is None


def _can_authenticate(settings: Settings) -> bool:
    """Whether some carrier can prove to be one."""
    return any(kind.can_authenticate(settings.carrier(kind.name)) for kind in CARRIERS.values())


def _missing_keys() -> str:
    """That none of the keys is there with which a carrier proves to be one."""
    names = [f"{kind.name}.{kind.authenticated_by}" for kind in CARRIERS.values()]
    return f"{_listed(names, 'and')} are missing"


def _wrong_workers(settings: Settings) -> Iterator[str]:
    if settings.ssl_certfile is not None:
        yield (
            f"workers = {settings.workers} with ssl_certfile: should be 1; what goes to which worker is read from the "
            "request, and TLS hides it: let a proxy do TLS, and leave ssl_certfile out"
        )
    most = settings.limits.max_calls_per_s
    if most is not None and most < settings.workers:
        yield (
            f"limits.max_calls_per_s = {most} with workers = {settings.workers}: expected at least one call for each "
            "worker, which takes its part of them"
        )
    if sys.platform != "linux":
        yield f"workers = {settings.workers}: should be 1; worker processes need Linux"


def own_paths() -> tuple[str, ...]:
    """The paths that belong to the carriers' webhooks and media sockets begin with these."""
    return tuple(f"/{name}" for name in CARRIERS)


def _published_keys(settings: Settings) -> Iterator[str]:
    for name, kind in CARRIERS.items():
        for key, published in kind.published.items():
            if _in_clear(getattr(settings.carrier(name), key)) == published:
                yield (
                    f"{name}.{key}: is the key of the simulator, which everybody knows: should be your own; with it the "
                    f"server must be bound to loopback, with [security] allow_unauthenticated = true"
                )


def _unlikely_keys(settings: Settings) -> Iterator[str]:
    for name, kind in CARRIERS.items():
        for key, (pattern, words) in kind.expected.items():
            value = _in_clear(getattr(settings.carrier(name), key))
            if value is not None and re.fullmatch(pattern, value) is None:
                yield f"{name}.{key}: does not look like one of {kind.title}'s; should be {words}"


def _in_clear(value: Any) -> str | None:
    return value.get_secret_value() if isinstance(value, SecretStr) else value


def _wrong_folders(settings: Settings) -> Iterator[str]:
    for key, folder in (
        ("journal", settings.journal.directory),
        ("recording", settings.recording.directory),
        ("capture", settings.capture.directory),
    ):
        if folder is not None:
            try:
                folder.mkdir(parents=True, exist_ok=True)
                with TemporaryFile(dir=folder):
                    pass
            except OSError as error:
                yield f"{key}.directory = {str(folder)!r}: {error.strerror}"


def _listed(words: Sequence[str], last: str) -> str:
    """a, b and c"""
    *before, end = words
    return f"{', '.join(before)} {last} {end}" if before else end


def _refuse(faults: Iterable[str]) -> None:
    """Raises `ConfigurationError` where there are any, each on its line."""
    if lines := "\n".join(faults):
        raise ConfigurationError(lines)
