"""The shell of one call, told as a story: which leg got what, in which order. The legs and the assistant are plain
objects that write down what happens to them; the core is the real one.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence

import pytest

from bridge.core.call import Call
from bridge.core.dialogue import DialogueRules
from bridge.core.timers import Limits
from bridge.shell.assistant_slot import NoLeg
from bridge.shell.session import Session
from bridge.tools.toolbox import Toolbox
from bridge.vocabulary.commands import (
    AppendAudio,
    AssistantCommand,
    CarrierCommand,
    CloseAssistant,
    EnterDigits,
    HangUp,
    OpenAssistant,
    PlayAudio,
    SendMark,
    TypeDigit,
)
from bridge.vocabulary.contracts import (
    Account,
    Assistant,
    AssistantOutcome,
    CarrierOutcome,
    Connection,
    LegMessage,
    Lost,
    Receive,
    WireMessage,
)
from bridge.vocabulary.errors import MalformedMessage
from bridge.vocabulary.events import (
    AssistantReady,
    CallEnded,
    CallerAudio,
    CallStarted,
    CloseRequested,
    DigitPressed,
    EntryEnd,
    LegLost,
    LegName,
    MarkReached,
    MessageRefused,
    ReplyAudio,
    ReplyEnded,
    SpeechStarted,
    TimePassed,
    Word,
)
from telecodecs.format import PCMU_8K

FRAME = bytes(range(160))
FIFTH = FRAME * 10  # 200 ms
SILENCE = b"\xff"
REORDER_MS = 40

FROM_CARRIER: dict[WireMessage, CarrierOutcome] = {
    "start": CallStarted("CA1", "MZ1", PCMU_8K),
    "audio": CallerAudio(FRAME, 0),
    "audio 20": CallerAudio(FRAME, 20),
    "audio 40": CallerAudio(FRAME, 40),
    "digit": DigitPressed("4"),
    "mark": MarkReached("0.1"),
    "stop": CallEnded(),
}
FROM_ASSISTANT: dict[LegMessage, Sequence[AssistantOutcome]] = {
    "ready": [AssistantReady(PCMU_8K, PCMU_8K)],
    "reply": [ReplyAudio("a", FIFTH)],
    "a word": [ReplyAudio("b", FRAME), ReplyEnded("b")],
    "spoke": [SpeechStarted()],
}


def brief(command: Word) -> str:
    """What goes over the wire in these tests."""
    match command:
        case PlayAudio(audio) | AppendAudio(audio):
            return f"{type(command).__name__} {len(audio)}"
        case SendMark(name) | TypeDigit(name):
            return f"{type(command).__name__} {name}"
    return type(command).__name__


class NothingWaits:
    """Part of a dialect: nothing falls due."""

    def deadline(self) -> float | None:
        return None

    def due(self, now: float) -> tuple[()]:
        return ()

    def is_reply_owed(self, now: float) -> bool:
        return False


class SimulatedCarrier(NothingWaits):
    """A dialect of one word a message."""

    reorder_ms = REORDER_MS
    start_s: float | None = None

    def decode(self, message: WireMessage, now: float) -> Sequence[CarrierOutcome]:
        if message not in FROM_CARRIER:
            raise MalformedMessage("no word of ours")
        return (FROM_CARRIER[message],)

    def encode(self, command: CarrierCommand, now: float) -> Sequence[str]:
        return (brief(command),)

    def counts(self) -> dict[str, int]:
        return {}


class SimulatedAssistant(NothingWaits):
    """A remote one, with such a dialect too."""

    def encode(self, command: AssistantCommand, now: float) -> Sequence[AssistantOutcome]:
        return [brief(command)]

    def decode(self, message: LegMessage, now: float) -> Sequence[AssistantOutcome]:
        if message not in FROM_ASSISTANT:
            raise MalformedMessage("no word of ours")
        return FROM_ASSISTANT[message]


class Mirror(NothingWaits):
    """One in this process, that says what it hears, and of a key that it heard it."""

    def encode(self, command: AssistantCommand, now: float) -> Sequence[AssistantOutcome]:
        match command:
            case OpenAssistant():
                return [AssistantReady(PCMU_8K, PCMU_8K), ReplyAudio("hello", FRAME), ReplyEnded("hello")]
            case AppendAudio(audio):
                return [ReplyAudio("mirror", audio)]
        return []

    def decode(self, message: LegMessage, now: float) -> Sequence[AssistantOutcome]:
        raise AssertionError(message)


class FakeLeg:
    """Writes down what it is asked to do."""

    stalled = False

    def __init__(self, name: LegName, story: list[str]) -> None:
        self.used = asyncio.Event()
        self._name = name
        self._history = story

    def send(self, message: WireMessage) -> None:
        self._history.append(f"{self._name}: {message!s}")
        self.used.set()

    def close(self, code: int = 1000, reason: str = "") -> None:
        self._history.append(f"{self._name}: closed {code} {reason}".rstrip())
        self.used.set()


class FakeObserver:
    """Remembers what it saw."""

    sees = None

    def __init__(self) -> None:
        self.words: list[Word] = []
        self.counts: list[Mapping[str, int]] = []

    def saw(self, word: Word, now: float) -> None:
        self.words.append(word)

    def close(self, now: float, account: Account) -> None:
        self.counts.append(account.counts)


class Scene:
    """A session between two fakes. `told`: what the legs were asked to do since then."""

    def __init__(
        self, now: Callable[[], float], assistant: Assistant | None = None, limits: Limits | None = None
    ) -> None:
        self._history: list[str] = []
        self._assistant = assistant or SimulatedAssistant()
        self.observers = [FakeObserver(), FakeObserver()]
        self.ended: list[Session] = []
        self.over = asyncio.Event()
        self.carrier_leg = FakeLeg(LegName.CARRIER, self._history)
        self.assistant_leg = FakeLeg(LegName.ASSISTANT, self._history)
        self.assistant_said: Receive
        self.assistant_lost: Lost
        call = Call(now(), limits or Limits(), DialogueRules(reorder_ms=REORDER_MS))
        self.carrier = SimulatedCarrier()
        self.session = Session(self.carrier, call, self._connect, self.observers, self._over)
        self.session.attach(self.carrier_leg)

    def _connect(self, _: OpenAssistant, receive: Receive, lost: Lost) -> Connection:
        self.assistant_said, self.assistant_lost = receive, lost
        leg = NoLeg() if isinstance(self._assistant, Mirror) else self.assistant_leg
        return Connection(self._assistant, leg, Toolbox("", {}).open(call_id="CA1", parameters={}))

    def _over(self, session: Session) -> None:
        self.ended.append(session)
        self.over.set()

    def told(self) -> list[str]:
        told, self._history[:] = self._history[:], []
        return told

    def carrier_says(self, *messages: str) -> list[str]:
        for message in messages:
            self.session.carrier_said(message)
        return self.told()

    def assistant_says(self, message: str) -> list[str]:
        self.assistant_said(message)
        return self.told()

    def is_over(self) -> bool:
        """Over, and told so exactly once, with the same counts to every observer."""
        assert self.ended in ([], [self.session])
        told = [observer.counts for observer in self.observers]
        assert told == [[told[0][0]] if self.ended else []] * len(told)
        return bool(self.ended)


class Clock:
    """Stands until it is set."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    monkeypatch.setattr("bridge.shell.session.clock", clock := Clock())
    return clock


