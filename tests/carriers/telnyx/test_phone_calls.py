"""The phone calls of one server: told apart, remembered for a while, and let go when it closes."""

from base64 import b64decode

import pytest

from bridge.carriers.telnyx.events import CallEvent
from bridge.carriers.telnyx.phone_call import Answer, ClientState, HangUp, Stage, StartStreaming
from bridge.carriers.telnyx.phone_calls import MOST, REMEMBERED_S, PhoneCalls


def given_along(state: ClientState) -> str:
    """As a webhook gives it back, decoded."""
    return b64decode(state.encode()).decode()


SCREENED = given_along(ClientState(wants_human=True))

RINGS = CallEvent("call.initiated", "v2:abc", direction="incoming")
DIALLED = CallEvent("call.initiated", "v2:abc", direction="outgoing", client_state=SCREENED)
ANSWERED = CallEvent("call.answered", "v2:abc")
OURS = CallEvent("call.answered", "v2:abc", client_state=given_along(ClientState("clinic")))
JUDGED = CallEvent("call.machine.detection.ended", "v2:abc", client_state=SCREENED, result="machine")
HUNG_UP = CallEvent("call.hangup", "v2:abc")


def test_the_calls_are_kept_apart() -> None:
    calls = PhoneCalls()
    other = CallEvent("call.initiated", "v2:other", direction="incoming")
    first, steps = calls.handle(RINGS, 0.0)
    assert steps == [Answer()]
    assert calls.handle(other, 0.0)[1] == [Answer()]
    assert calls.handle(ANSWERED, 1.0) == (first, [StartStreaming()])
    assert calls.handle(CallEvent("call.hangup", "v2:other"), 2.0)[0] is not first
    assert first.stage is Stage.STREAMING


def test_who_is_talked_to_is_asked_for_every_call() -> None:
    assert PhoneCalls(["machine"]).handle(JUDGED, 0.0)[1] == [StartStreaming()]


def test_a_call_that_has_ended_is_known_for_ten_minutes() -> None:
    calls = PhoneCalls()
    calls.handle(OURS, 0.0)
    calls.handle(HUNG_UP, 60.0)
    calls.handle(HUNG_UP, 100.0)
    assert calls.handle(OURS, 59.0 + REMEMBERED_S)[1] == []
    assert calls.handle(OURS, 60.0 + REMEMBERED_S)[1] == [StartStreaming()]


def test_a_call_that_ended_before_we_heard_of_it_is_known_too() -> None:
    calls = PhoneCalls()
    calls.handle(HUNG_UP, 0.0)
    assert calls.handle(RINGS, 1.0)[1] == []


def test_only_so_many_calls_are_known() -> None:
    calls = PhoneCalls()
    for number in range(MOST + 1):
        calls.handle(CallEvent("call.initiated", f"v2:{number}", direction="incoming"), 0.0)
    assert calls.handle(CallEvent("call.answered", "v2:0"), 1.0)[1] == []
    assert calls.handle(CallEvent("call.answered", f"v2:{MOST}"), 1.0)[1] == [StartStreaming()]
    for number in range(MOST + 1):
        calls.handle(CallEvent("call.hangup", f"v2:{number}"), 2.0)
    assert calls.handle(CallEvent("call.initiated", "v2:0", direction="incoming"), 3.0)[1] == [Answer()]
    assert calls.handle(CallEvent("call.initiated", f"v2:{MOST}", direction="incoming"), 3.0)[1] == []


SERVER_CLOSES = [  # what came before, whether somebody would sit on a silent line
    ([RINGS], True),
    ([RINGS, ANSWERED], True),
    ([DIALLED, ANSWERED], True),
    ([DIALLED], False),
    ([ANSWERED], False),
    ([RINGS, HUNG_UP], False),
]


@pytest.mark.parametrize(("came", "hangs_up"), SERVER_CLOSES)
def test_a_server_that_closes_leaves_nobody_on_a_silent_line(came: list[CallEvent], hangs_up: bool) -> None:
    calls = PhoneCalls()
    for event in came:
        calls.handle(event, 0.0)
    steps = [step for _, phone_call in calls.under_way() for step in phone_call.server_closes()]
    assert steps == ([HangUp("the server is closing")] if hangs_up else [])
