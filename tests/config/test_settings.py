"""The settings: what they are, and what is said of a wrong one."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from bridge.carriers.twilio.settings import TwilioSettings
from bridge.cli.app import app
from bridge.config.settings import Settings, load
from bridge.vocabulary.errors import ConfigurationError


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_nothing_configured_is_the_parrot_on_loopback() -> None:
    settings = load(environment={})
    assert settings == Settings.model_validate({})
    assert (settings.host, settings.port, settings.assistant) == ("127.0.0.1", 8080, "parrot")


def test_the_design_s_example() -> None:
    Path("mine.toml").write_text(
        'public_url = "https://voice.example.com/"\nassistant = "check"\n\n[assistants.check]\nkind = "echo"\n'
    )
    settings = load(file=Path("mine.toml"), environment={})
    assert settings.assistant_kinds["check"] == "echo"
    assert settings.reachable_url(1) == "https://voice.example.com"


REALTIME = "[assistants.a]\nkind = 'openai-realtime'\n"

WRONG = [
    ("prot = 1", "voicebridge.toml: there is no setting prot; did you mean port?"),
    ("[limits]\nstart = 1", "voicebridge.toml: there is no setting limits.start; did you mean start_s?"),
    (
        "[journal]\nzzz = 1",
        "voicebridge.toml: there is no setting journal.zzz; known here: directory",
    ),
    (
        "[assistants.a]\nkind = 'echo'\nmodle = 'x'",
        "voicebridge.toml: there is no setting assistants.a.modle; known here: kind, fallback, waiting, preconnect, tools",
    ),
    (
        "[assistants.a]\nkind = 'eco'",
        "voicebridge.toml: assistants.a.kind = 'eco': should be one of echo, parrot, openai-realtime",
    ),
    (
        "[assistants.a]\nmodel = 'x'",
        "voicebridge.toml: assistants.a.kind is missing: should be one of echo, parrot, openai-realtime",
    ),
    ("[assistants.a]\nkind = ['echo']", "voicebridge.toml: assistants.a.kind: should be one of echo"),
    ("[assistants]\na = 5", "voicebridge.toml: assistants.a = 5: should be a table"),
    (f"{REALTIME}modle = 'x'", "there is no setting assistants.a.modle; did you mean model?"),
    (
        f"{REALTIME}[assistants.a.turn_detection]\ntreshold = 0.5",
        "voicebridge.toml: there is no setting assistants.a.turn_detection.treshold; did you mean threshold?",
    ),
    (
        f"{REALTIME}turn_detection.threshold = 'high'",
        "voicebridge.toml: assistants.a.turn_detection.threshold = 'high': Input should be a valid number",
    ),
    (f"{REALTIME}prompt = {{ version = '2' }}", "voicebridge.toml: assistants.a.prompt.id is missing"),
    (
        f"{REALTIME}greeting = {{}}",
        "voicebridge.toml: assistants.a.greeting: should have say or instructions",
    ),
    (
        f"{REALTIME}[assistants.a.tools.look]\nurl = 'https://x/'\nheader = {{}}",
        "there is no setting assistants.a.tools.look.header; did you mean headers?",
    ),
    (
        f"{REALTIME}[assistants.a.tools.look]",
        "voicebridge.toml: assistants.a.tools: look should have a function or a url; only hang_up, note",
    ),
    (f"{REALTIME}instructions_file = 'x.md'", "assistants.a.instructions_file = 'x.md': No such file"),
    (f"{REALTIME}instructions = 7\n", "assistants.a.instructions = 7: Input should be a valid string"),
    (
        f"{REALTIME}fallback = 'nobody'",
        "assistants.a.fallback = 'nobody': should be one of echo, parrot, openai-realtime, a",
    ),
    (
        f"{REALTIME}fallback = {{ play = 'x.wav' }}",
        "assistants.a.fallback.play = 'x.wav': No such file or directory",
    ),
    (
        f"{REALTIME}waiting = {{ play = 'x.wav' }}",
        "assistants.a.waiting.play = 'x.wav': No such file or directory",
    ),
    (
        "limits.retry_s = -1",
        "voicebridge.toml: limits.retry_s = -1: Input should be greater than or equal to 0",
    ),
    (f"{REALTIME}fallback = {{ say = 'x' }}", "assistants.a.fallback.play is missing"),
    (
        "[recording]\nannounce = { play = 'x.wav' }",
        "recording.announce.play = 'x.wav': No such file or directory",
    ),
    (
        "[journal]\nencrypt_to = 'age1abc'",
        "journal.encrypt_to = 'age1abc': should be a public key as `age-keygen`",
    ),
    (
        "[recording]\nencrypt_to = 'AGE-SECRET-KEY-1QQ'",
        "recording.encrypt_to: this is the private key, which the server should never have",
    ),
    ("[journal]\nretention_days = 0", "journal.retention_days = 0: "),
    (
        f"{REALTIME}fallback = 'a'",
        "voicebridge.toml: assistants.a.fallback = 'a': a -> a is a circle; should end with",
    ),
    (
        f"{REALTIME}fallback = 'b'\n[assistants.b]\nkind = 'echo'\nfallback = 'a'",
        "voicebridge.toml: assistants.a.fallback = 'b': a -> b -> a is a circle",
    ),
    ("[openai]\nkey = 'x'", "voicebridge.toml: there is no setting openai.key; did you mean api_key?"),
    ("[openai]\nbase_url = 'x'", "voicebridge.toml: openai.base_url = 'x': should be an address such as"),
    ("[zzz]", "voicebridge.toml: there is no setting zzz; known here: host, port"),
    ("assistant = 'nobody'", "assistant = 'nobody': should be one of echo, parrot"),
    ("port = 'high'", "voicebridge.toml: port = 'high': Input should be a valid integer"),
    ("port = 70000", "voicebridge.toml: port = 70000: Input should be less than or equal to 65535"),
    ("limits = 3", "voicebridge.toml: limits = 3: should be a table"),
    (
        "log_level = 'loud'",
        "voicebridge.toml: log_level = 'loud': Input should be 'debug', 'info', 'warning' or 'error'",
    ),
    ("public_url = 'voice.example.com'", "public_url = 'voice.example.com': should be a web address such as"),
    ("public_url = 'https://x/?a=1'", "should have no query"),
    (
        "public_url = 'https://x:99999'",
        "voicebridge.toml: public_url = 'https://x:99999': should have a port between 1 and 65535",
    ),
    (
        "[assistants.a]\nkind = 'echo'\npreconnect = true",
        "voicebridge.toml: assistants.a.preconnect = True: should be left out; with kind 'echo' there is nobody to dial",
    ),
    (
        "[assistants.a]\nkind = 'parrot'\n[assistants.a.tools.note]",
        "voicebridge.toml: assistants.a.tools: should be left out; with kind 'parrot' there is nobody to use them",
    ),
    (
        f"{REALTIME}session.output_modalities = ['text']",
        "voicebridge.toml: assistants.a.session.output_modalities: should be left out, the bridge sets it",
    ),
    (
        f"{REALTIME}session.audio.output.voice = 'cedar'",
        "assistants.a.session.audio.output.voice = 'cedar': should be set by voice, beside session",
    ),
    ("[twilio]\nthen = 'dial.xml'", "voicebridge.toml: twilio.then = 'dial.xml': should be a web address"),
    (
        "[telnyx]\napi_url = 'https://me:hush@api.telnyx.com/v2'",
        "telnyx.api_url = 'https://***@api.telnyx.com/v2': should have no user and no password",
    ),
    ("[twilio]\nauth_token = ''", "voicebridge.toml: twilio.auth_token: "),
    (
        "ssl_certfile = 'a.pem'",
        "voicebridge.toml: ssl_certfile = 'a.pem': should be given together with ssl_keyfile",
    ),
    (
        "ssl_keyfile = 'a.pem'",
        "voicebridge.toml: ssl_keyfile = 'a.pem': should be given together with ssl_certfile",
    ),
    ("[twilio]\nauth_token = 7", "voicebridge.toml: twilio.auth_token: Input should be a valid string"),
    (
        "[security]\ntoken_keys = ['short']",
        "voicebridge.toml: security.token_keys: a key is too short: should have at least 32 characters",
    ),
    (
        f"[security]\ntoken_keys = ['{'a' * 32}', '{'b' * 32}', '{'c' * 32}']",
        "voicebridge.toml: security.token_keys: 3 keys: should be one, or two while they are exchanged",
    ),
    (
        "[security]\norigins = ['https://phone.example.com/app']",
        "voicebridge.toml: security.origins: 'https://phone.example.com/app': should be scheme, host and port alone, or *",
    ),
    ("[security]\ntoken_keys = [7]", "security.token_keys[0]: Input should be a valid string"),
    ("port = ", "voicebridge.toml: "),
]


@pytest.mark.parametrize(("text", "message"), WRONG)
def test_a_wrong_setting_is_named_with_its_place_and_what_would_be_right(text: str, message: str) -> None:
    Path("voicebridge.toml").write_text(text)
    with pytest.raises(ConfigurationError) as refusal:
        load(environment={})
    assert message in str(refusal.value)


def test_every_fault_is_told_at_once() -> None:
    Path("voicebridge.toml").write_text("prot = 1\nlog_level = 'loud'\n")
    with pytest.raises(ConfigurationError) as refusal:
        load(environment={})
    assert len(str(refusal.value).splitlines()) == 2


def test_the_twiml_that_goes_on_may_have_a_query_and_keeps_its_slash() -> None:
    Path("voicebridge.toml").write_text("[twilio]\nthen = 'https://x/dial/?a=1'\n")
    twilio = load(environment={}).carrier("twilio")
    assert isinstance(twilio, TwilioSettings)
    assert twilio.then == "https://x/dial/?a=1"


def test_a_secret_shows_nowhere() -> None:
    settings = load(environment={"TWILIO_AUTH_TOKEN": "very-secret"})
    assert "very-secret" not in settings.model_dump_json() + repr(settings)


def keys_of(settings: Settings, carrier: str) -> list[str]:
    return [secret.get_secret_value() for secret in settings.token_secrets(carrier)]


def test_media_tokens_are_signed_with_the_keys_that_are_set_else_with_the_carrier_s_secret() -> None:
    own = load(environment={"TWILIO_AUTH_TOKEN": "twilio's", "TELNYX_API_KEY": "telnyx's"})
    assert (keys_of(own, "twilio"), keys_of(own, "telnyx")) == (["twilio's"], ["telnyx's"])
    assert keys_of(load(environment={}), "twilio") == keys_of(load(environment={}), "telnyx") == []
    new, old = "n" * 32, "o" * 32
    Path("voicebridge.toml").write_text(f"[security]\ntoken_keys = ['{new}', '{old}']")
    both = load(environment={"TWILIO_AUTH_TOKEN": "twilio's"})
    assert keys_of(both, "twilio") == keys_of(both, "telnyx") == [new, old]
    from_a_variable = load(environment={"VOICEBRIDGE_SECURITY__TOKEN_KEYS": f"{old}, {new}"})
    assert keys_of(from_a_variable, "twilio") == [old, new]


SECRETS = f"""
{REALTIME}
api_key = "hush-1"
headers = {{ X-Route = "hush-2" }}
query = {{ sig = "hush-3" }}
[assistants.a.tools.look]
url = "https://x/?code=hush-8"
headers = {{ Authorization = "hush-4" }}
[[assistants.a.session.tools]]
type = "mcp"
authorization = "hush-5"
server_url = "https://u:hush-9@x/"
[twilio]
then = "https://u:hush-10@x/?sig=hush-11"
parameters = {{ token = "hush-12", plan = "gold" }}
[telnyx]
api_key = "hush-13"
parameters = {{ api_key = "hush-14" }}
[openai]
api_key = "hush-6"
[security]
token_keys = ["hush-15-hush-15-hush-15-hush-15-hush-15"]
"""


def test_config_show_hides_every_secret(elsewhere: Path) -> None:
    (elsewhere / "voicebridge.toml").write_text(SECRETS)
    shown = CliRunner().invoke(app, ["config", "show"], env={"OPENAI_API_KEY": "hush-7"})
    assert shown.exit_code == 0
    for seen in (
        '"type": "mcp"',
        '"sig": "**********"',
        '"https://x/?***"',
        '"https://***@x/?***"',
        '"plan": "gold"',
    ):
        assert seen in shown.output
    assert "hush" not in shown.output


@pytest.mark.parametrize(
    "text",
    [
        SECRETS + "basse_url = 1",
        SECRETS.replace('"hush-1"', "['hush-1']"),
        SECRETS.replace('"hush-2"', "['hush-2']"),
        SECRETS.replace('"hush-2"', '" hush-2"'),
        SECRETS.replace('"hush-6"', '"hush-6 "'),
        SECRETS.replace("hush-15-hush-15-hush-15", "hush"),
        SECRETS.replace('"hush-15', '{ a = "hush').replace('hush-15"]', 'hush" }]'),
        SECRETS.replace('["hush-15', '"hush-15').replace('hush-15"]', 'hush,hush"'),
        SECRETS.replace("openai-realtime", "openai"),
        SECRETS.replace('url = "https://x/', 'function = "a:b"\nurl = "https://x/'),
        SECRETS.replace('url = "https://x/', 'url = "ftp://x/'),
        SECRETS.replace('url = "https://x/', 'url = "https://u:hush@x/'),
        f"{REALTIME}base_url = 'https://u:hush@h/v1'",
        f"{REALTIME}base_url = 'https://u:hush/@h/v1'",
        f"{REALTIME}base_url = 'https://h/v1?api-key=hush'",
        "public_url = 'https://h/?api-key=hush'",
        "public_url = 'h/?api-key=hush'",
        "twilio.then = 'https://u:hush/@h'",
    ],
)
def test_no_refusal_tells_a_secret(text: str) -> None:
    Path("voicebridge.toml").write_text(text)
    with pytest.raises(ConfigurationError) as refusal:
        load(environment={})
    assert "hush" not in str(refusal.value)


# The assistants


def test_a_long_value_is_told_by_its_beginning() -> None:
    Path("voicebridge.toml").write_text(f"log_level = '{'x' * 1000}'")
    with pytest.raises(ConfigurationError) as refusal:
        load(environment={})
    assert len(str(refusal.value)) < 250
