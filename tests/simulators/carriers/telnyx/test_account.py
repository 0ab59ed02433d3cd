"""The simulated Telnyx without sockets: commands in, events out, in the order of a call."""

import json
from typing import Any

import pytest

from bridge.simulators.carriers.telnyx.account import TelnyxAccount
from bridge.simulators.carriers.telnyx.actions import (
    Action,
    AnswerStream,
    DeliverWebhook,
    EndStream,
    OpenStream,
    TelnyxRequest,
    TelnyxResponse,
)
from bridge.simulators.carriers.telnyx.calls import TelnyxCall
from bridge.simulators.carriers.telnyx.injected_faults import TelnyxCallee, TelnyxFaults, Verdict

NOW = 1_800_000_000.0
STREAM = {"stream_url": "wss://voice.example.com/m"}
DIAL = {"connection_id": "1", "to": "+15550100", "from": "+15550199"}


class Office:
    """An account, and a client that has its key."""

    def __init__(
        self,
        faults: TelnyxFaults = TelnyxFaults(),  # noqa: B008 - frozen
        callee: TelnyxCallee = TelnyxCallee(),  # noqa: B008 - frozen
        codec: str = "PCMU",
    ) -> None:
        self.now = NOW
        self.account = TelnyxAccount(
            "KEY", webhook_url="https://voice.example.com/w", codec=codec, callee=callee, faults=faults
        )

    def ring(self) -> TelnyxCall:
        call, actions = self.account.ring("+15550199", "+15550100", self.now)
        assert told(actions) == ["call.initiated"]
        return call

    def ask(self, command: str, call: TelnyxCall | str = "", **body: Any) -> TelnyxResponse:
        name = call if isinstance(call, str) else call.call_control_id
        return self.account.ask(
            TelnyxRequest(command, "Bearer KEY", json.dumps(body).encode(), name), self.now
        )

    def dial(self, **body: Any) -> tuple[TelnyxCall, TelnyxResponse]:
        answer = self.ask("dial", **DIAL | body)
        return self.account.calls[answer.body["data"]["call_control_id"]], answer

    def wait(self) -> list[Action]:
        """Until something is due."""
        at = self.account.deadline()
        assert at is not None
        self.now = at
        return self.account.due(at)


def told(actions: list[Action]) -> list[str]:
    """The events by kind, and what else is to be done by its class."""
    return [
        act.event["event_type"] if isinstance(act, DeliverWebhook) else type(act).__name__ for act in actions
    ]


def payload(act: Action) -> Any:
    assert isinstance(act, DeliverWebhook)
    return act.event["payload"]


def code(answer: TelnyxResponse) -> tuple[int, str]:
    (error,) = answer.body["errors"]
    return answer.status, error["code"]


def streaming(office: Office) -> tuple[TelnyxCall, str]:
    """An answered call with its stream."""
    call = office.ring()
    office.ask("answer", call)
    opening = office.ask("streaming_start", call, **STREAM).actions[0]
    assert isinstance(opening, OpenStream)
    office.account.stream_opened(call, office.now)
    return call, opening.wanted.stream_id


