"""Whether somebody on this machine asks, who may know more."""

from collections.abc import Iterable
from ipaddress import ip_address

FORWARDED = frozenset(
    {
        *("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip"),
        *("cf-connecting-ip", "true-client-ip", "x-envoy-external-address"),
    }
)
"""Headers with which a proxy says that it asks for somebody else."""


def is_local(address: str, headers: Iterable[str]) -> bool:
    """`address`: who asks; `headers`: their names. A proxy on this machine asks for others."""
    try:
        is_loopback = ip_address(address).is_loopback
    except ValueError:
        return False
    return is_loopback and not FORWARDED.intersection(name.lower() for name in headers)
