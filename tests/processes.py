"""What a test needs that starts a program: an environment for it, and ports that nobody else takes."""

import os
import secrets
import socket
from contextlib import suppress

SETTINGS = ("VOICEBRIDGE_", "TWILIO_", "TELNYX_", "OPENAI_")
"""With what the names of variables begin that hold settings."""

NO_LAG_LIMIT = {"VOICEBRIDGE_LIMITS__MAX_LAG_MS": "0"}
"""For a server: that other programs take this machine's time as well refuses no call."""

FIRST_PORT, PORTS = 20_000, 12_000
"""Below the ports that Linux (32768 and above) and macOS (49152 and above) choose where a program asks for port 0."""


def clean_environment(**more: str) -> dict[str, str]:
    """This process's environment without settings, and with these variables."""
    return {name: value for name, value in os.environ.items() if not name.startswith(SETTINGS)} | more


def free_ports(count: int) -> list[int]:
    """Ports on loopback, to be opened later. The system gives none of them to somebody else meanwhile."""
    found: set[int] = set()
    while len(found) < count:
        port = FIRST_PORT + secrets.randbelow(PORTS)
        with suppress(OSError), socket.socket() as one:
            one.bind(("127.0.0.1", port))
            found.add(port)
    return list(found)


def free_port() -> int:
    """One of them."""
    return free_ports(1)[0]
