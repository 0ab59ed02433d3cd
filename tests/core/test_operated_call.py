"""An operator steers a call, as call transcripts: when, what came, what we do."""

import pytest

from bridge.core.dialogue import DialogueRules
from bridge.core.listening_call import ListeningCall
from bridge.core.people import People, Person
from bridge.core.states import State
from bridge.core.timers import Limits
from bridge.vocabulary.commands import (
    AppendAudio,
    ClearPlayback,
    CloseAssistant,
    Command,
    DropReply,
    HangUp,
    PlayAudio,
    PressKeys,
    TellAssistant,
    TruncateReply,
)
from bridge.vocabulary.events import (
    CallEnded,
    CallerAudio,
    GoodbyeRequested,
    LegLost,
    LegName,
    ReplyAudio,
    ReplyEnded,
    ToolUsed,
)
from bridge.vocabulary.operator import (
    HandoverRequested,
    HangUpRequested,
    HoldRequested,
    KeysRequested,
    MuteRequested,
    OperatorEvent,
    ReturnRequested,
    TellRequested,
)
from bridge.vocabulary.people import (
    EndHandover,
    Nobody,
    NobodyReached,
    Outcome,
    PeopleJoined,
    PersonLeft,
    PutThrough,
    ReleasePerson,
    TakeBack,
)
from tests.core.handovers import AGAIN, ANSWERED, ASK, FRAME, GROUPS, READY, START, STAYS

HELD = b"\x33" * 160
END = HangUpRequested("an operator ended the call")


def call_in(state: State, can: frozenset[type[Command]] = STAYS, **how: object) -> ListeningCall:
    """A call in this state since 0.0; held where it is on hold."""
    given: dict[str, object] = {"groups": GROUPS, "ring_s": 25.0} | how
    call = ListeningCall(
        0.0,
        Limits(open_s=5, silent_s=10_000, longest_s=3600),
        DialogueRules(reorder_ms=0, can=can),
        people=People({"billing": Person(**given)}, {"": ("billing",)}, held=HELD),  # type: ignore[arg-type]
    )
    if state is State.WAITING:
        return call
    call.handle(START, 0.0)
    if state is State.OPENING:
        return call
    call.handle(READY, 0.0)
    if state is State.HOLDING:
        call.handle(HoldRequested(on=True), 0.0)
    elif state is State.WITH_PERSON:
        for event in (HandoverRequested("billing", at_once=True), ANSWERED, PeopleJoined("B1")):
            call.handle(event, 0.0)
    elif state is State.ENDED:
        call.handle(CallEnded(), 0.0)
    assert call.state is state
    return call


def kinds(commands: list[Command]) -> list[str]:
    return [type(command).__name__ for command in commands]


ALL: tuple[OperatorEvent, ...] = (
    TellRequested("x"),
    HoldRequested(on=True),
    HoldRequested(on=False),
    MuteRequested("caller", muted=True),
    KeysRequested("1"),
    HandoverRequested("billing"),
    HandoverRequested("billing", at_once=True),
    ReturnRequested(),
    END,
)

POSSIBLE: dict[State, set[int]] = {
    State.WAITING: set(),
    State.OPENING: {3, 5, 6, 8},
    State.TALKING: {0, 1, 3, 4, 5, 6, 8},
    State.HOLDING: {2, 3, 5, 6, 8},
    State.WITH_PERSON: {7, 8},
    State.ENDED: set(),
}
"""By state, which of these events can be done then."""


@pytest.mark.parametrize("state", POSSIBLE)
def test_what_is_possible_in_which_state(state: State) -> None:
    for number, event in enumerate(ALL):
        call = call_in(state)
        assert (call.why_not(event) == "") is (number in POSSIBLE[state]), (
            f"{state}: {event}: {call.why_not(event)}"
        )
        before = call.counts().get("out_of_place", 0)
        commands = call.handle(event, 0.0)
        if number not in POSSIBLE[state]:
            assert commands == []
            assert call.state is state
            assert call.counts().get("out_of_place", 0) - before in (0, 1)


# Words for the assistant


def test_the_assistant_is_told_and_so_is_the_next_one() -> None:
    call = call_in(State.TALKING)
    assert call.handle(TellRequested("offer a discount", responds=False), 1.0) == [
        TellAssistant("offer a discount", responds=False)
    ]
    (told,) = call.heard(2.0)
    assert isinstance(told, ToolUsed)
    assert told.arguments == '{"text":"offer a discount"}'


