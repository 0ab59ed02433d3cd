"""A call under Call Control goes to a person and comes back, without sockets: webhooks in, requests out."""

from typing import TYPE_CHECKING, Any

import pytest
from msgspec import json

from bridge.carriers.shared.called_people import LATE_S, VERDICT_S
from bridge.carriers.telnyx.events import CallEvent
from bridge.carriers.telnyx.handover import PersonState, read_person_state
from bridge.carriers.telnyx.settings import TelnyxSettings
from bridge.carriers.telnyx.webhooks import TelnyxWebhooks
from bridge.simulators.carriers.telnyx.webhooks import TEST_PUBLIC_KEY, Signer
from bridge.vocabulary.commands import ControlCommand, PressKeys
from bridge.vocabulary.contracts import CallControl, StreamEnd
from bridge.vocabulary.people import (
    BriefPerson,
    CallPeople,
    JoinPerson,
    Nobody,
    NobodyReached,
    PeopleJoined,
    PersonAnswered,
    PersonEvent,
    PersonLeft,
    PersonRings,
    PutThrough,
    ReleasePerson,
    TakeBack,
)

if TYPE_CHECKING:
    from tests.carriers.conftest import Host, Sent

A, B, C = "v3:a", "v3:b", "v3:c"
CALLER, OURS, ANN, BOB = "+15550199", "+15550100", "+15550111", "+15550112"
UNIX_S = 1_700_000_000
US = "https://voice.example.com"


def put_through(*group: str, from_: str = "ours") -> PutThrough:
    return PutThrough("billing", group or (ANN,), from_, 25.0, "r1")


def call_people(*group: str, from_: str = "ours") -> CallPeople:
    return CallPeople("billing", group or (ANN,), from_, 25.0, "r1")


class Line:
    """One call whose stream is open, on a server that can put it through."""

    def __init__(self, serve: Any, host: "Host", **settings: Any) -> None:
        host.people = True
        self.host = host
        self._serve = serve
        keys = {"public_key": TEST_PUBLIC_KEY, "api_key": "KEY", "connection_id": "7267"}
        self.webhooks = TelnyxWebhooks(TelnyxSettings.model_validate(keys | settings), host)
        self.now = 0.0
        self._events = 0
        self.says("call.initiated", direction="incoming", to=OURS, **{"from": CALLER})
        self.says("call.answered")
        host.under_way.add(A)
        host.sent.clear()

    @property
    def control(self) -> CallControl:
        control = self.host.expected[0][0].control
        assert control is not None
        return control

    def do(self, command: ControlCommand) -> None:
        """The core commands this."""
        assert type(command) in self.control.can
        self.control.perform(command, self.now)

    def says(self, kind: str, call_id: str = A, **payload: str) -> None:
        """A webhook of the caller's call."""
        self._events += 1
        event = {
            "event_type": kind,
            "id": str(self._events),
            "payload": {"call_control_id": call_id} | payload,
        }
        self.tell(event)

    def tell(self, event: dict[str, Any]) -> None:
        body = json.encode({"data": event})
        signed = {name.lower(): value for name, value in Signer().headers(body, UNIX_S).items()}
        self._serve(self.webhooks, "/telnyx/webhook", body, headers=signed, now=self.now)

    def leg(self, kind: str, leg: str = B, handle: str = "h1", **payload: str) -> None:
        """A webhook of a person's leg."""
        self.says(kind, leg, client_state=PersonState("billing", handle, A).encode(), **payload)

    def told(self) -> list[PersonEvent]:
        """What the core was told since the last time."""
        told = [event for call_id, event in self.host.told if call_id == A]
        self.host.told.clear()
        return told

    def then(self, **commands: ControlCommand) -> None:
        """What the core commands at once when it is told something, by the name of the event."""
        self.host.commands_after = lambda event: (
            self.do(commands[type(event).__name__]) if type(event).__name__ in commands else None
        )

    def asked(self) -> list[tuple[str, str]]:
        """What was asked for, of which call."""
        return [(sent.request.command, sent.request.call_id) for sent in self.host.sent]

    def last(self, command: str) -> "Sent":
        return next(sent for sent in reversed(self.host.sent) if sent.request.command == command)

    def body(self, command: str) -> dict[str, Any]:
        found: dict[str, Any] = json.decode(self.last(command).request.body)
        return found

    def take(self, command: str, **data: object) -> None:
        """Telnyx accepts the last command of this kind."""
        if (taken := self.last(command).taken) is not None:
            taken(data, self.now)

    def take_all(self, *commands: str) -> None:
        """Telnyx accepts all of these kinds, in order."""
        for sent in list(self.host.sent):
            if sent.request.command in commands and sent.taken is not None:
                sent.taken({}, self.now)


