"""Supervisors under Call Control whom the bridge mixes: their legs have a stream of ours, and whoever was called before stays."""

from typing import TYPE_CHECKING, Any

import pytest

from bridge.carriers.shared.supervisors import MOST
from bridge.carriers.telnyx.person_state import PersonState
from bridge.vocabulary.people import Nobody
from bridge.vocabulary.supervision import (
    CallSupervisor,
    EndSupervision,
    SupervisorAnswered,
    SupervisorLeft,
    SupervisorNotReached,
)
from tests.carriers.telnyx.handover_line import OURS, A, Line

if TYPE_CHECKING:
    from tests.carriers.conftest import Host

S, T = "v3:s", "v3:t"
DESK, SECOND = "+15550121", "+15550122"


@pytest.fixture
def line(serve: Any, host: "Host") -> Line:
    """The caller talks with an assistant."""
    line = Line(serve, host, detect_machines_of_people=False)
    line.told()
    host.sent.clear()
    return line


def leg(line: Line, kind: str, leg: str = S, handle: str = "h1", **payload: str) -> None:
    """A webhook of a supervisor's leg."""
    line.says(kind, leg, client_state=PersonState("desk", handle, A).encode(), **payload)


def answered(line: Line) -> None:
    line.do(CallSupervisor("desk", (DESK,), "ours", 20.0))
    line.take("call person", call_control_id=S)
    leg(line, "call.initiated", direction="outgoing")
    leg(line, "call.answered")


def test_whoever_answers_has_a_stream(line: Line) -> None:
    answered(line)
    body = line.body("call person")
    assert (body["to"], body["from"], body["timeout_secs"]) == (DESK, OURS, 20)
    assert "supervise_call_control_id" not in body
    assert line.told() == [SupervisorAnswered("desk", S)]
    assert line.asked()[-1] == ("streaming_start", S)
    expected = line.host.expected[-1][0]
    assert (expected.call_id, expected.briefs, expected.supervises) == (S, A, True)
    leg(line, "call.answered")
    assert len([one for one in line.asked() if one[0] == "streaming_start"]) == 1


def test_asked_to_leave_the_supervisor_is_hung_up_on(line: Line) -> None:
    answered(line)
    line.told()
    line.do(EndSupervision("desk", "the supervisor was asked to leave"))
    assert line.asked()[-1] == ("hangup", S)
    leg(line, "call.hangup", hangup_cause="normal_clearing")
    assert line.told() == []


def test_a_supervisor_hangs_up(line: Line) -> None:
    answered(line)
    line.told()
    leg(line, "call.hangup", hangup_cause="normal_clearing")
    assert line.told() == [SupervisorLeft("desk")]


def test_a_stream_that_fails(line: Line) -> None:
    answered(line)
    line.told()
    leg(line, "streaming.failed")
    assert line.told() == [SupervisorLeft("desk")]
    assert line.asked()[-1] == ("hangup", S)


def test_a_stream_that_is_refused(line: Line) -> None:
    answered(line)
    line.told()
    line.host.refuse(line.now, "90041")
    assert line.told() == [SupervisorLeft("desk")]
    assert line.asked()[-1] == ("hangup", S)


@pytest.mark.parametrize(("cause", "why"), [("user_busy", Nobody.BUSY), ("timeout", Nobody.NO_ANSWER)])
def test_nobody_answers(line: Line, cause: str, why: Nobody) -> None:
    line.do(CallSupervisor("desk", (DESK,), "ours", 20.0))
    leg(line, "call.initiated", direction="outgoing")
    leg(line, "call.hangup", hangup_cause=cause)
    assert line.told() == [SupervisorNotReached("desk", why)]


def test_of_a_group_the_first_one_counts(line: Line) -> None:
    line.do(CallSupervisor("desk", (DESK, SECOND), "ours", 20.0))
    leg(line, "call.initiated", T, "h2", direction="outgoing")
    leg(line, "call.answered")
    assert line.told() == [SupervisorAnswered("desk", S)]
    assert ("hangup", T) in line.asked()


def test_a_machine_is_nobody(line: Line) -> None:
    answered(line)
    line.told()
    leg(line, "call.machine.detection.ended", result="machine")
    assert line.told() == [SupervisorNotReached("desk", Nobody.MACHINE)]
    assert line.asked()[-1] == ("hangup", S)


def test_a_leg_that_is_forgotten_means_nothing(line: Line) -> None:
    answered(line)
    for _ in range(MOST):
        line.do(CallSupervisor("desk", (DESK,), "ours", 20.0))
    line.told()
    leg(line, "call.hangup", hangup_cause="normal_clearing")
    assert line.told() == []
