"""An assistant listens to a caller and a person: what each carrier is asked for, and how that ends. Without sockets."""

from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest
from msgspec import structs

from bridge.carriers.telnyx.steps import STOPPED_S
from bridge.vocabulary.errors import CarrierRefused
from bridge.vocabulary.people import (
    BriefPerson,
    JoinPerson,
    NobodyReached,
    PutThrough,
    TakeBack,
)
from tests.carriers.telnyx import handover_line as telnyx
from tests.carriers.telnyx import test_texml_handover as texml
from tests.carriers.twilio import handover_line as twilio

if TYPE_CHECKING:
    from tests.carriers.conftest import Host


def listening(command: PutThrough) -> PutThrough:
    return structs.replace(command, listens=True)


def stream_of(document: ET.Element | None) -> dict[str, str]:
    assert document is not None
    (stream,) = document.findall("Start/Stream")
    return stream.attrib


# Twilio


@pytest.fixture
def line(serve: Any, host: "Host") -> twilio.Line:
    return twilio.Line(serve, host, parameters={"tenant": "7"})


def test_a_stream_of_both_begins_in_front_of_the_dial_and_ends_in_front_of_the_way_back(
    line: twilio.Line,
) -> None:
    line.do(listening(twilio.put_through()))
    document = line.ask(line.next)
    assert twilio.verbs(document) == ["Start", "Dial"]
    call, kind = line.host.expected[-1]
    assert (call.call_id, call.listens, call.control, kind) == ("CA1", True, None, "listen")
    attributes = stream_of(document)
    url = attributes.pop("url")
    assert url.startswith("wss://")
    assert attributes == {"name": "listens", "track": "both_tracks"}
    assert twilio.only(document, "Start/Stream/Parameter").attrib == {"name": "tenant", "value": "7"}
    line.leg("h2", "CA2", "in-progress")
    line.then(PersonLeft=TakeBack())
    back = line.ask("/twilio/back/h3", DialCallStatus="completed", DialCallDuration="9")
    assert twilio.verbs(back) == ["Stop", "Connect", "Redirect"]
    assert twilio.only(back, "Stop/Stream").attrib == {"name": "listens"}


def test_the_next_group_is_called_beside_the_same_stream(line: twilio.Line) -> None:
    line.do(listening(twilio.put_through()))
    line.ask(line.next)
    line.then(NobodyReached=listening(structs.replace(twilio.put_through(twilio.BOB), request_id="r2")))
    again = line.ask("/twilio/back/h3", DialCallStatus="busy")
    assert twilio.verbs(again) == ["Dial"]
    line.then(NobodyReached=TakeBack())
    assert twilio.verbs(line.ask("/twilio/back/h5", DialCallStatus="busy"))[0] == "Stop"


def test_an_assistant_that_leaves_has_no_such_stream(line: twilio.Line) -> None:
    line.do(twilio.put_through())
    assert twilio.verbs(line.ask(line.next)) == ["Dial"]
    line.then(NobodyReached=TakeBack())
    assert twilio.verbs(line.ask("/twilio/back/h3", DialCallStatus="busy")) == ["Connect", "Redirect"]


def test_in_a_conference_the_caller_s_leg_is_listened_to(line: twilio.Line) -> None:
    line.do(twilio.call_people())
    line.host.take(line.now, sid="CA2")
    line.then(PersonAnswered=BriefPerson("CA2"))
    line.leg("h2", "CA2", "in-progress")
    line.do(JoinPerson("CA2", listens=True))
    assert twilio.verbs(line.ask("/twilio/next/h2?leg=person", CallSid="CA2")) == ["Dial"]
    assert twilio.verbs(line.ask(line.next)) == ["Start", "Dial"]


# TeXML


@pytest.mark.parametrize(("codec", "more"), [("default", {}), ("PCMA", {"codec": "PCMA"})])
def test_texml_has_the_same_verbs(serve: Any, host: "Host", codec: str, more: dict[str, str]) -> None:
    line = texml.Line(serve, host, stream_codec=codec)
    line.do(listening(telnyx.put_through()))
    document = line.ask("next/h1")
    assert texml.shape(document) == ["Start", "Dial"]
    attributes = stream_of(document)
    assert attributes.pop("url").startswith("wss://")
    assert attributes == {"name": "listens", "track": "both_tracks", "enableReconnect": "false"} | more
    line.host.commands_after = lambda event: line.do(TakeBack()) if isinstance(event, NobodyReached) else None
    assert texml.shape(line.ask("back/h3", DialCallStatus="busy")) == ["Stop", "Connect", "Redirect"]


