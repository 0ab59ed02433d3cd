"""What can be set of a turn-based assistant, and how what cannot be is refused."""

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from bridge.assistants.turn_based.settings import TurnBasedSettings, audio_format
from bridge.config.settings import Settings, load
from bridge.settings.assistants import SocketAddress
from bridge.tools.toolbox import Toolbox
from bridge.vocabulary.contracts import ToolSchema
from bridge.vocabulary.errors import ConfigurationError
from telecodecs.format import L16_24K, PCMU_8K, AudioFormat, Encoding
from telecodecs.wav import wav_encode

SOCKET = "ws://localhost:8888/ws-streaming-twilio"
POSTED = "https://assistant.example.com/turn"


def loaded(tmp_path: Path, table: str) -> Settings:
    file = tmp_path / "voicebridge.toml"
    file.write_text(f'[assistants.legacy]\nkind = "turn-based"\n{table}')
    return load(file=file, environment={})


def test_an_address_is_enough(tmp_path: Path) -> None:
    settings = loaded(tmp_path, f'url = "{SOCKET}"').assistant_settings("legacy")
    assert isinstance(settings, TurnBasedSettings)
    assert settings.address() == SocketAddress(SOCKET, {}, tells_upgrade=True)
    assert (settings.is_posted, settings.ends_locally, settings.ends_remotely) == (False, False, True)
    settings.check(())


def test_over_http_the_bridge_finds_the_ends() -> None:
    settings = TurnBasedSettings(url=POSTED)
    assert (settings.is_posted, settings.ends_locally, settings.ends_remotely) == (True, True, False)
    assert TurnBasedSettings(url=POSTED, endpointing="local").ends_locally


REFUSED = [
    ("", "url is missing"),
    ('url = "ftp://x"', "should be an address such as ws://localhost:8888/voice"),
    ('url = "ws://user:secret@x"', "should have no user"),
    ('url = "ws://x/#there"', "should have no fragment"),
    ('url = "ws://x:99999"', "should have a port"),
    ('url = "ws://x"\nheaders = { "a b" = "c" }', "'a b' is not the name of a header"),
    ('url = "ws://x"\nheaders = { a = "line\\nline" }', "one line of ASCII"),
    ('url = "ws://x"\nprefix = "MULAW"', "a character that base64 does not use"),
    ('url = "ws://x"\nrestart = "GO ON_"', "a word of ASCII"),
    ('url = "ws://x"\nendpoint = "local"', "did you mean endpointing?"),
    ('url = "ws://x"\nendpointing = "mine"', "endpointing = 'mine'"),
    (
        'url = "ws://x"\naudio = "wav"',
        "audio = 'wav': should be left out; with url ws(s) it is mu-law in base64",
    ),
    (
        'url = "ws://x"\ngreets = true',
        "greets = True: should be left out; with url ws(s) the assistant greets",
    ),
    ('url = "ws://x"\nannounces_end = true', 'should go with endpointing = "local" or "either"'),
    ('url = "http://x"\nendpointing = "remote"', "over HTTP only the bridge can hear where"),
    ('url = "http://x"\nendpointing = "either"', 'should be "local"'),
    ('url = "http://x"\npreconnect = true', "with url http(s) there is no connection to open early"),
    ('url = "http://x"\nentry_prefix = "_DTMF"', "with url http(s) an entry is posted as JSON"),
    ('url = "http://x"\nreply_format = "mp3"', "should be one of pcmu, pcma, l16"),
    ('url = "http://x"\nrate_hz = 44100', "rate_hz"),
    ('url = "http://x"\ntools.on_entry = { url = "http://y" }', "an entry is posted there"),
    (
        'url = "ws://x"\ntools.weather = { url = "http://y" }',
        "weather should be left out; on_entry is the only",
    ),
    ('url = "ws://x"\ntools.hang_up = {}', "hang_up should be left out"),
    ('url = "ws://x"\nsorry = "none.wav"', "No such file"),
    ('url = "ws://x"\nreply_s = 0', "reply_s = 0"),
    ('url = "ws://x"\nbarge_in = { confirm_ms = -1 }', "barge_in.confirm_ms = -1"),
]


