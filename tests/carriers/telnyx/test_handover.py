"""A call under Call Control goes to a person and comes back, cold, without sockets."""

from typing import TYPE_CHECKING, Any

import pytest

from bridge.carriers.shared.called_people import VERDICT_S
from bridge.carriers.telnyx.person_state import PersonState, read_person_state
from bridge.vocabulary.commands import PressKeys
from bridge.vocabulary.contracts import StreamEnd
from bridge.vocabulary.people import (
    BriefPerson,
    CallPeople,
    EnterQueue,
    JoinPerson,
    Nobody,
    NobodyReached,
    PeopleJoined,
    PersonAnswered,
    PersonLeft,
    PersonRings,
    PutThrough,
    ReferCaller,
    ReleasePerson,
    TakeBack,
)
from bridge.vocabulary.supervision import CallSupervisor, ChangeSupervisor, EndSupervision, Supervise
from tests.carriers.telnyx.handover_line import (
    ANN,
    BOB,
    OURS,
    US,
    A,
    B,
    C,
    Line,
    answered_cold,
    call_people,
    joined_cold,
    put_through,
)

if TYPE_CHECKING:
    from tests.carriers.conftest import Host


@pytest.fixture
def line(serve: Any, host: "Host") -> Line:
    return Line(serve, host)


EVERYTHING = {PressKeys, CallPeople, PutThrough, BriefPerson, JoinPerson, ReleasePerson, TakeBack}
EVERYTHING |= {EnterQueue, ReferCaller, Supervise, CallSupervisor, ChangeSupervisor, EndSupervision}


def test_what_can_be_done_to_a_call(line: Line, serve: Any, host: "Host") -> None:
    assert line.control.can == EVERYTHING, "its stream is in nobody's way: `CloseStream` is not needed"


@pytest.mark.parametrize("text", ["", "{}", "x", '{"voicebridge":{"assistant":""}}'])
def test_whose_leg_it_is_not(text: str) -> None:
    assert read_person_state(text) is None


# Cold


def test_a_person_is_called_beside_the_stream(line: Line) -> None:
    line.do(put_through())
    assert line.asked() == [("call person", "")]
    body = line.body("call person")
    state = PersonState("billing", "h1", A).encode()
    assert body == {
        "connection_id": "7267",
        "to": ANN,
        "from": OURS,
        "link_to": A,
        "timeout_secs": 25,
        "webhook_url": f"{US}/telnyx/leg/h1",
        "client_state": state,
        "answering_machine_detection": "detect",
        "command_id": body["command_id"],
    }
    assert ANN not in state
    assert line.host.closed == [], "the caller hears our music"


def test_the_caller_s_number_is_shown_by_telnyx(line: Line) -> None:
    line.do(put_through(from_="caller"))
    assert line.body("call person")["bridge_intent"] is True


def test_a_number_of_the_settings_is_shown(line: Line) -> None:
    line.do(put_through(from_="+15550777"))
    body = line.body("call person")
    assert (body["from"], "bridge_intent" in body) == ("+15550777", False)


def test_whoever_answers_is_bridged_after_the_stream_was_stopped(line: Line) -> None:
    answered_cold(line)
    assert line.told() == [PersonRings(B), PersonAnswered(B, ANN)]
    assert line.asked() == [("call person", ""), ("streaming_stop", A)]
    assert line.host.closed == [A]
    line.take("streaming_stop")
    body = line.body("bridge")
    assert line.last("bridge").request.call_id == A
    assert body == {
        "call_control_id": B,
        "park_after_unbridge": "self",
        "mute_dtmf": "none",
        "command_id": body["command_id"],
    }
    line.leg("call.bridged")
    line.says("call.bridged")
    assert line.told() == [], "it may be a machine"
    line.leg("call.machine.detection.ended", result="human")
    assert line.told() == [PeopleJoined(B)], "Telnyx says it of either leg"


def test_where_nobody_says_whether_it_is_a_machine_it_is_taken_for_none(line: Line) -> None:
    joined_cold(line)
    line.told()
    assert line.webhooks.deadline() == VERDICT_S
    line.webhooks.due(VERDICT_S)
    assert line.told() == [PeopleJoined(B)]
    line.leg("call.machine.detection.ended", result="machine")
    assert line.told() == [PersonLeft(B)], "it is too late to say that nobody was reached"
    assert ("hangup", B) in line.asked()


def test_where_nobody_looks_for_machines_it_is_told_at_once(serve: Any, host: "Host") -> None:
    line = Line(serve, host, detect_machines_of_people=False)
    joined_cold(line)
    assert line.told()[-1] == PeopleJoined(B)
    assert "answering_machine_detection" not in line.body("call person")


