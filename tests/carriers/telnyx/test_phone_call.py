"""Phone calls under Call Control, told as transcripts of webhooks; and every order in which they can come."""

from collections.abc import Iterator, Sequence
from itertools import permutations

import pytest
from msgspec import json

from bridge.carriers.telnyx.events import CallEvent, read
from bridge.carriers.telnyx.phone_call import (
    LONGEST_WHY,
    MOVES,
    Answer,
    ClientState,
    HangUp,
    PhoneCall,
    SendDtmf,
    Stage,
    StartStreaming,
    Step,
    read_client_state,
)
from bridge.carriers.telnyx.phone_calls import VERDICT_S, PhoneCalls

RINGS = CallEvent("call.initiated", "v2:abc", direction="incoming")
DIALLED = CallEvent("call.initiated", "v2:abc", direction="outgoing")
ANSWERED = CallEvent("call.answered", "v2:abc")
STARTED = CallEvent("streaming.started", "v2:abc")
STOPPED = CallEvent("streaming.stopped", "v2:abc")
FAILED = CallEvent("streaming.failed", "v2:abc", failure_reason="connection_failed")
HUNG_UP = CallEvent("call.hangup", "v2:abc", hangup_cause="normal_clearing")

OURS = ClientState("clinic")
SCREENED = ClientState("clinic", wants_human=True)

Transcript = Sequence[tuple[CallEvent, list[Step]]]


def of(state: ClientState, event: CallEvent) -> CallEvent:
    """The webhook as it comes where a command gave `state` along."""
    payload = {
        "call_control_id": event.call_id,
        "client_state": state.encode(),
        "direction": event.direction,
        "result": event.result,
    }
    came = read(json.encode({"data": {"event_type": event.type, "payload": payload}}))
    assert isinstance(came, CallEvent)
    return came


def detected(result: str) -> CallEvent:
    return of(SCREENED, CallEvent("call.machine.detection.ended", "v2:abc", result=result))


def detected_premium(result: str) -> CallEvent:
    return of(SCREENED, CallEvent("call.machine.premium.detection.ended", "v2:abc", result=result))


def greeted(result: str) -> CallEvent:
    return of(SCREENED, CallEvent("call.machine.greeting.ended", "v2:abc", result=result))


def greeted_premium(result: str) -> CallEvent:
    return of(SCREENED, CallEvent("call.machine.premium.greeting.ended", "v2:abc", result=result))


def follow(phone_call: PhoneCall, transcript: Transcript) -> PhoneCall:
    for event, steps in transcript:
        assert phone_call.handle(event) == steps, event
    return phone_call


def streaming() -> PhoneCall:
    return follow(PhoneCall(), [(RINGS, [Answer()]), (ANSWERED, [StartStreaming()])])


def screening(*talk_to: str) -> PhoneCall:
    return follow(PhoneCall(talk_to or ("human",)), [(of(SCREENED, ANSWERED), [])])


def test_an_incoming_call_from_ringing_to_its_end() -> None:
    phone_call = follow(
        PhoneCall(),
        [
            (RINGS, [Answer()]),
            (RINGS, []),
            (ANSWERED, [StartStreaming()]),
            (STARTED, []),
            (ANSWERED, []),
            (HUNG_UP, []),
            (STOPPED, []),
            (ANSWERED, []),
            (RINGS, []),
        ],
    )
    assert phone_call.stage is Stage.ENDED
    assert phone_call.stream_over() == []


def test_a_call_that_we_placed() -> None:
    phone_call = follow(
        PhoneCall(),
        [(of(OURS, DIALLED), []), (of(OURS, ANSWERED), [StartStreaming()]), (of(OURS, HUNG_UP), [])],
    )
    assert phone_call.client_state == OURS


def test_a_call_that_we_placed_is_ours_once_that_was_proved() -> None:
    follow(PhoneCall(), [(of(OURS, DIALLED), []), (ANSWERED, [StartStreaming()])])


def test_a_call_of_ours_from_before_a_restart_is_taken_up() -> None:
    assert follow(PhoneCall(), [(of(OURS, ANSWERED), [StartStreaming()])]).client_state.assistant == "clinic"


