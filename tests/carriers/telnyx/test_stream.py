"""The dialect of Telnyx media streaming: text to event and command to text, from tables."""

import json
from base64 import b64encode
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.carriers.telnyx.settings import TelnyxSettings
from bridge.carriers.telnyx.stream import TelnyxStream
from bridge.vocabulary.commands import CarrierCommand, ClearPlayback, PlayAudio, SendMark
from bridge.vocabulary.contracts import WireMessage
from bridge.vocabulary.errors import MalformedMessage
from bridge.vocabulary.events import (
    CallEnded,
    CallerAudio,
    CallStarted,
    CarrierEvent,
    CarrierReportedError,
    DigitPressed,
    Ignored,
    MarkReached,
    OtherPartyAudio,
)

START = """{"event":"start","sequence_number":"1","stream_id":"S1","start":{"call_control_id":"v2:C1",
 "media_format":{"encoding":"PCMU","sample_rate":8000,"channels":1}}}"""


def started(start: str = START, **settings: Any) -> TelnyxStream:
    stream = TelnyxStream(TelnyxSettings(**settings))
    assert isinstance(read(stream, start), CallStarted)
    return stream


def read(stream: TelnyxStream, message: WireMessage) -> CarrierEvent:
    (event,) = stream.decode(message, 0.0)
    return event


def written(stream: TelnyxStream, command: CarrierCommand) -> list[object]:
    return [json.loads(message) for message in stream.encode(command, 0.0)]


def events(stream: TelnyxStream, message: WireMessage) -> list[object]:
    """At once, or when they fall due."""
    found: list[object] = [*stream.decode(message, 0.0)]
    while (due := stream.deadline()) is not None:
        found += stream.due(due)
    return found


READS: list[tuple[str, CarrierEvent]] = [
    (
        '{"event":"connected","version":"1.0.0","connected":{"x-telnyx-streaming-auth-token":"t"}}',
        Ignored("connected"),
    ),
    (
        '{"event":"media","sequence_number":"4","stream_id":"S1",'
        '"media":{"track":"inbound","chunk":"1","timestamp":"5","payload":"//8="}}',
        CallerAudio(b"\xff\xff", at_ms=0),
    ),
    (
        '{"event":"media","stream_id":"S1","media":{"chunk":1,"payload":"fw=="}}',
        CallerAudio(b"\x7f", 0),
    ),
    ('{"event":"media","stream_id":"S1","media":{"track":null,"payload":"fw=="}}', CallerAudio(b"\x7f", 0)),
    (
        '{"event":"media","stream_id":"S1","media":{"track":"outbound","chunk":"1","payload":"fw=="}}',
        OtherPartyAudio(b"\x7f", 0),
    ),
    (
        '{"stream_id":"S1","media":{"payload":"//8=","chunk":"1"},"event":"media"}',
        CallerAudio(b"\xff\xff", 0),
    ),
    ('{"event":"mark","stream_id":"S1","sequence_number":"7","mark":{"name":"0.7"}}', MarkReached("0.7")),
    (
        '{"event":"error","payload":{"code":100004,"title":"invalid_media","detail":"too short"},"stream_id":"S1"}',
        CarrierReportedError("100004", "invalid_media: too short"),
    ),
    ('{"event":"error","payload":{"code":"100002"}}', CarrierReportedError("100002", "")),
    (
        '{"event":"error","payload":{"code":1,"title":null,"detail":"a"}}',
        CarrierReportedError("1", "a"),
    ),
    ('{"event":"stop","stream_id":"S1","stop":{"user_id":"U1","call_control_id":"v2:C1"}}', CallEnded()),
    ('{"event":"novelty","stream_id":"S1","novelty":[1,2]}', Ignored("novelty")),
]
DIGITS = [
    (
        '{"event":"dtmf","stream_id":"S1","occurred_at":"2025-06-05T08:54:19.690Z","dtmf":{"digit":"#"}}',
        DigitPressed("#", "2025-06-05T08:54:19.69"),
    ),
    ('{"event":"dtmf","stream_id":"S1","dtmf":{"digit":"a"}}', DigitPressed("A")),
    ('{"event":"dtmf","stream_id":"S1","occurred_at":["soon"],"dtmf":{"digit":"1"}}', DigitPressed("1")),
]
REFUSES: list[tuple[WireMessage, str]] = [
    ("", "not a JSON object"),
    ("[]", "not a JSON object"),
    ('{"event":7}', "not a JSON object"),
    ("[" * 20_000, "not a JSON object"),
    ('{"event":"media"', "not a JSON object"),
    (b'{"event":"connected"}', "binary"),
    ('{"event":"media","stream_id":"S1"}', "media: .*`media`"),
    ('{"event":"media","media":{"payload":"//8="}}', "media: .*`stream_id`"),
    ('{"event":"media","stream_id":"S1","media":{"chunk":"1"}}', "media: .*`payload`"),
    ('{"event":"media","stream_id":"S1","media":{"payload":"%%%"}}', "media: .*base64"),
    ('{"event":"media","stream_id":"S1","media":{"payload":"","chunk":"1"}}', "media: a payload of 0 bytes"),
    ('{"event":"media","stream_id":"S2","media":{"payload":"//8="}}', "media: of another stream"),
    ('{"event":"mark","stream_id":"S2","mark":{"name":"x"}}', "mark: of another stream"),
    ('{"event":"mark","stream_id":"S1","mark":{}}', "mark: .*`name`"),
    ('{"event":"dtmf","stream_id":"S2","dtmf":{"digit":"1"}}', "dtmf: of another stream"),
    ('{"event":"dtmf","stream_id":"S1","dtmf":{"digit":"11"}}', "dtmf: unknown digit"),
    ('{"event":"stop","stream_id":"S2"}', "stop: of another stream"),
    ('{"event":"error","payload":{}}', "error: .*`code`"),
    (START, "start: sent a second time"),
]


