"""An assistant that expires is renewed in a quiet moment, as call transcripts: when, what came, what we do."""

from collections.abc import Sequence

import pytest

from bridge.core.call import Call
from bridge.core.dialogue import DialogueRules
from bridge.core.failover import RENEW_BEFORE_S, FailoverPlan
from bridge.core.states import State
from bridge.core.timers import Limits, Timer
from bridge.vocabulary.commands import (
    AppendAudio,
    Command,
    ConfirmHeard,
    OpenAssistant,
    PlayAudio,
    SendMark,
    SwitchToStandby,
)
from bridge.vocabulary.events import (
    AssistantHangingUp,
    AssistantReady,
    CallerAudio,
    CallerSaid,
    CallStarted,
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
    SpeechStarted,
    SpeechStopped,
    TimePassed,
    ToolAnswered,
    ToolCalled,
)
from bridge.vocabulary.people import Nobody, NobodyReached
from telecodecs.format import L16_8K, PCMU_8K
from tests.core.handovers import ASK, talking

START = CallStarted("CA1", "MZ1", PCMU_8K)
READY = AssistantReady(PCMU_8K, PCMU_8K)
FRAME = bytes(range(160))
STANDBY = AssistantReady(PCMU_8K, PCMU_8K, 3600, is_standby=True)
LOST = LegLost(LegName.ASSISTANT, 1006, "the connection broke")

Row = tuple[float, Event, Sequence[Command]]


def opened(name: str, opening: Opening = Opening.FIRST, *history: Said) -> OpenAssistant:
    return OpenAssistant("CA1", PCMU_8K, {}, name, opening, history)


def follow(call: Call, transcript: Sequence[Row]) -> None:
    for when, event, commands in transcript:
        assert call.handle(event, when) == list(commands), f"at {when}: {event}"


def lasting(lasts_s: float | None) -> Call:
    """A call that talks since 0.0 to an assistant that says so of its lifetime."""
    limits = Limits(open_s=5, silent_s=10_000)
    call = Call(0.0, limits, DialogueRules(reorder_ms=40), plan=FailoverPlan(("a",)))
    call.handle(START, 0.0)
    call.handle(AssistantReady(PCMU_8K, PCMU_8K, lasts_s), 0.0)
    return call


def test_an_assistant_that_expires_is_renewed_in_a_quiet_moment() -> None:
    at = 3600 - RENEW_BEFORE_S
    renewing = lasting(3600)
    assert renewing.deadline() == at
    follow(
        renewing,
        [
            (at - 1, SpeechStarted(), []),
            (at, TimePassed(), []),
            (at + 0.5, SpeechStopped(), []),
            (at + 1, TimePassed(), []),  # a reply is on its way
            (at + 1.5, ReplyAudio("r", FRAME), [PlayAudio(FRAME)]),
            (at + 1.5, ReplyEnded("r"), [SendMark("0.1")]),
            (at + 2, TimePassed(), []),
            (at + 2.5, MarkReached("0.1"), [ConfirmHeard("r")]),
            (at + 3, TimePassed(), [opened("a", Opening.RENEWED)]),
            (at + 3.1, CallerAudio(FRAME, 0), [AppendAudio(FRAME)]),  # to the one before, as yet
            (at + 3.2, STANDBY, [SwitchToStandby()]),
            (at + 3.25, CallerAudio(FRAME, 20), [AppendAudio(FRAME)]),
        ],
    )
    assert renewing.state is State.TALKING
    assert renewing.counts()["renewals"] == 1


@pytest.mark.parametrize(("lasts_s", "renewed_s"), [(3600, 3480), (60, 30)])
def test_a_short_life_is_renewed_at_its_half(lasts_s: float, renewed_s: float) -> None:
    assert lasting(lasts_s).deadline() == renewed_s


@pytest.mark.parametrize(
    "busy",
    [
        [AssistantHangingUp()],
        [ToolCalled("c1", "look", "{}"), ToolAnswered("c1", "found")],
        [SpeechStarted(), SpeechStopped("u")],
    ],
    ids=["it says goodbye", "a tool has answered", "the caller waits"],
)
def test_not_a_quiet_moment(busy: list[Event]) -> None:
    at = 3600 - RENEW_BEFORE_S
    renewing = lasting(3600)
    for event in busy:
        renewing.handle(event, at - 0.5)
    assert renewing.handle(TimePassed(), at) == []


def test_a_standby_that_comes_when_somebody_speaks_does_not_take_over() -> None:
    at = 3600 - RENEW_BEFORE_S
    follow(
        lasting(3600),
        [
            (at, TimePassed(), [opened("a", Opening.RENEWED)]),
            (at + 0.1, SpeechStarted(), []),
            (at + 0.2, STANDBY, []),
            (at + 1.2, TimePassed(), []),
            (at + 2, SpeechStopped("u"), []),
            (at + 2.1, ReplySaid("r", "Yes."), []),
            (at + 2.1, ReplyAudio("r", FRAME), [PlayAudio(FRAME)]),
            (at + 2.1, ReplyEnded("r"), [SendMark("0.1")]),
            (at + 2.15, MarkReached("0.1"), [ConfirmHeard("r")]),
            (at + 2.2, TimePassed(), [opened("a", Opening.RENEWED, Said(Speaker.ASSISTANT, "Yes."))]),
        ],
    )


