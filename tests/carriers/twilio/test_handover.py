"""A call on Twilio goes to a person and comes back, cold, without sockets; and a call that asks how it goes on."""

from typing import TYPE_CHECKING, Any

import pytest

from bridge.carriers.shared.called_people import VERDICT_S
from bridge.carriers.shared.silent_call import ASKS_S, BACK_S, MOST_LOOKS
from bridge.vocabulary.contracts import StreamEnd
from bridge.vocabulary.errors import WebhookRefused
from bridge.vocabulary.people import (
    BriefPerson,
    CallPeople,
    CloseStream,
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
from tests.carriers.twilio.handover_line import (
    ANN,
    BOB,
    CALL,
    CALLER,
    OURS,
    THEN,
    US,
    Line,
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


# The beginning


def test_a_call_asks_us_how_it_goes_on_where_people_are_set(line: Line) -> None:
    assert verbs(line.first) == ["Connect", "Redirect"]
    assert only(line.first, "Redirect").text == f"{US}/next/h1"
    everything = {CallPeople, PutThrough, BriefPerson, JoinPerson, ReleasePerson, TakeBack, CloseStream}
    everything |= {EnterQueue, ReferCaller, Supervise, CallSupervisor, ChangeSupervisor, EndSupervision}
    assert line.control.can == everything


def test_without_people_nothing_is_different(serve: Any, host: "Host") -> None:
    webhooks = Line(serve, host)
    host.people = False
    first = webhooks.ask("/twilio/voice", CallStatus="ringing")
    assert verbs(first) == ["Connect"]
    control = host.expected[-1][0].control
    assert control is not None
    assert control.can == frozenset()


def test_without_an_account_a_call_can_be_put_through_cold(serve: Any, host: "Host") -> None:
    line = Line(serve, host, account_sid=None)
    assert line.control.can == {PutThrough, EnterQueue, ReferCaller, ReleasePerson, TakeBack, CloseStream}


# How a call ends that was not put through


def test_when_the_assistant_has_hung_up_the_call_is_over(line: Line) -> None:
    line.host.under_way.clear()
    assert verbs(line.ask(line.next)) == ["Hangup"]
    assert line.host.ended == ["CA1"]


def test_or_goes_on_where_the_settings_say_so(serve: Any, host: "Host") -> None:
    line = Line(serve, host, then=THEN)
    host.under_way.clear()
    assert only(line.ask(line.next), "Redirect").text == THEN
    assert host.ended == []


@pytest.mark.parametrize("path", ["/twilio/next/h1", "/twilio/back/h1", "/twilio/status"])
@pytest.mark.parametrize("status", ["completed", "busy", "failed", "no-answer", "canceled"])
def test_each_webhook_tells_a_call_that_is_over(path: str, status: str, line: Line) -> None:
    document = line.ask(path, CallStatus=status)
    assert line.host.ended[0] == "CA1"
    assert document is None or verbs(document) == ["Hangup"]


@pytest.mark.parametrize("path", ["/twilio/next/h1", "/twilio/back/h1", "/twilio/next/other"])
def test_a_call_that_is_over_asks_in_vain(path: str, line: Line) -> None:
    line.host.over.add("CA1")
    with pytest.raises(WebhookRefused) as refused:
        line.ask(path)
    assert refused.value.status == 410


@pytest.mark.parametrize("path", ["/twilio/next/other", "/twilio/back/other", "/twilio/next/h1"])
def test_a_live_call_that_nobody_knows_gets_a_new_stream(path: str, line: Line) -> None:
    document = line.ask(path, CallSid="CA9")
    assert verbs(document) == ["Connect", "Redirect"]
    call, _ = line.host.expected[-1]
    assert (call.call_id, call.continues) == ("CA9", False)


def test_a_leg_that_nobody_knows_is_hung_up_on(line: Line) -> None:
    assert verbs(line.leg("other", "CA9", "in-progress")) == ["Hangup"]
    assert verbs(line.ask("/twilio/next/other?leg=person", CallSid="CA9")) == ["Hangup"]


@pytest.mark.parametrize("path", ["next", "back", "person", "room"])
def test_a_webhook_that_twilio_did_not_sign_is_refused(path: str, line: Line) -> None:
    with pytest.raises(WebhookRefused) as refused:
        line._serve(line.webhooks, f"/twilio/{path}", b"CallSid=CA1", word="h1")
    assert refused.value.status == 403


# Cold


def test_the_people_of_a_group_ring_together(line: Line) -> None:
    dial = dialled(line, put_through(ANN, "sip:bob@pbx.example.com"))
    assert dial.attrib == {
        "action": f"{US}/back/h4",
        "method": "POST",
        "answerOnBridge": "true",
        "timeout": "25",
        "callerId": OURS,
    }
    assert [(noun.tag, noun.text) for noun in dial] == [("Number", ANN), ("Sip", "sip:bob@pbx.example.com")]
    assert dial[0].attrib == {
        "machineDetection": "Enable",
        "amdStatusCallback": f"{US}/person/h2",
        "amdStatusCallbackMethod": "POST",
        "statusCallback": f"{US}/person/h2",
        "statusCallbackMethod": "POST",
        "statusCallbackEvent": "initiated ringing answered completed",
    }
    assert dial[1].get("statusCallback") == f"{US}/person/h3"
    assert line.host.sent == [], "nothing is asked for by REST"


@pytest.mark.parametrize(
    ("from_", "shown"), [("ours", OURS), ("", OURS), ("caller", CALLER), ("+15550777", "+15550777")]
)
def test_what_they_are_shown(from_: str, shown: str, line: Line) -> None:
    assert dialled(line, put_through(from_=from_)).get("callerId") == shown


def test_machines_are_looked_for_only_where_the_settings_ask_for_it(serve: Any, host: "Host") -> None:
    line = Line(serve, host, detect_machines_of_people=False)
    assert dialled(line, put_through())[0].get("machineDetection") is None


def test_a_call_goes_to_a_person_and_comes_back(line: Line) -> None:
    dialled(line, put_through())
    line.leg("h2", "CA2", "ringing")
    assert line.told() == [PersonRings("CA2")]
    line.leg("h2", "CA2", "in-progress")
    line.leg("h2", "CA2", "in-progress")
    assert line.told() == [PersonAnswered("CA2", ANN)], "it may be a machine"
    line.leg("h2", "CA2", "", AnsweredBy="human")
    assert line.told() == [PeopleJoined("CA2")]
    line.now = 140.0
    line.then(PersonLeft=TakeBack())
    line.leg("h2", "CA2", "completed")
    assert line.told() == [], "the caller may have hung up as well"
    document = line.ask("/twilio/back/h3", DialCallStatus="completed", DialCallDuration="139")
    assert line.told() == [PersonLeft("CA2", 140.0)]
    assert verbs(document) == ["Connect", "Redirect"]
    call, kind = line.host.expected[-1]
    assert (call.call_id, call.continues, call.control, kind) == ("CA1", True, line.control, "media")
    assert line.webhooks.deadline() is None


NOBODY = [
    ("busy", Nobody.BUSY),
    ("no-answer", Nobody.NO_ANSWER),
    ("canceled", Nobody.NO_ANSWER),
    ("failed", Nobody.FAILED),
]


@pytest.mark.parametrize(("status", "why"), NOBODY)
def test_nobody_is_reached_and_the_assistant_is_back(status: str, why: Nobody, line: Line) -> None:
    dialled(line, put_through())
    line.then(NobodyReached=TakeBack())
    document = line.ask("/twilio/back/h3", DialCallStatus=status)
    assert line.told() == [NobodyReached(why, "r1")]
    assert verbs(document) == ["Connect", "Redirect"]


def test_the_next_group_is_called_in_the_same_answer(line: Line) -> None:
    dialled(line, put_through())
    line.then(NobodyReached=PutThrough("billing", (BOB,), "ours", 20.0, "r2"))
    dial = only(line.ask("/twilio/back/h3", DialCallStatus="busy"), "Dial")
    assert (dial[0].text, dial.get("timeout"), dial.get("action")) == (BOB, "20", f"{US}/back/h5")


def test_a_webhook_that_comes_twice_is_answered_alike_and_told_once(line: Line) -> None:
    dialled(line, put_through())
    line.then(NobodyReached=TakeBack())
    form = CALL | {"DialCallStatus": "busy"}
    first, second = line.text("/twilio/back/h3", **form), line.text("/twilio/back/h3", **form)
    assert first == second
    assert line.told() == [NobodyReached(Nobody.BUSY, "r1")]
    assert len(line.host.expected) == 2


def test_a_machine_is_hung_up_on_and_told(line: Line) -> None:
    dialled(line, put_through())
    line.leg("h2", "CA2", "in-progress")
    assert line.leg("h2", "CA2", "", AnsweredBy="machine_start") is None
    assert line.forms("end call") == [{"Status": "completed"}]
    assert line.host.sent[-1].request.call_id == "CA2"
    line.told()
    line.then(NobodyReached=TakeBack())
    document = line.ask("/twilio/back/h3", DialCallStatus="completed", DialCallDuration="6")
    assert line.told() == [NobodyReached(Nobody.MACHINE, "r1")]
    assert verbs(document) == ["Connect", "Redirect"]


@pytest.mark.parametrize("who", ["human", "unknown"])
def test_whoever_is_no_machine_is_left_alone(who: str, line: Line) -> None:
    dialled(line, put_through())
    line.leg("h2", "CA2", "in-progress", AnsweredBy=who)
    assert line.told() == [PersonAnswered("CA2", ANN), PeopleJoined("CA2")]
    assert line.host.sent == []


def test_after_the_session_the_call_ends_with_the_talk(line: Line) -> None:
    dialled(line, put_through())
    line.leg("h2", "CA2", "in-progress")
    line.control.hang_up(StreamEnd.BY_BRIDGE, 1.0)
    assert line.host.sent == [], "they go on talking"
    line.host.under_way.clear()
    assert verbs(line.ask("/twilio/back/h3", DialCallStatus="completed")) == ["Hangup"]


def test_the_caller_hangs_up_while_they_talk(line: Line) -> None:
    dialled(line, put_through())
    line.leg("h2", "CA2", "in-progress")
    document = line.ask("/twilio/back/h3", CallStatus="completed", DialCallStatus="completed")
    assert verbs(document) == ["Hangup"]
    assert line.host.ended[0] == "CA1"
    assert line.told() == [PersonAnswered("CA2", ANN)]


def test_where_nobody_says_whether_it_is_a_machine_it_is_taken_for_none(line: Line) -> None:
    dialled(line, put_through())
    line.leg("h2", "CA2", "in-progress")
    assert line.webhooks.deadline() == VERDICT_S
    line.due()
    assert line.told() == [PersonAnswered("CA2", ANN), PeopleJoined("CA2")]
    line.leg("h2", "CA2", "", AnsweredBy="machine_start")
    line.ask("/twilio/back/h3", DialCallStatus="completed", DialCallDuration="9")
    assert line.told() == [PersonLeft("CA2", VERDICT_S)], "it is too late to say that nobody was reached"


def test_where_nobody_looks_for_machines_it_is_told_at_once(serve: Any, host: "Host") -> None:
    line = Line(serve, host, detect_machines_of_people=False)
    dialled(line, put_through())
    line.leg("h2", "CA2", "in-progress")
    assert line.told() == [PersonAnswered("CA2", ANN), PeopleJoined("CA2")]


def test_the_end_of_the_stream_that_we_closed_ends_nothing(line: Line) -> None:
    line.do(put_through())
    stopped = {"StreamSid": "MZ1", "StreamEvent": "stream-stopped"}
    line.ask("/twilio/status", **stopped)
    line.ask(line.next)
    line.ask("/twilio/status", **stopped)
    assert line.host.streams_ended == []


# A call that does not ask


@pytest.mark.parametrize("found", [{"status": "completed"}, {"status": "canceled"}])
def test_a_caller_who_left_with_the_person_is_found_out(found: dict[str, Any], line: Line) -> None:
    dialled(line, put_through())
    line.leg("h2", "CA2", "in-progress")
    line.leg("h2", "CA2", "completed")
    assert line.webhooks.deadline() == BACK_S
    line.due()
    request = line.host.sent[-1].request
    assert (request.command, request.method, request.call_id) == ("look up call", "GET", "CA1")
    line.host.take(line.now, **found)
    assert line.host.ended == ["CA1"]


@pytest.mark.parametrize(("code", "status"), [("20404", 404), ("21220", 400), ("", 404)])
def test_a_call_that_is_not_there_is_over(code: str, status: int, line: Line) -> None:
    line.do(put_through())
    assert line.webhooks.deadline() == ASKS_S
    line.due()
    line.host.refuse(line.now, code, status=status)
    assert line.host.ended == ["CA1"]


def test_a_call_that_is_there_and_does_not_ask_is_made_to_ask(line: Line) -> None:
    line.do(put_through())
    for look in range(MOST_LOOKS):
        line.due()
        if look % 2:
            line.host.refuse(line.now, "", status=500)
        else:
            line.host.take(line.now, status="in-progress")
    assert line.forms("redirect call") == [{"Url": f"{US}/next/h1", "Method": "POST"}]
    assert verbs(line.ask(line.next)) == ["Dial"]


def test_a_person_who_left_a_call_that_does_not_ask_gives_it_back(line: Line) -> None:
    dialled(line, put_through())
    line.leg("h2", "CA2", "in-progress")
    line.leg("h2", "CA2", "completed")
    line.told()
    line.then(PersonLeft=TakeBack())
    for _ in range(MOST_LOOKS):
        line.due()
        line.host.take(line.now, status="in-progress")
    assert [type(event) for event in line.told()] == [PersonLeft]
    assert len(line.forms("redirect call")) == 1
    assert verbs(line.ask(line.next)) == ["Connect", "Redirect"]


# An operator takes the caller back from a person: the person's leg is hung up, and the caller redirected, at the same time


def taken_back(line: Line) -> str:
    """The handle of the `<Dial>` that is over."""
    dialled(line, put_through())
    line.leg("h2", "CA2", "in-progress")
    line.do(ReleasePerson("CA2", "an operator took the caller back"))
    line.do(TakeBack())
    assert line.forms("end call") == [{"Status": "completed"}]
    assert line.forms("redirect call") == [{"Url": f"{US}/next/h1", "Method": "POST"}]
    return "h3"


def test_a_dial_that_ends_before_the_redirect_comes_opens_no_stream_that_it_would_break(line: Line) -> None:
    handle, streams = taken_back(line), len(line.host.expected)
    waits = line.ask(f"/twilio/back/{handle}", DialCallStatus="completed", DialCallDuration="9")
    assert verbs(waits) == ["Pause", "Redirect"], "if the redirect fails, the call asks by itself"
    assert only(waits, "Redirect").text == f"{US}/next/h1"
    assert len(line.host.expected) == streams
    assert verbs(line.ask(line.next)) == ["Connect", "Redirect"]
    assert len(line.host.expected) == streams + 1


def test_a_redirect_that_comes_before_the_dial_ends_opens_the_stream(line: Line) -> None:
    taken_back(line)
    assert verbs(line.ask(line.next)) == ["Connect", "Redirect"]
    assert line.webhooks.deadline() is None
