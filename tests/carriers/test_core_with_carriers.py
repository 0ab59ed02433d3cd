"""The core's handovers on each carrier, without sockets: what the core commands decides what the carrier is answered."""

from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest

from bridge.core.engine import COMMANDS, CallEngine
from bridge.core.people_call import PeopleCall
from bridge.core.states import State
from bridge.vocabulary.commands import CONTROL_COMMANDS, Command, OpenAssistant
from bridge.vocabulary.contracts import StreamEnd
from bridge.vocabulary.events import CallEnded, CallStarted, Event, LegLost, LegName, Opening, Word
from bridge.vocabulary.people import (
    BriefingStarted,
    CloseStream,
    EndHandover,
    Outcome,
    PersonAccepted,
    PersonDeclined,
)
from telecodecs.format import PCMU_8K
from tests.carriers.telnyx.handover_line import A, B
from tests.carriers.telnyx.handover_line import Line as TelnyxLine
from tests.carriers.twilio.handover_line import Line as TwilioLine
from tests.carriers.twilio.handover_line import verbs
from tests.core.handovers import ASK, talking

if TYPE_CHECKING:
    from tests.carriers.conftest import Host


class Played:
    """A call of the core on a line of a carrier, and the part of the shell that is between them."""

    def __init__(self, line: TwilioLine | TelnyxLine, call_id: str, **how: object) -> None:
        self.line, self.host, self._call_id = line, line.host, call_id
        can = frozenset(line.control.can)
        self.call: PeopleCall = talking(can, **how)
        self.call.call_id = call_id
        self.engine = CallEngine(self.call)
        self.did: list[Word] = []
        performers: dict[type[Word], Any] = dict.fromkeys(COMMANDS, self._note)
        performers |= dict.fromkeys(CONTROL_COMMANDS, self._control)
        performers[CloseStream] = self._note
        self.engine.perform_with(performers)
        self.host.commands_after = self.hears
        self.host.call_ended = self._call_ended  # type: ignore[method-assign]

    def _note(self, command: Command, _now: float) -> None:
        self.did.append(command)

    def _control(self, command: Any, now: float) -> None:
        self.did.append(command)
        self.line.control.perform(command, now)

    def _call_ended(self, call_id: str) -> None:
        self.host.ended.append(call_id)
        if call_id == self._call_id:
            self.hears(CallEnded())

    def hears(self, event: Event) -> None:
        """Something reaches the core; when it has ended the call its session is over."""
        was_over = self.engine.deadline is None
        self.engine.handle(event, self.line.now)
        if not self.engine.in_round and self.engine.deadline is None and not was_over:
            self.host.under_way.discard(self._call_id)
            self.line.control.hang_up(StreamEnd.BY_BRIDGE, self.line.now)

    def stream_lost(self) -> None:
        self.hears(LegLost(LegName.CARRIER, 1000))

    def stream_back(self, stream: str) -> None:
        self.hears(CallStarted("CA1", stream, PCMU_8K))

    def outcomes(self) -> list[Outcome]:
        return [one.outcome for one in self.did if isinstance(one, EndHandover)]

    def opened(self) -> list[Opening]:
        return [one.opening for one in self.did if isinstance(one, OpenAssistant)]


@pytest.fixture
def twilio(serve: Any, host: "Host") -> TwilioLine:
    return TwilioLine(serve, host)


@pytest.fixture
def telnyx(serve: Any, host: "Host") -> TelnyxLine:
    return TelnyxLine(serve, host)


def dial_of(document: ET.Element | None) -> ET.Element:
    assert document is not None
    dial = document.find("Dial")
    assert dial is not None
    return dial


def on_twilio(line: TwilioLine, **how: object) -> tuple[Played, ET.Element]:
    """The first group is called, cold."""
    played = Played(line, "CA1", **how)
    played.hears(ASK)
    assert [type(one) for one in played.did[-1:]] == [CloseStream]
    played.stream_lost()
    return played, dial_of(line.ask(line.next))


def leg_handle(dial: ET.Element) -> str:
    return str(dial[0].get("statusCallback")).rpartition("/")[2]