def test_a_standby_may_give_the_same_names() -> None:
    renewing = lasting(3600)
    at = 3600 - RENEW_BEFORE_S
    for when, text in ((1.0, "Good morning."), (at + 1, "Goodbye.")):
        renewing.handle(ReplySaid("item_1", text), when)
        sent = renewing.handle(ReplyAudio("item_1", FRAME), when)
        sent += renewing.handle(ReplyEnded("item_1"), when)
        for mark in [command.name for command in sent if isinstance(command, SendMark)]:
            renewing.handle(MarkReached(mark), when + 0.1)
        if when == 1.0:
            assert renewing.handle(TimePassed(), at) == [
                opened("a", Opening.RENEWED, Said(Speaker.ASSISTANT, "Good morning."))
            ]
            assert renewing.handle(STANDBY, at + 0.1) == [SwitchToStandby()]
    history = (Said(Speaker.ASSISTANT, "Good morning."), Said(Speaker.ASSISTANT, "Goodbye."))
    assert renewing.handle(LOST, at + 2) == [opened("a", Opening.RECOVERED, *history)]


def test_a_standby_that_missed_something_does_not_take_over() -> None:
    at = 3600 - RENEW_BEFORE_S
    follow(
        lasting(3600),
        [
            (at, TimePassed(), [opened("a", Opening.RENEWED)]),
            (at + 0.1, CallerSaid("u", "Thanks."), []),  # understood late
            (at + 0.2, STANDBY, []),
            (at + 1.2, TimePassed(), [opened("a", Opening.RENEWED, Said(Speaker.CALLER, "Thanks."))]),
            (at + 1.4, STANDBY, [SwitchToStandby()]),
        ],
    )


FAILURES = [LegLost(LegName.STANDBY, 1006), TimePassed()]


@pytest.mark.parametrize("failure", FAILURES, ids=["lost", "never ready"])
def test_a_standby_that_fails_is_tried_again(failure: Event) -> None:
    at = 3600 - RENEW_BEFORE_S
    renewing = lasting(3600)
    follow(
        renewing,
        [
            (at, TimePassed(), [opened("a", Opening.RENEWED)]),
            (at + 5, failure, []),
            (at + 34, TimePassed(), []),
            (at + 35, TimePassed(), [opened("a", Opening.RENEWED)]),
        ],
    )
    assert renewing.state is State.TALKING


def test_the_loss_of_the_assistant_while_its_standby_opens_is_a_loss() -> None:
    at = 3600 - RENEW_BEFORE_S
    follow(
        lasting(3600),
        [
            (at, TimePassed(), [opened("a", Opening.RENEWED)]),
            (at + 0.1, LOST, [opened("a", Opening.RECOVERED)]),
            (at + 0.2, READY, []),
        ],
    )


def test_other_formats_do_not_lengthen_the_life_of_an_assistant() -> None:
    at = 3600 - RENEW_BEFORE_S
    call = lasting(3600)
    follow(
        call,
        [
            (1000.0, AssistantReady(L16_8K, PCMU_8K, 3600), []),
            (2000.0, AssistantReady(PCMU_8K, PCMU_8K), []),  # it need not say again that it expires
        ],
    )
    assert call.deadline() == at
    follow(call, [(at, TimePassed(), [opened("a", Opening.RENEWED)])])


def test_a_lifetime_that_is_known_later_counts_from_the_beginning() -> None:
    call = lasting(None)
    follow(call, [(1000.0, AssistantReady(L16_8K, PCMU_8K, 3600), [])])
    assert call.deadline() == 3600 - RENEW_BEFORE_S


def test_other_formats_do_not_disturb_a_standby_that_opens() -> None:
    at = 3600 - RENEW_BEFORE_S
    follow(
        lasting(3600),
        [
            (at, TimePassed(), [opened("a", Opening.RENEWED)]),
            (at + 1, AssistantReady(L16_8K, PCMU_8K, 3600), []),
            (at + 5, TimePassed(), []),  # it is not ready in time
            (at + 34, TimePassed(), []),
            (at + 35, TimePassed(), [opened("a", Opening.RENEWED)]),
            (at + 36, STANDBY, [SwitchToStandby()]),
            (at + 36 + at - 1, TimePassed(), []),
            (at + 36 + at, TimePassed(), [opened("a", Opening.RENEWED)]),
        ],
    )


def test_an_assistant_that_expires_is_renewed_in_its_time_after_a_handover() -> None:
    """Not as soon as the caller is back."""
    call = talking(groups=(("+15550111",),))
    call.handle(AssistantReady(PCMU_8K, PCMU_8K, 3600), 0.0)
    call.handle(ASK, 0.0)
    call.handle(NobodyReached(Nobody.BUSY), 30.0)
    assert call.handle(TimePassed(), 3600 - RENEW_BEFORE_S - 0.1) == []
    (renewal,) = call.handle(TimePassed(), 3600 - RENEW_BEFORE_S)
    assert isinstance(renewal, OpenAssistant)
    assert renewal.opening is Opening.RENEWED


def test_an_assistant_whose_time_came_on_hold_is_renewed_when_the_caller_is_back() -> None:
    call = talking(groups=(("+15550111",),))
    call.handle(AssistantReady(PCMU_8K, PCMU_8K, 20), 0.0)
    call.handle(ASK, 0.0)
    call.handle(NobodyReached(Nobody.BUSY), 30.0)
    assert call.timers.fallen_due(30.9) is None
    assert call.timers.fallen_due(31.0) is Timer.RENEW
