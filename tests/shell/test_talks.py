"""The stream that listens to a caller and a person, without sockets: whose session hears of it, and what its end ends."""

import json
from base64 import b64encode
from http import HTTPStatus
from typing import Any

import pytest

from bridge.carriers.shared.webhooks import ExpectedCall
from bridge.shell.session import Session
from bridge.shell.websocket import SocketLeg
from bridge.vocabulary.events import CallEnded, Event
from bridge.vocabulary.people import (
    ListeningLost,
    ListeningStarted,
    PeopleJoined,
    PersonLeft,
    TakeBack,
    TalkAudio,
)
from telecodecs.format import PCMU_8K
from tests.shell.test_handovers import UPGRADE, Line
from tests.shell.test_handovers import line as line  # noqa: PLC0414  # the fixture

FORMAT = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
FRAME = b"\x55" * 160


def admitted(line: Line) -> SocketLeg | HTTPStatus:
    url = line.admission.expect("twilio", ExpectedCall("CA1", listens=True), "listen")
    return line.admission.admit(url.removeprefix("wss://voice.example.com"), UPGRADE)


def listens(line: Line) -> Session:
    assert isinstance(admitted(line), SocketLeg)
    (active,) = [one for one in line.admission._active.streams_of("twilio", "CA1") if one.kind == "listen"]
    return active.session


def says(session: Session, event: str, **more: Any) -> None:
    session.carrier_said(json.dumps({"event": event, "streamSid": "MZ9", **more}))


def starts(session: Session, call_id: str = "CA1") -> None:
    body = {"streamSid": "MZ9", "callSid": call_id, "tracks": ["inbound", "outbound"], "mediaFormat": FORMAT}
    says(session, "start", start=body)


def told(line: Line, monkeypatch: pytest.MonkeyPatch) -> list[Event]:
    """What the caller's session is told from here on."""
    events: list[Event] = []
    handle = line.caller.handle

    def note(event: Event) -> None:
        events.append(event)
        handle(event)

    monkeypatch.setattr(line.caller, "handle", note)
    return events


async def test_the_caller_s_session_hears_both(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    events, session = told(line, monkeypatch), listens(line)
    starts(session)
    for track in ("inbound", "outbound"):
        media = {"track": track, "timestamp": "40", "payload": b64encode(FRAME).decode()}
        says(session, "media", media=media)
    says(session, "stop", stop={"callSid": "CA1"})
    assert events == [
        ListeningStarted(PCMU_8K),
        TalkAudio(FRAME, 40, is_callers=True),
        TalkAudio(FRAME, 40, is_callers=False),
        ListeningLost(),
    ]


async def test_its_end_ends_nothing_else(line: Line) -> None:
    session = listens(line)
    starts(session)
    assert line.admission.calls == 2
    says(session, "stop", stop={"callSid": "CA1"})
    assert line.admission.calls == 1
    assert line.control.hung_up == []
    assert line.caller.can_rejoin


async def test_a_stream_of_another_call_is_not_heard(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    events, session = told(line, monkeypatch), listens(line)
    starts(session, "CA7")
    assert events == []
    assert line.admission.calls == 1


async def test_nobody_listens_to_a_call_that_is_over(line: Line) -> None:
    line.caller.handle(CallEnded())
    assert admitted(line) is HTTPStatus.FORBIDDEN


async def test_the_caller_s_end_leaves_a_stream_that_tells_nobody(line: Line) -> None:
    session = listens(line)
    starts(session)
    line.caller.handle(CallEnded())
    says(
        session, "media", media={"track": "inbound", "timestamp": "40", "payload": b64encode(FRAME).decode()}
    )
    line.admission.call_ended("twilio", "CA1")
    assert line.admission.calls == 0


async def test_the_way_back_is_the_caller_s_own_stream(line: Line) -> None:
    person = line.is_briefed()
    line.presses(person, "MZ2", "1")
    session = listens(line)
    starts(session)
    line.took()
    line.caller.carrier_said(json.dumps({"event": "stop", "streamSid": "MZ1"}))
    line.caller.handle(PeopleJoined("CA2"))
    line.caller.handle(PersonLeft("CA2", 60.0))
    assert line.took() == [TakeBack()]
    returning = line.admitted("CA1", control=line.control, continues=True)
    assert isinstance(returning, SocketLeg)
    assert not session.can_rejoin
