"""What every carrier keeps, whichever it is: one test over the registry, and over the toy carrier."""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Any, NamedTuple, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.carriers.registry import CARRIERS
from bridge.simulators.carriers.contract import Clear, Mark, Order, Play, SimulatedStream
from bridge.simulators.carriers.telnyx.media import SimulatedTelnyxStream
from bridge.simulators.carriers.twilio.media import SimulatedTwilioStream
from bridge.vocabulary.commands import (
    CarrierCommand,
    ClearPlayback,
    PlayAudio,
    SendMark,
)
from bridge.vocabulary.contracts import Carrier, CarrierOutcome, WireMessage
from bridge.vocabulary.errors import MalformedMessage
from bridge.vocabulary.events import (
    CallEnded,
    CallerAudio,
    CallStarted,
    CarrierEvent,
    DigitPressed,
    Ignored,
    MarkReached,
    OtherPartyAudio,
    Word,
)
from tests.carriers.toy.kind import TOY
from tests.carriers.toy.simulator import SimulatedToyStream

KEYS = "0123456789*#ABCD"
BOTH = ("inbound", "outbound")
PARAMETERS = {"token": 'one-"time"', "plan": "gold"}


class Peer(NamedTuple):
    """What a carrier's dialect is held against: the carrier as the pretend phone plays it."""

    phone: Callable[[tuple[str, ...]], SimulatedStream]
    """Makes a stream of these tracks."""
    novelty: Callable[[str], WireMessage]
    """A message of a kind that nobody knows."""
    misshapen: tuple[WireMessage, ...]
    """Messages of kinds that we read, each without what makes it one."""
    settings: Mapping[str, Any] = MappingProxyType({})
    """What has to be set for a stream of both tracks."""


PEERS = {
    "telnyx": Peer(
        phone=lambda tracks: SimulatedTelnyxStream(
            call_control_id="CA1", tracks=tracks, parameters=PARAMETERS, one_way="outbound" in tracks
        ),
        novelty=lambda kind: json.dumps({"event": kind, "stream_id": "S1", kind: {}}),
        misshapen=tuple(
            json.dumps({"event": kind}) for kind in ("start", "media", "dtmf", "mark", "stop", "error")
        ),
        settings={"track": "both_tracks"},
    ),
    "twilio": Peer(
        phone=lambda tracks: SimulatedTwilioStream(
            call_sid="CA1", account_sid="AC1", tracks=tracks, parameters=PARAMETERS
        ),
        novelty=lambda kind: json.dumps({"event": kind, "streamSid": "MZ1", kind: {}}),
        misshapen=tuple(json.dumps({"event": kind}) for kind in ("start", "media", "dtmf", "mark", "stop")),
    ),
    "toy": Peer(
        phone=lambda tracks: SimulatedToyStream("CA1", tracks=tracks, parameters=PARAMETERS),
        novelty=lambda kind: json.dumps({"event": kind, kind: {}}),
        misshapen=tuple(json.dumps({"event": kind}) for kind in ("start", "audio", "key", "played")),
    ),
}

KINDS = CARRIERS | {"toy": TOY}

each_carrier = pytest.mark.parametrize("name", KINDS)


def joined(name: str, tracks: tuple[str, ...] = ("inbound",)) -> tuple[Carrier, SimulatedStream]:
    """Both ends of a stream that has started."""
    carrier, phone = stream(name), PEERS[name].phone(tracks)
    for message in phone.opening():
        read(carrier, message)
    return carrier, phone


def stream(name: str, *, one_way: bool = False) -> Carrier:
    kind = KINDS[name]
    return kind.stream(kind.settings.model_validate(PEERS[name].settings), one_way)


def read(carrier: Carrier, message: WireMessage) -> CarrierEvent:
    """The one event of a message."""
    (event,) = read_all(carrier, message)
    return event


def read_all(carrier: Carrier, message: WireMessage) -> list[CarrierEvent]:
    """At once, or when they fall due."""
    outcomes: list[CarrierOutcome] = [*carrier.decode(message, 0.0)]
    while (due := carrier.deadline()) is not None:
        outcomes += carrier.due(due)
    return [outcome for outcome in outcomes if isinstance(outcome, Word)]


def timeless(event: CarrierEvent) -> CarrierEvent:
    """Not every carrier says when a key was pressed."""
    return DigitPressed(event.digit) if isinstance(event, DigitPressed) else event


def test_every_carrier_has_a_peer() -> None:
    assert PEERS.keys() == KINDS.keys()


@each_carrier
def test_the_record_fits_its_name_and_its_settings(name: str) -> None:
    kind = KINDS[name]
    settings = kind.settings()  # all of the table can be left out
    assert kind.name == name
    assert not kind.can_authenticate(settings)
    assert kind.authenticated_by_variable in kind.environment
    assert {webhook.path.split("/")[1] for webhook in kind.voice_webhooks(settings)} == {name}
    for check in kind.checks:
        check(settings)


# From the carrier


