"""A call under TeXML goes to a person and comes back by its documents, without sockets."""

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode
from xml.etree import ElementTree as ET

import pytest
from msgspec import json

from bridge.carriers.telnyx.settings import TelnyxSettings
from bridge.carriers.telnyx.webhooks import TelnyxWebhooks
from bridge.simulators.carriers.telnyx.webhooks import TEST_PUBLIC_KEY, Signer
from bridge.vocabulary.commands import ControlCommand
from bridge.vocabulary.contracts import CallControl, StreamEnd
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
    PutThrough,
    ReferCaller,
    ReleasePerson,
    TakeBack,
)
from bridge.vocabulary.supervision import CallSupervisor, ChangeSupervisor, EndSupervision, Supervise

if TYPE_CHECKING:
    from tests.carriers.conftest import Host

CALL = {
    "CallSid": "v3:a",
    "AccountSid": "acc",
    "From": "+15550199",
    "To": "+15550100",
    "CallStatus": "in-progress",
}
ANN, BOB = "+15550111", "+15550112"
UNIX_S = 1_700_000_000
US = "https://voice.example.com/telnyx"
PUT_THROUGH = PutThrough("billing", (ANN, "sip:bob@pbx.example.com"), "ours", 25.0, "r1")


class Line:
    """One call that can be put through, which Telnyx has connected to its stream."""

    def __init__(self, serve: Any, host: "Host", **settings: Any) -> None:
        host.people = True
        self.host = host
        self._serve = serve
        keys = {"public_key": TEST_PUBLIC_KEY, "api_key": "KEY"} | settings
        self.webhooks = TelnyxWebhooks(TelnyxSettings.model_validate(keys), host)
        self.first = self.ask("texml", CallStatus="ringing")
        host.under_way.add("v3:a")

    @property
    def control(self) -> CallControl:
        control = self.host.expected[0][0].control
        assert control is not None
        return control

    def do(self, command: ControlCommand) -> None:
        """The core commands this."""
        assert type(command) in self.control.can
        self.control.perform(command, 0.0)

    def ask(self, path: str, **form: str) -> ET.Element | None:
        """Telnyx asks, or tells something; the document that it is answered."""
        path, _, query = path.partition("?")
        route, _, word = path.partition("/")
        body = urlencode(CALL | form).encode()
        fields: dict[str, Any] = {"word": word} if word else {}
        answer = self._serve(
            self.webhooks,
            f"/telnyx/{route}",
            body,
            headers={name.lower(): value for name, value in Signer().headers(body, UNIX_S).items()},
            query=dict(parse_qsl(query)),
            **fields,
        )
        return ET.fromstring(answer.text) if answer.text else None

    def back_at(self, event: str) -> None:
        """The core takes the call back at once when it is told this."""
        self.host.commands_after = lambda told: self.do(TakeBack()) if type(told).__name__ == event else None


@pytest.fixture
def line(serve: Any, host: "Host") -> Line:
    return Line(serve, host)


def shape(document: ET.Element | None) -> list[str]:
    assert document is not None
    return [verb.tag for verb in document]


def test_a_stream_that_we_will_close_is_not_opened_again(line: Line) -> None:
    assert shape(line.first) == ["Connect", "Redirect"]
    assert line.first is not None
    stream = line.first.find("Connect/Stream")
    assert stream is not None
    assert stream.get("enableReconnect") == "false"
    assert line.first.findtext("Redirect") == f"{US}/next/h1"
    assert line.control.can == {
        *(CallPeople, PutThrough, BriefPerson, JoinPerson, ReleasePerson, TakeBack, CloseStream),
        *(EnterQueue, ReferCaller, Supervise, CallSupervisor, ChangeSupervisor, EndSupervision),
    }


def test_a_stream_that_broke_comes_back_by_the_document(line: Line) -> None:
    assert shape(line.ask("next/h1")) == ["Connect", "Redirect"]
    call, _ = line.host.expected[-1]
    assert (call.continues, call.returns_s) == (True, 10.0)


def test_it_does_not_where_the_settings_do_not_wait_for_it(serve: Any, host: "Host") -> None:
    line = Line(serve, host, return_s=0)
    assert shape(line.ask("next/h1")) == ["Hangup"]
    assert host.ended == ["v3:a"]


def test_without_people_nothing_is_different(serve: Any, host: "Host") -> None:
    line = Line(serve, host)
    host.people = False
    document = line.ask("texml", CallStatus="ringing")
    assert shape(document) == ["Connect"]
    assert host.expected[-1][0].control is None


def test_without_a_key_a_call_can_be_put_through_cold(serve: Any, host: "Host") -> None:
    line = Line(serve, host, api_key=None)
    assert line.control.can == {*(PutThrough, EnterQueue, ReferCaller, ReleasePerson, TakeBack, CloseStream)}


def test_the_people_of_a_group_ring_together(line: Line) -> None:
    line.do(PUT_THROUGH)
    document = line.ask("next/h1")
    assert shape(document) == ["Dial"], "no pause, and nothing that ends under the talk"
    assert document is not None
    dial = document[0]
    assert dial.attrib == {
        "action": f"{US}/back/h4",
        "method": "POST",
        "timeout": "25",
        "callerId": "+15550100",
    }
    assert [(noun.tag, noun.text) for noun in dial] == [("Number", ANN), ("Sip", "sip:bob@pbx.example.com")]
    assert dial[0].get("statusCallback") == f"{US}/person/h2"
    assert line.host.sent == []


