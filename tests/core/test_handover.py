"""A call is put through to a person and taken back, cold and warm, as call transcripts: when, what came, what we do."""

import pytest

from bridge.core.handover import ANSWER_S, BRIEFING_S, BRIEFING_SLACK_S, BRIEFING_STREAM_S, JOIN_S
from bridge.core.people_call import PARTING_S
from bridge.core.states import State
from bridge.vocabulary.commands import (
    AppendAudio,
    CloseAssistant,
    Command,
    ConfirmHeard,
    HangUp,
    OpenAssistant,
    PlayAudio,
    ReportTransfer,
    SendMark,
)
from bridge.vocabulary.events import (
    AssistantReady,
    CallerAudio,
    CloseRequested,
    Event,
    LegLost,
    LegName,
    MarkReached,
    Opening,
    ReplyAudio,
    ReplyEnded,
    ReplySaid,
    Said,
    Speaker,
    TimePassed,
)
from bridge.vocabulary.people import (
    BriefingStarted,
    BriefPerson,
    EndHandover,
    JoinPerson,
    Nobody,
    NobodyReached,
    Outcome,
    PeopleJoined,
    PersonAccepted,
    PersonAnswered,
    PersonDeclined,
    PersonLeft,
    PersonRings,
    ReleasePerson,
    TakeBack,
)
from telecodecs.format import PCMU_8K
from tests.core.handovers import (
    AGAIN,
    ANSWERED,
    ASK,
    CLOSED,
    CLOSES,
    FRAME,
    READY,
    called,
    follow,
    put_through,
    reported,
    returned,
    talking,
)

# The last words


def test_the_last_words_are_heard_to_their_end_before_anybody_is_called() -> None:
    call = talking()
    follow(
        call,
        [
            (1.0, ReplyAudio("a", FRAME * 10), [PlayAudio(FRAME * 10), SendMark("0.1")]),
            (1.0, ASK, []),
            (1.1, ReplyAudio("a", FRAME), [PlayAudio(FRAME)]),
            (1.1, ReplyEnded("a"), [SendMark("0.2")]),
            (1.2, MarkReached("0.1"), []),
            (1.22, MarkReached("0.2"), [ConfirmHeard("a"), put_through(0)]),
        ],
    )
    assert call.state is State.HOLDING


def test_a_mark_that_is_lost_delays_the_handover_and_does_not_prevent_it() -> None:
    call = talking()
    call.handle(ReplyAudio("a", FRAME), 1.0)
    call.handle(ReplyEnded("a"), 1.0)
    call.handle(ASK, 1.0)
    now, came = 1.0, list[Command]()
    while put_through(0) not in came and now < 60.0:
        now = call.deadline() or 60.0
        came = call.handle(TimePassed(), now)
    assert now == pytest.approx(1.0 + PARTING_S)


def test_an_assistant_that_hangs_up_after_its_request_does_not_end_the_call() -> None:
    call = talking()
    call.handle(ReplyAudio("a", FRAME * 10), 1.0)
    call.handle(ReplyEnded("a"), 1.0)
    follow(
        call,
        [
            (1.0, ASK, []),
            (1.1, CloseRequested("the assistant hung up", 1000), [CloseAssistant()]),
            (1.2, MarkReached("0.1"), [ConfirmHeard("a"), put_through(0)]),
            (9.0, NobodyReached(Nobody.BUSY), [put_through(1)]),
        ],
    )
    came = call.handle(NobodyReached(Nobody.BUSY), 9.0)
    assert came[0] == EndHandover("billing", Outcome.BUSY, 8.0)
    assert isinstance(came[1], OpenAssistant)
    assert came[1].opening is Opening.RETURNED


# Cold


