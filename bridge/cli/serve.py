"""`voicebridge serve`: the server."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bridge.cli.options import ConfigFile, load_settings, run

if TYPE_CHECKING:
    from bridge.config.settings import Settings


def serve(
    config: ConfigFile = None,
    host: Annotated[str | None, typer.Option(help="Address to bind.", show_default="127.0.0.1")] = None,
    port: Annotated[int | None, typer.Option(help="Port to bind; 0 for any.", show_default="8080")] = None,
    ssl_certfile: Annotated[Path | None, typer.Option(help="TLS certificate chain, PEM.")] = None,
    ssl_keyfile: Annotated[Path | None, typer.Option(help="TLS private key, PEM.")] = None,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error.")] = None,
) -> None:
    """Serve webhooks and media sockets until SIGTERM, then let the calls end. SIGHUP reads the settings again."""
    from bridge.cli.config_check import check
    from bridge.cli.log import configure, set_level
    from bridge.shell.server import serve

    def read() -> "Settings":
        return load_settings(
            config,
            host=host,
            port=port,
            ssl_certfile=ssl_certfile,
            ssl_keyfile=ssl_keyfile,
            log_level=log_level,
        )

    def read_again() -> "Settings":
        settings = read()
        check(settings, makes_server=False)
        return settings

    settings = read()
    configure(settings.log_level)
    run(serve(settings, read_again, set_level))