def test_a_call_goes_to_a_person_and_comes_back(line: Line) -> None:
    line.do(PUT_THROUGH)
    stopped = {"StreamSid": "s1", "StreamEvent": "stream-stopped"}
    line.ask("stream", **stopped)
    line.ask("next/h1")
    line.ask("person/h2", CallSid="v3:b", CallStatus="in-progress")
    line.ask("person/h2", CallSid="v3:b", CallStatus="", AnsweredBy="human")
    line.back_at("PersonLeft")
    document = line.ask("back/h4", DialCallStatus="completed", DialCallDuration="75")
    assert [event for _, event in line.host.told] == [
        PersonAnswered("v3:b", ANN),
        PeopleJoined("v3:b"),
        PersonLeft("v3:b", 75.0),
    ]
    assert shape(document) == ["Connect", "Redirect"]
    assert line.host.expected[-1][0].continues
    assert (line.host.streams_ended, line.host.ended) == ([], [])


def test_nobody_is_reached_and_the_assistant_is_back(line: Line) -> None:
    line.do(PUT_THROUGH)
    line.ask("next/h1")
    line.back_at("NobodyReached")
    assert shape(line.ask("back/h4", DialCallStatus="busy")) == ["Connect", "Redirect"]
    assert [event for _, event in line.host.told] == [NobodyReached(Nobody.BUSY, "r1")]


def test_a_person_is_called_briefed_and_joined(line: Line) -> None:
    line.do(CallPeople("billing", (ANN,), "ours", 25.0, "r1"))
    request = line.host.sent[0].request
    assert request.url.endswith("/texml/Accounts/acc/Calls")
    body = json.decode(request.body)
    assert (body["To"], body["From"], body["Url"]) == (ANN, "+15550100", f"{US}/person/h2")
    line.host.commands_after = lambda event: (
        line.do(BriefPerson("v3:b")) if isinstance(event, PersonAnswered) else None
    )
    document = line.ask("person/h2", CallSid="v3:b", CallStatus="in-progress")
    assert shape(document) == ["Connect", "Redirect"]
    assert document is not None
    assert document.findtext("Redirect") == f"{US}/next/h2?leg=person"
    line.do(JoinPerson("v3:b"))
    hers, his = line.ask("next/h2?leg=person", CallSid="v3:b"), line.ask("next/h1")
    assert hers is not None
    assert his is not None
    for document, action in ((hers, None), (his, f"{US}/back/h3")):
        assert shape(document) == ["Dial"]
        conference = document[0][0]
        assert (document[0].get("action"), conference.text) == (action, "h4")
        assert conference.attrib == {
            "beep": "false",
            "startConferenceOnEnter": "true",
            "endConferenceOnExit": "true",
            "statusCallback": f"{US}/room/h3",
            "statusCallbackEvent": "start end join leave",
            "statusCallbackMethod": "POST",
        }


def test_the_end_of_the_session_asks_for_nothing_of_a_call_on_its_stream(line: Line) -> None:
    line.control.hang_up(StreamEnd.BROKEN, 1.0)
    assert line.host.sent == []


def test_a_call_that_does_not_ask_is_looked_up(line: Line) -> None:
    line.do(PUT_THROUGH)
    due = line.webhooks.deadline()
    assert due is not None
    line.webhooks.due(due)
    request = line.host.sent[-1].request
    assert (request.method, request.command) == ("GET", "look up call")
    line.host.take(due, status="completed")
    assert line.host.ended == ["v3:a"]


def test_without_a_key_a_call_that_never_asks_is_over_at_last(serve: Any, host: "Host") -> None:
    line = Line(serve, host, api_key=None)
    line.do(PUT_THROUGH)
    for _ in range(10):
        if (due := line.webhooks.deadline()) is not None:
            line.webhooks.due(due)
    assert host.ended == ["v3:a"]


# Elsewhere


def test_a_queue_and_a_referral_are_documents_as_they_are_at_twilio(line: Line) -> None:
    line.do(EnterQueue("billing", "support", "r1"))
    document = line.ask("next/h1")
    assert shape(document) == ["Enqueue"]
    assert document is not None
    assert document.findtext("Enqueue") == "support"
    line.back_at("NobodyReached")
    assert shape(line.ask("back/h2")) == ["Connect", "Redirect"], "TeXML does not document `QueueResult`"
    assert line.host.told[-1][1] == NobodyReached(Nobody.NO_ANSWER, "r1")
    line.do(ReferCaller("billing", "sip:ann@pbx.example.com", "r2"))
    document = line.ask("next/h1")
    assert document is not None
    assert document.findtext("Refer/Sip") == "sip:ann@pbx.example.com"
    answer = line.ask(
        "back/h3", ReferCallStatus="failed", ReferSipResponseCode="202", NotifySipResponseCode="486"
    )
    assert shape(answer) == ["Connect", "Redirect"]
    assert line.host.told[-1][1] == NobodyReached(Nobody.BUSY, "r2")
