"""How a Telnyx stream begins: what is heard and played in it, and which starts end the call or are refused."""

import json
import sys
from typing import Any

import pytest

from bridge.carriers.telnyx.settings import TelnyxSettings
from bridge.carriers.telnyx.stream import TelnyxStream
from bridge.vocabulary.contracts import WireMessage
from bridge.vocabulary.errors import MalformedMessage
from bridge.vocabulary.events import CallerAudio, CallStarted, CarrierEvent, CloseRequested
from telecodecs.format import L16_8K, L16_16K, L16_24K, PCMA_8K, PCMU_8K, AudioFormat, Encoding

L16_BE_16K = AudioFormat(Encoding.L16_BE, 16_000)

START = """{"event":"start","sequence_number":"1","stream_id":"S1","start":{"user_id":"U1",
 "call_control_id":"v2:C1","call_session_id":"CS1","from":"+15550100","to":"+15550101","tags":null,
 "client_state":null,"custom_parameters":{"plan":"gold"},
 "media_format":{"encoding":"PCMU","sample_rate":8000,"channels":1}}}"""


def start(encoding: str = "PCMU", rate_hz: object = 8000, channels: object = 1, **fields: object) -> str:
    media_format = {"encoding": encoding, "sample_rate": rate_hz, "channels": channels}
    body = {"call_control_id": "v2:C1", "media_format": media_format, **fields}
    return json.dumps({"event": "start", "stream_id": "S1", "start": body})


def dialect(one_way: bool = False, **settings: Any) -> TelnyxStream:
    return TelnyxStream(TelnyxSettings(**settings), one_way=one_way)


def read(stream: TelnyxStream, message: WireMessage) -> CarrierEvent:
    (event,) = stream.decode(message, 0.0)
    return event


def begun(line: AudioFormat, plays: AudioFormat | None = PCMU_8K, **parameters: str) -> CallStarted:
    return CallStarted("v2:C1", "S1", line, parameters=parameters, plays=None if plays == line else plays)


FORMATS = [
    (start(), begun(PCMU_8K)),
    (start("PCMA"), begun(PCMA_8K)),
    (start("pcma", "8000", "1"), begun(PCMA_8K)),
    (start("L16", 8000), begun(L16_8K)),
    (start("L16", 16000), begun(L16_16K)),
    (start("L16", 24000), begun(L16_24K)),
    (start("L16", 48000), begun(AudioFormat(Encoding.L16, 48_000))),
    (start("G722"), begun(L16_16K)),
    (start("G722", 16000), begun(L16_16K)),
    (start("OPUS", 8000), begun(L16_16K)),
    (start("OPUS", 16000), begun(L16_16K)),
    (start("OPUS", 48000, 2), begun(L16_16K)),
    (start("AMR-WB", 16000), begun(L16_16K)),
]
PARAMETERS = [
    (START, begun(PCMU_8K, plan="gold")),
    (start(custom_parameters=None), begun(PCMU_8K)),
    (start(client_state="aGF2ZSBhIG5pY2UgZGF5"), begun(PCMU_8K, client_state="have a nice day")),
    (start(client_state="no base64"), begun(PCMU_8K, client_state="no base64")),
    (start(client_state="//8="), begun(PCMU_8K, client_state="//8=")),
    (start(tags=["A", "B"]), begun(PCMU_8K, tags="A,B")),
    (start(tags=[]), begun(PCMU_8K)),
    (
        start(tags=["A"], client_state="eA==", custom_parameters={"tags": "mine", "client_state": "ours"}),
        begun(PCMU_8K, tags="mine", client_state="ours"),
    ),
]
CANNOT_BE_READ = [
    start("SPEEX"),
    start("PCMU", 16000),
    start("PCMA", channels=2),
    start("L16", 22050),
    start("OPUS", 44100),
    start("G722", 48000),
    start("OPUS", channels=3),
]
PLAYS: list[tuple[dict[str, Any], AudioFormat | None]] = [
    ({"codec": "PCMU"}, None),
    ({"codec": "PCMA"}, PCMA_8K),
    ({"codec": "L16"}, L16_16K),
    ({"codec": "L16", "sampling_rate": 8000}, L16_8K),
    ({"codec": "L16", "sampling_rate": 24000}, L16_24K),
    ({"codec": "L16", "l16_byteorder": "big"}, L16_BE_16K),
    ({"codec": "L16", "l16_byteorder": "auto"}, L16_16K),
    ({"codec": "G722"}, L16_16K),
    ({"codec": "OPUS"}, L16_16K),
    ({"mode": "mp3"}, L16_16K),
]
UNREADABLE_STARTS = [
    (START.replace('"stream_id":"S1"', '"stream_id":""'), "empty"),
    (START.replace('"stream_id":"S1"', '"stream_id":7'), "stream_id"),
    (START.replace('"v2:C1"', '""'), "empty"),
    (START.replace('"v2:C1"', "null"), "call_control_id"),
    (START.replace('"media_format"', '"format"'), "media_format"),
    (START.replace("8000", '"fast"'), "sample_rate"),
    ('{"event":"start","stream_id":"S1"}', "`start`"),
]
LENIENT_STARTS: list[tuple[str, dict[str, str], int]] = [
    # message, the parameters that are read, how many fields are counted
    (START, {"plan": "gold"}, 0),
    (start(custom_parameters=[{"name": "plan", "value": "gold"}]), {"plan": "gold"}, 1),
    (start(custom_parameters=[{"name": "age", "value": 7}, {"value": 1}, "x"]), {"age": "7"}, 2),
    (start(custom_parameters=[]), {}, 1),
    (start(custom_parameters={"age": 7, "vip": True, "none": None}), {"age": "7", "vip": "true"}, 3),
    (start(custom_parameters={"who": {"age": 7}}), {"who": '{"age":7}'}, 1),
    (start(custom_parameters=7), {}, 1),
    (start(custom_parameters="plan=gold"), {}, 1),
    (start(tags="A"), {"tags": "A"}, 1),
    (start(tags=["A", 7, None]), {"tags": "A,7"}, 2),
    (start(tags={"A": 1}), {}, 1),
    (start(tags=7), {}, 1),
    (start(client_state=7), {}, 1),
    (start(channels=None), {}, 1),
    (start(channels="mono"), {}, 1),
    (start(channels=[1]), {}, 1),
    (start(channels="1"), {}, 0),
]


