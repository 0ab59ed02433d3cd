"""A call on Twilio goes to a person who is briefed first, without sockets; refusals and silence."""

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl
from xml.etree import ElementTree as ET

import pytest

from bridge.carriers.shared.called_people import LATE_S
from bridge.vocabulary.contracts import StreamEnd
from bridge.vocabulary.people import (
    BriefPerson,
    JoinPerson,
    Nobody,
    NobodyReached,
    PeopleJoined,
    PersonAnswered,
    PersonLeft,
    ReleasePerson,
    TakeBack,
)
from tests.carriers.twilio.handover_line import (
    ANN,
    BOB,
    CALLER,
    OURS,
    US,
    Line,
    call_people,
    dialled,
    only,
    put_through,
    verbs,
)

if TYPE_CHECKING:
    from tests.carriers.conftest import Host


@pytest.fixture
def line(serve: Any, host: "Host") -> Line:
    return Line(serve, host)


# Warm


def answered(line: Line) -> ET.Element | None:
    """Ann is called, answers and is briefed."""
    line.do(call_people())
    line.host.take(line.now, sid="CA2")
    line.then(PersonAnswered=BriefPerson("CA2"))
    return line.leg("h2", "CA2", "in-progress")


def test_a_person_is_called_by_rest_while_the_caller_waits_on_the_stream(line: Line) -> None:
    line.do(call_people())
    (sent,) = line.host.sent
    form = parse_qsl(sent.request.body.decode())
    assert form == [
        ("To", ANN),
        ("From", OURS),
        ("Url", f"{US}/person/h2"),
        ("Method", "POST"),
        ("Timeout", "25"),
        ("StatusCallback", f"{US}/person/h2"),
        ("StatusCallbackMethod", "POST"),
        *(("StatusCallbackEvent", event) for event in ("initiated", "ringing", "answered", "completed")),
        ("MachineDetection", "Enable"),
        ("AsyncAmd", "true"),
        ("AsyncAmdStatusCallback", f"{US}/person/h2"),
        ("AsyncAmdStatusCallbackMethod", "POST"),
    ]
    assert not sent.request.rule.may_repeat, "Twilio has no idempotency key"


def test_the_caller_s_number_is_shown_with_the_token_of_the_call(line: Line) -> None:
    line.do(call_people(from_="caller"))
    (form,) = line.forms("call person")
    assert (form["From"], form["CallToken"]) == (CALLER, "token")


def test_without_the_token_ours_is_shown(serve: Any, host: "Host") -> None:
    line = Line(serve, host)
    line.ask("/twilio/voice", CallStatus="ringing", CallToken="")
    host.expected[0] = host.expected[-1]
    line.do(call_people(from_="caller"))
    (form,) = line.forms("call person")
    assert (form["From"], form.get("CallToken")) == (OURS, None)


def test_whoever_answers_is_briefed_on_a_stream_of_their_own(line: Line) -> None:
    document = answered(line)
    assert line.told() == [PersonAnswered("CA2", ANN)]
    assert verbs(document) == ["Connect", "Redirect"]
    assert only(document, "Redirect").text == f"{US}/next/h2?leg=person"
    call, kind = line.host.expected[-1]
    assert (call.call_id, call.briefs, call.direction, kind) == ("CA2", "CA1", "outbound", "media")
    assert line.leg("h2", "CA2", "in-progress") is not None, "asked twice"
    assert len(line.host.expected) == 2


def test_who_is_not_to_be_briefed_yet_is_asked_to_wait(line: Line) -> None:
    line.do(call_people())
    document = line.leg("h2", "CA2", "in-progress")
    assert verbs(document) == ["Pause", "Redirect"]
    assert only(document, "Redirect").text == f"{US}/person/h2"


