"""The calls of the tests of handovers: one that talks, and what it says and is answered.

The carrier is a set of commands that it can do: one that keeps the caller's stream until somebody answers, and one that
needs it closed before it calls.
"""

from collections.abc import Sequence

from bridge.core.dialogue import DialogueRules
from bridge.core.people import People, Person, in_words
from bridge.core.people_call import PeopleCall
from bridge.core.timers import Limits
from bridge.vocabulary.commands import (
    CONTROL_COMMANDS,
    Command,
    ControlCommand,
    OpenAssistant,
    ReportTransfer,
)
from bridge.vocabulary.events import (
    AssistantReady,
    CallStarted,
    Event,
    History,
    Opening,
    Said,
    ToolUsed,
)
from bridge.vocabulary.people import (
    CallPeople,
    CloseStream,
    Outcome,
    PersonAnswered,
    PutThrough,
    TransferRequested,
)
from telecodecs.format import PCMU_8K

START = CallStarted("CA1", "MZ1", PCMU_8K)
AGAIN = CallStarted("CA1", "MZ2", PCMU_8K)
READY = AssistantReady(PCMU_8K, PCMU_8K)
FRAME = bytes(range(160))
MUSIC = b"\x55" * 160
GROUPS = (("+15550111",), ("+15550112", "sip:ann@pbx.example.com"))
ASK = TransferRequested("billing", "an invoice", "Ann, invoice 12", "call_1")
ARGUMENTS = '{"person":"billing","why":"an invoice","summary":"Ann, invoice 12"}'
STAYS = frozenset(CONTROL_COMMANDS) - {CloseStream}
"""A carrier that keeps the caller's stream."""
CLOSES = frozenset(CONTROL_COMMANDS)
"""A carrier that goes on when the caller's stream is closed."""
ANSWERED = PersonAnswered("B1", "+15550111")
CLOSED = CloseStream("the caller is put through")

Row = tuple[float, Event, Sequence[Command]]


def talking(can: frozenset[type[ControlCommand]] = STAYS, **how: object) -> PeopleCall:
    """A call that talks since 0.0."""
    given: dict[str, object] = {"groups": GROUPS, "ring_s": 25.0} | how
    person = Person(**given)  # type: ignore[arg-type]
    call = PeopleCall(
        0.0,
        Limits(open_s=5, silent_s=10_000, longest_s=3600),
        DialogueRules(reorder_ms=0, can=frozenset[type[Command]](can)),
        people=People({"billing": person, "boss": person}, {"": ("billing",)}),
    )
    call.handle(START, 0.0)
    call.handle(READY, 0.0)
    return call


def follow(call: PeopleCall, transcript: Sequence[Row]) -> None:
    for when, event, commands in transcript:
        assert call.handle(event, when) == list(commands), f"at {when}: {event}"


def put_through(group: int, number: int = 1) -> PutThrough:
    return PutThrough("billing", GROUPS[group], "ours", 25.0, f"{number}.{group + 1}")


def called(group: int, number: int = 1) -> CallPeople:
    return CallPeople("billing", GROUPS[group], "ours", 25.0, f"{number}.{group + 1}")


def reported(outcome: Outcome, why: str = "", talked_s: float = 0.0) -> ReportTransfer:
    return ReportTransfer("call_1", "billing", outcome, in_words("billing", outcome, why, talked_s))


def returned(*said: Said, outcome: Outcome, why: str = "", talked_s: float = 0.0) -> OpenAssistant:
    output = in_words("billing", outcome, why, talked_s)
    history: History = (*said, ToolUsed("", "transfer", ARGUMENTS, output))
    return OpenAssistant("CA1", PCMU_8K, {}, "", Opening.RETURNED, history)
