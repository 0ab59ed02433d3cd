"""The simulated assistant's side of a WebSocket, without a socket: the protocol, and other messages of a client."""

from base64 import b64encode
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.simulators.assistant.frames import reply_frame
from bridge.simulators.assistant.script import AssistantScript
from bridge.simulators.assistant.turn_based import (
    MOVES,
    Action,
    Close,
    Step,
    TurnBasedConversation,
    TurnState,
)
from telecodecs.dtmf import tones
from telecodecs.g711 import ulaw_encode

if TYPE_CHECKING:
    from tests.simulators.assistant.conftest import Peer

    Dial = Callable[..., Peer]

RESTART, UTTERANCE_END, PREFIX = "RESTART_COMMUNICATION", "SINGLE_UTTERANCE_END", "_MULAW"
FRAME = b64encode(b"\xff" * 160).decode()
QUIET = b"\xff" * 8000


def test_every_state_has_a_next_one() -> None:
    assert {state for state, step in MOVES if step is Step.RESTART} == set(TurnState), (
        "a RESTART may come any time"
    )
    assert {state for state, _ in MOVES} == set(MOVES.values()) == set(TurnState)


def test_a_turn(peer: "Dial", sentence: bytes) -> None:
    call = peer()
    assert call.send(RESTART) == []
    assert call.state() is TurnState.LISTENING
    assert call.say() == [UTTERANCE_END, call.sent[1][1]]
    end, reply = (at for at, _ in call.sent)
    assert reply - end == pytest.approx(0.3)
    assert call.state() is TurnState.IDLE
    (turn,) = call.simulator.turns
    assert (turn.number, turn.restarts, turn.entry) == (1, 1, None)
    assert turn.began_at == 100.0
    assert turn.ended_at == pytest.approx(100 + 3.3 + 0.5, abs=0.15)
    assert turn.frames + turn.late_frames == len(sentence) // 160 + (len(sentence) % 160 > 0)
    assert turn.late_frames > 0, "what was in flight is counted, and not heard"
    assert call.replies() == [turn.reply] == [turn.utterance]
    assert turn.utterance in sentence, "byte for byte what the caller said"
    assert len(turn.utterance) / 8 == pytest.approx(2960 + 400, abs=200)


def test_turn_after_turn(peer: "Dial") -> None:
    call = peer()
    for _ in range(3):
        call.turn()
    assert [turn.number for turn in call.simulator.turns] == [1, 2, 3]
    assert [message for _, message in call.sent if message == UTTERANCE_END] == [UTTERANCE_END] * 3
    assert len(set(call.replies())) == 1
    assert not call.simulator.refused


def test_without_a_record_only_the_last_turn_is_kept(sentence: bytes) -> None:
    simulator = TurnBasedConversation(AssistantScript(reply_s=0), keeps_record=False)
    simulator.begin(0.0)
    for now in (1.0, 2.0, 3.0):
        simulator.hear(RESTART, now)
        for _ in range(3):
            simulator.hear("rubbish", now)
        for at in range(0, len(sentence), 160):
            simulator.hear(b64encode(sentence[at : at + 160]).decode(), now)
        simulator.due(now)
    assert [turn.number for turn in simulator.turns] == [3]
    assert len(simulator.refused) == 1


def test_a_greeting_and_the_restart_after_it(peer: "Dial", sentence: bytes) -> None:
    call = peer('greeting = "sentence-en-us-male.wav"')
    assert call.replies() == [sentence]
    assert call.state() is TurnState.IDLE
    call.send(FRAME)  # of a client that does not wait for its mark
    call.send(RESTART)
    call.wait(3.0)
    call.send(RESTART)
    call.say()
    (turn,) = call.simulator.turns
    assert (turn.number, turn.restarts) == (1, 2)
    assert call.simulator.early_frames == 1


def test_a_restart_forgets_what_was_heard(peer: "Dial", sentence: bytes) -> None:
    call = peer()
    call.send(RESTART)
    assert call.say(sentence[:16_000]) == []
    call.send(RESTART)
    call.say()
    (turn,) = call.simulator.turns
    assert turn.utterance in sentence
    assert turn.restarts == 2


def test_a_restart_drops_the_reply_being_prepared(peer: "Dial") -> None:
    call = peer("reply_s = 5")
    call.send(RESTART)
    assert call.say() == [UTTERANCE_END]
    assert call.state() is TurnState.ANSWERING
    call.send(RESTART)
    assert call.wait(10.0) == []
    assert [turn.replied_at for turn in call.simulator.turns] == [None, None]


def test_it_says_its_recordings_in_turn(peer: "Dial") -> None:
    call = peer('say = ["sentence-en-us-male.wav", "dtmf.wav"]')
    for _ in range(3):
        call.turn()
    one, two, again = call.replies()
    assert one == again != two


@pytest.mark.parametrize("told", [False, True])
def test_the_client_may_find_the_end_itself(peer: "Dial", sentence: bytes, told: bool) -> None:
    call = peer()
    call.send(RESTART)
    call.say(sentence[: 3_300 * 8])
    sent = [*(call.send(UTTERANCE_END) if told else ()), *call.wait(2.0)]
    assert sent[0] == UTTERANCE_END
    assert len(sent) == 2
    (turn,) = call.simulator.turns
    assert turn.ended_at is not None
    assert turn.ended_at - turn.began_at == pytest.approx(3.3 + (0 if told else 1.0), abs=0.03)
    assert turn.utterance in sentence


