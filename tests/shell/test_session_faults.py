"""Faults in a call, our own and the carrier's: its stream is closed, it is reported as ended, and every observer writes its
last line."""

import json

import pytest

from bridge.assistants.echo import Echo
from bridge.carriers.twilio.stream import TwilioStream
from bridge.core.call import Call
from bridge.core.dialogue import DialogueRules
from bridge.core.timers import Limits
from bridge.shell.assistant_slot import NoLeg
from bridge.shell.session import Session, clock
from bridge.tools.toolbox import Toolbox
from bridge.vocabulary.commands import CloseAssistant, OpenAssistant
from bridge.vocabulary.contracts import Account, Connection, Lost, Receive, WireMessage
from bridge.vocabulary.events import Word

START = {
    "event": "start",
    "streamSid": "MZ1",
    "start": {
        "streamSid": "MZ1",
        "callSid": "CA1",
        "tracks": ["inbound"],
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
    },
}
STOP = {"event": "stop", "streamSid": "MZ1"}


class CarrierLeg:
    stalled = False

    def __init__(self) -> None:
        self.closed: list[int] = []
        self.reason = ""

    def send(self, message: WireMessage) -> None:
        pass

    def close(self, code: int = 1000, reason: str = "") -> None:
        self.closed.append(code)
        self.reason = reason


class LastLine:
    """Raises at a kind of word, or at the end; else it notes that it was closed."""

    sees = None

    def __init__(self, raises_at: type[Word] | None = None, *, raises_at_the_end: bool = False) -> None:
        self._raises_at = raises_at
        self._raises_at_the_end = raises_at_the_end
        self.closed = False

    def saw(self, word: Word, now: float) -> None:
        if type(word) is self._raises_at:
            raise RuntimeError("a fault in an observer")

    def close(self, now: float, account: Account) -> None:
        if self._raises_at_the_end:
            raise RuntimeError("a fault at the end")
        self.closed = True


def connect(_command: OpenAssistant, _receive: Receive, _lost: Lost) -> Connection:
    return Connection(Echo(), NoLeg(), Toolbox("", {}).open(call_id="CA1", parameters={}))


class Started:
    """A call that has started, with these observers."""

    def __init__(self, *observers: LastLine) -> None:
        self.ended: list[Session] = []
        self.leg = CarrierLeg()
        self.carrier = carrier = TwilioStream()
        call = Call(clock(), Limits(silent_s=60.0), DialogueRules(reorder_ms=carrier.reorder_ms))
        self.session = Session(carrier, call, connect, observers, self.ended.append)
        self.session.attach(self.leg)
        self.session.carrier_said(json.dumps(START))


async def test_a_fault_before_the_hang_up_still_closes_the_stream() -> None:
    faulty, other = LastLine(CloseAssistant), LastLine()
    call = Started(other, faulty)
    with pytest.raises(RuntimeError):
        call.session.carrier_said(json.dumps(STOP))
    assert call.leg.closed == [1011]
    assert call.ended == [call.session]
    assert other.closed


async def test_a_fault_at_the_end_keeps_no_other_observer_from_its_last_line() -> None:
    faulty, other = LastLine(raises_at_the_end=True), LastLine()
    call = Started(faulty, other)
    call.session.carrier_said(json.dumps(STOP))
    assert call.leg.closed == [1000]
    assert call.ended == [call.session]
    assert other.closed


@pytest.mark.parametrize("message", ["nonsense", '{"event":"news"}'], ids=["malformed", "unknown"])
@pytest.mark.parametrize(("every_s", "closes"), [(0.1, True), (0.25, False)])
async def test_fifty_bad_messages_in_ten_seconds_close_the_stream(
    monkeypatch: pytest.MonkeyPatch, message: str, every_s: float, closes: bool
) -> None:
    call, now = Started(), clock()
    for n in range(50):
        monkeypatch.setattr("bridge.shell.session.clock", lambda n=n: now + n * every_s)
        call.session.carrier_said(message)
    assert call.leg.closed == ([1008] if closes else [])
    if closes:
        assert call.leg.reason == "50 messages in 10 s were malformed or of an unknown kind"
    assert not call.ended  # the leg is there until its peer has answered, or sends on
    call.session.carrier_lost(call.carrier, 1008, "")
    assert call.ended == [call.session]
