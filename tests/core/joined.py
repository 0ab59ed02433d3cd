"""A caller, an assistant and a supervisor in virtual time: the calls of both legs, connected as the server does it.

The caller's telephone plays what it is sent in real time, and returns a mark when it has played what was before it.
"""

from collections import deque
from collections.abc import Iterable

from bridge.core.called_in_call import CalledInCall
from bridge.core.dialogue import DialogueRules
from bridge.core.people import People, Person
from bridge.core.states import State
from bridge.core.supervision import Supervisor
from bridge.core.supervisor_leg import SupervisorLeg
from bridge.core.timers import Limits
from bridge.vocabulary.commands import (
    CONTROL_COMMANDS,
    AppendAudio,
    ClearPlayback,
    Command,
    PlayAudio,
    SendMark,
)
from bridge.vocabulary.events import (
    AssistantReady,
    CallerAudio,
    CallStarted,
    Event,
    MarkReached,
    ReplyAudio,
    ReplyEnded,
    TimePassed,
)
from bridge.vocabulary.people import CallerLeft, CloseStream
from bridge.vocabulary.room import (
    DismissMember,
    JoinRoom,
    Member,
    MemberAudio,
    MemberJoined,
    MemberLeft,
    PlayToMember,
    RoomAudio,
    SpeakToRoom,
)
from bridge.vocabulary.supervision import (
    SuperviseRequested,
    SupervisorAnswered,
    SupervisorCalledIn,
    SupervisorRole,
)
from telecodecs.format import FRAME_MS, PCMU_8K, AudioFormat
from tests.core.test_room import likeness, samples, voice

CAN = frozenset[type[Command]](CONTROL_COMMANDS) - {CloseStream}
READY = AssistantReady(PCMU_8K, PCMU_8K)
LISTEN, WHISPER, BARGE, LEAVE = SupervisorRole
SILENCE = b"\xff" * 160
MUSIC = b"\x33" * 1600
"""What a caller on hold hears."""


