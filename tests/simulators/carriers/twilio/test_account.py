"""The simulated Twilio without sockets: requests in, callbacks and requests for TwiML out, in the order of a call."""

from base64 import b64encode
from typing import Any

import pytest

from bridge.simulators.carriers.twilio.account import TwilioAccount
from bridge.simulators.carriers.twilio.actions import (
    Action,
    EndStream,
    FetchTwiml,
    OpenStream,
    SendCallback,
    TwilioRequest,
    TwilioResponse,
)
from bridge.simulators.carriers.twilio.calls import CallStatus, TwilioCall
from bridge.simulators.carriers.twilio.injected_faults import TwilioCallee, TwilioFaults

NOW = 1_800_000_000.0
ACCOUNT = "AC1"
URL = "https://voice.example.com/twilio/voice"
STATUS = "https://voice.example.com/twilio/status"
CREATE = {"To": "+15550100", "From": "+15550199", "Url": URL}
TWIML = b'<Response><Connect><Stream url="/m/token" statusCallback="https://voice.example.com/s"/></Connect></Response>'
ALL = [("StatusCallbackEvent", event) for event in ("initiated", "ringing", "answered", "completed")]


def basic(account: str, token: str) -> str:
    return "Basic " + b64encode(f"{account}:{token}".encode()).decode()


class Office:
    """An exchange with a client that has the token."""

    def __init__(self, faults: TwilioFaults = TwilioFaults(), callee: TwilioCallee = TwilioCallee()) -> None:  # noqa: B008
        self.now = NOW
        self.account = TwilioAccount(ACCOUNT, "token", callee=callee, faults=faults)

    def ask(self, name: str, call: str = "", *pairs: tuple[str, str], **fields: str) -> TwilioResponse:
        given = (*fields.items(), *pairs)
        return self.account.ask(TwilioRequest(name, ACCOUNT, basic(ACCOUNT, "token"), given, call), self.now)

    def create(self, *pairs: tuple[str, str], **fields: str) -> tuple[TwilioCall, list[Action]]:
        answer = self.ask("create", "", *pairs, **CREATE | fields)
        assert answer.status == 201
        assert isinstance(answer.body, dict)
        assert answer.body["status"] == "queued"
        return self.account.calls[answer.body["sid"]], answer.actions

    def wait(self) -> list[Action]:
        """Until something is due."""
        at = self.account.deadline()
        assert at is not None
        self.now = at
        return self.account.due(at)

    def answered(self, *pairs: tuple[str, str], **fields: str) -> TwilioCall:
        """A call whose stream stands."""
        call, _ = self.create(*pairs, **fields)
        self.wait()
        self.account.twiml_came(call, TWIML, URL, self.now)
        self.account.stream_opened(call, "MZ1", self.now)
        return call


def told(actions: list[Action]) -> list[str]:
    """Callbacks by their status, and what else is to be done by its class."""
    return [
        act.form.get("CallStatus") or act.form["StreamEvent"]
        if isinstance(act, SendCallback)
        else type(act).__name__
        for act in actions
    ]


def code(answer: TwilioResponse) -> tuple[int, Any]:
    assert isinstance(answer.body, dict)
    assert answer.body["status"] == answer.status
    return answer.status, answer.body["code"]


def test_a_call_from_create_to_completed() -> None:
    office = Office(callee=TwilioCallee(answers_after_s=4))
    call, actions = office.create(*ALL, StatusCallback=STATUS)
    assert told(actions) == ["initiated", "ringing"]
    answered = office.wait()
    assert office.now == NOW + 4
    assert told(answered) == ["in-progress", "FetchTwiml"]
    asked = answered[1]
    assert isinstance(asked, FetchTwiml)
    assert (asked.url, asked.method) == (URL, "POST")
    assert (asked.form["Direction"], asked.form["CallStatus"]) == ("outbound-api", "in-progress")
    assert "AnsweredBy" not in asked.form

    (opening,) = office.account.twiml_came(call, TWIML, URL, office.now)
    assert isinstance(opening, OpenStream)
    assert opening.wanted.url == "wss://voice.example.com/m/token"
    (started,) = office.account.stream_opened(call, "MZ1", office.now)
    assert isinstance(started, SendCallback)
    assert (started.form["StreamSid"], started.form["StreamEvent"]) == ("MZ1", "stream-started")

    office.now += 61
    answer = office.ask("update", call.sid, Status="completed")
    assert answer.actions == [EndStream(call.sid)]
    over = office.account.stream_over(call, office.now, hung_up=False)
    assert told(over) == ["stream-stopped", "completed"]
    last = over[1]
    assert isinstance(last, SendCallback)
    assert (last.form["SequenceNumber"], last.form["CallDuration"], last.form["Duration"]) == ("3", "61", "2")
    assert code(office.ask("update", call.sid, Status="completed")) == (400, 21220)
    assert code(office.ask("update", call.sid, Twiml="<Response/>")) == (400, 21220)
    fetched = office.ask("fetch", call.sid).body
    assert isinstance(fetched, dict)
    assert (fetched["status"], fetched["duration"]) == ("completed", "61")


