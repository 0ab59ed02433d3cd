"""Twilio takes a call into a queue, or refers it to another line, without sockets; TeXML has the same documents."""

from typing import TYPE_CHECKING, Any

import pytest

from bridge.vocabulary.people import (
    EnterQueue,
    Nobody,
    NobodyReached,
    PeopleJoined,
    PersonEvent,
    PersonLeft,
    PutThrough,
    ReferCaller,
    ReleasePerson,
    TakeBack,
)
from tests.carriers.twilio.handover_line import ANN, THEN, US, Line, only, verbs

if TYPE_CHECKING:
    from tests.carriers.conftest import Host

QUEUE = EnterQueue("billing", "support", "r1")
REFER = ReferCaller("billing", "sip:ann@pbx.example.com", "r1")
BACK = "/twilio/back/h2"


@pytest.fixture
def line(serve: Any, host: "Host") -> Line:
    return Line(serve, host)


def test_the_document_of_a_queue(line: Line) -> None:
    line.do(QUEUE)
    enqueue = only(line.ask(line.next), "Enqueue")
    assert enqueue.attrib == {"action": f"{US}/back/h2", "method": "POST"}
    assert enqueue.text == "support"


def test_a_workflow_of_taskrouter_has_no_name(line: Line) -> None:
    workflow = "WW" + "0" * 32
    line.do(EnterQueue("billing", workflow, "r1"))
    enqueue = only(line.ask(line.next), "Enqueue")
    assert enqueue.attrib["workflowSid"] == workflow
    assert enqueue.text is None


def test_the_document_of_a_referral(line: Line) -> None:
    line.do(REFER)
    document = line.ask(line.next)
    assert only(document, "Refer").attrib == {"action": f"{US}/back/h2", "method": "POST"}
    assert only(document, "Refer/Sip").text == "sip:ann@pbx.example.com"


QUEUE_RESULTS: list[tuple[str, PersonEvent]] = [
    ("bridged", PersonLeft("", 40.0)),
    ("redirected-from-bridged", PersonLeft("", 40.0)),
    ("leave", NobodyReached(Nobody.NO_ANSWER, "r1")),
    ("queue-full", NobodyReached(Nobody.BUSY, "r1")),
    ("error", NobodyReached(Nobody.FAILED, "r1")),
    ("system-error", NobodyReached(Nobody.FAILED, "r1")),
    ("", NobodyReached(Nobody.NO_ANSWER, "r1")),
    ("something new", NobodyReached(Nobody.NO_ANSWER, "r1")),
]


@pytest.mark.parametrize(("result", "told"), QUEUE_RESULTS)
def test_what_becomes_of_a_caller_in_a_queue(line: Line, result: str, told: PersonEvent) -> None:
    line.do(QUEUE)
    line.ask(line.next)
    line.now = 100.0
    line.then(PersonLeft=TakeBack(), NobodyReached=TakeBack())
    document = line.ask(BACK, QueueResult=result, QueueTime="60")
    assert line.told() == [told]
    assert verbs(document) == ["Connect", "Redirect"], "the caller is back"
    line.host.told.clear()
    assert verbs(line.ask(BACK, QueueResult=result, QueueTime="60")) == ["Connect", "Redirect"], (
        "asked twice: answered the same"
    )
    assert line.told() == []


REFERRALS: list[tuple[dict[str, str], PersonEvent]] = [
    (
        {
            "ReferCallStatus": "in-progress",
            "ReferSipResponseCode": "202",
            "NotifySipResponseCode": "200",
        },
        PeopleJoined(""),
    ),
    ({"ReferSipResponseCode": "202"}, PeopleJoined("")),
    (
        {"ReferCallStatus": "busy", "ReferSipResponseCode": "202", "NotifySipResponseCode": "486"},
        NobodyReached(Nobody.BUSY, "r1"),
    ),
    (
        {"ReferCallStatus": "failed", "ReferSipResponseCode": "202", "NotifySipResponseCode": "603"},
        NobodyReached(Nobody.REFUSED, "r1"),
    ),
    (
        {"ReferCallStatus": "failed", "ReferSipResponseCode": "202", "NotifySipResponseCode": "404"},
        NobodyReached(Nobody.FAILED, "r1"),
    ),
    ({"ReferCallStatus": "failed", "ReferSipResponseCode": "405"}, NobodyReached(Nobody.FAILED, "r1")),
    (
        {"ReferCallStatus": "no-answer", "ReferSipResponseCode": "202"},
        NobodyReached(Nobody.NO_ANSWER, "r1"),
    ),
    ({"ReferSipResponseCode": "603"}, NobodyReached(Nobody.REFUSED, "r1")),
    ({}, NobodyReached(Nobody.FAILED, "r1")),
]


@pytest.mark.parametrize(("form", "told"), REFERRALS)
def test_what_becomes_of_a_referral(
    serve: Any, host: "Host", form: dict[str, str], told: PersonEvent
) -> None:
    line = Line(serve, host, then=THEN)
    line.do(REFER)
    line.ask(line.next)
    line.then(NobodyReached=TakeBack())
    document = line.ask(BACK, **form)
    assert line.told() == [told]
    is_done = isinstance(told, PeopleJoined)
    assert verbs(document) == (["Hangup"] if is_done else ["Connect", "Redirect"])


def test_after_a_queue_that_nobody_serves_a_number_is_called(line: Line) -> None:
    line.do(QUEUE)
    line.ask(line.next)
    line.then(NobodyReached=PutThrough("billing", (ANN,), "ours", 25.0, "r2"))
    assert only(line.ask(BACK, QueueResult="queue-full"), "Dial/Number").text == ANN


def test_a_call_that_ends_is_taken_out_of_the_queue_and_hung_up_on(line: Line) -> None:
    line.do(QUEUE)
    line.ask(line.next)
    line.do(ReleasePerson("", "the longest time is over"))
    assert line.forms("redirect call") == [{"Url": f"{US}/next/h1", "Method": "POST"}]
    line.host.under_way.clear()
    assert verbs(line.ask(line.next)) == ["Hangup"]


def test_a_call_that_ends_before_it_is_in_the_queue_never_comes_there(line: Line) -> None:
    line.do(QUEUE)
    line.do(ReleasePerson("", "the caller hung up"))
    line.host.under_way.clear()
    assert verbs(line.ask(line.next)) == ["Hangup"]
    assert line.forms("redirect call") == []


def test_a_caller_who_hangs_up_in_the_queue(line: Line) -> None:
    line.do(QUEUE)
    line.ask(line.next)
    assert verbs(line.ask(BACK, CallStatus="completed", QueueResult="hangup")) == ["Hangup"]
    assert line.host.ended == ["CA1"]
    assert line.told() == []


def test_the_core_takes_a_caller_back_out_of_the_queue(line: Line) -> None:
    line.do(QUEUE)
    line.ask(line.next)
    line.do(TakeBack())
    assert len(line.forms("redirect call")) == 1
    assert verbs(line.ask(line.next)) == ["Connect", "Redirect"]
    assert verbs(line.ask(BACK, QueueResult="redirected")) == ["Connect", "Redirect"]
    assert line.told() == [], "of a queue that the caller has left nothing is told"