@pytest.mark.parametrize("event", [DIALLED, ANSWERED, STARTED, STOPPED, FAILED])
def test_a_call_that_we_know_nothing_of_is_left_alone(event: CallEvent) -> None:
    phone_call = follow(PhoneCall(), [(event, [])])
    assert phone_call.stage is Stage.UNKNOWN
    assert phone_call.stream_over() == []


def test_somebody_elses_verdict_is_left_alone() -> None:
    follow(
        PhoneCall(),
        [(CallEvent("call.machine.detection.ended", "v2:abc", client_state="x", result="human"), [])],
    )


def test_a_call_that_was_hung_up_before_we_heard_of_it_is_not_answered() -> None:
    assert follow(PhoneCall(), [(HUNG_UP, []), (RINGS, []), (ANSWERED, [])]).stage is Stage.ENDED


def test_the_end_of_our_session_ends_the_call() -> None:
    phone_call = streaming()
    assert phone_call.stream_over() == [HangUp("the stream is over")]
    assert phone_call.stream_over() == []
    follow(phone_call, [(STOPPED, []), (HUNG_UP, [])])


def test_a_stream_that_stops_or_fails_ends_the_call() -> None:
    follow(streaming(), [(STOPPED, [HangUp("the stream is over")]), (STOPPED, [])])
    follow(streaming(), [(FAILED, [HangUp("its stream failed: connection_failed")]), (FAILED, [])])


def test_a_reason_is_cut() -> None:
    endless = CallEvent("streaming.failed", "v2:abc", failure_reason="x" * 10_000)
    (hang_up,) = streaming().handle(endless)
    assert isinstance(hang_up, HangUp)
    assert len(hang_up.why) == LONGEST_WHY


PUT_THROUGH = [
    (("human",), detected("human")),
    (("human",), detected_premium("human_residence")),
    (("human",), detected_premium("human_business")),
    (("human_business",), detected_premium("human_business")),
    (("human", "not_sure"), detected("not_sure")),
    (("human", "not_sure"), detected("")),
    (("machine",), detected("machine")),
    (("machine",), greeted("beep_detected")),
    (("machine",), greeted("not_sure")),
    (("beep_detected",), greeted("beep_detected")),
    (("prompt_ended",), greeted_premium("prompt_ended")),
]
TURNED_DOWN = [
    (("human",), detected("machine"), "machine"),
    (("human",), detected("not_sure"), "not_sure"),
    (("human",), detected(""), "not_sure"),
    (("human",), detected_premium("silence"), "silence"),
    (("human",), detected_premium("fax_detected"), "fax_detected"),
    (("human",), greeted_premium("beep_detected"), "beep_detected"),
    (("human", "not_sure"), greeted("not_sure"), "not_sure"),
    (("human_business",), detected_premium("human_residence"), "human_residence"),
    (("human_business",), detected("human"), "human"),
    (("beep_detected",), detected("human"), "human"),
    (("beep_detected",), greeted_premium("no_beep_detected"), "no_beep_detected"),
    ((), detected("human"), "human"),
]


@pytest.mark.parametrize(("talk_to", "verdict"), PUT_THROUGH)
def test_who_is_put_through_to_the_assistant(talk_to: tuple[str, ...], verdict: CallEvent) -> None:
    follow(PhoneCall(talk_to), [(of(SCREENED, ANSWERED), []), (verdict, [StartStreaming()]), (verdict, [])])
    follow(PhoneCall(talk_to), [(verdict, [StartStreaming()]), (of(SCREENED, ANSWERED), [])])


@pytest.mark.parametrize(("talk_to", "verdict", "told"), TURNED_DOWN)
def test_who_is_not(talk_to: tuple[str, ...], verdict: CallEvent, told: str) -> None:
    hang_up: list[Step] = [HangUp(f"nobody to talk to: {told}")]
    follow(PhoneCall(talk_to), [(of(SCREENED, ANSWERED), []), (verdict, hang_up), (verdict, [])])
    follow(PhoneCall(talk_to), [(verdict, hang_up), (of(SCREENED, ANSWERED), [])])


def test_the_end_of_a_greeting_is_waited_for_where_somebody_talks_after_it() -> None:
    phone_call = follow(screening("human", "beep_detected"), [(detected("machine"), [])])
    assert phone_call.verdict_overdue() == []
    follow(phone_call, [(greeted("beep_detected"), [StartStreaming()])])


