"""The address at which the page is opened."""

from ipaddress import ip_address

from bridge.config.settings import Settings


def page_address(settings: Settings, port: int) -> str:
    """The address on this machine where the server has one there, else that of the host it binds. `port`: the page's."""
    scheme = "https" if settings.ssl_certfile else "http"
    host = settings.host if settings.control.port is None else settings.control.host
    return f"{scheme}://{_host(host)}:{port}/"


def _host(host: str) -> str:
    try:
        ip = ip_address(host)
    except ValueError:
        return host or "127.0.0.1"
    if ip.is_unspecified:
        return "127.0.0.1"
    return f"[{host}]" if ip.version == 6 else host