def test_a_call_from_ring_to_hangup() -> None:
    office = Office()
    call, actions = office.account.ring("+15550199", "+15550100", NOW)
    first = payload(actions[0])
    assert (first["direction"], first["state"], first["from"], first["to"]) == (
        "incoming",
        "parked",
        "+15550199",
        "+15550100",
    )
    answered = office.ask("answer", call, client_state="aGV5")
    assert (answered.status, answered.body) == (200, {"data": {"result": "ok"}})
    assert told(answered.actions) == ["call.answered"]
    assert payload(answered.actions[0])["client_state"] == "aGV5"
    assert office.ask("status", call).body["data"]["is_alive"] is True

    started = office.ask(
        "streaming_start",
        call,
        **STREAM,
        stream_codec="L16",
        stream_bidirectional_mode="rtp",
        stream_bidirectional_codec="L16",
        stream_bidirectional_sampling_rate=16_000,
        stream_auth_token="secret",
        custom_parameters=[{"name": "k", "value": "v"}],
    )
    opening, answering = started.actions
    assert isinstance(opening, OpenStream)
    wanted = opening.wanted
    assert answering == AnswerStream(wanted.stream_id)
    assert (wanted.codec, wanted.rate_hz, wanted.track) == ("L16", 16_000, "inbound_track")
    assert (wanted.mode, wanted.bidirectional_codec, wanted.bidirectional_rate_hz) == ("rtp", "L16", 16_000)
    assert (wanted.auth_token, wanted.custom_parameters, wanted.client_state) == (
        "secret",
        {"k": "v"},
        "aGV5",
    )
    opened = office.account.stream_opened(call, NOW)
    assert told(opened) == ["streaming.started"]
    assert payload(opened[0])["stream_url"] == STREAM["stream_url"]

    assert office.ask("hangup", call).actions == [EndStream(wanted.stream_id)]
    over = office.account.stream_over(call, NOW, hung_up=False)
    assert told(over) == ["streaming.stopped", "call.hangup"]
    last = payload(over[1])
    assert (last["hangup_cause"], last["hangup_source"], last["sip_hangup_cause"]) == (
        "normal_clearing",
        "callee",
        "200",
    )
    assert office.ask("status", call).body["data"]["is_alive"] is False


def test_the_caller_hangs_up() -> None:
    office = Office()
    call, _ = streaming(office)
    over = office.account.stream_over(call, NOW, hung_up=True)
    assert told(over) == ["streaming.stopped", "call.hangup"]
    assert payload(over[1])["hangup_source"] == "caller"
    assert office.account.hang_up(call, NOW) == []


def test_the_caller_gives_up_before_the_answer() -> None:
    office = Office()
    call = office.ring()
    (last,) = office.account.hang_up(call, NOW)
    assert payload(last)["hangup_cause"] == "originator_cancel"
    assert code(office.ask("answer", call)) == (422, "90018")


def test_a_server_that_closes_its_socket_leaves_a_silent_call() -> None:
    office = Office()
    call, _ = streaming(office)
    assert told(office.account.stream_over(call, NOW, hung_up=False)) == ["streaming.stopped"]
    assert office.ask("status", call).body["data"]["is_alive"] is True
    assert told(office.ask("hangup", call).actions) == ["call.hangup"]


def test_a_stream_whose_socket_cannot_be_opened() -> None:
    office = Office()
    call, stream_id = streaming(office)
    (failed,) = office.account.stream_failed(call, "refused", NOW)
    assert payload(failed)["stream_id"] == stream_id
    assert payload(failed)["stream_params"] == {"stream_url": STREAM["stream_url"], "track": "inbound_track"}
    assert office.ask("streaming_start", call, **STREAM).status == 200


def test_a_stream_is_stopped_and_the_call_goes_on() -> None:
    office = Office()
    call, stream_id = streaming(office)
    assert office.ask("streaming_stop", call, stream_id=stream_id).actions == [EndStream(stream_id)]
    assert told(office.account.stream_over(call, NOW, hung_up=False)) == ["streaming.stopped"]
    assert code(office.ask("streaming_stop", call)) == (422, "90048")


def test_an_answer_may_ask_for_the_stream_at_once() -> None:
    office = Office(codec="PCMA")
    call = office.ring()
    actions = office.ask("answer", call, **STREAM).actions
    assert told(actions) == ["call.answered", "OpenStream", "AnswerStream"]
    opening = actions[1]
    assert isinstance(opening, OpenStream)
    assert (opening.wanted.codec, opening.wanted.mode) == ("PCMA", None)


def test_keys_for_the_other_party() -> None:
    office = Office()
    call = office.ring()
    assert code(office.ask("send_dtmf", call, digits="1")) == (422, "90034")
    office.ask("answer", call)
    assert office.ask("send_dtmf", call, digits="12w", command_id="1").actions == []
    office.ask("send_dtmf", call, digits="12w", command_id="1")
    office.ask("send_dtmf", call, digits="3#", duration_millis=500)
    assert call.pressed == "12w3#"
    office.ask("hangup", call)
    assert code(office.ask("send_dtmf", call, digits="4")) == (422, "90018")


def test_a_rejected_call() -> None:
    office = Office()
    (last,) = office.ask("reject", office.ring(), cause="USER_BUSY").actions
    assert payload(last)["hangup_cause"] == "user_busy"


