"""The recorded calls, told to the core again: what the carrier said then must bring about what the bridge said then."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from bridge.assistants.registry import ASSISTANTS
from bridge.carriers.twilio.stream import TwilioStream
from bridge.core.call import Call
from bridge.core.dialogue import DialogueRules
from bridge.core.entries import KeypadRules
from bridge.core.states import State
from bridge.core.timers import Limits
from bridge.settings.assistants import AssistantSettings
from bridge.vocabulary.commands import (
    ClearPlayback,
    Command,
    HangUp,
    PlayAudio,
    PressKeys,
    RunTool,
    SendMark,
    SetSensitive,
    SwitchToStandby,
    TruncateReply,
)
from bridge.vocabulary.contracts import Answer, Assistant, Utterance
from bridge.vocabulary.events import CallStarted, Event

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
    """A session without sockets and without a clock."""

    def __init__(self, assistant: Assistant) -> None:
        self.dialect = TwilioStream()
        self.call = Call(
            0.0, Limits(), DialogueRules(reorder_ms=self.dialect.reorder_ms, keypad=KeypadRules(mute_s=0.0))
        )
        self.assistant = assistant
        self.said: list[object] = []
        self.commands: list[Command] = []

    def feed(self, events: Sequence[Event | Utterance], now: float) -> None:
        for event in events:
            assert not isinstance(event, Answer)
            for command in self.call.handle(event, now):
                self.commands.append(command)
                match command:
                    case PlayAudio() | SendMark() | ClearPlayback():
                        self.said += map(json.loads, self.dialect.encode(command, now))
                    case HangUp() | RunTool() | SwitchToStandby() | PressKeys() | SetSensitive():
                        pass
                    case _:
                        for message in self.assistant.encode(command, now):
                            self.feed(self.assistant.decode(message, now), now)


@pytest.mark.parametrize(("name", "kind"), CALLS)
def test_the_bridge_says_again_what_it_said(name: str, kind: str) -> None:
    to_bridge, to_carrier = recorded(name)
    replay = Replay(made(kind))
    for at_s, message in to_bridge:
        replay.feed(replay.dialect.decode(message, at_s), at_s)
    assert replay.said == to_carrier
    assert replay.call.state is State.ENDED
    assert set(replay.call.counts()) <= {"ignored", "digits", "barge_ins", "round_trip_ms"}


def test_the_interrupted_reply_is_truncated_where_the_clear_came() -> None:
    to_bridge, _ = recorded("call-parrot")
    replay = Replay(made("parrot"))
    for at_s, message in to_bridge:
        replay.feed(replay.dialect.decode(message, at_s), at_s)
    (cut,) = [command for command in replay.commands if isinstance(command, TruncateReply)]
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