def test_a_verdict_says_nothing_where_nobody_waits_for_it() -> None:
    follow(PhoneCall(), [(of(OURS, ANSWERED), [StartStreaming()]), (detected("machine"), [])])
    follow(PhoneCall(), [(RINGS, [Answer()]), (detected("machine"), []), (ANSWERED, [StartStreaming()])])


def test_a_second_verdict_changes_nothing() -> None:
    follow(screening(), [(detected("human"), [StartStreaming()]), (detected("machine"), [])])
    follow(
        screening(),
        [(detected("machine"), [HangUp("nobody to talk to: machine")]), (detected("human"), [])],
    )


@pytest.mark.parametrize("code", ["90041", "10009", ""])
def test_a_call_that_cannot_be_answered_is_hung_up(code: str) -> None:
    phone_call = follow(PhoneCall(), [(RINGS, [Answer()])])
    assert phone_call.refused(Answer(), code) == [HangUp(f"it could not be answered: {code}")]
    follow(phone_call, [(ANSWERED, []), (HUNG_UP, [])])


def test_an_answer_that_was_refused_is_of_no_account_once_the_call_is_answered() -> None:
    assert streaming().refused(Answer(), "90041") == []


@pytest.mark.parametrize("step", [Answer(), StartStreaming(), HangUp(""), SendDtmf("1")])
def test_a_call_that_had_ended_has_ended(step: Step) -> None:
    phone_call = streaming()
    assert phone_call.refused(step, "90018") == []
    assert phone_call.stage is Stage.ENDED
    assert phone_call.refused(step, "90018") == []
    follow(phone_call, [(ANSWERED, []), (HUNG_UP, [])])


def test_nothing_is_left_to_try_where_a_hang_up_is_refused() -> None:
    phone_call = streaming()
    phone_call.stream_over()
    assert phone_call.refused(HangUp("the stream is over"), "10009") == []
    assert phone_call.stage is Stage.ENDED


def test_a_stream_that_runs_already_is_none_the_worse() -> None:
    phone_call = streaming()
    assert phone_call.refused(StartStreaming(), "90045") == []
    assert phone_call.stage is Stage.STREAMING


def test_a_stream_that_cannot_be_started_ends_the_call() -> None:
    assert streaming().refused(StartStreaming(), "90046") == [
        HangUp("its stream could not be started: 90046")
    ]


def test_a_stream_that_was_too_early_is_started_when_the_call_is_answered() -> None:
    phone_call = follow(PhoneCall(), [(detected("human"), [StartStreaming()])])
    assert phone_call.refused(StartStreaming(), "90034") == []
    follow(phone_call, [(detected("human"), []), (of(SCREENED, ANSWERED), [StartStreaming()])])
    assert phone_call.refused(StartStreaming(), "90034") == [HangUp("its stream could not be started: 90034")]


def test_a_stream_that_was_too_early_is_tried_again_where_the_answer_was_told_in_between() -> None:
    phone_call = follow(PhoneCall(), [(detected("human"), [StartStreaming()]), (ANSWERED, [])])
    assert phone_call.refused(StartStreaming(), "90034") == [StartStreaming()]
    assert phone_call.refused(StartStreaming(), "90034") == [HangUp("its stream could not be started: 90034")]


# Who answers


def test_who_answers_a_call_that_comes_in_goes_along_with_it() -> None:
    phone_call = PhoneCall()
    assert phone_call.handle(RINGS, "clinic") == [Answer()]
    assert phone_call.handle(ANSWERED, "another") == [StartStreaming()]
    assert phone_call.client_state == ClientState("clinic")


@pytest.mark.parametrize("event", [DIALLED, ANSWERED])
def test_a_call_that_names_its_assistant_keeps_it(event: CallEvent) -> None:
    phone_call = PhoneCall()
    phone_call.handle(of(OURS, event), "another")
    assert phone_call.client_state == OURS


# Every order


def every_order(*events: CallEvent) -> Iterator[tuple[CallEvent, ...]]:
    """Each of them comes twice."""
    for order in set(permutations([*range(len(events))] * 2)):
        yield tuple(events[place] for place in order)


