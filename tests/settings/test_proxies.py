"""Which proxy is for which URL: rows of settings, as the environment has them, and URLs. And what is said of a wrong one."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from bridge.cli.app import app
from bridge.config.checks import doubts
from bridge.config.settings import Settings, load
from bridge.settings.proxies import ProxySettings
from bridge.vocabulary.errors import ConfigurationError

BOTH = {"HTTPS_PROXY": "http://secure:3128", "HTTP_PROXY": "http://plain:3128"}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def proxies(environment: dict[str, str]) -> ProxySettings:
    return load(environment=environment).proxy


@pytest.mark.parametrize(
    ("environment", "url", "proxy"),
    [
        ({}, "wss://host.example/", None),
        (BOTH, "wss://host.example/", "http://secure:3128"),
        (BOTH, "https://host.example/", "http://secure:3128"),
        (BOTH, "ws://host.example/", "http://plain:3128"),
        (BOTH, "http://host.example/", "http://plain:3128"),
        ({"HTTP_PROXY": "http://plain:1"}, "wss://host.example/", None),
        ({"ALL_PROXY": "http://any:1"}, "wss://host.example/", "http://any:1"),
        ({"ALL_PROXY": "http://any:1", **BOTH}, "ws://host.example/", "http://plain:3128"),
        ({"HTTPS_PROXY": "proxy:3128"}, "wss://host.example/", "http://proxy:3128"),  # as curl takes it
        ({"HTTPS_PROXY": "http://proxy"}, "wss://host.example/", "http://proxy:80"),
        ({"HTTPS_PROXY": "http://[2001:db8::1]:3128/"}, "wss://host.example/", "http://[2001:db8::1]:3128"),
        ({"HTTPS_PROXY": ""}, "wss://host.example/", None),
        ({"https_proxy": "http://small:1", **BOTH}, "wss://host.example/", "http://small:1"),
        (
            {"VOICEBRIDGE_PROXY__HTTPS": "http://own:1", "https_proxy": "http://small:1"},
            "wss://host.example/",
            "http://own:1",
        ),
    ],
)
def test_a_proxy_is_for_its_scheme(environment: dict[str, str], url: str, proxy: str | None) -> None:
    chosen = proxies(environment).proxy_for(url)
    assert (chosen and str(chosen)) == proxy


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "a.localhost", "127.0.0.1", "127.9.9.9", "[::1]", "[::ffff:127.0.0.1]"])  # fmt: skip
def test_this_machine_is_never_reached_through_a_proxy(host: str) -> None:
    assert proxies(BOTH).proxy_for(f"wss://{host}:8443/") is None


@pytest.mark.parametrize(
    ("exempt", "host", "is_exempt"),
    [
        ("", "host.example", False),
        ("*", "host.example", True),
        ("host.example", "host.example", True),
        ("host.example", "HOST.example.", True),
        ("Host.Example.", "host.example", True),
        ("example", "host.example", True),
        (".example", "host.example", True),
        (".host.example", "host.example", True),
        ("*.example", "host.example", True),
        ("ample", "host.example", False),
        ("other, host.example ,more", "host.example", True),
        ("host.example:443", "host.example", True),
        ("host.example:8443", "host.example", False),
        ("host.example:8443", "host.example:8443", True),
        ("10.1.2.3", "10.1.2.3", True),
        ("10.0.0.0/8", "10.1.2.3", True),
        ("10.0.0.0/8", "11.1.2.3", False),
        ("10.0.0.0/8", "10.example", False),
        ("10.1.2.3:443", "10.1.2.3", True),
        ("2001:db8::/32", "[2001:db8::1]", True),
        ("[2001:db8::1]", "[2001:db8::1]", True),
        ("[2001:db8::1]:443", "[2001:db8::1]", True),
        ("[2001:db8::1]:80", "[2001:db8::1]", False),
        (",, ,", "host.example", False),
        (".", "host.example", False),
    ],
)
def test_what_is_exempt(exempt: str, host: str, is_exempt: bool) -> None:
    chosen = proxies({**BOTH, "NO_PROXY": exempt}).proxy_for(f"wss://{host}/")
    assert (chosen is None) == is_exempt


def test_a_list_of_hosts_in_the_file() -> None:
    Path("voicebridge.toml").write_text(
        '[proxy]\nhttps = "http://proxy:3128"\nexempt = ["a.example", "b.example"]\n'
    )
    assert proxies({}).exempt == ("a.example", "b.example")
    assert proxies({"NO_PROXY": "c.example"}).exempt == ("c.example",)


def test_user_and_password_are_decoded_and_never_shown() -> None:
    url = "http://me:se%2Fsame@proxy:3128"
    settings = proxies({"HTTPS_PROXY": url})
    chosen = settings.proxy_for("wss://host.example/")
    assert chosen is not None
    assert (chosen.url, chosen.user, chosen.password) == (url, "me", "se/same")
    for shown in (str(chosen), f"{chosen}", repr(settings), settings.model_dump_json()):
        assert "se/same" not in shown
        assert "se%2Fsame" not in shown
    shown = CliRunner(env={"HTTPS_PROXY": url}).invoke(app, ["config", "show"]).output
    assert '"https": "http://***@proxy:3128"' in shown


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://", "should be the URL of a proxy"),
        ("http://[::1", "should be the URL of a proxy"),
        ("http://me:sesame@proxy:99999", "should have a port between 1 and 65535"),
        ("http://me:sesame@proxy/path", "should have no path"),
    ],
)
def test_a_wrong_proxy_is_refused_with_its_variable(url: str, expected: str) -> None:
    with pytest.raises(ConfigurationError, match=expected) as refused:
        proxies({"https_proxy": url})
    assert str(refused.value).startswith("environment: https_proxy: proxy.https")
    assert "sesame" not in str(refused.value)


@pytest.mark.parametrize("url", ["socks5://me:sesame@proxy:1080", "https://proxy:443"])
def test_another_kind_of_proxy_is_not_used_and_config_check_says_so(url: str) -> None:
    opened = {"security": {"allow_unauthenticated": True}}
    settings = Settings.model_validate({"proxy": {"all": url}} | opened)
    assert settings.proxy.proxy_for("wss://host.example/") is None
    (doubt,) = doubts(settings)
    assert doubt.startswith("proxy.all = ")
    assert "is not used: should begin with http://" in doubt
    assert "sesame" not in doubt
