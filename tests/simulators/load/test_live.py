"""Calls on real sockets, a second each: a server that echoes, and servers that fail in every way."""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import picows
import pytest

from bridge.cli.app import main
from bridge.config.audio_file import talk
from bridge.simulators.interruption import Interruption
from bridge.simulators.load.drive import Driver
from bridge.simulators.load.measures import Counters, FailureNote, LastWords, Sample
from bridge.simulators.load.plan import LoadPlan
from bridge.simulators.load.processes import LoadRun, ProcessFailed
from bridge.simulators.load.recordings import read_recording
from bridge.simulators.load.results import RunResults, from_json
from bridge.simulators.load.verdict import Thresholds
from telecodecs.format import PCMU_8K


class Relay(picows.WSListener):
    """Sends each frame back. `frames`: after so many the connection is broken; 0: never."""

    def __init__(self, frames: int = 0) -> None:
        self._head = b""
        self._frames = frames
        self._seen = 0

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        if frame.msg_type is picows.WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code())
            transport.disconnect()
            return
        message = json.loads(frame.get_payload_as_ascii_text())
        if message["event"] == "media":
            self._seen += 1
            if self._seen == self._frames:
                transport.disconnect(graceful=False)
                return
            answer = {
                "event": "media",
                "streamSid": message["streamSid"],
                "media": {"payload": message["media"]["payload"]},
            }
            transport.send(picows.WSMsgType.TEXT, json.dumps(answer).encode())


@asynccontextmanager
async def relay(listener: Callable[[], Relay] = Relay) -> AsyncIterator[str]:
    server = await picows.ws_create_server(lambda _request: listener(), "127.0.0.1", 0)
    try:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    finally:
        server.close()
        await server.wait_closed()


def plan(url: str, **options: Any) -> LoadPlan:
    return LoadPlan(
        url, (str(talk()),), "twilio", **({"calls": 3, "duration_s": 1.2, "ramp_s": 0.1} | options)
    )


async def drive(
    load: LoadPlan, *, stops_after_s: float = 0.0
) -> tuple[Counters, list[FailureNote], LastWords]:
    """The calls of one process, in this one."""
    samples: list[Sample] = []
    driver = Driver(load, (read_recording(load.audio[0], PCMU_8K, 5),), samples.append)
    if stops_after_s:
        asyncio.get_running_loop().call_later(stops_after_s, driver.stop)
    last = await driver.run(time.monotonic())
    counters = Counters()
    for sample in samples:
        counters.add(sample.counters)
    return counters, [note for sample in samples for note in sample.failures], last


async def test_an_echo_is_timed_on_a_socket() -> None:
    async with relay() as url:
        counters, failures, last = await drive(plan(url))
    assert (counters.placed, counters.started, counters.completed, failures) == (3, 3, 3, [])
    assert counters.frames_timed > 100
    assert len(last.worst) == 3
    assert last.worst[0][1].latency is not None
    assert last.worst[0][1].ended == "the run ended"


async def test_calls_of_a_length_are_replaced() -> None:
    async with relay() as url:
        counters, failures, _ = await drive(plan(url, hold_calls=True, call_s=0.3))
    assert counters.completed >= 5
    assert counters.completed + counters.cut_short == counters.started
    assert failures == []


async def test_the_third_call_that_is_dropped_is_a_failure_of_its_own() -> None:
    frames = iter([0, 0, 10, 0, 0, 0])
    async with relay(lambda: Relay(next(frames))) as url:
        counters, failures, last = await drive(plan(url, calls=6))
    assert (counters.completed, counters.failed) == (5, 1)
    assert [note.reason for note in failures] == ["the stream broke (close code 1006: the connection broke)"]
    assert last.worst[0][1].failed
    assert last.worst[0][1].why_worst == "it failed"


async def test_ctrl_c_hangs_up_and_nothing_is_a_failure() -> None:
    async with relay() as url:
        counters, failures, last = await drive(plan(url, duration_s=30.0), stops_after_s=0.4)
    assert (counters.cut_short, counters.failed, failures) == (3, 0, [])
    assert last.length_s < 5


async def test_a_server_that_refuses_the_connection() -> None:
    async with relay() as url:
        pass
    counters, failures, _ = await drive(plan(url, duration_s=1.0))
    assert (counters.started, counters.failed) == (0, 3)
    assert "no WebSocket was opened" in failures[0].reason


async def answering(answer: bytes) -> asyncio.Server:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if answer:
            writer.write(answer)
            await writer.drain()
        else:
            await reader.read()  # until the caller gives up
        writer.close()

    return await asyncio.start_server(serve, "127.0.0.1", 0)


def http(status: str, kind: str, body: str) -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


