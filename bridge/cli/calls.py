"""`voicebridge calls`: the calls under way on a running server: see them, place one, and steer them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bridge.cli.completion import assistant_names, call_ids, carrier_names, people_names, supervisor_names
from bridge.cli.options import AsJson, ConfigFile, Interrupted, load_settings
from bridge.vocabulary.errors import ConfigurationError

if TYPE_CHECKING:
    from bridge.cli.control_client import ControlClient

calls_app = typer.Typer(help="See and steer the calls under way on a running server.", no_args_is_help=True)

CallId = Annotated[
    str, typer.Argument(metavar="ID", help="The call, as `calls list` names it.", autocompletion=call_ids)
]


@calls_app.callback()
def calls(
    context: typer.Context,
    url: Annotated[
        str | None,
        typer.Option(
            envvar="VOICEBRIDGE_CONTROL_URL",
            help="The server's address.",
            show_default="the host and port of the settings",
        ),
    ] = None,
    token: Annotated[
        str | None,
        typer.Option(
            envvar="VOICEBRIDGE_CONTROL_TOKEN",
            help="A token of the control API. Others can see what is typed here.",
        ),
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option(
            envvar="VOICEBRIDGE_CONTROL_TOKEN_FILE",
            help="A file with the token.",
            show_default="a token of the settings",
        ),
    ] = None,
    config: ConfigFile = None,
) -> None:
    """See and steer the calls under way on a running server, by its control API.

    Exit codes: 0 done, 1 refused or not reached, 2 wrong options, 3 no such call, 4 not in this state, 130 ctrl-C.
    """
    context.obj = {"url": url, "token": token, "token_file": token_file, "config": config}


def client_of(given: dict[str, Any], answer_s: float | None = None) -> "ControlClient":
    """The client that the options before the command ask for. Raises `ConfigurationError`."""
    from bridge.cli.control_client import ANSWER_S, ControlClient
    from bridge.config.secret_files import read_secret

    url, token, token_file = given["url"], given["token"], given["token_file"]
    if token and token_file:
        raise ConfigurationError("--token and --token-file: expected one of the two")
    if token_file:
        token = read_secret(token_file)
    if not url or not token:
        own_url, own_token = of_settings(given["config"])
        token = token or ("" if url else own_token)  # a token goes to the server whose settings it is from
        url = url or own_url
    return ControlClient(url, token, ANSWER_S if answer_s is None else answer_s)


def of_settings(config: Path | None) -> tuple[str, str]:
    """Address and token of the server that runs with these settings; of several tokens the one that may do most."""
    from bridge.cli.health import ANY_ADDRESS

    settings = load_settings(config)
    control = settings.control
    tokens = sorted(control.tokens, key=lambda one: -len(one.can))
    host = settings.host if control.port is None else control.host
    host = ANY_ADDRESS.get(host, host)
    shown = f"[{host}]" if ":" in host else host
    scheme = "https" if settings.ssl_certfile and control.port is None else "http"
    port = settings.port if control.port is None else control.port
    if port == 0:
        raise ConfigurationError("port = 0: calls needs to know the port; expected a fixed one, or --url")
    return f"{scheme}://{shown}:{port}", tokens[0].secret if tokens else ""


def _done(work: Callable[[], Any], *, as_json: bool, said: str) -> None:
    """Do it, and say so; a refusal ends the command with its exit code."""
    answer = _tried(work)
    if as_json:
        typer.echo(json.dumps(answer))
    else:
        typer.echo(said if not isinstance(answer, dict) or not answer.get("id") else f"{said} {answer['id']}")


def _tried(work: Callable[[], Any]) -> Any:
    from bridge.cli.calls_display import plain
    from bridge.cli.control_client import Refused

    try:
        return work()
    except Refused as refused:
        typer.echo(f"voicebridge: {plain(refused)}", err=True)
        raise typer.Exit(refused.exit_code) from None
    except KeyboardInterrupt:
        raise Interrupted("interrupted") from None


def _client(context: typer.Context) -> "ControlClient":
    client = client_of(context.obj)
    if client.sends_in_clear:
        typer.echo("The token can be read on the way: --url should begin with https.", err=True)
    return client


@calls_app.command("list")
def list_calls(context: typer.Context, as_json: AsJson = False) -> None:
    """List the calls under way."""
    from bridge.cli.calls_display import show_calls

    client = _client(context)
    answer = _tried(lambda: client.get("calls"))
    if as_json:
        typer.echo(json.dumps(answer))
    else:
        show_calls((answer or {}).get("calls") or ())


@calls_app.command("show")
def show(context: typer.Context, call: CallId, as_json: AsJson = False) -> None:
    """Show one call: who hears whom, and what was said."""
    from bridge.cli.calls_display import show_call

    client = _client(context)
    answer = _tried(lambda: client.get("calls", call))
    if as_json:
        typer.echo(json.dumps(answer))
    else:
        show_call(answer or {})


@calls_app.command("watch")
def watch(
    context: typer.Context,
    call: Annotated[
        str | None,
        typer.Argument(metavar="[ID]", help="One call alone, with all its words.", autocompletion=call_ids),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Print what happens in the calls, until ctrl-C; of one call until it ends."""
    from bridge.cli.calls_display import event_lines

    client = _client(context)

    def follow() -> None:
        for event in client.events("calls", *([call] if call else []), "events"):
            if as_json:
                typer.echo(json.dumps({"event": event.name, "data": event.data}))
            else:
                for line in event_lines(event):
                    typer.echo(line)
            if call and event.name == "ended":
                return

    _tried(follow)