def test_commands_that_the_state_of_the_call_forbids() -> None:
    office = Office()
    call = office.ring()
    assert code(office.ask("streaming_start", call, **STREAM)) == (422, "90034")
    assert code(office.ask("streaming_stop", call)) == (422, "90048")
    office.ask("answer", call)
    assert code(office.ask("answer", call, client_state="aGV5")) == (422, "10015")
    assert code(office.ask("reject", call, cause="USER_BUSY")) == (422, "10015")
    assert call.client_state is None
    office.ask("streaming_start", call, **STREAM)
    assert code(office.ask("streaming_start", call, **STREAM)) == (422, "90045")
    assert code(office.ask("streaming_stop", call, stream_id="another")) == (422, "90048")
    office.ask("hangup", call)
    assert code(office.ask("hangup", call)) == (422, "90018")
    assert code(office.ask("hangup", "v3:unknown")) == (404, "90015")
    assert code(office.ask("status", "v3:unknown")) == (404, "90015")


@pytest.mark.parametrize(
    ("authorization", "refused"),
    [(None, (404, "10005")), ("Bearer wrong", (401, "10009")), ("Basic KEY", (401, "10009"))],
)
def test_a_request_without_the_key(authorization: str | None, refused: tuple[int, str]) -> None:
    assert code(Office().account.ask(TelnyxRequest("dial", authorization), NOW)) == refused


@pytest.mark.parametrize("body", [b"{", b"[]", b"\xff"])
def test_a_body_that_is_not_an_object(body: bytes) -> None:
    office = Office()
    assert code(office.account.ask(TelnyxRequest("dial", "Bearer KEY", body), NOW)) == (400, "10015")
    (command,) = office.account.commands
    assert (command.name, command.body, command.status) == ("dial", {}, 400)


def test_a_command_is_performed_once_in_a_minute() -> None:
    office = Office()
    call = office.ring()
    assert told(office.ask("answer", call, command_id="1").actions) == ["call.answered"]
    again = office.ask("answer", call, command_id="1")
    assert (again.status, again.body, again.actions) == (200, {"data": {"result": "ok"}}, [])
    office.now += 60
    assert code(office.ask("answer", call, command_id="1")) == (422, "10015")
    assert [command.at - NOW for command in office.account.commands] == [0, 0, 60]


def test_a_refused_command_is_not_remembered() -> None:
    office = Office()
    call = office.ring()
    assert code(office.ask("streaming_start", call, command_id="1", **STREAM)) == (422, "90034")
    office.ask("answer", call)
    assert told(office.ask("streaming_start", call, command_id="1", **STREAM).actions)[0] == "OpenStream"


def test_a_repeated_dial_calls_once() -> None:
    office = Office()
    call, _ = office.dial(command_id="1")
    same, again = office.dial(command_id="1")
    assert same is call
    assert again.actions == []
    another, _ = office.dial(command_id="2")
    assert another is not call


def test_a_dialled_call_is_answered() -> None:
    office = Office(callee=TelnyxCallee(answers_after_s=4))
    call, answer = office.dial(client_state="aGV5", webhook_url="https://voice.example.com/other", **STREAM)
    assert answer.body["data"]["is_alive"] is False
    (initiated,) = answer.actions
    assert isinstance(initiated, DeliverWebhook)
    assert initiated.url == "https://voice.example.com/other"
    assert (payload(initiated)["direction"], payload(initiated)["client_state"]) == ("outgoing", "aGV5")
    assert told(office.wait()) == ["call.answered", "OpenStream", "AnswerStream"]
    assert office.now == NOW + 4
    assert office.account.deadline() is None
    office.ask("hangup", call)
    assert payload(office.account.stream_over(call, NOW, hung_up=False)[1])["hangup_source"] == "caller"


def test_a_socket_before_the_answer() -> None:
    office = Office()
    _, answer = office.dial(stream_establish_before_call_originate=True, **STREAM)
    assert told(answer.actions) == ["call.initiated", "OpenStream"]
    assert told(office.wait()) == ["call.answered", "AnswerStream"]


