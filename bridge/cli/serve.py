"""`voicebridge serve`: the server."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bridge.cli.options import (
    CertFile,
    ConfigFile,
    Host,
    KeyFile,
    LogLevel,
    Port,
    Workers,
    load_settings,
    run,
)

if TYPE_CHECKING:
    from bridge.config.settings import Settings


def serve(
    config: ConfigFile = None,
    host: Host = None,
    port: Port = None,
    ssl_certfile: CertFile = None,
    ssl_keyfile: KeyFile = None,
    log_level: LogLevel = None,
    workers: Workers = None,
    capture: Annotated[
        Path | None, typer.Option(help="A folder for traces of calls, which `replay` plays again.")
    ] = None,
    capture_assistant: Annotated[
        bool, typer.Option("--capture-assistant", help="With the messages of the assistant's leg.")
    ] = False,
) -> None:
    """Serve webhooks and media sockets until SIGTERM, then let the calls end. SIGHUP reads the settings again."""
    from bridge.cli.config_check import check
    from bridge.cli.log import configure, set_level
    from bridge.shell.server import serve
    from bridge.shell.supervisor.start import serve_with_workers

    def read() -> "Settings":
        return load_settings(
            config,
            host=host,
            port=port,
            ssl_certfile=ssl_certfile,
            ssl_keyfile=ssl_keyfile,
            log_level=log_level,
            workers=workers,
            **_capture(capture, has_assistant=capture_assistant),
        )

    def read_again() -> "Settings":
        settings = read()
        check(settings, makes_server=False)
        return settings

    settings = read()
    configure(settings.log_level)
    if settings.workers == 1:
        run(serve(settings, read_again, set_level))
    else:
        raise SystemExit(serve_with_workers(settings, read_again, configure, set_level, run))


def _capture(directory: Path | None, *, has_assistant: bool) -> dict[str, Any]:
    """The table [capture], as the options set it."""
    table = {"directory": directory} if directory is not None else {}
    return {"capture": table | ({"assistant": True} if has_assistant else {})}
