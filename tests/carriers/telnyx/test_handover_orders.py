"""Handovers under Call Control in every order of webhooks, answers and commands: late, twice, and the hang-up first."""

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import json

from bridge.carriers.telnyx.events import CallEvent
from bridge.carriers.telnyx.person_state import PersonState
from bridge.carriers.telnyx.phone_call import PhoneCall, Stage
from bridge.carriers.telnyx.rest import TelnyxApi
from bridge.carriers.telnyx.settings import TelnyxSettings
from bridge.carriers.telnyx.steps import StepSender
from bridge.vocabulary.contracts import StreamEnd
from bridge.vocabulary.errors import CarrierRefused
from bridge.vocabulary.people import (
    BriefPerson,
    CallPeople,
    JoinPerson,
    NobodyReached,
    PersonAnswered,
    PersonCommand,
    PersonEvent,
    PersonLeft,
    PutThrough,
    ReleasePerson,
    TakeBack,
)
from tests.carriers.conftest import Host, Sent

A = "v3:a"
GROUP = ("+15550111", "+15550112")
SETTINGS = TelnyxSettings.model_validate({"api_key": "KEY", "connection_id": "7267"})
LEG_EVENTS = [
    *("call.initiated", "call.answered", "call.bridged", "call.hangup"),
    *("streaming.stopped", "streaming.failed", "call.machine.detection.ended"),
]


class World:
    """One call whose stream is open, its people, and Telnyx, which may tell anything at any time.

    The core of it does what the real one does as far as Telnyx sees it: it takes the call back when nobody is left to wait for.
    """

    def __init__(self) -> None:
        self.host = Host()
        self.host.people = True
        self.host.under_way.add(A)
        self.sender = StepSender(self.host, TelnyxApi(SETTINGS))
        self.phone_call = PhoneCall()
        for kind in ("call.initiated", "call.answered"):
            self._caller(CallEvent(kind, A, direction="incoming", to="+2", from_="+1"))
        control = self.host.expected[0][0].control
        assert control is not None
        self.control = control
        self.host.sent.clear()
        self.host.commands_after = self._hears
        self.leg = ""
        self.alive: set[str] = set()
        self.over: set[str] = set()
        self.requests = 0

    def _caller(self, event: CallEvent) -> None:
        self.sender.handovers.caller_says(event, 0.0)
        self.sender.send(A, self.phone_call, self.phone_call.handle(event), 0.0)

    def _hears(self, event: PersonEvent) -> None:
        match event:
            case PersonAnswered(leg):
                self.leg = leg
            case NobodyReached() | PersonLeft():
                self.leg = ""
                self._do(TakeBack())

    def _do(self, command: PersonCommand) -> None:
        self.control.perform(command, 0.0)

    def step(self, what: str, number: int) -> None:
        match what:
            case "call_people" | "put_through":
                self.requests += 1
                kind = CallPeople if what == "call_people" else PutThrough
                self._do(kind("billing", GROUP, "ours", 25.0, f"r{self.requests}"))
            case "brief":
                self._do(BriefPerson(self.leg))
            case "join":
                self._do(JoinPerson(self.leg))
            case "release":
                self._do(ReleasePerson(self.leg, "declined"))
            case "take_back":
                self._do(TakeBack())
            case "caller":
                self._caller(CallEvent(("call.bridged", "streaming.stopped")[number % 2], A))
            case "leg":
                self._leg_says(number)
            case _:
                self._answer(number)

    def _leg_says(self, number: int) -> None:
        if not self.host.handles:
            return
        handle, kind = f"h{number % self.host.handles + 1}", LEG_EVENTS[number % len(LEG_EVENTS)]
        leg = f"leg of {handle}"
        if kind == "call.hangup":
            self.alive.discard(leg)
            self.over.add(leg)
        elif leg not in self.over and kind in ("call.initiated", "call.answered"):
            self.alive.add(leg)
        result = "machine" if "machine" in kind else ""
        event = CallEvent(kind, leg, result=result, hangup_cause="user_busy")
        self.sender.handovers.leg_says(PersonState("billing", handle, A), event, 0.0)

    def _answer(self, number: int) -> None:
        """Telnyx answers a request, once."""
        if not self.host.sent:
            return
        place = number % len(self.host.sent)
        one = self.host.sent[place]
        self.host.sent[place] = one._replace(taken=None, refused=None)
        if number % 4 and one.taken is not None:
            leg = self._leg_of(one)
            self.alive |= {leg} - self.over - {""}
            one.taken({"call_control_id": leg}, 0.0)
        elif one.refused is not None:
            one.refused(CarrierRefused("", status=500, code=""), 0.0)

    @staticmethod
    def _leg_of(sent: Sent) -> str:
        if sent.request.command != "call person":
            return ""
        url: str = json.decode(sent.request.body)["webhook_url"]
        return f"leg of {url.rpartition('/')[2]}"

    def asked(self, command: str) -> list[str]:
        return [one.request.call_id for one in self.host.sent if one.request.command == command]


STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                *("call_people", "put_through", "brief", "join", "release", "take_back"),
                *("caller", "leg", "leg", "leg", "answer", "answer", "answer"),
            ]
        ),
        st.integers(0, 200),
    ),
    max_size=30,
)


@settings(max_examples=1000, deadline=None)
@given(STEPS)
def test_in_every_order_no_leg_is_dialled_twice_or_left_behind(steps: list[tuple[str, int]]) -> None:
    world = World()
    for what, number in steps:
        world.step(what, number)
    handles = [json.decode(one.request.body)["webhook_url"] for one in world.host.sent if world._leg_of(one)]
    assert len(handles) == len(set(handles)), "each leg is asked for once"
    bridges, stops = world.asked("bridge"), world.asked("streaming_stop")
    assert len(bridges) <= len([one for one in stops if one == A]), (
        "never a bridge beside a stream of the caller"
    )
    world.host.under_way.clear()
    world._caller(CallEvent("call.hangup", A))
    world.control.hang_up(StreamEnd.BY_CARRIER, 0.0)
    assert world.phone_call.stage is Stage.ENDED
    hung_up = [leg for leg in world.asked("hangup") if leg != A]
    assert len(hung_up) == len(set(hung_up)), "nobody is hung up on twice"
    assert world.alive <= set(hung_up), "whoever is there is hung up on"


@settings(max_examples=300, deadline=None)
@given(STEPS)
def test_a_stream_is_started_only_where_there_is_none(steps: list[tuple[str, int]]) -> None:
    world = World()
    streams = 1
    seen = 0
    for what, number in steps:
        ended = what == "caller" and number % 2 and world.phone_call.stage is not Stage.ENDED
        world.step(what, number)
        for one in world.host.sent[seen:]:
            if one.request.call_id == A and one.request.command == "streaming_stop":
                streams = 0
            if one.request.call_id == A and one.request.command == "streaming_start":
                assert streams == 0, "never two voices"
                streams = 1
        seen = len(world.host.sent)
        if ended:
            streams = 0
