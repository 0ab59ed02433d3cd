"""Reads what systemd tells a service about itself in the environment (sd_notify(3), sd_watchdog_enabled(3))."""

from collections.abc import Mapping
from typing import NamedTuple


class ServiceManager(NamedTuple):
    """What systemd wants to be told, and where."""

    notify_socket: str
    """The address of a datagram socket: a path, or @ and a name of the abstract namespace."""
    watchdog_s: float | None = None
    """How often the service has to say that it is alive, at least; None: it need not."""


def told_by(environment: Mapping[str, str], process: int) -> ServiceManager | None:
    """What the environment of this process says; None where nobody waits for a message. `process`: its id."""
    address = environment.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return None
    usec, pid = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", "")
    is_ours = not pid or pid == str(process)
    is_time = usec.isascii() and usec.isdecimal() and int(usec) > 0
    return ServiceManager(address, int(usec) / 1_000_000 if is_ours and is_time else None)