def talking(clock: Callable[[], float], assistant: Assistant | None = None) -> Scene:
    begun = Scene(clock, assistant)
    begun.carrier_says("start")
    begun.assistant_says("ready")
    return begun


# Who gets what


async def test_a_whole_call(clock: Clock) -> None:
    call = Scene(clock)
    assert call.carrier_says("start") == ["assistant: OpenAssistant"]
    assert call.carrier_says("audio") == []  # held until the assistant is ready
    assert call.assistant_says("ready") == ["assistant: AppendAudio 160"]
    assert call.carrier_says("audio 20", "digit") == ["assistant: AppendAudio 160", "assistant: TypeDigit 4"]
    assert call.assistant_says("reply") == ["carrier: PlayAudio 1600", "carrier: SendMark 0.1"]
    clock.now += 0.1
    assert call.assistant_says("spoke") == ["carrier: ClearPlayback", "assistant: TruncateReply"]
    assert call.assistant_says("a word") == ["carrier: PlayAudio 160", "carrier: SendMark 1.2"]
    assert not call.is_over()
    assert call.carrier_says("stop") == [
        "assistant: EnterDigits",
        "assistant: CloseAssistant",
        "assistant: closed 1000",
        "carrier: closed 1000 the call ended",
    ]
    assert call.is_over()


async def test_observers_see_each_event_before_what_it_brought_about(clock: Clock) -> None:
    call = talking(clock)
    call.carrier_says("digit", "stop")
    before = [CallStarted, OpenAssistant, AssistantReady]
    for observer in call.observers:
        assert [type(word) for word in observer.words[:3]] == before
        assert observer.words[3:6] == [DigitPressed("4"), TypeDigit("4"), CallEnded()]
        assert observer.words[6:] == [
            EnterDigits("4", EntryEnd.HANGUP),
            CloseAssistant(),
            HangUp(1000, "the call ended"),
        ]
        assert observer.counts == [{"digits": 1}]


