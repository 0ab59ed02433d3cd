"""`voicebridge config check` and `config show`: the settings, checked or printed."""

import typer

from bridge.cli.options import ConfigFile, load_settings


def config_check(config: ConfigFile = None) -> None:
    """Check that `serve` would start with these settings, and say where each kind of call goes."""
    from bridge.cli.config_check import check, destinations
    from bridge.config.checks import doubts

    settings = load_settings(config)
    check(settings)
    for doubt in doubts(settings):
        typer.echo(f"Doubtful: {doubt}", err=True)
    typer.echo("The settings are good.")
    for line in destinations(settings):
        typer.echo(line)


def config_show(config: ConfigFile = None) -> None:
    """Print the settings in force as JSON, secrets hidden."""
    typer.echo(load_settings(config).model_dump_json(indent=2))