class Telephone:
    """Plays what it is sent, a frame at a time; `heard` has silence where there is nothing."""

    def __init__(self, frame: int, silence: bytes) -> None:
        self.heard: list[bytes] = []
        self._frame = frame
        self._silence = silence * (frame // len(silence))
        self._queue: deque[bytes | str] = deque()

    @property
    def sound(self) -> bytes:
        return b"".join(self.heard)

    def take(self, command: Command) -> list[str]:
        """Returns the marks that come back at once."""
        if isinstance(command, ClearPlayback):
            marks = [one for one in self._queue if isinstance(one, str)]
            self._queue.clear()
            return marks
        if isinstance(command, PlayAudio):
            self._queue.append(command.audio)
        elif isinstance(command, SendMark):
            self._queue.append(command.name)
        return []

    def plays(self) -> list[str]:
        """Play a frame. Returns the marks that come back."""
        played, marks = b"", list[str]()
        while self._queue and (len(played) < self._frame or isinstance(self._queue[0], str)):
            one = self._queue.popleft()
            if isinstance(one, str):
                marks.append(one)
                continue
            wanted = self._frame - len(played)
            played += one[:wanted]
            if len(one) > wanted:
                self._queue.appendleft(one[wanted:])
        self.heard.append(played + self._silence[len(played) :])
        return marks


class Supervised:
    """A call that talks with an assistant since 0.0, and that a supervisor may join."""

    def __init__(
        self,
        line: AudioFormat = PCMU_8K,
        desk_line: AudioFormat = PCMU_8K,
        can: frozenset[type[Command]] = CAN,
        pin: str = "",
    ) -> None:
        limits = Limits(open_s=5, silent_s=10_000, longest_s=3600, resume_s=30.0)
        rules = DialogueRules(reorder_ms=0, can=can)
        persons = {
            "ann": Person(groups=(("+15550111",),), mixes=True, assistant_talks=True),
            "bob": Person(groups=(("+15550112",),)),
            "carol": Person(groups=(("+15550113",),), mixes=True, is_warm=True, hold=MUSIC),
        }
        supervisors = {
            "desk": Supervisor((("+15550130",), ("+15550131",)), ring_s=20.0),
            "boss": Supervisor((("+15550132",),)),
        }
        people = People(persons, {"": ("ann", "bob")}, supervisors=supervisors, held=MUSIC)
        self.call = CalledInCall(0.0, limits, rules, people=people)
        self.leg = SupervisorLeg(0.0, limits, rules, pin=pin)
        self.caller = Telephone(line.bytes_in(FRAME_MS), line.silence)
        self.desk = Telephone(desk_line.bytes_in(FRAME_MS), desk_line.silence)
        self.hears = bytearray()
        """What the assistant hears."""
        self.did: list[Command] = []
        """What the caller's call commanded beside audio."""
        self.did_at: list[float] = []
        self.now = 0.0
        self.desk_did: list[Command] = []
        """What the leg of the supervisor commanded beside audio."""
        self._is_gone = False
        self._calls_in = ""  # the supervisor who calls in on that leg
        self._desk_line = desk_line
        self.feed(CallStarted("CA1", "MZ1", line), READY)

    def ask(self, role: SupervisorRole, supervisor: str = "desk", to: str = "") -> list[Command]:
        """An operator asks. Returns what came of it beside audio."""
        before = len(self.did)
        self.feed(SuperviseRequested(supervisor, role, to))
        return self.did[before:]

    def joins(self, role: SupervisorRole = LISTEN, to: str = "") -> None:
        """The desk is asked for, answers, and its stream starts."""
        self.ask(role, to=to)
        self.feed(SupervisorAnswered("desk", "S1"))
        self.feed_desk(CallStarted("S1", "MZ9", self._desk_line))

    def calls_in(self, supervisor: str = "desk") -> None:
        """This supervisor calls in, and the stream of their leg starts."""
        self._calls_in = supervisor
        self.feed_desk(CallStarted("S1", "MZ9", self._desk_line))

    def feed(self, *events: Event) -> None:
        for event in events:
            lane = self.call.lanes.get(type(event))
            straight = None if lane is None else lane(event, self.now)
            for command in self.call.handle(event, self.now) if straight is None else straight:
                self._take(command)

    def feed_desk(self, *events: Event) -> None:
        for event in events:
            for command in self.leg.handle(event, self.now):
                self._take_desk(command)
        if self.leg.state is State.ENDED and not self._is_gone:
            self._is_gone = True
            self.feed(MemberLeft(Member.SUPERVISOR, "S1"))

    def _take(self, command: Command) -> None:
        match command:
            case PlayAudio() | SendMark() | ClearPlayback():
                self.feed(*map(MarkReached, self.caller.take(command)))
            case AppendAudio(audio):
                self.hears += audio
            case PlayToMember(Member.SUPERVISOR, "S1", audio):
                self.feed_desk(RoomAudio(audio))
            case DismissMember("S1", why):
                self.did.append(command)
                self.feed_desk(CallerLeft(why))
            case _:
                self.did.append(command)
                self.did_at.append(self.now)

    def _take_desk(self, command: Command) -> None:
        match command:
            case PlayAudio() | SendMark() | ClearPlayback():
                self.feed_desk(*map(MarkReached, self.desk.take(command)))
            case JoinRoom(line):
                if self._calls_in:
                    self.feed(SupervisorCalledIn(self._calls_in, "S1"))
                self.feed(MemberJoined(Member.SUPERVISOR, "S1", line))
            case SpeakToRoom(audio, at_ms):
                self.feed(MemberAudio(Member.SUPERVISOR, "S1", audio, at_ms))
            case _:
                self.desk_did.append(command)

    def lasts(self, caller: Iterable[bytes], desk: Iterable[bytes], *, offset_s: float = 0.004) -> None:
        """Frames of both, one every 20 ms; an empty one is missing."""
        for said, told in zip(caller, desk, strict=True):
            began, at_ms = self.now, round(self.now * 1000)
            if said:
                self.feed(CallerAudio(said, at_ms))
            self.now += offset_s
            if told:
                self.feed_desk(CallerAudio(told, at_ms))
            self.feed(*map(MarkReached, self.caller.plays()))
            self.feed_desk(*map(MarkReached, self.desk.plays()))
            self.now = began + 0.02
            for call, feed in ((self.call, self.feed), (self.leg, self.feed_desk)):
                due = call.deadline()
                if due is not None and due <= self.now:
                    feed(TimePassed())

    def commanded(self, kind: type[Command]) -> list[Command]:
        """What of this kind the caller's call commanded."""
        return [command for command in self.did if isinstance(command, kind)]


QUIET = [SILENCE] * 100
YES, NO = 0.9, 0.02


def hears(heard: bytes | bytearray, said: list[bytes]) -> float:
    """How like the words what was heard of them is: at the place of the last two seconds."""
    return likeness(samples([bytes(heard[-len(said) * 160 :])]), samples(said))


def is_of_two(call: Supervised) -> None:
    """The caller and the assistant talk, and a frame costs what it costs without a supervisor."""
    assert call.call.lanes is call.call._dialogue.lanes
    said = voice(7)
    call.lasts(said, [b""] * 100)
    assert hears(call.hears, said) >= YES
    call.feed(ReplyAudio("r9", b"".join(voice(8))), ReplyEnded("r9"))
    call.lasts(QUIET, [b""] * 100)
    assert hears(call.caller.sound, voice(8)) >= YES
    assert call.call.counts().get("stray_marks", 0) == 0
