"""Supervisors at Twilio whom the bridge mixes: their legs have a stream of ours, and whoever was called before stays."""

from typing import TYPE_CHECKING, Any

import pytest

from bridge.carriers.shared.supervisors import MOST
from bridge.vocabulary.contracts import StreamEnd
from bridge.vocabulary.people import Nobody
from bridge.vocabulary.supervision import (
    CallSupervisor,
    EndSupervision,
    SupervisorAnswered,
    SupervisorLeft,
    SupervisorNotReached,
)
from tests.carriers.twilio.handover_line import OURS, Line, call_people, verbs

if TYPE_CHECKING:
    from tests.carriers.conftest import Host

DESK, SECOND = "+15550121", "+15550122"
HANDLE = "h2"


@pytest.fixture
def line(serve: Any, host: "Host") -> Line:
    """The caller CA1 talks with an assistant."""
    return Line(serve, host)


def answered(line: Line) -> Any:
    line.do(CallSupervisor("desk", (DESK,), "ours", 20.0))
    line.host.take(line.now, sid="CA9")
    line.leg(HANDLE, "CA9", "ringing")
    return line.leg(HANDLE, "CA9", "in-progress")


def test_whoever_answers_has_a_stream(line: Line) -> None:
    document = answered(line)
    (form,) = line.forms("call person")
    assert (form["To"], form["From"]) == (DESK, OURS)
    assert form["Timeout"] == "20"
    assert line.told() == [SupervisorAnswered("desk", "CA9")]
    assert verbs(document) == ["Connect", "Redirect"]
    expected = line.host.expected[-1][0]
    assert (expected.call_id, expected.briefs, expected.supervises) == ("CA9", "CA1", True)
    known = len(line.host.expected)
    assert verbs(line.leg(HANDLE, "CA9", "in-progress")) == ["Connect", "Redirect"]
    assert len(line.host.expected) == known, "the same stream, whoever asks first"
    assert verbs(line.ask(f"/twilio/next/{HANDLE}?leg=person", CallSid="CA9")) == ["Hangup"]


def test_a_person_who_is_called_meanwhile_is_not_released(line: Line) -> None:
    line.do(call_people())
    line.host.take(line.now, sid="CA2")
    line.do(CallSupervisor("desk", (DESK,), "ours", 20.0))
    line.host.take(line.now, sid="CA9")
    assert not line.forms("end call")
    line.do(EndSupervision("desk", "the supervisor was asked to leave"))
    assert [one.request.call_id for one in line.host.sent if one.request.command == "end call"] == ["CA9"]


def test_the_stream_of_a_supervisor_is_over_and_the_leg_is_hung_up(line: Line) -> None:
    answered(line)
    line.told()
    control = line.host.expected[-1][0].control
    assert control is not None
    control.hang_up(StreamEnd.BY_BRIDGE, line.now)
    assert line.forms("end call")
    line.leg(HANDLE, "CA9", "completed")
    assert line.told() == []


def test_a_supervisor_hangs_up(line: Line) -> None:
    answered(line)
    line.told()
    line.leg(HANDLE, "CA9", "completed")
    assert line.told() == [SupervisorLeft("desk")]


@pytest.mark.parametrize(
    ("status", "why"),
    [("busy", Nobody.BUSY), ("no-answer", Nobody.NO_ANSWER), ("failed", Nobody.FAILED)],
)
def test_nobody_answers(line: Line, status: str, why: Nobody) -> None:
    line.do(CallSupervisor("desk", (DESK,), "ours", 20.0))
    line.host.take(line.now, sid="CA9")
    line.leg(HANDLE, "CA9", status)
    assert line.told() == [SupervisorNotReached("desk", why)]


def test_of_a_group_the_first_one_counts(line: Line) -> None:
    line.do(CallSupervisor("desk", (DESK, SECOND), "ours", 20.0))
    line.leg("h2", "CA8", "ringing")
    line.leg("h3", "CA9", "in-progress")
    assert line.told() == [SupervisorAnswered("desk", "CA9")]
    assert len(line.forms("end call")) == 1
    assert verbs(line.leg("h2", "CA8", "in-progress")) == ["Hangup"]


def test_a_machine_is_nobody(line: Line) -> None:
    answered(line)
    line.told()
    line.leg(HANDLE, "CA9", "", AnsweredBy="machine_start")
    assert line.told() == [SupervisorNotReached("desk", Nobody.MACHINE)]
    assert line.forms("end call")


def test_a_leg_that_is_forgotten_means_nothing(line: Line) -> None:
    answered(line)
    for _ in range(MOST):
        line.do(CallSupervisor("desk", (DESK,), "ours", 20.0))
    line.told()
    assert line.leg(HANDLE, "CA9", "completed") is None
    assert verbs(line.ask(f"/twilio/next/{HANDLE}?leg=person", CallSid="CA9")) == ["Hangup"]
    assert line.told() == []
