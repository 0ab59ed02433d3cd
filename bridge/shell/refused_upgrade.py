"""What a server says with the refusal of an upgrade: whether a second try may succeed, and when.

The close codes are those that a leg reports in place of a connection: 1013 "try again later" and 1008 "policy violation"
(RFC 6455, 7.4 and its registry), 1006 if there was no answer.
"""

import re
import time

from bridge.vocabulary import retry_after
from bridge.vocabulary.errors import CallRefused

MOST_BODY_BYTES = 4_096
"""Of a refusal's body; what comes later is not read."""

MEANINGS = {
    401: "the key is missing or not accepted",
    403: "the key has no permission, or none from this address",
    404: "there is no such address or no such model",
    429: "there were too many requests, or the quota is used up",
}

PASSING = frozenset({408, 409, 425, 429})
"""HTTP statuses, beside those from 500 on, with which a second try may succeed."""

QUOTA_CODES = ("insufficient_quota", "billing_hard_limit_reached", "credit_balance_exhausted")
"""Codes in the body of a refusal that does not pass, whatever its status: somebody has to pay (OpenAI's error codes)."""

_RETRY_AFTER = re.compile(rb"^retry-after:[ \t]*([ -~]*)", re.IGNORECASE | re.MULTILINE)


def refused(status: int, header: bytes, body: bytes) -> CallRefused:
    """The refusal with this status, status line and header fields, and body as far as it came."""
    found = _RETRY_AFTER.search(header)
    return CallRefused(
        f"the upgrade was refused with HTTP {status}",
        status=status,
        retry_after="" if found is None else found[1].decode("ascii"),
        body=body[:MOST_BODY_BYTES].decode(errors="replace"),
    )


def loss(refusal: CallRefused) -> tuple[int, str]:
    """The close code and the reason that are reported when no connection could be opened.

    How long the server asks to be left alone stands in the reason, in words that `retry_after.from_text` reads.
    """
    status = refusal.status
    if status is None:
        return 1008 if refusal.final else 1006, str(refusal)
    meaning = MEANINGS.get(status)
    reason = f"{refusal}: {meaning}" if meaning else str(refusal)
    if any(code in refusal.body for code in QUOTA_CODES):
        return 1008, f"{refusal}: the quota is used up"
    if status not in PASSING and status < 500:
        return 1008, reason
    wait_s = retry_after.from_header(refusal.retry_after, time.time())
    if wait_s is None:
        wait_s = retry_after.from_text(refusal.body)
    return 1013, f"{reason}; {retry_after.in_words(wait_s)}" if wait_s else reason