@pytest.mark.parametrize(("message", "event"), [*FORMATS, *PARAMETERS])
def test_reads_a_start(message: str, event: CarrierEvent) -> None:
    assert read(dialect(), message) == event


@pytest.mark.parametrize(("settings", "plays"), PLAYS)
def test_what_is_played_is_what_the_settings_say(settings: dict[str, Any], plays: AudioFormat | None) -> None:
    event = read(dialect(**settings), start())
    assert isinstance(event, CallStarted)
    assert (event.line, event.plays) == (PCMU_8K, plays)


def test_big_endian_samples_are_named_so_and_left_alone() -> None:
    stream = dialect(l16_byteorder="big")
    assert read(stream, start("L16", 16000)) == begun(L16_BE_16K)
    message = '{"event":"media","stream_id":"S1","media":{"chunk":"1","payload":"AQI="}}'
    assert read(stream, message) == CallerAudio(b"\x01\x02", 0)


@pytest.mark.parametrize("message", CANNOT_BE_READ)
def test_a_format_that_cannot_be_decoded_ends_the_call(message: str) -> None:
    event = read(dialect(), message)
    assert isinstance(event, CloseRequested)
    sent = json.loads(message)["start"]["media_format"]
    name = f"'{sent['encoding']}', {sent['sample_rate']} Hz, {sent['channels']} channels"
    assert event.why.startswith(f"start: media_format {name} cannot be decoded: expected PCMU, PCMA, L16, ")
    assert event.code == 1003


@pytest.mark.parametrize(
    ("library", "encoding", "settings", "why"),
    [
        ("G722", "G722", {}, "start: G722 needs the extra g722"),
        ("av", "OPUS", {}, "start: OPUS needs the extra opus"),
        ("av", "AMR-WB", {}, "start: AMR-WB needs the extra amr-wb"),
        ("G722", "PCMU", {"codec": "G722"}, "start: G722 needs the extra g722"),
        ("av", "PCMU", {"codec": "OPUS"}, "start: OPUS needs the extra opus"),
        ("av", "PCMU", {"mode": "mp3"}, "start: MP3 needs the extra mp3"),
    ],
)
def test_a_codec_that_is_not_installed_ends_the_call(
    library: str, encoding: str, settings: dict[str, Any], why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    event = read(dialect(**settings), start(encoding))
    assert isinstance(event, CloseRequested)
    assert event.why.startswith(why)


def test_no_noise_is_heard_from_a_format_that_cannot_be_decoded() -> None:
    stream = dialect()
    read(stream, start("SPEEX"))
    with pytest.raises(MalformedMessage, match="before start"):
        read(stream, '{"event":"media","stream_id":"S1","media":{"chunk":"1","payload":"//8="}}')


@pytest.mark.parametrize(
    ("track", "tracks"),
    [
        ("inbound_track", ("inbound",)),
        ("outbound_track", ("outbound",)),
        ("both_tracks", ("inbound", "outbound")),
    ],
)
def test_a_stream_is_one_way_only_if_the_path_said_so(track: str, tracks: tuple[str, ...]) -> None:
    event = read(dialect(one_way=True, track=track), start())
    assert event == CallStarted("v2:C1", "S1", PCMU_8K, tracks, {}, one_way=True)
    assert read(dialect(track=track), start()) == begun(PCMU_8K)


@pytest.mark.parametrize(("message", "why"), UNREADABLE_STARTS)
def test_a_start_that_cannot_be_read_closes_the_stream(message: str, why: str) -> None:
    event = read(dialect(), message)
    assert isinstance(event, CloseRequested)
    assert event.code == 1007
    assert event.why.startswith("start: cannot be read: ")
    assert why in event.why


def test_once_the_stream_has_started_an_unreadable_start_is_dropped() -> None:
    stream = dialect()
    read(stream, START)
    with pytest.raises(MalformedMessage, match="`start`"):
        read(stream, '{"event":"start","stream_id":"S1"}')


@pytest.mark.parametrize(("message", "parameters", "counted"), LENIENT_STARTS)
def test_what_a_call_can_do_without_is_read_in_any_shape(
    message: str, parameters: dict[str, str], counted: int
) -> None:
    stream = dialect()
    assert read(stream, message) == begun(PCMU_8K, None, **parameters)
    assert stream.counts().get("lenient_fields", 0) == counted