@pytest.mark.parametrize(("table", "why"), REFUSED, ids=[why for _, why in REFUSED])
def test_says_what_is_wrong(tmp_path: Path, table: str, why: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        loaded(tmp_path, table)
    assert why in str(refused.value)
    assert "secret" not in str(refused.value)


def test_sorry_is_read_when_the_server_starts(tmp_path: Path) -> None:
    (tmp_path / "no.wav").write_bytes(b"RIFF")
    settings = TurnBasedSettings.model_validate({"url": SOCKET, "sorry": str(tmp_path / "no.wav")})
    with pytest.raises(
        ConfigurationError, match=r"sorry = .*no\.wav': this is not a WAV file; should be a WAV file"
    ):
        settings.check(())
    (tmp_path / "yes.wav").write_bytes(wav_encode(np.zeros(44_100, np.int16), 44_100))
    settings = TurnBasedSettings.model_validate({"url": SOCKET, "sorry": {"play": tmp_path / "yes.wav"}})
    assert settings.prompt(PCMU_8K) == b"\xff" * 8000
    assert TurnBasedSettings(url=SOCKET).prompt(PCMU_8K) == b""


FORMATS = [
    ("pcmu", PCMU_8K),
    ("PCMA/8000", AudioFormat(Encoding.PCMA, 8_000)),
    ("l16/24000", L16_24K),
    ("l16be", AudioFormat(Encoding.L16_BE, 8_000)),
]


@pytest.mark.parametrize(("text", "format"), FORMATS)
def test_formats_have_names(text: str, format: AudioFormat) -> None:
    assert audio_format(text) == format


@pytest.mark.parametrize("text", ["", "mp3", "l16/", "l16/x", "l16/1", "l16/8000/2"])
def test_and_others_have_not(text: str) -> None:
    if text == "l16/":
        assert audio_format(text) == AudioFormat(Encoding.L16, 8_000)
    else:
        with pytest.raises(ValueError, match="should be one of"):
            audio_format(text)


def takes_all(digits: str, reason: str, terminator: str) -> None:
    """Takes an entry."""


def takes_digits(digits: str) -> None:
    """Takes an entry."""


def takes_more(digits: str, order: str) -> None:
    """Takes an entry."""


def takes_nothing() -> None:
    """Takes nothing."""


@pytest.mark.parametrize(
    ("function", "why"),
    [
        (takes_all, None),
        (takes_digits, None),
        (takes_more, "tools.on_entry: should take digits, and may take reason and terminator, each a text; "),
        (takes_nothing, "takes nothing"),
    ],
)
def test_on_entry_takes_what_an_entry_has(
    monkeypatch: pytest.MonkeyPatch, function: Any, why: str | None
) -> None:
    module = ModuleType("clinic")
    module.__dict__[function.__name__] = function
    monkeypatch.setitem(sys.modules, "clinic", module)
    settings = TurnBasedSettings.model_validate(
        {"url": SOCKET, "tools": {"on_entry": {"function": f"clinic:{function.__name__}"}}}
    )
    tools: tuple[ToolSchema, ...] = Toolbox("legacy", settings.tools).schemas
    if why is None:
        settings.check(tools)
    else:
        with pytest.raises(ConfigurationError, match=why):
            settings.check(tools)


def test_an_address_for_entries_needs_no_schema() -> None:
    settings = TurnBasedSettings.model_validate(
        {"url": SOCKET, "tools": {"on_entry": {"url": "http://localhost/digits"}}}
    )
    (tool,) = Toolbox("legacy", settings.tools).schemas
    assert list(tool.parameters["properties"]) == ["digits", "reason", "terminator"]
    settings.check((tool,))


def test_what_is_secret_is_not_shown() -> None:
    settings = TurnBasedSettings.model_validate(
        {"url": "ws://x/?api-key=sesame", "headers": {"X-Key": "sesame"}}
    )
    assert "sesame" not in settings.model_dump_json()
    assert "sesame" not in repr(settings)
    assert settings.address().headers == {"X-Key": "sesame"}
