"""`voicebridge config check`, `config reference` and `config show`: the settings, checked, described or printed."""

import typer

from bridge.cli.options import CertFile, ConfigFile, Host, KeyFile, LogLevel, Port, Workers, load_settings


def config_check(
    config: ConfigFile = None,
    host: Host = None,
    port: Port = None,
    ssl_certfile: CertFile = None,
    ssl_keyfile: KeyFile = None,
    log_level: LogLevel = None,
    workers: Workers = None,
) -> None:
    """Check that `serve` would start with these settings and options, and say where each kind of call goes."""
    from bridge.cli.config_check import check, destinations, port_doubts
    from bridge.config.checks import doubts

    settings = load_settings(
        config,
        host=host,
        port=port,
        ssl_certfile=ssl_certfile,
        ssl_keyfile=ssl_keyfile,
        log_level=log_level,
        workers=workers,
    )
    check(settings)
    for doubt in (*doubts(settings), *port_doubts(settings)):
        typer.echo(f"Doubtful: {doubt}", err=True)
    typer.echo("The settings are good.")
    for line in destinations(settings):
        typer.echo(line)


def config_reference() -> None:
    """Print every setting with its type, default and description, as Markdown: docs/settings.md."""
    from bridge.cli.settings_reference import reference

    typer.echo(reference(), nl=False)


def config_show(config: ConfigFile = None) -> None:
    """Print the settings in force as JSON, secrets hidden."""
    typer.echo(load_settings(config).model_dump_json(indent=2))