def test_only_completed_is_sent_unless_more_was_asked_for() -> None:
    office = Office()
    call, actions = office.create(StatusCallback=STATUS)
    assert actions == []
    assert told(office.wait()) == ["FetchTwiml"]
    assert told(office.account.hang_up(call, office.now)) == ["completed"]


def test_a_stream_that_ends_ends_the_call() -> None:
    for hung_up in (True, False):
        office = Office()
        call = office.answered(StatusCallback=STATUS)
        over = office.account.stream_over(call, NOW, hung_up=hung_up)
        assert told(over) == ["stream-stopped", "completed"]
        assert call.status is CallStatus.COMPLETED


def test_a_socket_that_is_refused() -> None:
    office = Office()
    call = office.answered()
    (failed,) = office.account.stream_failed(call, "HTTP 403", NOW)
    assert isinstance(failed, SendCallback)
    assert (failed.form["StreamEvent"], failed.form["StreamError"]) == ("stream-error", "HTTP 403")
    assert (call.status, call.trouble) == (CallStatus.COMPLETED, "HTTP 403")


def test_new_twiml_replaces_the_stream() -> None:
    office = Office()
    call = office.answered()
    other = '<Response><Connect><Stream url="wss://voice.example.com/other"/></Connect></Response>'
    assert office.ask("update", call.sid, Twiml=other).actions == [EndStream(call.sid)]
    stopped, opening = office.account.stream_over(call, NOW, hung_up=False)
    assert told([stopped]) == ["stream-stopped"]
    assert isinstance(opening, OpenStream)
    assert opening.wanted.url == "wss://voice.example.com/other"

    asked = office.ask("update", call.sid, Url=URL, Method="GET").actions
    assert [(act.url, act.method) for act in asked if isinstance(act, FetchTwiml)] == [(URL, "GET")]
    assert office.account.twiml_came(call, b"<Response><Hangup/></Response>", URL, NOW) == [
        EndStream(call.sid)
    ]
    assert office.account.stream_over(call, NOW, hung_up=False) == []
    assert (call.status, call.trouble) == (CallStatus.COMPLETED, "the webhook hung up before any stream")


def test_new_twiml_is_dropped_if_the_phone_hung_up() -> None:
    office = Office()
    call = office.answered()
    office.ask("update", call.sid, Twiml=TWIML.decode())
    assert told(office.account.stream_over(call, NOW, hung_up=True)) == ["stream-stopped"]
    assert call.status is CallStatus.COMPLETED
    assert office.account.twiml_came(call, TWIML, URL, NOW) == []


def test_an_inbound_call() -> None:
    office = Office()
    call, (asked,) = office.account.ring("+15550199", "+15550100", URL, NOW)
    assert isinstance(asked, FetchTwiml)
    assert (asked.form["Direction"], asked.form["CallStatus"]) == ("inbound", "ringing")
    office.account.twiml_came(call, TWIML, URL, NOW)
    assert call.status is CallStatus.IN_PROGRESS
    assert office.ask("update", call.sid, Status="completed").actions == [EndStream(call.sid)]


@pytest.mark.parametrize("twiml", [b"nothing", b"<Response><Reject/></Response>", b"<Response/>"])
def test_a_webhook_without_a_stream(twiml: bytes) -> None:
    office = Office()
    call, _ = office.account.ring("+15550199", "+15550100", URL, NOW)
    assert office.account.twiml_came(call, twiml, URL, NOW) == []
    assert call.over
    assert call.trouble


UNANSWERED = [
    (TwilioCallee(answers_after_s=None), "no-answer", 60.0),
    (TwilioCallee(answers_after_s=2, refuses="busy"), "busy", 2.0),
    (TwilioCallee(answers_after_s=2, refuses="failed"), "failed", 2.0),
]


@pytest.mark.parametrize(("callee", "status", "after_s"), UNANSWERED)
def test_nobody_answers_the_call(callee: TwilioCallee, status: str, after_s: float) -> None:
    office = Office(callee=callee)
    office.create(StatusCallback=STATUS)
    assert told(office.wait()) == [status]
    assert office.now == NOW + after_s


def test_a_call_that_rings_can_be_canceled_and_not_redirected() -> None:
    office = Office()
    call, _ = office.create()
    assert code(office.ask("update", call.sid, Twiml="<Response/>")) == (400, 21220)
    assert office.ask("update", call.sid, Status="canceled").status == 200
    assert call.status is CallStatus.CANCELED
    assert office.account.deadline() is None
    talking = office.answered()
    assert code(office.ask("update", talking.sid, Status="canceled")) == (400, 21220)


