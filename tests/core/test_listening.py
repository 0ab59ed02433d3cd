"""An assistant that stays while the caller talks with a person: what it hears, what it may do, and how it goes on."""

import numpy as np
import pytest

from bridge.core.dialogue import DialogueRules
from bridge.core.failover import FailoverPlan
from bridge.core.listening_call import STARTS_S, ListeningCall
from bridge.core.people import People, Person
from bridge.core.states import State
from bridge.core.talk_audio import LATE_FRAMES, TalkMixer
from bridge.core.timers import Limits
from bridge.vocabulary.call_facts import CallContext
from bridge.vocabulary.commands import (
    AppendAudio,
    CloseAssistant,
    Command,
    DropReply,
    OpenAssistant,
    PlayAudio,
    RunTool,
)
from bridge.vocabulary.events import (
    AssistantFailed,
    CallEnded,
    CallerSaid,
    CloseRequested,
    DigitPressed,
    Event,
    GoodbyeRequested,
    LegLost,
    LegName,
    NoteTaken,
    OutcomeSet,
    ReplyAudio,
    ReplyEnded,
    ReplySaid,
    SpeechStarted,
    SpeechStopped,
    TimePassed,
    ToolCalled,
)
from bridge.vocabulary.people import (
    EndHandover,
    ListeningLost,
    ListeningStarted,
    Outcome,
    PeopleJoined,
    PersonAnswered,
    PersonLeft,
    PutThrough,
    TakeBack,
    TalkAudio,
)
from telecodecs.codec import decoder, encoder
from telecodecs.format import L16_8K, PCMA_8K, PCMU_8K, Samples
from tests.core.handovers import AGAIN, ASK, CLOSES, GROUPS, READY, START, STAYS, follow, reported

STREAM = ListeningStarted(PCMU_8K)
LEFT = PersonLeft("B1", 7.0)
ENDED = EndHandover("billing", Outcome.TALKED, 2.0, 7.0)
DROPPED = LegLost(LegName.CARRIER, 1000, "stopped")


def voice(level: int) -> bytes:
    return encoder(PCMU_8K)(np.full(160, level, np.int16))


CALLER, PERSON = voice(1000), voice(2000)


def samples(frame: bytes) -> Samples:
    return decoder(PCMU_8K)(frame)


def asked(can: frozenset[type] = STAYS, *, listens: bool = True) -> ListeningCall:
    """A call that is being put through."""
    person = Person(groups=GROUPS, listens=listens)
    call = ListeningCall(
        0.0,
        Limits(open_s=5, silent_s=10_000, longest_s=3600),
        DialogueRules(reorder_ms=0, can=frozenset[type[Command]](can)),
        people=People({"billing": person}, {"": ("billing",)}),
    )
    for event in (START, READY):
        call.handle(event, 0.0)
    call.handle(ASK, 0.0)
    return call


def joined(can: frozenset[type] = STAYS, *, listens: bool = True) -> ListeningCall:
    """A call whose caller talks with the person since 2.0; nothing listens yet."""
    call = asked(can, listens=listens)
    call.handle(PersonAnswered("B1", "+15550111"), 1.5)
    call.handle(DROPPED, 1.6)
    call.handle(PeopleJoined("B1"), 2.0)
    assert call.state is State.WITH_PERSON
    return call


def listening() -> ListeningCall:
    call = joined()
    assert call.handle(STREAM, 2.1) == []
    return call


def talk(call: ListeningCall, at_ms: int, now: float) -> list[Command]:
    """A frame of each."""
    return [
        *call.handle(TalkAudio(CALLER, at_ms, is_callers=True), now),
        *call.handle(TalkAudio(PERSON, at_ms, is_callers=False), now),
    ]


# What it hears


def test_the_carrier_is_told_that_the_assistant_listens() -> None:
    call = ListeningCall(
        0.0,
        Limits(open_s=5),
        DialogueRules(reorder_ms=0, can=frozenset[type[Command]](CLOSES)),
        people=People({"billing": Person(groups=GROUPS, listens=True)}, {"": ("billing",)}),
    )
    call.handle(START, 0.0)
    call.handle(READY, 0.0)
    (request,) = [one for one in call.handle(ASK, 0.0) if isinstance(one, PutThrough)]
    assert request.listens