@pytest.mark.parametrize(("message", "event"), READS)
def test_reads(message: str, event: CarrierEvent) -> None:
    assert read(started(), message) == event


@pytest.mark.parametrize(
    "field",
    ['"chunk":"two"', '"chunk":"-1"', '"chunk":4294967296', '"chunk":[1]', '"track":7', '"track":["a"]'],
)
def test_audio_whose_optional_fields_cannot_be_read_follows_the_audio_before_it(field: str) -> None:
    stream = started()
    frame = '{"event":"media","stream_id":"S1","media":{"payload":"' + b64encode(bytes(160)).decode() + '"'
    assert [read(stream, frame + "}}"), read(stream, f"{frame},{field}}}}}")] == [
        CallerAudio(bytes(160), 0),
        CallerAudio(bytes(160), 20),
    ]
    assert stream.counts()["lenient_fields"] == 1


@pytest.mark.parametrize(("message", "key"), DIGITS)
def test_reads_a_key_when_it_has_waited(message: str, key: DigitPressed) -> None:
    stream = started()
    assert stream.decode(message, 5.0) == []
    due = stream.deadline()
    assert due == 5.1
    assert stream.due(due) == [key]
    assert stream.deadline() is None


@pytest.mark.parametrize(("message", "key"), DIGITS)
def test_a_key_need_not_wait_where_nothing_is_put_in_order(message: str, key: DigitPressed) -> None:
    assert read(started(reorder_ms=0), message) == key


def test_keys_that_wait_come_out_before_the_end() -> None:
    stream = started()
    for message, _ in DIGITS:
        assert stream.decode(message, 0.0) == []
    ending = stream.decode('{"event":"stop","stream_id":"S1"}', 0.01)
    assert ending == (*(key for _, key in DIGITS), CallEnded())
    assert stream.deadline() is None


@pytest.mark.parametrize(("message", "why"), REFUSES)
def test_refuses(message: WireMessage, why: str) -> None:
    with pytest.raises(MalformedMessage, match=why):
        read(started(), message)


@pytest.mark.parametrize(
    "message",
    [
        *(message for message, event in READS if not isinstance(event, Ignored | CarrierReportedError)),
        *(message for message, _ in DIGITS),
    ],
)
def test_nothing_useful_comes_before_start(message: str) -> None:
    with pytest.raises(MalformedMessage, match="before start"):
        read(TelnyxStream(TelnyxSettings()), message)


@pytest.mark.parametrize(
    "message",
    [
        *(message for message, event in READS if not isinstance(event, Ignored | CarrierReportedError)),
        *(message for message, _ in DIGITS),
        START,
    ],
)
def test_nothing_useful_comes_after_stop(message: str) -> None:
    stream = started()
    stream.decode('{"event":"stop","stream_id":"S1"}', 0.0)
    with pytest.raises(MalformedMessage, match=r"after stop|sent a second time"):
        stream.decode(message, 0.0)
    assert stream.deadline() is None


def test_an_error_report_quotes_no_payload_and_is_short() -> None:
    detail = f"got {'/v7+' * 100} " + "and so on " * 50
    error = {"code": "1" * 1000, "title": "invalid_media", "detail": detail}
    event = read(started(), json.dumps({"event": "error", "payload": error}))
    assert isinstance(event, CarrierReportedError)
    assert event.code == "1" * 20
    assert event.why.startswith("invalid_media: got … and so on")
    assert len(event.why) == 200


