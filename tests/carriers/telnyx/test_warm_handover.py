"""A call under Call Control goes to a person who is briefed first, without sockets; refusals, silence, and the ends."""

from typing import TYPE_CHECKING, Any

import pytest
from msgspec import json

from bridge.carriers.shared.called_people import LATE_S
from bridge.carriers.telnyx.events import CallEvent
from bridge.carriers.telnyx.person_state import PersonState, read_person_state
from bridge.vocabulary.contracts import StreamEnd
from bridge.vocabulary.people import (
    BriefPerson,
    JoinPerson,
    Nobody,
    NobodyReached,
    PersonAnswered,
    PersonLeft,
    ReleasePerson,
    TakeBack,
)
from tests.carriers.telnyx.handover_line import (
    ANN,
    BOB,
    CALLER,
    OURS,
    A,
    B,
    C,
    Line,
    answered_cold,
    call_people,
    joined_cold,
)

if TYPE_CHECKING:
    from tests.carriers.conftest import Host


@pytest.fixture
def line(serve: Any, host: "Host") -> Line:
    return Line(serve, host)


# Warm


def briefed(line: Line) -> None:
    line.do(call_people())
    line.take("call person", call_control_id=B)
    line.then(PersonAnswered=BriefPerson(B))
    line.leg("call.answered")


def test_whoever_answers_is_briefed_on_a_stream_of_their_own(line: Line) -> None:
    briefed(line)
    assert line.told() == [PersonAnswered(B, ANN)]
    assert line.asked() == [("call person", ""), ("streaming_start", B)]
    call, kind = line.host.expected[-1]
    assert (call.call_id, call.briefs, call.direction, kind) == (B, A, "outbound", "media")
    assert line.host.closed == []


def test_both_streams_are_stopped_before_the_two_are_bridged(line: Line) -> None:
    briefed(line)
    line.do(JoinPerson(B))
    assert line.asked()[2:] == [("streaming_stop", A), ("streaming_stop", B)]
    assert sorted(line.host.closed) == [A, B]
    line.take("streaming_stop")
    assert "bridge" not in line.host.commands
    line.take_all("streaming_stop")
    assert line.host.commands.count("bridge") == 1


def test_the_end_of_a_briefing_that_was_declined_hangs_up(line: Line) -> None:
    briefed(line)
    control = line.host.expected[-1][0].control
    assert control is not None
    assert control.can == frozenset()
    control.hang_up(StreamEnd.BY_BRIDGE, 1.0)
    line.do(ReleasePerson(B, "declined"))
    assert line.asked()[2:] == [("hangup", B)], "once"
    line.leg("call.hangup", hangup_cause="normal_clearing")
    assert line.told() == [PersonAnswered(B, ANN)]


def test_the_end_of_a_briefing_that_was_accepted_does_not(line: Line) -> None:
    briefed(line)
    control = line.host.expected[-1][0].control
    assert control is not None
    line.do(JoinPerson(B))
    control.hang_up(StreamEnd.BY_BRIDGE, 1.0)
    assert ("hangup", B) not in line.asked()


def test_a_person_who_hangs_up_in_the_briefing_gives_the_call_back(line: Line) -> None:
    briefed(line)
    line.then(PersonLeft=TakeBack())
    line.leg("call.hangup", hangup_cause="normal_clearing")
    assert line.told() == [PersonAnswered(B, ANN), PersonLeft(B)]
    assert line.host.ended == [B]
    assert len(line.host.expected) == 2, "the caller's stream was never closed"


def test_a_briefing_whose_stream_fails_gives_the_call_back(line: Line) -> None:
    briefed(line)
    line.leg("streaming.failed", failure_reason="connection_failed")
    assert line.told() == [PersonAnswered(B, ANN), PersonLeft(B)]
    assert line.asked()[-1] == ("hangup", B)


def test_a_person_who_hangs_up_while_the_streams_are_stopped(line: Line) -> None:
    briefed(line)
    line.do(JoinPerson(B))
    line.then(PersonLeft=TakeBack())
    line.leg("call.hangup", hangup_cause="normal_clearing")
    assert ("streaming_start", A) not in line.asked(), "the stop on its way would end the new stream"
    line.take_all("streaming_stop")
    assert line.asked()[-1] == ("streaming_start", A)
    assert "bridge" not in line.host.commands


# Refusals and silence

REFUSALS = [("90041", 422), ("10009", 401), ("10011", 429), ("", 503), ("", 0)]


@pytest.mark.parametrize(("code", "status"), REFUSALS)
def test_a_person_who_cannot_be_called_is_not_reached(code: str, status: int, line: Line) -> None:
    line.do(call_people())
    line.host.refuse(1.0, code, status=status)
    assert line.told() == [NobodyReached(Nobody.FAILED, "r1")]
    assert line.host.commands == ["call person"]


def test_a_leg_that_shows_after_the_refusal_is_hung_up_on(line: Line) -> None:
    line.do(call_people())
    line.host.refuse(1.0, "", status=0)
    line.leg("call.answered")
    assert line.told() == [NobodyReached(Nobody.FAILED, "r1")]
    assert line.asked()[1:] == [("hangup", B)]


@pytest.mark.parametrize(("code", "status"), REFUSALS)
def test_a_briefing_that_cannot_be_begun_gives_the_call_back(code: str, status: int, line: Line) -> None:
    briefed(line)
    line.host.refuse(1.0, code, status=status)
    assert line.told() == [PersonAnswered(B, ANN), PersonLeft(B)]
    assert line.asked()[-1] == ("hangup", B)


