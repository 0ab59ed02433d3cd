"""A reply that waits while the caller may be about to speak: goes on where it stopped, or is cut there."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from bridge.core.call import Call
from bridge.core.dialogue import DialogueRules
from bridge.core.playout import MOST_KEPT_S, Playout
from bridge.core.timers import Limits
from bridge.vocabulary.commands import (
    ClearPlayback,
    Command,
    ConfirmHeard,
    DropReply,
    PlayAudio,
    SendMark,
    TruncateReply,
)
from bridge.vocabulary.events import (
    AssistantReady,
    CallStarted,
    Event,
    LegLost,
    LegName,
    MarkReached,
    PressRequested,
    ReplyAudio,
    ReplyEnded,
    SpeechDismissed,
    SpeechStarted,
    SpeechSuspected,
    TimePassed,
)
from telecodecs.format import L16_24K, PCMU_8K

FIFTH = bytes(range(160)) * 10
SECOND = b"".join(bytes([number]) * 1600 for number in range(5))
SILENCE = b"\xff"

Row = tuple[float, Event, Sequence[Command]]


def talking() -> Call:
    call = Call(0.0, Limits(), DialogueRules(reorder_ms=0))
    call.handle(CallStarted("CA1", "MZ1", PCMU_8K), 0.0)
    call.handle(AssistantReady(PCMU_8K, PCMU_8K, may_suspect=True), 0.0)
    return call


def follow(call: Call, transcript: Sequence[Row]) -> None:
    for when, event, commands in transcript:
        assert call.handle(event, when) == list(commands), f"at {when}: {event}"


def saying(*items: str) -> Call:
    """Half a second of each, at 1.0."""
    call = talking()
    for item in items:
        call.handle(ReplyAudio(item, SECOND[:4000]), 1.0)
        call.handle(ReplyEnded(item), 1.0)
    return call


def test_a_cough_costs_a_moment_and_no_word() -> None:
    call = saying("a")
    follow(
        call,
        [
            (1.2, MarkReached("0.1"), []),
            (1.3, SpeechSuspected(), [ClearPlayback(4000 - 2400)]),
            (1.3, SpeechSuspected(), []),
            (1.31, MarkReached("0.2"), []),  # the clear sends it back
            (1.6, SpeechDismissed(), [PlayAudio(SECOND[2400:4000]), SendMark("1.4")]),
            (1.85, MarkReached("1.4"), [ConfirmHeard("a")]),
        ],
    )
    assert call.counts() == {"speech_dismissed": 1}


def test_a_word_cuts_where_the_reply_stopped() -> None:
    call = saying("a", "b")
    follow(
        call,
        [
            (1.3, SpeechSuspected(), [ClearPlayback(8000 - 2400)]),
            (1.7, SpeechStarted(), [TruncateReply("a", 300), DropReply("b")]),
            (2.0, ReplyAudio("c", FIFTH), [PlayAudio(FIFTH), SendMark("2.7")]),
        ],
    )
    assert call.counts() == {"barge_ins": 1}


def test_what_is_said_meanwhile_waits_in_its_place() -> None:
    call = talking()
    follow(call, [(1.0, ReplyAudio("a", FIFTH), [PlayAudio(FIFTH), SendMark("0.1")])])
    follow(call, [(1.1, SpeechSuspected(), [ClearPlayback(800)]), (1.2, ReplyAudio("a", FIFTH[::-1]), [])])
    follow(call, [(1.2, ReplyEnded("a"), []), (1.2, ReplyAudio("b", FIFTH), []), (1.2, ReplyEnded("b"), [])])
    resumed = call.handle(SpeechDismissed(), 1.4)
    assert sound(resumed) == FIFTH[800:] + FIFTH[::-1] + FIFTH
    heard = [
        word
        for mark in resumed
        if isinstance(mark, SendMark)
        for word in call.handle(MarkReached(mark.name), 2.0)
    ]
    assert heard == [ConfirmHeard("a"), ConfirmHeard("b")]


def test_what_was_heard_in_two_parts_is_counted_in_one() -> None:
    follow(
        saying("a"),
        [
            (1.2, SpeechSuspected(), [ClearPlayback(4000 - 1600)]),
            (2.0, SpeechDismissed(), [PlayAudio(SECOND[1600:3200]), SendMark("1.4"), PlayAudio(SECOND[3200:4000]), SendMark("1.5")]),
            (2.1, SpeechStarted(), [ClearPlayback(4000 - 2400), TruncateReply("a", 300)]),
        ],
    )  # fmt: skip


def test_nothing_is_held_where_nothing_is_said() -> None:
    call = talking()
    follow(
        call,
        [
            (1.0, SpeechSuspected(), []),
            (1.2, ReplyAudio("a", FIFTH), [PlayAudio(FIFTH), SendMark("0.1")]),
            (1.3, SpeechDismissed(), []),
        ],
    )


def test_a_reply_of_which_all_so_far_was_heard() -> None:
    follow(
        talking(),
        [
            (1.0, ReplyAudio("a", FIFTH), [PlayAudio(FIFTH), SendMark("0.1")]),
            (1.5, SpeechSuspected(), [ClearPlayback(0)]),
            (1.6, ReplyAudio("a", FIFTH), []),
            (1.8, SpeechDismissed(), [PlayAudio(FIFTH), SendMark("1.2")]),
            (1.9, SpeechStarted(), [ClearPlayback(800), TruncateReply("a", 300)]),
        ],
    )


def test_an_assistant_that_is_lost_meanwhile_is_heard_to_its_last_word() -> None:
    call = saying("a")
    call.handle(SpeechSuspected(), 1.3)
    said = call.handle(LegLost(LegName.ASSISTANT, 1006), 1.4)
    assert sound(said) == SECOND[2400:4000]


def test_it_goes_on_in_whole_frames() -> None:
    call = saying("a")
    follow(call, [(1.3117, SpeechSuspected(), [ClearPlayback(4000 - 2400)])])
    assert sound(call.handle(SpeechDismissed(), 1.6)) == SECOND[2400:4000]


def test_it_goes_on_where_the_assistant_changes_its_format_meanwhile() -> None:
    call = saying("a")
    call.handle(SpeechSuspected(), 1.3)
    assert sound(call.handle(AssistantReady(PCMU_8K, L16_24K, may_suspect=True), 1.4)) == SECOND[2400:4000]


def test_keys_that_are_pressed_meanwhile_do_not_hold_it_for_good() -> None:
    call = saying("a")
    call.handle(SpeechSuspected(), 1.3)
    assert call.handle(PressRequested("5"), 1.4) == []
    played = sound(call.handle(SpeechStarted(), 1.5))
    assert played.startswith(SECOND[2400:4000])
    assert len(played) == 1600 + 1600, "and the key behind it"


def test_what_is_still_to_be_heard_of_one_who_never_waits_is_not_mistaken_for_another() -> None:
    """The next assistant may; what of the former was not kept is lost, and nothing else."""
    call = Call(0.0, Limits(), DialogueRules(reorder_ms=0))
    call.handle(CallStarted("CA1", "MZ1", PCMU_8K), 0.0)
    call.handle(AssistantReady(PCMU_8K, PCMU_8K), 0.0)
    call.handle(ReplyAudio("a", FIFTH), 1.0)
    call.handle(LegLost(LegName.ASSISTANT, 1006), 1.0)
    call.handle(AssistantReady(PCMU_8K, PCMU_8K, may_suspect=True), 1.0)
    call.handle(ReplyAudio("b", FIFTH[::-1]), 1.0)
    assert call.handle(SpeechSuspected(), 1.1) == [ClearPlayback(3200 - 800)]
    assert sound(call.handle(SpeechDismissed(), 1.2)) == FIFTH[::-1]
    assert call.handle(SpeechStarted(), 1.3)[-1] == TruncateReply("b", 100)


def test_of_a_carrier_that_returns_no_marks_no_more_is_kept_than_is_of_use() -> None:
    playout = Playout(PCMU_8K)
    playout.keep(True)
    for frame in range(3000):
        playout.play("a", FIFTH[:160], frame * 0.02)
    _, (rest,) = playout.pause(60.0)
    assert len(rest.audio) <= (MOST_KEPT_S + 0.02) * 8000


def test_a_caller_who_speaks_and_does_not_interrupt_lets_it_go_on() -> None:
    call = saying("a")
    call.handle(SpeechSuspected(), 1.3)
    assert sound(call.handle(SpeechStarted(interrupts=False), 1.6)) == SECOND[2400:4000]


def sound(commands: Sequence[Command]) -> bytes:
    return b"".join(command.audio for command in commands if isinstance(command, PlayAudio))


@given(st.lists(st.tuples(st.integers(1, 60), st.integers(1, 60)), max_size=6), st.integers(1, 400))
def test_however_often_it_is_held_each_sample_is_heard_once(
    coughs: list[tuple[int, int]], frames: int
) -> None:
    """The line has no delay: what was played by a clear is what the clock says."""
    said = bytes(place % 251 for place in range(frames * 160))
    call, line = talking(), Line()
    line.take(call.handle(ReplyAudio("a", said), 0.0), 0.0)
    line.take(call.handle(ReplyEnded("a"), 0.0), 0.0)
    now = 0.0
    for wait, held in coughs:
        now = line.run(call, now, now + wait * 0.02)
        line.take(call.handle(SpeechSuspected(), now), now)
        now = line.run(call, now, now + held * 0.02)
        line.take(call.handle(SpeechDismissed(), now), now)
    line.run(call, now, now + frames * 0.02 + 3.0)
    assert line.heard == said
    assert ConfirmHeard("a") in line.told


class Line:
    """A carrier that plays what it is given, 20 ms at a time, and returns marks as they are reached."""

    def __init__(self) -> None:
        self.heard = b""
        self.told: list[Command] = []
        self._queue: list[bytes | str] = []

    def take(self, commands: Sequence[Command], now: float) -> None:
        for command in commands:
            match command:
                case PlayAudio(audio):
                    self._queue += [audio[at : at + 160] for at in range(0, len(audio), 160)]
                case SendMark(name):
                    self._queue.append(name)
                case ClearPlayback():
                    self._queue.clear()
                case _:
                    self.told.append(command)

    def run(self, call: Call, now: float, until: float) -> float:
        while now < until - 0.001:
            now = round(now + 0.02, 3)
            if self._queue and isinstance(frame := self._queue[0], bytes):
                self.heard += frame
                del self._queue[0]
            while self._queue and isinstance(mark := self._queue[0], str):
                del self._queue[0]
                self.take(call.handle(MarkReached(mark), now), now)
            self.take(call.handle(TimePassed(), now), now)
        return now
