"""What a close frame may carry: its codes, and how long its reason may be."""

NORMAL_CLOSURE = 1000
"""The close code of a connection that ended as intended (RFC 6455, 7.4.1)."""

POLICY_VIOLATION = 1008
"""The close code for a peer that goes beyond what it may send (RFC 6455, 7.4.1)."""

INTERNAL_ERROR = 1011
"""The close code for a fault of our own (RFC 6455, 7.4.1)."""

CLOSE_REASON_BYTES = 123
"""The most that a close frame can hold beside its code (RFC 6455, 5.5)."""

SENDABLE_CLOSE_CODES = frozenset({*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)})
"""The codes that a close frame may carry; the others are reserved (RFC 6455, 7.4)."""


def cut_reason(reason: str) -> str:
    """Return as much of a reason as a close frame can hold."""
    return reason.encode()[:CLOSE_REASON_BYTES].decode(errors="ignore")
