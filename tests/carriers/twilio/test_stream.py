"""The dialect of Twilio Media Streams: text to event and command to text, from tables."""

import json
import re
from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.carriers.twilio.stream import TwilioStream
from bridge.vocabulary.commands import CarrierCommand, ClearPlayback, PlayAudio, SendMark
from bridge.vocabulary.contracts import WireMessage
from bridge.vocabulary.errors import MalformedMessage
from bridge.vocabulary.events import (
    CallEnded,
    CallerAudio,
    CallStarted,
    CarrierEvent,
    CloseRequested,
    DigitPressed,
    Ignored,
    MarkReached,
    OtherPartyAudio,
)
from telecodecs.format import PCMU_8K

START = """{"event":"start","sequenceNumber":"1","streamSid":"MZ1","start":{"accountSid":"AC1","streamSid":"MZ1",
 "callSid":"CA1","tracks":["inbound"],"mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000,"channels":1},
 "customParameters":{"plan":"gold"}}}"""

STARTS = [
    (START, CallStarted("CA1", "MZ1", PCMU_8K, ("inbound",), {"plan": "gold"}, one_way=False)),
    (
        START.replace('["inbound"]', '["inbound","outbound"]'),
        CallStarted("CA1", "MZ1", PCMU_8K, ("inbound", "outbound"), {"plan": "gold"}, one_way=True),
    ),
    (
        START.replace('"sampleRate":8000,"channels":1', '"sampleRate":"8000","channels":"1"'),
        CallStarted("CA1", "MZ1", PCMU_8K, ("inbound",), {"plan": "gold"}),
    ),
]
READS: list[tuple[str, CarrierEvent]] = [
    ('{"event":"connected","protocol":"Call","version":"1.0.0"}', Ignored("connected")),
    (
        '{"event":"media","sequenceNumber":"3","streamSid":"MZ1",'
        '"media":{"track":"inbound","chunk":"1","timestamp":"20","payload":"//8="}}',
        CallerAudio(b"\xff\xff", at_ms=20),
    ),
    (
        '{"event":"media","streamSid":"MZ1","media":{"track":"inbound","timestamp":40,"payload":""}}',
        CallerAudio(b"", at_ms=40),
    ),
    (
        '{"event":"media","streamSid":"MZ1","media":{"track":"outbound","timestamp":"20","payload":"fw=="}}',
        OtherPartyAudio(b"\x7f", at_ms=20),
    ),
    (
        '{"event":"dtmf","streamSid":"MZ1","dtmf":{"track":"inbound_track","digit":"#"}}',
        DigitPressed("#"),
    ),
    ('{"event":"dtmf","streamSid":"MZ1","dtmf":{"digit":"a"}}', DigitPressed("A")),
    ('{"event":"mark","sequenceNumber":"6","streamSid":"MZ1","mark":{"name":"0.7"}}', MarkReached("0.7")),
    ('{"event":"stop","streamSid":"MZ1","stop":{"accountSid":"AC1","callSid":"CA1"}}', CallEnded()),
    ('{"event":"novelty","streamSid":"MZ1","novelty":[1,2]}', Ignored("novelty")),
    (
        '{"streamSid":"MZ1","media":{"payload":"//8=","timestamp":"20"},"event":"media"}',
        CallerAudio(b"\xff\xff", 20),
    ),
]
REFUSES: list[tuple[WireMessage, str]] = [
    ("", "not a JSON object"),
    ("[]", "not a JSON object"),
    ("{}", "not a JSON object"),
    ('{"event":7}', "not a JSON object"),
    ("[" * 20_000, "not a JSON object"),
    ('{"event":"media"', "not a JSON object"),
    (b'{"event":"connected"}', "binary"),
    ('{"event":"media","streamSid":"MZ1"}', "media: .*`media`"),
    ('{"event":"media","streamSid":"MZ1","media":{"timestamp":"0"}}', "media: .*`payload`"),
    ('{"event":"media","streamSid":"MZ1","media":{"payload":"%%%","timestamp":"0"}}', "media: .*base64"),
    (
        '{"event":"media","streamSid":"MZ1","media":{"payload":"//8=","timestamp":"soon"}}',
        "media: .*timestamp",
    ),
    ('{"event":"media","streamSid":"MZ1","media":{"payload":7,"timestamp":"0"}}', "media: .*payload"),
    (
        '{"event":"media","streamSid":"MZ2","media":{"payload":"","timestamp":"0"}}',
        "media: of another stream",
    ),
    ('{"event":"mark","streamSid":"MZ2","mark":{"name":"x"}}', "mark: of another stream"),
    ('{"event":"mark","streamSid":"MZ1","mark":{}}', "mark: .*`name`"),
    ('{"event":"dtmf","streamSid":"MZ1","dtmf":{"digit":"11"}}', "dtmf: unknown digit"),
    ('{"event":"dtmf","streamSid":"MZ1","dtmf":{"digit":5}}', "dtmf: .*digit"),
    (START, "start: sent a second time"),
]
UNREADABLE_STARTS: list[tuple[str, int, str]] = [
    # message, the code of the close, a part of its reason
    (
        START.replace("audio/x-mulaw", "audio/x-alaw"),
        1003,
        "start: unknown mediaFormat: expected audio/x-mulaw",
    ),
    (START.replace("8000", "16000"), 1003, "start: unknown mediaFormat"),
    (START.replace('"channels":1', '"channels":2'), 1003, "start: unknown mediaFormat"),
    (START.replace('"callSid":"CA1"', '"callSid":""'), 1007, "callSid is empty"),
    (START.replace('"callSid":"CA1"', '"callSid":7'), 1007, "start: cannot be read: .*str"),
    (START.replace("MZ1", ""), 1007, "streamSid or callSid is empty"),
    ('{"event":"start"}', 1007, "start: cannot be read: .*`start`"),
    ('{"event":"start","start":null}', 1007, "start: cannot be read"),
]
FORMAT = '"mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000,"channels":1}'
LENIENT_STARTS: list[tuple[str, dict[str, str], int]] = [
    # message, the parameters that are read, how many fields are counted
    (START, {"plan": "gold"}, 0),
    (START.replace('{"plan":"gold"}', "null"), {}, 1),
    (START.replace('{"plan":"gold"}', '"gold"'), {}, 1),
    (START.replace('"gold"', "7"), {"plan": "7"}, 1),
    (START.replace('"gold"', "null"), {}, 1),
    (START.replace('"gold"', '{"name":"gold","years":[1]}'), {"plan": '{"name":"gold","years":[1]}'}, 1),
    (START.replace('{"plan":"gold"}', '[{"name":"plan","value":"gold"},7]'), {"plan": "gold"}, 1),
    (START.replace('["inbound"]', "null"), {"plan": "gold"}, 1),
    (START.replace('["inbound"]', '"inbound"'), {"plan": "gold"}, 1),
    (START.replace('["inbound"]', "[]"), {"plan": "gold"}, 0),
    (START.replace(FORMAT, '"mediaFormat":null'), {"plan": "gold"}, 1),
    (START.replace(FORMAT + ",", ""), {"plan": "gold"}, 1),
    (START.replace('"channels":1', '"channels":null'), {"plan": "gold"}, 1),
    (START.replace("8000", "null"), {"plan": "gold"}, 1),
    (START.replace('"AC1","streamSid":"MZ1"', '"AC1"'), {"plan": "gold"}, 0),  # it stands outside as well
    (START.replace('"streamSid":"MZ1","start"', '"streamSid":7,"start"'), {"plan": "gold"}, 0),
]
WRITES: list[tuple[CarrierCommand, dict[str, object]]] = [
    (PlayAudio(b"\xff\xff"), {"event": "media", "streamSid": "MZ1", "media": {"payload": "//8="}}),
    (SendMark("0.1"), {"event": "mark", "streamSid": "MZ1", "mark": {"name": "0.1"}}),
    (ClearPlayback(800), {"event": "clear", "streamSid": "MZ1"}),
]


