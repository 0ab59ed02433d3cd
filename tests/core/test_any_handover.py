"""Any order of what carriers, briefings, assistants and callers say of a handover: late, twice, hang-up first.

Never are two groups called for one request, never is somebody left on the line, never are two voices heard, and the
assistant never hears a caller who is with somebody else, unless it is to listen.
"""

from collections import Counter
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.core.dialogue import DialogueRules
from bridge.core.elsewhere import Elsewhere
from bridge.core.joined_call import JoinedCall
from bridge.core.people import People, Person
from bridge.core.states import State
from bridge.core.supervision import Supervisor
from bridge.core.timers import Limits
from bridge.vocabulary.commands import (
    CONTROL_COMMANDS,
    AppendAudio,
    CloseAssistant,
    Command,
    OpenAssistant,
    PlayAudio,
    ReportTransfer,
    SendMark,
)
from bridge.vocabulary.events import (
    AssistantFailed,
    AssistantReady,
    CallEnded,
    CallerAudio,
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
    SpeechStarted,
    TimePassed,
    ToolAnswered,
    ToolCalled,
)
from bridge.vocabulary.operator import (
    HandoverRequested,
    HoldRequested,
    KeysRequested,
    MuteRequested,
    ReturnRequested,
)
from bridge.vocabulary.people import (
    BriefingStarted,
    CallPeople,
    CloseStream,
    EndHandover,
    EnterQueue,
    ListeningLost,
    ListeningStarted,
    Nobody,
    NobodyReached,
    PeopleJoined,
    PersonAccepted,
    PersonAnswered,
    PersonDeclined,
    PersonLeft,
    PersonRings,
    PutThrough,
    ReferCaller,
    ReleasePerson,
    TalkAudio,
    TransferRequested,
)
from bridge.vocabulary.room import (
    AssistantAddressed,
    Member,
    MemberAudio,
    MemberJoined,
    MemberLeft,
    Role,
    RoleRequested,
)
from bridge.vocabulary.supervision import (
    CallSupervisor,
    EndSupervision,
    Supervise,
    SuperviseRequested,
    SupervisorAnswered,
    SupervisorLeft,
    SupervisorNotReached,
    SupervisorRole,
)
from telecodecs.format import PCMA_8K, PCMU_8K

START = CallStarted("CA1", "MZ1", PCMU_8K)
READY = AssistantReady(PCMU_8K, PCMU_8K)
VOICE = b"\x11"
"""The sound of the assistant; nothing else has this value."""
LEGS = ["B1", "B2", "B3"]
GROUPS = (("+1555011",), ("+1555012", "+1555013"))
EVERYTHING = frozenset[type[Command]](CONTROL_COMMANDS)
FROM_THE_ASSISTANT = (
    AssistantReady,
    TransferRequested,
    ReplyAudio,
    EntryRequested,
    ToolCalled,
    AssistantFailed,
)

