"""Supervisors of a call at Twilio that talks with a person in a conference, without sockets; TeXML has the same requests."""

from typing import TYPE_CHECKING, Any

import pytest
from msgspec import json

from bridge.carriers.shared.called_people import LATE_S
from bridge.carriers.telnyx.settings import TelnyxSettings
from bridge.carriers.telnyx.texml_rest import TexmlApi
from bridge.vocabulary.errors import CarrierRefused
from bridge.vocabulary.people import BriefPerson, JoinPerson, Nobody, PersonLeft, TakeBack
from bridge.vocabulary.supervision import (
    ChangeSupervisor,
    EndSupervision,
    Supervise,
    SupervisorJoined,
    SupervisorLeft,
    SupervisorNotReached,
    SupervisorRole,
)
from tests.carriers.twilio.handover_line import (
    OURS,
    US,
    Line,
    call_people,
    dialled,
    put_through,
    verbs,
)

if TYPE_CHECKING:
    from tests.carriers.conftest import Host

DESK, SECOND = "+15550121", "+15550122"
LISTEN, WHISPER, BARGE, _ = SupervisorRole
ROOM, CONFERENCE = "/twilio/room/h3", "CF" + "0" * 32
HANDLE = "h5"


def in_room(line: Line, event: str, who: str) -> None:
    line.ask(ROOM, StatusCallbackEvent=event, CallSid=who, ConferenceSid=CONFERENCE)


@pytest.fixture
def line(serve: Any, host: "Host") -> Line:
    """The caller CA1 talks with CA2, who was briefed."""
    line = Line(serve, host)
    line.do(call_people())
    host.take(line.now, sid="CA2")
    line.then(PersonAnswered=BriefPerson("CA2"))
    line.leg("h2", "CA2", "in-progress")
    line.do(JoinPerson("CA2"))
    line.ask(line.next)
    in_room(line, "participant-join", "CA1")
    in_room(line, "participant-join", "CA2")
    in_room(line, "conference-start", "")
    line.told()
    host.sent.clear()
    return line


def supervise(role: SupervisorRole = LISTEN, *group: str) -> Supervise:
    return Supervise("desk", group or (DESK,), "ours", 20.0, role, "CA2")


def joined(line: Line, role: SupervisorRole = LISTEN) -> None:
    line.do(supervise(role))
    line.host.take(line.now, call_sid="CA9", conference_sid=CONFERENCE)
    line.leg(HANDLE, "CA9", "ringing")
    line.leg(HANDLE, "CA9", "in-progress")
    in_room(line, "participant-join", "CA9")
    assert line.told() == [SupervisorJoined("desk", "CA9", role)]


FIELDS: list[tuple[SupervisorRole, dict[str, str]]] = [
    (LISTEN, {"Muted": "true", "Coaching": "false"}),
    (WHISPER, {"Muted": "false", "Coaching": "true", "CallSidToCoach": "CA2"}),
    (BARGE, {"Muted": "false", "Coaching": "false"}),
]


@pytest.mark.parametrize(("role", "fields"), FIELDS)
def test_the_request_that_calls_a_supervisor(
    line: Line, role: SupervisorRole, fields: dict[str, str]
) -> None:
    line.do(supervise(role))
    (form,) = line.forms("call supervisor")
    assert form == {
        "To": DESK,
        "From": OURS,
        **fields,
        "Beep": "false",
        "EndConferenceOnExit": "false",
        "Timeout": "20",
        "StatusCallback": f"{US}/person/{HANDLE}",
        "StatusCallbackMethod": "POST",
        "StatusCallbackEvent": "completed",  # the last of four
    }
    assert line.host.sent[-1].request.url.endswith(f"/Conferences/{CONFERENCE}/Participants.json")


def test_listen_whisper_barge_leave(line: Line) -> None:
    joined(line)
    for role, fields in FIELDS[1:]:
        line.do(ChangeSupervisor("desk", role))
        assert line.forms("change supervisor")[-1] == fields
        url = line.host.sent[-1].request.url
        assert url.endswith(f"/Conferences/{CONFERENCE}/Participants/CA9.json")
    line.do(EndSupervision("desk", "the supervisor was asked to leave"))
    assert line.forms("end call") == [{"Status": "completed"}]
    line.leg(HANDLE, "CA9", "completed")
    assert line.told() == []


