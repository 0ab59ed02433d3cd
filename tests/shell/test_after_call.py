"""Reports of calls over HTTP: signed, sent again with the same id until they are taken, and bounded when nobody takes them."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from msgspec import json
from structlog.testing import capture_logs

from bridge.observers.call_log import EndedBy
from bridge.observers.call_report import Report
from bridge.settings.before_and_after import AfterCallSettings
from bridge.shell import after_call as module
from bridge.shell.after_call import AfterCall
from bridge.shell.signed_posts import SIGNATURE_HEADER, TIMESTAMP_HEADER, signature
from bridge.vocabulary.call_facts import Facts

SECRET = "made of 32 letters, and not told"  # of a test
TIMEOUT_S = 5.0


def report(report_id: str = "id1") -> Report:
    return Report(
        report_id,
        "CA1",
        "twilio",
        "inbound",
        Facts("+15550199"),
        parameters={},
        started="",
        ended="",
        duration_s=1.0,
        ended_by=EndedBy.ASSISTANT,
        reason="settled",
        outcome="booked",
        assistants=["front"],
        transcript=[],
        entries=[],
        notes=[],
        handovers=[],
        counts={},
        tokens={},
        caller_s=1.0,
        assistant_s=1.0,
        turns=[],
    )


class Office:
    """The users' server: it keeps what it got, and answers with these statuses, the last one from then on."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.statuses = [204]
        self.changed = asyncio.Event()
        app = web.Application()
        app.router.add_post("/calls", self._take)
        self.server = TestServer(app)

    async def _take(self, request: web.Request) -> web.Response:
        self.got.append(
            ({name.lower(): value for name, value in request.headers.items()}, await request.read())
        )
        self.changed.set()
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        return web.Response(status=status, headers={"Location": "/elsewhere"} if status == 307 else {})

    async def took(self, times: int) -> None:
        async with asyncio.timeout(TIMEOUT_S):
            while len(self.got) < times:
                self.changed.clear()
                await self.changed.wait()

    def settings(self, **more: Any) -> AfterCallSettings:
        url = str(self.server.make_url("/calls"))
        return AfterCallSettings.model_validate({"url": url, "secret": SECRET} | more)


@pytest.fixture
async def office() -> AsyncIterator[Office]:
    office = Office()
    await office.server.start_server()
    yield office
    await office.server.close()


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE_S", 0.01)


@pytest.fixture
def late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE_S", 600.0)


async def test_a_report_is_signed_and_has_an_id(office: Office) -> None:
    after = AfterCall()
    after.tell(office.settings(headers={"X-Key": "open sesame"}), report())
    await office.took(1)
    await after.aclose()
    ((headers, body),) = office.got
    assert json.decode(body)["id"] == headers["idempotency-key"] == "id1"
    assert headers["content-type"] == "application/json"
    assert headers["x-key"] == "open sesame"
    timestamp = headers[TIMESTAMP_HEADER.lower()]
    assert headers[SIGNATURE_HEADER.lower()] == signature(SECRET, timestamp, body)


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("status", [500, 503, 404, 307])
async def test_a_report_that_was_not_taken_is_sent_again_with_the_same_id(
    office: Office, status: int
) -> None:
    office.statuses = [status, status, 200]
    after = AfterCall()
    with capture_logs() as lines:
        after.tell(office.settings(), report())
        await office.took(3)
        await after.aclose()
    assert {headers["idempotency-key"] for headers, _ in office.got} == {"id1"}
    assert len({body for _, body in office.got}) == 1
    assert [line["event"] for line in lines] == ["= after_call: a report was not taken; it is sent again"]


@pytest.mark.usefixtures("soon")
async def test_after_its_time_a_report_is_given_up(office: Office) -> None:
    office.statuses = [500]
    after = AfterCall()
    with capture_logs() as lines:
        after.tell(office.settings(tries_s=0), report())
        await asyncio.wait(after._tasks, timeout=TIMEOUT_S)
    await after.aclose()
    assert [(line["event"], line["reason"]) for line in lines] == [
        ("= after_call: a report was not taken", "it answers with HTTP 500")
    ]
    assert len(office.got) == 1


@pytest.mark.usefixtures("late")
async def test_a_server_that_stops_tries_once_more_at_once(office: Office) -> None:
    office.statuses = [500, 200]
    after = AfterCall()
    after.tell(office.settings(), report())
    await office.took(1)
    await after.aclose()
    assert len(office.got) == 2


async def test_a_server_that_stops_waits_no_longer_than_so(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LAST_REPORTS_S", 0.05)
    waiting = asyncio.Event()
    after = AfterCall(written=waiting.wait)  # type: ignore[arg-type]  # what it returns is not used
    after.tell(office.settings(), report(), lambda: None)
    with capture_logs() as lines:
        await after.aclose()
    assert [(line["event"], line["reports"]) for line in lines] == [
        ("= after_call: reports were not taken before the server stopped", 1)
    ]
    assert office.got == []


async def test_what_waits_is_bounded(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_WAITING_BYTES", len(json.encode(report())) + 1)
    after = AfterCall()
    with capture_logs() as lines:
        after.tell(office.settings(), report())
        after.tell(office.settings(), report("id2"))
    await office.took(1)
    await after.aclose()
    assert [line["event"] for line in lines] == ["= after_call: a report is given up: too many wait"]
    assert [headers["idempotency-key"] for headers, _ in office.got] == ["id1"]


@pytest.mark.parametrize(
    ("files", "told"),
    [(["a.wav"], "a.wav"), (["a.wav.age"], "a.wav.age"), ([], "")],
    ids=["plain", "encrypted", "not written"],
)
async def test_a_recording_is_told_once_its_file_is_complete(
    office: Office, tmp_path: Path, files: list[str], told: str
) -> None:
    async def written() -> None:
        for file in files:
            (tmp_path / file).touch()

    after = AfterCall(written=written)
    after.tell(office.settings(), report(), lambda: tmp_path / "a.wav")
    await office.took(1)
    await after.aclose()
    recording = json.decode(office.got[0][1])["recording"]
    assert recording == (str(tmp_path / told) if told else "")
