"""The check over real sockets: the example of the documents and the simulated assistant pass, and refusals are reported."""

import asyncio
import json
import subprocess
import sys
import wave
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from typer.testing import CliRunner, Result

from bridge.cli.app import app
from bridge.simulators.assistant.script import parse_script
from bridge.simulators.assistant.server import SimulatedAssistant
from bridge.simulators.check.checking import check, read_headers
from bridge.simulators.check.part import LONGEST_S, Part, prepare, utterances
from bridge.simulators.check.report import conclusion, show
from bridge.simulators.check.rules import Rule, rules_for
from bridge.simulators.check.verdicts import Outcome, Verdict
from bridge.simulators.interruption import Interruption
from bridge.vocabulary.errors import BridgeError, ConfigurationError
from tests.processes import free_port

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "docs" / "stream_assistant.py"
TALK = ROOT / "fixtures" / "talk-over.wav"
SPEED = 4.0
LONG_ENOUGH_S = 120.0
NOBODY = "ws://127.0.0.1:9/"  # the port of the discard service, which is no server of WebSockets anywhere


@pytest.fixture
def example() -> Iterator[int]:
    """The port at which the documents' example serves, as a user would start it."""
    port = free_port()
    with subprocess.Popen([sys.executable, EXAMPLE, "--port", str(port)], stderr=subprocess.PIPE) as process:
        try:
            yield port
        finally:
            process.terminate()


async def reach(port: int) -> None:
    """Until somebody listens there."""
    async with asyncio.timeout(LONG_ENOUGH_S):
        while True:
            with suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                await writer.wait_closed()
                return
            await asyncio.sleep(0.02)


async def test_the_example_and_the_simulated_assistant_pass(example: int, short_part: Part) -> None:
    patient = short_part._replace(reply_s=5.0)
    await reach(example)
    async with SimulatedAssistant(parse_script("reply_s = 0.02\n")).running() as simulator:
        async with asyncio.timeout(LONG_ENOUGH_S):
            stream, *turn_based = await asyncio.gather(
                check("stream", f"ws://127.0.0.1:{example}/", {}, patient, speed=SPEED),
                check("turn-based", simulator.url, {}, patient, speed=SPEED),
                check("turn-based", simulator.http_url, {}, patient, speed=SPEED),
            )
    assert [verdict.rule for verdict in stream] == list(Rule)
    assert [verdict.rule for verdict in turn_based[0]] == list(rules_for("turn-based", posted=False))
    assert [verdict.rule for verdict in turn_based[1]] == list(rules_for("turn-based", posted=True))
    for verdict in chain(stream, *turn_based):
        waits_for_the_caller = verdict.rule is Rule.GREETING and verdict not in stream
        assert verdict.outcome is (Outcome.NOT_TRIED if waits_for_the_caller else Outcome.OK), verdict


def test_only_rules_for_posts_are_checked_with_posts() -> None:
    asked = set(rules_for("turn-based", posted=True))
    assert not asked & {Rule.HELLO, Rule.RECOVERY, Rule.TWO_CALLS, Rule.GOODBYE}
    assert Rule.ANSWERS in asked


# What is not an assistant


def checked(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["check-assistant", *arguments], env={"COLUMNS": "160"})


@pytest.mark.parametrize("arguments", [[NOBODY], ["http://127.0.0.1:9/", "--kind", "turn-based"]])
def test_nobody_there_is_one_line_and_an_exit_code_of_its_own(arguments: list[str]) -> None:
    shown = checked(*arguments, "--speed", "20")
    assert (shown.exit_code, shown.stdout) == (3, "")
    (line,) = shown.stderr.splitlines()
    assert line.startswith("voicebridge: nobody listens at 127.0.0.1, port 9: ")
    assert line.endswith(": expected an assistant there; nothing was checked")


def test_nobody_there_as_json() -> None:
    shown = checked(NOBODY, "--json")
    assert shown.exit_code == 3
    told = json.loads(shown.stdout)
    assert (told["url"], told["ok"], told["rules"]) == (NOBODY, False, [])
    assert told["why"].startswith("nobody listens at 127.0.0.1, port 9")


