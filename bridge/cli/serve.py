"""`voicebridge serve`: the server."""

from typing import TYPE_CHECKING

from bridge.cli.options import CertFile, ConfigFile, Host, KeyFile, LogLevel, Port, load_settings, run

if TYPE_CHECKING:
    from bridge.config.settings import Settings


def serve(
    config: ConfigFile = None,
    host: Host = None,
    port: Port = None,
    ssl_certfile: CertFile = None,
    ssl_keyfile: KeyFile = None,
    log_level: LogLevel = None,
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
