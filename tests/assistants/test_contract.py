"""What every assistant keeps, whichever it is: one test over the registry, and over the toy assistant."""

import wave
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import get_args

import hypothesis
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.assistants.registry import ASSISTANTS
from bridge.core.media import Conversion
from bridge.settings.assistants import UPGRADED, SocketAddress
from bridge.simulators.assistant import turn_based as simulated_turn_based
from bridge.simulators.assistant.script import AssistantScript
from bridge.simulators.openai import conversation as simulated_openai
from bridge.simulators.openai.script import parse_script
from bridge.vocabulary.commands import (
    AnswerTool,
    AppendAudio,
    AssistantCommand,
    CloseAssistant,
    ConfirmHeard,
    DropReply,
    EnterDigits,
    OpenAssistant,
    ReportTransfer,
    SayText,
    TellAssistant,
    TruncateReply,
    TypeDigit,
)
from bridge.vocabulary.contracts import AssistantOutcome, LegMessage, Post, WireMessage
from bridge.vocabulary.events import (
    AssistantEvent,
    AssistantReady,
    Opening,
    ReplyAudio,
    ReplyEnded,
    Said,
    Speaker,
    ToolUsed,
    Word,
)
from bridge.vocabulary.people import Briefing, Outcome
from telecodecs.codec import encoder
from telecodecs.format import L16_16K, PCMA_8K, PCMU_8K, AudioFormat, Encoding
from telecodecs.resample import resample
from tests.assistants.toy.kind import TOY_ASSISTANT

KEYS = "0123456789*#ABCD"
PARAMETERS = {"token": 'one-"time"', "plan": "gold"}

KINDS = ASSISTANTS | {"toy": TOY_ASSISTANT}

each_assistant = pytest.mark.parametrize("name", KINDS)
each_line = pytest.mark.parametrize("line", [PCMU_8K, PCMA_8K, L16_16K], ids=str)