def test_silence_is_not_an_utterance(peer: "Dial") -> None:
    call = peer()
    call.send(RESTART)
    assert call.say(QUIET * 20) == []
    assert call.wait(30.0) == []
    assert call.state() is TurnState.LISTENING


def test_it_asks_again_if_nobody_speaks(peer: "Dial", sentence: bytes) -> None:
    call = peer('reprompt = "sentence-en-us-male.wav"\nreprompt_s = 4')
    call.send(RESTART)
    assert call.say(QUIET * 3) == []
    assert len(call.say(QUIET * 2)) == 1
    assert call.sent[0][0] == pytest.approx(104.0, abs=0.02)
    assert call.state() is TurnState.IDLE
    call.send(RESTART)
    call.say()
    assert call.replies() == [sentence, call.simulator.turns[0].utterance]
    assert [turn.number for turn in call.simulator.turns] == [1], "nobody had said anything in the first"


def test_an_utterance_without_end_is_cut(peer: "Dial", sentence: bytes) -> None:
    call = peer()
    call.send(RESTART)
    speech = sentence[2_400:26_000]
    sent = call.say(speech * 22)
    assert sent[0] == UTTERANCE_END
    assert len(call.simulator.turns[0].utterance) / 8000 == pytest.approx(60, abs=0.5)


@pytest.mark.parametrize("digits", ["1", "4321", "*0#D", ""])
def test_an_entry_comes_back_as_tones(peer: "Dial", digits: str) -> None:
    call = peer()
    call.send(RESTART)
    assert call.send(f"_DTMF{digits}") == [UTTERANCE_END]
    call.wait(1.0)
    assert call.simulator.entries == [call.simulator.turns[0].entry] == [digits]
    assert call.replies() == [ulaw_encode(tones(digits)).tobytes()]
    assert call.send("_DTMF7") == [], "an entry out of turn is noted"
    assert call.simulator.entries == [digits, "7"]


WITHOUT_MEANING: list[tuple[str | bytes, str]] = [
    (b"\x00\x01", "a binary message"),
    ("", "neither a message of the protocol nor base64"),
    ("RESTART_COMMUNICATION\n", "neither a message"),
    ("restart_communication", "neither a message"),
    ("_MULAW", "neither a message"),
    ('{"event":"media"}', "neither a message"),
    (FRAME[:-1], "neither a message"),
    (FRAME + "\n", "neither a message"),
    ("\N{SNOWMAN}" * 4, "neither a message"),
    ("_DTMF12x", "other characters than keys"),
]


@pytest.mark.parametrize(("message", "why"), WITHOUT_MEANING)
def test_other_messages_are_ignored(peer: "Dial", message: str | bytes, why: str) -> None:
    call = peer()
    call.send(RESTART)
    assert call.send(message) == []
    assert [why in refused for refused in call.simulator.refused] == [True]
    assert UTTERANCE_END in call.say()


def test_the_end_of_an_utterance_out_of_turn(peer: "Dial") -> None:
    call = peer()
    assert call.send(UTTERANCE_END) == []
    assert call.simulator.refused == ["the end of an utterance while not listening"]


def test_the_words_of_the_protocol_can_be_set(peer: "Dial") -> None:
    call = peer('prefix = "_ULAW"\nrestart = "GO"\nutterance_end = "STOP"\nentry_prefix = "#"')
    call.send(RESTART)
    call.send("GO")
    sent = call.send("#12")
    assert sent == ["STOP"]
    (reply,) = call.wait(1.0)
    assert isinstance(reply, str)
    assert reply == reply_frame("_ULAW", call.simulator.turns[0].reply)
    assert len(call.simulator.refused) == 1


MESSAGES = st.one_of(
    st.sampled_from([RESTART, UTTERANCE_END, FRAME, "_DTMF1", "", b"", "_MULAW" + FRAME]),
    st.text(max_size=8),
    st.binary(max_size=8),
)


@given(st.lists(st.tuples(MESSAGES, st.floats(0, 3)), max_size=20))
def test_the_protocol_holds_for_any_messages(rows: list[tuple[str | bytes, float]]) -> None:
    simulator, now, sent = TurnBasedConversation(AssistantScript()), 0.0, list[Action]()
    simulator.begin(now)
    for message, seconds in rows:
        sent += simulator.hear(message, now)
        now += seconds
        sent += simulator.due(now)
        assert simulator.deadline() is None or simulator.deadline() > now  # type: ignore[operator]
    ends = [action for action in sent if action == UTTERANCE_END]
    replies = [action for action in sent if isinstance(action, str) and action.startswith(PREFIX)]
    assert len(ends) + len(replies) == len(sent)
    assert not any(isinstance(action, Close) for action in sent)
    assert len(ends) == sum(turn.ended_at is not None for turn in simulator.turns)
    assert len(replies) == sum(turn.replied_at is not None for turn in simulator.turns) <= len(ends)
