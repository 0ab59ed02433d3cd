"""Somebody serves a queue of the simulated Telnyx, without sockets: events and who hears whom."""

import json
from typing import Any

from bridge.simulators.carriers.telnyx.account import TelnyxAccount
from bridge.simulators.carriers.telnyx.actions import Action, DeliverWebhook, TelnyxRequest
from bridge.simulators.carriers.telnyx.calls import CallState
from bridge.simulators.carriers.telnyx.injected_faults import TelnyxCallee, TelnyxFaults

NOW = 1_800_000_000.0


def told(actions: list[Action]) -> list[str]:
    return [act.event["event_type"] for act in actions if isinstance(act, DeliverWebhook)]


def test_somebody_who_serves_a_queue_takes_the_caller_and_leaves() -> None:
    account = TelnyxAccount(
        "KEY",
        webhook_url="https://voice.example.com/w",
        callee=TelnyxCallee(),
        callees={"queue:desk": TelnyxCallee(answers_after_s=5.0)},
        faults=TelnyxFaults(),
    )
    caller, _ = account.ring("+15550199", "+15550100", NOW)

    def ask(command: str, **body: Any) -> list[Action]:
        data = json.dumps(body).encode()
        answer = account.ask(TelnyxRequest(command, "Bearer KEY", data, caller.call_control_id, ""), NOW)
        assert answer.status == 200
        return answer.actions

    ask("answer")
    assert told(ask("enqueue", queue_name="desk")) == ["call.enqueued"]
    assert account.deadline() == NOW + 5
    assert told(account.due(NOW + 5)) == ["call.dequeued", "call.bridged", "call.bridged"]
    agent = next(call for call in account.calls.values() if call is not caller)
    mine, its = caller.call_control_id, agent.call_control_id
    assert account.audible().heard == {mine: {its}, its: {mine}}
    account.hang_up(agent, NOW + 60)
    assert caller.state is CallState.ENDED, "nobody asked for it to be parked"
