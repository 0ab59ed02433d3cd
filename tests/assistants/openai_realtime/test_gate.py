"""The gate for `response.create`, told as races: when, what happened, what goes out."""

import json
from collections.abc import Callable
from itertools import count
from math import inf

import pytest

from bridge.assistants.openai_realtime.gate import GateState, Request, ResponseGate
from bridge.assistants.shared.scripted_responses import Purpose

REPLY = Request()
GREETING = Request(Purpose.GREETING, {"instructions": "greeting"})
FAREWELL = Request(Purpose.FAREWELL, {"instructions": "farewell"})
FILLER = Request(Purpose.FILLER, {"instructions": "filler"})


def about(*items: str) -> Request:
    return Request(items=frozenset(items))


Step = Callable[[ResponseGate, float], object]


def ask(request: Request) -> Step:
    return lambda gate, _now: gate.ask(request)


def created(response: str, event: str | None = None, *, unwanted: bool = False) -> Step:
    def step(gate: ResponseGate, _now: float) -> None:
        assert gate.created(response, event) is not unwanted

    return step


def done(response: str, event: str | None = None) -> Step:
    return lambda gate, _now: gate.done(response, event)


def failed(response: str) -> Step:
    return lambda gate, now: gate.ask_again(gate.done(response, None) or REPLY, now + 0.5)


def drop_retry(gate: ResponseGate, _now: float) -> None:
    gate.drop_retry()


def refused(event: str | None, response: str | None = None) -> Step:
    return lambda gate, now: gate.refused(event, response, now)


def added(item: str) -> Step:
    return lambda gate, _now: gate.acknowledge(item)


def hold(until: float = inf) -> Step:
    return lambda gate, _now: gate.hold(until)


def release(gate: ResponseGate, _now: float) -> None:
    gate.release()


def interrupt(gate: ResponseGate, _now: float) -> None:
    gate.interrupt()


def nothing(_gate: ResponseGate, _now: float) -> None:
    pass


IDLE, REQUESTED, ACTIVE = GateState.IDLE, GateState.REQUESTED, GateState.ACTIVE