def test_the_two_are_joined_in_a_conference_that_names_nobody(line: Line) -> None:
    answered(line)
    line.do(JoinPerson("CA2"))
    assert line.host.closed == ["CA2"], "the session closes the caller's"
    hers = only(line.ask("/twilio/next/h2?leg=person", CallSid="CA2"), "Dial")
    his = only(line.ask(line.next), "Dial")
    assert (hers.attrib, his.attrib) == ({}, {"action": f"{US}/back/h3", "method": "POST"})
    assert hers[0].text == his[0].text == "h4"
    common = {
        "beep": "false",
        "startConferenceOnEnter": "true",
        "endConferenceOnExit": "true",
        "waitUrl": "",
        "jitterBufferSize": "small",
        "statusCallback": f"{US}/room/h3",
        "statusCallbackEvent": "start end join leave",
        "statusCallbackMethod": "POST",
    }
    assert hers[0].attrib == common | {"participantLabel": "person"}
    assert his[0].attrib == common | {"participantLabel": "caller"}


def joined(line: Line) -> None:
    answered(line)
    line.do(JoinPerson("CA2"))
    line.ask("/twilio/next/h2?leg=person", CallSid="CA2")
    line.ask(line.next)
    for sid in ("CA1", "CA2"):
        line.ask("/twilio/room/h3", StatusCallbackEvent="participant-join", CallSid=sid)
    line.ask("/twilio/room/h3", StatusCallbackEvent="conference-start", CallSid="")
    assert line.told() == [PersonAnswered("CA2", ANN), PeopleJoined("CA2")]


def test_the_person_leaves_the_conference_and_the_assistant_is_back(line: Line) -> None:
    joined(line)
    line.now = 75.0
    line.then(PersonLeft=TakeBack())
    line.leg("h2", "CA2", "completed")
    document = line.ask("/twilio/back/h3", DialCallStatus="answered")
    assert line.told() == [PersonLeft("CA2", 75.0)]
    assert verbs(document) == ["Connect", "Redirect"]
    assert line.forms("end call") == []


def test_a_person_whom_the_conference_left_behind_is_hung_up_on(line: Line) -> None:
    joined(line)
    line.ask("/twilio/back/h3", DialCallStatus="failed")
    assert len(line.forms("end call")) == 1


def test_a_person_who_hangs_up_before_they_are_joined_gives_the_call_back(line: Line) -> None:
    answered(line)
    line.do(JoinPerson("CA2"))
    line.told()
    line.then(PersonLeft=TakeBack())
    line.leg("h2", "CA2", "completed")
    assert line.told() == [PersonLeft("CA2", 0.0)]
    assert verbs(line.ask(line.next)) == ["Connect", "Redirect"], "it asked in between"


def test_or_has_the_caller_fetched_out_of_the_conference(line: Line) -> None:
    answered(line)
    line.do(JoinPerson("CA2"))
    line.ask(line.next)
    line.then(PersonLeft=TakeBack())
    line.leg("h2", "CA2", "completed")
    assert line.forms("redirect call") == [{"Url": f"{US}/next/h1", "Method": "POST"}]
    assert verbs(line.ask(line.next)) == ["Connect", "Redirect"]


def test_a_person_who_hangs_up_in_the_briefing_ends_it(line: Line) -> None:
    answered(line)
    line.leg("h2", "CA2", "completed")
    assert line.told() == [PersonAnswered("CA2", ANN), PersonLeft("CA2", 0.0)]
    assert line.host.ended == ["CA2"]


def test_after_a_briefing_that_is_over_the_person_is_hung_up_on(line: Line) -> None:
    answered(line)
    control = line.host.expected[-1][0].control
    assert control is not None
    control.hang_up(StreamEnd.BY_BRIDGE, 1.0)
    line.do(ReleasePerson("CA2", "declined"))
    assert len(line.forms("end call")) == 1, "once"
    assert verbs(line.ask("/twilio/next/h2?leg=person", CallSid="CA2")) == ["Hangup"]


def test_the_end_of_a_briefing_that_was_accepted_hangs_up_on_nobody(line: Line) -> None:
    answered(line)
    control = line.host.expected[-1][0].control
    assert control is not None
    line.do(JoinPerson("CA2"))
    control.hang_up(StreamEnd.BY_BRIDGE, 1.0)
    assert line.forms("end call") == []


def test_a_machine_in_the_briefing_is_hung_up_on(line: Line) -> None:
    answered(line)
    line.leg("h2", "CA2", "", AnsweredBy="machine_end_beep")
    assert line.told() == [PersonAnswered("CA2", ANN), NobodyReached(Nobody.MACHINE, "r1")]
    assert len(line.forms("end call")) == 1


