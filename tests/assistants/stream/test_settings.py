"""What can be set of an assistant of kind "stream", and what is refused."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from bridge.assistants.stream.settings import StreamSettings
from bridge.settings.assistants import BargeInSettings, Pings, SocketAddress
from bridge.settings.faults import faults_in
from bridge.settings.header_values import HeaderSource


def settings(**fields: Any) -> StreamSettings:
    return StreamSettings.model_validate({"url": "wss://assistant.example.com/calls"} | fields)


def test_the_defaults() -> None:
    stream = settings()
    assert stream.address() == SocketAddress("wss://assistant.example.com/calls", {})
    assert stream.barge_in == BargeInSettings(min_speech_ms=100, confirm_ms=0)
    assert (stream.silence_ms, stream.preconnect, stream.tools) == (700, False, {})


def test_the_upgrade_has_the_headers() -> None:
    stream = settings(url="ws://127.0.0.1:8093/?line=2", headers={"Authorization": "Bearer abc"})
    assert stream.address() == SocketAddress("ws://127.0.0.1:8093/?line=2", {"Authorization": "Bearer abc"})


PINGS: list[tuple[dict[str, Any], Pings | None]] = [
    ({}, Pings(2.5, 2.5)),
    ({"ping_s": 20, "pong_s": 10}, Pings(20, 10)),
    ({"ping_s": 20}, Pings(20, 2.5)),
    ({"ping_s": 0}, None),
    ({"ping_s": False}, None),
    ({"ping_s": "false"}, None),  # of the environment
    ({"ping_s": "0", "pong_s": 60}, None),
]


@pytest.mark.parametrize(("fields", "pings"), PINGS)
def test_the_pings_are_set_for_each_assistant(fields: dict[str, Any], pings: Pings | None) -> None:
    assert settings(**fields).address().pings == pings


def test_tools_may_be_called_as_by_any_assistant() -> None:
    assert list(settings(tools={"look": {"url": "https://shop.example.com/orders"}}).tools) == ["look"]


def test_secrets_are_not_shown() -> None:
    stream = settings(url="wss://x.example/?key=s3cret", headers={"X-Key": "s3cret"})
    assert "s3cret" not in repr(stream)
    assert "s3cret" not in str(stream.model_dump(mode="json"))


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"url": None}, "url", "should be a valid string"),
    ({"url": "https://x/calls"}, "url", "should be a WebSocket's address such as wss://"),
    ({"url": "x/calls"}, "url", "should be a WebSocket's address such as wss://"),
    ({"url": "ws:///calls"}, "url", "should be a WebSocket's address such as wss://"),
    ({"url": "ws://x:99999/"}, "url", "port between 1 and 65535"),
    ({"url": "ws://x/#top"}, "url", "should have no fragment"),
    ({"url": "ws://me:pass@x/"}, "url", "should have no user and no password; headers"),
    ({"headers": {"X A": "a"}}, "headers", "'X A' is not the name of a header"),
    ({"headers": {"X-A": "a\r\nX-B: b"}}, "headers.X-A", "should be one line of ASCII"),
    ({"headers": {"X-A": ""}}, "headers.X-A", "should be one line of ASCII"),
    ({"ping_s": 1.0}, "", "pong_s = 2.5 should be at most ping_s = 1; set both"),
    ({"ping_s": -1}, "ping_s", "greater than 0"),
    ({"pong_s": 0}, "pong_s", "greater than 0"),
    ({"reply_s": 0}, "reply_s", "greater than 0"),
    ({"silence_ms": 50}, "silence_ms", "greater than or equal to 100"),
    ({"barge_in": {"confirm": 200}}, "barge_in.confirm", "did you mean confirm_ms?"),
    ({"barge_in": {"min_speech_ms": 5}}, "barge_in.min_speech_ms", "greater than or equal to 20"),
    (
        {"tools": {"hang_up": {}}},
        "tools",
        "hang_up should be left out; an assistant of kind stream has a message for it",
    ),
    ({"tools": {"note": {}}}, "tools", "note should be left out"),
    ({"tools": {"look": {}}}, "tools", "look should have a function or a url"),
    ({"voice": "marin"}, "voice", "known here: kind, fallback"),
]


@pytest.mark.parametrize(("fields", "key", "why"), REFUSED)
def test_refused(fields: dict[str, Any], key: str, why: str) -> None:
    with pytest.raises(ValidationError) as refused:
        settings(**fields)
    (fault,) = faults_in(refused.value, fields)
    assert ".".join(fault.key) == key
    assert why in fault.message


SOURCES: list[tuple[dict[str, Any], str, str]] = [
    (
        {"file": "/run/token", "command": ["az"]},
        "headers.X-Key",
        "should have file or command, one of the two",
    ),
    ({}, "headers.X-Key", "should have file or command, one of the two"),
    ({"command": []}, "headers.X-Key.command", "at least 1 item"),
    ({"command": ["az"], "for_s": 0}, "headers.X-Key.for_s", "greater than or equal to 1"),
    ({"file": "/run/token", "prefix": "a\r\n"}, "headers.X-Key.prefix", "match pattern"),
    ({"fil": "/run/token"}, "headers.X-Key.fil", "did you mean file?"),
]


@pytest.mark.parametrize(("source", "key", "why"), SOURCES)
def test_a_header_that_is_read_from_elsewhere_is_checked(source: dict[str, Any], key: str, why: str) -> None:
    fields = {"headers": {"X-Key": source}}
    with pytest.raises(ValidationError) as refused:
        settings(**fields)
    fault, *_ = faults_in(refused.value, fields)
    assert ".".join(fault.key) == key
    assert why in fault.message


def test_a_header_may_be_read_from_a_file_or_a_command() -> None:
    stream = settings(
        headers={
            "A": {"file": "/run/token", "prefix": "Bearer "},
            "B": {"command": ["az", "account"], "for_s": 3000},
            "C": "text",
        }
    )
    headers = stream.address().headers
    assert headers["A"] == HeaderSource(file=Path("/run/token"), prefix="Bearer ")
    assert headers["B"] == HeaderSource(command=("az", "account"), for_s=3000)
    assert headers["C"] == "text"
