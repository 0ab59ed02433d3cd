"""Transfer and briefing in the stream protocol: when, what came from either side, what became of it."""

from typing import TYPE_CHECKING

import pytest

from bridge.vocabulary.commands import OpenAssistant, ReportTransfer, SayText
from bridge.vocabulary.events import Opening, ReplyAudio, ReplyEnded
from bridge.vocabulary.people import (
    Briefing,
    BriefingAccepted,
    BriefingDeclined,
    Outcome,
    TransferRequested,
)
from telecodecs.format import PCMU_8K

if TYPE_CHECKING:
    from tests.assistants.stream.conftest import Dial, Row

SOUND = b"\x10\x20" * 80
ASK = {"type": "transfer", "id": "t1", "person": "billing", "why": "an invoice", "summary": "Ann"}
ASKED = TransferRequested("billing", "an invoice", "Ann", "t1")
BUSY = ReportTransfer("t1", "billing", Outcome.BUSY, "the line is busy")
ENDED = {
    "type": "transfer_ended",
    "id": "t1",
    "person": "billing",
    "outcome": "busy",
    "text": "the line is busy",
}
TOLD = "nobody is being briefed: expected it in a briefing alone"

SCENES: "dict[str, list[Row]]" = {
    "it is asked for, and answered": [
        (1.0, ASK, [ASKED]),
        (60.0, BUSY, [ENDED]),
        (60.1, BUSY, []),
        (61.0, ASK, [ASKED]),
    ],
    "what is being said is complete with it": [
        (1.0, SOUND, [ReplyAudio("item-1", SOUND)]),
        (1.1, ASK, [ReplyEnded("item-1"), ASKED]),
    ],
    "the same id twice": [
        (1.0, ASK, [ASKED]),
        (1.1, ASK, [{"refused": "transfer: id belongs to a request that has no answer yet: expected a new one"}]),
    ],
    "without a person": [
        (1.0, {"type": "transfer", "id": "t1"}, [{"refused": "transfer: person is missing"}]),
    ],
    "who is no person": [
        (1.0, {"type": "transfer", "id": "t1", "person": 5}, [{"refused": "transfer: person: Expected `str`, got `int`"}]),
    ],
    "accept outside of a briefing": [(1.0, {"type": "accept"}, [{"refused": f"accept: {TOLD}"}])],
    "decline outside of a briefing": [(1.0, {"type": "decline"}, [{"refused": f"decline: {TOLD}"}])],
}  # fmt: skip


@pytest.mark.parametrize("rows", SCENES.values(), ids=SCENES)
def test_transfer(dial: "Dial", rows: "list[Row]") -> None:
    dial().open().play(rows)


BRIEFING: "list[tuple[Row]]" = [
    ((1.0, {"type": "accept"}, [BriefingAccepted()]),),
    ((1.0, {"type": "decline", "why": "a meeting"}, [BriefingDeclined("a meeting")]),),
    ((1.0, {"type": "decline"}, [BriefingDeclined("")]),),
    ((1.0, SayText("Goodbye."), [{"type": "say", "text": "Goodbye."}]),),
]


@pytest.mark.parametrize("rows", BRIEFING)
def test_briefing(dial: "Dial", rows: "tuple[Row]") -> None:
    line = dial(tools=())
    briefing = Briefing("billing", "an invoice", "Ann")
    opened = OpenAssistant("CA2", PCMU_8K, opening=Opening.BRIEFING, briefing=briefing)
    (hello,) = line.pass_on(0.0, opened)
    assert hello["opening"] == "briefing"
    assert hello["briefing"] == {
        "person": "billing",
        "why": "an invoice",
        "summary": "Ann",
        "instructions": "",
    }
    line.pass_on(0.1, {"type": "hello", "turns": "assistant"})
    line.play(rows)