def test_where_no_assistant_is_there_yet_nothing_is_streamed() -> None:
    call = ListeningCall(
        0.0,
        Limits(open_s=5),
        DialogueRules(reorder_ms=0, can=frozenset[type[Command]](CLOSES)),
        people=People({"billing": Person(groups=GROUPS, listens=True)}),
        plan=FailoverPlan(context=CallContext(put_through="billing")),
    )
    (request,) = [one for one in call.handle(START, 0.0) if isinstance(one, PutThrough)]
    assert not request.listens


def test_the_assistant_stays_and_hears_the_sum_of_both() -> None:
    call = listening()
    (heard,) = talk(call, 0, 2.2)
    assert isinstance(heard, AppendAudio)
    assert samples(heard.audio) == pytest.approx(3000, abs=100)


def test_of_a_stream_that_starts_before_they_are_joined_nothing_is_heard_until_then() -> None:
    call = asked()
    assert call.handle(STREAM, 1.0) == []
    assert talk(call, 0, 1.1) == []
    call.handle(PersonAnswered("B1", "+15550111"), 1.5)
    assert not any(isinstance(one, CloseAssistant) for one in call.handle(PeopleJoined("B1"), 2.0))
    assert len(talk(call, 1000, 2.1)) == 1


def test_silence_is_filled_in_where_the_stream_pauses() -> None:
    call = listening()
    talk(call, 0, 2.2)
    assert call.handle(TimePassed(), 2.405) != []


def test_an_assistant_that_leaves_is_closed_and_hears_nothing() -> None:
    call = joined(listens=False)
    assert call.handle(STREAM, 2.1) == []
    assert talk(call, 0, 2.2) == []


# What it may do

SAYS: list[tuple[Event, list[Command]]] = [
    (SpeechStarted(), []),
    (SpeechStopped("i1"), []),
    (CallerSaid("i1", "my order"), []),
    (ReplyAudio("r1", b"\xff" * 160), [DropReply("r1")]),
    (ReplyAudio("r1", b"\xff" * 160), []),
    (ReplySaid("r1", "can I help"), []),
    (ReplyEnded("r1"), []),
    (NoteTaken("order 12"), []),
    (OutcomeSet("solved"), []),
    (DigitPressed("1"), []),
]


def test_its_replies_are_refused_and_its_tools_go_on() -> None:
    call = listening()
    follow(call, [(2.2, event, commands) for event, commands in SAYS])
    (run,) = call.handle(ToolCalled("c2", "look_up", "{}"), 2.3)
    assert isinstance(run, RunTool)
    told = " ".join(map(str, call.heard(2.4)))
    assert "my order" in told
    assert "order 12" in told
    assert "can I help" not in told


def test_speech_stops_no_reply_that_nobody_hears() -> None:
    call = listening()
    call.handle(ReplyAudio("r1", b"\xff" * 160), 2.2)
    assert call.handle(SpeechStarted(), 2.3) == []


def test_another_transfer_is_not_possible_meanwhile() -> None:
    call = listening()
    (answer,) = call.handle(ASK, 2.2)
    assert "already" in str(answer)


# How it goes on


@pytest.mark.parametrize("is_listening", [True, False])
def test_the_person_leaves_and_the_same_assistant_has_the_call_again(is_listening: bool) -> None:
    call = listening() if is_listening else joined()
    talk(call, 0, 2.2)
    follow(call, [(9.0, LEFT, [ENDED, TakeBack()]), (9.1, ListeningLost(), [])])
    assert talk(call, 100, 9.1) == []
    commands = call.handle(AGAIN, 9.2)
    assert reported(Outcome.TALKED, talked_s=7.0) in commands
    assert not any(isinstance(one, OpenAssistant) for one in commands)
    assert call.state is State.TALKING
    assert any(isinstance(one, PlayAudio) for one in call.handle(ReplyAudio("r2", b"\x55" * 160), 9.3))


def test_the_caller_s_stream_comes_back_before_anybody_says_that_the_person_left() -> None:
    call = listening()
    assert not any(isinstance(one, OpenAssistant) for one in call.handle(AGAIN, 9.0))
    assert call.state is State.TALKING


