"""The command `voicebridge`: which commands there are, and how an error ends one.

The commands import what they need when they run: `voicebridge --help` answers at once.
"""

import gc
import sys
from typing import Annotated, Never

import typer

from bridge.cli.call import NamesCarriers, call, dial
from bridge.cli.calls import calls_app
from bridge.cli.check import check_assistant
from bridge.cli.completion import completion
from bridge.cli.config import config_check, config_init, config_reference, config_schema, config_show
from bridge.cli.doctor import doctor
from bridge.cli.erase import erase
from bridge.cli.health import health
from bridge.cli.load import load
from bridge.cli.options import INTERRUPTED, Interrupted
from bridge.cli.replay import replay
from bridge.cli.serve import serve
from bridge.cli.simulate import demo, fake_assistant, fake_openai
from bridge.cli.timeline import timeline
from bridge.vocabulary.errors import BridgeError, ConfigurationError

app = typer.Typer(
    help="Carries telephone calls between carriers' media streams and voice assistants.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
config_app = typer.Typer(help="Begin, check, describe or show the settings.", no_args_is_help=True)

app.command("serve")(serve)
app.command("call", cls=NamesCarriers)(call)
app.command("dial", cls=NamesCarriers)(dial)
app.command("load", cls=NamesCarriers)(load)
app.command("doctor")(doctor)
app.command("health")(health)
app.command("fake-openai")(fake_openai)
app.command("fake-assistant")(fake_assistant)
app.command("check-assistant")(check_assistant)
app.command("replay")(replay)
app.command("demo")(demo)
app.command("timeline")(timeline)
app.command("erase")(erase)
app.command("completion")(completion)
app.add_typer(calls_app, name="calls")
app.add_typer(config_app, name="config")
config_app.command("init")(config_init)
config_app.command("check")(config_check)
config_app.command("reference")(config_reference)
config_app.command("schema")(config_schema)
config_app.command("show")(config_show)


def _print_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"voicebridge {version('voicebridge-server')}")
        raise typer.Exit


@app.callback()
def voicebridge(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    gc.enable()  # see bridge.__main__


def main() -> None:
    """Run the command. Exit codes: 0 done, 1 failed, 2 wrong options or wrong settings, 130 ended by ctrl-C.

    Two commands have one more, 3. `check-assistant`: nobody listens at the address. `load`: the tool itself was the limit.
    """
    try:
        app(standalone_mode=True)
    except ConfigurationError as error:
        _fail(str(error), code=2)
    except Interrupted as interrupted:
        _fail(str(interrupted), code=INTERRUPTED)
    except BridgeError as error:
        from bridge.redaction import for_log

        _fail(for_log(str(error)), code=1)  # a peer may have written it


def _fail(why: str, *, code: int) -> Never:
    print(f"voicebridge: {why}", file=sys.stderr)  # noqa: T201  # rich would cost the start-up of each error
    raise SystemExit(code)
