"""A call that is put through to a person at once, before an assistant has spoken, as call transcripts."""

from bridge.core.dialogue import DialogueRules
from bridge.core.failover import FailoverPlan
from bridge.core.people import People, Person, in_words
from bridge.core.people_call import PeopleCall
from bridge.core.states import State
from bridge.core.timers import Limits
from bridge.vocabulary.call_facts import CallContext
from bridge.vocabulary.commands import CloseAssistant, Command, HangUp, OpenAssistant, PlayAudio, SendMark
from bridge.vocabulary.events import CallEnded, MarkReached, Opening, ToolUsed
from bridge.vocabulary.people import (
    EndHandover,
    Nobody,
    NobodyReached,
    Outcome,
    PeopleJoined,
    PersonLeft,
    ReleasePerson,
    TakeBack,
)
from tests.core.handovers import (
    AGAIN,
    ANSWERED,
    CLOSED,
    CLOSES,
    FRAME,
    GROUPS,
    READY,
    START,
    STAYS,
    follow,
    put_through,
)


def ringing(
    person: str = "billing", *, can: frozenset[type[Command]] = frozenset(STAYS), announcement: bytes = b""
) -> PeopleCall:
    """A call that has not started."""
    return PeopleCall(
        0.0,
        Limits(open_s=5, silent_s=10_000, longest_s=3600),
        DialogueRules(reorder_ms=0, can=can, announcement=announcement),
        people=People({"billing": Person(groups=GROUPS, ring_s=25.0)}),
        plan=FailoverPlan(context=CallContext(put_through=person)),
    )


def opened(commands: list[Command]) -> list[Opening]:
    return [word.opening for word in commands if isinstance(word, OpenAssistant)]


def test_the_person_is_called_at_once_and_no_assistant_is_opened() -> None:
    call = ringing()
    follow(
        call,
        [
            (0.0, START, [put_through(0)]),
            (3.0, ANSWERED, []),
            (3.2, PeopleJoined("B1"), []),
        ],
    )
    assert call.state is State.WITH_PERSON
    back = call.handle(PersonLeft("B1", 60.0), 63.2)
    assert back == [EndHandover("billing", Outcome.TALKED, 3.2, 60.0), TakeBack()]
    assert opened(call.handle(AGAIN, 63.3)) == [Opening.RETURNED]


def test_a_carrier_that_needs_the_stream_closed() -> None:
    call = ringing(can=frozenset(CLOSES))
    follow(call, [(0.0, START, [put_through(0), CLOSED])])


def test_nobody_is_reached_and_the_assistant_answers_and_knows_why() -> None:
    call = ringing()
    call.handle(START, 0.0)
    call.handle(NobodyReached(Nobody.BUSY), 1.0)
    commands = call.handle(NobodyReached(Nobody.NO_ANSWER), 27.0)
    output = in_words("billing", Outcome.NO_ANSWER, "", 0.0)
    (told,) = [word for word in commands if isinstance(word, OpenAssistant)]
    assert told.history == (ToolUsed("", "transfer", '{"person":"billing"}', output),)
    assert call.handle(READY, 27.1) == []
    assert call.state is State.TALKING


def test_the_announcement_is_heard_first() -> None:
    call = ringing(announcement=FRAME * 10)
    begun = call.handle(START, 0.0)
    assert [type(word) for word in begun] == [PlayAudio, SendMark]
    (mark,) = [word.name for word in begun if isinstance(word, SendMark)]
    assert call.handle(MarkReached(mark), 0.25)[-1:] == [put_through(0)]


def test_the_caller_hangs_up_while_it_rings() -> None:
    call = ringing()
    call.handle(START, 0.0)
    assert call.handle(CallEnded(), 2.0) == [
        ReleasePerson("", "the caller hung up"),
        EndHandover("billing", Outcome.CALLER_LEFT, 2.0),
        HangUp(1000, "the call ended"),
    ]
    assert CloseAssistant() not in call.handle(CallEnded(), 2.1)


def test_a_person_whom_the_settings_do_not_name_and_a_carrier_that_cannot_do_it() -> None:
    for call in (ringing("+15550199"), ringing(can=frozenset())):
        assert opened(call.handle(START, 0.0)) == [Opening.FIRST]