@pytest.fixture
def line(serve: Any, host: "Host") -> Line:
    return Line(serve, host)


EVERYTHING = {PressKeys, CallPeople, PutThrough, BriefPerson, JoinPerson, ReleasePerson, TakeBack}


def test_what_can_be_done_to_a_call(line: Line, serve: Any, host: "Host") -> None:
    assert line.control.can == EVERYTHING, "its stream is in nobody's way: `CloseStream` is not needed"


@pytest.mark.parametrize("text", ["", "{}", "x", '{"voicebridge":{"assistant":""}}'])
def test_whose_leg_it_is_not(text: str) -> None:
    assert read_person_state(text) is None


# Cold


def test_a_person_is_called_beside_the_stream(line: Line) -> None:
    line.do(put_through())
    assert line.asked() == [("call person", "")]
    body = line.body("call person")
    state = PersonState("billing", "h1", A).encode()
    assert body == {
        "connection_id": "7267",
        "to": ANN,
        "from": OURS,
        "link_to": A,
        "timeout_secs": 25,
        "webhook_url": f"{US}/telnyx/leg/h1",
        "client_state": state,
        "answering_machine_detection": "detect",
        "command_id": body["command_id"],
    }
    assert ANN not in state
    assert line.host.closed == [], "the caller hears our music"


def test_the_caller_s_number_is_shown_by_telnyx(line: Line) -> None:
    line.do(put_through(from_="caller"))
    assert line.body("call person")["bridge_intent"] is True


def test_a_number_of_the_settings_is_shown(line: Line) -> None:
    line.do(put_through(from_="+15550777"))
    body = line.body("call person")
    assert (body["from"], "bridge_intent" in body) == ("+15550777", False)


def answered_cold(line: Line) -> None:
    line.do(put_through())
    line.take("call person", call_control_id=B)
    line.leg("call.initiated", direction="outgoing")
    line.leg("call.answered")


def joined_cold(line: Line) -> None:
    answered_cold(line)
    line.take_all("streaming_stop")
    line.take("bridge")
    line.leg("call.bridged")
    line.says("call.bridged")


def test_whoever_answers_is_bridged_after_the_stream_was_stopped(line: Line) -> None:
    answered_cold(line)
    assert line.told() == [PersonRings(B), PersonAnswered(B, ANN)]
    assert line.asked() == [("call person", ""), ("streaming_stop", A)]
    assert line.host.closed == [A]
    line.take("streaming_stop")
    body = line.body("bridge")
    assert line.last("bridge").request.call_id == A
    assert body == {
        "call_control_id": B,
        "park_after_unbridge": "self",
        "mute_dtmf": "none",
        "command_id": body["command_id"],
    }
    line.leg("call.bridged")
    line.says("call.bridged")
    assert line.told() == [], "it may be a machine"
    line.leg("call.machine.detection.ended", result="human")
    assert line.told() == [PeopleJoined(B)], "Telnyx says it of either leg"


def test_where_nobody_says_whether_it_is_a_machine_it_is_taken_for_none(line: Line) -> None:
    joined_cold(line)
    line.told()
    assert line.webhooks.deadline() == VERDICT_S
    line.webhooks.due(VERDICT_S)
    assert line.told() == [PeopleJoined(B)]
    line.leg("call.machine.detection.ended", result="machine")
    assert line.told() == [PersonLeft(B)], "it is too late to say that nobody was reached"
    assert ("hangup", B) in line.asked()


def test_where_nobody_looks_for_machines_it_is_told_at_once(serve: Any, host: "Host") -> None:
    line = Line(serve, host, detect_machines_of_people=False)
    joined_cold(line)
    assert line.told()[-1] == PeopleJoined(B)
    assert "answering_machine_detection" not in line.body("call person")


def test_what_the_stream_does_meanwhile_means_nothing(line: Line) -> None:
    answered_cold(line)
    line.says("streaming.failed", failure_reason="gone")
    line.take_all("streaming_stop")
    line.says("streaming.stopped")
    line.says("call.bridged")
    line.says("streaming.stopped")
    assert "hangup" not in line.host.commands
    assert line.host.ended == []