def test_a_supervisor_who_leaves_the_conference_ends_nothing(line: Line) -> None:
    joined(line)
    before = line.webhooks.deadline()
    in_room(line, "participant-leave", "CA9")
    assert line.webhooks.deadline() == before, "the call is not looked up: it goes on"
    line.leg(HANDLE, "CA9", "completed")
    assert line.told() == [SupervisorLeft("desk")]


def test_a_role_that_changes_while_it_rings_is_given_in_the_conference(line: Line) -> None:
    line.do(supervise())
    line.leg(HANDLE, "CA9", "ringing")
    line.do(ChangeSupervisor("desk", BARGE))
    assert line.forms("change supervisor") == []
    in_room(line, "participant-join", "CA9")
    assert line.told() == [SupervisorJoined("desk", "CA9", BARGE)]
    assert line.forms("change supervisor") == [FIELDS[2][1]]


@pytest.mark.parametrize(
    ("status", "why"),
    [
        ("busy", Nobody.BUSY),
        ("no-answer", Nobody.NO_ANSWER),
        ("failed", Nobody.FAILED),
        ("canceled", Nobody.NO_ANSWER),
    ],
)
def test_nobody_answers(line: Line, status: str, why: Nobody) -> None:
    line.do(supervise())
    line.leg(HANDLE, "CA9", status)
    assert line.told() == [SupervisorNotReached("desk", why)]


def test_twilio_refuses_the_call(line: Line) -> None:
    line.do(supervise())
    refused = line.host.sent[-1].refused
    assert refused is not None
    refused(CarrierRefused("no such conference", status=404, code="20404"), line.now)
    assert line.told() == [SupervisorNotReached("desk", Nobody.FAILED)]


def test_no_word_comes_of_a_supervisor(line: Line) -> None:
    line.do(supervise())
    assert line.webhooks.deadline() == 20.0 + LATE_S
    line.due()
    assert line.told() == [SupervisorNotReached("desk", Nobody.NO_ANSWER)]


def test_when_the_talk_is_over_supervisors_are_hung_up_on(line: Line) -> None:
    joined(line)
    line.then(PersonLeft=TakeBack())
    assert verbs(line.ask("/twilio/back/h3", DialCallStatus="completed")) == ["Connect", "Redirect"]
    assert [type(event) for event in line.told()] == [PersonLeft]
    ended = [one.request.call_id for one in line.host.sent if one.request.command == "end call"]
    assert "CA9" in ended


def test_two_who_talk_by_a_dial_are_in_no_conference(serve: Any, host: "Host") -> None:
    line = Line(serve, host)
    dialled(line, put_through())
    line.leg("h2", "CA2", "in-progress")
    line.told()
    line.do(supervise())
    assert line.told() == [SupervisorNotReached("desk", Nobody.FAILED)]
    assert line.forms("call supervisor") == []


def test_without_an_account_nobody_can_supervise(serve: Any, host: "Host") -> None:
    assert not {Supervise, ChangeSupervisor, EndSupervision} & Line(serve, host, account_sid=None).control.can


def test_texml_has_the_same_in_json() -> None:
    api = TexmlApi(TelnyxSettings.model_validate({"api_key": "KEY"}), "acc")
    request = api.add_supervisor(
        "CF1", DESK, OURS, role=WHISPER, person_leg="v3:b", address="https://example.com/", ring_s=200
    )
    assert request.url == "https://api.telnyx.com/v2/texml/Accounts/acc/Conferences/CF1/Participants"
    assert json.decode(request.body) == {
        "To": DESK,
        "From": OURS,
        "Muted": False,
        "Coaching": True,
        "CallSidToCoach": "v3:b",
        "Beep": "false",
        "EndConferenceOnExit": False,
        "Timeout": 120,
        "StatusCallback": "https://example.com/",
        "StatusCallbackMethod": "POST",
        "StatusCallbackEvent": "initiated ringing answered completed",
    }
    request = api.change_supervisor("CF1", "v3:s", role=LISTEN, person_leg="v3:b")
    assert request.url.endswith("/Conferences/CF1/Participants/v3%3As")
    assert json.decode(request.body) == {"Muted": True, "Coaching": False}