def spoken(line: AudioFormat) -> list[bytes]:
    """A second of speech, one of silence, and small pieces of both, on this line."""
    with wave.open(str(Path(__file__).parents[2] / "fixtures" / "sentence-en-us-male.wav")) as file:
        sound = np.frombuffer(file.readframes(16_000), np.int16)
    speech = encoder(line)(resample(sound, 8000, line.rate_hz)[line.rate_hz // 2 :][: line.rate_hz])
    second = line.bytes_in(1000)
    return [speech, line.silence * line.rate_hz, speech[: line.bytes_in(20)], line.silence, speech[-second:]]


TOOL_CALLS = st.sampled_from(["c1", "c2", ""]) | st.text()


def openings(line: AudioFormat) -> st.SearchStrategy[AssistantCommand]:
    """In mid-call, with whatever was said and done before."""
    said = st.builds(Said, st.sampled_from(Speaker), st.text())
    used = st.builds(ToolUsed, TOOL_CALLS, st.text(), st.text(), st.none() | st.text())
    histories = st.lists(said | used, max_size=4).map(tuple)
    return st.builds(
        OpenAssistant,
        st.just("CA1"),
        st.just(line),
        opening=st.sampled_from(Opening),
        history=histories,
        briefing=st.none() | st.builds(Briefing, st.text(), st.text(), st.text(), st.text()),
    )


def commands(line: AudioFormat) -> dict[object, st.SearchStrategy[AssistantCommand]]:
    items = st.sampled_from(["echo", "chime-1", "reply-2"]) | st.text()
    return {
        OpenAssistant: openings(line),
        AppendAudio: st.sampled_from([AppendAudio(audio) for audio in spoken(line)]),
        TypeDigit: st.sampled_from(KEYS).map(TypeDigit),
        EnterDigits: st.text(KEYS, min_size=1, max_size=32).map(EnterDigits),
        TruncateReply: st.builds(TruncateReply, items, st.integers(0, 60_000)),
        DropReply: items.map(DropReply),
        ConfirmHeard: items.map(ConfirmHeard),
        AnswerTool: st.builds(AnswerTool, TOOL_CALLS, st.text(), st.booleans()),
        ReportTransfer: st.builds(ReportTransfer, TOOL_CALLS, st.text(), st.sampled_from(Outcome), st.text()),
        SayText: st.text().map(SayText),
        TellAssistant: st.builds(TellAssistant, st.text(), st.booleans()),
        CloseAssistant: st.just(CloseAssistant()),
    }


def keeps_its_items_apart(events: Sequence[AssistantEvent]) -> None:
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
    """The other end of an assistant in this process: it has none."""

    def hear(self, message: WireMessage) -> list[WireMessage]:
        raise AssertionError(f"it sent {message!r}")

    def wait(self) -> list[WireMessage]:
        return []


class FakeServer:
    """The other end of a remote assistant: the server as it is played for tests, in its own time."""

    def __init__(self) -> None:
        self._server = simulated_openai.RealtimeConversation(parse_script("first_audio_s = 0"), unix_time=0.0)
        self._waiting = self._server.begin(0.0)

    def hear(self, message: WireMessage) -> list[WireMessage]:
        assert isinstance(message, str)
        return self._messages(self._server.hear(message, 0.0))

    def wait(self) -> list[WireMessage]:
        return self._messages(self._server.due(30.0))

    def _messages(self, acts: Sequence[object]) -> list[WireMessage]:
        acts, self._waiting = [*self._waiting, *acts], []
        return [act for act in acts if isinstance(act, str)]


class UsersOwn:
    """The other end of a stream: it takes the line's format, once, and says back what it hears."""

    def __init__(self) -> None:
        self._greeted = False

    def hear(self, message: WireMessage) -> list[WireMessage]:
        match message:
            case bytes():
                return [message]
            case str() if message.startswith('{"type":"hello"') and not self._greeted:
                self._greeted = True
                return ['{"type":"hello"}']
            case str() if message.startswith('{"type":"interrupted"'):
                return ['{"type":"reply"}']
            case _:
                return []

    def wait(self) -> list[WireMessage]:
        return []


class InTurn:
    """The other end of a turn-based assistant: says back what it hears, in its own time."""

    def __init__(self) -> None:
        self._server = simulated_turn_based.TurnBasedConversation(AssistantScript(reply_s=0))
        self._greeting = self._server.begin(0.0)

    def hear(self, message: WireMessage) -> list[WireMessage]:
        assert isinstance(message, str)
        return self._messages(self._server.hear(message, 0.0))

    def wait(self) -> list[WireMessage]:
        return self._messages(self._server.due(30.0))

    def _messages(self, acts: Sequence[object]) -> list[WireMessage]:
        acts, self._greeting = [*self._greeting, *acts], []
        return [act for act in acts if isinstance(act, str)]


class SaysBack:
    """The other end of the toy assistant."""

    def hear(self, message: WireMessage) -> list[WireMessage]:
        return [message]

    def wait(self) -> list[WireMessage]:
        return []


SETTINGS = {name: {"url": "ws://127.0.0.1/"} for name in ("stream", "turn-based", "toy")}
"""What has to be set."""

MU_LAW_ALONE = {"turn-based", "toy"}
"""Kinds whose protocol has mu-law only."""

OTHER_ENDS: dict[str, Callable[[], OnTheirOwn | FakeServer | UsersOwn | InTurn | SaysBack]] = {
    "echo": OnTheirOwn,
    "parrot": OnTheirOwn,
    "openai-realtime": FakeServer,
    "stream": UsersOwn,
    "turn-based": InTurn,
    "toy": SaysBack,
}


class Talk:
    """An assistant and its other end; `said` is what the core would hear."""

    def __init__(self, name: str) -> None:
        kind = KINDS[name]
        settings = kind.settings.model_validate({"kind": name} | SETTINGS.get(name, {}))
        self._assistant = kind.dialect(settings, ())
        address = settings.address()
        self._tells_upgrade = isinstance(address, SocketAddress) and address.tells_upgrade
        self._peer = OTHER_ENDS[name]()
        self.said: list[AssistantEvent] = []

    def tell(self, command: AssistantCommand) -> None:
        self._take(self._assistant.encode(command, 0.0))
        if isinstance(command, OpenAssistant) and self._tells_upgrade:
            self._hear(UPGRADED)
        self._due()

    def wait(self) -> None:
        """Until the other end has said what it had to say."""
        for message in self._peer.wait():
            self._hear(message)

    def _hear(self, message: LegMessage) -> None:
        self._take(self._assistant.decode(message, 0.0))
        self._due()

    def _due(self) -> None:
        while (due := self._assistant.deadline()) is not None and due <= 0.0:
            self._take(self._assistant.due(0.0))

    def _take(self, outcomes: Sequence[AssistantOutcome]) -> None:
        for outcome in outcomes:
            if isinstance(outcome, Word):
                self.said.append(outcome)
            else:
                assert not isinstance(outcome, Post), "none of these is reached over HTTP"
                for message in self._peer.hear(outcome):
                    self._hear(message)


def test_every_assistant_has_another_end() -> None:
    assert OTHER_ENDS.keys() == KINDS.keys()


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
    if name in MU_LAW_ALONE:
        assert first.hears == first.speaks == PCMU_8K
    elif line.encoding in {Encoding.PCMU, Encoding.PCMA}:
        assert first.hears == first.speaks == line, "G.711 goes through untouched"
    assert not any(isinstance(event, AssistantReady) for event in more)


@each_line
@each_assistant
@hypothesis.settings(max_examples=20)  # of each of 21 cells, a call each
@given(data=st.data())
def test_an_assistant_takes_what_comes(name: str, line: AudioFormat, data: st.DataObject) -> None:
    talk = Talk(name)
    talk.tell(data.draw(openings(line)))
    for command in data.draw(st.lists(st.one_of(*commands(line).values()), max_size=12)):
        talk.tell(command)
    talk.wait()
    ready = next(event for event in talk.said if isinstance(event, AssistantReady))
    for event in talk.said:
        assert isinstance(event, AssistantEvent)
        if isinstance(event, ReplyAudio):
            assert len(event.audio) % ready.speaks.sample_bytes == 0
    keeps_its_items_apart(talk.said)
