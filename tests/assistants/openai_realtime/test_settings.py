"""What can be set of the Realtime assistant, short and long ways to say it, and what is refused."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from bridge.assistants.openai_realtime.session import OwnVad, SemanticVad, ServerVad
from bridge.assistants.openai_realtime.settings import RealtimeSettings
from bridge.assistants.shared.settings import Dtmf, Filler, Greeting
from bridge.settings.assistants import BargeInSettings
from bridge.settings.faults import faults_in


def settings(**fields: Any) -> RealtimeSettings:
    return RealtimeSettings.model_validate(fields)


SAME: list[tuple[str, Any, Any]] = [
    ("greeting", "Hello.", Greeting(say="Hello.")),
    ("greeting", {"instructions": "Greet."}, Greeting(instructions="Greet.")),
    ("filler", "Wait.", Filler(say="Wait.")),
    ("filler", False, Filler(after_s=None)),
    ("filler", "false", Filler(after_s=None)),
    ("filler", {"after_s": "false"}, Filler(after_s=None)),
    ("filler", {"after_s": "1.5"}, Filler(after_s=1.5)),
    ("turn_detection", "semantic_vad", SemanticVad(type="semantic_vad")),
    ("turn_detection", "none", OwnVad(type="none")),
    ("turn_detection", {"threshold": 0.4}, ServerVad(threshold=0.4)),
    ("barge_in", {"confirm_ms": 300}, BargeInSettings(confirm_ms=300)),
    ("dtmf", {"text": "Keys: {digits}."}, Dtmf(text="Keys: {digits}.")),
    ("transcription", False, None),
    ("voice", False, None),
    ("voice", "false", None),
    ("reconnect_say", False, None),
]


@pytest.mark.parametrize(("key", "said", "meant"), SAME)
def test_short_ways_to_say_it(key: str, said: Any, meant: Any) -> None:
    listener = {"turn_detection": "none"} if key == "barge_in" else {}
    assert getattr(settings(**{key: said}, **listener), key) == meant


def test_the_defaults_are_said_where_the_dialect_leans_on_them() -> None:
    realtime = settings()
    assert realtime.turn_detection.type == "server_vad"
    assert realtime.turn_detection.silence_duration_ms == 500
    assert OwnVad(type="none").silence_duration_ms == 700
    assert realtime.filler == Filler(say="One moment, please.", after_s=2.0)
    assert realtime.dtmf.text.format(digits="42") == "The caller typed on the keypad: 42"
    assert (realtime.greeting, realtime.reply_s) == (None, 5)


def test_instructions_are_read_from_their_file(tmp_path: Path) -> None:
    file = tmp_path / "receptionist.md"
    file.write_text("Grüß Gott.\n", encoding="utf-8")
    assert settings(instructions_file=file).instructions == "Grüß Gott.\n"


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"base_url": "api.openai.com/v1"}, "base_url", "should be an address such as https://api.openai.com/v1"),
    ({"base_url": "ftp://x"}, "base_url", "by http(s) or ws(s)"),
    ({"base_url": "https://u:p@x"}, "base_url", "should have no user and no password"),
    ({"base_url": "https://x/v1?api-version=1"}, "base_url", "should have no query"),
    ({"base_url": "https://x:0/v1"}, "base_url", "port between 1 and 65535"),
    ({"base_url": "https://x:pass/v1"}, "base_url", "port between 1 and 65535"),
    ({"api_key": ""}, "api_key", "should be one line of ASCII"),
    ({"api_key": "sk-1\n"}, "api_key", "should be one line of ASCII"),
    ({"headers": {"X-A": "a\r\nX-B: b"}}, "headers.X-A", "should be one line of ASCII"),
    ({"headers": {"X A": "a"}}, "headers", "'X A' is not the name of a header"),
    ({"model": ""}, "model", "at least 1 character"),
    ({"voice": {"id": "v", "idd": "x"}}, "voice.idd", "did you mean id?"),
    ({"voice": ""}, "voice", "at least 1 character"),
    ({"voice": {"id": ""}}, "voice.id", "at least 1 character"),
    ({"voice": 7}, "voice", "Input should be a valid string"),
    ({"speed": 2}, "speed", "less than or equal to 1.5"),
    ({"turn_detection": {"treshold": 0.5}}, "turn_detection.treshold", "did you mean threshold?"),
    ({"turn_detection": {"type": "vad"}}, "turn_detection", "'server_vad', 'semantic_vad', 'none'"),
    ({"turn_detection": {"type": "semantic_vad", "threshold": 0.5}}, "turn_detection.threshold", "known here"),
    ({"barge_in": {}}, "barge_in", "should be left out with turn_detection 'server_vad': the server hears"),
    ({"turn_detection": "none", "barge_in": {"confirm_ms": -1}}, "barge_in.confirm_ms", "greater than or"),
    ({"turn_detection": {"threshold": 1.5}}, "turn_detection.threshold", "less than or equal to 1"),
    ({"noise_reduction": "on"}, "noise_reduction", "'near_field' or 'far_field'"),
    ({"max_output_tokens": 0}, "max_output_tokens", "greater than or equal to 1; Input should be 'inf'"),
    ({"truncation": "none"}, "truncation", "'auto' or 'disabled'; should be a table"),
    ({"reasoning": "huge"}, "reasoning", "'minimal', 'low'"),
    ({"greeting": {"say": "a", "instructions": "b"}}, "greeting", "one of the two"),
    ({"greeting": {}}, "greeting", "one of the two"),
    ({"filler": {"after": 2}}, "filler.after", "did you mean after_s?"),
    ({"filler": {"after_s": 0}}, "filler.after_s", "greater than 0"),
    ({"dtmf": {"respond": "say"}}, "dtmf.respond", "'create', 'silence' or 'none'"),
    ({"dtmf": {"text": "digits"}}, "dtmf.text", "{digits}"),
    ({"dtmf": {"text": "{digits} {name}"}}, "dtmf.text", "no other braces"),
    ({"dtmf": {"text": "{digits} }"}}, "dtmf.text", "no other braces"),
    ({"reply_s": 0}, "reply_s", "greater than 0"),
    ({"reconnect_say": ""}, "reconnect_say", "at least 1 character"),
    ({"tools": {"look": {"url": "https://u:p@x/"}}}, "tools.look.url", "should have no user and no password"),
    ({"tools": {"look": {"url": "https://x:pass/"}}}, "tools.look.url", "port between 1 and 65535"),
    ({"tools": {"look": {"url": "ftp://x/"}}}, "tools.look.url", "should match pattern"),
    ({"instructions_file": "none.md"}, "instructions_file", "No such file or directory; should be a text file"),
    ({"instructions_file": "."}, "instructions_file", "should be a text file"),
    ({"instructions": "a", "instructions_file": __file__}, "instructions", "not both"),
    ({"sesion": {}}, "sesion", "did you mean session?"),
    ({"extra": {}}, "extra", "known here: kind, "),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "key", "message"), REFUSED)
def test_what_cannot_be_is_refused_by_its_key(fields: dict[str, Any], key: str, message: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        settings(**fields)
    (fault,) = faults_in(refusal.value, fields)
    assert ".".join(fault.key) == key
    assert message in fault.message


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    file = tmp_path / "x.md"
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(ValidationError, match="UTF-8"):
        settings(instructions_file=file)


def test_no_secret_shows() -> None:
    realtime = settings(
        api_key="hush-1",
        headers={"X-Route": "hush-2"},
        query={"sig": "hush-3"},
        session={"tools": [{"type": "mcp", "authorization": "hush-4", "server_label": "seen-2"}]},
        tools={"look": {"url": "https://seen-1/?code=hush-6", "headers": {"X-A": "hush-5"}}},
    )
    shown = realtime.model_dump_json()
    assert "hush" not in shown + repr(realtime)
    assert "seen-1" in shown
    assert "seen-2" in shown
    assert '"session":' in shown
    assert '"sig":' in shown
    assert realtime.address().url.endswith("&sig=hush-3")
    assert realtime.tools["look"].url == "https://seen-1/?code=hush-6"
