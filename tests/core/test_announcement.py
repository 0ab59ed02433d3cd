"""The announcement of a recorded call, as transcripts: it is heard first, whole, and by everybody who can hear."""

from collections.abc import Sequence

import pytest

from bridge.core.call import Call
from bridge.core.dialogue import DialogueRules
from bridge.core.failover import FailoverPlan
from bridge.core.timers import Limits
from bridge.vocabulary.commands import (
    ClearPlayback,
    Command,
    ConfirmHeard,
    DropReply,
    HangUp,
    OpenAssistant,
    PlayAudio,
    SendMark,
    TruncateReply,
)
from bridge.vocabulary.events import (
    AssistantFailed,
    AssistantReady,
    CallerAudio,
    CallStarted,
    DigitPressed,
    Event,
    LegLost,
    LegName,
    MarkReached,
    ReplyAudio,
    ReplyEnded,
    SpeechDismissed,
    SpeechStarted,
    SpeechSuspected,
    TimePassed,
)
from telecodecs.format import L16_8K, PCMU_8K

ANNOUNCED = b"\x01" * 8_000  # 1 s
LONG = b"\x01" * 80_000
REPLY = b"\x02" * 8_000
SORRY = b"\x03" * 1_600
START = CallStarted("CA1", "MZ1", PCMU_8K)
READY = AssistantReady(PCMU_8K, PCMU_8K, keys_interrupt=True, may_suspect=True)


class Line:
    """A call, and a carrier that plays what it is sent and returns the marks; `heard` is what the caller heard."""

    def __init__(self, announcement: bytes = ANNOUNCED, *, resume_s: float = 0.0) -> None:
        rules = DialogueRules(reorder_ms=0, announcement=announcement)
        plan = FailoverPlan(("front",), SORRY, spoken=PCMU_8K)
        self.call = Call(0.0, Limits(silent_s=3600.0, resume_s=resume_s), rules, plan=plan)
        self.heard = b""
        self.told: list[Command] = []
        self._queue: list[PlayAudio | SendMark] = []
        self._played_until = 0.0

    def happen(self, now: float, *events: Event) -> list[Command]:
        """What the call answers."""
        commands = [command for event in events for command in self.call.handle(event, now)]
        for command in commands:
            if isinstance(command, PlayAudio | SendMark):
                self._queue.append(command)
            elif isinstance(command, ClearPlayback):
                self._queue.clear()
        self.told += commands
        return commands

    def play(self, start: float, until: float) -> None:
        """Let time pass in steps of 20 ms, with nothing from the caller."""
        for step in range(round((until - start) * 50)):
            now = start + (step + 1) / 50
            room = 160
            while self._queue and room:
                first = self._queue[0]
                if isinstance(first, SendMark):
                    self._queue.pop(0)
                    self.happen(now, MarkReached(first.name))
                    continue
                self.heard += first.audio[:room]
                rest, room = first.audio[room:], max(0, room - len(first.audio))
                if rest:
                    self._queue[0] = PlayAudio(rest)
                else:
                    self._queue.pop(0)
            while self._queue and isinstance(self._queue[0], SendMark):
                self.happen(now, MarkReached(self._queue.pop(0).name))  # type: ignore[union-attr]
            self.happen(now, TimePassed())


def about_items(commands: Sequence[Command]) -> list[Command]:
    """What an assistant is told of what was heard."""
    return [command for command in commands if isinstance(command, ConfirmHeard | TruncateReply | DropReply)]


def greeted(line: Line, now: float = 0.0) -> None:
    """The call starts, and its assistant has a greeting ready at once."""
    line.happen(now, START, READY, ReplyAudio("a", REPLY), ReplyEnded("a"))


def test_it_is_played_while_the_assistant_is_opened_and_is_heard_before_its_words() -> None:
    line = Line()
    first, *rest = line.happen(0.0, START)
    assert isinstance(first, OpenAssistant), "a recording begins here, so it has the announcement"
    assert b"".join(command.audio for command in rest if isinstance(command, PlayAudio)) == ANNOUNCED
    line.happen(0.3, READY, ReplyAudio("a", REPLY), ReplyEnded("a"))
    line.play(0.0, 3.0)
    assert line.heard == ANNOUNCED + REPLY
    assert about_items(line.told) == [ConfirmHeard("a")], "of the announcement no assistant knows"


def test_a_long_one_is_sent_in_time() -> None:
    line = Line(LONG)
    greeted(line)
    line.play(0.0, 12.0)
    assert line.heard == LONG + REPLY


SPEECH: list[tuple[Event, ...]] = [
    (SpeechStarted(),),
    (SpeechSuspected(), SpeechStarted()),
    (SpeechSuspected(), SpeechDismissed()),
    (DigitPressed("1"),),
]


@pytest.mark.parametrize("speech", SPEECH)
def test_nothing_that_the_caller_does_cuts_it(speech: tuple[Event, ...]) -> None:
    line = Line()
    greeted(line)
    line.play(0.0, 0.5)
    line.happen(0.5, CallerAudio(b"\xff" * 160, 0), *speech)
    line.play(0.5, 1.0)
    assert line.heard == ANNOUNCED


def test_behind_it_the_caller_interrupts_as_ever() -> None:
    line = Line()
    greeted(line)
    line.play(0.0, 1.5)
    line.happen(1.5, SpeechStarted())
    line.play(1.5, 3.0)
    assert line.heard == ANNOUNCED + REPLY[:4_000]
    assert about_items(line.told) == [TruncateReply("a", 500)]


def test_it_is_heard_also_where_no_assistant_comes() -> None:
    line = Line()
    line.happen(0.0, START)
    line.happen(0.1, AssistantFailed("no such model", final=True))
    line.play(0.0, 2.0)
    assert line.heard == ANNOUNCED + SORRY
    assert line.told[-1] == HangUp(1011, "the assistant was lost")


@pytest.mark.parametrize("broke_at", [0.5, 0.98])
def test_a_stream_that_comes_back_brings_it_again_before_all_else(broke_at: float) -> None:
    line = Line(resume_s=10.0)
    greeted(line)
    line.play(0.0, broke_at)
    line.happen(broke_at, LegLost(LegName.CARRIER, 1006), ReplyAudio("b", REPLY), ReplyEnded("b"))
    line.heard = b""
    line.happen(3.0, CallStarted("CA1", "MZ2", PCMU_8K))
    line.play(3.0, 3.5)
    line.happen(3.5, SpeechStarted())
    line.play(3.5, 6.0)
    assert line.heard == ANNOUNCED + REPLY


def test_it_is_not_played_again_when_it_was_heard() -> None:
    line = Line(resume_s=10.0)
    greeted(line)
    line.play(0.0, 2.5)
    line.happen(2.5, LegLost(LegName.CARRIER, 1006))
    line.heard = b""
    line.happen(3.0, CallStarted("CA1", "MZ2", PCMU_8K))
    line.play(3.0, 5.0)
    assert line.heard == b""


def test_it_is_played_in_the_calls_format() -> None:
    line = Line()
    commands = line.happen(0.0, CallStarted("CA1", "MZ1", PCMU_8K, plays=L16_8K))
    assert sum(len(command.audio) for command in commands if isinstance(command, PlayAudio)) == 16_000


def test_a_call_that_is_only_listened_to_cannot_hear_it() -> None:
    assert Line().happen(0.0, CallStarted("CA1", "MZ1", PCMU_8K, one_way=True)) == []
