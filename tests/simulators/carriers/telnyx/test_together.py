"""Calls of the simulated Telnyx that come together, without sockets: commands in, events and who hears whom out."""

import json
from typing import Any

import pytest

from bridge.simulators.carriers.telnyx.account import TelnyxAccount
from bridge.simulators.carriers.telnyx.actions import Action, DeliverWebhook, TelnyxRequest, TelnyxResponse
from bridge.simulators.carriers.telnyx.calls import CallState, TelnyxCall
from bridge.simulators.carriers.telnyx.injected_faults import TelnyxCallee, TelnyxFaults

NOW = 1_800_000_000.0
ANN, BOB, REFUSING, SILENT = "+15550111", "+15550112", "+15550113", "+15550114"
CALLEES = {
    ANN: TelnyxCallee(answers_after_s=2.0),
    BOB: TelnyxCallee(answers_after_s=3.0),
    REFUSING: TelnyxCallee(answers_after_s=1.0, refuses="user_busy"),
    SILENT: TelnyxCallee(answers_after_s=None),
    "sip:desk@pbx": TelnyxCallee(answers_after_s=1.0),
    "sip:busy@pbx": TelnyxCallee(answers_after_s=1.0, refuses="user_busy"),
}


class Office:
    """An account with an answered call, the caller's, and a client that has its key."""

    def __init__(self, faults: TelnyxFaults = TelnyxFaults()) -> None:  # noqa: B008 - frozen
        self.now = NOW
        self.account = TelnyxAccount(
            "KEY",
            webhook_url="https://voice.example.com/w",
            callee=TelnyxCallee(),
            callees=CALLEES,
            faults=faults,
        )
        self.caller, _ = self.account.ring("+15550199", "+15550100", NOW)
        self.done("answer", self.caller)

    def ask(
        self, command: str, call: TelnyxCall | str = "", conference: str = "", **body: Any
    ) -> TelnyxResponse:
        name = call if isinstance(call, str) else call.call_control_id
        data = json.dumps({field.rstrip("_"): value for field, value in body.items()}).encode()
        return self.account.ask(TelnyxRequest(command, "Bearer KEY", data, name, conference), self.now)

    def done(
        self, command: str, call: TelnyxCall | str = "", conference: str = "", **body: Any
    ) -> list[Action]:
        answer = self.ask(command, call, conference, **body)
        assert answer.status == 200, answer.body
        return answer.actions

    def dial(self, to: str, **body: Any) -> TelnyxCall:
        answer = self.ask("dial", connection_id="1", to=to, from_="+15550100", **body)
        assert answer.status == 200, answer.body
        return self.account.calls[answer.body["data"]["call_control_id"]]

    def wait(self) -> list[Action]:
        at = self.account.deadline()
        assert at is not None
        self.now = at
        return self.account.due(at)

    def answered(self, to: str, **body: Any) -> TelnyxCall:
        call = self.dial(to, **body)
        self.wait()
        assert call.state is CallState.ANSWERED
        return call

    def bridged(self, **body: Any) -> TelnyxCall:
        ann = self.answered(ANN, link_to=self.caller.call_control_id, bridge_intent=True)
        actions = self.done("bridge", self.caller, call_control_id=ann.call_control_id, **body)
        assert told(actions) == ["call.bridged caller", "call.bridged ann"]
        return ann

    def hears(self) -> dict[str, str]:
        """What each one hears, by names."""
        names = {
            name: NAMES[call.called if not call.incoming else "caller"]
            for name, call in self.account.calls.items()
        }
        return {
            names[listener]: " ".join(sorted(names.get(source, source) for source in sources))
            for listener, sources in self.account.audible().heard.items()
        }


NAMES = {
    ANN: "ann",
    BOB: "bob",
    REFUSING: "refusing",
    SILENT: "silent",
    "caller": "caller",
}


def told(actions: list[Action]) -> list[str]:
    """Each event with the one it is about."""
    return [
        f"{act.event['event_type']} {_about(act.event['payload'])}"
        for act in actions
        if isinstance(act, DeliverWebhook)
    ]


def _about(payload: Any) -> str:
    return NAMES.get(payload["to"], "caller")


def code(answer: TelnyxResponse) -> tuple[int, str]:
    (error,) = answer.body["errors"]
    return answer.status, error["code"]


