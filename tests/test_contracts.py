"""What every carrier and every assistant keeps, whichever it is: one test over both registries."""

import json
import wave
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.assistants import ASSISTANTS
from bridge.carriers import CARRIERS
from bridge.commands import (
    AnswerTool,
    AppendAudio,
    AssistantCommand,
    CarrierCommand,
    ClearPlayback,
    CloseAssistant,
    ConfirmHeard,
    DropReply,
    EnterDigits,
    OpenAssistant,
    PlayAudio,
    SendMark,
    TruncateReply,
    TypeDigit,
)
from bridge.contracts import Answer, Carrier, Message, Utterance, WireMessage
from bridge.errors import MalformedMessage
from bridge.events import (
    AssistantEvent,
    AssistantReady,
    CallEnded,
    CallerAudio,
    CallStarted,
    CarrierEvent,
    DigitPressed,
    Ignored,
    MarkReached,
    OtherPartyAudio,
    ReplyAudio,
    ReplyEnded,
)
from bridge.fake_openai import conversation as fake_openai
from bridge.fake_openai.script import parse_script
from bridge.media import Conversion
from bridge.phone.carrier import Clear, Mark, Order, Play, PretendCarrier
from bridge.phone.twilio import PretendTwilio
from telecodecs.codec import encoder
from telecodecs.format import L16_16K, PCMA_8K, PCMU_8K, AudioFormat, Encoding
from telecodecs.resample import resample

KEYS = "0123456789*#ABCD"
BOTH = ("inbound", "outbound")
PARAMETERS = {"token": 'one-"time"', "plan": "gold"}


class Peer(NamedTuple):
    """What a carrier's dialect is held against: the carrier as the pretend phone plays it."""

    phone: Callable[[tuple[str, ...]], PretendCarrier]
    """Makes a stream of these tracks."""
    novelty: Callable[[str], WireMessage]
    """A message of a kind that nobody knows."""
    misshapen: tuple[WireMessage, ...]
    """Messages of kinds that we read, each without what makes it one."""


PEERS = {
    "twilio": Peer(
        phone=lambda tracks: PretendTwilio(
            call_sid="CA1", account_sid="AC1", tracks=tracks, parameters=PARAMETERS
        ),
        novelty=lambda kind: json.dumps({"event": kind, "streamSid": "MZ1", kind: {}}),
        misshapen=tuple(json.dumps({"event": kind}) for kind in ("start", "media", "dtmf", "mark", "stop")),
    ),
}

each_carrier = pytest.mark.parametrize("name", CARRIERS)
each_assistant = pytest.mark.parametrize("name", ASSISTANTS)
each_line = pytest.mark.parametrize("line", [PCMU_8K, PCMA_8K, L16_16K], ids=str)


def joined(name: str, tracks: tuple[str, ...] = ("inbound",)) -> tuple[Carrier, PretendCarrier]:
    """Both ends of a stream that has started."""
    carrier, phone = stream(name), PEERS[name].phone(tracks)
    for message in phone.opening():
        read(carrier, message)
    return carrier, phone


def stream(name: str) -> Carrier:
    kind = CARRIERS[name]
    return kind.stream(kind.settings(), False)


def read(carrier: Carrier, message: WireMessage) -> CarrierEvent:
    """The one event of a message; at once, or when it falls due."""
    events = [*carrier.decode(message, 0.0)]
    while (due := carrier.deadline()) is not None:
        events += [event for event in carrier.due(due) if not isinstance(event, Answer)]
    (event,) = events
    return event


def test_every_carrier_has_a_peer() -> None:
    assert PEERS.keys() == CARRIERS.keys()


# From the carrier


