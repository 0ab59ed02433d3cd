"""Telnyx takes a call under Call Control into a queue, or refers it to another line, without sockets."""

from typing import TYPE_CHECKING, Any

import pytest

from bridge.vocabulary.contracts import StreamEnd
from bridge.vocabulary.errors import CarrierRefused
from bridge.vocabulary.people import (
    EnterQueue,
    Nobody,
    NobodyReached,
    PeopleJoined,
    PersonEvent,
    ReferCaller,
    ReleasePerson,
    TakeBack,
)
from tests.carriers.telnyx.handover_line import A, Line

if TYPE_CHECKING:
    from tests.carriers.conftest import Host

QUEUE = EnterQueue("billing", "support", "r1")
REFER = ReferCaller("billing", "sip:ann@pbx.example.com", "r1")
NOBODY = NobodyReached(Nobody.NO_ANSWER, "r1")


@pytest.fixture
def line(serve: Any, host: "Host") -> Line:
    return Line(serve, host)


def begun(line: Line, command: EnterQueue | ReferCaller) -> None:
    line.do(command)
    line.take("streaming_stop")
    line.says("streaming.stopped")


def test_the_stream_ends_before_the_caller_is_in_the_queue(line: Line) -> None:
    line.do(QUEUE)
    assert line.asked() == [("streaming_stop", A)]
    assert line.host.closed == [A]
    line.take("streaming_stop")
    assert line.asked() == [("streaming_stop", A), ("enqueue", A)]
    body = line.body("enqueue")
    assert body.pop("command_id")
    assert body == {"queue_name": "support"}


def test_the_request_of_a_referral(line: Line) -> None:
    begun(line, REFER)
    body = line.body("refer")
    assert body.pop("command_id")
    assert body == {"sip_address": "sip:ann@pbx.example.com"}


def test_somebody_takes_the_caller_who_is_hung_up_on_when_they_leave(line: Line) -> None:
    begun(line, QUEUE)
    line.says("call.dequeued", queue="support", reason="bridged")
    line.says("call.bridged")
    assert line.told() == [PeopleJoined("")]
    line.says("call.hangup", hangup_cause="normal_clearing")
    assert line.host.ended == [A]


def test_the_order_of_the_two_webhooks_changes_nothing(line: Line) -> None:
    begun(line, QUEUE)
    line.says("call.bridged")
    line.says("call.dequeued", queue="support", reason="timeout")
    assert line.told() == [PeopleJoined("")]


@pytest.mark.parametrize("reason", ["timeout", "leave", "", "something new"])
def test_a_caller_who_is_out_of_the_queue_has_a_stream_again(line: Line, reason: str) -> None:
    begun(line, QUEUE)
    line.then(NobodyReached=TakeBack())
    line.says("call.dequeued", queue="support", reason=reason)
    assert line.told() == [NOBODY]
    assert line.asked()[-1] == ("streaming_start", A)


REFERRALS: list[tuple[str, object, PersonEvent]] = [
    ("call.refer.completed", 200, PeopleJoined("")),
    ("call.refer.failed", 486, NobodyReached(Nobody.BUSY, "r1")),
    ("call.refer.failed", 603, NobodyReached(Nobody.REFUSED, "r1")),
    ("call.refer.failed", "408", NobodyReached(Nobody.NO_ANSWER, "r1")),
    ("call.refer.failed", 500, NobodyReached(Nobody.FAILED, "r1")),
    ("call.refer.failed", None, NobodyReached(Nobody.FAILED, "r1")),
]


@pytest.mark.parametrize(("kind", "code", "told"), REFERRALS)
def test_what_becomes_of_a_referral(line: Line, kind: str, code: Any, told: PersonEvent) -> None:
    begun(line, REFER)
    line.then(NobodyReached=TakeBack())
    line.says(kind, sip_notify_response=code)
    assert line.told() == [told]
    is_back = isinstance(told, NobodyReached)
    assert (line.asked()[-1] == ("streaming_start", A)) is is_back
    line.says(kind, sip_notify_response=code)
    assert line.told() == [], "a webhook that comes again is told once"


@pytest.mark.parametrize(("command", "request_"), [(QUEUE, "enqueue"), (REFER, "refer")])
def test_telnyx_refuses_it(line: Line, command: EnterQueue | ReferCaller, request_: str) -> None:
    begun(line, command)
    refused = line.last(request_).refused
    assert refused is not None
    line.then(NobodyReached=TakeBack())
    refused(CarrierRefused("no such queue", status=422, code="10015"), line.now)
    assert line.told() == [NobodyReached(Nobody.FAILED, "r1")]
    assert line.asked()[-1] == ("streaming_start", A)


def test_the_core_takes_a_caller_back_out_of_the_queue(line: Line) -> None:
    begun(line, QUEUE)
    line.do(TakeBack())
    assert line.asked()[-1] == ("leave_queue", A)
    line.take("leave_queue")
    line.says("call.dequeued", queue="support", reason="leave")
    assert line.asked()[-1] == ("streaming_start", A)
    assert line.told() == []


def test_and_while_the_stream_is_being_stopped(line: Line) -> None:
    line.do(QUEUE)
    line.do(TakeBack())
    line.take("streaming_stop")
    assert line.asked() == [("streaming_stop", A), ("streaming_start", A)]


def test_a_call_that_ends_is_hung_up_on_in_the_queue_too(line: Line) -> None:
    begun(line, QUEUE)
    line.do(ReleasePerson("", "the longest time is over"))
    line.control.hang_up(StreamEnd.BY_BRIDGE, line.now)
    assert line.asked()[-1] == ("hangup", A)


def test_a_server_that_stops_leaves_the_caller_in_the_queue(line: Line) -> None:
    begun(line, QUEUE)
    line.control.hang_up(StreamEnd.BY_BRIDGE, line.now)
    line.webhooks.close(line.now)
    assert ("hangup", A) not in line.asked()


def test_and_hangs_up_when_nobody_would_speak_to_them_any_more(line: Line) -> None:
    begun(line, QUEUE)
    line.control.hang_up(StreamEnd.BY_BRIDGE, line.now)
    line.host.under_way.clear()
    line.says("call.dequeued", queue="support", reason="timeout")
    assert line.asked()[-1] == ("hangup", A)


def test_webhooks_of_a_queue_that_is_not_ours_change_nothing(line: Line) -> None:
    line.says("call.dequeued", queue="support", reason="timeout")
    line.says("call.refer.failed", sip_notify_response=486)
    assert line.told() == []
    assert line.asked() == []
