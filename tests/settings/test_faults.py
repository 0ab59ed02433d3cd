"""Faults told by the keys that were written, of the type that was meant; and what is never shown."""

from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, ValidationError

from bridge.redaction import HIDDEN, masked, without_addresses, without_credentials, without_keys
from bridge.settings.faults import describe, faults_in, shown
from bridge.settings.table import Section


class Fixed(Section):
    type: Literal["fixed"]
    at_ms: int


class Found(Section):
    type: Literal["found"]
    above: float
    names: list[str] = Field([])


class Near(BaseModel):
    """As tables of other packages are: not ours, and told apart by trying."""

    type: Literal["near"]
    at_ms: int


class Far(BaseModel):
    """Likewise."""

    type: Literal["far"]
    above: float
    names: list[str] = []


class Root(Section):
    tagged: Annotated[Fixed | Found, Field(discriminator="type")] | None = None
    guessed: Near | Far | str | None = None
    many: dict[str, list[Near | Far]] = Field({})
    api_key: int | None = None
    apart: Literal["a"] | Literal["b"] | None = None


TOLD: list[tuple[dict[str, Any], list[str]]] = [
    ({"taged": 1}, ["there is no setting taged; did you mean tagged?"]),
    ({"zzz": 1}, ["there is no setting zzz; known here: tagged, guessed, many, api_key, apart"]),
    ({"tagged": 1}, ["tagged = 1: should be a table"]),
    ({"tagged": {"type": "fixed"}}, ["tagged.at_ms is missing"]),
    ({"tagged": {"type": "fixed", "at_ms": "x", "at_m": 1}}, [
        "tagged.at_ms = 'x': Input should be a valid integer, unable to parse string as an integer",
        "there is no setting tagged.at_m; did you mean at_ms?",
    ]),
    ({"guessed": {"type": "far", "above": "x"}}, [
        "guessed.above = 'x': Input should be a valid number, unable to parse string as a number",
    ]),
    ({"guessed": 5}, ["guessed = 5: should be a table; Input should be a valid string"]),
    ({"many": {"a": [{"type": "far", "above": 1, "names": ["b", 2]}]}}, [
        "many.a.0.names.1 = 2: Input should be a valid string",
    ]),
    ({"many": {"a": [{"type": "near", "at_ms": 1}, {"type": "near"}]}}, ["many.a.1.at_ms is missing"]),
    ({"apart": "c"}, ["apart = 'c': Input should be 'a'; Input should be 'b'"]),
    ({"api_key": "hush"}, ["api_key: Input should be a valid integer, unable to parse string as an integer"]),
    ({"many": {"my_token": [{"type": "hush"}]}}, [
        "many.my_token.0.type: Input should be 'near'; Input should be 'far'",
        "many.my_token.0.at_ms is missing",
        "many.my_token.0.above is missing",
    ]),
]  # fmt: skip


@pytest.mark.parametrize(("table", "lines"), TOLD)
def test_a_fault_is_told_by_the_keys_that_were_written(table: dict[str, Any], lines: list[str]) -> None:
    with pytest.raises(ValidationError) as refusal:
        Root.model_validate(table)
    assert [describe(fault) for fault in faults_in(refusal.value, table)] == lines


def test_what_pydantic_alone_says_is_told_as_well() -> None:
    with pytest.raises(ValidationError) as refusal:
        Near.model_validate("x")
    assert [describe(fault) for fault in faults_in(refusal.value, "x")] == ["should be a table"]


SHOWN = [
    (("port",), 1, "port = 1"),
    (("a", "b"), "x", "a.b = 'x'"),
    (("a",), {"b": 1}, "a"),
    (("a",), [1], "a"),
    (("a", "auth_token"), "x", "a.auth_token"),
    (("headers", "X-A"), "x", "headers.X-A"),
    (("X-API-Key",), "x", "X-API-Key"),
    (("ssl_keyfile",), "x", "ssl_keyfile = 'x'"),
    (("max_output_tokens",), "x", "max_output_tokens = 'x'"),
    (("a",), "x" * 100, f"a = '{'x' * 79}…"),
    (("query", "sig"), 5, "query.sig"),
    (("url",), "https://u:hush@h/v1?api-key=hush", "url = 'https://***@h/v1?***'"),
    (("url",), "https://h/" + "x" * 80 + "?hush", f"url = 'https://h/{'x' * 69}…"),
]


@pytest.mark.parametrize(("key", "value", "text"), SHOWN)
def test_what_is_shown_of_a_value(key: tuple[str, ...], value: object, text: str) -> None:
    assert shown(key, value) == text


ADDRESSES = [
    ("https://h:8080/v1", "https://h:8080/v1"),
    ("https://h/@me", "https://h/@me"),
    ("https://hush@h/v1", "https://***@h/v1"),
    ("wss://u:hush@h", "wss://***@h"),
    ("https://u:hush@ush@h", "https://***@h"),
    ("https://u:hu/sh@h/v1", "https://***@h/v1"),
    ("https://u:hu?sh@h/v1", "https://***@h/v1"),
    ("https://h?hush", "https://h?***"),
    ("https://h/v1#token=hush", "https://h/v1#***"),
    ("https://h/v1?a=hush&b=c@hush", "https://h/v1?***"),
    # badly written
    ("u:hush@h/v1", "***@h/v1"),
    ("//u:hush@h/v1", "//***@h/v1"),
    ("https:/u:hush@h/v1", "***@h/v1"),
    ("h/v1?api-key=hush", "h/v1?***"),
    # no addresses
    ("On which day? a=b", "On which day? a=b"),
    ("To me: ada@example.com", "To me: ada@example.com"),
    ("sorry.wav", "sorry.wav"),
]


@pytest.mark.parametrize(("text", "told"), ADDRESSES)
def test_an_address_is_told_without_what_opens_it(text: str, told: str) -> None:
    assert without_credentials(text) == told


QUOTED = [
    ("Incorrect API key provided: sk-proj-ab_C1****wxyz.", "Incorrect API key provided: ***"),
    ("ek_68a, sess-9.x and xai-1 are over", "***, *** and *** are over"),
    ("Authorization: Bearer eyJh.bGci/O+i= was sent", "Authorization: *** was sent"),
    (f"the key {'a1' * 16} is disabled", "the key *** is disabled"),
    (
        "task-force and risk_level: keepalive ping timeout",
        "task-force and risk_level: keepalive ping timeout",
    ),
]


@pytest.mark.parametrize(("said", "told"), QUOTED)
def test_a_key_that_a_peer_quotes_is_not_told_on(said: str, told: str) -> None:
    assert without_keys(said) == told


def test_masked_however_deep() -> None:
    table = {"a": [{"authorization": "x", "b": 1}], "api-key": {"c": 2}, "token_limits": 3}
    assert masked(table) == {"a": [{"authorization": HIDDEN, "b": 1}], "api-key": HIDDEN, "token_limits": 3}
    assert masked({"a": [{"server_url": "https://u:p@h/?a=1"}]}) == {
        "a": [{"server_url": "https://***@h/?***"}]
    }


def test_an_address_is_not_shown() -> None:
    assert without_addresses("GET https://a/b?c=d failed") == "GET (address) failed"
