"""`voicebridge doctor`: what is printed, which groups are looked at, and the exit codes."""

import asyncio
import json
import os
import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from bridge.cli import app as cli
from bridge.cli.doctor_display import conclusion
from bridge.config.settings import Settings
from bridge.shell.server import Server
from bridge.simulators.doctor.findings import Finding, Group, Level, exit_code
from bridge.simulators.doctor.machine import likeness, look_at_keys, look_at_machine
from bridge.vocabulary.errors import ConfigurationError
from tests.processes import SETTINGS, free_port


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in [one for one in os.environ if one.startswith(SETTINGS)]:
        monkeypatch.delenv(name)
    (tmp_path / "voicebridge.toml").write_text(
        f"port = {free_port()}\n[security]\nallow_unauthenticated = true\n"
    )
    return tmp_path


def doctor(*arguments: str) -> tuple[int, list[dict[str, Any]]]:
    """Exit code, and the findings."""
    done = CliRunner().invoke(cli.app, ["doctor", "--json", *arguments])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    facts = json.loads(done.stdout)
    assert (facts["exit_code"], facts["ok"]) == (done.exit_code, done.exit_code == 0)
    return done.exit_code, facts["findings"]


def levels(findings: list[dict[str, Any]], group: str) -> set[str]:
    return {finding["level"] for finding in findings if finding["group"] == group}


def test_all_is_well_on_this_machine_alone() -> None:
    code, findings = doctor("--offline")
    assert code == 0, findings
    assert levels(findings, "call") == {"ok"}
    assert levels(findings, "assistants") == levels(findings, "carrier") == {"skipped"}
    assert {finding["group"] for finding in findings} == {group.value for group in Group}


def test_groups_by_name() -> None:
    code, findings = doctor("machine", "port")
    assert code == 0
    assert {finding["group"] for finding in findings} == {"machine", "port"}


def test_a_name_that_is_none() -> None:
    done = CliRunner().invoke(cli.app, ["doctor", "machne"])
    assert isinstance(done.exception, ConfigurationError)
    assert "'machne': should be one of settings, keys, machine" in str(done.exception)


def test_people_see_groups_and_a_conclusion() -> None:
    done = CliRunner().invoke(cli.app, ["doctor", "machine"])
    assert done.stdout.splitlines()[0] == "machine"
    assert done.stdout.splitlines()[-1].endswith("findings: all is well. Exit code 0.")


def test_settings_that_cannot_be_read_are_a_finding(here: Path) -> None:
    (here / "voicebridge.toml").write_text("prot = 1\n")
    code, findings = doctor()
    assert code == 2
    assert [finding["found"] for finding in findings] == [
        "voicebridge.toml: there is no setting prot; did you mean port?."
    ]


def test_settings_with_which_no_server_starts_are_told_whatever_is_asked_for(here: Path) -> None:
    address = 'public_url = "https://bridge.example.com"'
    (here / "voicebridge.toml").write_text(f"port = {free_port()}\n{address}\n")
    code, findings = doctor("call")
    assert code == 2
    assert "without one of them no carrier can prove to be one" in findings[0]["found"]
    assert levels(findings, "call") == {"skipped"}


def test_a_port_that_somebody_else_has(here: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        (here / "voicebridge.toml").write_text(f"port = {port}\n[security]\nallow_unauthenticated = true\n")
        code, findings = doctor("port", "call")
    assert code == 2
    assert levels(findings, "port") == {"fault"}
    assert levels(findings, "call") == {"skipped"}


async def test_a_server_that_runs_is_called_as_it_is(here: Path) -> None:
    port = free_port()
    table = {"port": port, "security": {"allow_unauthenticated": True}, "limits": {"max_lag_ms": 0}}
    (here / "voicebridge.toml").write_text(f"port = {port}\n[security]\nallow_unauthenticated = true\n")
    async with Server(Settings.model_validate(table)).running() as server:
        code, findings = await asyncio.to_thread(doctor, "--offline", "port", "call")
        figures = await server.metrics.scrape()
    assert b'"echo"' in figures, "it was this server's call"
    assert code == 0, findings
    assert f"Our own server runs at port {port}." in [finding["found"] for finding in findings]
    assert levels(findings, "call") == {"ok"}


@pytest.mark.parametrize(
    ("found", "code", "said"),
    [
        ([Level.OK], 0, "1 findings: all is well. Exit code 0."),
        ([Level.OK, Level.SKIPPED], 0, "2 findings: 1 not looked at. Exit code 0."),
        ([Level.WARNING, Level.OK], 1, "2 findings: 1 warnings. Exit code 1."),
        ([Level.WARNING, Level.FAULT], 2, "2 findings: 1 faults, 1 warnings. Exit code 2."),
    ],
)
def test_what_it_comes_to(found: list[Level], code: int, said: str) -> None:
    findings = [Finding(Group.PORT, "a", level, "b.") for level in found]
    assert (exit_code(findings), conclusion(findings)) == (code, said)


def test_keys_of_a_wrong_shape_and_of_the_simulator() -> None:
    settings = Settings.model_validate(
        {
            "twilio": {"auth_token": "not-hexadecimal", "account_sid": "AC" + "1" * 32},
            "telnyx": {"api_key": "KEY_simulated"},
            "security": {"token_keys": ["abababababababababababababababababab"]},
        }
    )
    found = {finding.name: finding for finding in look_at_keys(settings)}
    assert {name: finding.level for name, finding in found.items()} == {
        "twilio.auth_token": Level.WARNING,
        "twilio.account_sid": Level.OK,
        "telnyx.api_key": Level.WARNING,
        "security.token_keys[1]": Level.WARNING,
    }
    assert found["twilio.auth_token"].found == (
        "It does not look like one of Twilio's: expected 32 hexadecimal digits."
    )
    assert not [one for one in found.values() if "not-hexadecimal" in one.found + one.remedy]


def test_file_descriptors_that_run_short(monkeypatch: pytest.MonkeyPatch) -> None:
    for limit, level in ((64.0, Level.FAULT), (512.0, Level.WARNING), (65536.0, Level.OK)):
        monkeypatch.setattr("bridge.simulators.doctor.machine.descriptor_limit", lambda limit=limit: limit)
        found = {finding.name: finding for finding in look_at_machine(Settings.model_validate({}))}
        assert found["file descriptors"].level is level


def test_a_codec_that_is_broken_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "bridge.simulators.doctor.machine.decoder",
        lambda _format: lambda audio: np.zeros(len(audio), np.int16),
    )
    found = {finding.name: finding for finding in look_at_machine(Settings.model_validate({}))}
    assert found["pcmu"].level is Level.FAULT


def test_likeness_sees_noise_and_delay() -> None:
    tone = np.asarray(np.sin(np.arange(6400) / 6) * 8000, np.int16)
    noise = np.asarray(np.random.default_rng(1).normal(0, 8000, 6400), np.int16)
    assert likeness(tone, tone) > 0.98
    assert likeness(tone, np.roll(tone, 100)) > 0.98
    assert likeness(tone, noise) < 0.3