person_events: list[Event] = [
    event
    for leg in LEGS
    for event in (
        *(PersonRings(leg), PersonAnswered(leg, "+1555011"), PersonAnswered(leg, "+1555011")),
        *(PeopleJoined(leg), PersonLeft(leg), PersonLeft(leg, 12.0)),
        *(BriefingStarted(leg), PersonAccepted(leg), PersonDeclined(leg, "no")),
    )
]
verdicts: list[Event] = [
    NobodyReached(why, request_id)
    for why in (Nobody.BUSY, Nobody.MACHINE)
    for request_id in ("", "1.1", "1.2", "1.3", "2.1")
]
verdicts += [PeopleJoined(""), PersonLeft(""), PersonLeft("", 12.0)]
others: list[Event] = [
    *(TransferRequested("ann", tool_call_id=name) for name in ("a", "b", "c", "d")),
    *(LegLost(LegName.CARRIER, 1000), LegLost(LegName.CARRIER, 1006)),
    *(START, START, START, READY, READY),
    *(CallerAudio(b"\x22" * 160, 0), DigitPressed("#"), MarkReached("")),
    *(ReplyAudio("a", VOICE * 160), ReplyAudio("b", VOICE * 320), ReplyEnded("a"), ReplyEnded("b")),
    *(SpeechStarted(), EntryRequested("e"), ToolCalled("t", "book", "{}"), ToolAnswered("t", "done")),
    *(LegLost(LegName.ASSISTANT, 1006), AssistantFailed("it failed")),
    *(ListeningStarted(PCMU_8K), ListeningStarted(PCMU_8K), ListeningStarted(PCMA_8K), ListeningLost()),
    *(TalkAudio(b"\x22" * 160, at_ms, is_callers=at_ms == 20) for at_ms in (0, 20, 20, 400)),
    *(MemberJoined(Member.PERSON, leg, PCMU_8K) for leg in LEGS),
    *(MemberLeft(Member.PERSON, leg) for leg in LEGS),
    *(MemberAudio(Member.PERSON, leg, b"\x44" * 160, at_ms) for leg in LEGS for at_ms in (0, 20, 40)),
    *(RoleRequested(Member.ASSISTANT, role) for role in (Role.TALKS, Role.SILENT)),
    *(
        AssistantAddressed(),
        RoleRequested(Member.CALLER, Role.MUTED),
        RoleRequested(Member.SUPERVISOR, Role.TALKS),
    ),
    *(HoldRequested(on=True), HoldRequested(on=True), HoldRequested(on=False), HoldRequested(on=False)),
    *(
        ReturnRequested(),
        KeysRequested("12"),
        HandoverRequested("ann"),
        HandoverRequested("eve", at_once=True),
    ),
    *(MuteRequested(who, muted) for who in ("caller", "assistant") for muted in (True, False)),
]
supervision: list[Event] = [
    *(SuperviseRequested("desk", role) for role in SupervisorRole),
    *(SuperviseRequested("desk", SupervisorRole.WHISPER, to) for to in ("person", "assistant")),
    SuperviseRequested("boss", SupervisorRole.LISTEN),
    *(SupervisorAnswered("desk", leg) for leg in ("S1", "S1", "S2")),
    *(SupervisorNotReached("desk", Nobody.BUSY), SupervisorLeft("desk")),
    *(MemberJoined(Member.SUPERVISOR, leg, line) for leg in ("S1", "S2") for line in (PCMU_8K, PCMA_8K)),
    *(MemberLeft(Member.SUPERVISOR, leg) for leg in ("S1", "S2")),
    *(
        MemberAudio(Member.SUPERVISOR, leg, b"\x66" * 160, at_ms)
        for leg in ("S1", "S2")
        for at_ms in (0, 20, 40)
    ),
]
ends: list[Event] = [
    CallEnded(),
    CloseRequested("the assistant hung up", 1000),
    CloseRequested("the server is closing"),
    GoodbyeRequested("the server is closing", 2.0),
]
moments = st.one_of(
    st.sampled_from(person_events),
    st.sampled_from(verdicts),
    st.sampled_from(others),
    st.sampled_from(supervision),
    st.floats(0.01, 40.0),
    st.floats(0.01, 1.0),
)
orders = st.tuples(st.lists(moments, max_size=40), st.sampled_from(ends), st.lists(moments, max_size=6))
ELSEWHERE = (("+1555011",), Elsewhere("queue", "support"), Elsewhere("refer", "sip:a@b"), ("+1555012",))
people_called = st.builds(
    Person,
    groups=st.just(GROUPS),
    listens=st.booleans(),
    mixes=st.booleans(),
    assistant_talks=st.booleans(),
    is_warm=st.booleans(),
    hold=st.sampled_from([b"", b"\x33" * 800]),
    comes_back=st.booleans(),
    nobody=st.sampled_from(["back", "message", "hang_up"]),
)

taken_elsewhere = people_called.map(
    lambda person: replace(person, groups=ELSEWHERE, listens=False, is_warm=False)
)
persons = st.one_of(people_called, people_called, taken_elsewhere)


