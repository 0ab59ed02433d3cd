"""Calls as transcripts of what the phone sends, and when; no sockets, no clock."""

import json
from math import inf

import pytest

from bridge.simulators.carriers.telnyx.coding import Coding
from bridge.simulators.carriers.telnyx.media import SimulatedTelnyxStream
from bridge.simulators.carriers.twilio.media import SimulatedTwilioStream
from bridge.simulators.phone.handset import Ending, Handset
from bridge.simulators.phone.network_disorder import Disorder
from bridge.simulators.phone.plan import CallPlan, Digit

T = 500_000.0
SPEECH = bytes([0x20]) * 160


def handset(plan: CallPlan, **options: object) -> Handset:
    carrier = SimulatedTwilioStream(call_sid="CA1", account_sid="AC1", **options)  # type: ignore[arg-type]
    carrier.stream_sid = "MZ1"
    return Handset(plan, carrier)


def brief(messages: list[str]) -> list[str]:
    """Each message in a word or two."""
    words = []
    for message in map(json.loads, messages):
        match message["event"]:
            case "media":
                words.append(f"{message['media']['track']} {message['media']['timestamp']}")
            case "dtmf":
                words.append(f"digit {message['dtmf']['digit']}")
            case "mark":
                words.append(f"mark {message['mark']['name']}")
            case event:
                words.append(event)
    return words


def media(payload: bytes) -> str:
    from base64 import b64encode

    return json.dumps(
        {"event": "media", "streamSid": "MZ1", "media": {"payload": b64encode(payload).decode()}}
    )


def mark(name: str) -> str:
    return json.dumps({"event": "mark", "streamSid": "MZ1", "mark": {"name": name}})


CLEAR = json.dumps({"event": "clear", "streamSid": "MZ1"})


def run(phone: Handset, until: float) -> list[tuple[int, list[str]]]:
    """Wake the phone exactly when it asks; returns (ms, what it sends)."""
    rows = []
    while phone.ending is None and (now := phone.deadline()) <= until:
        if sends := brief(phone.due(now)):
            rows.append((round((now - T) * 1000), sends))
    return rows


def test_frames_on_time_digits_between_them_stop_at_the_end() -> None:
    plan = CallPlan(SPEECH * 2, digits=(Digit("2", 45), Digit("1", 20)), hang_up_at_ms=90)
    phone = handset(plan)
    assert brief(phone.begin(T)) == ["connected", "start"]
    assert run(phone, inf) == [
        (0, ["inbound 0"]),
        (20, ["digit 1", "inbound 20"]),
        (40, ["inbound 40"]),
        (60, ["digit 2", "inbound 60"]),
        (80, ["inbound 80"]),
        (90, ["stop"]),
    ]
    assert phone.ending is Ending.HUNG_UP
    assert phone.pressed == ["1", "2"]
    assert phone.said == SPEECH * 2 + b"\xff" * 480
    assert len(phone.earpiece.heard) == 720


def test_a_phone_woken_late_catches_up_and_does_not_drift() -> None:
    phone = handset(CallPlan(SPEECH, longest_s=10))
    phone.begin(T)
    assert brief(phone.due(T + 0.05)) == ["inbound 0", "inbound 20", "inbound 40"]
    assert phone.deadline() == pytest.approx(T + 0.06)
    assert phone.sent_at == [T + 0.05] * 3


def test_marks_are_returned_between_frames_when_they_are_reached() -> None:
    phone = handset(CallPlan(SPEECH * 5, hang_up_at_ms=60))
    phone.begin(T)
    assert brief(phone.hear(mark("empty"), T)) == ["mark empty"]
    phone.hear(media(bytes(240)), T)  # 30 ms
    assert phone.hear(mark("played"), T + 0.001) == []
    assert run(phone, inf) == [
        (0, ["inbound 0"]),
        (20, ["inbound 20"]),
        (30, ["mark played"]),
        (40, ["inbound 40"]),
        (60, ["stop"]),
    ]
    assert phone.received == [(T, bytes(240))]
    assert phone.earpiece.heard == bytes(240) + b"\xff" * 240


def test_a_clear_returns_the_marks_at_once() -> None:
    phone = handset(CallPlan())
    phone.begin(T)
    phone.hear(media(bytes(8000)), T)
    phone.hear(mark("far"), T)
    assert brief(phone.hear(CLEAR, T + 0.1)) == ["mark far"]
    assert phone.earpiece.clears[0].dropped_ms == pytest.approx(900)


def test_what_the_carrier_refuses_is_answered_at_once() -> None:
    phone = Handset(CallPlan(), SimulatedTelnyxStream(call_control_id="v3:1"))
    phone.begin(T)
    (answer,) = phone.hear("no JSON", T)
    assert json.loads(answer)["payload"]["title"] == "malformed_frame"
    assert phone.received == []


def test_what_is_said_and_what_is_heard_may_differ_in_format() -> None:
    carrier = SimulatedTelnyxStream(call_control_id="v3:1", says=Coding("L16"), hears=Coding("PCMA"))
    said = b"\1\2" * 400  # 25 ms
    phone = Handset(CallPlan(said, hang_up_at_ms=60), carrier)
    phone.begin(T)
    run(phone, inf)
    assert phone.said == said + bytes(3 * 640 - 800)
    assert phone.earpiece.heard == b"\xd5" * 480