def test_a_person_is_called_bridged_and_hangs_up() -> None:
    office = Office()
    ann = office.bridged(park_after_unbridge="self")
    assert ann.call_session_id == office.caller.call_session_id
    assert office.hears() == {"caller": "ann", "ann": "caller"}
    assert told(office.account.hang_up(ann, office.now)) == ["call.hangup ann"]
    assert office.caller.state is CallState.ANSWERED
    assert office.hears() == {}


def test_without_parking_the_other_one_is_hung_up() -> None:
    for park, left in (
        ({}, ["call.hangup ann", "call.hangup caller"]),
        ({"park_after_unbridge": "self"}, ["call.hangup ann"]),
    ):
        office = Office()
        ann = office.bridged(**park)
        assert told(office.account.hang_up(ann, office.now)) == left
    office = Office()
    ann = office.bridged(park_after_unbridge="self")
    assert told(office.account.hang_up(office.caller, office.now)) == [
        "call.hangup caller",
        "call.hangup ann",
    ]


def test_a_leg_that_was_dialled_to_park_stays_when_the_caller_leaves() -> None:
    office = Office()
    ann = office.answered(ANN, park_after_unbridge="self")
    office.done("bridge", office.caller, call_control_id=ann.call_control_id)
    office.account.hang_up(office.caller, office.now)
    assert ann.state is CallState.ANSWERED


def test_the_same_command_id_is_one_leg() -> None:
    office = Office()
    first = office.dial(ANN, command_id="one")
    assert office.dial(ANN, command_id="one") is first
    assert office.dial(ANN, command_id="two") is not first
    assert len(office.account.calls) == 3


def test_a_linked_leg_rings_on_when_the_caller_leaves() -> None:
    office = Office()
    ann = office.dial(ANN, link_to=office.caller.call_control_id, bridge_intent=True)
    office.account.hang_up(office.caller, office.now)
    assert ann.state is CallState.RINGING


def test_bridge_on_answer() -> None:
    office = Office()
    ann = office.dial(ANN, link_to=office.caller.call_control_id, bridge_on_answer=True)
    assert told(office.wait()) == ["call.answered ann", "call.bridged caller", "call.bridged ann"]
    assert ann.bridged_with == office.caller.call_control_id


REACHED = [(ANN, 2.0, None), (REFUSING, 1.0, "user_busy"), (SILENT, 25.0, "timeout")]


@pytest.mark.parametrize(("to", "after_s", "cause"), REACHED)
def test_transfer(to: str, after_s: float, cause: str | None) -> None:
    office = Office()
    office.done(
        "transfer", office.caller, to=to, timeout_secs=25, target_leg_client_state="aGV5", client_state="bWU="
    )
    assert office.hears() == {"caller": "@ringback"}
    actions = office.wait()
    assert office.now == NOW + after_s
    other = [*office.account.calls.values()][-1]
    if cause is None:
        assert told(actions) == ["call.answered ann", "call.bridged caller", "call.bridged ann"]
        assert office.hears() == {"caller": "ann", "ann": "caller"}
        assert (other.client_state, office.caller.client_state) == ("aGV5", "bWU=")
    else:
        assert (other.cause, office.caller.state) == (cause, CallState.ANSWERED)
        assert office.done("streaming_start", office.caller, stream_url="wss://voice.example.com/m")


def test_the_caller_leaves_during_a_transfer() -> None:
    office = Office()
    office.done("transfer", office.caller, to=ANN)
    other = [*office.account.calls.values()][-1]
    assert told(office.account.hang_up(office.caller, office.now)) == [
        "call.hangup caller",
        "call.hangup ann",
    ]
    assert other.cause == "originator_cancel"


@pytest.mark.parametrize(
    ("address", "events", "state"),
    [
        ("sip:desk@pbx", ["call.refer.completed caller", "call.hangup caller"], CallState.ENDED),
        ("sip:busy@pbx", ["call.refer.failed caller"], CallState.ANSWERED),
    ],
)
def test_refer(address: str, events: list[str], state: CallState) -> None:
    office = Office()
    assert told(office.done("refer", office.caller, sip_address=address)) == ["call.refer.started caller"]
    assert told(office.wait()) == events
    assert office.caller.state is state


