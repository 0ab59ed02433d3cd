"""`voicebridge config check`, `init`, `reference`, `schema` and `show`: the settings, checked, begun, described or printed."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from bridge.cli.options import CertFile, ConfigFile, Host, KeyFile, LogLevel, Port, Workers, load_settings
from bridge.vocabulary.errors import ConfigurationError


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


def config_init(
    file: Annotated[Path, typer.Argument(help="The file to write.")] = Path("voicebridge.toml"),
    carrier: Annotated[
        str | None, typer.Option(help="The carrier that brings the calls; none to try things.")
    ] = None,
    assistant: Annotated[
        str | None,
        typer.Option(help="Who answers: parrot, echo, openai-realtime, or the address of your own."),
    ] = None,
    public_url: Annotated[
        str | None, typer.Option(help='Where the carrier reaches the server; "" for this machine alone.')
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
) -> None:
    """Write a first settings' file, with comments: three questions, or their answers as options."""
    import json

    from bridge.cli.config_init import (
        NO_CARRIER,
        SCHEMA_FILE,
        Answers,
        carriers,
        checked_assistant,
        checked_carrier,
        checked_public_url,
        file_text,
        next_steps,
    )
    from bridge.cli.settings_schema import settings_schema

    if file.exists() and not force:
        raise ConfigurationError(
            f"{file}: is there already: expected a new file, or --force to write over it"
        )
    answers = Answers(
        _answer(
            f"Which carrier brings the calls: {', '.join(carriers())}?", NO_CARRIER, carrier, checked_carrier
        ),
        _answer(
            "Who answers: parrot, echo, openai-realtime, or the address of your own assistant?",
            "parrot",
            assistant,
            checked_assistant,
        ),
        _answer(
            "Where does the carrier reach this server, such as https://voice.example.com? Nothing: this machine alone",
            "",
            public_url,
            checked_public_url,
        ),
    )
    text, schema = file_text(answers), file.with_name(SCHEMA_FILE)
    try:
        with file.open("w" if force else "x", encoding="utf-8") as opened:
            opened.write(text)
        schema.write_text(json.dumps(settings_schema(), indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(
            f"{error.filename}: {error.strerror}: expected a file that can be written"
        ) from None
    typer.echo(f"{file} is written, and {schema}, with which editors complete it.")
    for step in next_steps(answers, str(file)):
        typer.echo(step)


def _answer(question: str, default: str, given: str | None, checked: Callable[[str], str]) -> str:
    """The answer that was given as an option, or that is typed now; one that is no good is asked for again."""
    if given is not None:
        return checked(given)
    while True:
        try:
            typed: str = typer.prompt(question, default=default, show_default=bool(default), err=True)
        except typer.Abort:
            raise ConfigurationError(
                "a question was not answered: expected --carrier, --assistant and --public-url, or somebody at a terminal"
            ) from None
        try:
            return checked(typed)
        except ConfigurationError as error:
            typer.echo(f"{error}", err=True)


def config_schema() -> None:
    """Print the settings' file as a JSON schema (draft 2020-12), from which editors complete and check."""
    import json

    from bridge.cli.settings_schema import settings_schema

    typer.echo(json.dumps(settings_schema(), indent=1))


def config_reference() -> None:
    """Print every setting with its type, default and description, as Markdown: docs/settings.md."""
    from bridge.cli.settings_reference import reference

    typer.echo(reference(), nl=False)


def config_show(config: ConfigFile = None) -> None:
    """Print the settings in force as JSON, secrets hidden."""
    typer.echo(load_settings(config).model_dump_json(indent=2))