RACES: dict[str, list[tuple[float, Step, str, GateState]]] = {
    "one request, one response": [
        (0.0, ask(REPLY), "e1", REQUESTED),
        (0.1, created("R1", "e1"), "", ACTIVE),
        (0.2, done("R1", "e1"), "", IDLE),
    ],
    "what is asked meanwhile goes out once, after the end": [
        (0.0, ask(REPLY), "e1", REQUESTED),
        (0.1, ask(about("a")), "", REQUESTED),
        (0.2, created("R1", "e1"), "", ACTIVE),
        (0.3, ask(about("b")), "", ACTIVE),
        (0.4, done("R1", "e1"), "e2", REQUESTED),
        (0.5, created("R2", "e2"), "", ACTIVE),
        (0.6, done("R2", "e2"), "", IDLE),
    ],
    "refused after the server's own response was announced": [
        (0.0, ask(about("a")), "e1", REQUESTED),
        (0.1, created("R0"), "", ACTIVE),
        (0.2, refused("e1"), "", ACTIVE),
        (0.9, done("R0"), "e2", REQUESTED),
    ],
    "refused before it was announced": [
        (0.0, ask(REPLY), "e1", REQUESTED),
        (0.1, refused("e1"), "", ACTIVE),
        (0.2, created("R0"), "", ACTIVE),
        (0.9, done("R0"), "", IDLE),
    ],
    "refused by a server that names no event": [
        (0.0, ask(about("a")), "e1", REQUESTED),
        (0.1, refused(None), "", ACTIVE),
        (0.2, created("R0"), "", ACTIVE),
        (0.9, done("R0"), "e2", REQUESTED),
    ],
    "refused for a response that is named": [
        (0.0, ask(REPLY), "e1", REQUESTED),
        (0.1, refused("e1", "resp_0"), "", ACTIVE),
        (0.9, done("resp_0"), "e2", REQUESTED),
    ],
    "refused for a response that never ends": [
        (0.0, ask(REPLY), "e1", REQUESTED),
        (0.1, refused("e1", "resp_0"), "", ACTIVE),
        (5.1, nothing, "e2", REQUESTED),
    ],
    "a refusal of what was answered means nothing": [
        (0.0, ask(REPLY), "e1", REQUESTED),
        (0.1, created("R1", "e1"), "", ACTIVE),
        (0.2, refused("e1"), "", ACTIVE),
        (0.3, done("R1", "e1"), "", IDLE),
        (0.4, refused("e0"), "", IDLE),
    ],
    "the server's own response, made after our item, will do": [
        (0.0, hold(), "", IDLE),
        (0.1, ask(about("a")), "", IDLE),
        (0.2, added("a"), "", IDLE),
        (0.3, created("R0"), "", ACTIVE),
        (0.4, done("R0"), "", IDLE),
    ],
    "made before our item, it will not": [
        (0.0, hold(), "", IDLE),
        (0.1, ask(about("a", "b")), "", IDLE),
        (0.2, added("a"), "", IDLE),
        (0.3, created("R0"), "", ACTIVE),
        (0.4, added("b"), "", ACTIVE),
        (0.5, done("R0"), "e1", REQUESTED),
    ],
    "refused, and the server's own response knew our item": [
        (0.0, ask(about("a")), "e1", REQUESTED),
        (0.1, added("a"), "", REQUESTED),
        (0.2, created("R0"), "", ACTIVE),
        (0.3, refused("e1"), "", ACTIVE),
        (0.4, done("R0"), "", IDLE),
    ],
    "a server without metadata is believed to answer us": [
        (0.0, ask(REPLY), "e1", REQUESTED),
        (0.1, created("R1"), "", ACTIVE),
        (0.9, done("R1"), "", IDLE),
        (9.0, nothing, "", IDLE),
    ],
    "believed wrongly: our own comes after all": [
        (0.0, ask(FAREWELL), "e1", REQUESTED),
        (0.1, created("R0"), "", ACTIVE),
        (0.2, created("R1", "e1"), "", ACTIVE),
        (0.3, done("R0"), "", ACTIVE),
        (0.4, done("R1", "e1"), "", IDLE),
    ],
    "one that sends metadata back is not believed without": [
        (0.0, ask(REPLY), "e1", REQUESTED),
        (0.1, created("R1", "e1"), "", ACTIVE),
        (0.2, done("R1", "e1"), "", IDLE),
        (0.3, ask(about("a")), "e2", REQUESTED),
        (0.4, created("R0"), "", ACTIVE),
        (0.5, done("R0"), "", REQUESTED),
        (0.6, created("R2", "e2"), "", ACTIVE),
    ],
    "an end without a beginning opens it too": [
        (0.0, ask(REPLY), "e1", REQUESTED),
        (0.1, done("R9"), "", REQUESTED),
        (0.2, done("R1", "e1"), "", IDLE),
    ],
    "the turn's end is not waited for for ever": [
        (0.0, hold(3.0), "", IDLE),
        (0.1, ask(REPLY), "", IDLE),
        (2.9, nothing, "", IDLE),
        (3.0, nothing, "e1", REQUESTED),
    ],
    "the turn is over and the server answers nothing": [
        (0.0, hold(), "", IDLE),
        (0.1, ask(REPLY), "", IDLE),
        (1.0, release, "e1", REQUESTED),
    ],
    "what was asked before an interruption is not wanted": [
        (0.0, ask(REPLY), "e1", REQUESTED),
        (0.1, interrupt, "", REQUESTED),
        (0.2, created("R1", "e1", unwanted=True), "", ACTIVE),
        (0.3, done("R1", "e1"), "", IDLE),
    ],
    "nor by a server without metadata, which does not answer while it listens": [
        (0.0, ask(REPLY), "e1", REQUESTED),
        (0.1, hold(), "", REQUESTED),
        (0.1, interrupt, "", REQUESTED),
        (0.2, created("R1", unwanted=True), "", ACTIVE),
        (0.3, done("R1"), "", IDLE),
    ],
    "nor by one that is interrupted without a turn of the caller's": [
        (0.0, ask(REPLY), "e1", REQUESTED),
        (0.1, interrupt, "", REQUESTED),
        (0.1, ask(about("a")), "", REQUESTED),
        (0.2, created("R1", unwanted=True), "", ACTIVE),
        (0.3, done("R1"), "e2", REQUESTED),
    ],
    "the server's own was refused, for the caller's turn came into a reply": [
        (0.0, created("R0"), "", ACTIVE),
        (0.1, hold(9.0), "", ACTIVE),
        (0.2, refused(None), "", ACTIVE),
        (0.3, done("R0"), "e1", REQUESTED),
    ],
    "the same, but the caller speaks again": [
        (0.0, created("R0"), "", ACTIVE),
        (0.1, hold(), "", ACTIVE),
        (0.2, refused(None), "", ACTIVE),
        (0.3, done("R0"), "", IDLE),
        (1.0, hold(3.0), "", IDLE),
        (3.0, nothing, "e1", REQUESTED),
    ],
    "unwanted and never made": [
        (0.0, ask(REPLY), "e1", REQUESTED),
        (0.1, interrupt, "", REQUESTED),
        (0.2, ask(about("a")), "", REQUESTED),
        (5.0, nothing, "e2", REQUESTED),
    ],
    "of what waits only a reply outlives an interruption": [
        (0.0, created("R0"), "", ACTIVE),
        (0.1, ask(FAREWELL), "", ACTIVE),
        (0.2, interrupt, "", ACTIVE),
        (0.3, done("R0"), "", IDLE),
        (0.4, created("R1"), "", ACTIVE),
        (0.5, ask(REPLY), "", ACTIVE),
        (0.6, interrupt, "", ACTIVE),
        (0.7, done("R1"), "e1", REQUESTED),
    ],
    "asked twice in vain": [
        (0.0, ask(REPLY), "e1", REQUESTED),
        (4.9, nothing, "", REQUESTED),
        (5.0, nothing, "e1", REQUESTED),
        (9.9, nothing, "", REQUESTED),
        (10.0, nothing, "gave up", IDLE),
    ],
    "the first was only slow": [
        (0.0, ask(REPLY), "e1", REQUESTED),
        (5.0, nothing, "e1", REQUESTED),
        (5.1, created("R1", "e1"), "", ACTIVE),
        (5.2, refused("e1"), "", ACTIVE),
        (5.3, done("R1", "e1"), "", IDLE),
    ],
    "unanswered while the server's own is active: it waits for that": [
        (0.0, ask(GREETING), "e1", REQUESTED),
        (0.1, created("R1", "e1"), "", ACTIVE),
        (0.2, done("R1", "e1"), "", IDLE),
        (0.3, ask(about("a")), "e2", REQUESTED),
        (0.4, created("R0"), "", ACTIVE),
        (5.3, nothing, "", ACTIVE),
        (6.0, done("R0"), "e3", REQUESTED),
    ],
    "an unanswered filler is forgotten": [
        (0.0, ask(FILLER), "e1", REQUESTED),
        (5.0, nothing, "", IDLE),
    ],
    "failed, and again after a pause, as often as is wanted": [
        (0.0, ask(GREETING), "e1", REQUESTED),
        (0.1, created("R1", "e1"), "", ACTIVE),
        (0.2, failed("R1"), "", IDLE),
        (0.6, nothing, "", IDLE),
        (0.7, nothing, "e2", REQUESTED),
        (0.8, created("R2", "e2"), "", ACTIVE),
        (0.9, failed("R2"), "", IDLE),
        (1.4, nothing, "e3", REQUESTED),
    ],
    "failed, and the caller speaks in the pause: a greeting is left out": [
        (0.0, ask(GREETING), "e1", REQUESTED),
        (0.1, created("R1", "e1"), "", ACTIVE),
        (0.2, failed("R1"), "", IDLE),
        (0.3, drop_retry, "", IDLE),
        (9.0, nothing, "", IDLE),
    ],
    "failed, and the caller speaks in the pause: a reply waits for the server's own": [
        (0.0, ask(about("a")), "e1", REQUESTED),
        (0.1, created("R1", "e1"), "", ACTIVE),
        (0.2, failed("R1"), "", IDLE),
        (0.3, drop_retry, "", IDLE),
        (0.7, nothing, "e2", REQUESTED),
    ],
    "the server's own failed, and a new request does not wait": [
        (0.0, created("R0"), "", ACTIVE),
        (0.1, failed("R0"), "", IDLE),
        (0.2, ask(about("a")), "e1", REQUESTED),
    ],
    "announced twice": [
        (0.0, created("R0"), "", ACTIVE),
        (0.1, created("R0"), "", ACTIVE),
        (0.2, done("R0"), "", IDLE),
    ],
}


