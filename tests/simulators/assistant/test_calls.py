"""Whole calls over real sockets on loopback: simulated phone, our server, simulated assistant.

In each the caller says two words, the first from 0.6 s on. Whatever happens in the first turn, the second one is as it
should be.
"""

from typing import TYPE_CHECKING, Any

import pytest

from bridge.simulators.assistant.posts import CALL_HEADER, TURN_HEADER
from bridge.simulators.phone.handset import Ending
from bridge.simulators.phone.plan import Digit

if TYPE_CHECKING:
    from tests.simulators.assistant.conftest import Carried

ALIKE = 0.97
OWN_EARS = {"silence_ms": 300}
LONG: dict[str, Any] = {"second_ms": 4_400}
KEYS = "4"
ENTRY = (Digit("4", 2_800), Digit("2", 2_900), Digit("#", 3_000))


def row(
    script: str = "",
    settings: dict[str, Any] | None = None,
    way: str = "ws",
    carrier: str = "twilio",
    codec: str = "PCMU",
    **more: Any,
) -> dict[str, Any]:
    """See `Row` in conftest."""
    return {
        "script": script,
        "settings": settings or {},
        "way": way,
        "carrier": carrier,
        "codec": codec,
        **more,
    }


CLOSED = {
    f"{how} while {state}": row(
        f'[[faults]]\nconnections = 1\nclose = {code}\nclose_in = "{state}"\nclose_after_s = {after_s}',
        connections=2,
        first=state in {"idle", "answered"},
        told=(("LegLost", str(code)),),
    )
    for how, code, state, after_s in (
        ("closed", 1011, "idle", 0),
        ("closed", 1011, "answering", 0.02),
        ("closed", 1000, "answered", 0.02),
        ("cut off", 1006, "idle", 0),
        ("cut off", 1006, "listening", 0.8),
        ("cut off", 1006, "answering", 0.02),
    )
}
PLAIN = {
    "a call": row(first=True),
    "over Telnyx": row(first=True, carrier="telnyx"),
    "over Telnyx in L16": row(first=True, carrier="telnyx", codec="L16"),
    "other words": row(
        'prefix = "_ULAW"\nrestart = "GO_ON"\nutterance_end = "STOP_IT"',
        {"prefix": "_ULAW", "restart": "GO_ON", "utterance_end": "STOP_IT"},
        first=True,
    ),
    "a greeting": row('greeting = "keys.wav"', first=True),
    "a reprompt": row('reprompt = "keys.wav"\nreprompt_s = 1.2', first=True, **LONG),
    "our own listener": row(
        "silence_ms = 5000", {"endpointing": "local", "announces_end": True, **OWN_EARS}, first=True
    ),
    "our own listener, untold": row(
        "silence_ms = 5000",
        {"endpointing": "local", "reply_s": 2.5, **OWN_EARS},
        first=True,
        linger_s=2.0,
        **LONG,
    ),
    "either listener": row(settings={"endpointing": "either", **OWN_EARS}, first=True),
    "an entry": row(settings={"entry_prefix": "_DTMF"}, digits=ENTRY, first=True, **LONG),
    "by POST": row(way="http", first=True),
    "by POST, over Telnyx": row(way="http", carrier="telnyx", first=True),
    "by POST, L16 on both sides": row(
        'reply_as = "l16"', {"audio": "l16", "rate_hz": 16_000}, "http", "telnyx", "L16", first=True
    ),
    "by POST, mu-law": row('reply_as = "pcmu"', {"audio": "pcmu"}, "http", first=True),
    "by POST, 24 kHz in JSON": row(
        'reply_as = "json"\nreply_rate_hz = 24000\ntext = ["One.", "Two."]\nunderstood = ["Hm."]\nhang_up_turn = 2',
        way="http",
        first=True,
    ),
    "by POST, a greeting": row('greeting = "keys.wav"', {"greets": True}, "http", first=True),
    "by POST, an entry": row(way="http", digits=ENTRY, first=True, **LONG),
}
FAULTS = {
    "rubbish": row('reply = "rubbish"', told=(("MessageRefused", "not base64"),)),
    "half a base64": row('reply = "half"', told=(("MessageRefused", "not base64"),)),
    "another prefix": row(
        'reply = "mislabelled"', told=(("Ignored", "characters"), ("AssistantReportedError", "no reply came"))
    ),
    "an empty reply": row('reply = "empty"'),
    "no reply": row('reply = "none"', told=(("AssistantReportedError", "no reply came within 0.7 s"),)),
    "a late reply": row("reply_s = 1.2", told=(("AssistantReportedError", "no reply came within 0.7 s"),)),
    "two replies": row('reply = "twice"', first=True, **LONG),
    "a reply while the caller speaks": row('reply = "early"'),
    "no end": row('utterance_end = "never"', first=True),
    "the end twice": row('utterance_end = "twice"', first=True),
    "a late end": row('utterance_end = "late"', first=True),
    "noise": row(
        "noise = true", told=(("Ignored", "binary"), ("AssistantReportedError", "unknown frame")), first=True
    ),
    "nothing at all": row(
        'reply = "none"\nutterance_end = "never"',
        {"longest_utterance_s": 2.5},
        told=(("AssistantReportedError", "no SINGLE_UTTERANCE_END came within 2.5 s"),),
        **LONG,
    ),
    "too long a reply": row(
        "reply_bytes = 300_000",
        {"max_reply_bytes": 100_000},
        told=(("AssistantReportedError", "at most 100000"),),
    ),
    "20 MB": row(
        "connections = 1\nreply_bytes = 20_000_000",
        connections=2,
        told=(("LegLost", "1009"),),
    ),
    "a refused upgrade": row(
        "connections = 1\nrefuse = 503", told=(("LegLost", "refused with HTTP 503"),), first=True
    ),
    "by POST, 503": row("refuse = 503", way="http", told=(("AssistantReportedError", "503"),)),
    "by POST, rubbish": row('reply = "rubbish"', way="http", told=(("AssistantReportedError", "WAV"),)),
    "by POST, rubbish JSON": row(
        'reply = "rubbish"\n#json', way="http", told=(("AssistantReportedError", "JSON cannot be read"),)
    ),
    "by POST, half": row('reply = "half"', way="http", told=(("AssistantReportedError", "is not complete"),)),
    "by POST, another type": row(
        'reply = "mislabelled"', way="http", told=(("AssistantReportedError", "'text/html'"),)
    ),
    "by POST, empty": row('reply = "empty"', way="http"),
    "by POST, no answer": row('reply = "none"', way="http", told=(("AssistantReportedError", "0.7 s"),)),
    "by POST, a slow one": row("body_s = 2", way="http", told=(("AssistantReportedError", "0.7 s"),)),
    "by POST, cut off": row(
        "close = 1006", way="http", told=(("AssistantReportedError", "is not complete"),)
    ),
    "by POST, too long": row(
        "reply_bytes = 300_000",
        {"max_reply_bytes": 100_000},
        "http",
        told=(("AssistantReportedError", "100000"),),
    ),
}
for fault in FAULTS.values():
    turn = 0 if "refuse" in fault["script"] and fault["way"] == "ws" else 1
    top = 'reply_as = "json"\n' if fault["script"].endswith("#json") else ""
    fault["script"] = f"{top}[[faults]]\nturns = [{turn}]\n{fault['script']}"