class Line:
    """One call, the carrier's stream and the people's legs, as they are by what was said."""

    def __init__(self, person: Person, closes: bool) -> None:
        can = EVERYTHING if closes else EVERYTHING - {CloseStream}
        supervisors = dict.fromkeys(("desk", "boss"), Supervisor((("+1555019",),)))
        people = People(
            {"ann": person, "eve": replace(person, is_warm=True)},
            {"": ("ann",)},
            supervisors=supervisors,
            held=b"\x33" * 800,
        )
        limits = Limits(open_s=5, silent_s=600, longest_s=900, resume_s=20)
        self.listens = person.listens
        self.call = JoinedCall(0.0, limits, DialogueRules(reorder_ms=0, can=can), people=people)
        self.now = 0.0
        self.requests: Counter[str] = Counter()
        self.on_the_line: dict[str, None] = {}
        """Legs that have answered, and that nobody has hung up on."""
        self.answered: set[str] = set()
        self.supervisors: set[str] = set()
        """Those who were called, and are neither gone nor hung up on."""
        self.marks: list[str] = []
        self.is_open = False
        self.is_elsewhere = False
        """The last request was for a queue, or a referral: of these alone carriers tell without a leg."""
        self.handovers = 0

    def give(self, event: Event) -> None:
        if isinstance(event, FROM_THE_ASSISTANT) and not self.is_open:
            return
        if isinstance(event, PeopleJoined | PersonLeft) and not event.person_leg and not self.is_elsewhere:
            return
        if isinstance(event, MarkReached):
            if not self.marks:
                return
            event = MarkReached(self.marks.pop(0))
        before, was_held = self.call.state, self.call.is_held
        if isinstance(event, PersonAnswered) and before is not State.ENDED:
            if event.person_leg not in self.answered:  # else it is told twice
                self.on_the_line[event.person_leg] = None
            self.answered.add(event.person_leg)
        if isinstance(event, PersonLeft):
            self.on_the_line.pop(event.person_leg, None)
        if isinstance(event, SupervisorLeft | SupervisorNotReached):
            self.supervisors.discard(event.supervisor)
        if event == LegLost(LegName.ASSISTANT, 1006):
            self.is_open = False
        for command in self.call.handle(event, self.now):
            self.take(command, before)
            check_held(command, is_held=was_held and self.call.is_held)
        assert (self.call.deadline() is None) is (self.call.state is State.ENDED)
        if self.call.state is State.WITH_PERSON:
            assert self.listens or not self.is_open, "an assistant is open while two people talk"

    def take(self, command: Command, before: State) -> None:
        away = (State.HOLDING, State.WITH_PERSON, State.ENDED)
        is_away = before in away and self.call.state in away
        assert before is not State.ENDED, f"{command} after the end"
        match command:
            case CallPeople() | PutThrough() | EnterQueue() | ReferCaller():
                self.is_elsewhere = isinstance(command, EnterQueue | ReferCaller)
                self.requests[command.request_id] += 1
                assert self.requests[command.request_id] == 1, "a group is called twice"
            case ReleasePerson(""):
                self.on_the_line.clear()
            case ReleasePerson(leg):
                self.on_the_line.pop(leg, None)
            case CallSupervisor(name) | Supervise(name):
                assert name not in self.supervisors, "a supervisor is called twice"
                self.supervisors.add(name)
            case EndSupervision(name):
                self.supervisors.discard(name)
            case PlayAudio(audio):
                assert not (is_away and VOICE in audio), "the assistant is heard by somebody on hold"
            case AppendAudio():
                is_listening = self.listens and State.WITH_PERSON in (before, self.call.state)
                assert is_listening or not is_away, "the assistant hears somebody on hold"
            case SendMark(name):
                self.marks.append(name)
            case OpenAssistant() | CloseAssistant():
                self.is_open = isinstance(command, OpenAssistant)
            case ReportTransfer():
                assert self.is_open, "nobody is told"
            case EndHandover():
                self.handovers += 1

    def wait(self, seconds: float) -> None:
        until = self.now + seconds
        while (due := self.call.deadline()) is not None and due <= until:
            self.now = max(self.now, due)
            self.give(TimePassed())
        self.now = until

    def run(self, order: list[Event | float]) -> None:
        for moment in order:
            if isinstance(moment, float):
                self.wait(moment)
            else:
                self.give(moment)


def check_held(command: Command, *, is_held: bool) -> None:
    """Whose call an operator holds hears nobody, and the assistant does not hear them."""
    if is_held and isinstance(command, PlayAudio):
        assert not any(sound in command.audio for sound in (VOICE, b"\x44", b"\x66")), "a caller is held"
    if is_held and isinstance(command, AppendAudio):
        assert b"\x22" not in command.audio, "the assistant hears a caller who is held"


@settings(max_examples=1000)
@given(persons, st.booleans(), orders)
def test_nobody_is_called_twice_left_behind_or_talked_over(
    person: Person, closes: bool, order: tuple[list[Event | float], Event, list[Event | float]]
) -> None:
    line = Line(person, closes)
    line.run([START, READY, TransferRequested("ann", tool_call_id="z")])
    ends_well(line, order)


@settings(max_examples=300, deadline=None)
@given(persons, orders)
def test_nor_with_a_supervisor(
    person: Person, order: tuple[list[Event | float], Event, list[Event | float]]
) -> None:
    line = Line(person, closes=False)
    line.run([START, READY, SuperviseRequested("desk", SupervisorRole.BARGE)])
    line.run([SupervisorAnswered("desk", "S1"), MemberJoined(Member.SUPERVISOR, "S1", PCMU_8K)])
    ends_well(line, order)


@settings(max_examples=300, deadline=None)
@given(persons, st.booleans(), orders)
def test_nor_in_a_room(
    person: Person, talks: bool, order: tuple[list[Event | float], Event, list[Event | float]]
) -> None:
    line = Line(replace(person, mixes=True, assistant_talks=talks, hold=b""), closes=False)
    line.run([START, READY, TransferRequested("ann", tool_call_id="z"), PersonAnswered("B1", "+1555011")])
    line.run([PersonAccepted("B1"), MemberJoined(Member.PERSON, "B1", PCMU_8K)])
    assert line.call.state is State.IN_ROOM
    ends_well(line, order)


def ends_well(line: Line, order: tuple[list[Event | float], Event, list[Event | float]]) -> None:
    before, end, after = order
    line.run([*before, end, *after])
    line.give(CallEnded())
    line.wait(20.0)
    line.give(CallEnded())
    assert line.call.state is State.ENDED
    assert line.call.leaves_people or not line.on_the_line
    assert line.call.leaves_people or not line.supervisors, "a supervisor is left on the line"
    assert line.handovers <= line.requests.total() + 1
    assert max(line.requests.values(), default=1) == 1
