"""Telnyx's signature, against a published vector and its own library, and what is read of its webhooks."""

import time
from base64 import b64decode, b64encode
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import json
from telnyx import Telnyx

from bridge.carriers.telnyx.webhook import (
    MOST_REMEMBERED,
    READ,
    REMEMBERED_S,
    TOLERANCE_S,
    CallEvent,
    Deliveries,
    Doubt,
    check_public_key,
    doubt,
    read,
)
from bridge.vocabulary.errors import MalformedMessage
from bridge.vocabulary.events import Ignored

KEY = Ed25519PrivateKey.from_private_bytes(b64decode("nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A="))
PUBLIC_KEY = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
BODY = b'{"data":{"event_type":"call.answered","id":"1"}}'
NOW = 1_700_000_000
VECTOR = "aVsWRla+Z9tydV3JaLa3SWGX4Bdk7NMY3UnHkUPEkIftVrUgxRq5od4/Ql+RuqTVRCFzlozNhaEDruwSrXA+Cw=="


def signed(body: bytes, timestamp: str, key: Ed25519PrivateKey = KEY) -> str:
    return b64encode(key.sign(timestamp.encode() + b"|" + body)).decode()


def test_published_vector() -> None:
    assert signed(BODY, str(NOW)) == VECTOR
    assert doubt(PUBLIC_KEY, BODY, str(NOW), VECTOR, NOW) is None


@pytest.mark.parametrize("off_s", [-TOLERANCE_S, -299.5, 0, 299.5, TOLERANCE_S])
def test_a_clock_may_be_off(off_s: float) -> None:
    assert doubt(PUBLIC_KEY, BODY, str(NOW), VECTOR, NOW + off_s) is None


@pytest.mark.parametrize("off_s", [-TOLERANCE_S - 1, TOLERANCE_S + 1, 1e9])
def test_what_is_replayed_later_is_stale(off_s: float) -> None:
    assert doubt(PUBLIC_KEY, BODY, str(NOW), VECTOR, NOW + off_s) is Doubt.STALE


STRANGER = Ed25519PrivateKey.from_private_bytes(bytes(32))
FORGED = {
    "by a stranger": (BODY, str(NOW), signed(BODY, str(NOW), STRANGER)),
    "the body altered": (BODY.replace(b'"1"', b'"2"'), str(NOW), VECTOR),
    "the body written anew": (BODY.replace(b":", b": "), str(NOW), VECTOR),
    "the body gone": (b"", str(NOW), VECTOR),
    "made young again": (BODY, str(NOW + 1), VECTOR),
    "the same time written otherwise": (BODY, f"0{NOW}", VECTOR),
    "nothing but zeros": (BODY, str(NOW), b64encode(bytes(64)).decode()),
}
UNSIGNED = {
    "no signature": (str(NOW), ""),
    "no time": ("", VECTOR),
    "not base64": (str(NOW), "%" * 88),
    "not ASCII": (str(NOW), "ä\udcff"),
    "too short": (str(NOW), b64encode(bytes(63)).decode()),
    "too long": (str(NOW), b64encode(bytes(65)).decode()),
    "a time of words": ("yesterday", VECTOR),
    "a time with a sign": (f"+{NOW}", VECTOR),
    "a time with a fraction": (f"{NOW}.0", VECTOR),
    "a time in other digits": ("١٧٠٠٠٠٠٠٠٠", VECTOR),
    "an endless time": ("1" * 5000, VECTOR),
}


@pytest.mark.parametrize(("body", "timestamp", "given"), FORGED.values(), ids=FORGED)
def test_a_forged_or_altered_webhook_is_told(body: bytes, timestamp: str, given: str) -> None:
    assert doubt(PUBLIC_KEY, body, timestamp, given, NOW) is Doubt.FORGED


@pytest.mark.parametrize(("timestamp", "given"), UNSIGNED.values(), ids=UNSIGNED)
def test_headers_that_cannot_be_read_are_no_signature(timestamp: str, given: str) -> None:
    assert doubt(PUBLIC_KEY, BODY, timestamp, given, NOW) is Doubt.UNSIGNED


def test_a_forged_webhook_is_not_merely_stale() -> None:
    assert doubt(PUBLIC_KEY, BODY + b" ", str(NOW), VECTOR, NOW + 10_000) is Doubt.FORGED


def takes(body: bytes, timestamp: str, given: str) -> bool:
    """Whether Telnyx's own library does."""
    headers = {"Telnyx-Signature-Ed25519": given, "Telnyx-Timestamp": timestamp}
    with Telnyx(api_key="k", public_key=PUBLIC_KEY) as client:
        try:
            client.webhooks.unwrap(body.decode(), headers=headers)
        except Exception:  # noqa: BLE001  it raises several families
            return False
    return True


@pytest.mark.parametrize("off_s", [0, 1000])
@pytest.mark.parametrize("sent", [BODY, '{"data":{"name":"Zoë"}}'.encode(), BODY + b" "])
@pytest.mark.parametrize("key", [KEY, STRANGER], ids=["genuine", "forged"])
def test_agrees_with_telnyxs_own_library(key: Ed25519PrivateKey, sent: bytes, off_s: int) -> None:
    now = time.time()
    timestamp = str(int(now) - off_s)
    given = signed(BODY if sent == BODY + b" " else sent, timestamp, key)
    assert (doubt(PUBLIC_KEY, sent, timestamp, given, now) is None) is takes(sent, timestamp, given)


def test_a_public_key_is_checked() -> None:
    check_public_key(PUBLIC_KEY)


@pytest.mark.parametrize("text", ["", "KEY", "%", "ä", PUBLIC_KEY[:-4], PUBLIC_KEY + "AAAA", "11qYAYKx" * 8])
def test_what_is_no_public_key_is_told(text: str) -> None:
    with pytest.raises(ValueError, match="should be base64 of 32 bytes"):
        check_public_key(text)


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
    (event("call.bridged", call_control_id=None), Ignored("call.bridged")),
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
    (BODY, "call.answered without its call_control_id"),
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
