"""A call is put through to a person and taken back, as call transcripts: when, what came, what we do.

The carrier is a set of commands that it can do: one that keeps the caller's stream until somebody answers, and one that
needs it closed before it calls.
"""

from collections.abc import Sequence

import pytest

from bridge.core.dialogue import DialogueRules
from bridge.core.handover import ANSWER_S, BRIEFING_S, BRIEFING_SLACK_S, BRIEFING_STREAM_S, JOIN_S, LEAVING_S
from bridge.core.people import People, Person, in_words
from bridge.core.people_call import PARTING_S, RETURN_S, PeopleCall
from bridge.core.states import State
from bridge.core.timers import Limits
from bridge.vocabulary.commands import (
    CONTROL_COMMANDS,
    AppendAudio,
    ClearPlayback,
    CloseAssistant,
    Command,
    ConfirmHeard,
    ControlCommand,
    DropReply,
    EnterDigits,
    HangUp,
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
    History,
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
    ToolUsed,
)
from bridge.vocabulary.people import (
    BriefingStarted,
    BriefPerson,
    CallPeople,
    CloseStream,
    EndBriefing,
    EndHandover,
    EndMessage,
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
    PutThrough,
    ReleasePerson,
    TakeBack,
    TakeMessage,
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


# The caller hangs up


def test_the_caller_hangs_up_while_it_rings() -> None:
    call = talking(is_warm=True)
    call.handle(ASK, 1.0)
    assert call.handle(CallEnded(), 3.0) == [
        ReleasePerson("", "the caller hung up"),
        EndHandover("billing", Outcome.CALLER_LEFT, 2.0),
        CloseAssistant(),
        HangUp(1000, "the call ended"),
    ]


def test_a_person_who_is_being_briefed_is_told_that_the_caller_is_gone() -> None:
    call = talking(is_warm=True)
    for when, came in ((1.0, ASK), (5.0, ANSWERED), (5.5, BriefingStarted("B1"))):
        call.handle(came, when)
    follow(
        call,
        [
            (9.0, CallEnded(), [EndBriefing("B1", "the caller hung up"), CloseAssistant()]),
            (9.1, CallEnded(), []),
            (9.2, LegLost(LegName.CARRIER, 1000), []),
            (
                12.0,
                PersonDeclined("B1", "told"),
                [
                    ReleasePerson("B1", "the caller is gone"),
                    EndHandover("billing", Outcome.CALLER_LEFT, 11.0),
                    HangUp(1000, "the call ended"),
                ],
            ),
        ],
    )
    assert call.state is State.ENDED


def test_that_the_person_was_told_is_not_waited_for_longer_than_a_sentence() -> None:
    call = talking(is_warm=True)
    for when, came in ((1.0, ASK), (5.0, ANSWERED), (9.0, CallEnded())):
        call.handle(came, when)
    assert call.deadline() == 9.0 + LEAVING_S
    assert call.handle(TimePassed(), 9.0 + LEAVING_S)[0] == ReleasePerson("B1", "the caller is gone")
    assert call.state is State.ENDED


def test_the_caller_hangs_up_while_with_a_person() -> None:
    call = talking()
    for when, came in ((1.0, ASK), (5.0, ANSWERED), (5.0, PeopleJoined("B1"))):
        call.handle(came, when)
    assert call.handle(CallEnded(), 65.0) == [
        ReleasePerson("B1", "the caller hung up"),
        EndHandover("billing", Outcome.TALKED, 4.0, 60.0),
        HangUp(1000, "the call ended"),
    ]
    assert call.state is State.ENDED


def test_a_stream_that_breaks_while_a_briefing_goes_on_may_come_back() -> None:
    call = talking(is_warm=True)
    for when, came in ((1.0, ASK), (5.0, ANSWERED), (5.5, BriefingStarted("B1"))):
        call.handle(came, when)
    call.handle(LegLost(LegName.CARRIER, 1006), 6.0)
    assert call.handle(AGAIN, 7.0) == []
    call.handle(LegLost(LegName.CARRIER, 1006), 8.0)
    assert EndBriefing("B1", "the caller hung up") in call.handle(TimePassed(), 8.0 + RETURN_S)


def test_a_caller_who_does_not_come_back_is_gone() -> None:
    call = talking(CLOSES)
    for when, came in ((1.0, ASK), (5.0, ANSWERED), (5.0, PeopleJoined("B1")), (9.0, PersonLeft("B1", 4.0))):
        call.handle(came, when)
    assert isinstance(call.handle(TimePassed(), 9.0 + RETURN_S)[-1], HangUp)
    assert call.state is State.ENDED


# The assistant meanwhile


def test_on_hold_the_assistant_hears_nothing_and_is_not_heard() -> None:
    call = talking()
    follow(
        call,
        [
            (1.0, ASK, [put_through(0)]),
            (1.1, CallerAudio(FRAME, 0), []),
            (1.2, DigitPressed("1"), []),
            (1.3, ReplyAudio("b", FRAME), [DropReply("b")]),
            (1.4, ReplyAudio("b", FRAME), []),
            (1.5, EntryRequested("e"), [EnterDigits("", request_id="e")]),
            (9.0, NobodyReached(Nobody.BUSY), [put_through(1)]),
            (
                9.1,
                NobodyReached(Nobody.BUSY),
                [EndHandover("billing", Outcome.BUSY, 8.1), reported(Outcome.BUSY)],
            ),
            (9.2, ReplyAudio("b", FRAME), []),  # the rest of what nobody was to hear
            (9.3, ReplyAudio("c", FRAME), [PlayAudio(FRAME)]),
        ],
    )
    assert call.counts()["keys_on_hold"] == 1


@pytest.mark.parametrize("loss", [LegLost(LegName.ASSISTANT, 1006), AssistantFailed("it failed")])
def test_an_assistant_that_is_lost_on_hold_is_opened_when_the_caller_is_back(loss: Event) -> None:
    call = talking(groups=(("+15550111",),))
    call.handle(ASK, 1.0)
    assert OpenAssistant not in {type(command) for command in call.handle(loss, 2.0)}
    assert call.handle(NobodyReached(Nobody.BUSY), 9.0)[1:] == [returned(outcome=Outcome.BUSY)]


def test_hold_music_is_played_over_and_over_a_little_ahead() -> None:
    call = talking(is_warm=True, hold=MUSIC * 30)
    came = call.handle(ASK, 1.0)
    assert came[0] == called(0)
    played = sum(len(command.audio) for command in came if isinstance(command, PlayAudio))
    assert played == 2 * 8000
    now = 1.0
    while now < 30.0:
        now = call.deadline() or 0.0
        played += sum(len(c.audio) for c in call.handle(TimePassed(), now) if isinstance(c, PlayAudio))
        assert 1.4 <= played / 8000 - (now - 1.0) <= 2.0, "there is no gap, and not too much of it"
    stopped = call.handle(NobodyReached(Nobody.BUSY, "1.1"), now)
    assert not any(isinstance(command, ClearPlayback) for command in stopped), "the next group is called"
    back = call.handle(NobodyReached(Nobody.BUSY, "1.2"), now)
    assert isinstance(back[1], ClearPlayback)
    assert back[-1] == reported(Outcome.BUSY)


# Requests that are refused


REFUSED: list[tuple[str, TransferRequested, str]] = [
    ("nobody of this name", TransferRequested("sales", "", "", "x"), "there is no person 'sales'; person should be one of billing, and never a number"),
    ("one of another assistant", TransferRequested("boss", "", "", "x"), "there is no person 'boss'; person should be one of billing, and never a number"),
    ("a number", TransferRequested("+15550199", "", "", "x"), "there is no person '+15550199'; person should be one of billing, and never a number"),
]  # fmt: skip


@pytest.mark.parametrize(("asked", "why"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_whom_the_settings_do_not_name_is_not_called(asked: TransferRequested, why: str) -> None:
    call = talking()
    assert call.handle(asked, 1.0) == [
        ReportTransfer("x", asked.person, Outcome.NOT_POSSIBLE, f"error: {why}")
    ]
    assert call.state is State.TALKING


def test_an_assistant_that_may_put_nobody_through() -> None:
    call = PeopleCall(0.0, Limits(), DialogueRules(reorder_ms=0, can=frozenset[type[Command]](STAYS)))
    call.handle(START, 0.0)
    call.handle(READY, 0.0)
    why = "error: there is nobody whom you can put the caller through to"
    assert call.handle(ASK, 1.0) == [ReportTransfer("call_1", "billing", Outcome.NOT_POSSIBLE, why)]


@pytest.mark.parametrize("is_warm", [False, True])
def test_a_carrier_that_cannot_do_it(is_warm: bool) -> None:
    call = talking(frozenset(), is_warm=is_warm)
    why = "error: callers cannot be put through on this telephone line"
    assert call.handle(ASK, 1.0) == [ReportTransfer("call_1", "billing", Outcome.NOT_POSSIBLE, why)]


def test_a_transfer_that_is_asked_for_twice() -> None:
    again = TransferRequested("billing", tool_call_id="call_2")
    why = "error: the caller is being put through to billing already; wait for the answer"
    refused = ReportTransfer("call_2", "billing", Outcome.NOT_POSSIBLE, why)
    call = talking()
    call.handle(ReplyAudio("a", FRAME), 1.0)
    call.handle(ReplyEnded("a"), 1.0)
    follow(
        call,
        [
            (1.0, ASK, []),
            (1.1, again, [refused]),
            (1.2, MarkReached("0.1"), [ConfirmHeard("a"), put_through(0)]),
            (2.0, again, [refused]),  # while it rings
        ],
    )


@pytest.mark.parametrize("sensitive", [True, False])
def test_a_transfer_while_the_caller_is_typing(sensitive: bool) -> None:
    call = talking()
    call.handle(EntryRequested("e", 4, sensitive=sensitive), 1.0)
    call.handle(DigitPressed("1"), 1.5)
    why = "error: the caller is typing an entry; wait until it is complete"
    assert call.handle(ASK, 2.0) == [ReportTransfer("call_1", "billing", Outcome.NOT_POSSIBLE, why)]
    for key in "234":
        call.handle(DigitPressed(key), 2.1)
    assert put_through(0) in call.handle(ASK, 3.0)


def test_a_transfer_after_the_caller_has_left() -> None:
    call = talking()
    call.handle(CallEnded(), 1.0)
    assert call.handle(ASK, 1.0) == []


def test_a_transfer_when_the_call_is_about_to_end() -> None:
    call = talking()
    call.handle(ReplyAudio("a", FRAME), 1.0)
    call.handle(GoodbyeRequested("the server is closing", 10.0), 1.0)
    why = "error: the call is about to end; nobody can be called any more"
    assert call.handle(ASK, 1.1) == [ReportTransfer("call_1", "billing", Outcome.NOT_POSSIBLE, why)]


# Nobody: a message, or the end


def test_a_caller_leaves_a_message() -> None:
    call = talking(groups=(("+15550111",),), nobody="message", message_s=30.0)
    call.handle(ASK, 1.0)
    came = call.handle(NobodyReached(Nobody.NO_ANSWER), 26.0)
    assert came[:3] == [
        EndHandover("billing", Outcome.NO_ANSWER, 25.0),
        CloseAssistant(),
        TakeMessage("billing", 30.0),
    ]
    assert sum(len(command.audio) for command in came if isinstance(command, PlayAudio)) == 3200
    follow(
        call,
        [
            (27.0, CallerAudio(FRAME, 0), []),
            (56.4, TimePassed(), [EndMessage("billing", 30.0), HangUp(1000, "a message was taken")]),
        ],
    )


@pytest.mark.parametrize("ends", [CallEnded(), DigitPressed("#"), LegLost(LegName.CARRIER, 1006)])
def test_a_message_ends_when_the_caller_says_so(ends: Event) -> None:
    call = talking(groups=(("+15550111",),), nobody="message")
    call.handle(ASK, 1.0)
    call.handle(NobodyReached(Nobody.NO_ANSWER), 26.0)
    assert EndMessage("billing", 9.6) in call.handle(ends, 36.0)
    assert call.state is State.ENDED


def test_a_caller_for_whom_nobody_is_there_is_hung_up_on() -> None:
    call = talking(groups=(("+15550111",),), nobody="hang_up")
    call.handle(ASK, 1.0)
    assert call.handle(NobodyReached(Nobody.NO_ANSWER), 26.0) == [
        EndHandover("billing", Outcome.NO_ANSWER, 25.0),
        CloseAssistant(),
        HangUp(1000, "nobody was reached"),
    ]


# The server stops; limits


def test_two_who_talk_are_left_alone_when_the_server_stops() -> None:
    call = talking()
    for when, came in ((1.0, ASK), (5.0, ANSWERED), (5.0, PeopleJoined("B1"))):
        call.handle(came, when)
    assert call.handle(GoodbyeRequested("the server is closing", 10.0), 9.0) == [
        EndHandover("billing", Outcome.TALKED, 4.0, 4.0),
        HangUp(1001, "the server is closing"),
    ]
    assert call.leaves_people


def test_somebody_who_is_being_called_is_released_when_the_server_stops() -> None:
    call = talking()
    call.handle(ASK, 1.0)
    assert call.handle(CloseRequested("the server is closing"), 3.0) == [
        ReleasePerson("", "the server is closing"),
        EndHandover("billing", Outcome.CALLER_LEFT, 2.0),
        CloseAssistant(),
        HangUp(1001, "the server is closing"),
    ]
    assert not call.leaves_people


def test_a_talk_may_last_as_long_as_a_call_may() -> None:
    call = talking()
    for when, came in ((1.0, ASK), (5.0, ANSWERED), (5.0, PeopleJoined("B1"))):
        call.handle(came, when)
    assert call.handle(TimePassed(), 3604.9) == []
    cut = call.handle(TimePassed(), 3605.0)
    assert cut[0] == ReleasePerson("B1", "the call reached its longest duration")
    assert call.state is State.ENDED


# Late


def test_whoever_answers_when_the_caller_does_not_wait_any_more_is_hung_up_on() -> None:
    call = talking(groups=(("+15550111",),))
    call.handle(ASK, 1.0)
    call.handle(NobodyReached(Nobody.NO_ANSWER), 26.0)
    assert call.handle(ANSWERED, 27.0) == [ReleasePerson("B1", "the caller does not wait any more")]
    assert call.handle(ANSWERED, 27.1) == []
    assert call.counts()["late_person_events"] == 2


def test_a_caller_who_is_back_though_nobody_said_that_the_person_has_left() -> None:
    call = talking(CLOSES)
    for when, came in ((1.0, ASK), (5.0, ANSWERED), (5.0, PeopleJoined("B1"))):
        call.handle(came, when)
    assert call.handle(AGAIN, 65.0) == [
        ReleasePerson("B1", "the caller is not with them any more"),
        EndHandover("billing", Outcome.TALKED, 4.0, 60.0),
        returned(outcome=Outcome.TALKED, talked_s=60.0),
    ]
    assert call.handle(PersonLeft("B1", 60.0), 65.5) == []