@each_carrier
@pytest.mark.parametrize("tracks", [("inbound",), BOTH], ids="+".join)
def test_what_the_phone_sends_is_what_the_bridge_reads(name: str, tracks: tuple[str, ...]) -> None:
    carrier, phone = stream(name), PEERS[name].phone(tracks)
    *before, start = [read(carrier, message) for message in phone.opening()]
    assert start == CallStarted(
        "CA1", phone.stream_sid, phone.line, tracks, PARAMETERS, one_way="outbound" in tracks
    )
    assert all(isinstance(event, Ignored) for event in before)
    audio, other = bytes(range(160)), bytes(range(159, -1, -1))
    transcript: list[tuple[WireMessage, CarrierEvent]] = [
        (phone.media("inbound", audio, 0), CallerAudio(audio, 0)),
        *((phone.digit(key), DigitPressed(key)) for key in KEYS),
        (phone.mark("0.1"), MarkReached("0.1")),
        (phone.media("inbound", other, 3_600_020), CallerAudio(other, 3_600_020)),
        (phone.closing(), CallEnded()),
    ]
    if "outbound" in tracks:
        transcript.insert(1, (phone.media("outbound", other, 0), OtherPartyAudio(other, 0)))
    for message, event in transcript:
        assert read(carrier, message) == event


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
def rubbish(draw: Callable[[st.SearchStrategy[Any]], Any], phone: PretendCarrier) -> WireMessage:
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
            assert isinstance(read(carrier, message), CarrierEvent)
    assert read(carrier, phone.media("inbound", b"\x7f", 40)) == CallerAudio(b"\x7f", 40)


@each_carrier
def test_nothing_but_the_start_comes_first(name: str) -> None:
    phone = PEERS[name].phone(("inbound",))
    early = [phone.media("inbound", b"\x7f", 0), phone.digit("5"), phone.mark("0.1"), phone.closing()]
    for message in early:
        with pytest.raises(MalformedMessage):
            read(stream(name), message)


# To the carrier

