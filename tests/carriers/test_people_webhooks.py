"""Webhooks of people that fit nothing: of an unknown conference, or of a call that is over; on Twilio and under TeXML."""

from typing import TYPE_CHECKING, Any

import pytest

from bridge.vocabulary.errors import WebhookRefused
from tests.carriers.telnyx.test_texml_handover import Line as TexmlLine
from tests.carriers.twilio.handover_line import Line as TwilioLine

if TYPE_CHECKING:
    from tests.carriers.conftest import Host

Line = TwilioLine | TexmlLine
PREFIX = {TwilioLine: "/twilio/", TexmlLine: ""}
IDS = {TwilioLine: "CA1", TexmlLine: "v3:a"}


@pytest.fixture(params=[TwilioLine, TexmlLine], ids=["twilio", "texml"])
def line(request: pytest.FixtureRequest, serve: Any, host: "Host") -> Line:
    made: Line = request.param(serve, host)
    return made


ROOM = ["conference-start", "participant-join", "participant-leave", "conference-end", "", "\x00"]


@pytest.mark.parametrize("event", ROOM)
@pytest.mark.parametrize("handle", ["other", "h1"])
def test_a_conference_that_nobody_knows_changes_nothing(event: str, handle: str, line: Line) -> None:
    told = {"StatusCallbackEvent": event, "ConferenceSid": "CF9", "CallSid": "CA9"}
    assert line.ask(f"{PREFIX[type(line)]}room/{handle}", **told) is None
    assert (line.host.told, line.host.sent, line.host.ended) == ([], [], [])


@pytest.mark.parametrize("path", ["next/h1", "back/h1", "back/other"])
def test_a_call_that_is_over_is_not_answered_with_a_stream(path: str, line: Line) -> None:
    line.host.over.add(IDS[type(line)])
    announced = len(line.host.expected)
    with pytest.raises(WebhookRefused) as refused:
        line.ask(PREFIX[type(line)] + path)
    assert refused.value.status == 410
    assert len(line.host.expected) == announced
    assert line.host.told == []


@pytest.mark.parametrize("path", ["room/h1", "person/other"])
def test_what_comes_of_the_people_of_a_call_that_is_over_is_taken_and_opens_nothing(
    path: str, line: Line
) -> None:
    line.host.over.add(IDS[type(line)])
    line.host.under_way.clear()
    announced = len(line.host.expected)
    line.ask(PREFIX[type(line)] + path, CallSid="leg", CallStatus="completed")
    assert (len(line.host.expected), line.host.told) == (announced, [])