# Hold


def test_the_caller_hears_music_and_the_assistant_nothing() -> None:
    call = call_in(State.TALKING)
    call.handle(ReplyAudio("r1", FRAME), 1.0)
    held = call.handle(HoldRequested(on=True), 1.01)
    assert kinds(held)[:2] == ["ClearPlayback", "TruncateReply"]
    assert PlayAudio(HELD) in held
    assert call.is_held
    assert call.handle(CallerAudio(FRAME, 20), 1.02) == []
    assert call.handle(ReplyAudio("r2", FRAME), 1.03) == [DropReply("r2")]
    back = call.handle(HoldRequested(on=False), 3.0)
    assert kinds(back)[-1] == "ClearPlayback"
    assert (call.state, call.is_held) == (State.TALKING, False)
    assert call.handle(CallerAudio(FRAME, 2000), 3.01) == [AppendAudio(FRAME)]
    assert PlayAudio(FRAME) in call.handle(ReplyAudio("r3", FRAME), 3.02)


def test_an_assistant_that_is_lost_on_hold_is_opened_when_the_caller_is_back() -> None:
    call = call_in(State.HOLDING)
    call.handle(LegLost(LegName.ASSISTANT, 1006), 1.0)
    assert call.is_held
    assert "OpenAssistant" in kinds(call.handle(HoldRequested(on=False), 2.0))
    assert call.state is State.OPENING


def test_a_transfer_that_the_assistant_asks_for_meanwhile_is_refused() -> None:
    call = call_in(State.HOLDING)
    (report,) = call.handle(ASK, 0.0)
    assert "an operator holds the call" in report.output  # type: ignore[union-attr]
    assert call.is_held


def test_a_held_call_that_loses_its_stream_goes_on_when_it_is_back() -> None:
    call = call_in(State.HOLDING)
    call.handle(LegLost(LegName.CARRIER, 1006), 1.0)
    assert call.is_held
    assert PlayAudio(HELD) in call.handle(AGAIN, 2.0)
    call.handle(HoldRequested(on=False), 3.0)
    assert call.state is State.TALKING


def test_a_held_caller_who_hangs_up() -> None:
    call = call_in(State.HOLDING)
    assert CloseAssistant() in call.handle(CallEnded(), 1.0)
    assert call.state is State.ENDED


def test_the_server_stops_while_a_call_is_held() -> None:
    call = call_in(State.HOLDING)
    assert HangUp(1001, "stop") in call.handle(GoodbyeRequested("stop", 5.0), 1.0)


# Mute


def test_a_muted_caller_is_silence_to_the_assistant() -> None:
    call = call_in(State.TALKING)
    silence = b"\xff" * 160
    call.handle(CallerAudio(FRAME, 0), 1.0)
    assert call.handle(MuteRequested("caller", muted=True), 1.01) == []
    assert call.muted == {"caller"}
    assert CallerAudio not in call.lanes
    assert call.handle(CallerAudio(FRAME, 20), 1.02) == [AppendAudio(silence)]
    assert PlayAudio(FRAME) in call.handle(ReplyAudio("r1", FRAME), 1.03)
    call.handle(MuteRequested("caller", muted=False), 1.04)
    assert call.handle(CallerAudio(FRAME, 40), 1.05) == [AppendAudio(FRAME)]
    assert CallerAudio in call.lanes


def test_a_muted_assistant_is_told_that_nobody_hears_it() -> None:
    call = call_in(State.TALKING)
    call.handle(ReplyAudio("r1", FRAME), 1.0)
    muted = call.handle(MuteRequested("assistant", muted=True), 1.01)
    assert isinstance(muted[0], ClearPlayback)
    assert isinstance(muted[1], TruncateReply)
    assert call.handle(ReplyAudio("r1", FRAME), 1.02) == []
    assert call.handle(ReplyAudio("r2", FRAME), 1.03) == [DropReply("r2")]
    call.handle(ReplyEnded("r2"), 1.04)
    assert call.handle(CallerAudio(FRAME, 0), 1.05) == [AppendAudio(FRAME)]
    call.handle(MuteRequested("assistant", muted=False), 1.06)
    assert PlayAudio(FRAME) in call.handle(ReplyAudio("r3", FRAME), 1.07)


