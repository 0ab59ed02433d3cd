"""The simulated server on loopback, driven by the `openai` client, which must understand all that it sends."""

import asyncio
import os
import signal
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from pathlib import Path
from typing import Any, get_args

import pytest
import structlog
from openai import AsyncOpenAI
from openai.resources.realtime.realtime import AsyncRealtimeConnection
from openai.types.realtime import RealtimeServerEvent
from openai.types.realtime.realtime_session_create_request_param import RealtimeSessionCreateRequestParam
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from bridge.config.audio_file import read_wav
from bridge.simulators.openai.script import parse_script
from bridge.simulators.openai.server import SimulatedOpenAI, serve
from bridge.vocabulary.errors import ConfigurationError

FIXTURES = Path(__file__).parents[3] / "fixtures"
SETTINGS: RealtimeSessionCreateRequestParam = {
    "type": "realtime",
    "instructions": "Be brief.",
    "audio": {
        "input": {
            "format": {"type": "audio/pcmu"},
            "transcription": {"model": "gpt-transcribe"},
            "turn_detection": {"type": "server_vad", "silence_duration_ms": 500},
        },
        "output": {"format": {"type": "audio/pcmu"}, "voice": "marin"},
    },
    "tools": [{"type": "function", "name": "book", "parameters": {"type": "object", "properties": {}}}],
}
CLASSES = {
    get_args(one.model_fields["type"].annotation)[0]: one
    for one in get_args(get_args(RealtimeServerEvent)[0])
}

TIMEOUT_S = 10.0


class Client:
    """The real client's connection; `events` are all that it has read, as the package's own classes."""

    def __init__(self, connection: AsyncRealtimeConnection) -> None:
        self.connection = connection
        self.events: list[Any] = []

    async def until(self, kind: str, times: int = 1) -> Any:
        """Read until the next event of this type; it must be of the expected class, with no field missing."""
        async with asyncio.timeout(TIMEOUT_S):
            while True:
                event = await self.connection.recv()
                CLASSES[event.type].model_validate(event.to_dict())
                assert isinstance(event, CLASSES[event.type])
                self.events.append(event)
                times -= event.type == kind
                if not times:
                    return event

    async def say_sentence(self) -> None:
        audio = read_wav(FIXTURES / "sentence-en-us-male.wav")
        for at in range(0, len(audio), 800):
            await self.connection.input_audio_buffer.append(audio=b64encode(audio[at : at + 800]).decode())

    def audio(self) -> bytes:
        return b"".join(
            b64decode(one.delta) for one in self.events if one.type == "response.output_audio.delta"
        )


@asynccontextmanager
async def dialled(simulator: SimulatedOpenAI) -> AsyncIterator[Client]:
    async with AsyncOpenAI(api_key="x", websocket_base_url=simulator.url.replace("http", "ws")) as openai:
        async with openai.realtime.connect(model="gpt-realtime") as connection:
            client = Client(connection)
            await client.until("session.created")
            await connection.session.update(session=SETTINGS)
            await client.until("session.updated")
            yield client


async def test_a_turn_with_the_real_client() -> None:
    script = parse_script(
        'speed = 40\nfirst_audio_s = 0\n[[replies]]\nsay = "Your appointment is cancelled."'
    )
    async with SimulatedOpenAI(script).running() as simulator, dialled(simulator) as client:
        confirmed = client.events[-1].session
        assert confirmed.audio.input.format.type == "audio/pcmu"
        assert confirmed.audio.output.voice == "marin"
        await client.say_sentence()
        done = await client.until("response.done")
        names = [event.type for event in client.events]
        assert names.index("input_audio_buffer.speech_started") < names.index(
            "input_audio_buffer.speech_stopped"
        )
        assert done.response.status == "completed"
        assert done.response.output[0].content[0].transcript == "Your appointment is cancelled."
        assert done.response.usage.output_token_details.audio_tokens == 36
        assert len(client.audio()) == 480 * len("Your appointment is cancelled.")
        await client.until("conversation.item.input_audio_transcription.completed")
        connection = await simulator.connected()
        await connection.until("session.update")
        assert connection.conversation.appends == 43
        assert [received.event["type"] for received in connection.received] == ["session.update"]
        assert connection.opened_at <= connection.received[0].at
        assert connection.model == "gpt-realtime"


