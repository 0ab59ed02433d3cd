"""What tools did before the session began, on the wire: pairs of a call and its output, and outputs that come late."""

from typing import TYPE_CHECKING

import pytest

from bridge.vocabulary.commands import AnswerTool
from bridge.vocabulary.contracts import ToolSchema
from bridge.vocabulary.events import (
    AssistantReady,
    History,
    Opening,
    ReplyEnded,
    Said,
    Speaker,
    SpeechStarted,
    SpeechStopped,
    ToolCalled,
    ToolUsed,
)
from telecodecs.format import PCMU_8K

if TYPE_CHECKING:
    from tests.assistants.openai_realtime.conftest import Dial, Outcome, Row

READY = AssistantReady(PCMU_8K, PCMU_8K, keys_interrupt=True)
TOOLS = [ToolSchema("book", "Books.", {"type": "object"}), ToolSchema("note", "Notes.", {"type": "object"})]
SORRY = 'create: Say exactly this and nothing else: "Sorry, could you repeat that?"'

ASKED = Said(Speaker.CALLER, "Book me Friday.")
BOOKED = ToolUsed("call_of_another_vendor_" + "x" * 60, "book", '{"day":"friday"}', "booked")
RUNS = ToolUsed("c1", "book", '{"day":"monday"}')
NOTED = ToolUsed("", "note", '{"text":"ring back"}', "noted")
PAID = ToolUsed("c2", "pay", '{"card":"entry-1"}', "entry-1 was charged")
PAYS = ToolUsed("c3", "pay", "{}")
WAIT = Said(Speaker.ASSISTANT, "One moment, please.")
DONE = Said(Speaker.ASSISTANT, "It is booked.")

FRIDAY = ['called vb_3 book {"day":"friday"}', "output vb_3: booked"]
MONDAY = 'called vb_3 book {"day":"monday"}'

