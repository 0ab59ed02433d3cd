"""What is read of Telnyx's webhooks under Call Control, and that each event counts once."""

from typing import Any

import pytest
from msgspec import json

from bridge.carriers.telnyx.events import MOST_REMEMBERED, READ, REMEMBERED_S, CallEvent, Deliveries, read
from bridge.vocabulary.errors import MalformedMessage
from bridge.vocabulary.events import Ignored

INITIATED: dict[str, Any] = {
    "record_type": "event",
    "event_type": "call.initiated",
    "id": "0ccc7b54",
    "occurred_at": "2018-02-02T22:25:27.521992Z",
    "payload": {
        "call_control_id": "v2:abc",
        "connection_id": "7267",
        "call_leg_id": "l",
        "call_session_id": "s",
        "client_state": None,
        "from": "+35319605860",
        "to": "+13129457420",
        "direction": "incoming",
        "state": "parked",
    },
}
CALL = CallEvent(
    "call.initiated",
    "v2:abc",
    id="0ccc7b54",
    session="s",
    direction="incoming",
    to="+13129457420",
    from_="+35319605860",
    occurred_at="2018-02-02T22:25:27.521992",
)


def without(event: dict[str, Any], *names: str, **others: Any) -> dict[str, Any]:
    return {name: value for name, value in event.items() if name not in names} | others


SHAPES = {
    "with its wrapper": {"data": INITIATED, "meta": {"attempt": 1, "delivered_to": "https://a/b"}},
    "without meta": {"data": INITIATED},
    "without its wrapper": INITIATED,
    "underscores for dots": {"data": INITIATED | {"event_type": "call_initiated"}},
    "metadata.event beside it": {
        "data": without(INITIATED, "event_type"),
        "metadata": {"event": "call.initiated"},
    },
    "metadata.event in it": without(INITIATED, "event_type", metadata={"event": "call_initiated"}),
    "webhook_id for id": without(INITIATED, "id", webhook_id="0ccc7b54"),
    "its time in the payload": without(
        INITIATED,
        "occurred_at",
        payload=INITIATED["payload"] | {"occurred_at": "2018-02-02T22:25:27.521992+00:00"},
    ),
    "without a payload": without(INITIATED, "payload") | INITIATED["payload"],
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_reads_every_shape_of_a_webhook(shape: dict[str, Any]) -> None:
    assert read(json.encode(shape)) == CALL


def event(kind: str, **payload: Any) -> bytes:
    return json.encode({"data": {"event_type": kind, "payload": {"call_control_id": "v2:abc"} | payload}})


READS = [
    (
        event("call.hangup", hangup_cause="normal_clearing", call_quality_stats=None),
        CallEvent("call.hangup", "v2:abc", hangup_cause="normal_clearing"),
    ),
    (
        event("call.machine.premium.detection.ended", result="human_residence"),
        CallEvent("call.machine.premium.detection.ended", "v2:abc", result="human_residence"),
    ),
    (
        event("streaming.failed", failure_reason="cannot reach wss://a/telnyx/media/SECRET: 403"),
        CallEvent("streaming.failed", "v2:abc", failure_reason="cannot reach (address) 403"),
    ),
    (
        event("call.answered", client_state="aGF2ZSBhIG5pY2UgZGF5ID1d"),
        CallEvent("call.answered", "v2:abc", client_state="have a nice day =]"),
    ),
    (event("call.answered", client_state="%"), CallEvent("call.answered", "v2:abc")),
    (event("call.answered", client_state="/w=="), CallEvent("call.answered", "v2:abc")),
    (
        event("call.answered", client_state=7, call_session_id=[], direction=None, occurred_at="now"),
        CallEvent("call.answered", "v2:abc"),
    ),
    (event("call.something.new"), Ignored("call.something.new")),
    (event("call.held", call_control_id=None), Ignored("call.held")),
    (b'{"event_type":"conference.created"}', Ignored("conference.created")),
]


@pytest.mark.parametrize(("body", "expected"), READS)
def test_reads(body: bytes, expected: CallEvent | Ignored) -> None:
    assert read(body) == expected


@pytest.mark.parametrize("kind", sorted(READ))
def test_knows_each_type_however_it_is_written(kind: str) -> None:
    assert read(event(kind)) == read(event(kind.replace(".", "_"))) == CallEvent(kind, "v2:abc")


REFUSES = [
    (b"", "not JSON"),
    (b"StreamEvent=stream-started", "not JSON"),
    (b'{"data":"\xff"}', "not JSON"),
    (b"[" * 100_000, "not JSON"),
    (b"[]", "should be a JSON object"),
    (b'"call.answered"', "should be a JSON object"),
    (b"{}", "event_type is missing"),
    (b'{"data":{"event_type":null}}', "event_type is missing"),
    (b'{"data":{"event_type":["call.answered"]}}', "event_type is missing"),
    (b'{"data":{"event_type":"call.answered","id":"1"}}', "call.answered without its call_control_id"),
    (event("call.hangup", call_control_id=7), "call.hangup without its call_control_id"),
]


@pytest.mark.parametrize(("body", "why"), REFUSES)
def test_refuses_and_says_why(body: bytes, why: str) -> None:
    with pytest.raises(MalformedMessage, match=why):
        read(body)


def test_times_sort_as_text() -> None:
    times = [
        CALL.occurred_at[: len("2018-02-02T22:25:27")],
        CALL.occurred_at,
        "2018-02-02T22:25:27.6",
        "2018-02-02T22:25:28",
    ]
    assert times == sorted(times)


def test_an_event_is_new_once_in_ten_minutes() -> None:
    deliveries = Deliveries()
    assert [deliveries.is_new(*came) for came in [("a", 0.0), ("b", 1.0), ("a", REMEMBERED_S - 1)]] == [
        True,
        True,
        False,
    ]
    assert deliveries.is_new("a", REMEMBERED_S)
    assert not deliveries.is_new("b", REMEMBERED_S)


def test_an_event_without_an_id_is_always_new() -> None:
    deliveries = Deliveries()
    assert deliveries.is_new("", 0.0)
    assert deliveries.is_new("", 0.0)


def test_only_so_many_events_are_remembered() -> None:
    deliveries = Deliveries()
    for number in range(MOST_REMEMBERED + 1):
        assert deliveries.is_new(str(number), 0.0)
    assert not deliveries.is_new("1", 0.0)
    assert deliveries.is_new("0", 0.0)