async def test_a_barge_in_with_the_real_client() -> None:
    async with (
        SimulatedOpenAI(parse_script("[[replies]]\nseconds = 30")).running() as simulator,
        dialled(simulator) as client,
    ):
        await client.say_sentence()
        delta = await client.until("response.output_audio.delta", times=5)
        await client.say_sentence()
        done = await client.until("response.done")
        assert done.response.status == "cancelled"
        assert done.response.status_details.reason == "turn_detected"
        await client.connection.conversation.item.truncate(
            item_id=delta.item_id, content_index=0, audio_end_ms=120
        )
        truncated = await client.until("conversation.item.truncated")
        assert truncated.audio_end_ms == 120
        await client.connection.conversation.item.truncate(
            item_id=delta.item_id, content_index=0, audio_end_ms=10_000, event_id="late"
        )
        error = (await client.until("error")).error
        assert (error.message, error.event_id) == (
            "Audio content of 120ms is already shorter than 10000ms",
            "late",
        )
        ends = [
            truncate.event["audio_end_ms"]
            for truncate in simulator.connections[0].events("conversation.item.truncate")
        ]
        assert ends == [120, 10_000]


async def test_tools_with_the_real_client() -> None:
    script = parse_script(
        """
        speed = 0
        [[replies]]
        calls = [{ name = "book", arguments = '{"day": 5}' }, { name = "book", arguments = '{' }]
        [[replies]]
        on_output = "book"
        say = "Done."
        """
    )
    async with SimulatedOpenAI(script).running() as simulator, dialled(simulator) as client:
        talk = client.connection
        await talk.conversation.item.create(
            item={"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Friday."}]}
        )
        await talk.response.create()
        await talk.response.create(event_id="too_soon")
        error = (await client.until("error")).error
        assert (error.code, error.event_id) == ("conversation_already_has_active_response", "too_soon")
        await client.until("response.done")
        calls = [one for one in client.events if one.type == "response.function_call_arguments.done"]
        assert [(call.name, call.arguments) for call in calls] == [("book", '{"day": 5}'), ("book", "{")]
        for call in calls:
            await talk.conversation.item.create(
                item={"type": "function_call_output", "call_id": call.call_id, "output": "ok"}
            )
        await talk.response.create(response={"metadata": {"client_event_id": "rc_7"}})
        done = await client.until("response.done")
        assert done.response.metadata == {"client_event_id": "rc_7"}
        assert done.response.output[0].content[0].transcript == "Done."


async def test_takes_instructions_of_any_length() -> None:
    long = "Be brief. " * 50_000
    async with SimulatedOpenAI().running() as simulator, dialled(simulator) as client:
        await client.connection.session.update(session={"type": "realtime", "instructions": long})
        assert (await client.until("session.updated")).session.instructions == long


async def test_an_upgrade_is_refused_and_the_next_one_is_not() -> None:
    statuses = [401, 403, 404, 429]
    faults = "\n".join(f"[[faults]]\nconnections = [{n}]\nrefuse = {s}" for n, s in enumerate(statuses, 1))
    async with SimulatedOpenAI(parse_script(faults)).running() as simulator:
        for status in statuses:
            with pytest.raises(InvalidStatus) as refusal:
                async with dialled(simulator):
                    pass
            assert refusal.value.response.status_code == status
        async with dialled(simulator):
            pass
        assert simulator.upgrades == [*statuses, 101]
        assert [connection.number for connection in simulator.connections] == [5]


BEARER = {"Authorization": "Bearer sk-x"}
UPGRADES: list[tuple[str, dict[str, str], HTTPStatus]] = [
    ("/v1/realtime?model=m", BEARER, HTTPStatus.SWITCHING_PROTOCOLS),
    ("/v1/realtime?model=m", {"api-key": "x"}, HTTPStatus.SWITCHING_PROTOCOLS),
    ("/openai/v1/realtime?model=m", {"api-key": "x"}, HTTPStatus.SWITCHING_PROTOCOLS),
    ("/v1/realtime?model=m", {}, HTTPStatus.UNAUTHORIZED),
    ("/v1/realtime?model=m", {"Authorization": "Basic x"}, HTTPStatus.UNAUTHORIZED),
    ("/v1/realtime", BEARER, HTTPStatus.BAD_REQUEST),
    ("/v1/live/sessions?model=m", BEARER, HTTPStatus.NOT_FOUND),
    ("/realtime?model=m", BEARER, HTTPStatus.NOT_FOUND),
]


