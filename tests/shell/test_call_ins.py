"""A supervisor calls a number that a route names, without sockets: who is let in, which call they join, and who hangs up."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode

import pytest
from structlog.testing import capture_logs

from bridge.carriers.shared.before_call import NOTHING_SAID
from bridge.carriers.shared.webhooks import ExpectedCall, WebhookAnswer, WebhookRequest
from bridge.carriers.twilio.settings import TwilioSettings
from bridge.carriers.twilio.webhooks import TwilioWebhooks
from bridge.config.settings import Settings
from bridge.core.states import State
from bridge.shell.admission import Admission
from bridge.shell.call_ins import MOST_WRONG, REFUSED, WRONG_S
from bridge.shell.session import Session, clock
from bridge.shell.switchboard import Switchboard
from bridge.shell.webhooks import Webhooks
from bridge.vocabulary.call_facts import Facts
from bridge.vocabulary.contracts import StreamEnd
from bridge.vocabulary.errors import WebhookRefused
from bridge.vocabulary.events import SERVER_CLOSES, CallEnded
from bridge.vocabulary.supervision import SuperviseRequested, SupervisorRole
from tests.shell.test_handovers import FakeControl, Line
from tests.shell.test_rooms import LOUD, says, sent

OWN, ANOTHER = "+1 (555) 013-0", "+15550188"
PIN = "40718263"


class Desk:
    """One server with calls that a supervisor may join by calling in."""

    def __init__(self, admission: Admission) -> None:
        self.admission = admission
        self.line = Line(admission)
        self.control = FakeControl()

    def another_call(self, call_id: str = "CA2") -> Session:
        _, caller = self.line.comes_in(call_id)
        self.line.said(caller, call_id, "MZ2")
        return caller

    def marks(self, caller: Session, role: SupervisorRole = SupervisorRole.LISTEN) -> None:
        event = SuperviseRequested("boss", role, calls_in=True)
        assert caller.why_not(event) == ""
        caller.handle(event)

    def calls(self, leg: str, from_: str, carrier: str = "twilio") -> None:
        """A webhook tells of their call."""
        elsewhere = self.admission.calls_elsewhere
        self.admission.call_ins.comes(carrier, leg, "boss", from_, clock(), elsewhere=elsewhere)

    def rings(self, leg: str = "CS1", from_: str = OWN, carrier: str = "twilio") -> str:
        """The supervisor's call comes in. Returns the call that it is to join; empty where it is refused."""
        self.calls(leg, from_, carrier)
        if self.admission.why_refused(carrier, leg):
            return ""
        return self.admission.call_ins.expected(carrier, ExpectedCall(leg)).briefs

    def comes_in(self, leg: str = "CS1", stream: str = "MZ9") -> Session:
        """The media socket of their leg."""
        expected = self.admission.call_ins.expected("twilio", ExpectedCall(leg, control=self.control))
        _, session = self.line.comes_in(**expected._asdict())
        self.line.said(session, leg, stream)
        return session

    def hears(self, leg: Session, monkeypatch: pytest.MonkeyPatch) -> bool:
        """Whether this leg is sent what the caller says."""
        audio = sent(leg, monkeypatch)
        for at_ms in range(0, 200, 20):
            says(self.line.caller, "MZ1", LOUD, at_ms)
        return LOUD in audio


async def desk_of(**boss: Any) -> AsyncIterator[Desk]:
    settings = Settings.model_validate(
        {
            "assistant": "parrot",
            "twilio": {"auth_token": "12345"},
            "supervisors": {"boss": {"to": ["+15550130", "+15550131"], **boss}},
            "routes": [{"to": "+15550199", "supervisor": "boss"}],
        }
    )
    admission = Admission(settings, Switchboard(settings))
    admission.public_url = "https://voice.example.com"
    yield Desk(admission)
    admission.close()
    await asyncio.sleep(0)
    admission.break_off()


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    async for one in desk_of():
        yield one


@pytest.fixture
async def with_pin() -> AsyncIterator[Desk]:
    async for one in desk_of(pin=PIN, calls_from="any"):
        yield one


# Which call