def test_a_whole_cold_handover_on_a_carrier_that_keeps_the_stream() -> None:
    call = talking()
    follow(
        call,
        [
            (1.0, ASK, [put_through(0)]),
            (1.5, PersonRings("B1"), []),
            (5.0, ANSWERED, []),
            (5.2, LegLost(LegName.CARRIER, 1000), []),
            (5.5, PeopleJoined("B1"), [CloseAssistant()]),
        ],
    )
    assert call.deadline() == 5.5 + 3600
    follow(
        call,
        [
            (
                145.5,
                PersonLeft("B1", 140.0),
                [EndHandover("billing", Outcome.TALKED, 4.5, 140.0), TakeBack()],
            ),
            (146.0, AGAIN, [returned(outcome=Outcome.TALKED, talked_s=140.0)]),
            (146.5, READY, []),
            (147.0, CallerAudio(FRAME, 0), [AppendAudio(FRAME)]),
        ],
    )
    assert call.state is State.TALKING


def test_a_whole_cold_handover_on_a_carrier_that_needs_the_stream_closed() -> None:
    call = talking(CLOSES)
    call.handle(ReplySaid("a", "One moment."), 0.5)
    call.handle(ReplyAudio("a", FRAME), 0.5)
    call.handle(ReplyEnded("a"), 0.5)
    call.handle(MarkReached("0.1"), 0.6)
    said = Said(Speaker.ASSISTANT, "One moment.")
    follow(
        call,
        [
            (1.0, ASK, [put_through(0), CLOSED]),
            (1.1, LegLost(LegName.CARRIER, 1000), []),
            (9.0, NobodyReached(Nobody.BUSY), [put_through(1)]),
            (15.0, PersonAnswered("B2", "+15550112"), []),
            (15.0, PeopleJoined("B2"), [CloseAssistant()]),
            (90.0, PersonLeft("B2", 75.0), [EndHandover("billing", Outcome.TALKED, 14.0, 75.0), TakeBack()]),
            (90.5, AGAIN, [returned(said, outcome=Outcome.TALKED, talked_s=75.0)]),
        ],
    )


@pytest.mark.parametrize("why", Nobody)
def test_nobody_is_reached_and_the_assistant_that_stayed_is_told_why(why: Nobody) -> None:
    call = talking()
    outcome = Outcome(why)
    follow(
        call,
        [
            (1.0, ASK, [put_through(0)]),
            (2.0, CallerAudio(FRAME, 0), []),
            (9.0, NobodyReached(why, "1.1"), [put_through(1)]),
            (20.0, NobodyReached(why, "1.2"), [EndHandover("billing", outcome, 19.0), reported(outcome)]),
            (20.1, CallerAudio(FRAME, 905), [AppendAudio(FRAME)]),
        ],
    )
    assert call.state is State.TALKING


def test_nobody_is_reached_and_the_stream_had_to_be_closed() -> None:
    call = talking(CLOSES)
    call.handle(ASK, 1.0)
    call.handle(NobodyReached(Nobody.NO_ANSWER), 26.0)
    follow(
        call,
        [
            (
                51.0,
                NobodyReached(Nobody.NO_ANSWER),
                [EndHandover("billing", Outcome.NO_ANSWER, 50.0), TakeBack()],
            ),
            (51.5, AGAIN, [reported(Outcome.NO_ANSWER)]),
        ],
    )
    assert call.state is State.TALKING


def test_an_assistant_that_stayed_is_renewed_when_it_expires_and_not_before() -> None:
    call = talking()
    call.handle(AssistantReady(PCMU_8K, PCMU_8K, 600.0), 0.0)
    call.handle(ASK, 1.0)
    for when in (2.0, 3.0):
        call.handle(NobodyReached(Nobody.BUSY), when)
    assert call.handle(TimePassed(), 470.0) == []
    opened = call.handle(TimePassed(), 480.0)
    assert [word.opening for word in opened if isinstance(word, OpenAssistant)] == [Opening.RENEWED]


def test_a_verdict_that_comes_twice_skips_no_group() -> None:
    call = talking()
    follow(
        call,
        [
            (1.0, ASK, [put_through(0)]),
            (9.0, NobodyReached(Nobody.BUSY, "1.1"), [put_through(1)]),
            (9.1, NobodyReached(Nobody.BUSY, "1.1"), []),
            (12.0, PersonAnswered("B2", "+15550112"), []),
            (12.0, NobodyReached(Nobody.BUSY, "1.1"), []),
            (12.5, PeopleJoined("B2"), [CloseAssistant()]),
        ],
    )