@pytest.mark.parametrize("race", RACES)
def test_races(race: str) -> None:
    names = count(1)
    gate = ResponseGate(lambda: f"e{next(names)}")
    for at, step, expected, state in RACES[race]:
        step(gate, at)
        sent = [json.loads(answer) for answer in gate.advance(at)]
        outcome = " ".join(message["event_id"] for message in sent) or ("gave up" if gate.gave_up else "")
        assert (outcome, gate.state) == (expected, state), at
        due = gate.deadline()
        assert due is None or due > at, "what is due was not done"
        for message in sent:
            assert message["response"]["metadata"] == {"client_event_id": message["event_id"]}


COALESCED = [
    (REPLY, FILLER, None),
    (FILLER, REPLY, None),
    (FAREWELL, REPLY, "farewell"),
    (REPLY, FAREWELL, "farewell"),
    (GREETING, REPLY, None),
    (GREETING, FILLER, "greeting"),
]


@pytest.mark.parametrize(("first", "second", "instructions"), COALESCED)
def test_of_two_wishes_one_waits(first: Request, second: Request, instructions: str | None) -> None:
    gate = ResponseGate(lambda: "e")
    gate.created("R0", None)
    gate.ask(first)
    gate.ask(second)
    assert gate.advance(0.0) == []
    gate.done("R0", None)
    (answer,) = gate.advance(0.1)
    assert json.loads(answer)["response"].get("instructions") == instructions
    gate.created("R1", "e")
    gate.done("R1", "e")
    assert gate.advance(0.2) == []


def test_a_rejected_request_is_given_back_once() -> None:
    gate = ResponseGate(lambda: "e")
    gate.ask(GREETING)
    gate.advance(0.0)
    assert gate.rejected("other") is None
    assert gate.rejected(None) is None
    assert gate.rejected("e") == GREETING
    assert gate.rejected("e") is None
    assert gate.state is IDLE