async def test_the_report_has_a_line_for_each_rule_and_the_verdict(
    short_part: Part, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    steps: list[str] = []
    async with TestServer(web.Application()) as server:  # it has no WebSocket
        url = f"ws://127.0.0.1:{server.port}/"
        verdicts = await check("stream", url, {}, short_part, say=steps.append)
    show(url, verdicts, as_json=False)
    shown = capsys.readouterr().out
    assert "expected: a server that takes the WebSocket, and a hello" in shown
    assert all(str(rule) in shown for rule in Rule)
    assert shown.endswith("The assistant breaks 1 of 15 rules, 14 not tried. Exit code 1.\n")
    assert steps == ["checking: is ready in time"]


async def test_an_interrupted_check_tells_what_was_tried(short_part: Part) -> None:
    interruption = Interruption()
    async with TestServer(web.Application()) as server:
        verdicts = await check(
            "stream",
            f"ws://127.0.0.1:{server.port}/",
            {},
            short_part,
            interruption=interruption,
            say=lambda _step: assert_ends_by_itself(interruption),
        )
    assert {verdict.came for verdict in verdicts if verdict.outcome is Outcome.NOT_TRIED} >= {
        "the check was interrupted"
    }


def assert_ends_by_itself(interruption: Interruption) -> None:
    assert interruption.interrupt()


CONCLUSIONS = [
    ([Outcome.OK], "The assistant keeps 1 of 1 rules. Exit code 0."),
    ([Outcome.OK, Outcome.NOT_TRIED], "The assistant keeps 1 of 2 rules, 1 not tried. Exit code 0."),
    ([Outcome.OK, Outcome.WRONG], "The assistant breaks 1 of 2 rules. Exit code 1."),
]


@pytest.mark.parametrize(("outcomes", "sentence"), CONCLUSIONS)
def test_the_verdict_in_a_sentence(outcomes: list[Outcome], sentence: str) -> None:
    assert conclusion([Verdict("rule", outcome, "") for outcome in outcomes]) == sentence


USAGE = {
    "a kind that cannot be checked": (
        ["--kind", "parrot"],
        "--kind: unknown kind 'parrot'; expected stream or turn-based",
    ),
    "no WebSocket": (["http://127.0.0.1/"], "URL: should be a WebSocket's address"),
    "half an address": (["ws://[::1"], "URL: should be a WebSocket's address"),
    "no address": (["http://", "--kind", "turn-based"], "URL: should be"),
    "no keys": (["--keys", "x"], "--keys: 'x' is not valid; expected keys 0-9, *, # and A-D"),
    "no header": (["--header", "secret"], '--header: not a header; expected "Name: value"'),
    "a header of two lines": (["--header", "A: b\nc"], "--header: should be one line"),
    "no recording": (["--audio", "none.wav"], "none.wav: No such file"),
}


@pytest.mark.parametrize("name", USAGE)
def test_wrong_options_are_refused_with_a_reason(name: str) -> None:
    arguments, why = USAGE[name]
    url = [] if arguments[0].startswith(("http", "ws")) else [NOBODY]
    refused = checked(*url, *arguments).exception
    assert isinstance(refused, ConfigurationError), refused
    assert str(refused).startswith(why)
    assert "secret" not in str(refused)


def test_a_recording_without_speech_is_refused(tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "quiet.wav"), "wb") as file:
        file.setparams((1, 2, 8_000, 0, "NONE", ""))
        file.writeframes(bytes(32_000))
    with pytest.raises(BridgeError, match=r"quiet\.wav: no speech in it"):
        prepare(tmp_path / "quiet.wav", "12#", 5.0)


def test_the_recording_that_comes_along_has_two_sentences() -> None:
    part = prepare(None, "12", 5.0)
    assert [len(speech) // 8 for speech in part.speech] == pytest.approx([3_000, 2_540], abs=100)


def test_a_speech_without_end_is_cut(short_part: Part) -> None:
    (speech,) = utterances(bytes(4_000).replace(b"\x00", b"\xff") + short_part.speech[0] * 8)
    assert len(speech) == LONGEST_S * 8_000


def test_reads_headers() -> None:
    assert read_headers(["Authorization: Bearer a:b", "X-Mine:1"]) == {
        "Authorization": "Bearer a:b",
        "X-Mine": "1",
    }


def test_json_of_a_verdict() -> None:
    assert Verdict("greets", Outcome.OK, "at once")._asdict() == {
        "rule": "greets",
        "outcome": "ok",
        "came": "at once",
        "right": "",
    }
