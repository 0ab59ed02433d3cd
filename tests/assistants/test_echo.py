"""The line check: what is said comes back, and nothing else does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.assistants.echo import Echo
from bridge.vocabulary.commands import (
    AppendAudio,
    AssistantCommand,
    CloseAssistant,
    ConfirmHeard,
    DropReply,
    OpenAssistant,
    TruncateReply,
    TypeDigit,
)
from bridge.vocabulary.events import AssistantEvent, AssistantReady, ReplyAudio, ReplyEnded
from telecodecs.format import PCMU_8K

FRAME = bytes(range(160))

CALL: list[tuple[AssistantCommand, list[AssistantEvent]]] = [
    (OpenAssistant("CA1", PCMU_8K), [AssistantReady(PCMU_8K, PCMU_8K)]),
    (AppendAudio(FRAME), [ReplyAudio("echo", FRAME)]),
    (TypeDigit("4"), []),
    (ConfirmHeard("echo"), []),
    (AppendAudio(FRAME[::-1]), [ReplyAudio("echo", FRAME[::-1])]),
    (TruncateReply("echo", heard_ms=20), [ReplyEnded("echo")]),
    (DropReply("echo"), []),  # was cut already
    (AppendAudio(FRAME), [ReplyAudio("echo-2", FRAME)]),
    (DropReply("echo-2"), [ReplyEnded("echo-2")]),
    (DropReply("echo-3"), []),  # has not begun
    (AppendAudio(FRAME), [ReplyAudio("echo-3", FRAME)]),
    (CloseAssistant(), []),
]


def test_a_whole_call() -> None:
    echo = Echo()
    for command, events in CALL:
        assert echo.encode(command, 0.0) == events


@given(st.lists(st.binary(min_size=1)))
def test_whatever_the_pieces_the_same_bytes_come_back(pieces: list[bytes]) -> None:
    echo = Echo()
    said = [event for piece in pieces for event in echo.encode(AppendAudio(piece), 0.0)]
    assert said == [ReplyAudio("echo", piece) for piece in pieces]


@pytest.mark.parametrize("message", ["text", b"bytes"])
def test_nothing_comes_of_a_message_for_it_has_no_leg(message: str | bytes) -> None:
    assert Echo().decode(message, 0.0) == ()
