"""Makes the body and the signature of a Telnyx webhook, and decides which answers have it delivered again.

Wire: Telnyx, "Receiving webhooks". The signature is Ed25519 over `<telnyx-timestamp>|<raw body>`.
"""

from base64 import b64decode, b64encode
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import json

from bridge.carriers.telnyx.kind import SIMULATED_PUBLIC_KEY

TEST_SEED = "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A="
TEST_PUBLIC_KEY = SIMULATED_PUBLIC_KEY
"""A key pair that is published here, for tests; it protects nothing."""


class Signer:
    """Signs webhooks. `seed`: base64 of the 32 byte private key."""

    def __init__(self, seed: str = TEST_SEED) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(b64decode(seed))

    @property
    def public_key(self) -> str:
        """The public key as Telnyx's portal shows it: base64 of 32 bytes."""
        return b64encode(self._key.public_key().public_bytes_raw()).decode()

    def headers(self, body: bytes, unix_time: int) -> dict[str, str]:
        """The headers for this body. `unix_time`: of the signature, seconds."""
        signature = self._key.sign(b"%d|%b" % (unix_time, body))
        return {
            "Content-Type": "application/json",
            "telnyx-signature-ed25519": b64encode(signature).decode(),
            "telnyx-timestamp": str(unix_time),
        }


def envelope(event: Mapping[str, Any], url: str, attempt: int, *, unwrapped: bool = False) -> bytes:
    """The body of one delivery. `attempt` counts from 1. `unwrapped`: the event alone, an injected fault."""
    if unwrapped:
        return json.encode(event)
    return json.encode({"data": event, "meta": {"attempt": attempt, "delivered_to": url}})


def is_delivered(status: int | None) -> bool:
    """Whether a webhook with this HTTP status is delivered. None: no answer came in time."""
    return status is not None and 200 <= status < 300


def is_retried(status: int | None) -> bool:
    """Whether a webhook with this HTTP status is tried again. None: no answer came in time."""
    return status in (None, HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS) or status >= 500
