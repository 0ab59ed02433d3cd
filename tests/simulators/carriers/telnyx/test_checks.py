"""What the simulated Telnyx refuses in a body, and with which code."""

from typing import Any

import pytest

from bridge.simulators.carriers.telnyx.checks import TelnyxRefusal
from bridge.simulators.carriers.telnyx.commands import checked

DIAL = {"connection_id": "1", "to": "+15550100", "from": "+15550199"}
STREAM = {"stream_url": "wss://voice.example.com/m"}
RTP = STREAM | {"stream_bidirectional_mode": "rtp"}

TAKES = [
    ("dial", DIAL),
    ("dial", DIAL | {"to": ["sip:bob@example.com", "+15550100"], "timeout_secs": 5}),
    (
        "dial",
        DIAL | RTP | {"stream_bidirectional_codec": "L16", "stream_bidirectional_sampling_rate": 16_000},
    ),
    ("answer", {}),
    ("answer", RTP | {"client_state": "aGV5", "command_id": "1"}),
    ("hangup", {"client_state": None}),
    ("reject", {"cause": "USER_BUSY"}),
    ("streaming_start", {"stream_url": "ws://127.0.0.1:5000/m", "stream_codec": "default"}),
    ("streaming_start", STREAM | {"custom_parameters": [{"name": "k", "value": "v"}]}),
    ("streaming_stop", {}),
    ("send_dtmf", {"digits": "1www2WABCDw9*#", "duration_millis": 100, "command_id": "1"}),
]


@pytest.mark.parametrize(("command", "body"), TAKES)
def test_takes(command: str, body: dict[str, Any]) -> None:
    assert checked(command, body) == {name: value for name, value in body.items() if value is not None}


REFUSES = [
    ("dial", {"to": "+15550100", "from": "+15550199"}, "10015", "connection_id"),
    ("dial", DIAL | {"to": "5550100"}, "10016", "to"),
    ("dial", DIAL | {"to": []}, "10016", "to"),
    ("dial", DIAL | {"from": "sip:bob@example.com"}, "10016", "from"),
    ("dial", DIAL | {"timeout_secs": 601}, "10015", "timeout_secs"),
    ("dial", DIAL | {"timeout_secs": True}, "10015", "timeout_secs"),
    ("dial", DIAL | {"webhook_url": "voice.example.com"}, "10015", "webhook_url"),
    ("dial", DIAL | {"answering_machine_detection": "yes"}, "10015", "answering_machine_detection"),
    ("answer", {"client_state": "not base64!"}, "90017", "client_state"),
    ("answer", {"client_state": 5}, "90017", "client_state"),
    ("answer", {"command_id": ""}, "10015", "command_id"),
    ("answer", {"send_silence_when_idle": "yes"}, "10015", "send_silence_when_idle"),
    ("reject", {}, "10015", "cause"),
    ("reject", {"cause": "busy"}, "10015", "cause"),
    ("streaming_start", {}, "10015", "stream_url"),
    ("streaming_start", {"stream_url": "https://voice.example.com/m"}, "10015", "stream_url"),
    ("streaming_start", {"stream_url": "wss://[x/m"}, "10015", "stream_url"),
    ("streaming_start", STREAM | {"stream_codec": "pcmu"}, "10015", "stream_codec"),
    ("streaming_start", STREAM | {"stream_track": "inbound"}, "10015", "stream_track"),
    ("streaming_start", STREAM | {"stream_bidirectional_mode": "wav"}, "10015", "stream_bidirectional_mode"),
    (
        "streaming_start",
        STREAM | {"stream_bidirectional_codec": "L16"},
        "10015",
        "stream_bidirectional_codec",
    ),
    (
        "streaming_start",
        RTP | {"stream_bidirectional_sampling_rate": 44_100},
        "10015",
        "stream_bidirectional_sampling_rate",
    ),
    ("streaming_start", STREAM | {"stream_auth_token": "x" * 4_001}, "10015", "stream_auth_token"),
    ("streaming_start", STREAM | {"custom_parameters": {"k": "v"}}, "10015", "custom_parameters"),
    ("streaming_start", STREAM | {"custom_parameters": [{"name": "k"}]}, "10015", "custom_parameters"),
    ("send_dtmf", {}, "10015", "digits"),
    ("send_dtmf", {"digits": ""}, "10015", "digits"),
    ("send_dtmf", {"digits": "1,2"}, "10015", "digits"),
    ("send_dtmf", {"digits": "12a"}, "10015", "digits"),
    ("send_dtmf", {"digits": 12}, "10015", "digits"),
    ("send_dtmf", {"digits": "1", "duration_millis": 99}, "10015", "duration_millis"),
    ("send_dtmf", {"digits": "1", "duration_millis": 501}, "10015", "duration_millis"),
]


@pytest.mark.parametrize(("command", "body", "code", "field"), REFUSES)
def test_refuses(command: str, body: dict[str, Any], code: str, field: str) -> None:
    with pytest.raises(TelnyxRefusal) as refused:
        checked(command, body)
    assert refused.value.status == 422
    (error,) = refused.value.body()["errors"]
    assert (error["code"], error["source"]) == (code, {"pointer": f"/{field}"})
    assert error["detail"].startswith(f"{field}: should be ")


def test_ignores_fields_that_an_answer_does_not_have() -> None:
    asked = RTP | {"stream_bidirectional_sampling_rate": 16_000, "stream_auth_token": "t", "unheard_of": 1}
    assert checked("answer", asked) == RTP