def test_the_person_leaves_and_the_caller_is_streamed_again(line: Line) -> None:
    joined_cold(line)
    line.told()
    line.now = 140.0
    line.then(PersonLeft=TakeBack())
    line.leg("call.hangup", hangup_cause="normal_clearing")
    assert line.told() == [PersonLeft(B, 140.0)]
    assert line.asked()[-1] == ("streaming_start", A)
    call, _ = line.host.expected[-1]
    assert (call.call_id, call.continues) == (A, True)
    line.says("streaming.stopped")  # of the stream before, late
    assert line.asked()[-1] == ("streaming_start", A)


def test_a_stream_that_ends_after_the_way_back_ends_the_call(line: Line) -> None:
    joined_cold(line)
    line.then(PersonLeft=TakeBack())
    line.says("streaming.stopped")
    line.leg("call.hangup", hangup_cause="normal_clearing")
    line.says("streaming.stopped")
    assert line.asked()[-1] == ("hangup", A)


NOBODY = [
    ("user_busy", Nobody.BUSY),
    ("timeout", Nobody.NO_ANSWER),
    ("no_answer", Nobody.NO_ANSWER),
    ("call_rejected", Nobody.REFUSED),
    ("not_found", Nobody.FAILED),
    ("unspecified", Nobody.FAILED),
    ("", Nobody.FAILED),
]


@pytest.mark.parametrize(("cause", "why"), NOBODY)
@pytest.mark.parametrize("command", [put_through(), call_people()])
def test_nobody_is_reached_and_the_caller_s_stream_is_still_there(
    command: PutThrough | CallPeople, cause: str, why: Nobody, line: Line
) -> None:
    line.then(NobodyReached=TakeBack())
    line.do(command)
    line.take("call person", call_control_id=B)
    line.leg("call.initiated", direction="outgoing")
    line.leg("call.hangup", hangup_cause=cause)
    assert line.told() == [PersonRings(B), NobodyReached(why, "r1")]
    assert line.asked() == [("call person", "")]
    line.says("streaming.stopped")
    assert line.asked()[-1] == ("hangup", A), "the call is as it was before"


@pytest.mark.parametrize("is_bridged", [True, False])
def test_a_machine_is_hung_up_on(is_bridged: bool, line: Line) -> None:
    joined_cold(line) if is_bridged else answered_cold(line)
    line.told()
    line.then(NobodyReached=TakeBack())
    line.leg("call.machine.detection.ended", result="machine")
    assert line.told() == [NobodyReached(Nobody.MACHINE, "r1")]
    assert ("hangup", B) in line.asked()
    line.take_all("streaming_stop")
    assert line.asked()[-1] == ("streaming_start", A)
    assert line.asked().count(("bridge", A)) == is_bridged


@pytest.mark.parametrize("result", ["human", "human_business", "not_sure", "silence"])
def test_whoever_is_no_machine_is_left_alone(result: str, line: Line) -> None:
    joined_cold(line)
    line.leg("call.machine.premium.detection.ended", result=result)
    assert ("hangup", B) not in line.asked()


def test_the_loser_of_a_group_is_hung_up_on_at_once(line: Line) -> None:
    line.do(put_through(ANN, BOB))
    first, second = line.host.sent
    assert first.taken
    assert second.taken
    first.taken({"call_control_id": B}, 0.0)
    line.leg("call.answered", C, "h2")
    assert line.asked()[2:] == [("hangup", B), ("streaming_stop", A)]
    second.taken({"call_control_id": C}, 0.0)
    line.leg("call.answered", B, "h1")
    assert line.asked().count(("hangup", B)) == 1
    assert line.told() == [PersonAnswered(C, BOB)]


# Warm


def briefed(line: Line) -> None:
    line.do(call_people())
    line.take("call person", call_control_id=B)
    line.then(PersonAnswered=BriefPerson(B))
    line.leg("call.answered")


def test_whoever_answers_is_briefed_on_a_stream_of_their_own(line: Line) -> None:
    briefed(line)
    assert line.told() == [PersonAnswered(B, ANN)]
    assert line.asked() == [("call person", ""), ("streaming_start", B)]
    call, kind = line.host.expected[-1]
    assert (call.call_id, call.briefing_of, call.direction, kind) == (B, A, "outbound", "media")
    assert line.host.closed == []


def test_both_streams_are_stopped_before_the_two_are_bridged(line: Line) -> None:
    briefed(line)
    line.do(JoinPerson(B))
    assert line.asked()[2:] == [("streaming_stop", A), ("streaming_stop", B)]
    assert sorted(line.host.closed) == [A, B]
    line.take("streaming_stop")
    assert "bridge" not in line.host.commands
    line.take_all("streaming_stop")
    assert line.host.commands.count("bridge") == 1