ORDERS: dict[object, st.SearchStrategy[tuple[CarrierCommand, Order]]] = {
    PlayAudio: st.binary(min_size=1, max_size=2000).map(lambda audio: (PlayAudio(audio), Play(audio))),
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
    messages = [message for command, _ in orders for message in carrier.encode(command, 0.0)]
    assert [phone.decode(message) for message in messages] == [order for _, order in orders]
    assert phone.warnings == []


# Assistants


def spoken(line: AudioFormat) -> list[bytes]:
    """A second of speech, one of silence, and small pieces of both, on this line."""
    with wave.open(str(Path(__file__).parents[1] / "fixtures" / "sentence-en-us-male.wav")) as file:
        sound = np.frombuffer(file.readframes(16_000), np.int16)
    speech = encoder(line)(resample(sound, 8000, line.rate_hz)[line.rate_hz // 2 :][: line.rate_hz])
    second = line.bytes_in(1000)
    return [speech, line.silence * line.rate_hz, speech[: line.bytes_in(20)], line.silence, speech[-second:]]


def commands(line: AudioFormat) -> dict[object, st.SearchStrategy[AssistantCommand]]:
    items = st.sampled_from(["echo", "chime-1", "reply-2"]) | st.text()
    return {
        OpenAssistant: st.just(OpenAssistant("CA1", line)),
        AppendAudio: st.sampled_from([AppendAudio(audio) for audio in spoken(line)]),
        TypeDigit: st.sampled_from(KEYS).map(TypeDigit),
        EnterDigits: st.text(KEYS, min_size=1, max_size=32).map(EnterDigits),
        TruncateReply: st.builds(TruncateReply, items, st.integers(0, 60_000)),
        DropReply: items.map(DropReply),
        ConfirmHeard: items.map(ConfirmHeard),
        AnswerTool: st.builds(AnswerTool, items, st.text()),
        CloseAssistant: st.just(CloseAssistant()),
    }


def keeps_its_items_apart(events: Sequence[Message]) -> None:
    """Audio of one item at a time; an item that has ended has ended."""
    speaking, ended = None, set()
    for event in events:
        match event:
            case ReplyAudio(item=item):
                assert item not in ended
                assert speaking in (None, item)
                speaking = item
            case ReplyEnded(item):
                assert item == speaking
                ended.add(item)
                speaking = None


def test_every_command_to_an_assistant_is_tried() -> None:
    assert commands(PCMU_8K).keys() == set(get_args(AssistantCommand))


class OnTheirOwn:
    """The other end of an assistant in this process: it has none, its messages are its events."""

    def hear(self, message: Message) -> list[Message]:
        return [message]

    def wait(self) -> list[Message]:
        return []


class FakeServer:
    """The other end of a remote assistant: the server as it is played for tests, in its own time."""

    def __init__(self) -> None:
        self._server = fake_openai.Conversation(parse_script("first_audio_s = 0"), unix_time=0.0)
        self._waiting = self._server.begin(0.0)

    def hear(self, message: Message) -> list[Message]:
        assert isinstance(message, str)
        return self._messages(self._server.hear(message, 0.0))

    def wait(self) -> list[Message]:
        return self._messages(self._server.due(30.0))

    def _messages(self, acts: Sequence[object]) -> list[Message]:
        acts, self._waiting = [*self._waiting, *acts], []
        return [act for act in acts if isinstance(act, str)]


OTHER_ENDS: dict[str, Callable[[], OnTheirOwn | FakeServer]] = {
    "echo": OnTheirOwn,
    "parrot": OnTheirOwn,
    "openai-realtime": FakeServer,
}


class Talk:
    """An assistant and its other end; `said` is what the heart would hear."""

    def __init__(self, name: str) -> None:
        kind = ASSISTANTS[name]
        self._assistant = kind.dialect(kind.settings(kind=name), ())
        self._peer = OTHER_ENDS[name]()
        self.said: list[AssistantEvent] = []

    def tell(self, command: AssistantCommand) -> None:
        for message in self._assistant.encode(command, 0.0):
            self._hear(self._peer.hear(message))
        self._due()

    def wait(self) -> None:
        """Until the other end has said what it had to say."""
        self._hear(self._peer.wait())

    def _hear(self, messages: Sequence[Message]) -> None:
        for message in messages:
            self._take(self._assistant.decode(message, 0.0))
            self._due()

    def _due(self) -> None:
        while (due := self._assistant.deadline()) is not None and due <= 0.0:
            self._take(self._assistant.due(0.0))

    def _take(self, utterances: Sequence[Utterance]) -> None:
        for utterance in utterances:
            if isinstance(utterance, Answer):
                self._hear(self._peer.hear(utterance.message))
            else:
                self.said.append(utterance)


def test_every_assistant_has_another_end() -> None:
    assert OTHER_ENDS.keys() == ASSISTANTS.keys()


@each_line
@each_assistant
def test_an_assistant_is_ready_before_it_says_anything(name: str, line: AudioFormat) -> None:
    talk = Talk(name)
    talk.tell(OpenAssistant("CA1", line, PARAMETERS))
    talk.wait()
    first, *more = talk.said
    assert isinstance(first, AssistantReady)
    Conversion(line, first.hears)  # or it raises
    Conversion(first.speaks, line)
    if line.encoding in {Encoding.PCMU, Encoding.PCMA}:
        assert first.hears == first.speaks == line, "G.711 goes through untouched"
    assert not any(isinstance(event, AssistantReady) for event in more)


@each_line
@each_assistant
@given(data=st.data())
def test_an_assistant_takes_what_comes(name: str, line: AudioFormat, data: st.DataObject) -> None:
    talk = Talk(name)
    talk.tell(OpenAssistant("CA1", line))
    for command in data.draw(st.lists(st.one_of(*commands(line).values()), max_size=12)):
        talk.tell(command)
    talk.wait()
    ready = next(event for event in talk.said if isinstance(event, AssistantReady))
    for event in talk.said:
        assert isinstance(event, AssistantEvent)
        if isinstance(event, ReplyAudio):
            assert len(event.audio) % ready.speaks.sample_bytes == 0
    keeps_its_items_apart(talk.said)
