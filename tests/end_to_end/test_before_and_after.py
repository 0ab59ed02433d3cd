"""Calls of both carriers over loopback, with a server of the user's own that is asked before them and told after them."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from msgspec import json
from structlog.testing import capture_logs

from bridge.config.settings import Settings
from bridge.shell.server import Server
from bridge.shell.session import clock
from bridge.shell.signed_posts import SIGNATURE_HEADER, TIMESTAMP_HEADER, signature
from bridge.simulators.carriers.contract import CALLED, CALLER
from bridge.simulators.carriers.telnyx.call_control_phone import CallControlPhone
from bridge.simulators.carriers.telnyx.exchange import TelnyxExchange
from bridge.simulators.carriers.telnyx.server import SimulatedTelnyx
from bridge.simulators.carriers.telnyx.webhooks import Signer
from bridge.simulators.carriers.twilio.exchange import TwilioExchange
from bridge.simulators.phone.call import place_call
from bridge.simulators.phone.plan import CallPlan, Digit
from bridge.simulators.phone.report import CallReport
from bridge.vocabulary.errors import CallRefused
from telecodecs.format import PCMU_8K

SECRET = "made of 32 letters, and not told"  # of a test
TIMEOUT_S = 30.0
LATEST_ANSWER_S = 2.3
SPEECH = np.random.default_rng(7).integers(0, 127, PCMU_8K.bytes_in(100), np.uint8).tobytes()


class Office:
    """The users' server: /before/WHAT answers as WHAT says, /after takes the reports, at the second try."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.reports: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.ids: list[str] = []
        self.let_go, self.is_asked = asyncio.Event(), asyncio.Event()
        app = web.Application()
        app.router.add_post("/before/{what}", self._before)
        app.router.add_post("/after", self._after)
        self.server = TestServer(app)

    async def _before(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        assert request.headers[SIGNATURE_HEADER] == signature(SECRET, request.headers[TIMESTAMP_HEADER], body)
        self.asked.append(json.decode(body))
        self.is_asked.set()
        match request.match_info["what"]:
            case "late":
                await self.let_go.wait()
            case "500":
                return web.Response(status=500)
            case "broken":
                return web.Response(text='{"assistant":"echo"')
            case "huge":
                return web.Response(body=b'{"assistant":"' + b"x" * 1_048_576 + b'"}')
            case "busy" | "rejected" as reason:
                return web.json_response({"reject": reason})
            case "strange":
                return web.json_response({"assistant": "nobody", "put_through": "billing"})
        return web.json_response({"assistant": "echo", "variables": {"plan": "gold"}, "parameters": {"n": 7}})

    async def _after(self, request: web.Request) -> web.Response:
        body = await request.read()
        assert request.headers[SIGNATURE_HEADER] == signature(SECRET, request.headers[TIMESTAMP_HEADER], body)
        self.ids.append(request.headers["Idempotency-Key"])
        if len(self.ids) == 1:
            return web.Response(status=503)
        await self.reports.put(json.decode(body))
        return web.Response(status=204)


@pytest.fixture
async def office() -> AsyncIterator[Office]:
    office = Office()
    await office.server.start_server()
    yield office
    office.let_go.set()
    await office.server.close()


class House:
    """A server, and one call to it by way of one carrier."""

    def __init__(self, carrier: str, office: Office, folder: Path, what: str, default: str) -> None:
        self.carrier = carrier
        self.answered_s = 0.0
        """From the ring to the answer to the carrier."""
        self.reports: list[CallReport] = []
        self.commands: list[str] = []
        self.cause = ""
        self._folder = folder
        self._is_rejected = what in ("busy", "rejected")
        self._plain: dict[str, Any] = {
            "port": 0,
            "assistant": default,
            "before_call": {"url": str(office.server.make_url(f"/before/{what}")), "secret": SECRET},
            "after_call": {"url": str(office.server.make_url("/after")), "secret": SECRET},
            "journal": {"directory": folder},
            "recording": {"directory": folder},
        }

    async def call(self, plan: CallPlan) -> None:
        """A whole call; the server closes behind it. Raises `CallRefused` where the webhook takes no call."""
        async with asyncio.timeout(TIMEOUT_S):
            if self.carrier == "call control":
                await self._under_call_control(plan)
            else:
                await self._by_document(plan)

    async def _by_document(self, plan: CallPlan) -> None:
        keys: dict[str, Any] = {"twilio": {"auth_token": "12345"}}
        exchange: Any = TwilioExchange("12345")
        path = "/twilio/voice"
        if self.carrier == "texml":
            seed = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
            keys = {"telnyx": {"public_key": Signer(seed).public_key}}
            exchange, path = TelnyxExchange(private_key=seed), "/telnyx/texml"
        async with Server(Settings.model_validate(self._plain | keys)).running() as server:
            rang = clock()
            server.watch_webhooks(lambda *_: setattr(self, "answered_s", clock() - rang))
            url = f"http://127.0.0.1:{server.port}{path}"
            self.reports.append(await place_call(url, plan, carrier=exchange))
            await server.admission.idle()

    async def _under_call_control(self, plan: CallPlan) -> None:
        phone = CallControlPhone(lambda _line: plan)
        async with SimulatedTelnyx(phone).running() as telnyx:
            keys = {"public_key": telnyx.public_key, "api_key": telnyx.api_key, "api_url": telnyx.url}
            settings = Settings.model_validate(self._plain | {"telnyx": keys})
            async with Server(settings).running() as server:
                rang = clock()
                call = telnyx.ring(f"{server.admission.public_url}/telnyx/webhook")
                over = asyncio.ensure_future(telnyx.over(call))
                await telnyx.commanded("reject" if self._is_rejected else "answer")
                self.answered_s = clock() - rang
                await over
                await server.admission.idle()
            self.reports = phone.reports
            self.commands = [command.name for command in telnyx.commands]
            self.cause = call.cause

    def journal(self, what: str) -> list[dict[str, Any]]:
        """The lines of this kind in all journals."""
        lines = [line for file in self._folder.glob("*.jsonl") for line in file.read_bytes().splitlines()]
        return [line for line in map(json.decode, lines) if line["what"] == what]


CARRIERS = pytest.mark.parametrize("carrier", ["twilio", "texml", "call control"])
TALKS = CallPlan(SPEECH, linger_s=0.2)
FAULTS = {
    "late": "no whole answer within 2 s",
    "500": "it answers with HTTP 500",
    "broken": "its answer is not JSON: expected an object, or no body",
    "huge": "its answer is longer than 65536 bytes",
}


@CARRIERS
@pytest.mark.parametrize("what", FAULTS)
async def test_a_fault_before_the_call_costs_its_timeout_at_most_and_the_call_talks(
    carrier: str, what: str, office: Office, tmp_path: Path
) -> None:
    house = House(carrier, office, tmp_path, what, "echo")
    with capture_logs() as lines:
        await house.call(TALKS)
    (report,) = house.reports
    assert SPEECH in b"".join(audio for _, audio in report.received)
    assert house.answered_s <= LATEST_ANSWER_S
    assert len(office.asked) == 1
    reasons = [line["reason"] for line in lines if line["event"].startswith("= before_call")]
    assert reasons == [FAULTS[what]]


@CARRIERS
async def test_the_answer_chooses_who_answers_and_what_it_is_told(
    carrier: str, office: Office, tmp_path: Path
) -> None:
    house = House(carrier, office, tmp_path, "well", "parrot")
    with capture_logs() as lines:
        await house.call(TALKS)
    (report,) = house.reports
    assert SPEECH in b"".join(audio for _, audio in report.received), "the echo answers, not the parrot"
    (asked,) = office.asked
    assert (asked["from"], asked["to"], asked["direction"]) == (CALLER, CALLED, "inbound")
    assert (asked["verified"], asked["carrier"]) == (True, carrier if carrier == "twilio" else "telnyx")
    (opened,) = house.journal("OpenAssistant")
    assert (opened["assistant"], opened["parameters"]["n"]) == ("echo", "7")
    assert CALLER.encode() not in b"".join(file.read_bytes() for file in tmp_path.glob("*.jsonl"))
    started = next(line for line in lines if line["event"] == "= call started")
    assert started["assistant"] == "echo"


@CARRIERS
@pytest.mark.parametrize("reason", ["busy", "rejected"])
async def test_a_rejected_call_opens_no_stream_and_no_assistant(
    carrier: str, reason: str, office: Office, tmp_path: Path
) -> None:
    house = House(carrier, office, tmp_path, reason, "echo")
    if carrier == "call control":
        await house.call(TALKS)
        assert house.commands == ["reject"]
        assert house.cause == {"busy": "user_busy", "rejected": "call_rejected"}[reason]
    else:
        with pytest.raises(CallRefused, match=rf"the webhook rejected the call \({reason}\)"):
            await house.call(TALKS)
    assert house.reports == []
    assert list(tmp_path.iterdir()) == []
    assert office.reports.empty(), "there was no call to tell of"


async def test_an_assistant_and_a_person_who_do_not_exist_are_told_in_the_log(
    office: Office, tmp_path: Path
) -> None:
    house = House("twilio", office, tmp_path, "strange", "echo")
    with capture_logs() as lines:
        await house.call(TALKS)
    assert SPEECH in b"".join(audio for _, audio in house.reports[0].received)
    told = [line for line in lines if "names an assistant" in line["event"]]
    assert [line["assistant"] for line in told] == ["nobody"]
    told = [line for line in lines if line["event"].startswith("= before_call puts the call through")]
    assert [(line["person"], line["reason"]) for line in told] == [("", "[people] has nobody of this name")]


@CARRIERS
async def test_a_call_that_is_over_is_told_once_with_the_same_id(
    carrier: str, office: Office, tmp_path: Path
) -> None:
    house = House(carrier, office, tmp_path, "well", "echo")
    keys = tuple(Digit(key, 100 + 100 * at) for at, key in enumerate("12#"))
    await house.call(CallPlan(SPEECH, keys, linger_s=0.2))
    report = office.reports.get_nowait()
    assert office.ids == [report["id"]] * 2, "the first try was not taken"
    assert office.reports.empty()
    assert (report["facts"]["from"], report["facts"]["to"]) == (CALLER, CALLED)
    assert report["facts"]["variables"] == {"plan": "gold"}
    assert (report["assistants"], report["parameters"]["n"]) == (["echo"], "7")
    assert report["ended_by"] == "caller_or_carrier"
    assert [entry["digits"] for entry in report["entries"]] == ["12"]
    assert Path(report["recording"]).stat().st_size > 44
    assert report["duration_s"] > 0


async def test_a_hang_up_while_it_is_asked_ends_the_wait_and_opens_nothing(office: Office) -> None:
    """Meanwhile other webhooks are served, and a server that drains waits for the call."""
    before = {"url": str(office.server.make_url("/before/late")), "secret": SECRET, "timeout_s": 10}
    tables = {
        "port": 0,
        "assistant": "echo",
        "before_call": before,
        "security": {"allow_unauthenticated": True},
    }
    form = {"CallSid": "CA1", "From": CALLER, "To": CALLED, "CallStatus": "ringing", "Direction": "inbound"}
    async with (
        asyncio.timeout(TIMEOUT_S),
        Server(Settings.model_validate(tables)).running() as server,
        aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as http,
    ):
        voice = asyncio.ensure_future(http.post("/twilio/voice", data=form))
        await office.is_asked.wait()
        assert server.admission.promised == 1
        over = await http.post("/twilio/status", data=form | {"CallStatus": "completed"})
        answer = await voice
        assert (over.status, answer.status, await answer.text()) == (204, 410, "this call has ended")
        assert server.admission.promised == 0
