"""Telnyx's messages in both directions, compared with those of its documents."""

import json
import re
import sys
from base64 import b64encode
from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest

from bridge.simulators.carriers.contract import Clear, Mark, Order, Play, Refused
from bridge.simulators.carriers.telnyx.coding import Coding
from bridge.simulators.carriers.telnyx.media import SimulatedTelnyxStream, new_call_control_id
from bridge.vocabulary.errors import ConfigurationError
from telecodecs.format import L16_16K, PCMA_8K, PCMU_8K, AudioFormat, Encoding, Samples

CALL = "v3:a+b/c=="
UUID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"


def telnyx(**options: object) -> SimulatedTelnyxStream:
    carrier = SimulatedTelnyxStream(call_control_id=CALL, **options)  # type: ignore[arg-type]
    carrier.stream_sid = "32DE0DEA"
    return carrier


def media(payload: bytes) -> str:
    return json.dumps({"event": "media", "media": {"payload": b64encode(payload).decode()}})


def refusal(order: Order | None) -> tuple[int, str]:
    """Code and title of the error frame that answers."""
    assert isinstance(order, Refused)
    frame = json.loads(order.answer)
    assert frame.keys() == {"event", "payload", "stream_id"}
    assert (frame["event"], frame["stream_id"]) == ("error", "32DE0DEA")
    assert frame["payload"]["detail"]
    return frame["payload"]["code"], frame["payload"]["title"]


def test_a_stream_from_its_start_to_its_stop() -> None:
    carrier = telnyx(
        parameters={"token": 'one-"time"'},
        caller="+13125550199",
        called="+13125550100",
        client_state="aGF2ZSBh",
        tags=("TAG1",),
        stream_token="secret",
    )
    messages = [
        *carrier.opening(),
        carrier.media("inbound", b"\xff\x00", 0),
        carrier.digit("#", 418),
        carrier.media("inbound", b"\x7f\x80", 20),
        carrier.mark("utterance-7"),
        carrier.closing(),
    ]
    connected, start, *rest = [json.loads(message) for message in messages]
    assert connected == {
        "event": "connected",
        "version": "1.0.0",
        "connected": {"x-telnyx-streaming-auth-token": "secret"},
    }
    body = start.pop("start")
    account, session = body.pop("user_id"), body.pop("call_session_id")
    assert re.fullmatch(UUID, account)
    assert re.fullmatch(UUID, session)
    assert start == {"event": "start", "sequence_number": "1", "stream_id": "32DE0DEA"}
    assert body == {
        "call_control_id": CALL,
        "from": "+13125550199",
        "to": "+13125550100",
        "tags": ["TAG1"],
        "client_state": "aGF2ZSBh",
        "custom_parameters": {"token": 'one-"time"'},
        "media_format": {"encoding": "PCMU", "sample_rate": 8000, "channels": 1},
    }
    named = {"stream_id": "32DE0DEA"}
    first = {"track": "inbound", "chunk": "1", "timestamp": "0", "payload": "/wA="}
    second = {"track": "inbound", "chunk": "2", "timestamp": "20", "payload": "f4A="}
    occurred_at = "2025-06-05T08:54:19.418000Z"
    stop = {"user_id": account, "call_control_id": CALL}
    assert rest == [
        {"event": "media", "sequence_number": "2", **named, "media": first},
        {
            "event": "dtmf",
            **named,
            "occurred_at": occurred_at,
            "sequence_number": "3",
            "dtmf": {"digit": "#"},
        },
        {"event": "media", "sequence_number": "4", **named, "media": second},
        {"event": "mark", **named, "sequence_number": "5", "mark": {"name": "utterance-7"}},
        {"event": "stop", "sequence_number": "6", **named, "stop": stop},
    ]


def test_fields_without_a_value_are_left_out() -> None:
    connected, start = map(json.loads, telnyx().opening())
    assert connected == {"event": "connected", "version": "1.0.0"}
    assert start["start"].keys() == {"user_id", "call_control_id", "call_session_id", "media_format"}


def test_chunks_count_for_each_track_and_messages_for_the_stream() -> None:
    carrier = telnyx(tracks=("inbound", "outbound"))
    frames = [json.loads(carrier.media(track, b"", at)) for at in (0, 20) for track in carrier.tracks]
    assert [
        (frame["sequence_number"], frame["media"]["track"], frame["media"]["chunk"]) for frame in frames
    ] == [
        ("1", "inbound", "1"),
        ("2", "outbound", "1"),
        ("3", "inbound", "2"),
        ("4", "outbound", "2"),
    ]