CALLS = PLAIN | FAULTS | CLOSED


def each(*names: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("call", names, indirect=True)


@each(*CALLS)
def test_the_second_turn_is_as_it_should_be(call: "Carried") -> None:
    assert call.report.ending in {Ending.QUIET, Ending.SERVER_LEFT}
    assert (call.report.close_code, call.report.warnings) == (1000, ())
    assert call.refused == [], "the bridge says nothing that has no meaning"
    assert call.hears_second > ALIKE
    assert len(call.simulator.connections) == (call.row.connections if call.row.way == "ws" else 0)


@each(*CALLS)
def test_a_fault_concerns_the_first_turn_only(call: "Carried") -> None:
    assert (call.hears_first > ALIKE) == call.row.first


@each(*(name for name, row in CALLS.items() if "told" in row))
def test_the_journal_has_the_fault(call: "Carried") -> None:
    for what, words in call.row.told:
        lines = call.wrote(what)
        assert any(words in str(line) for line in lines), (what, words, lines)


@each("a call", "other words", "either listener", "over Telnyx")
def test_mu_law_is_passed_through(call: "Carried") -> None:
    first, second, unused = call.turns
    for turn in (first, second):
        assert turn.utterance in call.report.said
        assert turn.reply in call.report.heard
    assert unused.ended_at is None
    assert [turn.restarts for turn in call.turns] == [1, 1, 1]


@each("a call", "by POST", "by POST, L16 on both sides")
def test_the_journal_has_both_turns(call: "Carried") -> None:
    assert len(call.wrote("SpeechStopped")) == len(call.wrote("ConfirmHeard")) == 2
    (ended,) = call.wrote("Ended")
    assert [turn["reply_ms"] is not None for turn in ended["turns"]] == [True, True]


@each("a greeting", "by POST, a greeting")
def test_the_greeting_is_heard_first(call: "Carried") -> None:
    assert call.hears_keys(KEYS, 0, 1_100) > ALIKE


@each("an entry", "by POST, an entry")
def test_an_entry_is_sent_and_answered(call: "Carried") -> None:
    if call.row.way == "ws":
        assert call.simulator.connections[0].conversation.entries == ["42"]
    else:
        (entry,) = (post.entry for post in call.posts if post.entry is not None)
        assert entry == {"digits": "42", "reason": "terminator", "terminator": "#", "sensitive": False}
    assert call.hears_keys("42", 3_000, 4_400) > ALIKE


@each("a reprompt")
def test_a_reprompt_is_heard_between(call: "Carried") -> None:
    assert call.hears_keys(KEYS, 2_400, 4_400) > ALIKE


@each("by POST", "by POST, over Telnyx", "by POST, mu-law")
def test_each_post_names_its_call_and_its_turn(call: "Carried") -> None:
    assert [post.number for post in call.posts] == [1, 2]
    assert {post.headers[CALL_HEADER] for post in call.posts} == {call.report.call_sid}
    assert [post.headers[TURN_HEADER] for post in call.posts] == ["1", "2"]


@each("by POST, 24 kHz in JSON")
def test_words_and_the_end_of_the_call_come_in_json(call: "Carried") -> None:
    assert call.report.ending is Ending.SERVER_LEFT
    assert [line["text"] for line in call.wrote("ReplySaid")] == ["One.", "Two."]
    assert [line["text"] for line in call.wrote("CallerSaid")] == ["Hm.", "Hm."]
    (asked,) = call.wrote("CloseRequested")
    assert asked["why"] == "the assistant hung up"


@each("a refused upgrade")
def test_a_refused_upgrade_is_tried_again(call: "Carried") -> None:
    assert call.simulator.upgrades == [503, 101]