@pytest.mark.parametrize(("code", "status"), REFUSALS)
def test_two_who_cannot_be_bridged(code: str, status: int, line: Line) -> None:
    answered_cold(line)
    line.take_all("streaming_stop")
    line.then(PersonLeft=TakeBack())
    line.host.refuse(1.0, code, status=status)
    assert line.told()[-1] == PersonLeft(B)
    assert line.asked()[-2:] == [("hangup", B), ("streaming_start", A)]


@pytest.mark.parametrize(("code", "status"), REFUSALS)
def test_a_stream_that_will_not_stop_is_bridged_all_the_same(code: str, status: int, line: Line) -> None:
    answered_cold(line)
    line.host.refuse(1.0, code, status=status)
    assert line.asked()[-1] == ("bridge", A)


def test_a_stream_that_will_not_start_again_ends_the_call(line: Line) -> None:
    joined_cold(line)
    line.then(PersonLeft=TakeBack())
    line.leg("call.hangup", hangup_cause="normal_clearing")
    line.host.refuse(1.0, "90046")
    assert line.asked()[-1] == ("hangup", A)


def test_people_of_whom_nothing_is_heard_are_not_reached(line: Line) -> None:
    line.do(call_people())
    line.take("call person", call_control_id=B)
    assert line.webhooks.deadline() == 25.0 + LATE_S
    line.webhooks.due(25.0 + LATE_S)
    assert line.told() == [NobodyReached(Nobody.NO_ANSWER, "r1")]
    assert line.asked()[-1] == ("hangup", B)
    assert line.webhooks.deadline() is None


# The caller's end, and the server's


def test_when_the_caller_hangs_up_nobody_is_left_ringing(line: Line) -> None:
    line.do(call_people(ANN, BOB))
    line.host.take(0.0, 0, call_control_id=B)
    line.says("call.hangup", hangup_cause="normal_clearing")
    assert line.host.ended == [A]
    line.control.hang_up(StreamEnd.BY_CARRIER, 1.0)
    line.leg("call.answered", C, "h2")
    assert line.asked()[2:] == [("hangup", B), ("hangup", C)]


def test_when_the_caller_hangs_up_the_person_is_hung_up_on(line: Line) -> None:
    joined_cold(line)
    line.says("call.hangup", hangup_cause="normal_clearing")
    assert line.asked()[-1] == ("hangup", B)


def test_a_briefing_is_told_first_that_the_caller_is_gone(line: Line) -> None:
    briefed(line)
    line.host.under_way.add(B)
    line.says("call.hangup", hangup_cause="normal_clearing")
    line.control.hang_up(StreamEnd.BY_CARRIER, 1.0)
    assert ("hangup", B) not in line.asked()


def test_two_who_talk_go_on_when_the_session_or_the_server_ends(line: Line) -> None:
    joined_cold(line)
    before = len(line.host.sent)
    line.control.hang_up(StreamEnd.BY_BRIDGE, 1.0)
    line.webhooks.close(2.0)
    assert len(line.host.sent) == before


def test_after_the_session_the_call_ends_with_the_talk(line: Line) -> None:
    joined_cold(line)
    line.control.hang_up(StreamEnd.BY_BRIDGE, 1.0)
    line.host.under_way.clear()
    line.leg("call.hangup", hangup_cause="normal_clearing")
    assert line.asked()[-1] == ("hangup", A), "nobody would speak to the caller"


def test_a_caller_on_hold_is_hung_up_on_when_the_server_ends(line: Line) -> None:
    line.do(call_people())
    line.take("call person", call_control_id=B)
    line.webhooks.close(2.0)
    assert line.asked()[1:] == [("hangup", B), ("hangup", A)]


# Another process had the call


def test_a_leg_that_nobody_knows_is_hung_up_on(line: Line) -> None:
    line.leg("call.answered", "v3:x", "other")
    assert line.asked() == [("hangup", "v3:x")]


def test_a_caller_whom_nobody_knows_is_not_left_parked(serve: Any, host: "Host") -> None:
    line = Line(serve, host)
    line.says("call.hangup", "v3:x", client_state=PersonState("billing", "other", "v3:y").encode())
    assert line.asked() == [("streaming_start", "v3:y")]
    call, _ = host.expected[-1]
    assert (call.call_id, call.continues) == ("v3:y", False)


@pytest.mark.parametrize("known", [A, "v3:over"])
def test_unless_the_call_is_known_or_over(known: str, line: Line) -> None:
    line.host.over.add("v3:over")
    line.says("call.hangup", "v3:x", client_state=PersonState("billing", "other", known).encode())
    assert line.asked() == []


def test_no_number_is_logged_or_shown(line: Line) -> None:
    line.do(call_people(from_="caller"))
    line.leg("call.initiated", to=ANN, **{"from": CALLER})
    for number in (ANN, OURS, CALLER):
        assert number not in repr(line.host.lines)
        assert number not in repr([sent.request for sent in line.host.sent])


def test_a_webhook_that_comes_twice_is_told_once(line: Line) -> None:
    line.do(call_people())
    state = PersonState("billing", "h1", A).encode()
    event = {
        "event_type": "call.answered",
        "id": "x",
        "payload": {"call_control_id": B, "client_state": state},
    }
    line.tell(event)
    line.tell(event)
    line.tell(event | {"id": "y"})
    assert line.told() == [PersonAnswered(B, ANN)]


def test_a_leg_s_state_says_which_call_it_belongs_to() -> None:
    state = PersonState("billing", "h1", A)
    event = CallEvent("call.answered", B, client_state=json.encode({"voicebridge_person": state}).decode())
    assert read_person_state(event.client_state) == state
