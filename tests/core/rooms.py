"""A caller, a person and an assistant in a room, in virtual time: the calls of both legs, connected as the server does it."""

from collections.abc import Iterable

from bridge.core.call import Call
from bridge.core.dialogue import DialogueRules
from bridge.core.failover import FailoverPlan
from bridge.core.member_call import MemberCall
from bridge.core.operated_room import OperatedRoomCall
from bridge.core.people import People, Person
from bridge.core.states import State
from bridge.core.timers import Limits
from bridge.vocabulary.commands import (
    CONTROL_COMMANDS,
    AppendAudio,
    ClearPlayback,
    Command,
    HangUp,
    PlayAudio,
    SendMark,
)
from bridge.vocabulary.events import AssistantReady, CallerAudio, CallStarted, Event, MarkReached, TimePassed
from bridge.vocabulary.people import (
    BriefingStarted,
    CloseStream,
    PersonAccepted,
    PersonAnswered,
    PersonDeclined,
    ReportBriefing,
    TransferRequested,
)
from bridge.vocabulary.room import (
    JoinRoom,
    Member,
    MemberAudio,
    MemberJoined,
    MemberLeft,
    PlayToMember,
    RoomAudio,
    SpeakToRoom,
)
from telecodecs.format import PCMU_8K, AudioFormat

CAN = frozenset[type[Command]](CONTROL_COMMANDS) - {CloseStream}
READY = AssistantReady(PCMU_8K, PCMU_8K)
ASK = TransferRequested("billing", "an invoice", "", "call_1")


class Far:
    """One telephone: what it was sent, and marks that come back at once."""

    def __init__(self) -> None:
        self.heard = bytearray()
        self.came: list[tuple[float, bytes]] = []
        self.marks: list[str] = []

    def take(self, command: Command, now: float) -> None:
        match command:
            case PlayAudio(audio):
                self.heard += audio
                self.came.append((now, audio))
            case SendMark(name):
                self.marks.append(name)
            case ClearPlayback():
                self.came.append((now, b""))


class Talk:
    """A call that is put through to a person with whom the bridge mixes it."""

    def __init__(
        self, line: AudioFormat = PCMU_8K, person_line: AudioFormat = PCMU_8K, **how: object
    ) -> None:
        given: dict[str, object] = {"groups": (("+15550111",),), "mixes": True} | how
        person = Person(**given)  # type: ignore[arg-type]
        limits = Limits(open_s=5, silent_s=10_000, longest_s=3600, resume_s=30.0)
        rules = DialogueRules(reorder_ms=0, can=CAN)
        self.call = OperatedRoomCall(
            0.0, limits, rules, people=People({"billing": person}, {"": ("billing",)})
        )
        self.leg: MemberCall = MemberCall(
            0.0, Limits(silent_s=10_000), rules, briefs=person.is_warm, accept="key", plan=FailoverPlan()
        )
        self.caller, self.person = Far(), Far()
        self.did: list[Command] = []
        """What the caller's call commanded beside audio."""
        self.of_person: list[Command] = []
        self.hears = bytearray()
        """What the assistant hears."""
        self.now = 0.0
        self._person_line = person_line
        self.feed(CallStarted("CA1", "MZ1", line), READY)
        self.feed(ASK)

    def feed(self, *events: Event) -> None:
        """Events of the caller's call."""
        for event in events:
            for command in self.call.handle(event, self.now):
                self._take(command)

    def feed_person(self, *events: Event) -> None:
        """Events of the person's leg."""
        for event in events:
            for command in self.leg.handle(event, self.now):
                self._take_person(command)

    def _take(self, command: Command) -> None:
        match command:
            case PlayAudio() | SendMark() | ClearPlayback():
                self.caller.take(command, self.now)
            case AppendAudio(audio):
                self.hears += audio
            case PlayToMember(Member.PERSON, "B1", audio):
                self.feed_person(RoomAudio(audio))
            case _:
                self.did.append(command)

    def _take_person(self, command: Command) -> None:
        match command:
            case PlayAudio() | SendMark() | ClearPlayback():
                self.person.take(command, self.now)
            case ReportBriefing(is_accepted, why):
                self.feed(PersonAccepted("B1") if is_accepted else PersonDeclined("B1", why))
            case JoinRoom(line):
                self.feed(MemberJoined(Member.PERSON, "B1", line))
            case SpeakToRoom(audio, at_ms):
                self.feed(MemberAudio(Member.PERSON, "B1", audio, at_ms))
            case HangUp() if self.leg.state is State.ENDED:
                self.of_person.append(command)
                self.feed(MemberLeft(Member.PERSON, "B1"))
            case _:
                self.of_person.append(command)

    def answers(self) -> None:
        """The person answers, and their stream starts."""
        self.feed(PersonAnswered("B1", "+15550111"), BriefingStarted("B1"))
        self.feed_person(CallStarted("B1", "MZ2", self._person_line))

    def lasts(
        self,
        caller: Iterable[bytes],
        person: Iterable[bytes],
        *,
        offset_s: float = 0.004,
    ) -> None:
        """Frames of both, one every 20 ms, and the marks that come back; an empty one is missing."""
        for said, told in zip(caller, person, strict=True):
            began, at_ms = self.now, round(self.now * 1000)
            if said:
                self.feed(CallerAudio(said, at_ms))
            self.now += offset_s
            if told:
                self.feed_person(CallerAudio(told, at_ms))
            self._marks(self.call, self.caller)
            self._marks(self.leg, self.person)
            self.now = began + 0.02
            for call, feed in ((self.call, self.feed), (self.leg, self.feed_person)):
                due = call.deadline()
                if due is not None and due <= self.now:
                    feed(TimePassed())

    def _marks(self, call: Call, far: Far) -> None:
        marks, far.marks = far.marks, []
        feed = self.feed if call is self.call else self.feed_person
        for mark in marks:
            feed(MarkReached(mark))

    def commanded(self, kind: type[Command]) -> list[Command]:
        """What of this kind the caller's call commanded."""
        return [command for command in self.did if isinstance(command, kind)]