FRAME = bytes(range(160))
READS = [
    (media(FRAME), Play(FRAME)),
    ('{"event":"mark","mark":{"name":"a b"}}', Mark("a b")),
    ('{"event":"clear"}', Clear()),
    ('{"event":"clear","stream_id":"another","why":"barge-in"}', Clear()),
    (media(FRAME * 1500), Play(FRAME * 1500)),
]
MALFORMED, INVALID = (100003, "malformed_frame"), (100004, "invalid_media")
REFUSES = [
    (b'{"event":"clear"}', MALFORMED),
    ("", MALFORMED),
    ("[]", MALFORMED),
    ("[" * 100_000, MALFORMED),
    ("{}", MALFORMED),
    ('{"event":"stop"}', MALFORMED),
    ('{"event":"mark","mark":{"name":7}}', MALFORMED),
    ('{"event":"mark"}', MALFORMED),
    ('{"event":"media"}', MALFORMED),
    ('{"event":"media","media":{}}', MALFORMED),
    ('{"event":"media","media":{"payload":7}}', MALFORMED),
    ('{"event":"media","media":{"payload":"%%%%"}}', INVALID),
    ('{"event":"media","media":{"payload":"/wA"}}', INVALID),
    ('{"event":"media","media":{"payload":"\u00e4"}}', INVALID),
    ('{"event":"media","media":{"payload":""}}', INVALID),
    (media(FRAME[:-1]), INVALID),
    (media(FRAME * 1500 + b"\xff"), INVALID),
]


@pytest.mark.parametrize(("message", "order"), READS)
def test_reads(message: str, order: Order) -> None:
    carrier = telnyx()
    assert carrier.decode(message) == order
    assert carrier.warnings == []


@pytest.mark.parametrize(("message", "error"), REFUSES)
def test_refuses_with_an_error_message_and_goes_on(message: str | bytes, error: tuple[int, str]) -> None:
    carrier = telnyx()
    assert refusal(carrier.decode(message)) == error
    assert [warned.code for warned in carrier.warnings] == [error[0]]
    assert carrier.decode('{"event":"clear"}') == Clear()


@pytest.mark.parametrize("message", [READS[0][0], "no JSON", b"binary"])
def test_a_one_way_stream_ignores_all_messages(message: str | bytes) -> None:
    carrier = telnyx(one_way=True)
    assert carrier.decode(message) is None
    assert carrier.warnings == []


def test_without_a_mode_audio_is_ignored() -> None:
    carrier = telnyx(mode="off")
    assert carrier.decode(media(FRAME)) is None
    assert carrier.decode('{"event":"mark","mark":{"name":"1"}}') == Mark("1")
    assert carrier.warnings == []


LINEAR = [  # what is heard, bytes of 20 ms
    (Coding("PCMA"), PCMA_8K, 160),
    (Coding("L16"), L16_16K, 640),
    (Coding("L16", 8_000), AudioFormat(Encoding.L16, 8_000), 320),
    (Coding("L16", byteorder="big"), AudioFormat(Encoding.L16_BE, 16_000), 640),
]


