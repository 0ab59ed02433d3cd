"""Every fault that a script can have on a WebSocket, without a socket: what the client receives."""

from base64 import b64decode
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from bridge.simulators.assistant.frames import NOISE, OTHER_PREFIX, RUBBISH
from bridge.simulators.assistant.turn_based import TurnState

if TYPE_CHECKING:
    from tests.simulators.assistant.conftest import Peer

    Dial = Callable[..., Peer]

RESTART, END, PREFIX = "RESTART_COMMUNICATION", "SINGLE_UTTERANCE_END", "_MULAW"


def told(message: str | bytes) -> str:
    """What a message is, in a word."""
    if message == END:
        return "end"
    if message in NOISE or not isinstance(message, str):
        return "noise"
    if not message.startswith(PREFIX):
        return "mislabelled" if message.startswith(OTHER_PREFIX) else "noise"
    try:
        audio = b64decode(message.removeprefix(PREFIX), validate=True)
    except ValueError:
        return "rubbish" if message.endswith(RUBBISH) else "half"
    return "reply" if audio else "empty"


FAULTS = [
    ("", ["end", "reply"]),
    ('reply = "rubbish"', ["end", "rubbish"]),
    ('reply = "half"', ["end", "half"]),
    ('reply = "mislabelled"', ["end", "mislabelled"]),
    ('reply = "empty"', ["end", "empty"]),
    ('reply = "none"', ["end"]),
    ('reply = "twice"', ["end", "reply", "reply"]),
    ('reply = "early"', ["reply"]),
    ('utterance_end = "never"', ["reply"]),
    ('utterance_end = "twice"', ["end", "end", "reply"]),
    ('utterance_end = "late"', ["reply", "end"]),
    ("noise = true", ["end", *["noise"] * len(NOISE), "reply"]),
    ('noise = true\nreply = "none"\nutterance_end = "never"', []),
]


@pytest.mark.parametrize(("fault", "seen"), FAULTS)
def test_a_turn_with_a_fault_and_one_without(peer: "Dial", fault: str, seen: list[str]) -> None:
    call = peer(f"[[faults]]\nturns = 1\n{fault}")
    assert [told(message) for message in call.turn()] == seen
    assert [told(message) for message in call.turn()] == ["end", "reply"], "it costs only itself"


def test_the_early_reply_comes_while_the_caller_speaks(peer: "Dial") -> None:
    call = peer('[faults]\nreply = "early"')
    call.send(RESTART)
    call.say()
    ((at, _),) = call.sent
    assert 100.3 < at < 101.0
    assert call.state() is TurnState.IDLE
    assert call.simulator.turns[0].late_frames > 100


def test_a_reply_after_some_time(peer: "Dial") -> None:
    call = peer("reply_s = 0.1\n[[faults]]\nturns = 1\nreply_s = 25")
    call.send(RESTART)
    call.say()
    assert call.wait(20.0) == []
    assert [told(message) for message in call.wait(10.0)] == ["reply"]
    (end, _), (reply, _) = call.sent
    assert reply - end == pytest.approx(25.0)


@pytest.mark.parametrize("length", [1_024, 20_000_000])
def test_a_reply_of_any_length(peer: "Dial", length: int) -> None:
    call = peer(f"[faults]\nreply_bytes = {length}")
    reply = call.turn()[-1]
    assert told(reply) == "reply"
    assert length - 8 <= len(reply) <= length


CLOSES = [
    ("idle", 0.0, 0.0, []),
    ("idle", 2.0, 2.0, []),
    ("listening", 0.0, 5.0, []),
    ("listening", 1.5, 6.5, []),
    ("answering", 0.0, 8.8, ["end"]),
    ("answering", 0.1, 8.9, ["end"]),
    ("answered", 0.0, 9.1, ["end", "reply"]),
    ("answered", 1.0, 10.1, ["end", "reply"]),
]


@pytest.mark.parametrize("code", [1000, 1006, 1011, 4000])
@pytest.mark.parametrize(("state", "after_s", "at", "before"), CLOSES)
def test_it_closes_in_each_state(
    peer: "Dial", code: int, state: str, after_s: float, at: float, before: list[str]
) -> None:
    call = peer(f'[[faults]]\nclose = {code}\nclose_in = "{state}"\nclose_after_s = {after_s}')
    call.wait(5.0)
    call.send(RESTART)
    call.say()
    call.wait(5.0)
    assert call.closed == code
    assert call.closed_at == pytest.approx(100.0 + at, abs=0.15)
    assert [told(message) for _, message in call.sent] == before
    assert call.send(RESTART) == call.wait(60.0) == []


def test_the_script_chooses_the_turn_and_the_connection(peer: "Dial") -> None:
    script = '[[faults]]\nconnections = [2]\nturns = [2]\nclose = 1011\nclose_in = "listening"'
    first, second = peer(script), peer(script, number=2)
    for call in (first, second):
        call.turn()
        call.send(RESTART)
        call.wait(1.0)
    assert (first.closed, second.closed) == (None, 1011)