def test_a_carrier_that_says_nothing_is_not_waited_for_for_ever() -> None:
    call = talking(groups=(("+15550111",),))
    call.handle(ASK, 1.0)
    due = 1.0 + 25.0 + ANSWER_S
    assert call.deadline() == due
    assert call.handle(TimePassed(), due) == [
        ReleasePerson("", "nobody answered in time"),
        EndHandover("billing", Outcome.NO_ANSWER, due - 1.0),
        reported(Outcome.NO_ANSWER),
    ]


def test_a_carrier_that_has_the_caller_and_says_nothing_is_left_alone() -> None:
    """It would say that nobody answers: so they talk, and are not cut."""
    call = talking(CLOSES)
    call.handle(ASK, 1.0)
    assert call.handle(TimePassed(), 1.0 + 25.0 + ANSWER_S) == [CloseAssistant()]
    assert call.state is State.WITH_PERSON
    assert call.handle(PersonLeft("B1", 60.0), 90.0)[-1] == TakeBack()


def test_that_they_were_joined_may_never_be_said() -> None:
    call = talking(CLOSES)
    call.handle(ASK, 1.0)
    assert call.handle(PersonLeft("B1", 20.0), 30.0) == [
        EndHandover("billing", Outcome.TALKED, 9.0, 20.0),
        TakeBack(),
    ]


def test_of_those_who_are_called_together_the_first_counts() -> None:
    call = talking(groups=(("+15550111", "+15550112", "+15550113"),))
    call.handle(ASK, 1.0)
    follow(
        call,
        [
            (2.0, PersonRings("B1"), []),
            (2.0, PersonRings("B2"), []),
            (5.0, ANSWERED, [ReleasePerson("B2", "somebody else answered")]),
            (5.1, PersonAnswered("B2", "+15550112"), [ReleasePerson("B2", "somebody else was reached")]),
            (5.15, PersonAnswered("B2", "+15550112"), []),
            (5.2, PersonAnswered("B3", "+15550113"), [ReleasePerson("B3", "somebody else was reached")]),
            (5.3, ANSWERED, []),
            (5.4, PeopleJoined("B1"), [CloseAssistant()]),
        ],
    )


def test_without_a_way_back_the_call_ends_when_the_person_leaves() -> None:
    call = talking(comes_back=False)
    for when, event in ((1.0, ASK), (5.0, ANSWERED), (5.0, PeopleJoined("B1"))):
        call.handle(event, when)
    assert call.handle(PersonLeft("B1", 10.0), 15.0) == [
        EndHandover("billing", Outcome.TALKED, 4.0, 10.0),
        HangUp(1000, "the person left"),
    ]


# Warm


def test_a_whole_warm_handover() -> None:
    call = talking(is_warm=True)
    follow(
        call,
        [
            (1.0, ASK, [called(0)]),
            (5.0, ANSWERED, [BriefPerson("B1")]),
            (5.5, BriefingStarted("B1"), []),
            (20.0, PersonAccepted("B1"), [JoinPerson("B1")]),
            (20.2, LegLost(LegName.CARRIER, 1000), []),
            (20.5, PeopleJoined("B1"), [CloseAssistant()]),
            (80.5, PersonLeft("B1", 60.0), [EndHandover("billing", Outcome.TALKED, 19.5, 60.0), TakeBack()]),
            (81.0, AGAIN, [returned(outcome=Outcome.TALKED, talked_s=60.0)]),
        ],
    )


def test_to_be_joined_both_streams_are_closed_where_they_are_in_the_way() -> None:
    call = talking(CLOSES, is_warm=True)
    for when, event in ((1.0, ASK), (5.0, ANSWERED), (5.5, BriefingStarted("B1"))):
        assert CLOSED not in call.handle(event, when)
    assert call.handle(PersonAccepted("B1"), 20.0) == [JoinPerson("B1"), CLOSED]


