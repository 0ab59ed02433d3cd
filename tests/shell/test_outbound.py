"""Calls that we place: by the pretend carriers' REST APIs, to whoever answers there, and back to the server."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from bridge.cli.app import main
from bridge.config.settings import Settings
from bridge.shell.outbound import place_call
from bridge.shell.server import Server
from bridge.simulators.carriers.telnyx import injected_faults as telnyx_faults
from bridge.simulators.carriers.telnyx.call_control_phone import HANGS_UP, CallControlPhone
from bridge.simulators.carriers.telnyx.calls import CallState
from bridge.simulators.carriers.telnyx.server import SimulatedTelnyx
from bridge.simulators.carriers.twilio import injected_faults as twilio_faults
from bridge.simulators.carriers.twilio.media import SimulatedTwilioStream
from bridge.simulators.carriers.twilio.server import SimulatedTwilio
from bridge.simulators.carriers.twilio.stream_session import TwilioStreamSession
from bridge.simulators.phone.handset import Ending
from bridge.simulators.phone.live_call import LiveCall
from bridge.simulators.phone.plan import CallPlan
from bridge.simulators.phone.report import CallReport
from bridge.vocabulary.errors import CarrierRefused, ConfigurationError
from telecodecs.format import PCMU_8K
from telecodecs.packets import CodecMissing

TIMEOUT_S = 8.0
TO, FROM = "+15550100", "+15550199"
SAID = np.random.default_rng(7).integers(0, 127, PCMU_8K.bytes_in(100), np.uint8).tobytes()
TALKS = CallPlan(SAID, linger_s=0.15)
HANGS_UP_SOON = CallPlan(hang_up_at_ms=60)


def replied(report: CallReport) -> bytes:
    return b"".join(audio for _, audio in report.received)


class TwilioPhone:
    """`bridge.simulators.carriers.twilio.stream_session.Media`: whoever was called."""

    def __init__(self, plan: CallPlan) -> None:
        self.reports: list[CallReport] = []
        self._plan = plan

    async def __call__(self, stream: TwilioStreamSession) -> bool:
        carrier = SimulatedTwilioStream(
            call_sid=stream.call_sid,
            account_sid=stream.account_sid,
            parameters=stream.wanted.parameters,
        )
        line = LiveCall(self._plan, carrier, opened=lambda: stream.opened(carrier.stream_sid))
        report = await line.carry(stream.wanted.url)
        self.reports.append(report)
        return report.ending in HANGS_UP


class House(NamedTuple):
    """A server that carriers can find, and what it writes."""

    settings: dict[str, Any]
    folder: Path

    async def dial(self, carrier: str, **options: Any) -> str:
        parties = {"to": TO, "from_": FROM}
        return await place_call(Settings.model_validate(self.settings), carrier, **(parties | options))

    def opened(self) -> list[str]:
        """The assistants that were opened."""
        lines = [line for file in self.folder.glob("*.jsonl") for line in file.read_text().splitlines()]
        return [line["assistant"] for line in map(json.loads, lines) if line["what"] == "OpenAssistant"]


Serve = Callable[..., AbstractAsyncContextManager[House]]


@pytest.fixture
def serve(tmp_path: Path) -> Serve:
    """The arguments are settings."""

    @asynccontextmanager
    async def run(**settings: Any) -> AsyncIterator[House]:
        plain = {"port": 0, "assistant": "echo", "journal": {"directory": tmp_path}}
        async with Server(Settings.model_validate(plain | settings)).running() as server:
            url = f"http://127.0.0.1:{server.port}"
            yield House(plain | settings | {"public_url": url}, tmp_path)
            await server.admission.idle()
            await server.files.written()

    return run


def telnyx(fake: SimulatedTelnyx, **more: Any) -> dict[str, Any]:
    own = {"public_key": fake.public_key, "api_key": fake.api_key, "api_url": fake.url, "connection_id": "1"}
    return {"telnyx": own | more}


def twilio(fake: SimulatedTwilio, **more: Any) -> dict[str, Any]:
    own = {"account_sid": fake.account_sid, "auth_token": fake.auth_token, "api_url": fake.url}
    return {"twilio": own | more}


# Telnyx: who answers, and who is put through

ANSWERED: list[tuple[str, dict[str, Any], dict[str, Any], bool]] = [
    ("human", {}, {}, True),
    ("human", {"machine_detection": "premium"}, {}, True),
    ("machine", {}, {}, False),
    ("machine", {"machine_detection": "premium"}, {}, False),
    ("machine", {}, {"talks_to_machines": True}, True),
    ("not_sure", {}, {}, True),
    ("not_sure", {"machine_detection": "premium"}, {}, True),
    ("not_sure", {"talk_to": ["human"]}, {}, False),
]


@pytest.mark.parametrize(("who", "settings", "options", "is_put_through"), ANSWERED)
async def test_who_is_put_through_by_telnyx(
    who: telnyx_faults.Verdict,
    settings: dict[str, Any],
    options: dict[str, Any],
    is_put_through: bool,
    serve: Serve,
) -> None:
    phone = CallControlPhone(lambda _line: HANGS_UP_SOON)
    callee = telnyx_faults.TelnyxCallee(answered_by=who)
    async with asyncio.timeout(TIMEOUT_S), SimulatedTelnyx(phone, callee=callee).running() as fake:
        async with serve(**telnyx(fake, **settings)) as house:
            name = await house.dial("telnyx", **options)
            await fake.over(fake.account.calls[name])
        dialled = (await fake.commanded("dial")).body
        assert (dialled["to"], dialled["from"], dialled["connection_id"]) == (TO, FROM, "1")
        assert ("answering_machine_detection" in dialled) is not options.get("talks_to_machines", False)
        assert [command.name for command in fake.commands if command.name == "answer"] == []
    assert house.opened() == (["echo"] if is_put_through else [])
    assert [report.ending for report in phone.reports] == ([Ending.HUNG_UP] if is_put_through else [])


@pytest.mark.parametrize(("talk_to", "is_put_through"), [(["human"], False), (["human", "not_sure"], True)])
async def test_where_no_verdict_comes_nobody_is_left_on_a_silent_line(
    talk_to: list[str], is_put_through: bool, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.carriers.telnyx.phone_calls.VERDICT_S", 0.05)
    phone = CallControlPhone(lambda _line: HANGS_UP_SOON)
    callee = telnyx_faults.TelnyxCallee(verdict_after_s=TIMEOUT_S)
    async with asyncio.timeout(TIMEOUT_S), SimulatedTelnyx(phone, callee=callee).running() as fake:
        async with serve(**telnyx(fake, talk_to=talk_to)) as house:
            name = await house.dial("telnyx")
            await fake.over(fake.account.calls[name])
    assert house.opened() == (["echo"] if is_put_through else [])


async def test_a_server_that_closes_before_the_verdict_hangs_up(serve: Serve) -> None:
    callee = telnyx_faults.TelnyxCallee(verdict_after_s=TIMEOUT_S)
    async with asyncio.timeout(TIMEOUT_S), SimulatedTelnyx(callee=callee).running() as fake:
        async with serve(**telnyx(fake)) as house:
            name = await house.dial("telnyx")
            await fake.told("call.answered")
        assert fake.account.calls[name].state is CallState.ENDED


async def test_the_one_who_is_named_talks(serve: Serve) -> None:
    phone = CallControlPhone(lambda _line: HANGS_UP_SOON)
    async with asyncio.timeout(TIMEOUT_S), SimulatedTelnyx(phone).running() as fake:
        async with serve(**telnyx(fake)) as house:
            name = await house.dial("telnyx", assistant="parrot")
            await fake.over(fake.account.calls[name])
    assert house.opened() == ["parrot"]


@pytest.mark.parametrize("refuses", ["user_busy", "call_rejected", "not_found"])
async def test_a_call_that_nobody_takes_leaves_nothing(refuses: Any, serve: Serve) -> None:
    callee = telnyx_faults.TelnyxCallee(refuses=refuses)
    async with asyncio.timeout(TIMEOUT_S), SimulatedTelnyx(callee=callee).running() as fake:
        async with serve(**telnyx(fake)) as house:
            name = await house.dial("telnyx")
            await fake.over(fake.account.calls[name])
        assert [command.name for command in fake.commands] == ["dial"]
    assert house.opened() == []


async def test_a_dial_that_fails_at_first_rings_once_and_both_are_heard(serve: Serve) -> None:
    faults = telnyx_faults.TelnyxFaults(server_errors=1, silent=1, commands=("dial",))
    phone = CallControlPhone(lambda _line: TALKS)
    async with asyncio.timeout(TIMEOUT_S), SimulatedTelnyx(phone, faults=faults).running() as fake:
        async with serve(**telnyx(fake)) as house:
            name = await house.dial("telnyx")
            await fake.over(fake.account.calls[name])
        assert len(fake.account.calls) == 1
        assert len({command.body["command_id"] for command in fake.commands if command.name == "dial"}) == 1
    assert house.opened() == ["echo"]
    (report,) = phone.reports
    assert SAID in replied(report)


# Twilio: the same

ANSWERED_TWILIO: list[tuple[str, dict[str, Any], dict[str, Any], bool]] = [
    ("human", {}, {}, True),
    ("human", {}, {"assistant": "parrot"}, True),
    ("machine", {}, {}, False),
    ("machine", {}, {"talks_to_machines": True}, True),
    ("unknown", {}, {}, True),
    ("unknown", {"talk_to": ["human"]}, {}, False),
]


@pytest.mark.parametrize(("who", "settings", "options", "is_put_through"), ANSWERED_TWILIO)
async def test_who_is_put_through_by_twilio(
    who: Any, settings: dict[str, Any], options: dict[str, Any], is_put_through: bool, serve: Serve
) -> None:
    phone = TwilioPhone(HANGS_UP_SOON)
    callee = twilio_faults.TwilioCallee(answered_by=who)
    async with asyncio.timeout(TIMEOUT_S), SimulatedTwilio(phone, callee=callee).running() as fake:
        async with serve(**twilio(fake, **settings)) as house:
            name = await house.dial("twilio", **options)
            await fake.over(fake.account.calls[name])
        fields = dict((await fake.requested("create")).fields)
        assert (fields["To"], fields["From"]) == (TO, FROM)
        assert ("MachineDetection" in fields) is not options.get("talks_to_machines", False)
        assert all(sent.status in (200, 204) for sent in fake.sent)
    assert house.opened() == ([options.get("assistant", "echo")] if is_put_through else [])
    assert len(phone.reports) == is_put_through


async def test_who_was_called_by_twilio_talks(serve: Serve) -> None:
    phone = TwilioPhone(TALKS)
    async with asyncio.timeout(TIMEOUT_S), SimulatedTwilio(phone).running() as fake:
        async with serve(**twilio(fake)) as house:
            await fake.over(fake.account.calls[await house.dial("twilio")])
    (report,) = phone.reports
    assert report.ending is Ending.QUIET
    assert SAID in replied(report)


# Refusals


@pytest.mark.parametrize(
    ("settings", "options", "status", "code"),
    [
        ({"api_key": "wrong"}, {}, 401, "10009"),
        ({}, {"from_": "sip:me@example.com"}, 422, "10016"),
    ],
)
async def test_telnyx_s_refusal_has_telnyx_s_code(
    settings: dict[str, Any], options: dict[str, Any], status: int, code: str, serve: Serve
) -> None:
    async with asyncio.timeout(TIMEOUT_S), SimulatedTelnyx().running() as fake:
        async with serve(**telnyx(fake, **settings)) as house:
            with pytest.raises(CarrierRefused) as refused:
                await house.dial("telnyx", **options)
    assert (refused.value.status, refused.value.code) == (status, code)
    assert TO not in str(refused.value)


@pytest.mark.parametrize(
    ("settings", "options", "status", "code"),
    [
        ({"account_sid": "AC" + "1" * 32}, {}, 401, "20003"),
        ({}, {"to": "sips:me@example.com"}, 400, "21211"),
    ],
)
async def test_twilio_s_refusal_has_twilio_s_code(
    settings: dict[str, Any], options: dict[str, Any], status: int, code: str, serve: Serve
) -> None:
    async with asyncio.timeout(TIMEOUT_S), SimulatedTwilio().running() as fake:
        async with serve(**twilio(fake, **settings)) as house:
            with pytest.raises(CarrierRefused) as refused:
                await house.dial("twilio", **options)
    assert (refused.value.status, refused.value.code) == (status, code)


async def test_nobody_of_that_name_rings_nowhere(serve: Serve) -> None:
    async with SimulatedTelnyx().running() as fake, serve(**telnyx(fake)) as house:
        with pytest.raises(ConfigurationError, match="--assistant 'polly'"):
            await house.dial("telnyx", assistant="polly")
        assert fake.commands == []


# The command line

WHOLE = {
    "public_url": "https://voice.example.com",
    "telnyx.api_key": "KEY",
    "telnyx.connection_id": "1",
    "twilio.account_sid": "AC" + "0" * 32,
    "twilio.auth_token": "12345",
}
WRONG: dict[str, tuple[str, str, str]] = {
    "no public_url": ("public_url", "--carrier telnyx", "public_url is missing"),
    "no key at Telnyx": ("telnyx.api_key", "--carrier telnyx", "telnyx.api_key is missing"),
    "no application": ("telnyx.connection_id", "--carrier telnyx", "telnyx.connection_id is missing"),
    "no account at Twilio": ("twilio.account_sid", "--carrier twilio", "twilio.account_sid is missing"),
    "no key at Twilio": ("twilio.auth_token", "--carrier twilio", "twilio.auth_token is missing"),
    "no such carrier": ("", "--carrier vonage", "--carrier 'vonage': should be one of telnyx, twilio"),
    "no number": ("", "--carrier telnyx --to 911", "--to '911': should be a number such as +15550100"),
    "no number of ours": ("", "--carrier telnyx --from me", "--from 'me': should be a number"),
    "no such assistant": ("", "--carrier telnyx --assistant polly", "--assistant 'polly': should be one of"),
}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clean place to run the command line in, in this process."""
    for name in os.environ:
        if name.startswith(("VOICEBRIDGE_", "TWILIO_", "TELNYX_", "OPENAI_")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("bridge.cli.log.configure", lambda level: None)  # it is for the whole process
    return tmp_path


def ended(monkeypatch: pytest.MonkeyPatch, arguments: str) -> object:
    """The exit code."""
    monkeypatch.setattr(sys, "argv", ["voicebridge", *arguments.split()])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code


@pytest.mark.parametrize("name", WRONG)
def test_what_is_missing_is_said_before_anybody_is_called(
    name: str, here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    missing, flags, why = WRONG[name]
    lines = [f"{key} = {json.dumps(value)}" for key, value in WHOLE.items() if key != missing]
    (here / "voicebridge.toml").write_text("\n".join(lines))
    parties = "" if "--to" in flags else f" --to {TO}"
    parties += "" if "--from" in flags else f" --from {FROM}"
    assert ended(monkeypatch, f"dial {flags}{parties}") == 2
    shown = capsys.readouterr()
    assert (shown.out, shown.err.count("\n")) == ("", 1)
    assert shown.err.startswith(f"voicebridge: {why}")


@pytest.mark.parametrize(
    ("flags", "shows"),
    [
        ("", "It rings. telnyx's name for the call: CALL"),
        (" --json", '{"carrier": "telnyx", "call_id": "CALL"}'),
    ],
)
async def test_the_call_s_name_is_printed(
    flags: str,
    shows: str,
    here: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    async with SimulatedTelnyx(callee=telnyx_faults.TelnyxCallee(answers_after_s=None)).running() as fake:
        lines = {**WHOLE, "telnyx.api_key": fake.api_key, "telnyx.api_url": fake.url}
        text = "\n".join(f"{key} = {json.dumps(value)}" for key, value in lines.items())
        (here / "voicebridge.toml").write_text(
            text.replace("https://voice.example.com", "http://127.0.0.1:9")
        )
        command = f"dial --carrier telnyx --to {TO} --from {FROM}{flags}"
        code = await asyncio.to_thread(ended, monkeypatch, command)
        (name,) = fake.account.calls
    assert code == 0
    assert shows in capsys.readouterr().out.replace(name, "CALL").splitlines()


# Settings that serve would not start with


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ('api_key = "two words"', "telnyx.api_key: should be one word of ASCII"),
        ('public_key = "short"', "this is not an Ed25519 public key"),
        ('codec = "PCMU"\nsampling_rate = 16000', "sampling_rate = 16000 with codec = 'PCMU'"),
    ],
)
def test_config_check_finds_what_serve_would_not_start_with(
    line: str, why: str, here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "voicebridge.toml").write_text(f'[twilio]\nauth_token = "12345"\n[telnyx]\n{line}\n')
    assert ended(monkeypatch, "config check") == 2
    assert why in capsys.readouterr().err


def test_config_check_finds_a_codec_that_is_not_installed(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing(_codec: object, *, sending: bool) -> None:
        raise CodecMissing("OPUS", "opus")

    monkeypatch.setattr("bridge.carriers.telnyx.settings.check_installed", missing)
    (here / "voicebridge.toml").write_text('[twilio]\nauth_token = "12345"\n[telnyx]\ncodec = "OPUS"\n')
    assert ended(monkeypatch, "config check") == 2
    assert "voicebridge-server[opus]" in capsys.readouterr().err