@pytest.mark.parametrize(("path", "headers", "status"), UPGRADES)
async def test_which_upgrades_are_accepted(path: str, headers: dict[str, str], status: HTTPStatus) -> None:
    async with SimulatedOpenAI().running() as simulator:
        url = f"ws://127.0.0.1:{simulator.port}{path}"
        if status is HTTPStatus.SWITCHING_PROTOCOLS:
            async with connect(url, additional_headers=headers) as client:
                assert '"session.created"' in str(await client.recv())
        else:
            with pytest.raises(InvalidStatus):
                await connect(url, additional_headers=headers)
        assert simulator.upgrades == [status]


async def closed_with(client: ClientConnection) -> int | None:
    """Read to the end: its code."""
    with suppress(ConnectionClosed):
        async with asyncio.timeout(TIMEOUT_S):
            while True:
                await client.recv()
    return client.close_code


@pytest.mark.parametrize("code", [1001, 1006, 1011, 4000])
async def test_it_closes_as_scripted(code: int) -> None:
    script = parse_script(f"[[replies]]\nseconds = 5\nfaults = {{ close = {code}, after_ms = 200 }}")
    async with SimulatedOpenAI(script).running() as simulator:
        url = f"ws://127.0.0.1:{simulator.port}/v1/realtime?model=m"
        async with connect(url, additional_headers=BEARER) as client:
            message = '{"type":"message","role":"user","content":[{"type":"input_text","text":"hi"}]}'
            await client.send(f'{{"type":"conversation.item.create","item":{message}}}')
            await client.send('{"type":"response.create"}')
            assert await closed_with(client) == code
        assert (await simulator.connections[0].over())[0] == code


async def test_a_stalled_reader_reads_again_later() -> None:
    async with SimulatedOpenAI(parse_script("[faults]\nstall_s = 0.3")).running() as simulator:
        url = f"ws://127.0.0.1:{simulator.port}/v1/realtime?model=m"
        async with connect(url, additional_headers=BEARER) as client:
            await client.recv()
            (connection,) = simulator.connections
            asked_at = asyncio.get_running_loop().time()
            await client.send('{"type":"input_audio_buffer.clear"}')
            async with asyncio.timeout(TIMEOUT_S):
                assert '"input_audio_buffer.cleared"' in str(await client.recv())
            assert asyncio.get_running_loop().time() - asked_at > 0.2
            assert len(connection.received) == 1


async def test_the_connections_end_with_the_server() -> None:
    simulator = SimulatedOpenAI()
    async with simulator.running():
        url = f"ws://127.0.0.1:{simulator.port}/v1/realtime?model=m"
        client = await connect(url, additional_headers=BEARER)
    assert await closed_with(client) == 1006
    assert (await simulator.connections[0].over())[0] == 1006


async def test_serves_until_sigterm() -> None:
    with structlog.testing.capture_logs() as logs:
        serving = asyncio.ensure_future(serve(None, "127.0.0.1", 0))
        async with asyncio.timeout(TIMEOUT_S):
            while not logs:  # noqa: ASYNC110  # what it logs is all that it tells
                await asyncio.sleep(0.005)
        url = logs[0]["url"].replace("http", "ws")
        async with connect(f"{url}/realtime?model=m", additional_headers=BEARER):
            pass
        os.kill(os.getpid(), signal.SIGTERM)
        async with asyncio.timeout(TIMEOUT_S):
            await serving
    assert logs[0]["event"] == "= simulated OpenAI Realtime"


async def test_a_script_that_cannot_be_read_is_reported_at_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"nowhere\.toml"):
        await serve(tmp_path / "nowhere.toml", "127.0.0.1", 0)
