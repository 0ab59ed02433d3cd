"""What people write first and what they are told: names without their table, placeholders, keys of the simulator."""

import os
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from bridge.carriers.registry import CARRIERS
from bridge.config.addresses import bind_fault
from bridge.config.checks import check_doors, doubts, tls_context
from bridge.config.settings import Settings, load
from bridge.simulators.carriers.telnyx.webhooks import TEST_PUBLIC_KEY, Signer
from bridge.vocabulary.errors import ConfigurationError


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


REALTIME = "[assistants.a]\nkind = 'openai-realtime'\n"
TOOL = f"{REALTIME}[assistants.a.tools.look]\nurl = 'https://x/'\ndescription = 'Looks.'\n"
TOKEN = "0123456789abcdef" * 2

VARIABLES = [
    (
        "VOICEBRIDGE_LIMITS_DRAIN_S",
        "1",
        "there is no setting limits_drain_s; did you mean VOICEBRIDGE_LIMITS__DRAIN_S?",
    ),
    ("VOICEBRIDGE_LIMIT_DRAIN_S", "1", "did you mean VOICEBRIDGE_LIMITS__DRAIN_S?"),
    ("VOICEBRIDGE_DRAIN_S", "1", "did you mean VOICEBRIDGE_LIMITS__DRAIN_S?"),
    ("VOICEBRIDGE_RECORDING_DIRECTORY", "x", "did you mean VOICEBRIDGE_RECORDING__DIRECTORY?"),
    ("VOICEBRIDGE_TWILIO_AUTH_TOKEN", "hush", "did you mean VOICEBRIDGE_TWILIO__AUTH_TOKEN?"),
    ("VOICEBRIDGE_RECORDING", "true", 'should be a table: [recording] directory = "…"'),
    ("VOICEBRIDGE_PROT", "1", "there is no setting prot; did you mean port?"),
    (
        "TWILIO_AUTH_TOKEN",
        "<your-auth-token>",
        "twilio.auth_token: has a placeholder in it, <your-auth-token>",
    ),
    ("TELNYX_API_KEY", "…", "telnyx.api_key: has a placeholder in it, …; should be the value itself"),
    ("TELNYX_PUBLIC_KEY", "…", "has a placeholder in it, …"),
    ("TELNYX_PUBLIC_KEY", "KEY0123", "this is not an Ed25519 public key"),
]
TABLES = [
    (
        "recording = true",
        'voicebridge.toml: recording = True: should be a table: [recording] directory = "…"',
    ),
    (
        "journal = 'calls'",
        "voicebridge.toml: journal = 'calls': should be a table: [journal] directory = \"calls\"",
    ),
    ("drain_s = 5", "voicebridge.toml: there is no setting drain_s; did you mean limits.drain_s?"),
    (
        "limits_drain_s = 5",
        "voicebridge.toml: there is no setting limits_drain_s; did you mean limits.drain_s?",
    ),
    (
        f'{TOOL}headers = {{ X-Key = "a\\nb" }}',
        "assistants.a.tools.look.headers.X-Key: should be one line of ASCII",
    ),
    (
        f"{TOOL}headers = {{ 'X Key' = 'a' }}",
        "assistants.a.tools.look.headers: 'X Key' is not the name of a header",
    ),
    (
        f"{TOOL}headers = {{ Connection = 'close' }}",
        "headers: Connection should be left out; the connection sets it",
    ),
    (f"{TOOL}headers = {{ Authorization = 'Bearer <your-key>' }}", "has a placeholder in it, <your-key>"),
    (f"{REALTIME}headers = {{ Sec-WebSocket-Key = 'x' }}", "Sec-WebSocket-Key should be left out"),
    (
        f"{REALTIME}headers = {{ api-key = 'sk-…' }}",
        "assistants.a.headers.api-key: has a placeholder in it, …",
    ),
]


@pytest.mark.parametrize(("name", "value", "told"), VARIABLES)
def test_a_variable(name: str, value: str, told: str) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        load(environment={name: value})
    assert str(refusal.value).startswith(f"environment: {name}: ")
    assert told in str(refusal.value)
    assert "hush" not in str(refusal.value)