def test_a_mute_outlasts_a_hold() -> None:
    call = call_in(State.HOLDING)
    call.handle(MuteRequested("caller", muted=True), 1.0)
    call.handle(HoldRequested(on=False), 2.0)
    assert call.handle(CallerAudio(FRAME, 0), 2.01) == [AppendAudio(b"\xff" * 160)]


# Keys


def test_keys_are_pressed_by_the_carrier_or_played() -> None:
    assert call_in(State.TALKING).handle(KeysRequested("12#"), 1.0) == [PressKeys("12#")]
    played = call_in(State.TALKING, can=frozenset()).handle(KeysRequested("1"), 1.0)
    assert "PlayAudio" in kinds(played)


# To a person, and back


def test_an_operator_puts_the_caller_through_and_the_assistant_is_told_what_became_of_it() -> None:
    call = call_in(State.TALKING)
    assert PutThrough("billing", GROUPS[0], "ours", 25.0, "1.1") in call.handle(
        HandoverRequested("billing"), 1.0
    )
    call.handle(NobodyReached(Nobody.BUSY), 2.0)
    told = call.handle(NobodyReached(Nobody.BUSY), 3.0)
    assert kinds(told) == ["EndHandover", "TellAssistant"]
    assert call.state is State.TALKING


def test_a_warm_person_takes_the_call_at_once() -> None:
    call = call_in(State.TALKING, is_warm=True)
    call.handle(ReplyAudio("r1", FRAME * 100), 1.0)
    taken = call.handle(HandoverRequested("billing", at_once=True), 1.1)
    assert kinds(taken)[:2] == ["ClearPlayback", "TruncateReply"]
    assert PutThrough("billing", GROUPS[0], "ours", 25.0, "1.1") in taken
    assert call.state is State.HOLDING


def test_a_held_caller_is_put_through() -> None:
    call = call_in(State.HOLDING)
    assert PutThrough("billing", GROUPS[0], "ours", 25.0, "1.1") in call.handle(
        HandoverRequested("billing"), 1.0
    )
    assert not call.is_held
    assert call.why_not(HoldRequested(on=True))


def test_the_caller_is_taken_back_from_the_person() -> None:
    call = call_in(State.WITH_PERSON, comes_back=False)
    back = call.handle(ReturnRequested(), 5.0)
    assert ReleasePerson("B1", "an operator took the caller back") in back
    assert EndHandover("billing", Outcome.TALKED, 0.0, 5.0) in back
    assert back[-1] == TakeBack()
    call.handle(PersonLeft("B1", 5.0), 5.1)
    assert "OpenAssistant" in kinds(call.handle(AGAIN, 5.2))


def test_while_it_rings_the_caller_is_taken_back_too() -> None:
    call = call_in(State.TALKING, nobody="hang_up")
    call.handle(HandoverRequested("billing"), 1.0)
    back = call.handle(ReturnRequested(), 2.0)
    assert ReleasePerson("", "an operator took the caller back") in back
    assert call.state is State.TALKING


def test_a_person_whom_nobody_knows_and_a_carrier_that_cannot() -> None:
    assert "there is no person" in call_in(State.TALKING).why_not(HandoverRequested("nobody"))
    assert call_in(State.TALKING, can=frozenset()).why_not(HandoverRequested("billing"))


# The end


def test_the_call_is_ended_at_once() -> None:
    call = call_in(State.TALKING)
    call.handle(ReplyAudio("r1", FRAME * 100), 1.0)
    ended = call.handle(END, 1.1)
    assert isinstance(ended[0], ClearPlayback)
    assert ended[-1] == HangUp(1001, END.why)
    assert call.state is State.ENDED


def test_a_held_call_and_one_with_a_person_are_ended() -> None:
    held = call_in(State.HOLDING).handle(END, 1.0)
    assert held[-1] == HangUp(1001, END.why)
    with_person = call_in(State.WITH_PERSON)
    ended = with_person.handle(END, 1.0)
    assert ReleasePerson("B1", END.why) in ended
    assert ended[-1] == HangUp(1001, END.why)
    assert not with_person.leaves_people
