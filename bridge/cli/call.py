"""`voicebridge call`, which calls a server with the simulated phone, and `dial`, which has a carrier phone somebody."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from bridge.cli.completion import assistant_names
from bridge.cli.options import (
    AsJson,
    ByteOrder,
    CalledUrl,
    CarrierName,
    Codec,
    ConfigFile,
    Keys,
    Loss,
    PlayRate,
    Rate,
    Reorder,
    SignKey,
    load_settings,
    run,
    run_interruptible,
)
from bridge.vocabulary.errors import ConfigurationError

if TYPE_CHECKING:
    from bridge.carriers.shared.kind import CarrierKind
    from bridge.simulators.carriers.registry import CarrierSimulator
    from bridge.simulators.phone.people_call import PeopleCall
    from telecodecs.format import AudioFormat


class NamesCarriers(TyperCommand):
    """A command whose help lists the registry's carriers at `--carrier`. The registry is imported for the help alone."""

    def format_help(self, *arguments: Any) -> None:
        """See `TyperCommand`."""
        from bridge.carriers.registry import CARRIERS

        for option in self.params:
            if option.name == "carrier":
                setattr(option, "help", f"The carrier: {' or '.join(CARRIERS)}.")  # noqa: B010  # typer's class is private
        super().format_help(*arguments)


