"""`voicebridge serve`: the server."""

from bridge.cli.options import CertFile, ConfigFile, Host, KeyFile, LogLevel, Port, load_settings, run


def serve(
    config: ConfigFile = None,
    host: Host = None,
    port: Port = None,
    ssl_certfile: CertFile = None,
    ssl_keyfile: KeyFile = None,
    log_level: LogLevel = None,
) -> None:
    """Serve webhooks and media sockets until SIGTERM, then let the calls end."""
    from bridge.cli.log import configure
    from bridge.shell.server import serve

    settings = load_settings(
        config, host=host, port=port, ssl_certfile=ssl_certfile, ssl_keyfile=ssl_keyfile, log_level=log_level
    )
    configure(settings.log_level)
    run(serve(settings))