def test_frames_are_swapped_and_none_is_kept_at_the_end() -> None:
    carrier = SimulatedTwilioStream(call_sid="CA1", account_sid="AC1")
    phone = Handset(CallPlan(SPEECH * 3, hang_up_at_ms=50), carrier, Disorder(reorder=1))
    phone.begin(T)
    assert run(phone, inf) == [
        (20, ["inbound 20", "inbound 0"]),
        (50, ["inbound 40", "stop"]),
    ]
    assert phone.said == SPEECH * 3
    assert phone.disorder_counts.swapped == 1


def test_the_caller_goes_on_talking_between_two_streams() -> None:
    carrier, anew = (SimulatedTelnyxStream(call_control_id="v3:1") for _ in range(2))
    plan = CallPlan(SPEECH * 9, digits=(Digit("7", 90),), drop_at_ms=30, hang_up_at_ms=110)
    phone = Handset(plan, carrier)
    phone.begin(T)
    phone.hear(media(bytes(8000)), T)
    phone.hear(mark("far"), T)
    assert run(phone, T + 0.035) == [(0, ["inbound 0"]), (20, ["inbound 20"])]
    assert phone.dropped
    phone.lost(T + 0.035)
    assert not phone.dropped
    assert run(phone, T + 0.065) == [(40, ["inbound 40"]), (60, ["inbound 60"])], "to nobody"
    assert brief(phone.reopen(anew)) == ["connected", "start"]
    assert run(phone, inf) == [(80, ["inbound 0"]), (100, ["digit 7", "inbound 20"]), (110, ["stop"])]
    assert phone.said == SPEECH * 6
    assert phone.earpiece.heard == bytes(280) + b"\xff" * 600, "what was queued went with the stream"


def test_a_dropped_connection_ends_the_call_if_nobody_connects_again() -> None:
    phone = handset(CallPlan(SPEECH * 9, drop_at_ms=30))
    phone.begin(T)
    run(phone, T + 0.035)
    phone.server_left(T + 0.035)
    assert phone.ending is Ending.DIED


def test_the_carrier_may_be_asked_to_end_the_call() -> None:
    phone = handset(CallPlan())
    phone.begin(T)
    assert brief(phone.hang_up(T + 0.1)) == ["stop"]
    assert phone.hang_up(T + 0.1) == []
    assert phone.ending is Ending.TOLD_TO
    assert len(phone.earpiece.heard) == 800


ENDINGS = [
    ("said and quiet", CallPlan(SPEECH * 5, linger_s=0.2), None, 300, Ending.QUIET, "stop"),
    (
        "the last digit counts",
        CallPlan(digits=(Digit("1", 500),), linger_s=0.2),
        None,
        700,
        Ending.QUIET,
        "stop",
    ),
    ("a reply is heard out", CallPlan(linger_s=0.2), bytes(8000), 1200, Ending.QUIET, "stop"),
    ("silence is no reply", CallPlan(linger_s=0.2), b"\xff" * 8000, 200, Ending.QUIET, "stop"),
    ("too long", CallPlan(SPEECH * 500, longest_s=0.5), None, 500, Ending.TOO_LONG, "stop"),
    ("hung up", CallPlan(SPEECH * 500, hang_up_at_ms=110), None, 110, Ending.HUNG_UP, "stop"),
    ("died", CallPlan(SPEECH * 500, die_at_ms=110), None, 110, Ending.DIED, "inbound 100"),
]


@pytest.mark.parametrize(
    ("plan", "reply", "at_ms", "ending", "last"),
    [row[1:] for row in ENDINGS],
    ids=[row[0] for row in ENDINGS],
)
def test_endings(plan: CallPlan, reply: bytes | None, at_ms: int, ending: Ending, last: str) -> None:
    phone = handset(plan)
    phone.begin(T)
    if reply:
        phone.hear(media(reply), T)
    rows = run(phone, inf)
    assert phone.ending is ending
    assert rows[-1][1][-1] == last
    assert len(phone.earpiece.heard) == pytest.approx(at_ms * 8, abs=1)
    assert phone.due(T + 100) == phone.hear(mark("late"), T + 100) == []


def test_the_server_may_close_first() -> None:
    phone = handset(CallPlan())
    phone.begin(T)
    phone.server_left(T + 0.1)
    assert phone.ending is Ending.SERVER_LEFT
    assert len(phone.earpiece.heard) == 800


def test_its_own_ending_stays_when_the_socket_closes() -> None:
    phone = handset(CallPlan(hang_up_at_ms=0))
    phone.begin(T)
    assert brief(phone.due(T)) == ["stop"]
    phone.server_left(T + 0.1)
    assert phone.ending is Ending.HUNG_UP


def test_a_server_that_reads_too_slowly_loses_audio_and_sees_the_gap() -> None:
    carrier = SimulatedTwilioStream(call_sid="CA1", account_sid="AC1")
    phone = Handset(CallPlan(SPEECH * 5, digits=(Digit("1", 20),)), carrier)
    phone.begin(T)
    assert brief(phone.due(T)) == ["inbound 0"]
    assert brief(phone.due(T + 0.04, congested=True)) == ["digit 1"]
    assert brief(phone.due(T + 0.06)) == ["inbound 60"]
    assert [warned.code for warned in carrier.warnings] == [31930]


def test_a_stream_that_only_listens_hears_both_and_gets_no_digits() -> None:
    plan = CallPlan(SPEECH, digits=(Digit("1", 0),), other_party=SPEECH * 9, hang_up_at_ms=30)
    phone = handset(plan, tracks=("inbound", "outbound"), one_way=True)
    phone.begin(T)
    assert run(phone, inf) == [
        (0, ["inbound 0", "outbound 0"]),
        (20, ["inbound 20", "outbound 20"]),
        (30, ["stop"]),
    ]