def did(events: Sequence[CallEvent], phone_call: PhoneCall) -> tuple[list[Step], list[Step]]:
    """What was done before the first hang-up, and after it."""
    end = events.index(HUNG_UP) if HUNG_UP in events else len(events)
    before = [step for event in events[:end] for step in phone_call.handle(event)]
    return before, [step for event in events[end:] for step in phone_call.handle(event)]


def test_an_incoming_call_in_every_order() -> None:
    for events in every_order(RINGS, ANSWERED, STARTED, HUNG_UP):
        phone_call = PhoneCall()
        before, after = did(events, phone_call)
        assert after == []
        in_time = events[: events.index(HUNG_UP)]
        steps: list[Step] = [Answer()] if RINGS in in_time else []
        if steps and ANSWERED in in_time[in_time.index(RINGS) :]:
            steps.append(StartStreaming())
        assert before == steps, events
        assert phone_call.stage is Stage.ENDED


def test_a_stream_that_stops_in_every_order() -> None:
    for events in every_order(RINGS, ANSWERED, STOPPED, HUNG_UP):
        before, after = did(events, PhoneCall())
        assert after == []
        assert len(before) == len(set(before)), events
        assert StartStreaming() not in before or before.index(Answer()) < before.index(StartStreaming())
        if any(isinstance(step, HangUp) for step in before):
            assert isinstance(before[-1], HangUp), events


OUTCOMES: list[tuple[CallEvent, list[Step]]] = [
    (detected("human"), [StartStreaming()]),
    (detected("machine"), [HangUp("nobody to talk to: machine")]),
]


@pytest.mark.parametrize(("verdict", "steps"), OUTCOMES, ids=["human", "machine"])
def test_a_call_that_was_screened_in_every_order(verdict: CallEvent, steps: list[Step]) -> None:
    for events in every_order(of(SCREENED, DIALLED), of(SCREENED, ANSWERED), verdict):
        assert did(events, PhoneCall()) == (steps, []), events


@pytest.mark.parametrize(
    ("talk_to", "steps"),
    [(("human",), [HangUp("nobody to talk to: not_sure")]), (("human", "not_sure"), [StartStreaming()])],
)
def test_a_verdict_that_does_not_come_is_not_sure(talk_to: tuple[str, ...], steps: list[Step]) -> None:
    calls = PhoneCalls(talk_to)
    phone_call, _ = calls.handle(of(SCREENED, ANSWERED), 1.0)
    assert calls.deadline() == 1.0 + VERDICT_S
    assert calls.due(0.9 + VERDICT_S) == []
    assert calls.due(1.0 + VERDICT_S) == [("v2:abc", phone_call, steps)]
    assert calls.deadline() is None
    assert calls.handle(detected("human"), 2.0 + VERDICT_S)[1] == []


@pytest.mark.parametrize("event", [detected("human"), detected("fax_detected"), HUNG_UP])
def test_nobody_waits_for_a_verdict_that_came_or_for_one_who_left(event: CallEvent) -> None:
    calls = PhoneCalls()
    calls.handle(of(SCREENED, ANSWERED), 1.0)
    calls.handle(event, 2.0)
    assert calls.deadline() is None


@pytest.mark.parametrize("state", [OURS, SCREENED, ClientState(), ClientState("Zoë's")])
def test_what_we_give_along_comes_back(state: ClientState) -> None:
    assert read_client_state(of(state, ANSWERED).client_state) == state


@pytest.mark.parametrize(
    "text",
    [
        *("", "have a nice day =]", "[]", "{}", "null", '{"assistant":"clinic","wants_human":true}'),
        *('{"voicebridge":null}', '{"voicebridge":{"wants_human":"yes"}}', "[" * 100_000),
    ],
)
def test_what_somebody_else_gave_along_is_not_ours(text: str) -> None:
    assert read_client_state(text) is None


def test_the_table_has_every_stage_and_nothing_follows_the_end() -> None:
    assert MOVES.keys() == set(Stage)
    assert not MOVES[Stage.ENDED]
    assert all(Stage.ENDED in after for stage, after in MOVES.items() if stage is not Stage.ENDED)
