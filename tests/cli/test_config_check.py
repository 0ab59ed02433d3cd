"""`config check`: all that is wrong is told at once, and of good settings where each kind of call goes."""

from pathlib import Path

import pytest

from bridge.cli.config_check import check, destinations
from bridge.config.audio_file import write_wav
from bridge.config.checks import doubts
from bridge.config.settings import Settings, load
from bridge.vocabulary.errors import ConfigurationError

REALTIME = "[assistants.a]\nkind = 'openai-realtime'\n"
KEYS = {"TWILIO_AUTH_TOKEN": "12345", "OPENAI_API_KEY": "sk-1"}
TELNYX_PUBLIC_KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def settings(text: str, environment: dict[str, str] | None = None) -> Settings:
    Path("voicebridge.toml").write_text(text)
    return load(environment=KEYS if environment is None else environment)


def faults(text: str, environment: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigurationError) as refusal:
        check(settings(text, environment))
    return str(refusal.value).splitlines()


FAULTS: list[tuple[str, str]] = [
    (
        f"{REALTIME}tools.look = {{ function = 'nowhere_to_be:found' }}",
        "assistants.a.tools.look.function = 'nowhere_to_be:found': there is no module 'nowhere_to_be'",
    ),
    (
        f"{REALTIME}tools.look = {{ function = 'leaves_at_import:found' }}",
        "assistants.a.tools.look.function = 'leaves_at_import:found': module 'leaves_at_import' cannot be imported: "
        "SystemExit: 3",
    ),
    (
        f"{REALTIME}tools.look = {{ function = 'good_tools:fuond' }}",
        "assistants.a.tools.look.function = 'good_tools:fuond': module 'good_tools' has no function fuond; it has found",
    ),
    (
        f"{REALTIME}fallback = {{ play = 'voicebridge.toml' }}",
        "assistants.a.fallback.play: voicebridge.toml: this is not a WAV file",
    ),
    (
        f"{REALTIME}waiting = {{ play = 'voicebridge.toml' }}",
        "assistants.a.waiting.play: voicebridge.toml: this is not a WAV file",
    ),
    (
        "[recording]\ndirectory = 'recordings'\nannounce = { play = 'voicebridge.toml' }",
        "recording.announce.play: voicebridge.toml: this is not a WAV file",
    ),
    (f"{REALTIME}tool_choice = 'any'", "assistants.a: tool_choice = 'any': Input should be 'none'"),
    (
        f"{REALTIME}headers = {{ X-Key = {{ file = '/run/no-such-token' }} }}",
        "assistants.a: header X-Key: /run/no-such-token: No such file or directory; should be a text file",
    ),
    (
        f"{REALTIME}headers = {{ X-Key = {{ file = 'empty' }} }}",
        "assistants.a: header X-Key: empty is empty: should hold the value of a header",
    ),
    (
        f"{REALTIME}api_key = {{ command = ['sh', '-c', 'echo s3cret; exit 3'] }}",
        "assistants.a: header Authorization: the command 'sh' failed with exit code 3",
    ),
    ("telnyx.api_key = 'two words'", "telnyx.api_key: should be one word of ASCII"),
    ("journal.directory = 'voicebridge.toml'", "journal.directory = 'voicebridge.toml': File exists"),
    ("host = '0.0.0.0'", "public_url is missing: it is where the carriers send calls"),
    (
        "ssl_certfile = 'voicebridge.toml'\nssl_keyfile = 'voicebridge.toml'",
        "ssl_certfile = 'voicebridge.toml': has no certificate: expected PEM with -----BEGIN CERTIFICATE-----",
    ),
]


@pytest.mark.parametrize(("text", "fault"), FAULTS)
def test_what_would_keep_serve_from_starting(text: str, fault: str, here: Path) -> None:
    write_tools(here)
    (told,) = faults(text)
    assert told.startswith(fault)


def test_all_of_it_is_told_at_once(here: Path) -> None:
    write_tools(here)
    text = "\n".join(
        [
            "host = '0.0.0.0'",
            "journal.directory = 'voicebridge.toml'",
            "recording.directory = 'voicebridge.toml'",
            "telnyx.api_key = 'two words'",
            REALTIME,
            "fallback = { play = 'voicebridge.toml' }",
            "tools.one = { function = 'nowhere_to_be:found' }",
            "tools.two = { function = 'good_tools:found' }",
            "tools.three = { function = 'good_tools:fuond' }",
            "[assistants.b]\nkind = 'openai-realtime'",
            "tools.one = { url = 'https://x/' }",
        ]
    )
    told = faults(text, {})
    assert [line.split(" ")[0] for line in told] == [
        "twilio.auth_token",
        "public_url",
        "journal.directory",
        "recording.directory",
        "telnyx.api_key:",
        "assistants.a.tools.one.function",
        "assistants.a.tools.three.function",
        "assistants.b.tools.one.description",
        "assistants.a:",
        "assistants.b:",
        "assistants.a.fallback.play:",
    ]


