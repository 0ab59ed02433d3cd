"""A runaway assistant: whatever it sends, and however often, a call keeps no more than its bounds."""

from collections.abc import Callable

import pytest

from bridge.core.call import Call
from bridge.core.dialogue import DialogueRules
from bridge.core.playout import MOST_ITEMS as MOST_SENT_ITEMS
from bridge.core.playout import MOST_MARKS
from bridge.core.reply_audio import MOST_ITEMS, MOST_PIECES, MOST_REMEMBERED, MOST_SOUNDS, Voice
from bridge.core.timers import Limits, Timers
from bridge.vocabulary.commands import Command, DropReply, PlayAudio
from bridge.vocabulary.events import AssistantReady, CallStarted, PressRequested
from telecodecs.format import PCMU_8K

FRAME = bytes(range(160))
EVENTS = 30_000
MOST_KEPT = MOST_PIECES + 2 * MOST_REMEMBERED + MOST_SENT_ITEMS + MOST_MARKS + MOST_SOUNDS + MOST_ITEMS


def voice() -> Voice:
    speaking = Voice(PCMU_8K, Timers(), lambda _item, _share: None)
    speaking.open(PCMU_8K, 0.0)
    return speaking


RUNAWAYS: dict[str, Callable[[Voice, int], object]] = {
    "one item": lambda speaking, _: speaking.play("a", FRAME, 0.0),
    "items that end": lambda speaking, n: (speaking.play(f"a{n}", FRAME, 0.0), speaking.end(f"a{n}", 0.0)),
    "items that do not end": lambda speaking, n: speaking.play(f"a{n}", FRAME, 0.0),
    "items that are heard, without marks": lambda speaking, n: speaking.play(f"a{n}", FRAME, n * 0.02),
    "items that are cut": lambda speaking, n: (
        speaking.play(f"a{n}", FRAME, n * 0.02),
        speaking.interrupt(n * 0.02),
    ),
    "sounds": lambda speaking, n: speaking.has_room_for_sound() and speaking.insert(f"k{n}", FRAME, n * 0.02),
}


@pytest.mark.parametrize("runaway", RUNAWAYS.values(), ids=RUNAWAYS)
def test_what_waits_and_what_is_remembered_is_bounded(runaway: Callable[[Voice, int], object]) -> None:
    speaking = voice()
    for number in range(EVENTS):
        runaway(speaking, number)
    assert speaking.kept <= MOST_KEPT
    speaking.interrupt(EVENTS * 0.02)
    assert speaking.kept <= 2 * MOST_REMEMBERED + 1


def test_an_interruption_reports_a_few_hundred_items_at_most() -> None:
    speaking = voice()
    told: list[Command] = []
    for number in range(10_000):
        told += speaking.play(f"a{number}", FRAME, 0.0) + speaking.end(f"a{number}", 0.0)
    dropped = [command for command in told if isinstance(command, DropReply)]
    cut = [command for command in speaking.interrupt(0.1) if hasattr(command, "item")]
    assert len(cut) <= MOST_ITEMS + 5.0 / 0.02 + 1  # what waits, and what the carrier has
    assert len(dropped) + len(cut) == 10_000, "each is reported"
    assert speaking.dropped_pieces == len(dropped)


def test_keys_beyond_what_can_sound_are_counted_and_not_made() -> None:
    call = Call(0.0, Limits(), DialogueRules(reorder_ms=0))
    call.handle(CallStarted("CA1", "MZ1", PCMU_8K), 0.0)
    call.handle(AssistantReady(PCMU_8K, PCMU_8K), 0.0)
    played = 0
    for _ in range(2_000):
        commands = call.handle(PressRequested("1w2"), 1.0)
        played += sum(len(command.audio) for command in commands if isinstance(command, PlayAudio))
    assert played == 5 * 8_000  # what the carrier has ahead
    assert call.counts()["keys_played"] == MOST_SOUNDS
    assert call.counts()["too_long_replies"] == 2_000 - MOST_SOUNDS
