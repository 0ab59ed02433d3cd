"""Calls with several parties at the simulated Twilio: a small server puts them together, and they hear each other.

The server is not the bridge: it answers webhooks with fixed documents, and its media socket says one sentence.
"""

import asyncio
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import pytest
from aiohttp import ClientSession, WSMsgType, web
from aiohttp.test_utils import TestServer

from bridge.simulators.carriers.api_log import ApiLog
from bridge.simulators.carriers.twilio.people_call import place_people_call
from bridge.simulators.carriers.twilio.server import ACCOUNT_SID, AUTH_TOKEN
from bridge.simulators.changes import Changes
from bridge.simulators.openai.voice import spoken
from bridge.simulators.phone.likeness import find_sound
from bridge.simulators.phone.people import People
from bridge.simulators.phone.people_call import PartyReport, PeopleCall, PeopleReport
from bridge.simulators.phone.plan import CallPlan
from telecodecs.codec import encoder
from telecodecs.format import PCMU_8K

RATE_HZ = 8_000
GREETING = spoken("hello", RATE_HZ)
QUESTION = "my question"
ANSWER = "an answer"
Document = Callable[[dict[str, str]], str]


class Office:
    """A server with webhooks and a media socket. `documents`: the answer to each path, made from the form."""

    def __init__(self) -> None:
        self.url = ""
        self.documents: dict[str, Document] = {}
        self.forms: list[tuple[str, dict[str, str]]] = []
        self.heard: list[bytes] = []
        self.events: list[str] = []
        self.closes_after_greeting = True
        self.changes = Changes()

    async def hook(self, request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        self.forms.append((request.path, form))
        self.changes.notify()
        document = self.documents.get(request.path)
        body = "" if document is None else f"<Response>{document(form)}</Response>"
        return web.Response(text=body, content_type="text/xml")

    async def media(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            assert message.type is WSMsgType.TEXT
            event = msgspec.json.decode(message.data)
            self.events.append(event["event"])
            match event["event"]:
                case "start":
                    sid = event["streamSid"]
                    payload = b64encode(encoder(PCMU_8K)(GREETING)).decode()
                    await socket.send_json(
                        {"event": "media", "streamSid": sid, "media": {"payload": payload}}
                    )
                    await socket.send_json({"event": "mark", "streamSid": sid, "mark": {"name": "said"}})
                case "media":
                    self.heard.append(b64decode(event["media"]["payload"]))
                case "mark" if self.closes_after_greeting:
                    await socket.close()
        return socket

    def told(self, path: str, **fields: str) -> list[dict[str, str]]:
        return [form for at, form in self.forms if at == path and fields.items() <= form.items()]


@pytest.fixture
async def office() -> AsyncIterator[Office]:
    office = Office()
    app = web.Application()
    app.router.add_get("/media", office.media)
    app.router.add_post("/{path:.*}", office.hook)
    async with TestServer(app) as server:
        office.url = str(server.make_url("/"))
        stream = f'<Connect><Stream url="ws://127.0.0.1:{server.port}/media"/></Connect>'
        office.documents["/voice"] = lambda _: stream + "<Redirect>/next</Redirect>"
        yield office


def people(caller: dict[str, Any], **persons: dict[str, Any]) -> People:
    return People.model_validate({"caller": caller, "people": persons})


async def call(office: Office, who: People, **asked: Any) -> tuple[PeopleReport, ApiLog]:
    log = ApiLog()
    given = PeopleCall(f"{office.url}voice", lambda _: CallPlan(), who, log=log, **asked)
    async with asyncio.timeout(15):
        return await place_people_call(given), log


def party(report: PeopleReport, name: str) -> PartyReport:
    return next(one for one in report.parties if one.name == name)


def hears(report: PeopleReport, listener: str, words: str) -> float:
    return find_sound(party(report, listener).heard, spoken(words, RATE_HZ)).likeness


ANN = {
    "to": "+15550111",
    "answers_after_s": 0.3,
    "says": [{"at_s": 0.2, "since": "joined", "words": ANSWER}],
}
CALLER = {"says": [{"at_s": 0.1, "since": "joined", "words": QUESTION}]}


async def test_a_stream_then_a_person_and_back(office: Office) -> None:
    number = '<Number statusCallback="/person" statusCallbackEvent="initiated ringing answered completed">'
    office.documents["/next"] = lambda _: f'<Dial action="/back">{number}+15550111</Number></Dial>'
    office.documents["/back"] = lambda _: "<Hangup/>"
    who = people(CALLER, ann={**ANN, "hangs_up_after_s": 1.4})
    report, log = await call(office, who)

    assert find_sound(party(report, "caller").heard, GREETING).likeness >= 0.95
    assert hears(report, "caller", ANSWER) >= 0.9
    assert hears(report, "ann", QUESTION) >= 0.9
    assert find_sound(party(report, "ann").heard, GREETING).likeness < 0.7
    (back,) = office.told("/back")
    assert (back["DialCallStatus"], back["DialBridged"], back["DialCallDuration"]) == (
        "completed",
        "true",
        "2",
    )
    said = sorted(office.told("/person"), key=lambda form: form["SequenceNumber"])
    assert [form["CallStatus"] for form in said] == ["initiated", "ringing", "in-progress", "completed"]
    assert {form["ParentCallSid"] for form in said} == {back["CallSid"]}
    order = [(line["party"], line["event"]) for line in log.lines if line["kind"] in ("stream", "party")]
    assert order == [
        ("caller", "answered"),
        ("caller", "opened"),
        ("caller", "closed"),
        ("ann", "answered"),
        ("ann", "hangs up"),
        ("ann", "left"),
        ("caller", "left"),
    ]
    times = [line["at_ms"] for line in log.lines]
    assert times == sorted(times)


NOBODY = [
    ({"busy": True}, "busy"),
    ({"refused": True}, "busy"),
    ({"failed": True}, "failed"),
    ({"no_answer": True}, "no-answer"),
]


@pytest.mark.parametrize(("how", "status"), NOBODY)
async def test_nobody_is_reached(office: Office, how: dict[str, Any], status: str) -> None:
    office.documents["/voice"] = lambda _: (
        '<Dial action="/back" timeout="1"><Number>+15550111</Number></Dial>'
    )
    office.documents["/back"] = lambda _: "<Hangup/>"
    report, _ = await call(office, people({}, ann={"to": "+15550111", "answers_after_s": 0.2, **how}))
    assert [form["DialCallStatus"] for form in office.told("/back")] == [status]
    assert [one.name for one in report.parties] == ["caller"]
    assert party(report, "caller").heard.any()  # the ringback tone


async def test_the_first_to_answer_wins(office: Office) -> None:
    numbers = "".join(
        f'<Number statusCallback="/person">{number}</Number>' for number in ("+15550111", "+15550112")
    )
    office.documents["/voice"] = lambda _: f'<Dial action="/back" answerOnBridge="true">{numbers}</Dial>'
    office.documents["/back"] = lambda _: "<Hangup/>"
    who = people({}, ann={**ANN, "hangs_up_after_s": 0.3}, bob={"to": "+15550112", "answers_after_s": 2})
    report, log = await call(office, who)
    assert [one.name for one in report.parties] == ["caller", "ann"]
    assert {form["To"]: form["CallStatus"] for form in office.told("/person")} == {
        "+15550112": "canceled",
        "+15550111": "completed",
    }
    answered = {line["party"]: line["at_ms"] for line in log.lines if line.get("event") == "answered"}
    assert answered["caller"] == pytest.approx(answered["ann"], abs=50)  # answerOnBridge


async def test_a_conference_of_three_and_one_on_hold(office: Office) -> None:
    """Ann is called and joined by documents, Bob is added by request; then the caller is held."""
    room = '<Dial><Conference participantLabel="{}" statusCallback="/room" statusCallbackEvent="start join leave hold end"{}>r</Conference></Dial>'
    office.documents["/voice"] = lambda _: room.format("caller", ' endConferenceOnExit="true"')
    office.documents["/ann"] = lambda _: room.format("ann", "")
    says = {"caller": "who is there", "ann": "lovely day", "bob": "ok fine"}

    def talks(name: str, at_s: float) -> list[dict[str, Any]]:
        return [{"at_s": at, "since": "joined", "words": says[name]} for at in (at_s, at_s + 2.6)]

    who = people(
        {"says": talks("caller", 0.4), "hangs_up_after_s": 5.2},
        ann={"to": "+15550111", "answers_after_s": 0.1, "says": talks("ann", 1.3)},
        bob={"to": "+15550112", "answers_after_s": 0.1, "says": talks("bob", 1.9)},
    )
    log = ApiLog()
    port = await _free_port()
    given = PeopleCall(f"{office.url}voice", lambda _: CallPlan(), who, log=log, port=port)
    placing = asyncio.create_task(place_people_call(given))
    credentials = {"Authorization": f"Basic {b64encode(f'{ACCOUNT_SID}:{AUTH_TOKEN}'.encode()).decode()}"}
    api = f"http://127.0.0.1:{port}/2010-04-01/Accounts/{ACCOUNT_SID}"
    async with asyncio.timeout(15), ClientSession(headers=credentials) as http:
        await office.changes.until(lambda: bool(office.told("/room", StatusCallbackEvent="participant-join")))
        parties = {"From": "+15550100", "To": "+15550111", "Url": f"{office.url}ann"}
        assert (await http.post(f"{api}/Calls.json", data=parties)).status == 201
        await office.changes.until(
            lambda: len(office.told("/room", StatusCallbackEvent="participant-join")) == 2
        )
        room_sid = office.told("/room")[0]["ConferenceSid"]
        bob = {"From": "+15550100", "To": "+15550112", "Label": "bob"}
        assert (await http.post(f"{api}/Conferences/r/Participants.json", data=bob)).status == 201
        await office.changes.until(
            lambda: len(office.told("/room", StatusCallbackEvent="participant-join")) == 3
        )
        await asyncio.sleep(2.5)  # until all three have spoken once
        people_url = f"{api}/Conferences/{room_sid}/Participants"
        held = await (await http.post(f"{people_url}/caller.json", data={"Hold": "true"})).json()
        assert (held["hold"], held["label"]) == (True, "caller")
        first = {one.name: one for one in (await placing).parties}
    for listener, talker in [(one, other) for one in says for other in says if one != other]:
        heard = first[listener].heard
        assert find_sound(heard, spoken(says[talker], RATE_HZ)).likeness >= 0.9, (listener, talker)
    held_at = [line["at_ms"] for line in log.lines if line.get("whom") == ["@music"]][-1]
    after = int((held_at + 40) * RATE_HZ / 1000)
    assert find_sound(first["bob"].heard[after:], spoken(says["ann"], RATE_HZ)).likeness >= 0.9
    assert find_sound(first["caller"].heard[after:], spoken(says["ann"], RATE_HZ)).likeness < 0.6
    assert find_sound(first["bob"].heard[after:], spoken(says["caller"], RATE_HZ)).likeness < 0.6
    ends = office.told("/room", StatusCallbackEvent="conference-end")
    assert [end["ReasonConferenceEnded"] for end in ends] == ["participant-with-end-conference-on-exit-left"]


async def _free_port() -> int:
    listener = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port: int = listener.sockets[0].getsockname()[1]
    listener.close()
    await listener.wait_closed()
    return port


async def test_a_call_that_is_rejected(office: Office) -> None:
    from bridge.vocabulary.errors import CallRefused

    office.documents["/voice"] = lambda _: '<Reject reason="busy"/>'
    with pytest.raises(CallRefused, match="rejected"):
        await call(office, people({}))
    assert not office.events


async def test_the_caller_hangs_up_while_it_rings(office: Office) -> None:
    office.documents["/voice"] = lambda _: (
        '<Dial action="/back"><Number statusCallback="/p">+15550111</Number></Dial>'
    )
    await call(office, people({"hangs_up_after_s": 0.3}, ann={**ANN, "answers_after_s": 5}))
    assert [form["CallStatus"] for form in office.told("/p")] == ["canceled"]
    (back,) = office.told("/back")
    assert (back["CallStatus"], back["DialCallStatus"]) == ("completed", "canceled")