def started() -> TwilioStream:
    stream = TwilioStream()
    read(stream, START)
    return stream


def read(stream: TwilioStream, message: WireMessage) -> CarrierEvent:
    (event,) = stream.decode(message, 0.0)
    return event


def written(stream: TwilioStream, command: CarrierCommand) -> dict[str, object]:
    (message,) = stream.encode(command, 0.0)
    body: dict[str, object] = json.loads(message)
    return body


@pytest.mark.parametrize(("message", "event"), STARTS)
def test_reads_a_start(message: str, event: CarrierEvent) -> None:
    assert read(TwilioStream(), message) == event


@pytest.mark.parametrize(("message", "event"), READS)
def test_reads(message: str, event: CarrierEvent) -> None:
    assert read(started(), message) == event


@pytest.mark.parametrize(("message", "why"), REFUSES)
def test_refuses(message: WireMessage, why: str) -> None:
    with pytest.raises(MalformedMessage, match=why):
        read(started(), message)


@pytest.mark.parametrize(("message", "code", "why"), UNREADABLE_STARTS)
def test_a_start_that_cannot_be_read_closes_the_stream(message: str, code: int, why: str) -> None:
    event = read(TwilioStream(), message)
    assert isinstance(event, CloseRequested)
    assert event.code == code
    assert re.search(why, event.why)


