"""A caller and a person on one server, without sockets: the two sessions, what each is told of the other, and who hangs up."""

import asyncio
import json
from collections.abc import AsyncIterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bridge.carriers.shared.webhooks import ExpectedCall
from bridge.config.settings import Settings
from bridge.shell.admission import Admission
from bridge.shell.session import Session
from bridge.shell.switchboard import Switchboard
from bridge.shell.websocket import SocketLeg
from bridge.vocabulary.commands import CONTROL_COMMANDS, ControlCommand
from bridge.vocabulary.contracts import StreamEnd
from bridge.vocabulary.events import SERVER_CLOSES, CallEnded
from bridge.vocabulary.people import (
    BriefPerson,
    CallPeople,
    CloseStream,
    JoinPerson,
    PeopleJoined,
    PersonAnswered,
    PersonLeft,
    ReleasePerson,
    TakeBack,
    TransferRequested,
)
from telecodecs.wav import wav_encode

UPGRADE = {"Upgrade": "websocket"}


class FakeControl:
    """A carrier that does all that it is told, and says nothing."""

    can: frozenset[type[ControlCommand]] = frozenset(CONTROL_COMMANDS)

    def __init__(self) -> None:
        self.performed: list[ControlCommand] = []
        self.hung_up: list[StreamEnd] = []

    def perform(self, command: ControlCommand, _now: float) -> None:
        self.performed.append(command)

    def hang_up(self, end: StreamEnd, _now: float) -> None:
        self.hung_up.append(end)


class Line:
    """One server, with a caller who talks to an assistant."""

    def __init__(self, admission: Admission) -> None:
        self.admission = admission
        self.control, self.of_person = FakeControl(), FakeControl()
        self.leg, self.caller = self.comes_in("CA1", control=self.control)
        self.said(self.caller, "CA1", "MZ1")

    def admitted(self, call_id: str, **more: Any) -> SocketLeg | HTTPStatus:
        url = self.admission.expect("twilio", ExpectedCall(call_id, **more))
        return self.admission.admit(url.removeprefix("wss://voice.example.com"), UPGRADE)

    def comes_in(self, call_id: str, **more: Any) -> tuple[SocketLeg, Session]:
        leg = self.admitted(call_id, **more)
        assert isinstance(leg, SocketLeg)
        (active,) = self.admission._active.streams_of("twilio", call_id)
        return leg, active.session

    def said(self, session: Session, call_id: str, stream: str) -> None:
        media_format = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
        body = {"streamSid": stream, "callSid": call_id, "tracks": ["inbound"], "mediaFormat": media_format}
        session.carrier_said(json.dumps({"event": "start", "streamSid": stream, "start": body}))

    def presses(self, session: Session, stream: str, digit: str) -> None:
        dtmf = {"track": "inbound_track", "digit": digit}
        session.carrier_said(json.dumps({"event": "dtmf", "streamSid": stream, "dtmf": dtmf}))

    def took(self) -> list[ControlCommand]:
        performed, self.control.performed = self.control.performed, []
        return performed

    def rings(self) -> None:
        self.caller.handle(TransferRequested("billing"))
        assert self.took() == [CallPeople("billing", ("+15550111",), "ours", 25.0, "1.1")]
        self.caller.handle(PersonAnswered("CA2", "+15550111"))
        assert self.took() == [BriefPerson("CA2")]

    def is_briefed(self) -> Session:
        self.rings()
        _, person = self.comes_in("CA2", briefs="CA1", control=self.of_person)
        self.said(person, "CA2", "MZ2")
        return person


@pytest.fixture
async def line(tmp_path: Path) -> AsyncIterator[Line]:
    briefing, hold = tmp_path / "briefing.wav", tmp_path / "hold.wav"
    briefing.write_bytes(wav_encode(np.full(8000, 100, np.int16), 8000))
    hold.write_bytes(wav_encode(np.full(800, 200, np.int16), 8000))
    billing = {
        "to": "+15550111",
        "how": "warm",
        "accept": "key",
        "briefing": {"play": str(briefing)},
        "hold": {"play": str(hold)},
    }
    settings = Settings.model_validate(
        {"assistant": "echo", "twilio": {"auth_token": "12345"}, "people": {"billing": billing}}
    )
    switchboard = Switchboard(settings)
    switchboard.people.allowed["echo"] = ("billing",)  # type: ignore[index]  # it has no tools of its own
    admission = Admission(settings, switchboard)
    admission.public_url = "https://voice.example.com"
    yield Line(admission)
    admission.close()
    await asyncio.sleep(0)
    admission.break_off()
    await switchboard.aclose()


