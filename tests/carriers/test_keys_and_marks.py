"""How many keys and marks a stream may send: the same for every carrier."""

import json

import pytest

from bridge.carriers.shared.keys_and_marks import KEYS_AT_ONCE, MARKS_AT_ONCE
from bridge.carriers.telnyx.settings import TelnyxSettings
from bridge.carriers.telnyx.stream import TelnyxStream
from bridge.carriers.twilio.stream import TwilioStream
from bridge.vocabulary.contracts import Carrier
from bridge.vocabulary.errors import MalformedMessage
from bridge.vocabulary.events import DigitPressed, MarkReached

FORMATS = {
    "twilio": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
    "telnyx": {"encoding": "PCMU", "sample_rate": 8000, "channels": 1},
}
STARTS = {
    "twilio": {"callSid": "CA1", "streamSid": "S1", "mediaFormat": FORMATS["twilio"]},
    "telnyx": {"call_control_id": "v2:C1", "media_format": FORMATS["telnyx"]},
}


class Stream:
    """One that has started, of a carrier."""

    def __init__(self, carrier: str) -> None:
        self._id = {"streamSid": "S1"} if carrier == "twilio" else {"stream_id": "S1"}
        self.dialect: Carrier = TwilioStream() if carrier == "twilio" else TelnyxStream(TelnyxSettings())
        self.says("start", STARTS[carrier], 100.0)

    def says(self, kind: str, body: object, now: float) -> list[object]:
        return [*self.dialect.decode(json.dumps({"event": kind, **self._id, kind: body}), now)]

    def due(self, now: float) -> list[object]:
        return [*self.dialect.due(now)]


@pytest.fixture(params=["twilio", "telnyx"])
def stream(request: pytest.FixtureRequest) -> Stream:
    return Stream(request.param)


def test_keys_faster_than_anybody_presses_them_are_refused(stream: Stream) -> None:
    given: list[object] = []
    for n in range(KEYS_AT_ONCE):
        given += stream.says("dtmf", {"digit": str(n % 10)}, 100.0)
    with pytest.raises(MalformedMessage, match="dtmf: too many keys: expected at most 20 a second"):
        stream.says("dtmf", {"digit": "1"}, 100.0)
    given += stream.due(101.0)
    assert given == [DigitPressed(str(n % 10)) for n in range(KEYS_AT_ONCE)]
    assert [*stream.says("dtmf", {"digit": "#"}, 102.0), *stream.due(103.0)] == [DigitPressed("#")]


def test_marks_that_we_did_not_send_are_refused_once_they_are_many(stream: Stream) -> None:
    for _ in range(MARKS_AT_ONCE):
        assert stream.says("mark", {"name": "0.1"}, 100.0) == [MarkReached("0.1")]
    with pytest.raises(MalformedMessage, match="mark: too many marks: expected at most 50 a second"):
        stream.says("mark", {"name": "0.1"}, 100.0)
    assert stream.says("mark", {"name": "0.1"}, 101.0) == [MarkReached("0.1")]


def test_a_mark_with_a_long_name_is_refused(stream: Stream) -> None:
    with pytest.raises(MalformedMessage, match="mark: a name of 60000 characters"):
        stream.says("mark", {"name": "x" * 60_000}, 100.0)