CASES: dict[str, tuple[History, list["Outcome"]]] = {
    "a pair, and words after it": (
        (ASKED, BOOKED, DONE),
        ["item user: Book me Friday.", *FRIDAY, "item assistant: It is booked.", READY, SORRY],
    ),
    "a pair that nobody has spoken of": (
        (ASKED, BOOKED),
        ["item user: Book me Friday.", *FRIDAY, READY, "create"],
    ),
    "a tool that still runs": ((ASKED, RUNS), ["item user: Book me Friday.", MONDAY, READY]),
    "a pair, and a tool that still runs": (
        (ASKED, BOOKED, RUNS),
        ["item user: Book me Friday.", *FRIDAY, 'called vb_6 book {"day":"monday"}', READY],
    ),
    "a tool that still runs, and the caller was told to wait": (
        (RUNS, WAIT),
        ['called vb_2 book {"day":"monday"}', "item assistant: One moment, please.", READY],
    ),
    "the same, and the caller has spoken since": (
        (RUNS, WAIT, ASKED),
        [
            'called vb_2 book {"day":"monday"}',
            "item assistant: One moment, please.",
            "item user: Book me Friday.",
            READY,
            SORRY,
        ],
    ),
    "a tool that still runs, and the caller has spoken since": (
        (RUNS, ASKED),
        ['called vb_2 book {"day":"monday"}', "item user: Book me Friday.", READY, SORRY],
    ),
    "a tool that this assistant does not have": (
        (PAID, DONE),
        [
            'item user: [the tool pay was called with {"card":"entry-1"}; its output: entry-1 was charged]',
            "item assistant: It is booked.",
            READY,
            SORRY,
        ],
    ),
    "the same, and nobody has spoken of it": (
        (PAID,),
        [
            'item user: [the tool pay was called with {"card":"entry-1"}; its output: entry-1 was charged]',
            READY,
            "create",
        ],
    ),
    "a built-in tool": (
        (NOTED, DONE),
        ['called vb_2 note {"text":"ring back"}', "output vb_2: noted", "item assistant: It is booked.", READY, SORRY],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("history", "became"), CASES.values(), ids=CASES)
def test_a_session_that_takes_over_is_told_what_tools_did(
    dial: "Dial", history: History, became: "list[Outcome]"
) -> None:
    line = dial(tools=TOOLS, greeting="Hello.")
    assert line.open(opening=Opening.RECOVERED, history=history) == became
    renewed = dial(tools=TOOLS, greeting="Hello.")
    quiet = [one for one in became if not isinstance(one, str) or not one.startswith("create")]
    assert renewed.open(opening=Opening.RENEWED, history=history) == quiet


def test_items_and_calls_have_short_ids_of_ours(dial: "Dial") -> None:
    line = dial(tools=TOOLS)
    line.open(opening=Opening.RENEWED, history=(ASKED, BOOKED, BOOKED))
    items = [message["item"] for message in line.sent if message["type"] == "conversation.item.create"]
    assert [item["type"] for item in items] == ["message", *["function_call", "function_call_output"] * 2]
    ids = [item["id"] for item in items] + [item["call_id"] for item in items if item.get("name")]
    assert len(set(ids)) == len(ids) == 7
    assert all(one.startswith("vb_") and len(one) <= 32 for one in ids)


LATE: dict[str, tuple[History, "list[Row]"]] = {
    "it is told as the output of its call, and spoken of once": (
        (ASKED, RUNS),
        [
            (1.0, AnswerTool("c1", "booked", is_late=True), ["output vb_3: booked", "create"]),
            (1.1, AnswerTool("c1", "booked", is_late=True), []),
        ],
    ),
    "a call of no history has no output here": (
        (ASKED,),
        [(1.0, AnswerTool("c1", "booked", is_late=True), [])],
    ),
    "an id of an earlier call is no id of this session": (
        (RUNS,),
        [
            (1.0, "created R1", []),
            (1.0, "call R1 c1 book {}", [ToolCalled("c1", "book", "{}")]),
            (1.1, "done R1", []),
            (1.2, AnswerTool("c1", "the new one"), ["output c1: the new one"]),
            (1.3, AnswerTool("c1", "the old one", is_late=True), ["output vb_2: the old one", "create"]),
        ],
    ),
    "the caller is told to wait, as in the session before": (
        (RUNS,),
        [
            (2.0, None, ["create aside: Say exactly this and nothing else: \"One moment, please.\""]),
            (2.1, "created R1 ours", []),
            (2.5, "done R1", []),
            (3.0, AnswerTool("c1", "booked", is_late=True), ["output vb_2: booked", "create"]),
        ],
    ),
    "what tools did last is spoken of when all of them have ended": (
        (BOOKED, RUNS),
        [(1.0, AnswerTool("c1", "booked", is_late=True), ["output vb_5: booked", "create"])],
    ),
    "a caller who speaks is not talked over": (
        (RUNS,),
        [
            (1.0, "speech U1", [SpeechStarted()]),
            (1.5, AnswerTool("c1", "booked", is_late=True), ["output vb_2: booked"]),
            (1.6, "added", []),
            (2.0, "pause U1", [SpeechStopped("U1")]),
            (2.1, "created R1", []),  # the server answers both
            (2.2, "audio R1 A 500", ["sound A 500"]),
            (2.9, "done R1", [ReplyEnded("A")]),
        ],
    ),
    "a tool that this assistant does not have": (
        (PAYS,),
        [
            (
                1.0,
                AnswerTool("c3", "charged", is_late=True),
                ["item user: [the tool pay, which was called with {}, has ended; its output: charged]", "create"],
            ),
        ],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("history", "rows"), LATE.values(), ids=LATE)
def test_an_output_that_comes_late(dial: "Dial", history: History, rows: "list[Row]") -> None:
    line = dial(tools=TOOLS, reconnect_say=False, reply_s=30.0)
    line.open(opening=Opening.RECOVERED, history=history)
    line.play(rows)


def test_a_tool_that_this_assistant_does_not_have_is_said_to_run(dial: "Dial") -> None:
    words = "item user: [the tool pay was called with {}; it still runs, its output will follow]"
    assert dial(tools=TOOLS).open(opening=Opening.RECOVERED, history=(PAYS,)) == [words, READY]