def test_what_the_stream_does_meanwhile_means_nothing(line: Line) -> None:
    answered_cold(line)
    line.says("streaming.failed", failure_reason="gone")
    line.take_all("streaming_stop")
    line.says("streaming.stopped")
    line.says("call.bridged")
    line.says("streaming.stopped")
    assert "hangup" not in line.host.commands
    assert line.host.ended == []


def test_the_person_leaves_and_the_caller_is_streamed_again(line: Line) -> None:
    joined_cold(line)
    line.told()
    line.now = 140.0
    line.then(PersonLeft=TakeBack())
    line.leg("call.hangup", hangup_cause="normal_clearing")
    assert line.told() == [PersonLeft(B, 140.0)]
    assert line.asked()[-1] == ("streaming_start", A)
    call, _ = line.host.expected[-1]
    assert (call.call_id, call.continues) == (A, True)
    line.says("streaming.stopped")  # of the stream before, late
    assert line.asked()[-1] == ("streaming_start", A)


def test_a_call_that_is_ended_hangs_up_on_the_person_and_on_the_caller(line: Line) -> None:
    """`park_after_unbridge` would keep the caller on a silent line."""
    joined_cold(line)
    line.do(ReleasePerson(B, "an operator ended the call"))
    line.control.hang_up(StreamEnd.BY_BRIDGE, line.now)
    assert line.asked()[-2:] == [("hangup", B), ("hangup", A)]


def test_a_stream_that_ends_after_the_way_back_ends_the_call(line: Line) -> None:
    joined_cold(line)
    line.then(PersonLeft=TakeBack())
    line.says("streaming.stopped")
    line.leg("call.hangup", hangup_cause="normal_clearing")
    line.says("streaming.stopped")
    assert line.asked()[-1] == ("hangup", A)


NOBODY = [
    ("user_busy", Nobody.BUSY),
    ("timeout", Nobody.NO_ANSWER),
    ("no_answer", Nobody.NO_ANSWER),
    ("call_rejected", Nobody.REFUSED),
    ("not_found", Nobody.FAILED),
    ("unspecified", Nobody.FAILED),
    ("", Nobody.FAILED),
]


@pytest.mark.parametrize(("cause", "why"), NOBODY)
@pytest.mark.parametrize("command", [put_through(), call_people()])
def test_nobody_is_reached_and_the_caller_s_stream_is_still_there(
    command: PutThrough | CallPeople, cause: str, why: Nobody, line: Line
) -> None:
    line.then(NobodyReached=TakeBack())
    line.do(command)
    line.take("call person", call_control_id=B)
    line.leg("call.initiated", direction="outgoing")
    line.leg("call.hangup", hangup_cause=cause)
    assert line.told() == [PersonRings(B), NobodyReached(why, "r1")]
    assert line.asked() == [("call person", "")]
    line.says("streaming.stopped")
    assert line.asked()[-1] == ("hangup", A), "the call is as it was before"


@pytest.mark.parametrize("is_bridged", [True, False])
def test_a_machine_is_hung_up_on(is_bridged: bool, line: Line) -> None:
    joined_cold(line) if is_bridged else answered_cold(line)
    line.told()
    line.then(NobodyReached=TakeBack())
    line.leg("call.machine.detection.ended", result="machine")
    assert line.told() == [NobodyReached(Nobody.MACHINE, "r1")]
    assert ("hangup", B) in line.asked()
    line.take_all("streaming_stop")
    assert line.asked()[-1] == ("streaming_start", A)
    assert line.asked().count(("bridge", A)) == is_bridged


@pytest.mark.parametrize("result", ["human", "human_business", "not_sure", "silence"])
def test_whoever_is_no_machine_is_left_alone(result: str, line: Line) -> None:
    joined_cold(line)
    line.leg("call.machine.premium.detection.ended", result=result)
    assert ("hangup", B) not in line.asked()


def test_the_loser_of_a_group_is_hung_up_on_at_once(line: Line) -> None:
    line.do(put_through(ANN, BOB))
    first, second = line.host.sent
    assert first.taken
    assert second.taken
    first.taken({"call_control_id": B}, 0.0)
    line.leg("call.answered", C, "h2")
    assert line.asked()[2:] == [("hangup", B), ("streaming_stop", A)]
    second.taken({"call_control_id": C}, 0.0)
    line.leg("call.answered", B, "h1")
    assert line.asked().count(("hangup", B)) == 1
    assert line.told() == [PersonAnswered(C, BOB)]