def test_the_end_of_a_briefing_that_was_declined_hangs_up(line: Line) -> None:
    briefed(line)
    control = line.host.expected[-1][0].control
    assert control is not None
    assert control.can == frozenset()
    control.hang_up(StreamEnd.BY_BRIDGE, 1.0)
    line.do(ReleasePerson(B, "declined"))
    assert line.asked()[2:] == [("hangup", B)], "once"
    line.leg("call.hangup", hangup_cause="normal_clearing")
    assert line.told() == [PersonAnswered(B, ANN)]


def test_the_end_of_a_briefing_that_was_accepted_does_not(line: Line) -> None:
    briefed(line)
    control = line.host.expected[-1][0].control
    assert control is not None
    line.do(JoinPerson(B))
    control.hang_up(StreamEnd.BY_BRIDGE, 1.0)
    assert ("hangup", B) not in line.asked()


def test_a_person_who_hangs_up_in_the_briefing_gives_the_call_back(line: Line) -> None:
    briefed(line)
    line.then(PersonLeft=TakeBack())
    line.leg("call.hangup", hangup_cause="normal_clearing")
    assert line.told() == [PersonAnswered(B, ANN), PersonLeft(B)]
    assert line.host.ended == [B]
    assert len(line.host.expected) == 2, "the caller's stream was never closed"


def test_a_briefing_whose_stream_fails_gives_the_call_back(line: Line) -> None:
    briefed(line)
    line.leg("streaming.failed", failure_reason="connection_failed")
    assert line.told() == [PersonAnswered(B, ANN), PersonLeft(B)]
    assert line.asked()[-1] == ("hangup", B)


def test_a_person_who_hangs_up_while_the_streams_are_stopped(line: Line) -> None:
    briefed(line)
    line.do(JoinPerson(B))
    line.then(PersonLeft=TakeBack())
    line.leg("call.hangup", hangup_cause="normal_clearing")
    assert ("streaming_start", A) not in line.asked(), "the stop on its way would end the new stream"
    line.take_all("streaming_stop")
    assert line.asked()[-1] == ("streaming_start", A)
    assert "bridge" not in line.host.commands


# Refusals and silence

REFUSALS = [("90041", 422), ("10009", 401), ("10011", 429), ("", 503), ("", 0)]


@pytest.mark.parametrize(("code", "status"), REFUSALS)
def test_a_person_who_cannot_be_called_is_not_reached(code: str, status: int, line: Line) -> None:
    line.do(call_people())
    line.host.refuse(1.0, code, status=status)
    assert line.told() == [NobodyReached(Nobody.FAILED, "r1")]
    assert line.host.commands == ["call person"]


def test_a_leg_that_shows_after_the_refusal_is_hung_up_on(line: Line) -> None:
    line.do(call_people())
    line.host.refuse(1.0, "", status=0)
    line.leg("call.answered")
    assert line.told() == [NobodyReached(Nobody.FAILED, "r1")]
    assert line.asked()[1:] == [("hangup", B)]


@pytest.mark.parametrize(("code", "status"), REFUSALS)
def test_a_briefing_that_cannot_be_begun_gives_the_call_back(code: str, status: int, line: Line) -> None:
    briefed(line)
    line.host.refuse(1.0, code, status=status)
    assert line.told() == [PersonAnswered(B, ANN), PersonLeft(B)]
    assert line.asked()[-1] == ("hangup", B)


@pytest.mark.parametrize(("code", "status"), REFUSALS)
def test_two_who_cannot_be_bridged(code: str, status: int, line: Line) -> None:
    answered_cold(line)
    line.take_all("streaming_stop")
    line.then(PersonLeft=TakeBack())
    line.host.refuse(1.0, code, status=status)
    assert line.told()[-1] == PersonLeft(B)
    assert line.asked()[-2:] == [("hangup", B), ("streaming_start", A)]


@pytest.mark.parametrize(("code", "status"), REFUSALS)
def test_a_stream_that_will_not_stop_is_bridged_all_the_same(code: str, status: int, line: Line) -> None:
    answered_cold(line)
    line.host.refuse(1.0, code, status=status)
    assert line.asked()[-1] == ("bridge", A)


def test_a_stream_that_will_not_start_again_ends_the_call(line: Line) -> None:
    joined_cold(line)
    line.then(PersonLeft=TakeBack())
    line.leg("call.hangup", hangup_cause="normal_clearing")
    line.host.refuse(1.0, "90046")
    assert line.asked()[-1] == ("hangup", A)


