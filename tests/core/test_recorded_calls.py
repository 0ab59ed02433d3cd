"""The recorded calls, replayed: the carrier's messages of then must bring about the bridge's messages of then."""

import json
from pathlib import Path

import pytest

from bridge.assistants.registry import ASSISTANTS
from bridge.carriers.twilio.stream import TwilioStream
from bridge.core.call import Call
from bridge.core.dialogue import DialogueRules
from bridge.core.engine import CallEngine
from bridge.core.entries import KeypadRules
from bridge.core.states import State
from bridge.core.timers import Limits
from bridge.settings.assistants import AssistantSettings
from bridge.shell.assistant_slot import AssistantSlot, NoLeg
from bridge.tools.toolbox import Toolbox
from bridge.vocabulary.commands import (
    CONTROL_COMMANDS,
    SHELL_COMMANDS,
    CarrierCommand,
    ClearPlayback,
    HangUp,
    OpenAssistant,
    PlayAudio,
    SendMark,
    TruncateReply,
)
from bridge.vocabulary.contracts import Assistant, Connection, Lost, Receive
from bridge.vocabulary.dispatch import on_bound
from bridge.vocabulary.events import CallStarted, Word

FIXTURES = Path(__file__).parents[2] / "fixtures"
CALLS = [("call-parrot", "parrot"), ("call-echo", "echo"), ("call-listened-to", "parrot")]


def recorded(name: str) -> tuple[list[tuple[float, str]], list[object]]:
    """What the carrier said, and when in seconds; what the bridge said."""
    lines = [json.loads(line) for line in (FIXTURES / f"{name}.jsonl").read_text().splitlines()]
    to_bridge = [
        (line["at_ms"] / 1000, json.dumps(line["message"])) for line in lines if line["to"] == "bridge"
    ]
    return to_bridge, [line["message"] for line in lines if line["to"] == "carrier"]


def made(kind: str) -> Assistant:
    return ASSISTANTS[kind].dialect(AssistantSettings(kind=kind), ())


class Replay:
    """A session without sockets; its clock is the recording's."""

    sees = None

    def __init__(self, assistant: Assistant) -> None:
        self.now = 0.0
        self.dialect = TwilioStream()
        self.call = Call(
            0.0, Limits(), DialogueRules(reorder_ms=self.dialect.reorder_ms, keypad=KeypadRules(mute_s=0.0))
        )
        self.said: list[object] = []
        self.words: list[Word] = []
        self._assistant = assistant
        self._engine = CallEngine(self.call, [self])
        slot = AssistantSlot(self._connect, self._engine.handle, lambda: None, lambda: self.now)
        performers = [
            on_bound(PlayAudio, self._tell_carrier),
            on_bound(SendMark, self._tell_carrier),
            on_bound(ClearPlayback, self._tell_carrier),
            on_bound(HangUp, self._nothing),
        ]
        performers += [on_bound(kind, self._nothing) for kind in (*CONTROL_COMMANDS, *SHELL_COMMANDS)]
        self._engine.perform_with({**dict(performers), **slot.performers})

    def _connect(self, _command: OpenAssistant, _receive: Receive, _lost: Lost) -> Connection:
        return Connection(self._assistant, NoLeg(), Toolbox("", {}).open(call_id="", parameters={}))

    def _tell_carrier(self, command: CarrierCommand, now: float) -> None:
        for message in self.dialect.encode(command, now):
            self.said.append(json.loads(message))

    def _nothing(self, _command: Word, _now: float) -> None:
        pass

    def saw(self, word: Word, _now: float) -> None:
        self.words.append(word)

    def carrier_said(self, message: str, now: float) -> None:
        self.now = now
        for outcome in self.dialect.decode(message, now):
            self._engine.handle(outcome, now)


@pytest.mark.parametrize(("name", "kind"), CALLS)
def test_the_bridge_says_again_what_it_said(name: str, kind: str) -> None:
    to_bridge, to_carrier = recorded(name)
    replay = Replay(made(kind))
    for at_s, message in to_bridge:
        replay.carrier_said(message, at_s)
    assert replay.said == to_carrier
    assert replay.call.state is State.ENDED
    assert set(replay.call.counts()) <= {"ignored", "digits", "barge_ins", "round_trip_ms"}


def test_the_interrupted_reply_is_truncated_where_the_clear_came() -> None:
    to_bridge, _ = recorded("call-parrot")
    replay = Replay(made("parrot"))
    for at_s, message in to_bridge:
        replay.carrier_said(message, at_s)
    (cut,) = [word for word in replay.words if isinstance(word, TruncateReply)]
    assert cut.item == "reply-2"
    assert 1400 <= cut.heard_ms <= 1700


def test_a_listened_to_call_names_both_tracks() -> None:
    to_bridge, to_carrier = recorded("call-listened-to")
    dialect = TwilioStream()
    events = [event for at_s, message in to_bridge for event in dialect.decode(message, at_s)]
    (start,) = [event for event in events if isinstance(event, CallStarted)]
    assert start.tracks == ("inbound", "outbound")
    assert start.one_way
    assert to_carrier == []
