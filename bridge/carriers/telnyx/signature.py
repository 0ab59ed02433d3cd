"""Telnyx's signature: is a webhook really Telnyx's, and was it signed lately?

Source: Telnyx, "Receiving webhooks": Ed25519 over `<telnyx-timestamp>|<raw body>`, the same for the forms of TeXML.
Units: seconds. No socket, no clock: times are passed in.
"""

import re
from base64 import b64decode
from enum import StrEnum

TOLERANCE_S = 300
"""How far the time of a signature may be from ours, either way (Telnyx, "Receiving webhooks")."""


class SignatureFault(StrEnum):
    """Why a webhook is refused, for the log."""

    UNSIGNED = "its signature or its time is missing or unreadable"
    FORGED = "its signature is not Telnyx's"
    STALE = "it was signed too long ago, or our clock is wrong"


def check_public_key(text: str) -> None:
    """Raises `ValueError` unless `text` has the form of a public key."""
    try:
        size = len(b64decode(text, validate=True))
    except ValueError:
        size = 0
    if size != 32:
        raise ValueError(
            "this is not an Ed25519 public key: should be base64 of 32 bytes, as the portal shows it"
        )


def signature_fault(
    public_key: str, body: bytes, timestamp: str, given: str, unix_now: float
) -> SignatureFault | None:
    """Why a webhook with this raw body is refused; None if Telnyx signed it within `TOLERANCE_S`.

    `timestamp` and `given` are the headers `telnyx-timestamp` and `telnyx-signature-ed25519`. The library checks in
    constant time. The time is checked last, so a webhook that is `STALE` was really signed by Telnyx.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        signature = b64decode(given, validate=True)
    except ValueError:
        return SignatureFault.UNSIGNED
    if len(signature) != 64 or re.fullmatch("[0-9]{1,15}", timestamp) is None:
        return SignatureFault.UNSIGNED
    try:
        key = Ed25519PublicKey.from_public_bytes(b64decode(public_key))
        key.verify(signature, timestamp.encode() + b"|" + body)
    except InvalidSignature:
        return SignatureFault.FORGED
    return SignatureFault.STALE if abs(unix_now - int(timestamp)) > TOLERANCE_S else None