def call(
    url: CalledUrl,
    audio: Annotated[Path, typer.Option(help="What the caller says: a WAV file.")],
    digits: Keys = "",
    out: Annotated[Path | None, typer.Option(help="A folder for caller-heard.wav and trace.jsonl.")] = None,
    delay: Annotated[int, typer.Option(help="Delay of the network each way, ms.")] = 0,
    jitter: Annotated[int, typer.Option(help="By how much the delay varies, ms.")] = 0,
    reorder: Reorder = "0",
    loss: Loss = "0",
    repeat: Annotated[str, typer.Option(help="Frames that come twice.")] = "0",
    carrier: CarrierName = "",
    codec: Codec = "",
    rate: Rate = 0,
    play_codec: Annotated[
        str,
        typer.Option(
            help="What a server called directly sends; AMR-WB and MP3 too.", show_default="as --codec"
        ),
    ] = "",
    play_rate: PlayRate = 0,
    byteorder: ByteOrder = "little",
    api_port: Annotated[
        int | None,
        typer.Option(
            help="URL is the webhook of calls that the server controls by REST: serve the carrier's REST API on this port.",
            show_default="URL is a voice webhook",
        ),
    ] = None,
    texml: Annotated[bool, typer.Option(help="With --api-port: URL is a webhook that speaks TeXML.")] = False,
    from_: Annotated[str, typer.Option("--from", help="Who calls.")] = "+15550199",
    to: Annotated[str, typer.Option(help="The number that is called.")] = "+15550100",
    people: Annotated[
        Path | None,
        typer.Option(help="Who can be called, and what they do: TOML. They hear each other; heard-NAME.wav."),
    ] = None,
    api_log: Annotated[
        Path | None, typer.Option(help="A file for each REST request and webhook: JSON lines, with times.")
    ] = None,
    status_url: Annotated[
        str, typer.Option(help="With --people: the number's status callback, where calls obey documents.")
    ] = "",
    public_url: Annotated[
        str,
        typer.Option(
            help="Rehearse production: sign as for this address, the server's public_url, and call URL on this machine.",
            show_default="URL is the address that is signed",
        ),
    ] = "",
    sign_key: SignKey = None,
    as_json: AsJson = False,
) -> None:
    """Call a server with the simulated phone, as a carrier would.

    Webhooks are signed with the secret in the carrier's own environment variable. A carrier that has a private key
    instead signs with --sign-key. Exit code 1: there was no stream, or it broke; 130: ctrl-C, which hangs up.
    """
    from bridge.cli.ending import check_ending
    from bridge.cli.log import configure
    from bridge.config.audio_file import read_wav
    from bridge.config.settings import vendor_variables
    from bridge.simulators.carriers.api_log import ApiLog
    from bridge.simulators.carriers.contract import CallOptions
    from bridge.simulators.carriers.rehearsal import read_private_key, read_rehearsal
    from bridge.simulators.phone.call import place_call
    from bridge.simulators.phone.live_call import Network
    from bridge.simulators.phone.network_delay import Delay
    from bridge.simulators.phone.network_disorder import Disorder, read_share
    from bridge.simulators.phone.people import read_people
    from bridge.simulators.phone.people_call import PeopleCall
    from bridge.simulators.phone.plan import CallPlan, read_digits
    from bridge.simulators.phone.summary import keep, make_folder, show

    kind, simulator = simulated_carrier(carrier)
    secrets = vendor_variables(kind.environment)
    rehearsal = read_rehearsal(public_url, url)
    options = CallOptions(
        auth_token=secrets.get(kind.authenticated_by, ""),
        api_key=secrets.get("api_key", "") if rehearsal else "",
        account_sid=secrets.get("account_sid", ""),
        caller=from_,
        called=to,
        private_key="" if sign_key is None else read_private_key(sign_key),
        rehearsal=rehearsal,
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
    place_controlled = simulator.place_controlled_call
    has_people = people is not None or api_log is not None or texml
    if has_people or (api_port is not None and place_controlled is None):
        asked = PeopleCall(
            url,
            plan,
            read_people(people),
            options,
            network,
            api_port or 0,
            ApiLog(api_log),
            texml=_is_texml(kind, simulator, texml, api_port),
            status_url=status_url,
        )
        _call_people(asked, simulator, out, as_json=as_json)
        return
    if api_port is None:
        said = plan(exchange.line)
        report = run_interruptible(
            lambda it: place_call(
                url, said, carrier=exchange, caller=from_, called=to, network=network, interruption=it
            )
        )
    else:
        assert place_controlled is not None, "a carrier without it has calls with several parties"
        report = run_interruptible(lambda it: place_controlled(url, plan, options, network, api_port, it))
    files = keep(report, out) if out else []
    show(report, files, as_json=as_json)
    check_ending(report, files)


def _is_texml(
    kind: "CarrierKind[Any]", simulator: "CarrierSimulator", texml: bool, api_port: int | None
) -> bool:
    """Whether the webhook speaks TeXML; the REST API's port alone means commands. Raises `ConfigurationError`."""
    if texml and simulator.place_controlled_call is None:
        raise ConfigurationError(f"--texml: {kind.title} has no TeXML")
    return texml or api_port is None


def _call_people(
    asked: "PeopleCall", simulator: "CarrierSimulator", out: Path | None, *, as_json: bool
) -> None:
    """Place a call with several parties and tell of it. Raises as `call` does."""
    from dataclasses import replace

    from bridge.cli.ending import check_ending
    from bridge.simulators.carriers.contract import is_webhook
    from bridge.simulators.phone.people_summary import keep_people, party_facts, party_notes
    from bridge.simulators.phone.summary import show

    place = simulator.place_people_call
    if place is None or not is_webhook(asked.url):
        raise ConfigurationError(f"{asked.url}: --people and --api-log need a voice webhook (http, https)")
    try:
        report = run_interruptible(lambda it: place(replace(asked, interruption=it)))
    finally:
        asked.log.close()
    files = keep_people(report, out) if out else []
    more = {"parties": party_facts(report.parties)}
    show(report.caller, files, party_notes(report.parties), as_json=as_json, more=more)
    check_ending(report.caller, files)


def simulated_carrier(carrier: str) -> "tuple[CarrierKind[Any], CarrierSimulator]":
    """The carrier of this name, the first one if it is empty, and its simulator. Raises `ConfigurationError`."""
    from bridge.carriers.registry import CARRIERS
    from bridge.simulators.carriers.registry import carrier_simulator

    simulated = {name: kind for name, kind in CARRIERS.items() if kind.simulator}
    kind = simulated.get(carrier or next(iter(simulated)))
    if kind is None:
        raise ConfigurationError(f"--carrier {carrier!r}: should be one of {', '.join(simulated)}")
    return kind, carrier_simulator(kind.simulator)


def dial(
    to: Annotated[str, typer.Option(help="Whom to call: +15550100, or sip:me@example.com.")],
    from_: Annotated[str, typer.Option("--from", help="As whom: a number of yours at the carrier.")],
    carrier: Annotated[str, typer.Option()],
    assistant: Annotated[
        str,
        typer.Option(
            help="Who talks, by name.", show_default="the settings' default", autocompletion=assistant_names
        ),
    ] = "",
    machines: Annotated[bool, typer.Option(help="Talk to answering machines, too.")] = False,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Have a carrier place a call, and bring whoever answers to the server at public_url."""
    import json

    from bridge.cli.log import configure
    from bridge.shell.outbound import place_call

    settings = load_settings(config)
    configure("error")
    call_id = run(
        place_call(settings, carrier, to=to, from_=from_, assistant=assistant, talks_to_machines=machines)
    )
    typer.echo(
        json.dumps({"carrier": carrier, "call_id": call_id})
        if as_json
        else f"It rings. {carrier}'s name for the call: {call_id}"
    )
