"""Tells systemd what the service does: ready, reloading, stopping, still alive. Source: sd_notify(3), systemd.service(5).

A message is one datagram of lines `NAME=value`. Without an address nothing is sent; a message that cannot be sent is
dropped: the service manager must not stop a call.
"""

import asyncio
import socket
import time

import structlog

from bridge.config.systemd import ServiceManager

EXTEND_S = 20.0
"""So much more time is asked for with each message while the service stops."""

log = structlog.get_logger()


class Notifier:
    """The notifications of this process. `manager`: where to send them; None: nowhere."""

    def __init__(self, manager: ServiceManager | None = None) -> None:
        self._manager = manager
        self._socket: socket.socket | None = None
        self._watchdog: asyncio.TimerHandle | None = None
        self._status = ""

    def ready(self, status: str) -> None:
        """The service serves, or has read its settings again."""
        self._status = status
        self._send("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        """The settings are read again; `ready` follows."""
        self._send(
            "RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}", "STATUS=reading the settings"
        )

    def stopping(self, status: str) -> None:
        """The service begins to stop."""
        self._status = status
        self._send("STOPPING=1", f"STATUS={status}", _extended())

    def still_stopping(self, status: str) -> None:
        """The service needs more time to stop. To be called more often than every `EXTEND_S`."""
        if status == self._status:
            self._send(_extended())
        else:
            self._status = status
            self._send(f"STATUS={status}", _extended())

    def start_watchdog(self) -> None:
        """From now on the event loop says that it runs, where systemd waits for that: it restarts a loop that hangs."""
        if self._manager is not None and self._manager.watchdog_s is not None:
            self._feed_watchdog(asyncio.get_running_loop(), self._manager.watchdog_s / 2)

    def _feed_watchdog(self, loop: asyncio.AbstractEventLoop, every_s: float) -> None:
        self._send("WATCHDOG=1")
        self._watchdog = loop.call_later(every_s, self._feed_watchdog, loop, every_s)

    def close(self) -> None:
        """Send nothing more."""
        self._manager = None
        if self._watchdog is not None:
            self._watchdog.cancel()
        if self._socket is not None:
            self._socket.close()

    def _send(self, *lines: str) -> None:
        if self._manager is None:
            return
        try:
            if self._socket is None:
                self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
                self._socket.setblocking(False)
            self._socket.sendto("\n".join(lines).encode(), _address(self._manager.notify_socket))
        except OSError as error:
            log.debug("= systemd was not told", reason=str(error))


def _address(name: str) -> str:
    """The address of a socket; one that begins with @ is in the abstract namespace (unix(7))."""
    return f"\0{name[1:]}" if name.startswith("@") else name


def _extended() -> str:
    return f"EXTEND_TIMEOUT_USEC={round(EXTEND_S * 1_000_000)}"