def test_the_loser_of_a_group_is_hung_up_on_at_once(line: Line) -> None:
    line.do(call_people(ANN, BOB))
    line.host.take(0.0, 0, sid="CA2")
    line.host.take(0.0, 1, sid="CA3")
    line.leg("h3", "CA3", "in-progress")
    assert line.told() == [PersonAnswered("CA3", BOB)]
    assert [sent.request.call_id for sent in line.host.sent[2:]] == ["CA2"]
    assert verbs(line.leg("h2", "CA2", "in-progress")) == ["Hangup"]
    assert len(line.host.sent) == 3


def test_while_the_caller_s_stream_is_there_nothing_is_taken_back(line: Line) -> None:
    line.do(call_people())
    line.leg("h2", "CA2", "busy")
    line.do(TakeBack())
    assert line.told() == [NobodyReached(Nobody.BUSY, "r1")]
    assert (len(line.host.sent), len(line.host.expected)) == (1, 1)


def test_a_stream_that_breaks_while_the_caller_waits_is_opened_again(line: Line) -> None:
    line.do(call_people())
    assert verbs(line.ask(line.next)) == ["Connect", "Redirect"]
    assert line.host.expected[-1][0].continues


# Refusals and silence

REFUSALS = [("21211", 400), ("20003", 401), ("20429", 429), ("", 503), ("", 0)]


@pytest.mark.parametrize(("code", "status"), REFUSALS)
def test_a_person_who_cannot_be_called_is_not_reached(code: str, status: int, line: Line) -> None:
    line.do(call_people())
    line.host.refuse(1.0, code, status=status)
    assert line.told() == [NobodyReached(Nobody.FAILED, "r1")]
    assert line.host.commands == ["call person"], "and is not called again"


def test_a_leg_that_was_placed_without_an_answer_is_known_by_its_webhooks(line: Line) -> None:
    line.do(call_people())
    line.leg("h2", "CA2", "initiated")
    line.host.refuse(5.0, "", status=0)
    assert line.told() == []
    line.leg("h2", "CA2", "in-progress")
    assert line.told() == [PersonAnswered("CA2", ANN)]


def test_a_leg_that_shows_after_the_refusal_is_hung_up_on(line: Line) -> None:
    line.do(call_people())
    line.host.refuse(5.0, "", status=0)
    line.leg("h2", "CA2", "ringing")
    assert [sent.request.call_id for sent in line.host.sent] == ["", "CA2"]
    assert verbs(line.leg("h2", "CA2", "in-progress")) == ["Hangup"]
    assert line.told() == [NobodyReached(Nobody.FAILED, "r1")]


def test_people_of_whom_nothing_is_heard_are_not_reached(line: Line) -> None:
    line.do(call_people())
    line.host.take(0.0, sid="CA2")
    assert line.webhooks.deadline() == 25.0 + LATE_S
    line.due()
    assert line.told() == [NobodyReached(Nobody.NO_ANSWER, "r1")]
    assert line.forms("end call") == [{"Status": "completed"}]


@pytest.mark.parametrize("is_briefing", [True, False])
def test_after_the_caller_s_end_nobody_is_left_but_a_briefing(is_briefing: bool, line: Line) -> None:
    answered(line)
    if is_briefing:
        line.host.under_way.add("CA2")
    line.control.hang_up(StreamEnd.BY_CARRIER, 1.0)
    assert len(line.forms("end call")) == (0 if is_briefing else 1)


def test_whoever_answers_after_the_caller_s_end_is_hung_up_on(line: Line) -> None:
    line.do(call_people())
    line.control.hang_up(StreamEnd.BY_CARRIER, 1.0)
    assert line.forms("end call") == [], "the leg is not known yet"
    line.host.take(2.0, sid="CA2")
    assert len(line.forms("end call")) == 1
    assert verbs(line.leg("h2", "CA2", "in-progress")) == ["Hangup"]


def test_no_number_is_logged_or_shown(line: Line) -> None:
    dialled(line, put_through())
    line.leg("h2", "CA2", "in-progress", To=ANN, From=OURS)
    line.do(call_people(ANN, from_="caller"))
    for number in (ANN, OURS, CALLER):
        assert number not in repr(line.host.lines)
        assert number not in repr([sent.request for sent in line.host.sent])
