"""Any sequence of events leaves a call in a legal state: nothing is played twice, torn or told wrongly.

The carrier is played as it is: what it is sent waits in its buffer, is played in real time, and marks come back when
they are reached or cleared. Each item of a reply is one byte value, so that the sound played tells which item it is of.
"""

from collections import Counter
from collections.abc import Iterator
from math import inf

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from bridge.core.dialogue import DialogueRules
from bridge.core.failover import FailoverPlan
from bridge.core.people import People, Person
from bridge.core.people_call import PeopleCall
from bridge.core.states import State
from bridge.core.timers import Limits
from bridge.vocabulary.commands import (
    CONTROL_COMMANDS,
    AnswerTool,
    AppendAudio,
    ClearPlayback,
    CloseAssistant,
    Command,
    ConfirmHeard,
    DropReply,
    EnterDigits,
    HangUp,
    OpenAssistant,
    PlayAudio,
    RunTool,
    SendMark,
    SwitchToStandby,
    TruncateReply,
    TypeDigit,
)
from bridge.vocabulary.events import (
    AssistantFailed,
    AssistantHangingUp,
    AssistantReady,
    CallEnded,
    CallerAudio,
    CallerSaid,
    CallStarted,
    CloseRequested,
    DigitPressed,
    EntryRequested,
    Event,
    GoodbyeRequested,
    LegLost,
    LegName,
    MarkReached,
    ReplyAudio,
    ReplyEnded,
    ReplySaid,
    SpeechDismissed,
    SpeechStarted,
    SpeechStopped,
    SpeechSuspected,
    TimePassed,
    ToolAnswered,
    ToolCalled,
)
from bridge.vocabulary.people import (
    CloseStream,
    Nobody,
    NobodyReached,
    PeopleJoined,
    PersonAnswered,
    PersonLeft,
    TransferRequested,
)
from telecodecs.format import FRAME_MS, PCMU_8K

START = CallStarted("CA1", "MZ1", PCMU_8K)
FRAME = b"\xff" * 160
TO_THE_ASSISTANT = (AppendAudio, EnterDigits, TypeDigit, AnswerTool)
BYTES_PER_MS = 8
STEP_S = 0.01
"""How late a mark may come back."""
SLACK_MS = 40
"""By how much what is told may fall short of what was played: a frame, and the time between two events."""
QUIET = 0xFF
"""What pads a frame; no item has this value."""
SENTENCE = 0xFE
"""The sound of what the bridge says itself."""
MOST_ITEMS = 200
ENDS: list[Event] = [
    CloseRequested("the server is closing"),
    GoodbyeRequested("the server is closing", 2.0),
    CallEnded(),
]
OF_PEOPLE: list[Event] = [
    PersonAnswered("B1", "+1555011"),
    PeopleJoined("B1"),
    PersonLeft("B1", 9.0),
    NobodyReached(Nobody.BUSY),
]
TOLD: list[Event] = [
    SpeechSuspected(),
    SpeechDismissed(),
    SpeechStarted(),
    SpeechStarted(interrupts=False),
    SpeechStopped("u"),
    CallerSaid("u", "words"),
    EntryRequested("e", 4),
    AssistantHangingUp(False),
]


class Carrier:
    """What the carrier has to play, piece by piece: audio, and marks between."""

    def __init__(self) -> None:
        self._buffer: list[bytes | str] = []
        self.played: list[bytes] = []
        self._bytes = 0.0  # that the time so far allows for, beyond what was played

    def take(self, command: Command) -> list[str]:
        """Perform a command; returns the marks that come back at once."""
        match command:
            case PlayAudio(audio):
                self._buffer.append(audio)
            case SendMark(name):
                self._buffer.append(name)
            case ClearPlayback():
                names = [piece for piece in self._buffer if isinstance(piece, str)]
                self._buffer.clear()
                return names
        return []

    def play(self, seconds: float) -> Iterator[str]:
        """Play for so long; yields the marks that are reached."""
        self._bytes += seconds * 1000 * BYTES_PER_MS
        left = int(self._bytes)
        self._bytes -= left
        while self._buffer and (left or isinstance(self._buffer[0], str)):
            piece = self._buffer.pop(0)
            if isinstance(piece, str):
                yield piece
                continue
            self.played.append(piece[:left])
            if len(piece) > left:
                self._buffer.insert(0, piece[left:])
            left = max(0, left - len(piece))


