"""Supervisors of a call under Call Control that talks with a person, without sockets: requests, webhooks, what is told."""

from typing import TYPE_CHECKING, Any

import pytest
from msgspec import json

from bridge.carriers.shared.called_people import LATE_S
from bridge.carriers.telnyx.person_state import PersonState
from bridge.vocabulary.errors import CarrierRefused
from bridge.vocabulary.people import Nobody, PersonLeft
from bridge.vocabulary.supervision import (
    ChangeSupervisor,
    EndSupervision,
    Supervise,
    SupervisorJoined,
    SupervisorLeft,
    SupervisorNotReached,
    SupervisorRole,
)
from tests.carriers.telnyx.handover_line import OURS, US, A, B, Line, joined_cold

if TYPE_CHECKING:
    from tests.carriers.conftest import Host

S, T = "v3:s", "v3:t"
DESK, SECOND = "+15550121", "+15550122"
LISTEN, WHISPER, BARGE, _ = SupervisorRole


@pytest.fixture
def line(serve: Any, host: "Host") -> Line:
    line = Line(serve, host, detect_machines_of_people=False)
    joined_cold(line)
    line.told()
    host.sent.clear()
    return line


def supervise(role: SupervisorRole = LISTEN, *group: str) -> Supervise:
    return Supervise("desk", group or (DESK,), "ours", 20.0, role, B)


def leg(line: Line, kind: str, leg: str = S, handle: str = "h2", **payload: str) -> None:
    """A webhook of a supervisor's leg."""
    line.says(kind, leg, client_state=PersonState("desk", handle, A).encode(), **payload)


def joined(line: Line, role: SupervisorRole = LISTEN) -> None:
    line.do(supervise(role))
    line.take("call supervisor", call_control_id=S)
    leg(line, "call.initiated", direction="outgoing")
    leg(line, "call.answered")
    assert line.told() == [SupervisorJoined("desk", S, role)]


WORDS = [(LISTEN, "monitor"), (WHISPER, "whisper"), (BARGE, "barge")]


@pytest.mark.parametrize(("role", "word"), WORDS)
def test_the_request_that_calls_a_supervisor(line: Line, role: SupervisorRole, word: str) -> None:
    line.do(supervise(role))
    body = line.body("call supervisor")
    assert body.pop("command_id")
    assert body == {
        "connection_id": "7267",
        "to": DESK,
        "from": OURS,
        "webhook_url": f"{US}/telnyx/leg/h2",
        "client_state": PersonState("desk", "h2", A).encode(),
        "supervise_call_control_id": B,
        "supervisor_role": word,
        "timeout_secs": 20,
    }


def test_listen_whisper_barge_leave(line: Line) -> None:
    joined(line)
    for role, word in WORDS[1:]:
        line.do(ChangeSupervisor("desk", role))
        assert (line.asked()[-1], line.body("switch_supervisor_role")) == (
            ("switch_supervisor_role", S),
            {"role": word},
        )
    line.do(EndSupervision("desk", "the supervisor was asked to leave"))
    assert line.asked()[-1] == ("hangup", S)
    leg(line, "call.hangup", hangup_cause="normal_clearing")
    assert line.told() == []


def test_a_role_that_changes_while_it_rings_is_given_at_the_answer(line: Line) -> None:
    line.do(supervise())
    line.do(ChangeSupervisor("desk", BARGE))
    assert line.asked() == [("call supervisor", "")]
    leg(line, "call.answered")
    assert line.told() == [SupervisorJoined("desk", S, BARGE)]
    assert line.body("switch_supervisor_role") == {"role": "barge"}


def test_a_supervisor_who_hangs_up_changes_nothing_between_the_two(line: Line) -> None:
    joined(line)
    leg(line, "call.hangup", hangup_cause="normal_clearing")
    assert line.told() == [SupervisorLeft("desk")]
    leg(line, "call.hangup", hangup_cause="normal_clearing")
    assert line.told() == []
    line.leg("call.hangup", hangup_cause="normal_clearing")
    assert [type(event) for event in line.told()] == [PersonLeft]


@pytest.mark.parametrize(
    ("cause", "why"),
    [
        ("user_busy", Nobody.BUSY),
        ("timeout", Nobody.NO_ANSWER),
        ("call_rejected", Nobody.REFUSED),
        ("not_found", Nobody.FAILED),
    ],
)
def test_nobody_answers(line: Line, cause: str, why: Nobody) -> None:
    line.do(supervise())
    leg(line, "call.initiated", direction="outgoing")
    leg(line, "call.hangup", hangup_cause=cause)
    assert line.told() == [SupervisorNotReached("desk", why)]


def test_of_a_group_the_first_who_answers_counts(line: Line) -> None:
    line.do(supervise(LISTEN, DESK, SECOND))
    leg(line, "call.initiated", T, "h3", direction="outgoing")
    leg(line, "call.answered", S, "h2")
    assert line.asked()[-1] == ("hangup", T)
    leg(line, "call.answered", T, "h3")
    assert line.told() == [SupervisorJoined("desk", S, LISTEN)]


def test_telnyx_refuses_the_call(line: Line) -> None:
    line.do(supervise())
    refused = line.last("call supervisor").refused
    assert refused is not None
    refused(CarrierRefused("no more calls", status=422, code="90041"), line.now)
    assert line.told() == [SupervisorNotReached("desk", Nobody.FAILED)]


def test_no_word_comes_of_a_supervisor(line: Line) -> None:
    line.do(supervise())
    due = line.webhooks.deadline()
    assert due == 20.0 + LATE_S
    line.webhooks.due(due)
    assert line.told() == [SupervisorNotReached("desk", Nobody.NO_ANSWER)]


def test_a_supervisor_of_a_talk_that_is_over_is_not_called(line: Line) -> None:
    line.leg("call.hangup", hangup_cause="normal_clearing")
    line.told()
    line.do(supervise())
    assert line.told() == [SupervisorNotReached("desk", Nobody.FAILED)]
    assert "call supervisor" not in [command for command, _ in line.asked()]


def test_who_answers_after_the_end_is_hung_up_on(line: Line) -> None:
    line.do(supervise())
    line.do(EndSupervision("desk", "the talk is over"))
    leg(line, "call.answered")
    assert line.asked()[-1] == ("hangup", S)
    assert line.told() == []


def test_whoever_supervises_a_caller_who_hangs_up_is_hung_up_on(line: Line) -> None:
    joined(line)
    line.says("call.hangup", hangup_cause="normal_clearing")
    assert ("hangup", S) in line.asked()


def test_asked_for_twice_the_former_legs_are_released(line: Line) -> None:
    joined(line)
    line.do(supervise(BARGE))
    assert line.asked()[-2:] == [("hangup", S), ("call supervisor", "")]
    bodies = [json.decode(sent.request.body) for sent in line.host.sent]
    assert bodies[-1]["supervisor_role"] == "barge"