@pytest.mark.parametrize(("text", "told"), TABLES)
def test_a_file(text: str, told: str) -> None:
    Path("voicebridge.toml").write_text(text)
    with pytest.raises(ConfigurationError) as refusal:
        load(environment={})
    assert told in str(refusal.value)


@pytest.mark.parametrize("level", ["INFO", "Info", "info"])
def test_a_log_level_may_be_written_in_any_case(level: str) -> None:
    assert load({"log_level": level}, environment={}).log_level == "info"


def test_a_mark_at_the_start_of_a_file_is_no_fault() -> None:
    Path("voicebridge.toml").write_bytes(b"\xef\xbb\xbfport = 1\n")
    Path(".env").write_bytes(b"\xef\xbb\xbfVOICEBRIDGE_HOST=localhost\n")
    settings = load(environment={})
    assert (settings.host, settings.port) == ("localhost", 1)


def test_a_file_in_another_encoding_is_named() -> None:
    Path("voicebridge.toml").write_text("port = 1\n", encoding="utf-16")
    with pytest.raises(
        ConfigurationError, match=r"voicebridge\.toml: is not UTF-8: expected a text file in UTF-8"
    ):
        load(environment={})


# The doors

OPEN = {"allow_unauthenticated": True}
WRONG_DOORS = [
    ({"public_url": "https://<your-domain>"}, "has a placeholder in it, <your-domain>"),
    ({"public_url": "https://….example.com"}, "has a placeholder in it, …"),
    ({"public_url": "https://your-domain.com"}, "has a placeholder in it, your-domain"),
    (
        {"public_url": "https://v.acme.eu/twilio/voice"},
        "public_url = 'https://v.acme.eu/twilio/voice': should be the server's address alone, https://v.acme.eu;",
    ),
    ({"public_url": "https://v.acme.eu/telnyx"}, "should be the server's address alone"),
    (
        {"public_url": "https://v.acme.eu", "security": OPEN},
        "security.allow_unauthenticated with public_url = 'https://v.acme.eu': should be left out",
    ),
    ({"telnyx": {"public_key": TEST_PUBLIC_KEY}}, "telnyx.public_key: is the key of the simulator"),
    ({"telnyx": {"api_key": "KEY_simulated"}}, "telnyx.api_key: is the key of the simulator"),
    (
        {"telnyx": {"public_key": TEST_PUBLIC_KEY}, "host": "0.0.0.0", "security": OPEN},
        "telnyx.public_key: is the key of the simulator",
    ),
    (
        {"workers": 2, "ssl_certfile": "chain.pem", "ssl_keyfile": "key.pem"},
        "workers = 2 with ssl_certfile: should be 1; what goes to which worker is read from the request",
    ),
    (
        {"workers": 4, "limits": {"max_calls_per_s": 3}},
        "limits.max_calls_per_s = 3 with workers = 4: expected at least one call for each worker",
    ),
]


@pytest.mark.parametrize(("tables", "told"), WRONG_DOORS)
def test_a_door_that_is_not_what_it_seems(tables: dict[str, object], told: str) -> None:
    settings = Settings.model_validate({"twilio": {"auth_token": TOKEN}} | tables)
    with pytest.raises(ConfigurationError) as refusal:
        check_doors(settings)
    assert told in str(refusal.value)


def test_the_simulator_s_keys_are_good_on_loopback_with_open_doors() -> None:
    keys = {"public_key": TEST_PUBLIC_KEY, "api_key": "KEY_simulated"}
    check_doors(Settings.model_validate({"telnyx": keys, "security": OPEN}))
    check_doors(Settings.model_validate({"security": OPEN, "public_url": "http://127.0.0.1:8080"}))


def test_the_published_key_is_the_one_that_the_simulator_signs_with() -> None:
    assert Signer().public_key == CARRIERS["telnyx"].published["public_key"]


