"""What watchers are told of calls under way, without sockets and with a clock of the test's own."""

import json
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from bridge.core.engine import SeesWords
from bridge.core.states import State
from bridge.observers.live.live_call import LiveCall
from bridge.observers.live.live_calls import LOOK_S, LiveCalls
from bridge.observers.live.spoken import Spoken
from bridge.vocabulary.call_facts import Facts
from bridge.vocabulary.commands import ClearPlayback, OpenAssistant, PlayAudio
from bridge.vocabulary.contracts import Account
from bridge.vocabulary.events import (
    AssistantReady,
    CallEnded,
    CallerAudio,
    CallerSaid,
    CallStarted,
    ReplyEnded,
    ReplySaid,
    Word,
)
from telecodecs.format import PCMU_8K

LOUD, QUIET = b"\x10" * 160, b"\xff" * 160

ACCOUNT = Account({}, {}, 0.0, 0.0, ())


class PlayedCall:
    """A call in the core, and the session that carries it."""

    state = State.TALKING
    is_held = False
    muted: frozenset[Any] = frozenset()
    assistant_listens = False
    last_wait_ms: int | None = None

    def __init__(self, live: LiveCalls, call_id: str, now: float) -> None:
        began = datetime(2026, 11, 30, 12, tzinfo=UTC)
        self.observers: list[SeesWords] = []
        self.shown: LiveCall = live.begin("twilio", self, began, Facts("+15550199", "+15550100"))
        self.shown.session = self
        self.observers.append(self.shown)
        self.see(CallStarted(call_id, "MZ1", PCMU_8K), now)
        self.see(OpenAssistant(call_id, PCMU_8K, assistant="support"), now)
        self.see(AssistantReady(PCMU_8K, PCMU_8K), now)

    def watch(self, observer: SeesWords) -> None:
        self.observers.append(observer)

    def unwatch(self, observer: SeesWords) -> None:
        self.observers.remove(observer)

    def see(self, word: Word, now: float) -> None:
        for observer in [*self.observers]:
            if observer.sees is None or type(word) in observer.sees:
                observer.saw(word, now)

    def end(self, now: float) -> None:
        self.see(CallEnded(), now)
        self.shown.close(now, ACCOUNT)


class Watched:
    """Calls, somebody who watches, and the time."""

    def __init__(self) -> None:
        self.now = 0.0
        self.live = LiveCalls(lambda: self.now)
        self.parts: list[bytes] = []

    def look(self) -> list[tuple[str, Any]]:
        """The events of the next look."""
        self.now += LOOK_S
        self.live.look()
        told = list(events(b"".join(self.parts)))
        self.parts.clear()
        return told


def events(text: bytes) -> Iterator[tuple[str, Any]]:
    for part in text.decode().split("\n\n")[:-1]:
        name, data = part.split("\n")
        yield name.removeprefix("event: "), json.loads(data.removeprefix("data: "))


def test_no_frame_is_seen_while_nobody_watches() -> None:
    watched = Watched()
    call = PlayedCall(watched.live, "CA1", 0.0)
    frames = {CallerAudio, PlayAudio}
    assert not frames & set(call.shown.sees)
    assert len(call.observers) == 1
    watch = watched.live.watch(watched.parts.append)
    assert len(call.observers) == 2
    other = watched.live.watch(watched.parts.append, "CA1")
    assert len(call.observers) == 3
    watched.live.unwatch(other)
    watched.live.unwatch(watch)
    assert len(call.observers) == 1


def test_levels_are_those_of_what_is_heard_now() -> None:
    watched = Watched()
    watched.live.watch(watched.parts.append)
    call = PlayedCall(watched.live, "CA1", 0.0)
    watched.look()
    call.see(PlayAudio(LOUD * 20 + QUIET * 20), watched.now)  # 0.4 s of each, at once
    call.see(CallerAudio(LOUD, 0), watched.now + 0.2)
    assert watched.look() == [("levels", {"CA1": [-3, -3]})]
    assert watched.look() == [("levels", {"CA1": [-90, -90]})]
    call.see(PlayAudio(LOUD * 100), watched.now)
    assert watched.look() == []  # it comes behind the quiet part
    assert watched.look()[0][1]["CA1"][1] == -3
    call.see(ClearPlayback(8000), watched.now)
    assert watched.look() == [("levels", {"CA1": [-90, -90]})]