def test_people_of_whom_nothing_is_heard_are_not_reached(line: Line) -> None:
    line.do(call_people())
    line.take("call person", call_control_id=B)
    assert line.webhooks.deadline() == 25.0 + LATE_S
    line.webhooks.due(25.0 + LATE_S)
    assert line.told() == [NobodyReached(Nobody.NO_ANSWER, "r1")]
    assert line.asked()[-1] == ("hangup", B)
    assert line.webhooks.deadline() is None


# The caller's end, and the server's


def test_when_the_caller_hangs_up_nobody_is_left_ringing(line: Line) -> None:
    line.do(call_people(ANN, BOB))
    line.host.take(0.0, 0, call_control_id=B)
    line.says("call.hangup", hangup_cause="normal_clearing")
    assert line.host.ended == [A]
    line.control.hang_up(StreamEnd.BY_CARRIER, 1.0)
    line.leg("call.answered", C, "h2")
    assert line.asked()[2:] == [("hangup", B), ("hangup", C)]


def test_when_the_caller_hangs_up_the_person_is_hung_up_on(line: Line) -> None:
    joined_cold(line)
    line.says("call.hangup", hangup_cause="normal_clearing")
    assert line.asked()[-1] == ("hangup", B)


def test_a_briefing_is_told_first_that_the_caller_is_gone(line: Line) -> None:
    briefed(line)
    line.host.under_way.add(B)
    line.says("call.hangup", hangup_cause="normal_clearing")
    line.control.hang_up(StreamEnd.BY_CARRIER, 1.0)
    assert ("hangup", B) not in line.asked()


def test_two_who_talk_go_on_when_the_session_or_the_server_ends(line: Line) -> None:
    joined_cold(line)
    before = len(line.host.sent)
    line.control.hang_up(StreamEnd.BY_BRIDGE, 1.0)
    line.webhooks.close(2.0)
    assert len(line.host.sent) == before


def test_after_the_session_the_call_ends_with_the_talk(line: Line) -> None:
    joined_cold(line)
    line.control.hang_up(StreamEnd.BY_BRIDGE, 1.0)
    line.host.under_way.clear()
    line.leg("call.hangup", hangup_cause="normal_clearing")
    assert line.asked()[-1] == ("hangup", A), "nobody would speak to the caller"


def test_a_caller_on_hold_is_hung_up_on_when_the_server_ends(line: Line) -> None:
    line.do(call_people())
    line.take("call person", call_control_id=B)
    line.webhooks.close(2.0)
    assert line.asked()[1:] == [("hangup", B), ("hangup", A)]


# Another process had the call


def test_a_leg_that_nobody_knows_is_hung_up_on(line: Line) -> None:
    line.leg("call.answered", "v3:x", "other")
    assert line.asked() == [("hangup", "v3:x")]


def test_a_caller_whom_nobody_knows_is_not_left_parked(serve: Any, host: "Host") -> None:
    line = Line(serve, host)
    line.says("call.hangup", "v3:x", client_state=PersonState("billing", "other", "v3:y").encode())
    assert line.asked() == [("streaming_start", "v3:y")]
    call, _ = host.expected[-1]
    assert (call.call_id, call.continues) == ("v3:y", False)


@pytest.mark.parametrize("known", [A, "v3:over"])
def test_unless_the_call_is_known_or_over(known: str, line: Line) -> None:
    line.host.over.add("v3:over")
    line.says("call.hangup", "v3:x", client_state=PersonState("billing", "other", known).encode())
    assert line.asked() == []


def test_no_number_is_logged_or_shown(line: Line) -> None:
    line.do(call_people(from_="caller"))
    line.leg("call.initiated", to=ANN, **{"from": CALLER})
    for number in (ANN, OURS, CALLER):
        assert number not in repr(line.host.lines)
        assert number not in repr([sent.request for sent in line.host.sent])


def test_a_webhook_that_comes_twice_is_told_once(line: Line) -> None:
    line.do(call_people())
    state = PersonState("billing", "h1", A).encode()
    event = {
        "event_type": "call.answered",
        "id": "x",
        "payload": {"call_control_id": B, "client_state": state},
    }
    line.tell(event)
    line.tell(event)
    line.tell(event | {"id": "y"})
    assert line.told() == [PersonAnswered(B, ANN)]


def test_a_leg_s_state_says_which_call_it_belongs_to() -> None:
    state = PersonState("billing", "h1", A)
    event = CallEvent("call.answered", B, client_state=json.encode({"voicebridge_person": state}).decode())
    assert read_person_state(event.client_state) == state
