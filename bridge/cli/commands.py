"""The command line. Each command imports what it needs when it runs: `voicebridge --help` answers at once."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Never, TypeVar

import typer

from bridge.vocabulary.errors import BridgeError, ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from bridge.config.settings import Settings
    from telecodecs.format import AudioFormat

T = TypeVar("T")

app = typer.Typer(
    help="Carries telephone calls between carriers' media streams and voice assistants.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
config_app = typer.Typer(help="Check or show the settings.", no_args_is_help=True)
app.add_typer(config_app, name="config")

ConfigFile = Annotated[
    Path | None, typer.Option("--config", "-c", help="The settings' file.", show_default="voicebridge.toml, if there")
]  # fmt: skip
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"voicebridge {version('voicebridge-server')}")
        raise typer.Exit


@app.callback()
def voicebridge(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """The command `voicebridge`. Exit codes: 0 done, 1 failed, 2 wrongly asked or wrongly configured."""
    try:
        app(standalone_mode=True)
    except ConfigurationError as error:
        _fail(str(error), code=2)
    except BridgeError as error:
        _fail(str(error), code=1)


def _fail(why: str, *, code: int) -> Never:
    print(f"voicebridge: {why}", file=sys.stderr)  # noqa: T201  # rich would cost the start-up of each error
    raise SystemExit(code)


def _settings(file: Path | None, **flags: Any) -> "Settings":
    from bridge.config.settings import load

    return load(flags, file=file)


def _run(work: "Coroutine[Any, Any, T]") -> T:
    """On uvloop where there is one."""
    import asyncio

    try:
        import uvloop
    except ImportError:
        return asyncio.run(work)
    return uvloop.run(work)


@app.command()
def serve(
    config: ConfigFile = None,
    host: Annotated[str | None, typer.Option(help="Address to bind.", show_default="127.0.0.1")] = None,
    port: Annotated[int | None, typer.Option(help="Port to bind; 0 for any.", show_default="8080")] = None,
    ssl_certfile: Annotated[Path | None, typer.Option(help="TLS certificate chain, PEM.")] = None,
    ssl_keyfile: Annotated[Path | None, typer.Option(help="TLS private key, PEM.")] = None,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error.")] = None,
) -> None:
    """Serve webhooks and media sockets until SIGTERM, then let the calls end."""
    from bridge.cli.log import configure
    from bridge.shell.server import serve

    settings = _settings(
        config, host=host, port=port, ssl_certfile=ssl_certfile, ssl_keyfile=ssl_keyfile, log_level=log_level
    )
    configure(settings.log_level)
    _run(serve(settings))


@app.command()
def call(
    url: Annotated[str, typer.Argument(help="A voice webhook (http, https) or a media socket (ws, wss).")],
    audio: Annotated[Path, typer.Option(help="What the caller says: a WAV file.")],
    digits: Annotated[str, typer.Option(help='Keys and when: "1@2.5s,2@2.8s".')] = "",
    out: Annotated[Path | None, typer.Option(help="A folder for caller-heard.wav and trace.jsonl.")] = None,
    delay: Annotated[int, typer.Option(help="What the network takes each way, ms.")] = 0,
    jitter: Annotated[int, typer.Option(help="By how much that varies, ms.")] = 0,
    reorder: Annotated[str, typer.Option(help="Frames that change places with the next: 0.05 or 5%.")] = "0",
    loss: Annotated[str, typer.Option(help="Frames that are lost.")] = "0",
    repeat: Annotated[str, typer.Option(help="Frames that come twice.")] = "0",
    carrier: Annotated[str, typer.Option(help="twilio or telnyx.")] = "twilio",
    codec: Annotated[
        str, typer.Option(help="What Telnyx sends: PCMU, PCMA, L16, G722 or OPUS.", show_default="PCMU")
    ] = "",
    rate: Annotated[int, typer.Option(help="Its sampling rate, Hz.", show_default="the codec's own")] = 0,
    play_codec: Annotated[
        str,
        typer.Option(
            help="What a server called directly sends; AMR-WB and MP3 too.", show_default="as --codec"
        ),
    ] = "",
    play_rate: Annotated[int, typer.Option(help="Its sampling rate, Hz.", show_default="as --rate")] = 0,
    byteorder: Annotated[str, typer.Option(help="Of L16: little or big.")] = "little",
    api_port: Annotated[
        int | None,
        typer.Option(
            help="URL is Call Control's webhook: be Telnyx's REST API on this port.",
            show_default="URL is TeXML's",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Place a call with the pretend phone, as the carrier would.

    TWILIO_AUTH_TOKEN signs Twilio's webhooks, a key that everybody has_assistant signs Telnyx's.
    """
    from bridge.cli.log import configure
    from bridge.config.audio_file import read_wav
    from bridge.config.settings import twilio_auth_token
    from bridge.simulators.carriers.contract import CallOptions
    from bridge.simulators.carriers.registry import carrier_simulator
    from bridge.simulators.phone.call import place_call
    from bridge.simulators.phone.live_call import Network
    from bridge.simulators.phone.network_delay import Delay
    from bridge.simulators.phone.network_disorder import Disorder, read_share
    from bridge.simulators.phone.plan import CallPlan, read_digits
    from bridge.simulators.phone.summary import keep, make_folder, show

    simulator = carrier_simulator(carrier)
    options = CallOptions(
        auth_token=twilio_auth_token(),
        codec=codec,
        rate_hz=rate,
        play_codec=play_codec,
        play_rate_hz=play_rate,
        byteorder=byteorder,
    )
    exchange = simulator.exchange(options)
    disorder = Disorder(
        read_share("--reorder", reorder), read_share("--loss", loss), read_share("--repeat", repeat)
    )
    keys = read_digits(digits)

    def plan(line: "AudioFormat") -> CallPlan:
        return CallPlan(read_wav(audio, line), keys, keeps_trace=out is not None)

    configure("warning")
    if out is not None:
        make_folder(out)
    network = Network(Delay(delay, jitter), disorder)
    if api_port is None:
        report = _run(place_call(url, plan(exchange.line), carrier=exchange, network=network))
    elif simulator.place_controlled_call is not None:
        report = _run(simulator.place_controlled_call(url, plan, options, network, api_port))
    else:
        raise ConfigurationError(f"--api-port: {carrier} has no Call Control; expected --carrier telnyx")
    show(report, keep(report, out) if out else [], as_json=as_json)