def test_a_queue() -> None:
    office = Office()
    queued = office.done("enqueue", office.caller, queue_name="support", max_wait_time_secs=30)
    assert told(queued) == ["call.enqueued caller"]
    assert office.hears() == {"caller": "@music"}
    assert told(office.wait()) == ["call.dequeued caller"]
    assert (office.now, office.caller.state) == (NOW + 30, CallState.ANSWERED)

    office.done("enqueue", office.caller, queue_name="support")
    ann = office.answered(ANN)
    assert told(office.done("bridge", ann, queue="support")) == [
        "call.dequeued caller",
        "call.bridged ann",
        "call.bridged caller",
    ]
    assert office.hears() == {"caller": "ann", "ann": "caller"}
    assert code(office.ask("bridge", ann, queue="support")) == (422, "10015")
    assert code(office.ask("leave_queue", office.caller)) == (422, "10015")


ROLES = [
    ("monitor", {"caller": "ann", "ann": "caller", "bob": "ann caller"}),
    ("whisper", {"caller": "ann", "ann": "bob caller", "bob": "ann caller"}),
    ("barge", {"caller": "ann bob", "ann": "bob caller", "bob": "ann caller"}),
]


@pytest.mark.parametrize(("role", "heard"), ROLES)
def test_a_supervisor(role: str, heard: dict[str, str]) -> None:
    office = Office()
    ann = office.bridged()
    bob = office.answered(BOB, supervise_call_control_id=ann.call_control_id, supervisor_role=role)
    assert office.hears() == heard
    for other, then in ROLES:
        office.done("switch_supervisor_role", bob, role=other)
        assert office.hears() == then
    office.account.hang_up(office.caller, office.now)
    assert bob.state is CallState.ENDED


class Room(Office):
    """A conference of the caller, Ann and Bob."""

    def __init__(self, **caller: Any) -> None:
        super().__init__()
        self.ann, self.bob = self.answered(ANN), self.answered(BOB)
        answer = self.ask(
            "conference_create", name="r", call_control_id=self.caller.call_control_id, **caller
        )
        assert told(answer.actions) == ["conference.created caller", "conference.participant.joined caller"]
        self.id = answer.body["data"]["id"]
        for one in (self.ann, self.bob):
            self.join(one)

    def join(self, call: TelnyxCall, **body: Any) -> TelnyxResponse:
        return self.ask("conference_join", conference=self.id, call_control_id=call.call_control_id, **body)

    def command(self, name: str, *calls: TelnyxCall, **body: Any) -> TelnyxResponse:
        names = [call.call_control_id for call in calls]
        return self.ask(f"conference_{name}", conference=self.id, call_control_ids=names, **body)


ALL = {"caller": "ann bob", "ann": "bob caller", "bob": "ann caller"}


def test_a_conference_of_three() -> None:
    room = Room()
    assert room.hears() == ALL
    room.command("mute", room.ann)
    assert room.hears() == {"caller": "bob", "ann": "bob caller", "bob": "caller"}
    room.command("unmute")
    room.command("hold", room.caller, audio_url="https://voice.example.com/hold.wav")
    assert room.hears() == {"caller": "@music", "ann": "bob", "bob": "ann"}
    room.command("unhold", room.caller)
    room.command("hold")
    assert room.hears() == {"caller": "", "ann": "", "bob": ""}
    room.command("unhold", room.caller, room.ann, room.bob)
    assert room.hears() == ALL
    assert code(room.command("unhold")) == (422, "10015")
    update = {"call_control_id": room.bob.call_control_id, "supervisor_role": "whisper"}
    whisper: dict[str, Any] = {"whisper_call_control_ids": [room.ann.call_control_id]}
    room.ask("conference_update", conference=room.id, **update, **whisper)
    assert room.hears() == {"caller": "ann", "ann": "bob caller", "bob": "ann caller"}
    room.ask("conference_update", conference=room.id, **update)
    assert room.hears() == {"caller": "ann", "ann": "caller", "bob": "ann caller"}


