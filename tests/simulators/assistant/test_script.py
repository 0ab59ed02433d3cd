"""The script: what it may contain, what is refused, and which turns of which connections have faults."""

from pathlib import Path

import pytest

from bridge.simulators.assistant import script as module
from bridge.simulators.assistant.script import (
    AssistantFaults,
    AssistantScript,
    parse_script,
    read_script,
    with_options,
)
from bridge.vocabulary.errors import ConfigurationError

FIXTURES = Path(__file__).parents[3] / "fixtures"
SENTENCE = FIXTURES / "sentence-en-us-male.wav"


def test_the_example_of_the_docstring_is_a_script() -> None:
    assert module.__doc__ is not None
    lines = [line[4:] for line in module.__doc__.splitlines() if line.startswith("    ")]
    example = "\n".join(lines)
    for name in ("hello", "one", "two", "still-there"):
        example = example.replace(f"{name}.wav", "dtmf.wav")
    script = parse_script(example, FIXTURES)
    assert script.say == (FIXTURES / "dtmf.wav",) * 2
    assert script.model_copy(update={"faults": ()}).model_fields_set >= {"prefix", "reply_as", "hang_up_turn"}
    assert script.faults_of(1, 2).reply == "half"
    assert script.faults_of(2, 2).reply is None
    assert script.faults_of(2, 2).close == 1011


def test_the_example_has_the_defaults() -> None:
    script = AssistantScript()
    assert (script.prefix, script.restart, script.utterance_end, script.entry_prefix) == (
        "_MULAW",
        "RESTART_COMMUNICATION",
        "SINGLE_UTTERANCE_END",
        "_DTMF",
    )


REFUSED = [
    ("reply_s = ", "script: Invalid value"),
    ("replys = 5", "script: there is no setting replys; did you mean reply_s?"),
    ("reply_s = -1", "script: reply_s = -1: Input should be greater than or equal to 0"),
    ('prefix = ""', "script: prefix = '': String should have at least 1 character"),
    ('reply_as = "mp3"', "script: reply_as = 'mp3': Input should be 'wav', 'pcmu', 'l16' or 'json'"),
    ("[[faults]]\nclosed = 1", "script: there is no setting faults.0.closed; did you mean close?"),
    ("[[faults]]\nclose = 99", "script: faults.0.close = 99: Input should be greater than or equal to 1000"),
    ('[[faults]]\nreply = "huge"', "script: faults.0.reply = 'huge': Input should be 'rubbish', 'half'"),
    ('[[faults]]\nclose_in = "later"', "script: faults.0.close_in = 'later': Input should be 'idle'"),
    (
        "[[faults]]\nrefuse = 200",
        "script: faults.0.refuse = 200: Input should be greater than or equal to 400",
    ),
    ('say = ["nowhere.wav"]', "nowhere.wav: No such file"),
    ('greeting = "nowhere.wav"', "nowhere.wav: No such file"),
    ('reprompt = "nowhere.wav"', "nowhere.wav: No such file"),
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
    file.write_text("reply_s = 2")
    assert read_script(file).reply_s == 2
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match=r"script\.toml"):
        read_script(file)


def test_options_go_before_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "there").mkdir()
    for name in ("here.wav", "there/said.wav"):
        (tmp_path / name).write_bytes(SENTENCE.read_bytes())
    file = tmp_path / "there" / "script.toml"
    file.write_text(
        'reply_s = 2\nsilence_ms = 300\nsay = ["said.wav"]\n'
        "[[faults]]\nrefuse = 500\n[[faults]]\nnoise = true"
    )
    monkeypatch.chdir(tmp_path)
    script = with_options(file, reply_s=1.0, say=None, greeting=Path("here.wav"), reply_as="json")
    assert (script.reply_s, script.silence_ms, script.reply_as) == (1.0, 300, "json")
    assert script.say == (tmp_path / "there" / "said.wav",)
    assert script.greeting == Path("here.wav")
    assert (script.faults_of(1, 0).refuse, script.faults_of(1, 0).noise) == (500, True)
    assert with_options(None) == AssistantScript()


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ({"reply_as": "mp3"}, "--reply-as = 'mp3': Input should be 'wav', 'pcmu'"),
        ({"reply_s": -1.0}, "--reply-s = -1.0"),
        ({"say": [Path("nowhere.wav")]}, "nowhere.wav: No such file"),
    ],
)
def test_wrong_options_are_refused_with_a_reason(option: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        with_options(None, **option)
    assert words in str(refusal.value)


WHICH: list[tuple[object, list[int]]] = [
    (None, [0, 1, 2, 3]),
    (1, [1]),
    (2, [1, 2]),
    ([2], [2]),
    ([0, 3], [0, 3]),
]


@pytest.mark.parametrize(("which", "suffer"), WHICH)
def test_faults_concern_what_they_name(which: object, suffer: list[int]) -> None:
    turns = AssistantScript(faults=(AssistantFaults.model_validate({"turns": which, "noise": True}),))
    assert [number for number in range(4) if turns.faults_of(1, number).noise] == suffer
    connections = AssistantScript(
        faults=(AssistantFaults.model_validate({"connections": which, "noise": True}),)
    )
    assert [number for number in range(4) if connections.faults_of(number, 1).noise] == suffer


def test_faults_of_several_tables_are_merged() -> None:
    script = parse_script('[[faults]]\nnoise = true\n[[faults]]\nturns = 1\nreply = "twice"')
    assert (script.faults_of(1, 1).noise, script.faults_of(1, 1).reply) == (True, "twice")
    assert (script.faults_of(1, 2).noise, script.faults_of(1, 2).reply) == (True, None)