DOUBTS = [
    ({"public_url": "https://v.acme.eu"}, []),
    ({"public_url": "http://localhost:8080"}, ["no carrier reaches this machine there"]),
    ({"public_url": "https://voice.example.com"}, ["this name is for examples and belongs to nobody"]),
    ({"public_url": "https://v.acme.eu/calls"}, ["has the path /calls; should have none, unless a proxy"]),
    (
        {"public_url": "https://v.acme.eu", "twilio": {"auth_token": "12345"}},
        ["twilio.auth_token: does not look like one of Twilio's; should be 32 hexadecimal digits"],
    ),
    ({"twilio": {"auth_token": "12345"}}, []),
    (
        {"public_url": "https://v.acme.eu", "telnyx": {"api_key": "KEY1"}},
        ["telnyx.api_key: does not look like one of Telnyx's; should be KEY and at least 20"],
    ),
    (
        {"limits": {"open_s": 5000}},
        ["limits.open_s = 5000: is in seconds, and 5 by default; did you mean 5?"],
    ),
    ({"limits": {"open_s": 60}}, []),
    (
        {"assistants": {"a": {"kind": "openai-realtime", "reply_s": 6000}}},
        ["assistants.a.reply_s = 6000: is in seconds, and 5 by default; did you mean 6?"],
    ),
]


@pytest.mark.parametrize(("tables", "told"), DOUBTS)
def test_what_is_hardly_meant(tables: dict[str, object], told: list[str]) -> None:
    settings = Settings.model_validate({"twilio": {"auth_token": TOKEN}} | tables)
    check_doors(settings)
    found = list(doubts(settings))
    assert len(found) == len(told), found
    for line, words in zip(found, told, strict=True):
        assert words in line


# Certificate and port


def test_which_of_certificate_and_key_is_wrong(elsewhere: Path) -> None:
    authority = trustme.CA()
    one, other = authority.issue_cert("a.example"), authority.issue_cert("b.example")
    one.cert_chain_pems[0].write_to_path("cert.pem")
    one.private_key_pem.write_to_path("key.pem")
    other.private_key_pem.write_to_path("other.pem")
    locked = Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")
    )
    Path("locked.pem").write_bytes(locked)
    Path("text.pem").write_text("hello")
    rows = [
        (
            "none.pem",
            "key.pem",
            "ssl_certfile = 'none.pem': No such file or directory: expected a file in PEM",
        ),
        ("cert.pem", "none.pem", "ssl_keyfile = 'none.pem': No such file or directory"),
        ("text.pem", "key.pem", "ssl_certfile = 'text.pem': has no certificate: expected PEM with"),
        ("key.pem", "cert.pem", "ssl_certfile = 'key.pem': has no certificate"),
        ("cert.pem", "cert.pem", "ssl_keyfile = 'cert.pem': has no private key"),
        ("cert.pem", "other.pem", "ssl_keyfile = 'other.pem': is the key of another certificate"),
        (
            "cert.pem",
            "locked.pem",
            "ssl_keyfile = 'locked.pem': is encrypted: expected a private key without",
        ),
    ]
    for certfile, keyfile, told in rows:
        settings = Settings.model_validate({"ssl_certfile": certfile, "ssl_keyfile": keyfile})
        with pytest.raises(ConfigurationError) as refusal:
            tls_context(settings)
        assert str(refusal.value).startswith(told)
    good = Settings.model_validate({"ssl_certfile": "cert.pem", "ssl_keyfile": "key.pem"})
    assert tls_context(good) is not None


BOUND = [
    (98, "port = 80: it is in use at host = '10.0.0.1': expected a free port"),
    (13, "port = 80: this user may not open it: expected a port from 1024 on"),
    (99, "host = '10.0.0.1': it is no address of this machine"),
    (5, "host = '10.0.0.1', port = 80: Input/output error: expected an address of this machine"),
]


@pytest.mark.skipif(
    os.name != "posix" or os.uname().sysname != "Linux", reason="the numbers are those of Linux"
)
@pytest.mark.parametrize(("number", "told"), BOUND)
def test_why_a_port_cannot_be_opened(number: int, told: str) -> None:
    assert bind_fault("10.0.0.1", 80, OSError(number, os.strerror(number))).startswith(told)
