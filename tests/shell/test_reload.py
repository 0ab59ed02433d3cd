"""Settings that are read again while the server serves: what new calls get, what calls under way keep, what is logged."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme
from structlog.testing import capture_logs

from bridge.carriers.shared.webhooks import ExpectedCall
from bridge.config.settings import Settings, vendor_tables
from bridge.observers.assistant_health import AssistantHealth
from bridge.shell.lifecycle import Stage
from bridge.shell.reload import RELOADED, Certificate, Reload, changes
from bridge.shell.server import Server
from bridge.shell.setups import Setup, Setups
from bridge.shell.switchboard import Switchboard
from bridge.shell.systemd import Notifier
from bridge.vocabulary.errors import ConfigurationError

GIVE_UP_S = 10.0
TOKEN = "r4Zk0-Wm2Qv8_Tn6Ly1Xc5Bd9"
PLAIN: dict[str, Any] = {
    "port": 0,
    "assistant": "parrot",
    "twilio": {"auth_token": "12345"},
    "security": {"token_keys": ["k" * 32]},
}


def settings(**more: Any) -> Settings:
    return Settings.model_validate(PLAIN | more)


# What is taken over

CHANGED: dict[str, tuple[dict[str, Any], list[str]]] = {
    # the settings that are read, what needs a restart
    "nothing": ({}, []),
    "an assistant": ({"assistants": {"a": {"kind": "echo"}}, "assistant": "a"}, []),
    "routes": ({"routes": [{"to": "+15550100", "assistant": "echo"}]}, []),
    "limits": ({"limits": {"drain_s": 1}, "closing": {}, "keypad": {"max_digits": 4}}, []),
    "a vendor's table": ({"openai": {"api_key": "sk-123"}}, []),
    "the log level": ({"log_level": "debug"}, []),
    "host and port": ({"host": "::1", "port": 81}, ["host", "port"]),
    "a carrier's key": ({"twilio": {"auth_token": "54321"}}, ["twilio.auth_token"]),
    "the keys of tokens": ({"security": {"token_keys": ["x" * 32]}}, ["security.token_keys"]),
    "people": ({"people": {"billing": {"to": "+15550111"}}}, []),
    "tokens": ({"control": {"tokens": [{"name": "ops", "token": TOKEN}]}, "metrics": {"token": TOKEN}}, []),
    "ports of their own": (
        {"control": {"port": 81}, "metrics": {"port": 82}},
        ["control.port", "metrics.port"],
    ),
    "a folder": ({"journal": {"directory": "elsewhere"}}, ["journal.directory"]),
    "TLS on an open port": (
        {"ssl_certfile": "cert.pem", "ssl_keyfile": "key.pem"},
        ["ssl_certfile", "ssl_keyfile"],
    ),
}


@pytest.mark.parametrize("name", CHANGED)
def test_what_needs_a_restart_is_named_and_stays(name: str) -> None:
    more, ignored = CHANGED[name]
    running, read = settings(), settings(**more)
    change = changes(running, read)
    assert change.ignored == ignored
    for key in ignored:
        table = key.partition(".")[0]
        assert getattr(change.settings, table) == getattr(running, table)
    if not ignored:
        assert change.settings == read


def test_what_is_read_again_is_there() -> None:
    assert type(settings()).model_fields.keys() >= RELOADED | vendor_tables()
    assert vendor_tables() == {"openai"}


# New calls, and calls under way


@asynccontextmanager
async def reloading(
    read: Callable[[], Settings], **more: Any
) -> AsyncIterator[tuple[Server, Reload, list[str]]]:
    """A server that serves, its reloads, and the log levels that were set."""
    levels: list[str] = []
    server = Server(settings(**more))
    reload = Reload(
        server.admission.setups,
        server.certificate,
        server.network,
        read,
        levels.append,
        lambda: server.lifecycle.stage is not Stage.SERVING,
        Notifier(),
        server.use_tokens,
    )
    async with asyncio.timeout(GIVE_UP_S), server.running():
        yield server, reload, levels
        await reload.aclose()


async def done(reload: Reload) -> list[dict[str, Any]]:
    """Reload once; what was logged."""
    with capture_logs() as lines:
        reload.signal()
        assert reload._task is not None
        await reload._task
    return [dict(line) for line in lines]


async def test_new_calls_get_what_was_read_and_announced_ones_keep_what_they_had() -> None:
    new = settings(assistants={"mine": {"kind": "echo"}}, assistant="mine", log_level="debug")
    async with reloading(lambda: new, assistants={"old": {"kind": "parrot"}}, assistant="old") as it:
        server, reload, levels = it
        admission = server.admission
        before = admission.setups.current
        admission.expect("twilio", ExpectedCall("CA1", "old"))
        assert not admission.has_assistant("mine")
        lines = await done(reload)
        assert lines[-1] == {
            "event": "= reloaded",
            "log_level": "info",
            "assistant": "mine",
            "former_setups": 1,
        }
        assert levels == ["debug"]
        assert (admission.has_assistant("mine"), admission.has_assistant("old")) == (True, False)
        assert admission._expected.came("twilio", "media", "CA1") is before
        assert before.switchboard.plan("old").assistants == ("old",)
        admission.expect("twilio", ExpectedCall("CA2", "mine"))
        assert admission._expected.came("twilio", "media", "CA2") is admission.setups.current


async def test_settings_with_faults_change_nothing_and_all_faults_are_one_line() -> None:
    def read() -> Settings:
        raise ConfigurationError("voicebridge.toml: port: wrong\nvoicebridge.toml: host: wrong, too")

    async with reloading(read) as (server, reload, levels):
        before = server.admission.setups.current
        (line,) = await done(reload)
        assert line["log_level"] == "error"
        assert line["faults"] == ["voicebridge.toml: port: wrong", "voicebridge.toml: host: wrong, too"]
        assert server.admission.setups.current is before
        assert levels == []


async def test_an_assistant_that_cannot_be_made_changes_nothing() -> None:
    new = settings()
    broken = new.model_copy(update={"closing": new.closing.model_copy(update={"goodbye": _NoFile()})})
    async with reloading(lambda: broken) as (server, reload, _):
        before = server.admission.setups.current
        (line,) = await done(reload)
        assert line["faults"] == ["nowhere.wav: No such file or directory"]
        assert server.admission.setups.current is before


class _NoFile:
    play = Path("nowhere.wav")


async def test_what_needs_a_restart_is_one_line() -> None:
    async with reloading(lambda: settings(host="::1", twilio={"auth_token": "54321"})) as (
        _,
        reload,
        _levels,
    ):
        lines = await done(reload)
        (line,) = [line for line in lines if "restart" in line["event"]]
        assert (line["log_level"], line["settings"]) == ("warning", ["host", "twilio.auth_token"])


async def test_an_exception_in_the_settings_is_logged_and_changes_nothing() -> None:
    def read() -> Settings:
        raise RuntimeError("in a module of a tool")

    async with reloading(read) as (_, reload, _levels):
        (line,) = await done(reload)
        assert (line["log_level"], line["exc_info"]) == ("error", True)


async def test_a_server_that_stops_does_not_reload() -> None:
    read: list[int] = []

    def reads() -> Settings:
        read.append(1)
        return settings()

    async with reloading(reads) as (server, reload, _):
        server.lifecycle.signal()
        with capture_logs() as lines:
            reload.signal()
        assert [line["event"] for line in lines] == ["= not reloaded: the server is stopping"]
        assert reload._task is None
        assert read == []


async def test_asked_again_while_it_reads_it_reads_once_more() -> None:
    read: list[int] = []
    answers = asyncio.Event()
    loop = asyncio.get_running_loop()

    def reads() -> Settings:
        read.append(1)
        asyncio.run_coroutine_threadsafe(answers.wait(), loop).result()
        return settings()

    async with reloading(reads) as (_, reload, _levels):
        for _ in range(3):
            reload.signal()
        await asyncio.sleep(0)
        reload.signal()
        answers.set()
        assert reload._task is not None
        await reload._task
        assert len(read) == 2


# Former setups


class _Switchboard(Switchboard):
    closed = False

    async def aclose(self) -> None:
        self.closed = True
        await super().aclose()


def setup(**more: Any) -> Setup:
    one = settings(**more)
    return Setup(one, _Switchboard(one))


async def test_a_former_setup_is_closed_when_its_last_call_has_ended() -> None:
    announced = True
    first, second = setup(), setup()
    setups = Setups(first, lambda one: announced and one is first, look_s=0.001)
    first.calls = 1
    setups.replace(second)
    assert setups.current is second
    for calls, is_announced in ((1, True), (0, True), (1, False)):
        first.calls, announced = calls, is_announced
        await asyncio.sleep(0.01)
        assert (setups.former, first.switchboard.closed) == (1, False)  # type: ignore[attr-defined]
    first.calls, announced = 0, False
    async with asyncio.timeout(GIVE_UP_S):
        while not first.switchboard.closed:  # type: ignore[attr-defined]  # noqa: ASYNC110
            await asyncio.sleep(0.001)
    assert setups.former == 0
    await setups.aclose()
    assert second.switchboard.closed  # type: ignore[attr-defined]


async def test_former_setups_are_closed_with_the_server() -> None:
    first, second = setup(), setup()
    setups = Setups(first, lambda _: True)
    setups.replace(second)
    await setups.aclose()
    assert first.switchboard.closed  # type: ignore[attr-defined]
    assert second.switchboard.closed  # type: ignore[attr-defined]


async def test_faults_and_circuits_of_assistants_that_changed_start_anew() -> None:
    same, other = {"kind": "stream", "url": "ws://[::1]:9/"}, {"kind": "stream", "url": "ws://[::1]:8/"}
    first = setup(assistants={"same": same, "changed": same, "gone": same})
    second = setup(assistants={"same": same, "changed": other})
    setups = Setups(first, lambda _: False)
    for name in ("same", "changed", "gone"):
        first.switchboard.health.faults[name] = "HTTP 401"
        for call_id in range(20):
            first.switchboard.health.failed(name, f"CA{call_id}", "HTTP 503", 1.0)
    setups.replace(second)
    health = second.switchboard.health
    assert (health.faults, [*health.open_circuits()]) == ({"same": "HTTP 401"}, ["same"])
    first.switchboard.health.served("same")
    assert not health.open_circuits(), "a call under way tells that it works again"
    await setups.aclose()


def test_circuits_of_another_rule_start_anew() -> None:
    before = AssistantHealth(settings(circuit={"failures": 1, "calls": 1}).circuit.rule())
    before.failed("a", "CA1", "HTTP 503", 1.0)
    after = AssistantHealth(settings(circuit={"failures": 9}).circuit.rule())
    after.adopt(before, ["a"])
    assert [*before.open_circuits()] == ["a"]
    assert not after.open_circuits()


# Certificates


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


def put(authority: trustme.CA, folder: Path) -> dict[str, Any]:
    """A new certificate in the files."""
    certificate = authority.issue_cert("127.0.0.1")
    certificate.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    certificate.private_key_pem.write_to_path(folder / "key.pem")
    return {"ssl_certfile": folder / "cert.pem", "ssl_keyfile": folder / "key.pem"}


async def shown(authority: trustme.CA, port: int) -> bytes:
    """The certificate that a new connection is shown."""
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting)
    certificate: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    await writer.wait_closed()
    return certificate


async def test_new_connections_are_shown_the_certificate_that_was_put_into_the_files(
    authority: trustme.CA, tmp_path: Path
) -> None:
    files = put(authority, tmp_path)
    async with reloading(lambda: settings(**files), **files) as (server, reload, _):
        first = await shown(authority, server.port)
        put(authority, tmp_path)
        assert await shown(authority, server.port) == first
        await done(reload)
        second = await shown(authority, server.port)
        assert second != first


async def test_a_certificate_is_loaded_when_its_files_change(authority: trustme.CA, tmp_path: Path) -> None:
    files = put(authority, tmp_path)
    async with asyncio.timeout(GIVE_UP_S), Server(settings(**files)).running() as server:
        first = await shown(authority, server.port)
        watch = asyncio.create_task(server.certificate.watch(look_s=0.01))
        put(authority, tmp_path)
        while await shown(authority, server.port) == first:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        watch.cancel()


async def test_half_a_pair_leaves_the_certificate_before_in_force(
    authority: trustme.CA, tmp_path: Path
) -> None:
    files = put(authority, tmp_path)
    async with asyncio.timeout(GIVE_UP_S), Server(settings(**files)).running() as server:
        first = await shown(authority, server.port)
        key = (tmp_path / "key.pem").read_bytes()
        put(authority, tmp_path)
        (tmp_path / "key.pem").write_bytes(key)
        with capture_logs() as lines:
            await server.certificate.follow(settings(**files))
        assert [line["log_level"] for line in lines] == ["error"]
        assert await shown(authority, server.port) == first
        put(authority, tmp_path)
        await server.certificate.follow(settings(**files))
        assert await shown(authority, server.port) != first


async def test_without_tls_there_is_nothing_to_watch() -> None:
    certificate = Certificate(None, settings())
    async with asyncio.timeout(GIVE_UP_S):
        await certificate.watch(look_s=0.001)
        await certificate.follow(settings())