@pytest.mark.parametrize("lost", [ListeningLost(), ListeningStarted(PCMA_8K)])
def test_a_stream_that_breaks_or_cannot_be_mixed_is_as_if_it_had_left(lost: Event) -> None:
    call = listening() if isinstance(lost, ListeningLost) else joined()
    assert call.handle(lost, 3.0) == [CloseAssistant()]
    assert call.state is State.WITH_PERSON
    assert talk(call, 20, 3.1) == []
    follow(call, [(9.0, LEFT, [ENDED, TakeBack()])])
    assert any(isinstance(one, OpenAssistant) for one in call.handle(AGAIN, 9.2))
    assert call.counts()["listening_lost"] == 1


def test_a_stream_that_does_not_come_is_as_if_it_had_left() -> None:
    call = joined()
    assert call.handle(TimePassed(), 2.0 + STARTS_S) == [CloseAssistant()]
    assert call.state is State.WITH_PERSON


@pytest.mark.parametrize(
    ("lost", "commands"),
    [
        (AssistantFailed("no credit"), [CloseAssistant()]),
        (LegLost(LegName.ASSISTANT, 1006, "gone"), []),
        (CloseRequested("the assistant hung up", 1000), [CloseAssistant()]),
    ],
)
def test_an_assistant_that_is_lost_is_opened_again_when_the_caller_is_back(
    lost: Event, commands: list[Command]
) -> None:
    call = listening()
    assert call.handle(lost, 3.0) == commands
    assert call.state is State.WITH_PERSON
    assert talk(call, 20, 3.1) == []
    follow(call, [(9.0, LEFT, [ENDED, TakeBack()])])
    assert any(isinstance(one, OpenAssistant) for one in call.handle(AGAIN, 9.2))


def test_the_caller_hangs_up_and_the_assistant_is_closed() -> None:
    call = listening()
    assert CloseAssistant() in call.handle(CallEnded(), 3.0)
    assert call.state is State.ENDED


def test_a_server_that_stops_leaves_the_two_alone() -> None:
    call = listening()
    assert CloseAssistant() in call.handle(GoodbyeRequested("the server is closing", 5.0), 3.0)
    assert call.leaves_people


# The sum


def fed(mixer: TalkMixer, *frames: tuple[int, int, bool]) -> list[tuple[int, int]]:
    """The first sample and the time of each frame that is due. `frames`: level, time, and whether it is the caller's."""
    due = []
    for level, at_ms, is_callers in frames:
        audio = np.full(160, level, np.int16).tobytes()
        due += mixer.feed(audio, at_ms, is_callers=is_callers)
    return [(int(np.frombuffer(audio, np.int16)[0]), at_ms) for audio, at_ms in due]


MIXES = {
    "in turn": ([(1, 0, True), (2, 0, False), (3, 20, True), (4, 20, False)], [(3, 0), (7, 20)]),
    "one behind the other": ([(1, 0, True), (3, 20, True), (2, 0, False), (4, 20, False)], [(3, 0), (7, 20)]),
    "one is not there": ([(n, 20 * n, True) for n in range(LATE_FRAMES + 2)], [(0, 0), (1, 20)]),
    "one lost": ([(1, 0, True), (3, 20, True), (4, 20, False)], [(1, 0), (7, 20)]),
    "twice": ([(1, 0, True), (1, 0, True), (2, 0, False)], [(3, 0)]),
    "too late": ([(1, 0, True), (2, 0, False), (9, 0, True)], [(3, 0)]),
    "too loud": ([(30_000, 0, True), (30_000, 0, False)], [(32_767, 0)]),
    "too loud, below": ([(-30_000, 0, True), (-30_000, 0, False)], [(-32_768, 0)]),
    "another clock": ([(1, -7020, True), (2, -7020, False)], [(3, -7020)]),
}


@pytest.mark.parametrize("name", MIXES)
def test_the_frames_of_one_time_are_added(name: str) -> None:
    frames, due = MIXES[name]
    assert fed(TalkMixer(L16_8K), *frames) == due


def test_frames_of_different_lengths_are_added_from_their_begin() -> None:
    mixer = TalkMixer(L16_8K)
    mixer.feed(np.full(2, 5, np.int16).tobytes(), 0, is_callers=True)
    ((audio, _),) = mixer.feed(np.full(3, 7, np.int16).tobytes(), 0, is_callers=False)
    assert np.frombuffer(audio, np.int16).tolist() == [12, 12, 7]
