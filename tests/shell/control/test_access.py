"""Who is let in to the control API: tokens, sessions, this machine, and pages of other sites."""

import re
from pathlib import Path
from typing import Any

import pytest

from bridge.config.settings import Settings
from bridge.settings.control import ControlSettings, ControlToken
from bridge.shell.control.access import COOKIE, SESSION_S, ControlAccess, Visitor, may_be_behind_proxy

OPS = "0123456789abcdefghijklmnopqrstuv"
SHOW = "zyxwvutsrqponmlkjihgfedcba98765"
NOON = 1_796_040_000.0  # 2026-11-30 12:00 UTC
HERE = {"Host": "127.0.0.1:8080"}


def access(**more: Any) -> ControlAccess:
    return ControlAccess(
        [
            ControlToken.model_validate({"name": "ops", "token": OPS} | more),
            ControlToken.model_validate({"name": "show", "token": SHOW, "can": ["see"]}),
        ],
        "https://voice.example.com",
    )


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def cookie(value: str) -> dict[str, str]:
    return {"Cookie": f"other=1; {COOKIE}={value}"}


# Tokens


def test_a_token_has_its_name_and_what_it_can() -> None:
    assert access().visitor("192.0.2.1", bearer(SHOW), NOON) == Visitor("show", frozenset({"see"}), "token")
    ops = access().visitor("192.0.2.1", {"authorization": f"bearer  {OPS} "}, NOON)
    assert ops is not None
    assert {"see", "tell", "end", "metrics"} <= ops.can


@pytest.mark.parametrize(
    "headers",
    [
        {},
        bearer("wrong" * 6),
        bearer(""),
        bearer(OPS[:-1]),
        {"Authorization": f"Basic {OPS}"},
        bearer("é" * 30),
    ],
)
def test_nobody_else_is_let_in(headers: dict[str, str]) -> None:
    assert access().visitor("192.0.2.1", headers, NOON) is None


def test_a_wrong_token_is_refused_on_this_machine_too() -> None:
    assert access().visitor("127.0.0.1", HERE | bearer("wrong" * 6), NOON) is None


def test_a_token_is_good_to_the_end_of_its_last_day() -> None:
    one = access(expires="2026-11-30")
    assert one.visitor("192.0.2.1", bearer(OPS), NOON) is not None
    assert one.visitor("192.0.2.1", bearer(OPS), NOON + 12 * 3600 - 1) is not None
    assert one.visitor("192.0.2.1", bearer(OPS), NOON + 12 * 3600) is None


def test_the_token_itself_is_not_kept() -> None:
    kept = repr(vars(access()))
    assert OPS not in kept
    assert SHOW not in kept


# This machine


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost:8080", "[::1]:8080", "192.168.1.7"])
def test_this_machine_may_see(address: str, host: str) -> None:
    assert ControlAccess().visitor(address, {"Host": host}, NOON) == Visitor(
        "loopback", frozenset({"see"}), "loopback"
    )


@pytest.mark.parametrize(
    "headers",
    [
        HERE | {"X-Forwarded-For": "192.0.2.1"},
        HERE | {"Via": "1.1 proxy"},
        {"Host": "rebound.example.com"},
        {"Host": "["},
        {},
    ],
    ids=["forwarded", "via", "a name that leads here", "no name at all", "no host"],
)
def test_a_proxy_on_this_machine_may_not(headers: dict[str, str]) -> None:
    assert ControlAccess().visitor("127.0.0.1", headers, NOON) is None


@pytest.mark.parametrize(
    ("more", "may"),
    [
        ({}, True),
        ({"public_url": "http://127.0.0.1:9000"}, True),
        ({"public_url": "https://voice.example.com"}, False),
        ({"public_url": "https://voice.example.com", "control": {"port": 9001}}, True),
    ],
    ids=["no address", "of this machine", "a proxy may be in front", "a port of its own"],
)
def test_behind_a_proxy_that_does_not_say_so_being_here_proves_nothing(
    more: dict[str, Any], may: bool
) -> None:
    settings = Settings.model_validate(more)
    one = ControlAccess(is_behind_proxy=may_be_behind_proxy(settings))
    assert one.may("127.0.0.1", {"Host": "127.0.0.1"}, NOON, "see") is may


# Sessions


def test_a_session_is_as_good_as_its_token_and_does_not_tell_it() -> None:
    value = access().log_in(SHOW, NOON)
    assert value is not None
    assert SHOW not in value
    found = access().visitor("192.0.2.1", cookie(value), NOON + SESSION_S - 1)
    assert found == Visitor("show", frozenset({"see"}), "cookie")
    assert access().visitor("192.0.2.1", cookie(value), NOON + SESSION_S) is None