async def test_what_an_assistant_in_this_process_says_waits_for_the_end_of_the_round(clock: Clock) -> None:
    call = Scene(clock, Mirror())
    assert call.carrier_says("start") == ["carrier: PlayAudio 160", "carrier: SendMark 0.1"]
    seen = call.observers[0].words
    assert [type(word) for word in seen[:3]] == [CallStarted, OpenAssistant, AssistantReady]
    assert [type(word) for word in seen[3:]] == [ReplyAudio, PlayAudio, ReplyEnded, SendMark]
    call.carrier_says("audio", "audio 40")
    seen.clear()
    call.carrier_says("audio 20")  # both frames are due, in one round
    assert [type(word) for word in seen[:5]] == [CallerAudio, AppendAudio, AppendAudio, ReplyAudio, PlayAudio]
    assert [type(word) for word in seen[5:]] == [ReplyAudio, PlayAudio]


# What goes wrong


async def test_a_malformed_message_is_dropped_and_the_call_goes_on(clock: Clock) -> None:
    call = talking(clock)
    assert call.carrier_says("rubbish") == []
    assert call.assistant_says("rubbish") == []
    assert call.observers[0].words[-2:] == [
        MessageRefused(LegName.CARRIER, "no word of ours"),
        MessageRefused(LegName.ASSISTANT, "no word of ours"),
    ]
    assert call.carrier_says("audio") == ["assistant: AppendAudio 160"]
    assert call.assistant_says("reply")
    call.carrier_says("stop")
    (counts,) = call.observers[0].counts
    assert counts["refused_from_carrier"] == counts["refused_from_assistant"] == 1


async def test_a_lost_carrier_is_the_end(
    clock: Clock, timers_left: Callable[[], list[asyncio.TimerHandle]]
) -> None:
    call = talking(clock)
    assert timers_left()
    call.session.carrier_lost(call.carrier, 1006, "the connection broke")
    assert call.told() == ["assistant: CloseAssistant", "assistant: closed 1000"]
    assert call.is_over()
    assert call.observers[0].words[-2] == LegLost(LegName.CARRIER, 1006, "the connection broke")
    assert timers_left() == []


async def test_what_comes_after_the_end_changes_nothing(clock: Clock) -> None:
    call = talking(clock)
    call.carrier_says("stop")
    seen = list(call.observers[0].words)
    assert call.carrier_says("audio", "rubbish", "start", "stop") == []
    assert call.assistant_says("reply") == []
    call.session.carrier_lost(call.carrier, 1000, "")
    call.assistant_lost(1000, "")
    call.session.handle(CloseRequested("the server is closing"))
    assert call.told() == []
    assert call.is_over()
    assert call.observers[0].words == seen


# The clock


async def test_the_timer_wakes_the_core_at_its_deadline(
    timers_left: Callable[[], list[asyncio.TimerHandle]],
) -> None:
    began = time.monotonic()
    call = Scene(time.monotonic, limits=Limits(start_s=0.05))
    assert len(timers_left()) == 1
    async with asyncio.timeout(5):
        await call.over.wait()
    assert time.monotonic() - began >= 0.05
    *woken, last = call.observers[0].words
    assert set(woken) == {TimePassed()}  # on uvloop, whose clock stands during a round, it may be woken early
    assert last == HangUp(1008, "the carrier never said start")
    assert call.is_over()
    assert timers_left() == []


async def test_a_deadline_that_comes_nearer_moves_the_timer() -> None:
    call = talking(time.monotonic)
    call.carrier_says("audio", "audio 40")  # 20 is missing, and may be so for `REORDER_MS`
    call.assistant_leg.used.clear()
    async with asyncio.timeout(5):
        await call.assistant_leg.used.wait()
    assert call.told() == ["assistant: AppendAudio 160"] * 2
    call.carrier_says("stop")


async def test_a_deadline_that_goes_away_wakes_it_for_nothing(
    timers_left: Callable[[], list[asyncio.TimerHandle]],
) -> None:
    """Early is harmless: the timer of the start still fires, finds nothing due, and the next one is set."""
    call = Scene(time.monotonic, limits=Limits(start_s=0.1, open_s=0.15, retry_s=0))
    call.carrier_says("start")
    async with asyncio.timeout(5):
        await call.over.wait()
    words = [type(word) for word in call.observers[0].words]
    assert list(dict.fromkeys(words)) == [CallStarted, OpenAssistant, TimePassed, CloseAssistant, HangUp]
    assert words.count(TimePassed) >= 2
    assert timers_left() == []