class AnySequence(RuleBasedStateMachine):
    """One call; the rules are what may come."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.call = PeopleCall(
            0.0,
            Limits(start_s=10, open_s=5, silent_s=60, longest_s=600, resume_s=20),
            DialogueRules(reorder_ms=40, can=frozenset[type[Command]](CONTROL_COMMANDS) - {CloseStream}),
            people=People(
                {"ann": Person(groups=(("+1555011",), ("+1555012",)), hold=bytes([SENTENCE]) * 1_600)},
                dict.fromkeys(("one", "two", "three"), ("ann",)),
            ),
            plan=FailoverPlan(
                ("one", "two", "three"),
                sentence=bytes([SENTENCE]) * 4_000,
                waiting=bytes([SENTENCE]) * 2_000,
                spoken=PCMU_8K,
                goodbye=bytes([SENTENCE]) * 4_000,
            ),
        )
        self.carrier = Carrier()
        self.is_open = False  # an assistant
        self.is_over = False
        self.is_stream_there = True
        self.items = 0
        self.item = ""
        self.sent_ms: Counter[str] = Counter()  # of each item, from the assistant
        self.told_ms: dict[str, float] = {}  # how much of each item was heard, as the assistant was told
        self.frames = 0
        self.tools: list[str] = []
        self.played: Counter[int] = Counter()  # bytes of each item that the caller heard
        self.last_value = QUIET
        self.pauses = 0

    # What comes, and what is done

    def give(self, event: Event) -> None:
        """Hand an event to the call, and perform what it answers."""
        events: list[Event] = [event]
        while events:
            for command in self.call.handle(events.pop(0), self.now):
                events += [MarkReached(name) for name in self.perform(command)]

    def perform(self, command: Command) -> list[str]:
        assert not self.is_over, f"{command} after the end"
        match command:
            case OpenAssistant():
                if self.call.state is not State.TALKING:
                    assert not self.is_open, "two assistants"
                self.is_open = True
            case CloseAssistant():
                self.is_open = False
            case SwitchToStandby():
                raise AssertionError("no standby was opened")
            case HangUp():
                self.is_over = True
            case TruncateReply(item, heard_ms):
                assert 0 < heard_ms <= self.sent_ms[item] + FRAME_MS, "more was heard than was sent"
                self.settle(item, heard_ms)
            case DropReply(item):
                self.settle(item, 0)
            case ConfirmHeard(item):
                self.settle(item, inf)
            case RunTool(tool_call_id):
                self.tools.append(tool_call_id)
            case PlayAudio() | SendMark():
                assert self.is_stream_there, f"{command} to a stream that is gone"
        if isinstance(command, TO_THE_ASSISTANT):
            assert self.is_open, f"{command} to nobody"
        return self.carrier.take(command)

    def settle(self, item: str, heard_ms: float) -> None:
        assert item not in self.told_ms, f"{item} was settled twice"
        self.told_ms[item] = heard_ms

    # The rules

    @initialize()
    def start(self) -> None:
        self.give(START)

    @rule(ms=st.integers(1, 3_000))
    def time_passes(self, ms: int) -> None:
        until = self.now + ms / 1000
        while (due := self.call.deadline()) is not None and due <= until:
            self._advance(max(due, self.now))
            self.give(TimePassed())
        self._advance(until)

    def _advance(self, to: float) -> None:
        while self.now < to:
            step = min(STEP_S, to - self.now)
            marks = list(self.carrier.play(step))
            self.now = to if self.now + STEP_S >= to else self.now + step
            for name in marks if self.is_stream_there else ():
                self.give(MarkReached(name))

    @precondition(lambda self: self.is_stream_there)
    @rule(count=st.integers(1, 20))
    def the_caller_is_heard(self, count: int) -> None:
        for _ in range(count):
            self.give(CallerAudio(FRAME, self.frames * 20))
            self.frames += 1
            self.time_passes(20)

    @rule(key=st.sampled_from("0123456789*#"))
    def a_key_is_pressed(self, key: str) -> None:
        self.give(DigitPressed(key))

    @precondition(lambda self: self.is_open and self.call.state is State.OPENING)
    @rule()
    def the_assistant_is_ready(self) -> None:
        self.give(AssistantReady(PCMU_8K, PCMU_8K, may_suspect=True, keys_interrupt=True))

    @precondition(lambda self: self.call.state is State.TALKING and self.items < MOST_ITEMS)
    @rule(ms=st.integers(1, 4_000), is_new=st.booleans())
    def a_reply_comes(self, ms: int, is_new: bool) -> None:
        if is_new or not self.item:
            self.items += 1
            self.item = f"item-{self.items}"
        value = int(self.item.partition("-")[2])
        self.sent_ms[self.item] += ms
        self.give(ReplySaid(self.item, "word "))
        self.give(ReplyAudio(self.item, bytes([value]) * ms * BYTES_PER_MS))

    @precondition(lambda self: self.item and self.is_open)
    @rule()
    def a_reply_ends(self) -> None:
        self.give(ReplyEnded(self.item))
        self.item = ""

    @precondition(lambda self: self.is_open)
    @rule(event=st.sampled_from(TOLD))
    def the_assistant_tells(self, event: Event) -> None:
        self.pauses += isinstance(event, SpeechSuspected)
        self.give(event)

    @precondition(lambda self: self.call.state is State.TALKING)
    @rule()
    def a_tool_is_called(self) -> None:
        self.give(ToolCalled(f"tool-{len(self.tools)}", "book", "{}"))

    @precondition(lambda self: self.tools)
    @rule(number=st.integers(0, 5))
    def a_tool_answers(self, number: int) -> None:
        self.give(ToolAnswered(self.tools[number % len(self.tools)], "done"))

    @precondition(lambda self: self.is_open)
    @rule(code=st.sampled_from([1000, 1006, 1008, 1011, 1013]))
    def the_assistant_is_lost(self, code: int) -> None:
        self.is_open = False
        self.item = ""
        self.give(LegLost(LegName.ASSISTANT, code))

    @precondition(lambda self: self.is_open)
    @rule(final=st.booleans())
    def the_assistant_fails(self, final: bool) -> None:
        self.item = ""
        self.give(AssistantFailed("it failed", final))

    @precondition(lambda self: self.is_stream_there and not self.is_over)
    @rule()
    def the_stream_breaks(self) -> None:
        self.give(LegLost(LegName.CARRIER, 1006))  # what was due before it is still sent
        self.carrier.take(ClearPlayback(0))
        self.is_stream_there = False

    @precondition(lambda self: not self.is_stream_there and self.call.state is not State.ENDED)
    @rule()
    def the_stream_comes_back(self) -> None:
        self.is_stream_there = True
        self.frames = 0
        self.give(START)

    @precondition(lambda self: self.is_open and self.call.state in (State.TALKING, State.HOLDING))
    @rule()
    def the_caller_is_to_be_put_through(self) -> None:
        self.give(TransferRequested("ann", tool_call_id="t"))

    @precondition(lambda self: self.call.state in (State.TALKING, State.HOLDING, State.WITH_PERSON))
    @rule(event=st.sampled_from(OF_PEOPLE))
    def the_carrier_tells_of_a_person(self, event: Event) -> None:
        self.give(event)
        if isinstance(event, PeopleJoined) and self.call.state is State.WITH_PERSON and self.is_stream_there:
            self.the_stream_breaks()

    @rule(
        event=st.sampled_from(ENDS),
        chance=st.integers(0, 9),
    )
    def the_call_is_to_end(self, event: Event, chance: int) -> None:
        if chance == 0:  # rarely, so that calls grow long
            self.give(event)

    # What holds at any time

    @invariant()
    def a_call_that_lives_has_a_deadline(self) -> None:
        due = self.call.deadline()
        assert (due is None) is (self.call.state is State.ENDED)

    @invariant()
    def each_item_is_played_in_one_piece_and_no_longer_than_it_was_sent(self) -> None:
        for piece in self.carrier.played:
            for value in dict.fromkeys(piece):
                if value in (QUIET, SENTENCE):
                    continue
                assert value == self.last_value or value not in self.played, (
                    f"item {value} is played in two pieces"
                )
                self.last_value = value
                self.played[value] += piece.count(value)
                item, played_ms = f"item-{value}", self.played[value] / BYTES_PER_MS
                assert played_ms <= self.sent_ms[item] + self.pauses * FRAME_MS, (
                    "a pause repeats a frame at most"
                )
                told_ms = self.told_ms.get(item, inf)
                assert played_ms <= told_ms + SLACK_MS, (
                    f"more of {item} was played than the assistant was told"
                )
        self.carrier.played.clear()

    @invariant()
    def counts_are_counts(self) -> None:
        assert all(count > 0 for count in self.call.counts().values())


TestAnySequence = AnySequence.TestCase
TestAnySequence.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