def test_a_session_ends_with_its_token() -> None:
    value = access(expires="2026-11-30").log_in(OPS, NOON)
    assert value is not None
    assert access(expires="2026-11-30").visitor("192.0.2.1", cookie(value), NOON + 12 * 3600) is None
    assert access(token="another-token-in-its-place-now").visitor("192.0.2.1", cookie(value), NOON) is None
    assert access(name="other").visitor("192.0.2.1", cookie(value), NOON) is None


@pytest.mark.parametrize(
    "value", ["", "ops", "ops~", "ops~9999999999~", "ops~9999999999~00", "ops~x~y", "ops~²~y"]
)
def test_a_session_that_nobody_signed(value: str) -> None:
    assert access().visitor("192.0.2.1", cookie(value), NOON) is None
    here = access().visitor("127.0.0.1", HERE | cookie(value), NOON)
    assert here is not None
    assert here.by == "loopback"


def test_the_end_of_a_session_cannot_be_changed() -> None:
    value = access().log_in(OPS, NOON)
    assert value is not None
    name, ends, signature = value.split("~")
    later = f"{name}~{int(ends) + 1000}~{signature}"
    assert access().visitor("192.0.2.1", cookie(later), NOON) is None


@pytest.mark.parametrize("token", ["", "wrong" * 6])
def test_no_session_for_a_wrong_token(token: str) -> None:
    assert access().log_in(token, NOON) is None


# Pages of other sites


@pytest.mark.parametrize(
    ("origin", "is_foreign"),
    [
        ("http://127.0.0.1:8080", False),
        ("https://voice.example.com", False),
        ("https://evil.example.com", True),
        ("http://127.0.0.1:9999", True),
        ("http://voice.example.com", True),
        ("null", True),
        ("", True),
        ("http://[", True),
    ],
)
@pytest.mark.parametrize("by", ["cookie", "loopback"])
def test_the_origin_of_a_change(origin: str, is_foreign: bool, by: Any) -> None:
    visitor = Visitor("ops", frozenset({"end"}), by)
    headers = HERE | ({"Origin": origin} if origin else {})
    assert access().is_foreign(visitor, "DELETE", headers) is is_foreign
    assert not access().is_foreign(visitor, "GET", headers)
    assert not access().is_foreign(visitor._replace(by="token"), "DELETE", headers)


# Settings


@pytest.mark.parametrize(
    ("token", "said"),
    [
        ("short", "needs 24"),
        ("a" * 40, "different characters"),
        ("your-control-token-goes-here", "placeholder"),
        ("<a token of 24 characters>", "placeholder"),
        ("with blanks in it 0123456789", "without blanks"),
    ],
)
def test_a_token_that_is_too_weak_is_refused_at_the_start(token: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Settings.model_validate({"control": {"tokens": [{"name": "ops", "token": token}]}})


def test_tokens_from_files(tmp_path: Path) -> None:
    (tmp_path / "ops").write_text(f"{OPS}\n")
    (tmp_path / "more.toml").write_text(f'[[tokens]]\nname = "show"\ntoken = "{SHOW}"\ncan = ["see"]\n')
    settings = ControlSettings.model_validate(
        {
            "tokens": [{"name": "ops", "token_file": str(tmp_path / "ops")}],
            "tokens_file": str(tmp_path / "more.toml"),
        }
    )
    assert [(one.name, one.secret) for one in settings.tokens] == [("ops", OPS), ("show", SHOW)]


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"tokens": [{"name": "ops"}]}, "is missing"),
        ({"tokens": [{"name": "ops", "token": OPS, "token_file": "x"}]}, "not both"),
        ({"tokens": [{"name": "ops", "token_file": "/nowhere/at/all"}]}, "cannot be read"),
        ({"tokens_file": "/nowhere/at/all"}, "cannot be read"),
        ({"tokens": [{"name": "a", "token": OPS}, {"name": "a", "token": SHOW}]}, "same name"),
        ({"tokens": [{"name": "a", "token": OPS}, {"name": "b", "token": OPS}]}, "same token"),
        ({"tokens": [{"name": "a", "token": OPS, "can": ["fly"]}]}, "can"),
        ({"tokens": [{"name": "a", "token": OPS, "can": []}]}, "at least 1"),
        ({"tokens": [{"name": "a", "token": OPS, "expires": "soon"}]}, "should be a day"),
        ({"tokens": [{"name": "a", "token": OPS, "expires": "2026-02-31"}]}, "should be a day"),
    ],
)
def test_settings_that_are_refused(table: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)) as refused:
        Settings.model_validate({"control": table})
    assert OPS not in str(refused.value)


def test_a_file_of_tokens_that_is_none_is_not_quoted(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text(f"tokens = {OPS}")
    with pytest.raises(ValueError, match=r"\[\[tokens\]\]") as refused:
        ControlSettings.model_validate({"tokens_file": str(file)})
    assert OPS not in str(refused.value)
