"""A caller and a person whom one server mixes, without sockets: their frames, and what becomes of one when the other leaves."""

import asyncio
import json
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bridge.config.settings import Settings
from bridge.shell.admission import Admission
from bridge.shell.session import Session
from bridge.shell.switchboard import Switchboard
from bridge.vocabulary.contracts import StreamEnd
from bridge.vocabulary.events import SERVER_CLOSES, CallEnded
from bridge.vocabulary.people import PersonLeft, ReleasePerson
from tests.shell.test_handovers import Line

LOUD = bytes(range(1, 81)) * 2


def server(**billing: Any) -> Admission:
    table = {"to": "+15550111", "stays": "mixes", "ring_s": 25.0, **billing}
    settings = Settings.model_validate(
        {"assistant": "echo", "twilio": {"auth_token": "12345"}, "people": {"billing": table}}
    )
    switchboard = Switchboard(settings)
    switchboard.people.allowed["echo"] = ("billing",)  # type: ignore[index]  # it has no tools of its own
    admission = Admission(settings, switchboard)
    admission.public_url = "https://voice.example.com"
    return admission


@pytest.fixture
async def line() -> AsyncIterator[Line]:
    admission = server()
    yield Line(admission)
    admission.close()
    await asyncio.sleep(0)
    admission.break_off()


def sent(session: Session, monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The audio that the carrier is sent on this leg from here on."""
    audio: list[bytes] = []
    send = session._carrier_leg.send

    def note(message: Any) -> None:
        told = json.loads(message)
        if told["event"] == "media":
            audio.append(b64decode(told["media"]["payload"]))
        send(message)

    monkeypatch.setattr(session._carrier_leg, "send", note)
    return audio


def says(session: Session, stream: str, frame: bytes, at_ms: int) -> None:
    media = {"track": "inbound", "timestamp": str(at_ms), "payload": b64encode(frame).decode()}
    session.carrier_said(json.dumps({"event": "media", "streamSid": stream, "media": media}))


async def test_each_is_sent_what_the_other_says(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    person = line.is_briefed()
    assert line.took() == [], "no request of the carrier joins them"
    assert line.admission.calls == 2
    to_caller, to_person = sent(line.caller, monkeypatch), sent(person, monkeypatch)
    for at_ms in range(0, 100, 20):
        says(person, "MZ2", LOUD, at_ms)
        says(line.caller, "MZ1", LOUD[::-1], at_ms)
    assert to_caller.count(LOUD) == to_person.count(LOUD[::-1]) == 5
    assert to_caller.count(LOUD[::-1]) == 0, (
        "nobody, and no assistant, is given what only the person is to hear"
    )


async def test_the_person_hangs_up_and_the_assistant_has_the_caller_again(line: Line) -> None:
    person = line.is_briefed()
    person.handle(CallEnded())
    assert line.took() == [ReleasePerson("CA2", "their stream has ended")]
    assert line.admission.calls == 1
    assert not line.caller.has_no_stream
    line.caller.handle(PersonLeft("CA2"))
    assert line.took() == []


async def test_the_carrier_says_first_that_the_person_has_left(line: Line) -> None:
    person = line.is_briefed()
    line.caller.handle(PersonLeft("CA2"))
    assert line.took() == []
    person.handle(CallEnded())
    assert line.took() == []
    assert line.admission.calls == 1


async def test_the_caller_hangs_up_and_so_does_the_bridge_on_the_person(line: Line) -> None:
    person = line.is_briefed()
    line.caller.handle(CallEnded())
    assert line.took() == [ReleasePerson("CA2", "the caller hung up")]
    says(person, "MZ2", LOUD, 0)  # nobody is there, and nothing breaks
    person.handle(CallEnded())
    assert line.admission.calls == 0
    assert line.of_person.hung_up == [StreamEnd.BY_CARRIER]


async def test_a_server_that_stops_hangs_up_on_both(line: Line) -> None:
    line.is_briefed()
    line.admission.close()
    await asyncio.sleep(0)
    assert line.admission.calls == 0
    assert ReleasePerson("CA2", SERVER_CLOSES) in line.took()
    assert line.control.hung_up == [StreamEnd.BY_BRIDGE]
