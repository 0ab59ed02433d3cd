"""`voicebridge health`: asks the server that runs with these settings whether it is alive. For containers and scripts."""

import time
from typing import TYPE_CHECKING, Annotated

import typer

from bridge.cli.options import ConfigFile, load_settings
from bridge.vocabulary.errors import BridgeError, ConfigurationError

if TYPE_CHECKING:
    import ssl

    from bridge.config.settings import Settings

ANSWER_S = 2.0
"""How long one request may take, in seconds."""

AGAIN_S = 0.1
"""With --wait: from one request to the next, in seconds."""

ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104  # nothing is bound here
"""A server that is bound to every address is asked on loopback."""


class Unhealthy(BridgeError):
    """The server gave no answer, or not the right one."""


def health(
    config: ConfigFile = None,
    wait: Annotated[
        float, typer.Option(min=0, help="How long to wait for a server that is starting, in seconds.")
    ] = 0,
) -> None:
    """Ask the running server for /healthz, at the host, port and TLS of the settings. Exit code 0: it is alive."""
    settings = load_settings(config)
    if settings.port == 0:
        raise ConfigurationError("port = 0: health needs to know the port; expected a fixed one")
    give_up = time.monotonic() + wait
    while True:
        try:
            typer.echo(ask(settings))
        except Unhealthy:
            if time.monotonic() > give_up:
                raise
            time.sleep(AGAIN_S)
        else:
            return


def ask(settings: "Settings") -> str:
    """The server's answer, one line of JSON. Raises `Unhealthy`."""
    import http.client

    host = ANY_ADDRESS.get(settings.host, settings.host)
    connection: http.client.HTTPConnection
    if settings.ssl_certfile is None:
        connection = http.client.HTTPConnection(host, settings.port, timeout=ANSWER_S)
    else:
        context = _without_verification()
        connection = http.client.HTTPSConnection(host, settings.port, timeout=ANSWER_S, context=context)
    try:
        connection.request("GET", "/healthz")
        response = connection.getresponse()
        answer = response.read(65_536).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException) as error:
        raise Unhealthy(f"no answer at {host} port {settings.port}: {error}") from None
    finally:
        connection.close()
    if response.status != http.client.OK:
        raise Unhealthy(f"{host} port {settings.port} answered {response.status}: expected 200")
    return answer


def _without_verification() -> "ssl.SSLContext":
    """TLS to our own server: its certificate bears the public name, and nothing secret is sent."""
    import ssl

    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