def test_who_leaves_a_conference_is_parked() -> None:
    room = Room()
    left = room.ask("conference_leave", conference=room.id, call_control_id=room.bob.call_control_id)
    assert told(left.actions) == ["conference.participant.left bob"]
    assert room.bob.state is CallState.ANSWERED
    assert room.hears() == {"caller": "ann", "ann": "caller"}
    assert told(room.account.hang_up(room.ann, room.now)) == [
        "call.hangup ann",
        "conference.participant.left ann",
    ]
    assert told(room.account.hang_up(room.caller, room.now)) == [
        "call.hangup caller",
        "conference.participant.left caller",
        "conference.ended caller",
    ]
    assert code(room.join(room.bob)) == (422, "90019")


@pytest.mark.parametrize(
    ("how", "state"),
    [("end_conference_on_exit", CallState.ENDED), ("soft_end_conference_on_exit", CallState.ANSWERED)],
)
def test_who_ends_the_conference_by_leaving(how: str, state: CallState) -> None:
    room = Room()
    room.ask("conference_leave", conference=room.id, call_control_id=room.ann.call_control_id)
    room.join(room.ann, **{how: True})
    actions = room.account.hang_up(room.ann, room.now)
    assert "conference.ended ann" in told(actions)
    assert (room.caller.state, room.bob.state) == (state, state)


def test_a_conference_is_ended() -> None:
    room = Room()
    ended = told(room.ask("conference_end", conference=room.id).actions)
    assert ended.count("conference.participant.left caller") == 1
    assert "conference.ended caller" in ended
    assert {"call.hangup caller", "call.hangup ann", "call.hangup bob"} <= set(ended)


def test_what_is_known_of_a_conference() -> None:
    room = Room()
    listed = room.account.ask(
        TelnyxRequest("conference_list", "Bearer KEY", b"", query={"filter[name]": "r"}), room.now
    ).body
    assert [(one["id"], one["status"]) for one in listed["data"]] == [(room.id, "in_progress")]
    members = room.ask("conference_participants", conference=room.id).body["data"]
    assert [one["call_control_id"] for one in members] == [
        one.call_control_id for one in (room.caller, room.ann, room.bob)
    ]


def test_what_is_refused() -> None:
    office = Office()
    office.done("hangup", (gone := office.answered(BOB)))
    caller = office.caller
    rows: list[tuple[TelnyxResponse, tuple[int, str]]] = [
        (office.ask("bridge", caller), (422, "10015")),
        (office.ask("bridge", caller, call_control_id="v3:unknown"), (422, "90015")),
        (office.ask("bridge", caller, call_control_id=gone.call_control_id), (422, "90018")),
        (office.ask("bridge", caller, call_control_id=caller.call_control_id), (422, "10015")),
        (office.ask("bridge", caller, call_control_id="x", park_after_unbridge="both"), (422, "10015")),
        (office.ask("transfer", caller, to="5550111"), (422, "10016")),
        (office.ask("transfer", gone, to=ANN), (422, "90018")),
        (office.ask("refer", caller, sip_address="desk@pbx"), (422, "10015")),
        (office.ask("switch_supervisor_role", caller, role="barge"), (422, "10015")),
        (office.ask("switch_supervisor_role", caller, role="listen"), (422, "10015")),
        (office.ask("dial", connection_id="1", to=ANN, from_=BOB, link_to="v3:unknown"), (422, "90015")),
        (office.ask("dial", connection_id="1", to=ANN, from_=BOB, bridge_intent=True), (422, "10015")),
        (office.ask("conference_create", name="r", call_control_id="v3:unknown"), (422, "90015")),
        (office.ask("conference_create", call_control_id="v3:unknown"), (422, "10015")),
        (office.ask("conference_join", conference="unknown", call_control_id="x"), (404, "90058")),
    ]
    assert [code(answer) for answer, _ in rows] == [refusal for _, refusal in rows]


def test_faults_at_a_command() -> None:
    office = Office(TelnyxFaults(rate_limited=1, silent=1, refused=1, commands=("bridge", "dial")))
    dial = {"connection_id": "1", "to": ANN, "from_": BOB}
    answers = [office.ask("dial", **dial, command_id="a") for _ in range(4)]
    assert [(answer.status, answer.silent) for answer in answers] == [
        (429, False),
        (200, True),
        (422, False),
        (200, False),
    ]
    assert code(answers[2]) == (422, "90041")
    assert answers[3].body == answers[1].body
    assert len(office.account.calls) == 2
