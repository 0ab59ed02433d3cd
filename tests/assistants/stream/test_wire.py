"""The stream protocol's wire: text to message or a refusal, the bridge's messages as text, the formats."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from bridge.assistants.stream import messages as said
from bridge.assistants.stream import wire
from bridge.assistants.stream.formats import KNOWN, WireFormat, chosen, offered
from bridge.vocabulary.call_facts import CallContext, Facts
from bridge.vocabulary.commands import EnterDigits, OpenAssistant
from bridge.vocabulary.contracts import ToolSchema
from bridge.vocabulary.errors import MalformedMessage
from bridge.vocabulary.events import EntryEnd, Opening, Said, Speaker, ToolUsed
from telecodecs.format import L16_8K, L16_16K, L16_24K, PCMA_8K, PCMU_8K, AudioFormat, Encoding

READS: list[tuple[str, said.FromAssistant]] = [
    ('{"type":"hello"}', said.Hello()),
    (
        '{"type":"hello","version":1,"hears":{"encoding":"l16","rate_hz":16000},'
        '"speaks":{"encoding":"pcma","rate_hz":8000},"audio":"base64","turns":"assistant","keys":"both"}',
        said.Hello(1, WireFormat("l16", 16_000), WireFormat("pcma", 8_000), "base64", "assistant", "both"),
    ),
    ('{"type":"audio","audio":"//8="}', said.Audio(b"\xff\xff")),
    ('{"type":"audio","audio":""}', said.Audio(b"")),
    ('{"type":"reply"}', said.Reply()),
    ('{"item":"greeting","type":"reply"}', said.Reply("greeting")),
    ('{"type":"reply_end"}', said.ReplyEnd()),
    ('{"type":"said","who":"assistant","text":"Hel"}', said.Said("assistant", "Hel")),
    ('{"type":"said","who":"caller","text":"Grüße"}', said.Said("caller", "Grüße")),
    ('{"type":"interrupt"}', said.Interrupt()),
    ('{"type":"interrupt","at_ms":1480}', said.Interrupt(1480)),
    ('{"type":"speech_stopped","at_ms":0}', said.SpeechStopped(0)),
    ('{"type":"collect_digits","id":"pin"}', said.CollectDigits("pin")),
    (
        '{"type":"collect_digits","id":"pin","length":4,"terminator":"#*","timeout_s":2.5,"sensitive":true}',
        said.CollectDigits("pin", 4, "#*", 2.5, True),
    ),
    ('{"type":"collect_digits","id":"pin","terminator":"","timeout_s":9}', said.CollectDigits("pin", None, "", 9)),
    ('{"type":"send_digits","keys":"1w23W#*D"}', said.SendDigits("1w23W#*D")),
    ('{"type":"call_tool","id":"t","tool":"look"}', said.CallTool("t", "look")),
    ('{"type":"call_tool","id":"t","tool":"look","arguments": {"n": 1e2}}', said.CallTool("t", "look", Raw(b'{"n": 1e2}'))),
    ('{"type":"note","text":"called twice"}', said.Note("called twice")),
    ('{"type":"outcome","outcome":"booked"}', said.Outcome("booked")),
    ('{"type":"hang_up"}', said.HangUp()),
    ('{"type":"hang_up","why":"all is settled"}', said.HangUp("all is settled")),
    ('{"type":"error","why":"what?"}', said.ErrorReport("what?")),
]  # fmt: skip

NOT_JSON = 'not a JSON object: expected {"type": "…"}'
KINDS = (
    "hello, audio, reply, reply_end, said, interrupt, speech_stopped, collect_digits, send_digits, call_tool, "
    "transfer, accept, decline, note, outcome, hang_up, error"
)
REFUSES: list[tuple[str, str]] = [
    ("", NOT_JSON),
    ("{}", f"type is missing: expected one of {KINDS}"),
    ('{"text":"x"}', f"type is missing: expected one of {KINDS}"),
    ("[]", NOT_JSON),
    ('{"type":7}', f"type is not a text: expected one of {KINDS}"),
    ('{"type":"note","text":"x"', NOT_JSON),
    ('{"type":"note","text":"\ud800"}', NOT_JSON),
    ("[" * 20_000, NOT_JSON),
    ('{"type":"hello","turns":"brigde"}', "hello: turns: expected one of bridge, assistant"),
    ('{"type":"hello","keys":7}', "hello: keys: expected one of each, entries, both, none"),
    ('{"type":"hello","hears":{"encoding":"opus","rate_hz":8000}}', "hello: hears.encoding: expected one of pcmu, pcma, l16"),
    ('{"type":"hello","hears":"pcmu"}', "hello: hears: Expected `object | null`, got `str`"),
    ('{"type":"hello","hear":{}}', "hello: there is no field hear; did you mean hears?"),
    ('{"type":"audio"}', "audio: audio is missing"),
    ('{"type":"audio","audio":"//8"}', "audio: audio: Invalid base64 encoded string"),
    ('{"type":"audio","audio":"%%%%"}', "audio: audio: Invalid base64 encoded string"),
    ('{"type":"reply","item":""}', "reply: item: Expected `str` of length >= 1"),
    ('{"type":"reply_end","item":"a"}', "reply_end: there is no field item; known here: none"),
    ('{"type":"said","who":"me","text":""}', "said: who: expected one of assistant, caller"),
    ('{"type":"interrupt","at_ms":-1}', "interrupt: at_ms: Expected `int` >= 0"),
    ('{"type":"collect_digits"}', "collect_digits: id is missing"),
    ('{"type":"collect_digits","id":"p","lenght":4}', "collect_digits: there is no field lenght; did you mean length?"),
    ('{"type":"collect_digits","id":"p","length":0}', "collect_digits: length: Expected `int` >= 1"),
    ('{"type":"collect_digits","id":"p","timeout_s":"5"}', "collect_digits: timeout_s: Expected `float | null`, got `str`"),
    ('{"type":"collect_digits","id":"p","terminator":"x"}', "collect_digits: terminator: Expected `str` matching regex '^[0-9*#A-D]*$'"),
    ('{"type":"send_digits","keys":"12e"}', "send_digits: keys: Expected `str` matching regex '^[0-9*#A-DwW]+$'"),
    ('{"type":"note","text":3}', "note: text: Expected `str`, got `int`"),
]  # fmt: skip

UNKNOWN: list[tuple[str, str, str]] = [
    ("reply_ended", "reply_ended", "there is no type 'reply_ended'; did you mean reply_end?"),
    ("say", "say", "say is reserved: the bridge cannot do it yet"),
    ("heard", "heard", "there is no type 'heard'; known here: hello, audio, reply, reply_end, said, "),
    ("x" * 1000, "x" * 64, "there is no type 'xxxx"),
]


def used(name: str, text: str, **fields: Any) -> dict[str, Any]:
    return {"who": "tool", "text": text, "id": name, "tool": "look", "running": False} | fields


TOOL = ToolSchema("look", "Looks.", {"type": "object", "properties": {}})
WRITES: list[tuple[str, dict[str, Any]]] = [
    (
        wire.hello(
            OpenAssistant(
                "CA1",
                PCMU_8K,
                {"plan": "gold"},
                opening=Opening.RECOVERED,
                history=(
                    Said(Speaker.CALLER, 'say "hi"'),
                    ToolUsed("t1", "look", '{"a": [1, "b"]}', '{"found":1}'),
                    ToolUsed("t1", "look", '{"broken', "error"),
                    ToolUsed("", "note", '["no object"]', "noted"),
                    ToolUsed("t1", "look", "{}"),
                    Said(Speaker.ASSISTANT, "Hi"),
                ),
                plays=L16_16K,
                context=CallContext(
                    Facts("+1555", "+1556", "inbound", verified=True, variables={"plan": "gold"}),
                    instructions="Be brief.",
                    greeting="Hello, Ann.",
                ),
            ),
            [TOOL],
        ),
        {
            "type": "hello",
            "version": 1,
            "call": "CA1",
            "parameters": {"plan": "gold"},
            "facts": {
                "from": "+1555",
                "to": "+1556",
                "direction": "inbound",
                "verified": True,
                "variables": {"plan": "gold"},
            },
            "instructions": "Be brief.",
            "greeting": "Hello, Ann.",
            "opening": "recovered",
            "history": [
                {"who": "caller", "text": 'say "hi"'},
                used("earlier-1", '{"found":1}', arguments={"a": [1, "b"]}),
                used("earlier-2", "error", arguments='{"broken'),
                used("earlier-3", "noted", tool="note", arguments='["no object"]'),
                used("earlier-4", "", arguments={}, running=True),
                {"who": "assistant", "text": "Hi"},
            ],
            "line": {"encoding": "pcmu", "rate_hz": 8000},
            "hears": [
                {"encoding": "pcmu", "rate_hz": 8000},
                {"encoding": "pcma", "rate_hz": 8000},
                {"encoding": "l16", "rate_hz": 8000},
                {"encoding": "l16", "rate_hz": 16000},
                {"encoding": "l16", "rate_hz": 24000},
                {"encoding": "l16", "rate_hz": 48000},
            ],
            "speaks": [
                {"encoding": "l16", "rate_hz": 16000},
                {"encoding": "pcmu", "rate_hz": 8000},
                {"encoding": "pcma", "rate_hz": 8000},
                {"encoding": "l16", "rate_hz": 8000},
                {"encoding": "l16", "rate_hz": 24000},
                {"encoding": "l16", "rate_hz": 48000},
            ],
            "tools": [
                {"name": "look", "description": "Looks.", "parameters": {"type": "object", "properties": {}}}
            ],
        },
    ),
    (wire.audio(b"\xff\xff"), {"type": "audio", "audio": "//8="}),
    (wire.heard("a"), {"type": "heard", "item": "a"}),
    (wire.interrupted("a", 40), {"type": "interrupted", "item": "a", "heard_ms": 40}),
    (wire.speech_started(1480), {"type": "speech_started", "at_ms": 1480}),
    (wire.speech_stopped(2960), {"type": "speech_stopped", "at_ms": 2960}),
    (wire.key("#"), {"type": "key", "key": "#"}),
    (
        wire.entry(EnterDigits("12", EntryEnd.TERMINATOR, "#")),
        {
            "type": "entry",
            "id": "",
            "digits": "12",
            "reason": "terminator",
            "terminator": "#",
            "sensitive": False,
            "name": "",
        },
    ),
    (
        wire.entry(EnterDigits("1234", EntryEnd.FULL, request_id="pin", placeholder="entry-1")),
        {
            "type": "entry",
            "id": "pin",
            "digits": "1234",
            "reason": "full",
            "terminator": "",
            "sensitive": True,
            "name": "entry-1",
        },
    ),
    (wire.answer("t", '{"n": 1}'), {"type": "answer", "id": "t", "output": '{"n": 1}'}),
    (wire.error("no"), {"type": "error", "why": "no"}),
    (wire.bye("over"), {"type": "bye", "why": "over"}),
]


@pytest.mark.parametrize(("text", "message"), READS)
def test_reads(text: str, message: said.FromAssistant) -> None:
    read = wire.read(text)
    if isinstance(read, said.CallTool) and isinstance(
        message, said.CallTool
    ):  # raw JSON is compared by place
        assert bytes(read.arguments) == bytes(message.arguments)
        message.arguments = read.arguments
    assert read == message


@pytest.mark.parametrize(("text", "why"), REFUSES)
def test_refuses_with_the_field_and_what_was_expected(text: str, why: str) -> None:
    with pytest.raises(MalformedMessage) as refused:
        wire.read(text)
    assert str(refused.value) == why


@pytest.mark.parametrize("name", ["a" * 900_000, "`" * 900_000, "x` - at `$" + "." * 900_000])
def test_a_field_may_have_a_name_as_long_as_a_message(name: str) -> None:
    with pytest.raises(MalformedMessage) as refused:
        wire.read(json.dumps({"type": "note", "text": "", name: 1}))
    assert len(str(refused.value)) < 250


@pytest.mark.parametrize(("kind", "named", "why"), UNKNOWN)
def test_does_not_know(kind: str, named: str, why: str) -> None:
    unread = wire.read(json.dumps({"type": kind, "with": "fields"}))
    assert isinstance(unread, wire.UnknownMessage)
    assert unread.kind == named
    assert unread.why.startswith(why)


@pytest.mark.parametrize(("text", "fields"), WRITES)
def test_writes(text: str, fields: dict[str, Any]) -> None:
    assert json.loads(text) == fields


@given(st.text() | st.dictionaries(st.text(), st.none() | st.integers() | st.text()).map(json.dumps))
def test_whatever_comes_is_read_or_refused(text: str) -> None:
    with suppress(MalformedMessage):
        wire.read(text)


# Formats

L16_BE_16K = AudioFormat(Encoding.L16_BE, 16_000)


@pytest.mark.parametrize("line", [*KNOWN, L16_BE_16K], ids=str)
def test_the_line_s_own_format_is_the_first_on_offer(line: AudioFormat) -> None:
    offer = offered(line)
    own = L16_16K if line == L16_BE_16K else line
    assert (offer[0].encoding, offer[0].rate_hz) == (own.encoding, own.rate_hz)
    assert len(set(offer)) == len(offer) == len(KNOWN)
    assert chosen("hears", None, line) == own
    assert {chosen("hears", choice, line) for choice in offer} == set(KNOWN)


CHOICES = [
    (WireFormat("l16", 8_000), L16_8K),
    (WireFormat("l16", 24_000), L16_24K),
    (WireFormat("pcma", 8_000), PCMA_8K),
]


@pytest.mark.parametrize(("choice", "format"), CHOICES)
def test_chosen(choice: WireFormat, format: AudioFormat) -> None:
    assert chosen("hears", choice, PCMU_8K) == format


@pytest.mark.parametrize("choice", [WireFormat("l16", 44_100), WireFormat("pcmu", 16_000)], ids=str)
def test_not_on_offer(choice: WireFormat) -> None:
    with pytest.raises(
        ValueError, match=rf"speaks: {choice} is not on offer: expected one of pcmu/8000, pcma/8000, l16/8000"
    ):
        chosen("speaks", choice, PCMU_8K)