def back_of(dial: ET.Element) -> str:
    return "/twilio/back/" + str(dial.get("action")).rpartition("/")[2]


# Twilio


def test_cold_on_twilio_there_and_back(twilio: TwilioLine) -> None:
    played, dial = on_twilio(twilio)
    handle = leg_handle(dial)
    twilio.leg(handle, "CA2", "ringing")
    twilio.leg(handle, "CA2", "in-progress")
    twilio.leg(handle, "CA2", "", AnsweredBy="human")
    assert played.call.state is State.WITH_PERSON
    twilio.now = 75.0
    twilio.leg(handle, "CA2", "completed")
    document = twilio.ask(back_of(dial), DialCallStatus="completed", DialCallDuration="75")
    assert verbs(document) == ["Connect", "Redirect"]
    assert played.outcomes() == [Outcome.TALKED]
    played.stream_back("MZ2")
    assert played.opened() == [Opening.RETURNED]
    assert twilio.host.sent == [], "no request was needed"


@pytest.mark.parametrize("status", ["busy", "no-answer", "failed"])
def test_cold_on_twilio_nobody_of_two_groups(status: str, twilio: TwilioLine) -> None:
    played, first = on_twilio(twilio)
    second = dial_of(twilio.ask(back_of(first), DialCallStatus=status))
    assert [noun.tag for noun in second] == ["Number", "Sip"]
    document = twilio.ask(back_of(second), DialCallStatus=status)
    assert verbs(document) == ["Connect", "Redirect"]
    assert len(played.outcomes()) == 1
    played.stream_back("MZ2")
    assert played.call.state is State.TALKING, "the assistant was kept meanwhile"


def test_cold_on_twilio_a_machine(twilio: TwilioLine) -> None:
    played, dial = on_twilio(twilio, groups=(("+15550111",),))
    handle = leg_handle(dial)
    twilio.leg(handle, "CA2", "in-progress")
    twilio.leg(handle, "CA2", "", AnsweredBy="machine_start")
    document = twilio.ask(back_of(dial), DialCallStatus="completed", DialCallDuration="4")
    assert verbs(document) == ["Connect", "Redirect"]
    assert played.outcomes() == [Outcome.MACHINE]


def test_cold_on_twilio_the_caller_hangs_up_while_they_talk(twilio: TwilioLine) -> None:
    played, dial = on_twilio(twilio)
    handle = leg_handle(dial)
    twilio.leg(handle, "CA2", "in-progress")
    twilio.leg(handle, "CA2", "", AnsweredBy="human")
    document = twilio.ask(back_of(dial), CallStatus="completed", DialCallStatus="completed")
    assert verbs(document) == ["Hangup"]
    assert played.engine.deadline is None
    assert [sent.request.call_id for sent in twilio.host.sent] == ["CA2"]
    assert played.opened() == []


def test_warm_on_twilio_there_and_back(twilio: TwilioLine) -> None:
    played = Played(twilio, "CA1", is_warm=True)
    played.hears(ASK)
    handle = f"h{twilio.host.handles}"
    twilio.host.take(0.0, sid="CA2")
    briefing = twilio.leg(handle, "CA2", "in-progress")
    assert verbs(briefing) == ["Connect", "Redirect"]
    played.hears(BriefingStarted("CA2"))
    played.hears(PersonAccepted("CA2"))
    assert isinstance(played.did[-1], CloseStream)
    played.stream_lost()
    hers = dial_of(twilio.ask(f"/twilio/next/{handle}?leg=person", CallSid="CA2"))
    his = dial_of(twilio.ask(twilio.next))
    assert hers[0].text == his[0].text
    room = "/twilio/room/" + back_of(his).rpartition("/")[2]
    twilio.ask(room, StatusCallbackEvent="conference-start", CallSid="")
    assert played.call.state is State.WITH_PERSON
    twilio.now = 75.0
    twilio.leg(handle, "CA2", "completed")
    document = twilio.ask(back_of(his), DialCallStatus="answered")
    assert verbs(document) == ["Connect", "Redirect"]
    assert played.outcomes() == [Outcome.TALKED]