def test_twiml_is_fetched_after_the_machine_detection() -> None:
    for answered_by, detection, verdict in (
        ("human", "Enable", "human"),
        ("machine", "Enable", "machine_start"),
        ("machine", "DetectMessageEnd", "machine_end_beep"),
    ):
        office = Office(callee=TwilioCallee(answered_by=answered_by))  # type: ignore[arg-type]
        office.create(*ALL, StatusCallback=STATUS, MachineDetection=detection)
        assert told(office.wait()) == ["in-progress"]
        (asked,) = office.wait()
        assert isinstance(asked, FetchTwiml)
        assert asked.form["AnsweredBy"] == verdict


def test_asynchronous_machine_detection() -> None:
    office = Office(callee=TwilioCallee(verdict_after_s=2))
    fields = {"AsyncAmd": "true", "AsyncAmdStatusCallback": STATUS}
    call, _ = office.create(MachineDetection="Enable", **fields)
    assert told(office.wait()) == ["FetchTwiml"]
    (verdict,) = office.wait()
    assert verdict == SendCallback(
        STATUS,
        "POST",
        {
            "AccountSid": ACCOUNT,
            "CallSid": call.sid,
            "AnsweredBy": "human",
            "MachineDetectionDuration": "2000",
        },
    )


def test_digits_to_send_switch_machine_detection_off() -> None:
    office = Office()
    office.create(MachineDetection="Enable", SendDigits="1w2")
    assert told(office.wait()) == ["FetchTwiml"]
    assert office.account.deadline() is None


def test_inline_twiml() -> None:
    office = Office()
    fields = {"To": "+15550100", "From": "+15550199"}
    twiml = '<Response><Connect><Stream url="wss://voice.example.com/m"/></Connect></Response>'
    assert office.ask("create", Twiml=twiml, **fields).status == 201
    (opening,) = office.wait()
    assert isinstance(opening, OpenStream)


REFUSED_CREATES: list[tuple[dict[str, str], int | None]] = [
    ({"To": ""}, 21211),
    ({"To": "5550100"}, 21211),
    ({"From": "me"}, 21212),
    ({"Url": "voice.example.com"}, 21205),
    ({"Url": "https://[x/"}, 21205),
    ({"StatusCallback": "/status"}, 21205),
    ({"Timeout": "601"}, None),
    ({"Timeout": "soon"}, None),
    ({"Method": "PUT"}, None),
    ({"MachineDetection": "true"}, None),
    ({"StatusCallbackEvent": "in-progress"}, None),
    ({"Twiml": "x" * 4_001}, None),
]


@pytest.mark.parametrize(("fields", "refused"), REFUSED_CREATES)
def test_a_call_that_cannot_be_created(fields: dict[str, str], refused: int | None) -> None:
    office = Office()
    assert code(office.ask("create", "", **CREATE | fields)) == (400, refused)
    assert not office.account.calls


def test_a_call_needs_a_url_or_twiml() -> None:
    assert code(Office().ask("create", To="+15550100", From="+15550199")) == (400, 21205)


def test_impossible_updates() -> None:
    office = Office()
    call = office.answered()
    assert code(office.ask("update", call.sid, Status="ringing")) == (400, None)
    assert code(office.ask("update", call.sid, TimeLimit="5")) == (400, None)
    assert code(office.ask("update", "CA404", Status="completed")) == (404, 20404)
    assert code(office.ask("fetch", "CA404")) == (404, 20404)


def test_a_request_without_the_token() -> None:
    exchange = Office().account
    for authorization in (None, basic(ACCOUNT, "wrong"), "Bearer token"):
        assert code(exchange.ask(TwilioRequest("create", ACCOUNT, authorization), NOW)) == (401, 20003)
    other = TwilioRequest("create", "AC2", basic(ACCOUNT, "token"))
    assert code(exchange.ask(other, NOW)) == (404, 20404)


def test_calls_are_found_by_their_parties_and_status() -> None:
    office = Office()
    call, _ = office.create()
    office.create(To="+15550101")

    def found(**fields: str) -> list[str]:
        body = office.ask("list", **fields).body
        assert isinstance(body, dict)
        return [one["sid"] for one in body["calls"]]

    assert found(To="+15550100", From="+15550199", Status="ringing") == [call.sid]
    assert found(To="+15550100", Status="completed") == []
    assert len(found()) == 2


def test_faults_come_in_turn_for_each_kind() -> None:
    office = Office(TwilioFaults(server_errors=1, rate_limited=1, silent=1, requests=("create",)))
    broken = office.ask("create", **CREATE)
    assert broken.status == 503
    assert isinstance(broken.body, str)
    assert code(office.ask("create", **CREATE)) == (429, 20429)
    assert not office.account.calls
    silent = office.ask("create", **CREATE)
    assert (silent.status, silent.silent) == (201, True)
    assert office.ask("create", **CREATE).silent is False
    assert office.ask("list").status == 200
    assert [request.status for request in office.account.requests] == [503, 429, 201, 201, 200]