@pytest.mark.parametrize(("coding", "plays", "length"), LINEAR)
def test_each_direction_has_its_own_codec(coding: Coding, plays: AudioFormat, length: int) -> None:
    carrier = telnyx(hears=coding)
    assert (carrier.line, carrier.plays) == (PCMU_8K, plays)
    audio = bytes(range(160)) * (length // 160)
    assert carrier.decode(media(audio)) == Play(audio)
    assert refusal(carrier.decode(media(audio[:-2]))) == INVALID

    carrier = telnyx(says=coding)
    assert (carrier.line, carrier.plays) == (plays, PCMU_8K)
    frame = json.loads(carrier.media("inbound", audio, 0))
    assert frame["media"]["payload"] == b64encode(audio).decode()
    media_format = json.loads(carrier.opening()[1])["start"]["media_format"]
    assert media_format == {"encoding": coding.codec, "sample_rate": coding.rate_hz, "channels": 1}


def test_half_a_sample_is_refused() -> None:
    assert refusal(telnyx(hears=Coding("L16")).decode(media(bytes(641)))) == INVALID


def test_telnyx_may_transcode_the_law() -> None:
    carrier = telnyx(says=Coding("PCMA"), line=PCMU_8K)
    assert carrier.line == PCMU_8K
    frame = json.loads(carrier.media("inbound", PCMU_8K.silence * 160, 0))
    assert frame["media"]["payload"] == b64encode(PCMA_8K.silence * 160).decode()


@pytest.fixture
def mp3(monkeypatch: pytest.MonkeyPatch) -> None:
    """A library for which a file is samples at 8000 Hz behind the letters MP3."""

    def samples(file: bytes) -> tuple[Samples, int]:
        if not file.startswith(b"MP3"):
            raise ValueError("no MP3 file")
        return np.frombuffer(file[3:], np.int16), 8000

    replace_module(monkeypatch, "telecodecs.packets", CodecMissing=type("CodecMissing", (Exception,), {}))
    replace_module(monkeypatch, "telecodecs.mp3", mp3_samples=samples, check_installed=lambda: None)


def replace_module(monkeypatch: pytest.MonkeyPatch, name: str, **attributes: object) -> None:
    module = ModuleType(name)
    module.__dict__.update(attributes)
    monkeypatch.setitem(sys.modules, name, module)


@pytest.mark.usefixtures("mp3")
def test_one_mp3_file_a_second() -> None:
    carrier = telnyx(mode="mp3")
    assert carrier.plays == L16_16K
    file = media(b"MP3" + bytes(1600))  # 100 ms
    assert carrier.decode(file, 5.0) == Play(bytes(3200))
    assert refusal(carrier.decode(file, 5.9)) == (100005, "rate_limit_reached")
    assert carrier.decode(file, 6.0) == Play(bytes(3200)), "what was refused does not count"
    assert [warned.code for warned in carrier.warnings] == [100005]


@pytest.mark.usefixtures("mp3")
def test_raw_audio_in_the_mode_mp3_is_ignored() -> None:
    carrier = telnyx(mode="mp3")
    assert carrier.decode(media(FRAME)) is None
    assert carrier.warnings == []
    assert refusal(carrier.decode('{"event":"media","media":{"payload":"%"}}', 9.0)) == INVALID


class Counting:
    """A codec whose packet is a number and 20 ms of samples, first one only; stateful as G722 is."""

    def __init__(self) -> None:
        self.packets = 0

    def encode(self, samples: Samples) -> bytes:
        assert len(samples) == 320
        self.packets += 1
        return bytes([self.packets, samples[0] & 0xFF])

    def decode(self, packet: bytes) -> Samples:
        if len(packet) != 2:
            raise ValueError("no packet of two bytes")
        return np.full(320, packet[1], np.int16)


class Missing(Exception):
    pass


def packets(codec: Callable[[], Counting]) -> dict[str, object]:
    return {
        "PacketCodec": str,
        "CodecMissing": Missing,
        "packet_encoder": lambda _: codec(),
        "packet_decoder": lambda _: codec(),
    }


@pytest.mark.parametrize("codec", ["G722", "OPUS", "AMR-WB"])
def test_packets_are_decoded_to_samples(codec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    replace_module(monkeypatch, "telecodecs.packets", **packets(Counting))
    carrier = telnyx(says=Coding(codec), hears=Coding(codec), tracks=("inbound", "outbound"))
    assert (carrier.line, carrier.plays) == (L16_16K, L16_16K)
    frames = [
        carrier.media(track, bytes([sample, 0]) * 320, 0)
        for sample, track in ((7, "inbound"), (8, "outbound"), (9, "inbound"))
    ]
    sent = [json.loads(frame)["media"]["payload"] for frame in frames]
    assert sent == [b64encode(packet).decode() for packet in (b"\1\7", b"\1\10", b"\2\11")]
    assert carrier.decode(media(b"\1\7")) == Play(b"\7\0" * 320)
    assert refusal(carrier.decode(media(b"\1"))) == INVALID


def test_a_missing_codec_is_reported_before_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> Counting:
        raise Missing("G722 needs the extra g722")

    replace_module(monkeypatch, "telecodecs.packets", **packets(missing))
    for options in ({"says": Coding("G722")}, {"hears": Coding("G722")}):
        with pytest.raises(ConfigurationError, match="needs the extra g722"):
            telnyx(**options)


def test_missing_mp3_is_reported_before_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise Missing("MP3 needs the extra mp3")

    replace_module(monkeypatch, "telecodecs.packets", CodecMissing=Missing)
    replace_module(monkeypatch, "telecodecs.mp3", mp3_samples=None, check_installed=missing)
    with pytest.raises(ConfigurationError, match="needs the extra mp3"):
        telnyx(mode="mp3")


def test_a_discarded_frame_leaves_a_gap_in_the_numbers() -> None:
    carrier = telnyx()
    carrier.audio_discarded()
    carrier.audio_discarded()
    assert json.loads(carrier.media("inbound", b"", 40))["media"]["chunk"] == "3"
    assert len(carrier.warnings) == 1


def test_ids() -> None:
    carrier = SimulatedTelnyxStream(call_control_id=CALL)
    assert re.fullmatch(UUID, carrier.stream_sid)
    assert carrier.call_sid == CALL
    assert new_call_control_id() != new_call_control_id()
    again = SimulatedTelnyxStream(call_control_id=CALL)
    starts = [json.loads(stream.opening()[1]) for stream in (carrier, again)]
    assert starts[0]["start"] == starts[1]["start"], "the same call"
    assert starts[0]["stream_id"] != starts[1]["stream_id"], "on another stream"