DECLINED: list[tuple[str, Event, list[Command], str]] = [
    ("they decline", PersonDeclined("B1", "she is in a meeting"), [ReleasePerson("B1", "they do not take the call")], "she is in a meeting"),
    ("they hang up", PersonLeft("B1"), [], "they hung up"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("event", "released", "why"), [row[1:] for row in DECLINED], ids=[row[0] for row in DECLINED]
)
def test_the_person_does_not_take_the_call(event: Event, released: list[Command], why: str) -> None:
    call = talking(is_warm=True)
    for when, came in ((1.0, ASK), (5.0, ANSWERED), (5.5, BriefingStarted("B1"))):
        call.handle(came, when)
    assert call.handle(event, 9.0) == [
        *released,
        EndHandover("billing", Outcome.DECLINED, 8.0),
        reported(Outcome.DECLINED, why),
    ]


def test_a_machine_that_is_found_out_late_is_released_and_the_next_group_is_called() -> None:
    call = talking(is_warm=True)
    for when, came in ((1.0, ASK), (5.0, ANSWERED), (5.5, BriefingStarted("B1"))):
        call.handle(came, when)
    assert call.handle(NobodyReached(Nobody.MACHINE), 7.0) == [
        ReleasePerson("B1", "nobody was reached"),
        called(1),
    ]


@pytest.mark.parametrize(
    ("starts", "bound_s"), [(False, BRIEFING_STREAM_S), (True, BRIEFING_S + BRIEFING_SLACK_S)]
)
def test_a_briefing_has_a_bound(starts: bool, bound_s: float) -> None:
    call = talking(is_warm=True)
    for when, came in ((1.0, ASK), (5.0, ANSWERED)):
        call.handle(came, when)
    if starts:
        call.handle(BriefingStarted("B1"), 5.0)
    assert call.deadline() == 5.0 + bound_s
    assert call.handle(TimePassed(), 5.0 + bound_s)[0] == ReleasePerson("B1", "the briefing took too long")
    assert call.state is State.TALKING


def test_two_who_are_not_joined_in_time() -> None:
    call = talking(CLOSES, is_warm=True)
    for when, came in ((1.0, ASK), (5.0, ANSWERED), (6.0, PersonAccepted("B1"))):
        call.handle(came, when)
    assert call.handle(TimePassed(), 6.0 + JOIN_S) == [
        ReleasePerson("B1", "the carrier did not put them through in time"),
        EndHandover("billing", Outcome.FAILED, 15.0),
        TakeBack(),
    ]
    assert call.handle(AGAIN, 17.0) == [
        reported(Outcome.FAILED, "the carrier did not put them through in time")
    ]


def test_an_assistant_that_comes_back_is_renewed_when_it_is_due_and_not_before() -> None:
    """It lasts an hour: nothing is to be opened when the caller is back after ten seconds."""
    call = talking()
    call.handle(AssistantReady(PCMU_8K, PCMU_8K, lasts_s=3600.0), 0.5)
    call.handle(ASK, 1.0)
    call.handle(NobodyReached(Nobody.BUSY), 5.0)
    call.handle(NobodyReached(Nobody.BUSY), 9.0)
    opened = [
        now
        for now in (10.0, 60.0, 3000.0, 3500.0)
        if any(isinstance(command, OpenAssistant) for command in call.handle(TimePassed(), now))
    ]
    assert opened == [3500.0]


def test_that_two_were_not_joined_is_told_without_saying_who_hung_up() -> None:
    """The carrier may have refused to join them: the person's leg has ended, whoever ended it."""
    call = talking()
    call.handle(ASK, 1.0)
    call.handle(ANSWERED, 2.0)
    (ended, *_) = call.handle(PersonLeft("B1"), 3.0)
    assert ended == EndHandover("billing", Outcome.FAILED, 2.0)
    opened = [one for one in call.handle(AGAIN, 3.5) if isinstance(one, ReportTransfer)]
    assert opened == [reported(Outcome.FAILED, "they were not put through")]