def test_once_the_stream_has_started_an_unreadable_start_is_dropped() -> None:
    stream = started()
    with pytest.raises(MalformedMessage, match="`start`"):
        read(stream, '{"event":"start"}')


@pytest.mark.parametrize(("message", "parameters", "counted"), LENIENT_STARTS)
def test_what_a_call_can_do_without_is_read_in_any_shape(
    message: str, parameters: dict[str, str], counted: int
) -> None:
    stream = TwilioStream()
    assert read(stream, message) == CallStarted("CA1", "MZ1", PCMU_8K, ("inbound",), parameters)
    assert stream.counts() == ({"lenient_fields": counted} if counted else {})


@pytest.mark.parametrize("track", ["null", "7", '["outbound"]'])
def test_audio_whose_track_cannot_be_read_is_the_caller_s(track: str) -> None:
    stream = started()
    message = (
        f'{{"event":"media","streamSid":"MZ1","media":{{"track":{track},"timestamp":"20","payload":"//8="}}}}'
    )
    assert read(stream, message) == CallerAudio(b"\xff\xff", at_ms=20)
    assert stream.counts() == {"lenient_fields": 1}


@pytest.mark.parametrize("message", [message for message, event in READS if not isinstance(event, Ignored)])
def test_nothing_useful_comes_before_start(message: str) -> None:
    with pytest.raises(MalformedMessage, match="before start"):
        read(TwilioStream(), message)


@pytest.mark.parametrize(
    "message", [START, *(message for message, event in READS if not isinstance(event, Ignored))]
)
def test_nothing_useful_comes_after_stop(message: str) -> None:
    stream = started()
    assert read(stream, '{"event":"stop","streamSid":"MZ1"}') == CallEnded()
    with pytest.raises(MalformedMessage, match=r"after stop|sent a second time"):
        stream.decode(message, 0.0)


@pytest.mark.parametrize(("command", "message"), WRITES)
def test_writes(command: CarrierCommand, message: dict[str, object]) -> None:
    assert written(started(), command) == message


def test_an_inbound_track_alone_is_one_way_only_if_the_path_said_so() -> None:
    event = read(TwilioStream(one_way=True), START)
    assert isinstance(event, CallStarted)
    assert event.one_way


def test_a_name_with_quotes_stays_one_json_string() -> None:
    stream = TwilioStream()
    read(stream, START.replace("MZ1", 'M\\"Z'))
    assert written(stream, PlayAudio(b""))["streamSid"] == 'M"Z'


@given(st.one_of(st.text(), st.binary()))
def test_rubbish_is_refused_or_ignored_and_nothing_else(message: WireMessage) -> None:
    try:
        event = read(started(), message)
    except MalformedMessage:
        return
    assert isinstance(event, Ignored)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists))
def test_a_known_kind_with_any_body_is_read_or_refused(body: object) -> None:
    for kind in ("media", "mark", "dtmf", "stop", "start"):
        message = json.dumps({"event": kind, "streamSid": "MZ1", kind: body})
        if kind == "stop":
            assert read(started(), message) == CallEnded()
        else:
            with pytest.raises(MalformedMessage):
                read(started(), message)


@pytest.mark.parametrize("track", ["inbound", "outbound"])
@pytest.mark.parametrize(("ms", "is_read"), [(1_000, True), (1_001, False), (6_000, False)])
def test_more_than_a_second_of_audio_in_one_message_is_refused(ms: int, is_read: bool, track: str) -> None:
    stream = TwilioStream(one_way=True)
    stream.decode(START, 0.0)
    frame = {"track": track, "timestamp": "20", "payload": b64encode(bytes(8 * ms)).decode()}
    message = json.dumps({"event": "media", "streamSid": "MZ1", "media": frame})
    if is_read:
        assert len(stream.decode(message, 0.0)) == 1
    else:
        with pytest.raises(MalformedMessage, match=f"media: {ms} ms of audio: expected at most 1000 ms"):
            stream.decode(message, 0.0)