async def test_the_only_call_is_joined(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    assert desk.rings() == "CA1"
    leg = desk.comes_in()
    assert desk.hears(leg, monkeypatch)
    assert desk.admission.calls == 2, "their leg counts as a call"


async def test_no_call(desk: Desk) -> None:
    desk.line.caller.handle(CallEnded())
    with capture_logs() as logs:
        assert desk.rings() == ""
    (line,) = [one for one in logs if REFUSED in one["event"]]
    assert (line["reason"], line["supervisor"]) == ("no call is under way", "boss")
    assert line["number"].endswith("30")
    assert "555" not in str(logs)


async def test_of_two_calls_none_waits(desk: Desk) -> None:
    desk.another_call()
    with capture_logs() as logs:
        assert desk.rings() == ""
    assert [one["reason"] for one in logs if REFUSED in one["event"]] == [
        "2 calls are under way, and none waits for them"
    ]


async def test_of_two_calls_one_waits(desk: Desk) -> None:
    desk.marks(desk.another_call())
    assert desk.rings() == "CA2"


async def test_of_two_that_wait_the_later_one(desk: Desk) -> None:
    second = desk.another_call()
    desk.marks(second)
    desk.marks(desk.line.caller)
    assert desk.rings() == "CA1"


async def test_the_leg_of_a_supervisor_is_no_call_to_join(desk: Desk) -> None:
    assert desk.rings() == "CA1"
    desk.comes_in()
    desk.line.caller.handle(CallEnded())
    assert desk.rings("CS2") == ""


async def test_calls_in_other_workers(desk: Desk) -> None:
    desk.admission.calls_elsewhere = 1
    with capture_logs() as logs:
        assert desk.rings() == ""
    assert "calls are under way in other worker processes, and none here waits for them" in str(logs)
    desk.marks(desk.line.caller)
    assert desk.rings("CS2") == "CA1"


async def test_a_call_of_another_carrier(desk: Desk) -> None:
    with capture_logs() as logs:
        assert desk.rings(carrier="telnyx") == ""
    assert "the call is one of twilio, whose number they have to call" in str(logs)


# Who


@pytest.mark.parametrize("from_", ["+15550130", "+1 555 0131", OWN])
async def test_their_own_numbers(desk: Desk, from_: str) -> None:
    assert desk.rings(from_=from_) == "CA1"


@pytest.mark.parametrize("from_", [ANOTHER, "", "anonymous", "5550130", "+155501300", "sip:+15550130@x"])
async def test_other_numbers_are_refused(desk: Desk, from_: str) -> None:
    with capture_logs() as logs:
        assert desk.rings(from_=from_) == ""
        desk.calls("CS1", from_)  # the webhook comes again
    assert [one["reason"] for one in logs if REFUSED in one["event"]] == [
        "the call does not come from a number of theirs"
    ]
    assert not from_ or ANOTHER not in str(logs)


async def test_from_everywhere_with_the_pin(with_pin: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    assert with_pin.rings(from_=ANOTHER) == "CA1"
    leg = with_pin.comes_in()
    assert not with_pin.hears(leg, monkeypatch)
    for digit in PIN:
        with_pin.line.presses(leg, "MZ9", digit)
    assert with_pin.hears(leg, monkeypatch)


async def test_a_pin_that_is_set_is_asked_of_their_own_number_too(
    with_pin: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert with_pin.rings(from_=OWN) == "CA1"
    assert not with_pin.hears(with_pin.comes_in(), monkeypatch)


async def test_after_ten_wrong_pins_nobody_is_let_in_for_an_hour(with_pin: Desk) -> None:
    legs = iter(f"CS{number}" for number in range(9))
    wrong = 0
    while wrong < MOST_WRONG:
        name = next(legs)
        assert with_pin.rings(name) == "CA1"
        leg = with_pin.comes_in(name)
        for _ in range(min(3, MOST_WRONG - wrong)):
            with_pin.line.presses(leg, "MZ9", "#")  # means nothing before a digit
            with_pin.line.presses(leg, "MZ9", "1")
            with_pin.line.presses(leg, "MZ9", "#")
            wrong += 1
        assert (leg.state is State.ENDED) is (wrong % 3 == 0)
        leg.handle(CallEnded())
    assert with_pin.control.hung_up[:3] == [StreamEnd.BY_BRIDGE] * 3
    assert with_pin.rings("CS98") == ""
    comes, ins = with_pin.admission.call_ins.comes, with_pin.admission.call_ins
    comes("twilio", "CS99", "boss", OWN, clock() + WRONG_S + 1)
    assert ins.of("twilio", "CS99").call_id == "CA1"  # type: ignore[union-attr]


# The webhook

THEN = "https://voice.example.com/then"
FORM = {"CallSid": "CS1", "CallStatus": "ringing", "Direction": "inbound", "To": "+15550199"}


def answer(desk: Desk, query: dict[str, str] | None = None, **more: str) -> str:
    """What Twilio is answered: the document."""
    hooks = Webhooks(
        "twilio",
        lambda host: TwilioWebhooks(TwilioSettings(then=THEN), host),
        desk.admission,
        allows_unauthenticated=True,
    )
    voice = next(route for route in hooks._webhooks.routes() if route.path == "/twilio/voice")
    body = urlencode(FORM | more).encode()
    answered = voice.handle(
        WebhookRequest("/twilio/voice", "/twilio/voice", {}, body, 0.0, query or {}), clock()
    )
    assert isinstance(answered, WebhookAnswer)
    return answered.text


async def test_their_call_is_answered_with_a_stream(desk: Desk) -> None:
    assert "<Stream" in answer(desk, From="+15550130")
    assert "<Stream" in answer(desk, From="+15550130"), "the webhook comes again"


async def test_another_call_is_answered_with_the_busy_tone(desk: Desk) -> None:
    document = answer(desk, From=ANOTHER)
    assert "<Reject" in document
    assert "<Stream" not in document


async def test_a_call_to_another_number_has_the_assistant(desk: Desk) -> None:
    assert "<Stream" in answer(desk, From=ANOTHER, To="+15550100")


async def test_it_is_not_listened_to(desk: Desk) -> None:
    with pytest.raises(WebhookRefused, match="listen: should be left out"):
        answer(desk, {"listen": "both_tracks"}, From="+15550130")


async def test_nobody_is_asked_before(desk: Desk) -> None:
    assert desk.rings() == "CA1"
    hooks = Webhooks(
        "twilio",
        lambda host: TwilioWebhooks(TwilioSettings(then=THEN), host),
        desk.admission,
        allows_unauthenticated=True,
    )
    request = WebhookRequest("/twilio/voice", "/twilio/voice", {}, b"", 0.0)
    asked = hooks._host.question("CS1", Facts(), request, {})
    assert await hooks._host.decide(asked) == NOTHING_SAID


# Its end


async def test_they_join_twice(desk: Desk) -> None:
    assert desk.rings() == "CA1"
    desk.comes_in()
    with capture_logs() as logs:
        assert desk.rings("CS2") == ""
    assert "the supervisor is there, or is being called" in str(logs)


async def test_of_two_who_were_let_in_the_second_is_hung_up_on(desk: Desk) -> None:
    assert [desk.rings(), desk.rings("CS2")] == ["CA1"] * 2
    first, second = desk.comes_in(), desk.comes_in("CS2", "MZ8")
    assert (first.state, second.state) == (State.IN_ROOM, State.ENDED)
    assert desk.control.hung_up == [StreamEnd.BY_BRIDGE]


async def test_the_call_ends_before_their_socket_comes(desk: Desk) -> None:
    assert desk.rings() == "CA1"
    desk.line.caller.handle(CallEnded())
    expected = desk.admission.call_ins.expected("twilio", ExpectedCall("CS1"))
    assert desk.line.admitted(**expected._asdict()).value == 403  # type: ignore[union-attr]


async def test_the_call_ends_while_they_type(with_pin: Desk) -> None:
    assert with_pin.rings() == "CA1"
    leg = with_pin.comes_in()
    with_pin.line.caller.handle(CallEnded())
    for digit in PIN:
        with_pin.line.presses(leg, "MZ9", digit)
    assert leg.state is State.ENDED
    assert with_pin.control.hung_up == [StreamEnd.BY_BRIDGE]


async def test_the_call_ends_and_so_does_their_leg(desk: Desk) -> None:
    desk.rings()
    leg = desk.comes_in()
    desk.line.caller.handle(CallEnded())
    assert leg.state is State.ENDED
    assert desk.control.hung_up == [StreamEnd.BY_BRIDGE]
    assert desk.admission.calls == 0


async def test_they_hang_up_and_the_call_goes_on(desk: Desk) -> None:
    desk.rings()
    desk.comes_in().handle(CallEnded())
    assert desk.admission.calls == 1
    assert desk.line.caller.state in (State.OPENING, State.TALKING)
    assert desk.rings("CS2") == "CA1", "and they may call again"


async def test_they_hang_up_before_their_stream_starts(desk: Desk) -> None:
    desk.marks(desk.line.caller)
    assert desk.rings() == "CA1"
    desk.admission.call_ended("twilio", "CS1")
    assert desk.admission.call_ins.of("twilio", "CS1") is None
    assert desk.line.caller.awaits is not None, "the call waits on"


async def test_a_server_that_stops_takes_nobody(desk: Desk) -> None:
    assert desk.rings() == "CA1"
    leg = desk.comes_in()
    desk.admission.closing = True
    desk.calls("CS2", OWN)
    assert desk.admission.why_refused("twilio", "CS2") in (SERVER_CLOSES, REFUSED)
    desk.admission.close()
    await asyncio.sleep(0)
    assert leg.state in (State.CLOSING, State.ENDED)


async def test_the_role_that_the_call_waits_with(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.marks(desk.line.caller, SupervisorRole.BARGE)
    desk.rings()
    leg = desk.comes_in()
    audio = sent(desk.line.caller, monkeypatch)
    for at_ms in range(0, 200, 20):
        says(leg, "MZ9", LOUD, at_ms)
        says(desk.line.caller, "MZ1", b"\xff" * 160, at_ms)
    assert LOUD in audio