# Call Control


@pytest.fixture
def phone(serve: Any, host: "Host") -> telnyx.Line:
    return telnyx.Line(serve, host, detect_machines_of_people=False)


def joined(phone: telnyx.Line, *, stopped_first: bool = True) -> None:
    phone.do(listening(telnyx.put_through()))
    phone.take("call person", call_control_id=telnyx.B)
    phone.leg("call.initiated", direction="outgoing")
    phone.leg("call.answered")
    phone.take_all("streaming_stop")
    if stopped_first:
        phone.says("streaming.stopped")
    phone.take("bridge")
    phone.says("call.bridged")


def test_a_stream_of_both_is_started_when_the_two_are_bridged(phone: telnyx.Line) -> None:
    joined(phone)
    assert phone.asked()[-1] == ("streaming_start", telnyx.A)
    body = phone.body("streaming_start")
    assert body.pop("stream_url").startswith("wss://")
    assert body == {
        "stream_track": "both_tracks",
        "stream_codec": "default",
        "command_id": body["command_id"],
    }
    call, kind = phone.host.expected[-1]
    assert (call.call_id, call.listens, call.control, kind) == (telnyx.A, True, None, "listen")
    phone.leg("call.bridged")
    assert [name for name, _ in phone.asked()].count("streaming_start") == 1


def test_not_before_the_caller_s_own_stream_has_ended(phone: telnyx.Line) -> None:
    joined(phone, stopped_first=False)
    assert phone.asked()[-1] == ("bridge", telnyx.A)
    phone.says("streaming.stopped")
    assert phone.asked()[-1] == ("streaming_start", telnyx.A)


def leaves(phone: telnyx.Line) -> None:
    phone.then(PersonLeft=TakeBack())
    phone.leg("call.hangup", hangup_cause="normal_clearing")


def is_back(phone: telnyx.Line) -> bool:
    """Whether the caller's own stream is asked for, once."""
    both_ways = [call for call, kind in phone.host.expected if kind == "media" and call.continues]
    return len(both_ways) == 1 and phone.asked()[-1] == ("streaming_start", telnyx.A)


def test_the_person_leaves_and_the_caller_s_own_stream_follows_that_one(phone: telnyx.Line) -> None:
    joined(phone)
    leaves(phone)
    assert phone.asked()[-1] == ("streaming_stop", telnyx.A)
    phone.take("streaming_stop")
    assert not is_back(phone), "Telnyx has one stream of a call at a time"
    phone.says("streaming.stopped")
    assert is_back(phone)
    phone.webhooks.due(phone.now + STOPPED_S)
    assert is_back(phone)


def test_a_webhook_that_does_not_come_is_not_waited_for(phone: telnyx.Line) -> None:
    joined(phone)
    leaves(phone)
    phone.take("streaming_stop")
    phone.webhooks.due(phone.now + STOPPED_S)
    assert is_back(phone)
    phone.says("streaming.stopped")  # late
    assert "hangup" not in phone.host.commands


@pytest.mark.parametrize("ends", ["streaming.stopped", "streaming.failed"])
def test_a_stream_that_is_gone_already_is_not_stopped(ends: str, phone: telnyx.Line) -> None:
    joined(phone)
    phone.says(ends)
    assert "hangup" not in phone.host.commands
    leaves(phone)
    assert is_back(phone)
    assert [name for name, _ in phone.asked()].count("streaming_stop") == 1, "the caller's own, before"


def test_two_who_are_not_listened_to_have_no_stream(serve: Any, host: "Host") -> None:
    line = telnyx.Line(serve, host, detect_machines_of_people=False)
    telnyx.joined_cold(line)
    assert "streaming_start" not in [name for name, _ in line.asked()[1:]]
    leaves(line)
    assert is_back(line)


def test_what_is_refused_leaves_the_two_alone(phone: telnyx.Line) -> None:
    joined(phone)
    refused(phone, "streaming_start")
    assert "hangup" not in phone.host.commands
    leaves(phone)
    assert is_back(phone)


def test_a_stop_that_is_refused_does_not_keep_the_caller(phone: telnyx.Line) -> None:
    joined(phone)
    leaves(phone)
    refused(phone, "streaming_stop")
    assert is_back(phone)


def refused(phone: telnyx.Line, command: str) -> None:
    sent = phone.last(command)
    assert sent.refused is not None
    sent.refused(CarrierRefused("no", status=422, code="90000"), phone.now)