def test_a_socket_before_an_answer_that_never_comes() -> None:
    office = Office(callee=TelnyxCallee(refuses="user_busy"))
    call, _ = office.dial(stream_establish_before_call_originate=True, **STREAM)
    assert told(office.wait()) == ["EndStream"]
    assert told(office.account.stream_over(call, NOW, hung_up=False)) == ["streaming.stopped", "call.hangup"]


UNANSWERED = [
    (TelnyxCallee(answers_after_s=None), "timeout", "unspecified", 30.0),
    (TelnyxCallee(answers_after_s=3, refuses="user_busy"), "user_busy", "486", 3.0),
    (TelnyxCallee(answers_after_s=3, refuses="call_rejected"), "call_rejected", "603", 3.0),
]


@pytest.mark.parametrize(("callee", "cause", "sip", "after_s"), UNANSWERED)
def test_nobody_answers_a_dialled_call(callee: TelnyxCallee, cause: str, sip: str, after_s: float) -> None:
    office = Office(callee=callee)
    office.dial()
    (last,) = office.wait()
    assert office.now == NOW + after_s
    assert (payload(last)["hangup_cause"], payload(last)["sip_hangup_cause"]) == (cause, sip)


VERDICTS: list[tuple[str, Verdict, list[tuple[str, str]]]] = [
    ("detect", "human", [("call.machine.detection.ended", "human")]),
    ("detect", "machine", [("call.machine.detection.ended", "machine")]),
    ("detect", "silence", [("call.machine.detection.ended", "not_sure")]),
    (
        "detect_beep",
        "machine",
        [("call.machine.detection.ended", "machine"), ("call.machine.greeting.ended", "beep_detected")],
    ),
    (
        "greeting_end",
        "machine",
        [("call.machine.detection.ended", "machine"), ("call.machine.greeting.ended", "ended")],
    ),
    ("premium", "human", [("call.machine.premium.detection.ended", "human_residence")]),
    ("premium", "fax_detected", [("call.machine.premium.detection.ended", "fax_detected")]),
    (
        "premium",
        "machine",
        [
            ("call.machine.premium.detection.ended", "machine"),
            ("call.machine.premium.greeting.ended", "beep_detected"),
        ],
    ),
]


@pytest.mark.parametrize(("detects", "answered_by", "events"), VERDICTS)
def test_who_answered(detects: str, answered_by: Verdict, events: list[tuple[str, str]]) -> None:
    office = Office(callee=TelnyxCallee(answered_by=answered_by))
    office.dial(answering_machine_detection=detects)
    assert told(office.wait()) == ["call.answered"]
    verdicts = office.wait()
    assert [(told([act])[0], payload(act)["result"]) for act in verdicts] == events
    assert office.account.deadline() is None


def test_no_machine_detection_unless_asked_for() -> None:
    office = Office()
    office.dial(answering_machine_detection="disabled")
    office.wait()
    assert office.account.deadline() is None


def test_faults_come_in_turn_for_each_command() -> None:
    office = Office(TelnyxFaults(server_errors=1, rate_limited=1, silent=1))
    call = office.ring()
    assert office.ask("answer", call, command_id="1").status == 500
    limited = office.ask("answer", call, command_id="1")
    assert code(limited) == (429, "10011")
    assert limited.headers["x-ratelimit-remaining"] == "0"
    silent = office.ask("answer", call, command_id="1")
    assert silent.silent
    assert told(silent.actions) == ["call.answered"]
    sound = office.ask("answer", call, command_id="1")
    assert (sound.status, sound.actions, sound.silent) == (200, [], False)
    assert office.ask("hangup", call).status == 500


def test_faults_of_one_command_only() -> None:
    office = Office(TelnyxFaults(server_errors=1, commands=("hangup",)))
    call = office.ring()
    assert office.ask("answer", call).status == 200
    assert office.ask("hangup", call).status == 500


def test_a_codec_that_was_not_asked_for() -> None:
    office = Office(TelnyxFaults(codec="G722"))
    call = office.ring()
    opening = office.ask("answer", call, stream_codec="PCMU", **STREAM).actions[1]
    assert isinstance(opening, OpenStream)
    assert (opening.wanted.codec, opening.wanted.rate_hz) == ("G722", 8_000)
