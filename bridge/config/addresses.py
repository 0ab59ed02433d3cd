"""What is wrong, or doubtful, with the addresses of the settings: where the server is bound, and where it is reached."""

import errno
from collections.abc import Collection, Iterator
from urllib.parse import urlsplit

from bridge.redaction import without_credentials
from bridge.settings.table import without_placeholder

LOOPBACK = ("127.0.0.1", "::1", "localhost")

EXAMPLES = ("example.com", "example.org", "example.net", "example", "test", "invalid")
"""Names that belong to nobody (RFC 2606)."""


def is_on_loopback(url: str | None) -> bool:
    """Whether an address reaches this machine alone; None is the server's own address."""
    return url is None or urlsplit(url).hostname in LOOPBACK


def public_url_faults(url: str, own_paths: Collection[str]) -> Iterator[str]:
    """Why `url` cannot be where the carriers reach the server. `own_paths`: those of the webhooks and media sockets."""
    parts = urlsplit(url)
    try:
        without_placeholder(url)
    except ValueError as error:
        yield f"public_url = {without_credentials(url)!r}: {error}"
    if any(parts.path.startswith(own) for own in own_paths):
        alone = without_credentials(parts._replace(path="").geturl())
        yield (
            f"public_url = {without_credentials(url)!r}: should be the server's address alone, {alone}; "
            "the server adds the paths of its webhooks and media sockets"
        )


def public_url_doubts(url: str, own_paths: Collection[str]) -> Iterator[str]:
    """What is hardly meant with `url`, beside a scheme without TLS."""
    parts = urlsplit(url)
    shown = without_credentials(url)
    host = parts.hostname or ""
    if host in LOOPBACK:
        yield f"public_url = {shown!r}: no carrier reaches this machine there; should be its public address"
    if any(host == name or host.endswith(f".{name}") for name in EXAMPLES):
        yield f"public_url = {shown!r}: this name is for examples and belongs to nobody; should be your own"
    if parts.path and not any(parts.path.startswith(own) for own in own_paths):
        yield (
            f"public_url = {shown!r}: has the path {parts.path}; should have none, unless a proxy takes it away "
            "before the request reaches the server"
        )


def bind_fault(host: str, port: int, error: OSError) -> str:
    """Why the port could not be opened, with what was expected."""
    match error.errno:
        case errno.EADDRINUSE:
            return (
                f"port = {port}: it is in use at host = {host!r}: expected a free port; another server, or this one, "
                "may be running already"
            )
        case errno.EACCES:
            return (
                f"port = {port}: this user may not open it: expected a port from 1024 on, or the permission"
            )
        case errno.EADDRNOTAVAIL:
            return f"host = {host!r}: it is no address of this machine: expected one, or 0.0.0.0 for all"
    return f"host = {host!r}, port = {port}: {error.strerror or error}: expected an address of this machine"