def write_tools(folder: Path) -> None:
    (folder / "empty").touch()
    (folder / "good_tools.py").write_text('def found() -> str:\n    """Finds."""\n    return "it"\n')
    (folder / "leaves_at_import.py").write_text("import sys\n\nsys.exit(3)\n")


def test_headers_that_can_be_read_are_good(here: Path) -> None:
    (here / "token").write_text("s3cret\n")
    good = settings(
        f"{REALTIME}api_key = {{ file = 'token' }}\nheaders.X-Key = {{ command = ['echo', 's3cret'] }}", KEYS
    )
    check(good)
    assert "s3cret" not in repr(good) + good.model_dump_json()


def test_where_each_kind_of_call_goes(here: Path) -> None:
    write_wav(here / "sorry.wav", b"\xff" * 80)
    good = settings(
        "public_url = 'https://voice.example.com'\nassistant = 'front'\n"
        "[assistants.front]\nkind = 'echo'\nfallback = 'back'\n"
        "[assistants.back]\nkind = 'parrot'\nfallback = { play = 'sorry.wav' }\n"
        "[[routes]]\nto = '+1 (555) 0100'\nassistant = 'back'\n"
        "[[routes]]\nfrom = '+49*'\npath = 'sales'\nparameters = { plan = 'gold' }\nassistant = 'echo'\n",
        KEYS | {"TELNYX_PUBLIC_KEY": TELNYX_PUBLIC_KEY, "TELNYX_API_KEY": "KEY1"},
    )
    check(good)
    assert list(destinations(good)) == [
        "routes[0]: calls to +15550100 go to 'back' (if it is lost for good, sorry.wav is played).",
        "routes[1]: calls from numbers that begin with +49, at …/sales, with plan = 'gold' go to 'echo'.",
        "All other calls go to 'front' (if it is lost for good, to 'back', then sorry.wav is played).",
        "Twilio's come to https://voice.example.com/twilio/voice, or with /sales behind it.",
        "Telnyx's with TeXML come to https://voice.example.com/telnyx/texml, or with /sales behind it.",
        "Telnyx's under Call Control come to https://voice.example.com/telnyx/webhook, or with /sales behind it.",
        "?assistant=NAME in these addresses goes before the routes; `dial` names who talks, or has the default.",
    ]


def test_open_doors_are_told_of() -> None:
    good = settings("security.allow_unauthenticated = true\n[[routes]]\npath = 'x'\nassistant = 'echo'\n", {})
    check(good)
    assert list(destinations(good)) == [
        "routes[0]: calls at …/x go to 'echo'.",
        "All other calls go to 'parrot'.",
        "Twilio's come to http://127.0.0.1:8080/twilio/voice, or with /x behind it.",
        "Telnyx's with TeXML come to http://127.0.0.1:8080/telnyx/texml, or with /x behind it.",
        "?assistant=NAME in these addresses goes before the routes; `dial` names who talks, or has the default.",
        "Media sockets without a webhook are let in; of the routes only those that ask for parameters alone fit.",
    ]


ANNOUNCED = [
    ("announce = { play = 'recorded.wav' }", "recording.directory is not set"),
    (
        "directory = 'recordings'\nannounce = { play = 'recorded.wav' }",
        "a call that is only listened to is recorded",
    ),
    ("directory = 'recordings'", ""),
]


@pytest.mark.parametrize(("recording", "doubt"), ANNOUNCED)
def test_a_recording_that_is_not_announced_to_everybody_is_doubtful(
    here: Path, recording: str, doubt: str
) -> None:
    write_wav(here / "recorded.wav", b"\xff" * 80)
    doubtful = settings(f"[recording]\n{recording}\n")
    check(doubtful)
    assert [doubt in line for line in doubts(doubtful)] == [True] * bool(doubt)


def test_a_route_that_no_call_gets_to_is_doubtful() -> None:
    doubtful = settings(
        "[[routes]]\nto = '+1555*'\nassistant = 'echo'\n[[routes]]\nto = '+15550100'\nassistant = 'parrot'\n"
    )
    check(doubtful)
    assert list(doubts(doubtful)) == [
        "routes[1]: no call gets there, routes[0] takes calls to ***00; should stand before it"
    ]


def test_requests_about_calls_that_anybody_could_send_or_read_are_doubtful() -> None:
    doubtful = settings(
        "[before_call]\nurl = 'http://crm.example.com/calls'\nsecret = 'made of 32 letters, and not told'\n"
        "[after_call]\nurl = 'http://127.0.0.1:9/calls'\n"
    )
    check(doubtful)
    assert list(doubts(doubtful)) == [
        "before_call.url = 'http://crm.example.com/calls': should begin with https; telephone numbers and words of callers "
        "can be read on the way",
        "after_call.secret: is not set, so after_call.url cannot tell our requests from those of others; should be set",
    ]
