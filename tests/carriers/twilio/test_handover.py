"""A call on Twilio goes to a person and comes back, without sockets: what Twilio asks, is answered, and is asked for."""

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode
from xml.etree import ElementTree as ET

import pytest

from bridge.carriers.shared.called_people import LATE_S, VERDICT_S
from bridge.carriers.shared.silent_call import ASKS_S, BACK_S, MOST_LOOKS
from bridge.carriers.twilio.settings import TwilioSettings
from bridge.carriers.twilio.signature import signature
from bridge.carriers.twilio.webhooks import TwilioWebhooks
from bridge.vocabulary.commands import ControlCommand
from bridge.vocabulary.contracts import CallControl, StreamEnd
from bridge.vocabulary.errors import WebhookRefused
from bridge.vocabulary.people import (
    BriefPerson,
    CallPeople,
    CloseStream,
    JoinPerson,
    Nobody,
    NobodyReached,
    PeopleJoined,
    PersonAnswered,
    PersonEvent,
    PersonLeft,
    PersonRings,
    PutThrough,
    ReleasePerson,
    TakeBack,
)

if TYPE_CHECKING:
    from tests.carriers.conftest import Host

AUTH_TOKEN = "12345"
ACCOUNT = {"account_sid": "AC" + "0" * 32}
CALLER, OURS, ANN, BOB = "+15550199", "+15550100", "+15550111", "+15550112"
CALL = {"CallSid": "CA1", "From": CALLER, "To": OURS, "CallStatus": "in-progress", "CallToken": "token"}
THEN = "https://example.com/next.xml"
US = "https://voice.example.com/twilio"


def put_through(*group: str, from_: str = "ours") -> PutThrough:
    return PutThrough("billing", group or (ANN,), from_, 25.0, "r1")


def call_people(*group: str, from_: str = "ours") -> CallPeople:
    return CallPeople("billing", group or (ANN,), from_, 25.0, "r1")


class Line:
    """One call that can be put through, which Twilio has connected to its stream."""

    def __init__(self, serve: Any, host: "Host", **settings: Any) -> None:
        host.people = True
        self.host = host
        self._serve = serve
        given = {"auth_token": AUTH_TOKEN} | ACCOUNT | settings
        self.webhooks = TwilioWebhooks(TwilioSettings.model_validate(given), host)
        self.now = 0.0
        self.first = self.ask("/twilio/voice", CallStatus="ringing")
        host.under_way.add("CA1")
        self.next = f"/twilio/next/{host.handles and 'h1'}"

    @property
    def control(self) -> CallControl:
        control = self.host.expected[0][0].control
        assert control is not None
        return control

    def do(self, command: ControlCommand) -> None:
        """The core commands this."""
        assert type(command) in self.control.can
        self.control.perform(command, self.now)

    def ask(self, path: str, **form: str) -> ET.Element | None:
        """Twilio asks, or tells something; the document that it is answered."""
        text = self.text(path, **(CALL | form))
        return ET.fromstring(text) if text else None

    def text(self, path: str, **form: str) -> str:
        path, _, query = path.partition("?")
        target = path + (f"?{query}" if query else "")
        signed = signature(AUTH_TOKEN, self.host.public_url + target, form.items())
        route, _, word = path.removeprefix("/twilio/").partition("/")
        fields: dict[str, Any] = {"word": word} if word else {}
        answer = self._serve(
            self.webhooks,
            f"/twilio/{route}",
            urlencode(form).encode(),
            now=self.now,
            target=target,
            query=dict(parse_qsl(query)),
            headers={"x-twilio-signature": signed},
            **fields,
        )
        return str(answer.text)

    def leg(self, handle: str, sid: str, status: str, **form: str) -> ET.Element | None:
        """Twilio tells of the leg of a person."""
        text = self.text(f"/twilio/person/{handle}", CallSid=sid, CallStatus=status, **form)
        return ET.fromstring(text) if text else None

    def told(self) -> list[PersonEvent]:
        """What the core was told since the last time."""
        told = [event for call_id, event in self.host.told if call_id == "CA1"]
        self.host.told.clear()
        return told

    def then(self, **commands: ControlCommand) -> None:
        """What the core commands at once when it is told something, by the name of the event."""
        self.host.commands_after = lambda event: (
            self.do(commands[type(event).__name__]) if type(event).__name__ in commands else None
        )

    def forms(self, command: str) -> list[dict[str, str]]:
        """The forms of the requests of this kind that were sent."""
        sent = [one.request for one in self.host.sent if one.request.command == command]
        return [dict(parse_qsl(request.body.decode())) for request in sent]

    def due(self) -> None:
        """What is due next falls due."""
        due = self.webhooks.deadline()
        assert due is not None
        self.now = due
        self.webhooks.due(due)


@pytest.fixture
def line(serve: Any, host: "Host") -> Line:
    return Line(serve, host)


def only(element: ET.Element | None, path: str) -> ET.Element:
    assert element is not None
    (found,) = element.findall(path)
    return found


def verbs(element: ET.Element | None) -> list[str]:
    assert element is not None
    return [verb.tag for verb in element]


# The beginning


def test_a_call_asks_us_how_it_goes_on_where_people_are_set(line: Line) -> None:
    assert verbs(line.first) == ["Connect", "Redirect"]
    assert only(line.first, "Redirect").text == f"{US}/next/h1"
    everything = {CallPeople, PutThrough, BriefPerson, JoinPerson, ReleasePerson, TakeBack, CloseStream}
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
    assert line.control.can == {PutThrough, ReleasePerson, TakeBack, CloseStream}


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


def dialled(line: Line, command: PutThrough) -> ET.Element:
    line.do(command)
    return only(line.ask(line.next), "Dial")


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
    assert (call.call_id, call.briefing_of, call.direction, kind) == ("CA2", "CA1", "outbound", "media")
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
