"""`voicebridge calls` against a server that runs, with a call on it; address and token come from the settings."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs
from typer.testing import CliRunner

from bridge.cli import app as cli
from bridge.cli.calls import of_settings
from bridge.config.settings import Settings
from bridge.shell.server import Server
from bridge.vocabulary.errors import ConfigurationError
from tests.processes import clean_environment, free_port
from tests.shell.control.conftest import OPS, SETTINGS, SHOW, calling, until


async def calls(*arguments: str) -> tuple[int, str, str]:
    """Exit code, output and standard error; the server goes on meanwhile."""
    done = await asyncio.to_thread(CliRunner().invoke, cli.app, ["calls", *arguments])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stdout, done.stderr


async def listed(*arguments: str) -> list[dict[str, Any]]:
    code, out, err = await calls("list", "--json", *arguments)
    assert (code, err) == (0, "")
    found: list[dict[str, Any]] = json.loads(out)["calls"]
    return found


@pytest.mark.parametrize("has_own_port", [False, True])
async def test_a_call_is_seen_steered_and_ended(
    has_own_port: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    port, own = free_port(), {"port": free_port()} if has_own_port else {}
    table = f"port = {port}" + (f"\n[control]\nport = {own['port']}" if own else "")
    (tmp_path / "voicebridge.toml").write_text(written(table))
    settings = Settings.model_validate(SETTINGS | {"port": port, "control": SETTINGS["control"] | own})
    with capture_logs():  # the server's are not the command's
        async with Server(settings).running() as server, calling(port) as caller:
            (call,) = await listed()
            assert (call["id"], call["carrier"], call["assistant"]) == ("CA1", "twilio", "echo")
            code, out, _ = await calls("show", "CA1")
            assert code == 0
            assert "caller talks and hears assistant" in out
            async with caller.speaking():
                await steered()
            watching = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "bridge", "calls", "watch", "CA1", "--json"),
                env=clean_environment(),
                stdout=asyncio.subprocess.PIPE,
            )
            await until(lambda: len(server.control.feed) > 0)
            assert (await calls("end", "CA1"))[:2] == (0, "The call ends.\n")
            async with asyncio.timeout(20):
                told, _ = await watching.communicate()
    events = [json.loads(line) for line in told.splitlines()]
    assert watching.returncode == 0
    assert events[0]["data"]["calls"][0]["id"] == "CA1"
    assert events[-1]["event"] == "ended"


async def steered() -> None:
    """Verbs that go with the state of the call, and some that do not."""
    assert (await calls("hold", "CA1"))[:2] == (0, "The caller is on hold.\n")
    (call,) = await listed()
    assert call["held"]
    assert (await calls("unhold", "CA1"))[0] == 0
    assert (await calls("mute", "CA1", "caller"))[0] == 0
    (call,) = await listed()
    assert call["muted"] == ["caller"]
    code, _, err = await calls("hold", "CA2")
    assert (code, err) == (3, "voicebridge: no call of this id is under way (404)\n")
    code, _, err = await calls("give-back", "CA1")
    assert code == 4, err
    code, _, err = await calls("mute", "CA1", "nobody")
    assert code == 1
    assert "(400)" in err


def written(more: str) -> str:
    """A settings' file with two tokens."""
    return (
        f'{more}\n[[control.tokens]]\nname = "show"\ntoken = "{SHOW}"\ncan = ["see"]\n'
        f'[[control.tokens]]\nname = "ops"\ntoken = "{OPS}"\n'
    )


@pytest.mark.parametrize(
    ("table", "url"),
    [
        ("port = 9000", "http://127.0.0.1:9000"),
        ('port = 9000\nhost = "0.0.0.0"\npublic_url = "https://voice.acme.dev"', "http://127.0.0.1:9000"),
        ('port = 9000\nhost = "::1"', "http://[::1]:9000"),
        ("port = 9000\n[control]\nport = 9001", "http://127.0.0.1:9001"),
    ],
)
def test_the_settings_say_where_and_with_which_token(table: str, url: str, tmp_path: Path) -> None:
    """Of several tokens the one that may do most."""
    (tmp_path / "a.toml").write_text(written(table))
    assert of_settings(tmp_path / "a.toml") == (url, OPS)


def test_a_port_that_the_system_chooses_is_not_known(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(written("port = 0"))
    with pytest.raises(ConfigurationError, match="calls needs to know the port"):
        of_settings(tmp_path / "a.toml")