@app.command()
def dial(
    to: Annotated[str, typer.Option(help="Whom to call: +15550100, or sip:me@example.com.")],
    from_: Annotated[str, typer.Option("--from", help="As whom: a number of yours at the carrier.")],
    carrier: Annotated[str, typer.Option(help="twilio or telnyx.")],
    assistant: Annotated[
        str, typer.Option(help="Who talks, by name.", show_default="the settings' default")
    ] = "",
    machines: Annotated[bool, typer.Option(help="Talk to answering machines, too.")] = False,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Have a carrier place a call, and bring whoever answers to the server at public_url."""
    import json

    from bridge.cli.log import configure
    from bridge.shell.outbound import dial

    settings = _settings(config)
    configure("error")
    call = _run(dial(settings, carrier, to=to, from_=from_, assistant=assistant, machines=machines))
    typer.echo(
        json.dumps({"carrier": carrier, "call_id": call})
        if as_json
        else f"It rings. {carrier}'s name for the call: {call}"
    )


@app.command("fake-openai")
def fake_openai(
    script: Annotated[Path | None, typer.Option(help="What it says, when, with which faults: TOML.")] = None,
    host: Annotated[str, typer.Option(help="Address to bind.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to bind; 0 for any.")] = 8090,
) -> None:
    """Play the OpenAI Realtime API on this machine: for tests, and to try an assistant without a key."""
    from bridge.cli.log import configure
    from bridge.simulators.openai.server import serve

    configure("info")
    _run(serve(script, host, port))


@app.command("fake-assistant")
def fake_assistant(
    kind: Annotated[str, typer.Option(help="What it speaks: turn-based.")] = "turn-based",
    script: Annotated[
        Path | None, typer.Option(help="What it says, when, with which faults: TOML; options go before it.")
    ] = None,
    say: Annotated[
        list[Path] | None,
        typer.Option(help="A reply, a WAV file; several in turn.", show_default="what it hears"),
    ] = None,
    greeting: Annotated[Path | None, typer.Option(help="What it says first, a WAV file.")] = None,
    reply_s: Annotated[
        float | None, typer.Option(help="From the end of an utterance to the reply, s.", show_default="0.3")
    ] = None,
    reply_as: Annotated[
        str | None, typer.Option(help="Over HTTP: wav, pcmu, l16 or json.", show_default="wav")
    ] = None,
    host: Annotated[str, typer.Option(help="Address to bind.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to bind; 0 for any.")] = 8092,
) -> None:
    """Play an assistant of your own on this machine: says back what it hears, over a WebSocket or by POSTs."""
    from bridge.cli.log import configure
    from bridge.simulators.assistant.script import with_options
    from bridge.simulators.assistant.server import serve

    if kind != "turn-based":
        raise ConfigurationError(f"--kind: {kind!r} is not played; turn-based is")
    played = with_options(script, say=say or None, greeting=greeting, reply_s=reply_s, reply_as=reply_as)
    configure("info")
    _run(serve(played, host, port))


@app.command("check-assistant")
def check_assistant(
    url: Annotated[str, typer.Argument(help="Where it is: ws(s)://, or http(s):// of a turn-based one.")],
    kind: Annotated[str, typer.Option(help="What it speaks: stream or turn-based.")] = "stream",
    header: Annotated[
        list[str] | None, typer.Option(help='Of the upgrade, or of each POST: "Name: value"; several.')
    ] = None,
    audio: Annotated[
        Path | None,
        typer.Option(help="What the caller says: a WAV file.", show_default="a recording of two sentences"),
    ] = None,
    keys: Annotated[str, typer.Option(help="What the caller types; best what makes it ask for more.")] = "12",
    reply_s: Annotated[float, typer.Option(min=0.1, max=60, help="How long an answer may take, s.")] = 5.0,
    speed: Annotated[
        float, typer.Option(min=1, max=20, help="Of time, for assistants that go by the audio alone.")
    ] = 1.0,
    as_json: AsJson = False,
) -> None:
    """Play scripted calls against an assistant of your own, and say what is wrong with it. Takes half a minute."""
    from bridge.cli.log import configure
    from bridge.simulators.check.checking import check, read_headers
    from bridge.simulators.check.part import prepare
    from bridge.simulators.check.report import all_is_well, show

    configure("error")
    part = prepare(audio, keys, reply_s)
    verdicts = _run(check(kind, url, read_headers(header or []), part, speed=speed))
    show(url, verdicts, as_json=as_json)
    if not all_is_well(verdicts):
        raise typer.Exit(1)


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="The folder for the call's files.")] = Path("voicebridge-demo"),
    as_json: AsJson = False,
) -> None:
    """Serve and call on this machine alone: no account, no key, no phone. Writes both voices and a picture."""
    from bridge.cli.log import configure
    from bridge.simulators.demo import carry
    from bridge.simulators.phone.summary import make_folder, show

    configure("warning")
    make_folder(out)
    report, files, notes = _run(carry(out))
    show(report, files, notes, as_json=as_json)


@app.command()
def timeline(
    recording: Annotated[Path, typer.Argument(help="The server's recording of a call, a WAV file.")],
    journal: Annotated[Path, typer.Argument(help="Its journal, a file of JSON lines.")],
    out: Annotated[Path, typer.Option(help="The picture, a PNG file.")] = Path("timeline.png"),
    as_json: AsJson = False,
) -> None:
    """Draw a recorded call: both voices, and what happened, on one time axis. Without matplotlib: say it in a line."""
    import json

    from bridge.observers.call_history import build_history, read_journal
    from bridge.observers.timeline import MatplotlibMissing, draw

    missing = ""
    try:
        draw(recording, journal, out)
    except MatplotlibMissing as error:
        missing = str(error)
    told = build_history(read_journal(journal))
    if as_json:
        picture = None if missing else str(out)
        facts = {
            "call_id": told.call_id,
            "summary": told.summary(),
            "picture": picture,
            "notes": [missing] * bool(missing),
        }
        typer.echo(json.dumps(facts, indent=2))
    elif missing:
        typer.echo(f"Call {told.call_id}. {told.summary()}\nNo picture: {missing}")
    else:
        typer.echo(out)


@config_app.command("check")
def config_check(config: ConfigFile = None) -> None:
    """Check that `serve` would start with these settings, and say where each kind of call goes."""
    from bridge.cli.config_check import check, in_words

    settings = _settings(config)
    check(settings)
    for doubt in settings.doubts():
        typer.echo(f"Doubtful: {doubt}", err=True)
    typer.echo("The settings are good.")
    for line in in_words(settings):
        typer.echo(line)


@config_app.command("show")
def config_show(config: ConfigFile = None) -> None:
    """Print the settings in force as JSON, secrets hidden."""
    typer.echo(_settings(config).model_dump_json(indent=2))
