"""Calls with several parties at the simulated Telnyx under Call Control: a small server puts them together.

The server is not the bridge: it answers the call, streams, dials a person, bridges, and streams again.
"""

import asyncio
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from aiohttp import ClientSession, WSMsgType, web
from aiohttp.test_utils import TestServer

from bridge.simulators.carriers.api_log import ApiLog
from bridge.simulators.carriers.contract import CallOptions
from bridge.simulators.carriers.telnyx.people_call import place_call_control_call
from bridge.simulators.carriers.telnyx.server import API_KEY
from bridge.simulators.changes import Changes
from bridge.simulators.openai.voice import spoken
from bridge.simulators.phone.likeness import find_sound
from bridge.simulators.phone.people import People
from bridge.simulators.phone.people_call import PartyReport, PeopleCall, PeopleReport
from bridge.simulators.phone.plan import CallPlan
from telecodecs.codec import encoder
from telecodecs.format import PCMU_8K

GREETING = "hello"
CALLER, ANN, BOB = "+15550199", "+15550111", "+15550112"
Event = dict[str, Any]
Reaction = Callable[["Office", Event], Awaitable[None]]


class Office:
    """A server with a webhook and a media socket, and a client of the REST API. `reactions`: to events, by kind."""

    def __init__(self, port: int) -> None:
        self.url = ""
        self.reactions: dict[str, Reaction] = {}
        self.kinds: list[tuple[str, str]] = []
        self.heard: dict[str, list[bytes]] = {}
        self.digits: list[str] = []
        self.changes = Changes()
        self.legs: dict[str, str] = {}
        self.port = port
        self._api = f"http://127.0.0.1:{port}/v2"

    async def hook(self, request: web.Request) -> web.Response:
        event = (await request.json())["data"]
        payload = event["payload"]
        about = payload["from"] if payload["to"] == "+15550100" else payload["to"]
        self.legs[about] = payload["call_control_id"]
        self.kinds.append((event["event_type"], about))
        self.changes.notify()
        reaction = self.reactions.get(f"{event['event_type']} {about}")
        if reaction is not None:
            await reaction(self, payload)
        return web.Response()

    async def media(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            assert message.type is WSMsgType.TEXT
            event = msgspec.json.decode(message.data)
            if event["event"] == "start":
                payload = b64encode(encoder(PCMU_8K)(spoken(GREETING, 8_000))).decode()
                await socket.send_json({"event": "media", "media": {"payload": payload}})
            elif event["event"] == "media":
                self.heard.setdefault(event["stream_id"], []).append(b64decode(event["media"]["payload"]))
            elif event["event"] == "dtmf":
                self.digits.append(event["dtmf"]["digit"])
                self.changes.notify()
        return socket

    async def command(self, path: str, **body: Any) -> Any:
        async with ClientSession(headers={"Authorization": f"Bearer {API_KEY}"}) as http:
            fields = {name.rstrip("_"): value for name, value in body.items()}
            async with http.post(f"{self._api}{path}", json=fields) as answer:
                assert answer.status == 200, await answer.text()
                return (await answer.json())["data"]

    async def act(self, about: str, action: str, **body: Any) -> Any:
        return await self.command(f"/calls/{quote(self.legs[about], safe='')}/actions/{action}", **body)

    async def stream(self, about: str) -> None:
        await self.act(
            about, "streaming_start", stream_url=f"ws{self.url[4:]}media", stream_bidirectional_mode="rtp"
        )

    async def until(self, kind: str, about: str, times: int = 1) -> None:
        await self.changes.until(lambda: self.kinds.count((kind, about)) >= times)


@pytest.fixture
async def office() -> AsyncIterator[Office]:
    listener = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port: int = listener.sockets[0].getsockname()[1]
    listener.close()
    await listener.wait_closed()
    office = Office(port)
    app = web.Application()
    app.router.add_post("/hook", office.hook)
    app.router.add_get("/media", office.media)
    async with TestServer(app) as server:
        office.url = str(server.make_url("/"))
        yield office


def placing(office: Office, who: dict[str, Any], **asked: Any) -> tuple[asyncio.Task[PeopleReport], ApiLog]:
    log = ApiLog()
    people = People.model_validate(who)
    given = PeopleCall(f"{office.url}hook", lambda _: CallPlan(), people, log=log, port=office.port, **asked)
    return asyncio.create_task(place_call_control_call(given)), log


def party(report: PeopleReport, name: str) -> PartyReport:
    return next(one for one in report.parties if one.name == name)


def hears(report: PeopleReport, listener: str, words: str) -> float:
    one = party(report, listener)
    return find_sound(one.heard, spoken(words, one.rate_hz)).likeness


@pytest.mark.parametrize("codec", ["PCMU", "L16"])
async def test_a_stream_then_a_person_and_back(office: Office, codec: str) -> None:
    """Ann presses a key while she is streamed, is bridged, hangs up; the caller parks and is streamed again."""
    who = {
        "caller": {
            "says": [{"at_s": 0.1, "since": "joined", "words": "my question"}],
            "hangs_up_after_s": 0.9,
            "hangs_up_since": "left",
        },
        "people": {
            "ann": {
                "to": ANN,
                "answers_after_s": 0.2,
                "presses": [{"at_s": 0.2, "since": "heard", "keys": "1"}],
                "says": [{"at_s": 0.9, "since": "joined", "words": "an answer"}],
                "hangs_up_after_s": 1.7,
                "hangs_up_since": "joined",
            }
        },
    }
    call, log = placing(office, who, options=CallOptions(codec=codec))
    async with asyncio.timeout(15):
        await office.until("call.initiated", CALLER)
        await office.act(CALLER, "answer")
        await office.stream(CALLER)
        link = office.legs[CALLER]
        await office.command(
            "/calls", connection_id="1", to=ANN, from_="+15550100", link_to=link, bridge_intent=True
        )
        await office.until("call.answered", ANN)
        await office.stream(ANN)
        await office.changes.until(lambda: office.digits == ["1"])
        for about in (CALLER, ANN):
            await office.act(about, "streaming_stop")
        await office.act(CALLER, "bridge", call_control_id=office.legs[ANN], park_after_unbridge="self")
        await office.until("call.hangup", ANN)
        await office.stream(CALLER)
        report = await call
    assert office.kinds.count(("call.bridged", CALLER)) == 1
    assert office.kinds.count(("call.dtmf.received", ANN)) == 1
    assert hears(report, "caller", "an answer") >= 0.9
    assert hears(report, "ann", "my question") >= 0.9
    opened = [
        line["at_ms"] for line in log.lines if line.get("event") == "opened" and line["party"] == "caller"
    ]
    heard = party(report, "caller").heard[int(opened[1] * party(report, "caller").rate_hz / 1000) :]
    assert find_sound(heard, spoken(GREETING, party(report, "caller").rate_hz)).likeness >= 0.9
    assert party(report, "ann").pressed == "1"
    assert party(report, "ann").rate_hz == (8_000 if codec == "PCMU" else 16_000)


async def test_a_conference_of_three(office: Office) -> None:
    says = {"caller": "who is there", "ann": "lovely day", "bob": "ok fine"}

    def talks(name: str, at_s: float) -> list[dict[str, Any]]:
        return [{"at_s": at_s, "since": "joined", "words": says[name]}]

    who = {
        "caller": {"says": talks("caller", 0.4), "hangs_up_after_s": 3.4},
        "people": {
            "ann": {"to": ANN, "answers_after_s": 0.1, "says": talks("ann", 1.2)},
            "bob": {"to": BOB, "answers_after_s": 0.1, "says": talks("bob", 1.9)},
        },
    }
    call, _ = placing(office, who)
    async with asyncio.timeout(15):
        await office.until("call.initiated", CALLER)
        await office.act(CALLER, "answer")
        room = (await office.command("/conferences", call_control_id=office.legs[CALLER], name="r"))["id"]
        for number in (ANN, BOB):
            await office.command("/calls", connection_id="1", to=number, from_="+15550100")
            await office.until("call.answered", number)
            ends = {"end_conference_on_exit": number == BOB}
            await office.command(
                f"/conferences/{room}/actions/join", call_control_id=office.legs[number], **ends
            )
        await office.until("call.hangup", CALLER)
        await office.act(BOB, "hangup")
        report = await call
    for listener, talker in [(one, other) for one in says for other in says if one != other]:
        assert hears(report, listener, says[talker]) >= 0.9, (listener, talker)
    assert ("conference.ended", BOB) in office.kinds
    assert office.kinds.count(("call.hangup", ANN)) == 1


async def test_who_is_not_answered_is_told_why(office: Office) -> None:
    from bridge.vocabulary.errors import CallRefused

    call, _ = placing(office, {}, rings_s=5)
    async with asyncio.timeout(10):
        await office.until("call.initiated", CALLER)
        await office.act(CALLER, "reject", cause="USER_BUSY")
        with pytest.raises(CallRefused, match="user_busy"):
            await call


async def test_who_is_left_behind_is_hung_up_on(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.simulators.phone.people_call.LEFT_S", 0.3)
    who = {"caller": {"hangs_up_after_s": 0.4}, "people": {"ann": {"to": ANN, "answers_after_s": 0.1}}}
    call, log = placing(office, who)
    async with asyncio.timeout(10):
        await office.until("call.initiated", CALLER)
        await office.act(CALLER, "answer")
        await office.command("/calls", connection_id="1", to=ANN, from_="+15550100")
        report = await call
    assert [line["call"] for line in log.lines if line.get("event") == "left behind"] == [office.legs[ANN]]
    assert [one.name for one in report.parties] == ["caller", "ann"]


async def test_faults_of_the_rest_api(office: Office) -> None:
    """The first dial is not answered but performed; the same command again is the same leg."""
    faults = {"requests": ["dial"], "silent": 1}
    call, log = placing(
        office, {"faults": faults, "caller": {"hangs_up_after_s": 0.5}, "people": {"ann": {"to": ANN}}}
    )
    dial = {"connection_id": "1", "to": ANN, "from_": "+15550100", "command_id": "one"}
    async with asyncio.timeout(10):
        await office.until("call.initiated", CALLER)
        await office.act(CALLER, "answer")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await office.command("/calls", **dial)
        again = await office.command("/calls", **dial)
        assert again["call_control_id"] == office.legs[ANN]
        await office.act(ANN, "hangup")
        await call
    assert [line["status"] for line in log.lines if line.get("name") == "dial"] == [None, 200]
    assert office.kinds.count(("call.initiated", ANN)) == 1
