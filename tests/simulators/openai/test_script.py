"""The script: what it may contain, what is refused, which reply is chosen, and which connections have faults."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bridge.simulators.openai import script as module
from bridge.simulators.openai.reply_chooser import ReplyChooser, quoted
from bridge.simulators.openai.script import (
    CHEERFUL,
    OpenAIScript,
    ScriptedReply,
    SessionFaults,
    parse_script,
    read_script,
)
from bridge.vocabulary.errors import ConfigurationError

if TYPE_CHECKING:
    from tests.simulators.openai.conftest import Peer

FIXTURES = Path(__file__).parents[3] / "fixtures"


def test_the_example_of_the_docstring_is_a_script() -> None:
    assert module.__doc__ is not None
    lines = [line[4:] for line in module.__doc__.splitlines() if line.startswith("    ")]
    example = "\n".join(lines).replace("menu.wav", "dtmf.wav")
    script = parse_script(example, FIXTURES)
    assert [len(reply.calls) for reply in script.replies] == [2, 0, 0, 0, 0, 1]
    assert script.replies[2].audio == FIXTURES / "dtmf.wav"
    assert script.replies[3].faults.close == 1011
    assert script.faults_of(1).refuse == 429
    assert script.faults_of(2).refuse is None
    assert (script.faults_of(2).fail, script.faults_of(2).fail_for_s) == ("rate_limit_exceeded", 3.0)
    assert script.faults_of(3).call_id == "call_1"


REFUSED = [
    ("speed = ", "script: Invalid value"),
    ("sped = 5", "script: there is no setting sped; did you mean speed?"),
    ('speed = "fast"', "script: speed = 'fast': Input should be a valid number"),
    ('[[replies]]\nsays = "x"', "script: there is no setting replies.0.says; did you mean say?"),
    (
        "[[replies]]\nfaults = { closes = 1 }",
        "there is no setting replies.0.faults.closes; did you mean close?",
    ),
    (
        '[[replies]]\non_text = ""\non_output = ""',
        "should have one of on_text, on_output and on_instructions",
    ),
    ("[faults]\nrefuse = 200", "script: faults.refuse = 200: Input should be greater than or equal to 400"),
    (
        '[faults]\noutput_format = "pcm16"',
        "script: faults.output_format = 'pcm16': Input should be 'audio/pcm'",
    ),
    ('[[replies]]\naudio = "nowhere.wav"', "nowhere.wav: No such file"),
]


@pytest.mark.parametrize(("text", "words"), REFUSED)
def test_a_wrong_script_is_refused_with_a_reason(text: str, words: str) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        parse_script(text)
    assert words in str(refusal.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    file = tmp_path / "script.toml"
    with pytest.raises(ConfigurationError, match=r"script\.toml"):
        read_script(file)
    file.write_text('greeting = "Grüß Gott."', encoding="utf-8")
    assert read_script(file).greeting == "Grüß Gott."


CONNECTIONS: list[tuple[object, list[int]]] = [
    (None, [1, 2, 3]),
    (1, [1]),
    (2, [1, 2]),
    ([2], [2]),
    ([1, 3], [1, 3]),
]


@pytest.mark.parametrize(("connections", "suffer"), CONNECTIONS)
def test_faults_concern_the_connections_that_they_name(connections: object, suffer: list[int]) -> None:
    faults = SessionFaults.model_validate({"connections": connections, "silent": True})
    script = OpenAIScript(faults=(faults,))
    assert [number for number in (1, 2, 3) if script.faults_of(number).silent] == suffer


def test_faults_of_several_tables_are_merged() -> None:
    script = parse_script("[[faults]]\nbeta = true\n[[faults]]\nconnections = 1\nexpires_s = 5")
    assert (script.faults_of(1).beta, script.faults_of(1).expires_s) == (True, 5)
    assert (script.faults_of(2).beta, script.faults_of(2).expires_s) == (True, 3600)


QUOTES = [
    ("Greet the caller: 'Hello, this is Tom's Garage.' Be nice.", "Hello, this is Tom's Garage."),
    ('Say "Good morning." and then "Bye."', "Good morning."),
    ("Sag \u201eGuten Tag\u201c.", "Guten Tag"),
    ("Dites \u00ab bonjour \u00bb.", " bonjour "),
    ("Say \u201chi\u201d.", "hi"),
    ("Don't say what you can't.", ""),
    ("", ""),
]


@pytest.mark.parametrize(("instructions", "words"), QUOTES)
def test_words_in_quotes(instructions: str, words: str) -> None:
    assert quoted(instructions) == words


def said(reply: ScriptedReply) -> str:
    return " ".join(reply.say)


def test_each_kind_of_turn_has_its_replies_in_turn() -> None:
    chooser = ReplyChooser(
        parse_script(
            """
            greeting = "Welcome."
            replies = [
                { say = "first" }, { say = "second" },
                { on_text = "4 2", say = "four two" }, { on_text = "9", say = "nine" },
                { on_output = "book", say = "booked" }, { on_output = "book", say = "booked again" },
                { on_output = "", say = "whatever came of it" },
                { on_instructions = "patient", say = "One moment." },
            ]
            """
        )
    )
    assert said(chooser.reply()) == "Welcome.", "nobody has said anything"
    told = []
    for cue in [
        "spoken",
        "text 4 2",
        "spoken",
        "output book",
        "spoken",
        "text 9",
        "output price",
        "output book",
    ]:
        kind, _, what = cue.partition(" ")
        match kind:
            case "spoken":
                chooser.speak()
            case "text":
                chooser.type(f"[caller pressed {what}]", "user")
            case _:
                chooser.answer(what)
        told.append(said(chooser.reply()))
    assert told == [
        *("first", "four two", "second", "booked"),
        *("first", "nine", "whatever came of it", "booked again"),
    ]
    assert said(chooser.reply("Say 'so be it'.")) == "so be it"
    assert said(chooser.reply("Be patient.")) == "One moment."
    assert said(chooser.reply()) == "second", "a second try is the next turn"
    chooser.type("[caller pressed 9]", "user")
    chooser.speak()
    assert said(chooser.reply()) == "first", "what was typed before they spoke is old"
    chooser.type("Greet them: 'Good day.'", "system")
    assert said(chooser.reply()) == "Good day."


def test_replies_for_one_session_and_for_sessions_with_a_tool() -> None:
    script = parse_script(
        """
        replies = [
            { with_tool = "transfer", calls = [{ name = "transfer" }] },
            { with_tool = "accept", say = "I ask them." }, { with_tool = "accept", calls = [{ name = "accept" }] },
            { connections = [3], say = "Here they are again." },
        ]
        """
    )

    def replies(number: int, *tools: str) -> list[str]:
        chooser = ReplyChooser(script, number, lambda: tools)
        chooser.speak()
        given = [chooser.reply() for _ in range(2)]
        return [reply.calls[0].name if reply.calls else said(reply) for reply in given]

    assert replies(1, "transfer", "book") == ["transfer", "transfer"]
    assert replies(2, "accept", "decline") == ["I ask them.", "accept"]
    assert replies(3, "transfer") == ["transfer", "Here they are again."]
    assert replies(4) == [said(CHEERFUL[0]), said(CHEERFUL[1])]


def test_without_a_script_each_turn_is_answered() -> None:
    chooser = ReplyChooser(OpenAIScript())
    chooser.speak()
    assert [chooser.reply() for _ in range(4)] == [*CHEERFUL, CHEERFUL[0]]


def test_a_reply_of_several_items_and_one_of_a_recording(peer: "Callable[..., Peer]") -> None:
    call = peer(
        f'replies = [{{ say = ["One.", "Two."] }}, {{ audio = "{FIXTURES / "sentence-de-female.wav"}" }}]'
    )
    call.say_sentence()
    sent = call.wait(3.0)
    assert [item["content"][0]["transcript"] for item in sent.one("response.done")["response"]["output"]] == [
        "One.",
        "Two.",
    ]
    assert len({event["item_id"] for event in sent.all("response.output_audio.delta")}) == 2
    call.say_sentence()
    assert len(call.wait(3.0).audio()) / 8000 == pytest.approx(4.32, abs=0.01)