BAD_WEBHOOKS = [
    (http("200 OK", "text/xml", "<Response><Say>Hello</Say></Response>"), "has no <Stream>; it has <Say>"),
    (
        http("200 OK", "text/xml", '<Response><Reject reason="busy"/></Response>'),
        "the webhook rejected the call (busy)",
    ),
    (http("200 OK", "application/json", "{}"), "expected text/xml"),
    (http("403 Forbidden", "text/plain", "no signature"), "HTTP 403: no signature"),
    (b"nonsense\r\n\r\n", "the webhook cannot be reached"),
    (b"", "there was no answer by the end of the run"),
]


async def asked(answer: bytes) -> tuple[Counters, list[FailureNote]]:
    server = await answering(answer)
    port = server.sockets[0].getsockname()[1]
    url = f"http://127.0.0.1:{port}/twilio/voice"
    counters, failures, _ = await drive(plan(url, calls=2, duration_s=1.3))
    server.close()
    await server.wait_closed()
    return counters, failures


async def test_a_webhook_that_answers_something_else_or_nothing() -> None:
    outcomes = await asyncio.gather(*(asked(answer) for answer, _ in BAD_WEBHOOKS))
    for (_, why), (counters, failures) in zip(BAD_WEBHOOKS, outcomes, strict=True):
        assert (counters.started, counters.failed) == (0, 2), why
        assert all(why in note.reason for note in failures), failures


# In processes of their own


async def load(run: LoadPlan, interruption: Interruption | None = None) -> RunResults:
    return await LoadRun(run, Thresholds(), lambda _second: None).run(interruption)


async def test_two_processes_share_a_run_and_a_server_that_dies_is_an_outage() -> None:
    listeners: list[picows.WSTransport] = []

    class Mortal(Relay):
        def on_ws_connected(self, transport: picows.WSTransport) -> None:
            listeners.append(transport)

    async with relay(Mortal) as url:
        running = asyncio.create_task(load(plan(url, calls=4, processes=2, duration_s=4.0)))
        while len(listeners) < 4:  # noqa: ASYNC110  # the processes take a second to start
            await asyncio.sleep(0.05)
        await asyncio.sleep(1.5)
        for transport in listeners:
            transport.disconnect(graceful=False)
        results = await running
    assert (results.totals.started, results.totals.failed) == (4, 4)
    assert {call.process for call in results.worst} == {0, 1}
    assert results.outage is not None
    assert results.outage.calls_broken == 4
    assert 1.0 < results.outage.at_s < 4.0
    assert results.measure == "echo"
    assert results.verdict.exit_code == 1


async def test_a_fault_in_the_recording_ends_the_run_with_its_reason() -> None:
    with pytest.raises(ProcessFailed, match="No such file or directory"):
        await load(LoadPlan("ws://127.0.0.1:1/", ("missing.wav",), "twilio", calls=1, duration_s=1.0))


COMMAND = [sys.executable, "-m", "bridge", "load"]


async def command(*options: str, ctrl_c_after: bytes = b"") -> tuple[int, str, str]:
    """The command itself: its exit code, standard output, standard error."""
    process = await asyncio.create_subprocess_exec(
        *COMMAND, *options, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    assert process.stderr is not None
    began = b""
    if ctrl_c_after:
        while ctrl_c_after not in began:
            began += await process.stderr.readuntil(b"\n")
        process.send_signal(2)
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), (began + err).decode()


async def test_the_command_writes_its_results_after_ctrl_c(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    async with relay() as url:
        code, out, err = await command(
            url, "--calls", "2", "--duration", "60", "--json", str(file), ctrl_c_after=b"load: 1 s"
        )
    assert code == 130
    assert "2 calls at once, interrupted" in out
    assert "interrupted: these are the results until then" in err
    results = from_json(file.read_bytes())
    assert results.interrupted
    assert results.totals.frames_timed > 50


async def test_the_command_says_what_was_not_held_and_that_the_disk_is_full() -> None:
    async with relay() as url:
        code, out, err = await command(
            url, "--calls", "1", "--duration", "1", "--max-barge-in-p99-ms", "5", "--max-failures", "5", "--json", "/dev/full"
        )  # fmt: skip
    assert "not held: barge-in to silence, p99: nothing was measured" in out.replace("\n", "")
    assert "--json /dev/full: it was not written: No space left on device" in err
    assert code == 1


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["ws://127.0.0.1:1/", "--json", "/nowhere/x.json"], "--json /nowhere/x.json: it cannot be written"),
        (
            ["ws://127.0.0.1:1/", "--report", "/nowhere/x.html"],
            "--report /nowhere/x.html: it cannot be written",
        ),
        (
            ["ws://127.0.0.1:1/", "--audio", "/nowhere.wav"],
            "--audio /nowhere.wav: there is no such file or folder",
        ),
        (["127.0.0.1:1"], "not an address to call"),
    ],
)
def test_what_is_wrong_is_said_before_anything_begins(
    options: list[str], why: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["voicebridge", "load", *options])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert why in capsys.readouterr().err
