"""Twilio's messages in both directions, compared with those of its documents."""

import json
import re

import pytest

from bridge.simulators.carriers.contract import Clear, Mark, Order, Play
from bridge.simulators.carriers.twilio.media import SimulatedTwilioStream, new_sid

CALL, ACCOUNT = "CA" + "1" * 32, "AC" + "2" * 32


def twilio(**options: object) -> SimulatedTwilioStream:
    carrier = SimulatedTwilioStream(call_sid=CALL, account_sid=ACCOUNT, **options)  # type: ignore[arg-type]
    carrier.stream_sid = "MZ1"
    return carrier


def test_a_stream_from_its_start_to_its_stop() -> None:
    carrier = twilio(parameters={"token": 'one-"time"'})
    messages = [
        *carrier.opening(),
        carrier.media("inbound", b"\xff\x00", 0),
        carrier.digit("#"),
        carrier.media("inbound", b"\x7f\x80", 20),
        carrier.mark("utterance-7"),
        carrier.closing(),
    ]
    media_format = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
    first = {"track": "inbound", "chunk": "1", "timestamp": "0", "payload": "/wA="}
    second = {"track": "inbound", "chunk": "2", "timestamp": "20", "payload": "f4A="}
    assert [json.loads(message) for message in messages] == [
        {"event": "connected", "protocol": "Call", "version": "1.0.0"},
        {
            "event": "start",
            "sequenceNumber": "1",
            "streamSid": "MZ1",
            "start": {
                "accountSid": ACCOUNT,
                "streamSid": "MZ1",
                "callSid": CALL,
                "tracks": ["inbound"],
                "mediaFormat": media_format,
                "customParameters": {"token": 'one-"time"'},
            },
        },
        {"event": "media", "sequenceNumber": "2", "streamSid": "MZ1", "media": first},
        {
            "event": "dtmf",
            "streamSid": "MZ1",
            "sequenceNumber": "3",
            "dtmf": {"track": "inbound_track", "digit": "#"},
        },
        {"event": "media", "sequenceNumber": "4", "streamSid": "MZ1", "media": second},
        {"event": "mark", "sequenceNumber": "5", "streamSid": "MZ1", "mark": {"name": "utterance-7"}},
        {
            "event": "stop",
            "sequenceNumber": "6",
            "streamSid": "MZ1",
            "stop": {"accountSid": ACCOUNT, "callSid": CALL},
        },
    ]


def test_chunks_count_for_each_track_and_messages_for_the_stream() -> None:
    carrier = twilio(tracks=("inbound", "outbound"), one_way=True)
    frames = [json.loads(carrier.media(track, b"", at)) for at in (0, 20) for track in carrier.tracks]
    assert [
        (frame["sequenceNumber"], frame["media"]["track"], frame["media"]["chunk"]) for frame in frames
    ] == [
        ("1", "inbound", "1"),
        ("2", "outbound", "1"),
        ("3", "inbound", "2"),
        ("4", "outbound", "2"),
    ]


READS = [
    ('{"event":"media","streamSid":"MZ1","media":{"payload":"/wA="}}', Play(b"\xff\x00")),
    ('{"event":"mark","streamSid":"MZ1","mark":{"name":"a b"}}', Mark("a b")),
    ('{"event":"clear","streamSid":"MZ1"}', Clear()),
]

REFUSES = [
    (b'{"event":"clear","streamSid":"MZ1"}', 31950),
    ("", 31951),
    ("[]", 31951),
    ("[" * 100_000, 31951),
    ('{"streamSid":"MZ1"}', 31951),
    ('{"event":"stop","streamSid":"MZ1"}', 31951),
    ('{"event":"clear","streamSid":"MZ2"}', 31951),
    ('{"event":"clear"}', 31951),
    ('{"event":"clear","stream_sid":"MZ1"}', 31951),
    ('{"event":"clear","streamSid":"MZ1","why":"barge-in"}', 31951),
    ('{"event":"mark","streamSid":"MZ1","mark":{"name":7}}', 31951),
    ('{"event":"mark","streamSid":"MZ1"}', 31951),
    ('{"event":"media","streamSid":"MZ1","media":{"payload":"%%%%"}}', 31951),
    ('{"event":"media","streamSid":"MZ1","media":{"payload":"/wA=","track":"outbound"}}', 31951),
]


@pytest.mark.parametrize(("message", "order"), READS)
def test_reads(message: str, order: Order) -> None:
    carrier = twilio()
    assert carrier.decode(message) == order
    assert carrier.warnings == []


@pytest.mark.parametrize(("message", "code"), REFUSES)
def test_refuses_with_a_warning_and_goes_on(message: str | bytes, code: int) -> None:
    carrier = twilio()
    assert carrier.decode(message) is None
    assert [warned.code for warned in carrier.warnings] == [code]
    assert carrier.decode('{"event":"clear","streamSid":"MZ1"}') == Clear()


@pytest.mark.parametrize("message", [READS[0][0], "no JSON", b"binary"])
def test_a_one_way_stream_ignores_all_messages(message: str | bytes) -> None:
    carrier = twilio(one_way=True)
    assert carrier.decode(message) is None
    assert carrier.warnings == []


def test_discarded_audio_is_warned_of_once() -> None:
    carrier = twilio()
    carrier.audio_discarded()
    carrier.audio_discarded()
    assert [warned.code for warned in carrier.warnings] == [31930]


def test_sids() -> None:
    carrier = SimulatedTwilioStream(call_sid=CALL, account_sid=ACCOUNT)
    assert re.fullmatch("MZ[0-9a-f]{32}", carrier.stream_sid)
    assert new_sid("CA") != new_sid("CA")