def test_warm_on_twilio_declined(twilio: TwilioLine) -> None:
    played = Played(twilio, "CA1", is_warm=True)
    played.hears(ASK)
    handle = f"h{twilio.host.handles}"
    twilio.host.take(0.0, sid="CA2")
    twilio.leg(handle, "CA2", "in-progress")
    played.hears(BriefingStarted("CA2"))
    played.hears(PersonDeclined("CA2", "at lunch"))
    assert played.outcomes() == [Outcome.DECLINED]
    assert played.call.state is State.TALKING
    assert [sent.request.call_id for sent in twilio.host.sent] == ["", "CA2"]
    twilio.leg(handle, "CA2", "completed")
    assert verbs(twilio.leg(handle, "CA2", "in-progress")) == ["Hangup"]


# Telnyx, under Call Control


def test_cold_on_telnyx_there_and_back(telnyx: TelnyxLine) -> None:
    played = Played(telnyx, A, groups=(("+15550111",),))
    played.hears(ASK)
    telnyx.take("call person", call_control_id=B)
    telnyx.leg("call.initiated")
    telnyx.leg("call.answered")
    telnyx.take("streaming_stop")
    played.stream_lost()
    telnyx.says("streaming.stopped")
    telnyx.leg("call.bridged")
    telnyx.leg("call.machine.detection.ended", result="human")
    assert played.call.state is State.WITH_PERSON
    telnyx.now = 75.0
    telnyx.leg("call.hangup", hangup_cause="normal_clearing")
    assert telnyx.asked()[-1] == ("streaming_start", A)
    assert played.outcomes() == [Outcome.TALKED]
    played.stream_back("S2")
    assert played.opened() == [Opening.RETURNED]
    assert telnyx.asked().count(("call person", "")) == 1


@pytest.mark.parametrize("cause", ["user_busy", "timeout", "call_rejected", "not_found"])
def test_on_telnyx_nobody_is_reached(cause: str, telnyx: TelnyxLine) -> None:
    played = Played(telnyx, A, groups=(("+15550111",),))
    played.hears(ASK)
    telnyx.leg("call.hangup", hangup_cause=cause)
    assert played.call.state is State.TALKING
    assert telnyx.asked() == [("call person", "")]


def test_cold_on_telnyx_a_machine(telnyx: TelnyxLine) -> None:
    played = Played(telnyx, A, groups=(("+15550111",),))
    played.hears(ASK)
    telnyx.leg("call.answered")
    telnyx.take("streaming_stop")
    played.stream_lost()
    telnyx.leg("call.bridged")
    telnyx.leg("call.machine.detection.ended", result="machine")
    assert played.outcomes() == [Outcome.MACHINE]
    assert telnyx.asked()[-2:] == [("hangup", B), ("streaming_start", A)]


def test_warm_on_telnyx_the_bridge_is_refused(telnyx: TelnyxLine) -> None:
    played = Played(telnyx, A, is_warm=True)
    played.hears(ASK)
    telnyx.leg("call.answered")
    played.hears(BriefingStarted(B))
    played.hears(PersonAccepted(B))
    telnyx.take_all("streaming_stop")
    played.stream_lost()
    telnyx.host.refuse(1.0, "90018")
    assert played.outcomes() == [Outcome.FAILED]
    assert telnyx.asked()[-2:] == [("hangup", B), ("streaming_start", A)]


def test_on_telnyx_the_caller_hangs_up_while_they_talk(telnyx: TelnyxLine) -> None:
    played = Played(telnyx, A, groups=(("+15550111",),))
    played.hears(ASK)
    telnyx.leg("call.answered")
    telnyx.take("streaming_stop")
    played.stream_lost()
    telnyx.leg("call.bridged")
    telnyx.leg("call.machine.detection.ended", result="human")
    telnyx.says("call.hangup", hangup_cause="normal_clearing")
    assert played.engine.deadline is None
    assert telnyx.asked()[-1] == ("hangup", B)
    assert played.opened() == []