async def test_a_whole_warm_handover_and_the_way_back(line: Line) -> None:
    person = line.is_briefed()
    line.presses(person, "MZ2", "1")
    assert line.took() == [JoinPerson("CA2")]
    assert line.admission.calls == 1, "the briefing is over"
    assert line.of_person.hung_up == [StreamEnd.BY_BRIDGE], "the control knows that they are joined"
    line.caller.carrier_said(json.dumps({"event": "stop", "streamSid": "MZ1"}))
    line.caller.handle(PeopleJoined("CA2"))
    assert line.admission.calls == 1, "the end of the stream is not that of the call"
    line.caller.handle(PersonLeft("CA2", 60.0))
    assert line.took() == [TakeBack()]
    returning = line.admitted("CA1", control=line.control)
    assert isinstance(returning, SocketLeg)
    (active,) = line.admission._active.streams_of("twilio", "CA1")
    assert active.session is line.caller
    assert active.returning is not None
    media_format = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
    body = {"streamSid": "MZ3", "callSid": "CA1", "tracks": ["inbound"], "mediaFormat": media_format}
    active.returning._said(json.dumps({"event": "start", "streamSid": "MZ3", "start": body}))
    assert not line.caller.has_no_stream
    assert line.admission.calls == 1


async def test_a_person_who_declines_is_released_by_the_callers_session(line: Line) -> None:
    person = line.is_briefed()
    line.presses(person, "MZ2", "2")
    assert line.took() == [ReleasePerson("CA2", "they do not take the call")]
    assert line.admission.calls == 1
    assert line.of_person.hung_up == [StreamEnd.BY_BRIDGE]


async def test_a_person_who_hangs_up_while_being_briefed_has_declined(line: Line) -> None:
    person = line.is_briefed()
    person.handle(CallEnded())
    assert line.took() == [ReleasePerson("CA2", "they do not take the call")]


async def test_a_person_whose_caller_has_gone_is_told_so_and_hung_up_on(line: Line) -> None:
    person = line.is_briefed()
    line.caller.handle(CallEnded())
    assert line.took() == [], "not before they were told"
    assert line.admission.calls == 2
    person.handle(CallEnded())  # the beep was heard, or they hung up
    assert line.took() == [ReleasePerson("CA2", "the caller is gone")]
    assert line.admission.calls == 0


async def test_a_person_for_whom_nobody_waits_any_more_is_not_let_in(line: Line) -> None:
    line.rings()
    line.caller.handle(PersonLeft("CA2"))
    assert line.admitted("CA2", briefs="CA1", control=line.of_person) is HTTPStatus.FORBIDDEN
    assert line.admitted("CA3", briefs="CA9", control=line.of_person) is HTTPStatus.FORBIDDEN


async def test_two_who_talk_are_left_alone_when_the_server_stops(line: Line) -> None:
    line.presses(line.is_briefed(), "MZ2", "1")
    line.caller.handle(PeopleJoined("CA2"))
    line.admission.close()
    await asyncio.sleep(0)
    assert line.admission.calls == 0
    assert line.control.hung_up == []
    assert ReleasePerson("CA2", SERVER_CLOSES) not in line.took()


async def test_a_caller_on_hold_is_hung_up_on_when_the_server_stops(line: Line) -> None:
    line.is_briefed()
    line.admission.close()
    await asyncio.sleep(0)
    assert line.admission._active.streams_of("twilio", "CA1") == []
    assert line.control.hung_up == [StreamEnd.BY_BRIDGE]
    (released,) = [command for command in line.took() if isinstance(command, ReleasePerson)]
    assert released.person_leg == "CA2"


async def test_the_session_closes_a_stream_that_is_in_the_way(line: Line) -> None:
    line.presses(line.is_briefed(), "MZ2", "1")
    assert CloseStream in line.control.can
    assert all(not isinstance(command, CloseStream) for command in line.took()), (
        "the control has no part in it"
    )
    assert line.caller.has_no_stream