def test_a_change_is_told_once_and_only_if_it_is_one() -> None:
    watched = Watched()
    call = PlayedCall(watched.live, "CA1", 0.0)
    watched.live.watch(watched.parts.append)
    assert [name for name, _ in watched.look()] == ["snapshot", "levels"]
    call.see(OpenAssistant("CA1", PCMU_8K, assistant="support"), watched.now)
    assert watched.look() == []
    call.state, call.is_held = State.HOLDING, True
    call.see(AssistantReady(PCMU_8K, PCMU_8K), watched.now)
    ((name, view),) = watched.look()
    assert (name, view["state"], view["held"]) == ("call", "holding", True)
    assert (view["from"], view["to"]) == ("***99", "***00")
    call.end(watched.now)
    assert watched.look() == [("ended", {"id": "CA1", "reason": "caller_or_carrier"})]


# Words


def test_a_number_in_pieces_is_not_told_before_it_is_masked() -> None:
    spoken = Spoken(str)
    told = ""
    for piece in ("Call ", "+1 555", " 010", "-0199", " to", "day", "."):
        spoken.assistant("r1", piece, 0)
        told += "".join(text for _, text in spoken.take())
        assert "555" not in told
        assert "0199" not in told
    assert told.startswith("Call")
    spoken.end_item()
    told += "".join(text for _, text in spoken.take())
    assert told == "Call ***99 today."
    assert [(line.speaker, line.text) for line in spoken.lines()] == [("assistant", "Call ***99 today.")]


def test_words_come_as_they_are_said() -> None:
    watched = Watched()
    call = PlayedCall(watched.live, "CA1", 0.0)
    watched.live.watch(watched.parts.append)
    watched.look()
    call.see(CallerSaid("u1", "My number is 15550100199"), 0.3)
    call.see(ReplySaid("r1", "Thank you, just a mo"), 0.4)
    said = [data for name, data in watched.look() if name == "text"]
    assert said == [
        {"id": "CA1", "speaker": "caller", "text": "My number is ***99"},
        {"id": "CA1", "speaker": "assistant", "text": "Thank you, just a"},
    ]
    call.see(ReplySaid("r1", "ment."), 0.5)
    call.see(ReplyEnded("r1"), 0.6)
    said = [data for name, data in watched.look() if name == "text"]
    assert said == [{"id": "CA1", "speaker": "assistant", "text": " moment."}]
    assert [line.at_ms for line in call.shown.spoken.lines()] == [300, 400]


def test_a_call_that_is_watched_alone_has_its_lines_to_the_end() -> None:
    watched = Watched()
    call, other = PlayedCall(watched.live, "CA1", 0.0), PlayedCall(watched.live, "CA2", 0.0)
    watched.live.watch(watched.parts.append, "CA1")
    watched.look()
    call.see(ReplySaid("r1", "Bye"), watched.now)
    other.end(watched.now)
    call.end(watched.now)
    names = [name for name, _ in watched.look()]
    assert names == ["word", "text", "ended"]


# Many calls


def test_two_hundred_calls_take_less_than_a_megabyte_a_minute() -> None:
    """Each call talks and is answered; whoever watches all of them gets every change of state, and levels of each."""
    watched = Watched()
    calls = [PlayedCall(watched.live, f"CA{number:032x}", 0.0) for number in range(200)]
    watched.live.watch(watched.parts.append)
    size = len(b"".join(watched.parts))
    snapshot = size
    watched.parts.clear()
    levels: defaultdict[str, int] = defaultdict(int)
    texts: set[str] = set()
    for look in range(240):
        for number, call in enumerate(calls):
            call.see(CallerAudio(bytes([16 + (look * 7 + number) % 90]) * 160, 0), watched.now + 0.2)
            call.see(PlayAudio(bytes([16 + (look * 5 + number) % 90]) * 160 * 12), watched.now + 0.01)
            call.see(ReplySaid(f"r{look // 20}", "four words of text "), watched.now)
            if look % 32 == number % 32:
                call.last_wait_ms = look
                call.see(AssistantReady(PCMU_8K, PCMU_8K), watched.now)
        watched.now += LOOK_S
        watched.live.look()
        part = b"".join(watched.parts)
        watched.parts.clear()
        size += len(part)
        for name, data in events(part):
            if name == "levels":
                for one in data:
                    levels[one] += 1
            elif name == "text":
                texts.add(data["id"])
    assert snapshot < 120_000
    assert size <= 1_000_000
    assert len(levels) == len(calls)
    assert min(levels.values()) >= 20
    assert len(texts) == len(calls)
