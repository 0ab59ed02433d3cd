"""The address at which the page is opened."""

from ipaddress import ip_address

from bridge.config.settings import Settings


def page_address(settings: Settings, port: int) -> str:
    """The address on this machine where the server has one there, else that of the host it binds."""
    scheme = "https" if settings.ssl_certfile else "http"
    return f"{scheme}://{_host(settings.host)}:{port}/"


def is_local_name(host: str) -> bool:
    """Whether a request's `Host` means this machine.

    Another site can have its own name resolve to this machine, and its page then reads what is served here: but the
    browser names that site as the host (DNS rebinding).
    """
    name = host.rpartition("]")[0].lstrip("[") if host.startswith("[") else host.partition(":")[0]
    if name.lower() == "localhost" or name.lower().endswith(".localhost"):
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


def _host(host: str) -> str:
    try:
        ip = ip_address(host)
    except ValueError:
        return host or "127.0.0.1"
    if ip.is_unspecified:
        return "127.0.0.1"
    return f"[{host}]" if ip.version == 6 else host