WRITES: list[tuple[CarrierCommand, dict[str, object]]] = [
    (PlayAudio(b"\xff\xff"), {"event": "media", "media": {"payload": "//8="}}),
    (SendMark('0."1'), {"event": "mark", "mark": {"name": '0."1'}}),
    (ClearPlayback(800), {"event": "clear"}),
]


@pytest.mark.parametrize(("command", "message"), WRITES)
@pytest.mark.parametrize("settings", [{"codec": "PCMU"}, {"codec": "PCMA"}, {"codec": "L16"}], ids=str)
def test_writes(settings: dict[str, Any], command: CarrierCommand, message: dict[str, object]) -> None:
    stream = started(**settings)
    assert written(stream, command) == [message]
    assert stream.deadline() is None
    assert stream.due(0.0) == []


# What waits

G722_START = START.replace("PCMU", "G722")


def g722(chunk: int) -> str:
    media = {"track": "inbound", "chunk": str(chunk), "payload": b64encode(bytes(160)).decode()}
    return json.dumps({"event": "media", "stream_id": "S1", "media": media})


def times(heard: Iterable[object]) -> list[int]:
    return [event.at_ms for event in heard if isinstance(event, CallerAudio)]


def test_packets_behind_a_hole_fall_due() -> None:
    stream = started(G722_START)
    assert times(stream.decode(g722(1), 1.0)) == [0]
    assert stream.deadline() is None
    assert times(stream.decode(g722(3), 1.25)) == []
    assert stream.deadline() == 1.35
    assert times(stream.due(1.35)) == [20, 40]
    assert stream.deadline() is None
    assert stream.counts() == {
        "repeated_digits": 0,
        "late": 0,
        "repeated": 0,
        "holes": 1,
        "undecodable": 0,
        "filled_ms": 20,
    }


def test_each_track_has_packets_of_its_own() -> None:
    stream = started(G722_START)
    assert times(stream.decode(g722(1), 0.0)) == [0]
    assert times(stream.decode(g722(2), 0.0)) == [20]
    (other,) = stream.decode(g722(7).replace("inbound", "outbound"), 0.0)
    assert isinstance(other, OtherPartyAudio)
    assert other.at_ms == 20, "beside the other track's last"
    assert times(stream.decode(g722(3), 0.0)) == [40]
    assert stream.counts()["holes"] == 0


def test_a_repeated_key_is_counted() -> None:
    stream = started()
    message, key = DIGITS[0]
    assert [*events(stream, message), *events(stream, message)] == [key]
    assert stream.counts() == {"repeated_digits": 1}


def test_a_file_goes_out_when_it_falls_due() -> None:
    stream = started(mode="mp3")
    assert written(stream, PlayAudio(bytes(6400))) == []
    assert written(stream, SendMark("a")) == []
    due = stream.deadline()
    assert due is not None
    media, mark = stream.due(due)
    assert isinstance(media, str)
    assert mark == '{"event":"mark","mark":{"name":"a"}}'
    assert stream.deadline() is None


# Rubbish


@given(st.one_of(st.text(), st.binary()))
def test_rubbish_is_refused_or_ignored_and_nothing_else(message: WireMessage) -> None:
    try:
        event = read(started(), message)
    except MalformedMessage:
        return
    assert isinstance(event, Ignored)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(VALUES)
def test_a_known_kind_with_any_body_is_read_or_refused(body: object) -> None:
    for kind in ("media", "mark", "dtmf", "start", "error"):
        with pytest.raises(MalformedMessage):
            read(started(), json.dumps({"event": kind, "stream_id": "S1", kind: body}))
    assert read(started(), json.dumps({"event": "stop", "stream_id": "S1", "stop": body})) == CallEnded()


@given(key=st.sampled_from(["track", "chunk", "payload", "timestamp"]), value=VALUES)
def test_media_with_one_field_spoilt_costs_itself_only(key: str, value: object) -> None:
    stream, body = started(), {"track": "inbound", "chunk": "1", "timestamp": "0", "payload": "//8="}
    with suppress(MalformedMessage):
        events(stream, json.dumps({"event": "media", "stream_id": "S1", "media": body | {key: value}}))
    heard = read(stream, json.dumps({"event": "media", "stream_id": "S1", "media": body}))
    assert isinstance(heard, CallerAudio)
    assert heard.audio == b"\xff\xff"


@given(VALUES)
def test_a_key_pressed_at_any_time_comes_out(occurred_at: object) -> None:
    message = {"event": "dtmf", "stream_id": "S1", "occurred_at": occurred_at, "dtmf": {"digit": "7"}}
    assert events(started(), json.dumps(message)) == [DigitPressed("7")]
