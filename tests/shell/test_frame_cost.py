"""What a frame costs, in calls of Python functions: exact, and free of the noise of a busy machine.

Counted from picows's callback to `transport.send`, in the steady state: equal formats on both sides, frames in order,
no observer that wants frames. The sockets alone are played; everything between them is the server's.
"""

import pytest

from tests.shell.played_call import DELTA, PAYLOAD, CountedCall, Telnyx, Twilio

CALLER_BAR, REPLY_BAR, ECHO_BAR = 9, 16, 18
"""The most calls for a caller's frame, for a reply's, and for a frame that an assistant in this process sends back."""


@pytest.fixture(params=[Twilio, Telnyx], ids=["twilio", "telnyx"])
def carrier(request: pytest.FixtureRequest) -> Twilio | Telnyx:
    made: Twilio | Telnyx = request.param()
    return made


async def test_a_frame_of_the_caller(carrier: Twilio | Telnyx, monkeypatch: pytest.MonkeyPatch) -> None:
    async with CountedCall(carrier, "realtime", monkeypatch) as call:
        before = len(call.to_assistant.sent)
        with call.counting() as counted:
            call.caller_frame()
        (message,) = call.to_assistant.sent[before:]
    assert PAYLOAD in message
    assert len(counted) <= CALLER_BAR, ", ".join(counted)


async def test_a_frame_of_a_reply(carrier: Twilio | Telnyx, monkeypatch: pytest.MonkeyPatch) -> None:
    async with CountedCall(carrier, "realtime", monkeypatch) as call:
        before = len(call.to_carrier.sent)
        with call.counting() as counted:
            call.assistant_says(DELTA)
        (message,) = call.to_carrier.sent[before:]
    assert PAYLOAD in message
    assert len(counted) <= REPLY_BAR, ", ".join(counted)


async def test_a_frame_that_is_sent_back(carrier: Twilio | Telnyx, monkeypatch: pytest.MonkeyPatch) -> None:
    async with CountedCall(carrier, "echo", monkeypatch) as call:
        before = len(call.to_carrier.sent)
        with call.counting() as counted:
            call.caller_frame()
        (message,) = call.to_carrier.sent[before:]
    assert PAYLOAD in message
    assert len(counted) <= ECHO_BAR, ", ".join(counted)
