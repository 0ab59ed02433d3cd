"""Queues that somebody serves, and referrals, at the simulated Twilio, without sockets: what its webhooks are told."""

from collections.abc import Sequence

import pytest

from bridge.simulators.carriers.twilio.account import TwilioAccount
from bridge.simulators.carriers.twilio.actions import Action, FetchTwiml
from bridge.simulators.carriers.twilio.calls import TwilioCall
from bridge.simulators.carriers.twilio.injected_faults import TwilioCallee, TwilioFaults

NOW = 1_800_000_000.0
URL = "https://voice.example.com/voice"
BACK = "https://voice.example.com/back"
CALLEES = {
    "queue:support": TwilioCallee(answers_after_s=20.0),
    "queue:full": TwilioCallee(answers_after_s=0.0, refuses="busy"),
    "queue:broken": TwilioCallee(answers_after_s=0.0, refuses="failed"),
    "queue:empty": TwilioCallee(answers_after_s=None),
    "sip:ann@pbx": TwilioCallee(answers_after_s=3.0),
    "sip:busy@pbx": TwilioCallee(answers_after_s=1.0, refuses="busy"),
    "sip:nowhere@pbx": TwilioCallee(answers_after_s=1.0, refuses="failed"),
    "sip:silent@pbx": TwilioCallee(answers_after_s=None),
}


def calling(body: str) -> tuple[TwilioAccount, TwilioCall]:
    account = TwilioAccount(
        "AC1", "token", callee=TwilioCallee(refuses="failed"), callees=CALLEES, faults=TwilioFaults()
    )
    call, _ = account.ring("+15550199", "+15550100", URL, NOW)
    account.twiml_came(call, f"<Response>{body}</Response>".encode(), URL, NOW)
    return account, call


def asked(actions: Sequence[Action]) -> list[dict[str, str]]:
    fetched = [act for act in actions if isinstance(act, FetchTwiml)]
    assert all(act.url == BACK for act in fetched)
    return [
        {name: value for name, value in act.form.items() if name.startswith(("Queue", "Refer", "Notify"))}
        for act in fetched
    ]


def test_somebody_who_serves_the_queue_talks_with_the_caller_and_leaves() -> None:
    account, call = calling('<Enqueue action="/back">support</Enqueue>')
    assert account.audible().heard == {call.sid: frozenset({"@music"})}
    assert account.deadline() == NOW + 20
    account.due(NOW + 20)
    (agent,) = (one for one in account.calls.values() if one is not call)
    assert agent.called == "queue:support"
    assert account.audible().heard == {call.sid: {agent.sid}, agent.sid: {call.sid}}
    assert asked(account.hang_up(agent, NOW + 60)) == [{"QueueResult": "bridged", "QueueTime": "20"}]
    assert not call.over
    assert account.audible().heard == {}


def test_a_caller_who_hangs_up_leaves_whoever_serves_the_queue() -> None:
    account, call = calling('<Enqueue action="/back">support</Enqueue>')
    account.due(NOW + 20)
    assert asked(account.hang_up(call, NOW + 60)) == []
    assert all(one.over for one in account.calls.values())


@pytest.mark.parametrize(("queue", "result"), [("full", "queue-full"), ("broken", "system-error")])
def test_a_queue_that_does_not_take_the_caller(queue: str, result: str) -> None:
    account, _ = calling(f'<Enqueue action="/back">{queue}</Enqueue>')
    assert asked(account.due(NOW)) == [{"QueueResult": result}]


@pytest.mark.parametrize("queue", ["empty", "unknown"])
def test_a_queue_that_nobody_serves(queue: str) -> None:
    account, _ = calling(f'<Enqueue action="/back">{queue}</Enqueue>')
    assert account.deadline() is None


@pytest.mark.parametrize(
    ("who", "after_s", "status", "code"),
    [
        ("ann", 3, "in-progress", "200"),
        ("busy", 1, "busy", "486"),
        ("nowhere", 1, "failed", "404"),
        ("silent", 30, "no-answer", "408"),
    ],
)
def test_a_referral(who: str, after_s: float, status: str, code: str) -> None:
    account, call = calling(f'<Refer action="/back"><Sip>sip:{who}@pbx</Sip></Refer>')
    assert account.deadline() == NOW + after_s
    assert asked(account.due(NOW + after_s)) == [
        {"ReferCallStatus": status, "ReferSipResponseCode": "202", "NotifySipResponseCode": code}
    ]
    assert not call.over
