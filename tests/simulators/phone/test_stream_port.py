"""The port of a media stream: what the server sends comes out of it frame by frame, what a party says goes in."""

from base64 import b64decode, b64encode

import msgspec
import numpy as np
import pytest

from bridge.simulators.carriers.telnyx.coding import Coding
from bridge.simulators.carriers.telnyx.media import SimulatedTelnyxStream
from bridge.simulators.carriers.twilio.media import SimulatedTwilioStream
from bridge.simulators.openai.voice import spoken
from bridge.simulators.phone.likeness import find_sound
from bridge.simulators.phone.stream_port import StreamPort
from telecodecs.codec import decoder, encoder
from telecodecs.format import L16_16K, PCMU_8K, Samples

STARTED = 100.0
SILENCE = np.zeros(160, np.int16)
FRAME = np.full(160, 1_000, np.int16)


def twilio(**options: object) -> tuple[SimulatedTwilioStream, StreamPort]:
    stream = SimulatedTwilioStream(call_sid="CA1", account_sid="AC1", **options)  # type: ignore[arg-type]
    return stream, StreamPort(stream, 8_000, STARTED, 10)


def message(stream: SimulatedTwilioStream, event: str, **body: object) -> str:
    return msgspec.json.encode({"event": event, "streamSid": stream.stream_sid, **body}).decode()


def media(stream: SimulatedTwilioStream, samples: Samples) -> str:
    return message(stream, "media", media={"payload": b64encode(encoder(PCMU_8K)(samples)).decode()})


def names(messages: list[str]) -> list[str]:
    return [msgspec.json.decode(one)["mark"]["name"] for one in messages]


def test_what_the_server_says_comes_out_when_it_came() -> None:
    stream, port = twilio()
    assert port.receive(media(stream, np.tile(FRAME, 2)), STARTED + 0.2) == []
    assert port.receive(message(stream, "mark", mark={"name": "end"}), STARTED + 0.2) == []
    said = []
    for frame in range(9, 13):
        assert names(port.advance(frame)) == (["end"] if frame == 11 else [])
        said.append(bool(port.speak(frame).any()))
    assert said == [False, True, True, False]
    assert names(port.receive(message(stream, "mark", mark={"name": "now"}), STARTED + 0.3)) == ["now"]


def test_a_clear_in_the_middle_of_a_frame() -> None:
    stream, port = twilio()
    port.receive(media(stream, np.tile(FRAME, 10)), STARTED + 0.2)
    port.receive(message(stream, "mark", mark={"name": "end"}), STARTED + 0.2)
    port.advance(10)
    port.speak(10)
    assert names(port.receive(message(stream, "clear"), STARTED + 0.23)) == ["end"]
    port.advance(11)
    rest = port.speak(11)
    assert (int(np.count_nonzero(rest)), int(np.count_nonzero(rest[:80]))) == (80, 80)


def test_what_a_party_says_goes_in() -> None:
    _stream, port = twilio(tracks=("inbound", "outbound"))
    sent = [msgspec.json.decode(one) for one in port.hear({"inbound": FRAME, "outbound": SILENCE}, 12)]
    assert [(one["media"]["track"], one["media"]["timestamp"]) for one in sent] == [
        ("inbound", "40"),
        ("outbound", "40"),
    ]
    heard = decoder(PCMU_8K)(b64decode(sent[0]["media"]["payload"]))
    assert set(heard) == {988}  # 1000 in mu-law and back
    (key,) = port.key("5", 12)
    assert msgspec.json.decode(key)["dtmf"]["digit"] == "5"
    assert msgspec.json.decode(port.closing()[-1])["event"] == "stop"
    assert twilio(one_way=True)[1].key("5", 12) == []


@pytest.mark.parametrize(("line", "mix_hz"), [("L16", 8_000), ("L16", 16_000), ("PCMU", 16_000)])
def test_rates_that_differ(line: str, mix_hz: int) -> None:
    stream = SimulatedTelnyxStream(call_control_id="v3:1", says=Coding(line), hears=Coding(line))
    port = StreamPort(stream, mix_hz, STARTED, 0)
    words = spoken("good morning", stream.plays.rate_hz)
    payload = b64encode(encoder(stream.plays)(words)).decode()
    port.receive(msgspec.json.encode({"event": "media", "media": {"payload": payload}}).decode(), STARTED)
    pieces, sent = [], []
    for frame in range(60):
        port.advance(frame)
        pieces.append(port.speak(frame))
        assert len(pieces[-1]) == mix_hz // 50
        messages = port.hear({"inbound": pieces[-1]}, frame)
        sent += [b64decode(msgspec.json.decode(one)["media"]["payload"]) for one in messages]
    assert find_sound(np.concatenate(pieces), spoken("good morning", mix_hz)).likeness >= 0.9
    assert {len(one) for one in sent} == {stream.line.bytes_in(20)}
    heard = decoder(stream.line if line == "PCMU" else L16_16K)(b"".join(sent))
    assert find_sound(heard, spoken("good morning", stream.line.rate_hz)).likeness >= 0.9