@each_carrier
@pytest.mark.parametrize("tracks", [("inbound",), BOTH], ids="+".join)
def test_what_the_phone_sends_is_what_the_bridge_reads(name: str, tracks: tuple[str, ...]) -> None:
    carrier, phone = stream(name, one_way="outbound" in tracks), PEERS[name].phone(tracks)
    *before, start = [read(carrier, message) for message in phone.opening()]
    assert start == CallStarted(
        "CA1", phone.stream_sid, phone.line, tracks, PARAMETERS, one_way="outbound" in tracks
    )
    assert all(isinstance(event, Ignored) for event in before)
    audio, other = bytes(range(160)), bytes(range(159, -1, -1))
    transcript: list[tuple[WireMessage, CarrierEvent]] = [
        (phone.media("inbound", audio, 0), CallerAudio(audio, 0)),
        *((phone.digit(key, at_ms), DigitPressed(key)) for at_ms, key in enumerate(KEYS)),
        (phone.mark("0.1"), MarkReached("0.1")),
        (phone.media("inbound", other, 20), CallerAudio(other, 20)),
        (phone.closing(), CallEnded()),
    ]
    if "outbound" in tracks:
        transcript.insert(1, (phone.media("outbound", other, 0), OtherPartyAudio(other, 0)))
    for message, event in transcript:
        assert timeless(read(carrier, message)) == event


@each_carrier
@given(kind=st.text())
def test_a_novelty_is_no_outage(name: str, kind: str) -> None:
    kind = f"new {kind}"
    assert read(stream(name), PEERS[name].novelty(kind)) == Ignored(kind)
    carrier, _ = joined(name)
    assert read(carrier, PEERS[name].novelty(kind)) == Ignored(kind)


@each_carrier
def test_what_we_read_is_never_a_novelty(name: str) -> None:
    for message in PEERS[name].misshapen:
        with pytest.raises(MalformedMessage):
            read(joined(name)[0], message)


SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
NESTED = "[" * 100_000


def spoilt(message: object, draw: Callable[[st.SearchStrategy[Any]], Any]) -> object:
    """The same message with one field gone or replaced."""
    if not isinstance(message, dict) or not message or draw(st.integers(0, 3)) == 0:
        return draw(VALUES)
    key = draw(st.sampled_from(sorted(message)))
    rest = {name: value for name, value in message.items() if name != key}
    return rest if draw(st.booleans()) else rest | {key: spoilt(message[key], draw)}


@st.composite
def rubbish(draw: Callable[[st.SearchStrategy[Any]], Any], phone: SimulatedStream) -> WireMessage:
    """Bytes, text, JSON, or what the phone really sends with something wrong in it."""
    real = draw(
        st.sampled_from(
            [
                *phone.opening(),
                phone.media("inbound", b"\x7f" * 160, 20),
                phone.digit("5"),
                phone.mark("0.1"),
                phone.closing(),
            ]
        )
    )
    message: WireMessage = draw(
        st.one_of(
            st.binary(),
            st.text(),
            VALUES.map(json.dumps),
            st.integers(0, len(real) - 1).map(lambda end: real[:end]),
            st.just(json.dumps(spoilt(json.loads(real), draw))),
            st.sampled_from([NESTED, '{"event":' + NESTED]),
        )
    )
    return message


@each_carrier
@given(data=st.data())
def test_rubbish_is_refused_and_costs_itself_only(name: str, data: st.DataObject) -> None:
    carrier, phone = joined(name)
    for _ in range(3):
        message = data.draw(rubbish(phone))
        with suppress(MalformedMessage):
            events = read_all(carrier, message)
            assert all(isinstance(event, CarrierEvent) for event in events)
            if CallEnded() in events:  # whatever else was wrong with it
                return
    heard = read(carrier, phone.media("inbound", b"\x7f", 40))
    assert isinstance(heard, CallerAudio)
    assert heard.audio == b"\x7f"


@each_carrier
def test_nothing_but_the_start_comes_first(name: str) -> None:
    phone = PEERS[name].phone(("inbound",))
    early = [phone.media("inbound", b"\x7f", 0), phone.digit("5"), phone.mark("0.1"), phone.closing()]
    for message in early:
        with pytest.raises(MalformedMessage):
            read(stream(name), message)


@each_carrier
def test_nothing_comes_after_the_stop(name: str) -> None:
    carrier, phone = joined(name)
    late = [phone.media("inbound", b"\x7f", 0), phone.digit("5"), phone.mark("0.1"), phone.closing()]
    assert read_all(carrier, phone.closing()) == [CallEnded()]
    for message in late:
        with pytest.raises(MalformedMessage):
            read_all(carrier, message)
    assert carrier.deadline() is None


# To the carrier

ORDERS: dict[object, st.SearchStrategy[tuple[CarrierCommand, Order]]] = {
    PlayAudio: st.integers(1, 10)
    .flatmap(lambda frames: st.binary(min_size=160 * frames, max_size=160 * frames))
    .map(lambda audio: (PlayAudio(audio), Play(audio))),
    SendMark: st.text(min_size=1).map(lambda name: (SendMark(name), Mark(name))),
    ClearPlayback: st.integers(0, 80_000).map(lambda samples: (ClearPlayback(samples), Clear())),
}


def test_every_command_to_a_carrier_is_tried() -> None:
    assert ORDERS.keys() == set(get_args(CarrierCommand))


@each_carrier
@given(orders=st.lists(st.one_of(*ORDERS.values())))
def test_what_the_bridge_sends_is_what_the_phone_reads(
    name: str, orders: list[tuple[CarrierCommand, Order]]
) -> None:
    carrier, phone = joined(name)
    outcomes = [outcome for command, _ in orders for outcome in carrier.encode(command, 0.0)]
    messages = [outcome for outcome in outcomes if not isinstance(outcome, Word)]
    assert len(messages) == len(outcomes), "an event came of a command"
    assert [phone.decode(message) for message in messages] == [order for _, order in orders]
    assert phone.warnings == []