def _verb(
    context: typer.Context, call: str, verb: str, said: str, body: dict[str, object], *, as_json: bool
) -> None:
    client = _client(context)
    _done(lambda: client.post("calls", call, verb, body=body), as_json=as_json, said=said)


@calls_app.command("tell")
def tell(
    context: typer.Context,
    call: CallId,
    text: Annotated[str, typer.Argument(help="What the assistant is told; the caller does not hear it.")],
    quietly: Annotated[
        bool, typer.Option("--quietly", help="The assistant does not answer it at once.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Tell the assistant something."""
    body: dict[str, object] = {"text": text, "respond": not quietly}
    _verb(context, call, "tell", "The assistant was told.", body, as_json=as_json)


@calls_app.command("transfer")
def transfer(
    context: typer.Context,
    call: CallId,
    person: Annotated[str, typer.Argument(help="Whom, by name.", autocompletion=people_names)],
    as_json: AsJson = False,
) -> None:
    """Put the caller through to a person, as the person's settings say."""
    _verb(context, call, "transfer", f"{person} is called.", {"person": person}, as_json=as_json)


@calls_app.command("take")
def take(
    context: typer.Context,
    call: CallId,
    person: Annotated[str, typer.Argument(help="Who takes it, by name.", autocompletion=people_names)],
    as_json: AsJson = False,
) -> None:
    """Have a person take the call at once, without a briefing."""
    _verb(context, call, "take", f"{person} takes the call.", {"person": person}, as_json=as_json)


@calls_app.command("give-back")
def give_back(context: typer.Context, call: CallId, as_json: AsJson = False) -> None:
    """Give the call back from the person to the assistant."""
    _verb(context, call, "give-back", "The assistant has the call again.", {}, as_json=as_json)


@calls_app.command("hold")
def hold(context: typer.Context, call: CallId, as_json: AsJson = False) -> None:
    """Put the caller on hold."""
    _verb(context, call, "hold", "The caller is on hold.", {}, as_json=as_json)


@calls_app.command("unhold")
def unhold(context: typer.Context, call: CallId, as_json: AsJson = False) -> None:
    """Take the caller off hold."""
    _verb(context, call, "unhold", "The caller is off hold.", {}, as_json=as_json)


@calls_app.command("mute")
def mute(
    context: typer.Context,
    call: CallId,
    who: Annotated[str, typer.Argument(help="caller, assistant, person or supervisor.")],
    off: Annotated[bool, typer.Option("--off", help="Let them be heard again.")] = False,
    as_json: AsJson = False,
) -> None:
    """Mute somebody in a call, or let them be heard again."""
    said = f"The {who} is {'heard again' if off else 'muted'}."
    _verb(context, call, "mute", said, {"who": who, "muted": not off}, as_json=as_json)


@calls_app.command("supervise")
def supervise(
    context: typer.Context,
    call: CallId,
    supervisor: Annotated[str, typer.Argument(help="Who, by name.", autocompletion=supervisor_names)],
    role: Annotated[
        str, typer.Option(help="listen, whisper, barge, or leave; again changes the role.")
    ] = "listen",
    to: Annotated[
        str | None,
        typer.Option(help="Who hears a whisper: assistant or person.", show_default="the server's"),
    ] = None,
    calls_in: Annotated[
        bool, typer.Option("--calls-in", help="Do not call them: they call a number that a route names.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Have a supervisor join a call, change their role, or leave."""
    body: dict[str, object] = {"supervisor": supervisor, "role": role}
    if calls_in:
        body["calls_in"] = True
    if to:
        body["to"] = to
    _verb(context, call, "supervise", f"{supervisor}: {role}.", body, as_json=as_json)


@calls_app.command("press")
def press(
    context: typer.Context,
    call: CallId,
    keys: Annotated[str, typer.Argument(help="Keys: 0-9 * # A-D; w is a pause of half a second.")],
    as_json: AsJson = False,
) -> None:
    """Press keys in a call, towards the other side."""
    _verb(context, call, "press", "The keys are pressed.", {"keys": keys}, as_json=as_json)


@calls_app.command("end")
def end(context: typer.Context, call: CallId, as_json: AsJson = False) -> None:
    """Hang up."""
    client = _client(context)
    _done(lambda: client.delete("calls", call), as_json=as_json, said="The call ends.")


@calls_app.command("place")
def place(
    context: typer.Context,
    to: Annotated[str, typer.Option(help="Whom to call: +15550100, or sip:me@example.com.")],
    carrier: Annotated[str, typer.Option(help="Through which carrier.", autocompletion=carrier_names)],
    from_: Annotated[
        str | None, typer.Option("--from", help="As whom: a number of yours at the carrier.")
    ] = None,
    assistant: Annotated[
        str | None,
        typer.Option(
            help="Who talks, by name.", show_default="the settings' default", autocompletion=assistant_names
        ),
    ] = None,
    variable: Annotated[
        list[str] | None, typer.Option("--variable", help="NAME=VALUE for the instructions; several.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Have the server place a call."""
    variables: dict[str, str] = {}
    for text in variable or []:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise ConfigurationError(f"--variable {text!r}: should be NAME=VALUE")
        variables[name] = value
    given = {"carrier": carrier, "to": to, "from": from_, "assistant": assistant, "variables": variables}
    body: dict[str, object] = {name: value for name, value in given.items() if value}
    client = _client(context)
    _done(lambda: client.post("calls", body=body), as_json=as_json, said="It rings.")
