"""Redaction: what a peer wrote is shown without keys, numbers and tokens."""

from timeit import timeit

import pytest

from bridge.redaction import (
    LONGEST_SHOWN,
    for_log,
    safe_id,
    without_numbers,
    without_private,
    without_secrets,
)

SHOWN = [
    ("dialled +49 170 1234567 for it", "dialled ***67 for it"),
    ("sip:+15551234567@example.com", "sip:***67@example.com"),
    ("from 10.100.200.30:8080 on 2026-11-30 12:33", "from 10.100.200.30:8080 on 2026-11-30 12:33"),
    ("wss://user:pass@voice.example.com:8443/twilio/media/TOKEN?x=1 failed", "wss://voice.example.com:8443/… failed"),
    ("see https://example.com/ and http://127.0.0.1:80", "see https://example.com and http://127.0.0.1:80"),
    ("key sk-abc123456, Bearer abc.def", "key ***, ***"),
    ("0123456789abcdef0123456789abcdef", "***"),
    ("Authorization: Basic dXNlcjpwYXNzd29yZA==", "Authorization: ***"),
    ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.x-y_z", "***"),
    ("GET /twilio/media/a-b.c-d HTTP/1.1", "GET /twilio/media/… HTTP/1.1"),
    ("/twilio/voice/+15551234567?api_key=abc&plan=gold", "/twilio/voice/***67?api_key=**********&plan=gold"),
    ('{"plan": "gold", "api_key": "abc"}', '{"plan": "gold", "api_key": "**********"}'),
]  # fmt: skip


@pytest.mark.parametrize(("text", "shown"), SHOWN)
def test_a_text_is_shown_without_what_must_not_be_read(text: str, shown: str) -> None:
    assert for_log(text) == shown


def test_a_long_text_is_cut_before_anything_looks_at_it() -> None:
    assert for_log("word " * LONGEST_SHOWN) == ("word " * LONGEST_SHOWN)[:LONGEST_SHOWN] + " …"


def test_a_number_keeps_its_last_two_digits() -> None:
    assert without_numbers("(555) 123-4567") == "(***67"


SECRETS = [
    ('{"api_key":"abc","plan":"gold"}', '{"api_key":"**********","plan":"gold"}'),
    ('{"auth_token": "a\\"b", "n": 1}', '{"auth_token": "**********", "n": 1}'),
    ('{\\"password\\":\\"abc\\",\\"n\\":1}', '{\\"password\\":\\"**********\\",\\"n\\":1}'),
    ("{'password': 'a b', 'n': 1}", "{'password': '**********', 'n': 1}"),
    ('{"headers": {"x": "y"}, "n": 1}', '{"headers": "**********", "n": 1}'),
    ('{"secrets": ["a", "b"], "n": 1}', '{"secrets": "**********", "n": 1}'),
    ('{"token": 12345}', '{"token": "**********"}'),
    ('{"password": "cut off in the mid', '{"password": "**********"'),
    ("a=1&auth_token=abc&b=2", "a=1&auth_token=**********&b=2"),
    ("the key: it opens the door", "the key: it opens the door"),
    ('{"keys": "12", "tokens": 3}', '{"keys": "12", "tokens": 3}'),
]


@pytest.mark.parametrize(("text", "shown"), SECRETS)
def test_what_has_the_name_of_a_secret_is_hidden(text: str, shown: str) -> None:
    assert without_secrets(text) == shown


IDS = [
    "CA0123456789abcdef0123456789abcdef",
    "v3:u5OAKGEPT3Dx8SZSSDRWEMdNH2OripQhO-1234_x",
    "12345678-1234-1234-1234-123456789012",
    "item_15550100199",
    "call-1",
    "1234.5678901",
]
MASKED_IDS = [
    ("+15551234567", "***67"),
    ("15551234567", "***67"),
    ("call-15551234567-2", "call-***67-2"),
    ("sip:15551234567@example.com", "sip:***67@example.com"),
    ("%2B15551234567", "***67"),
    ("x+1 (555) 123-4567", "x***67"),
    ("sk-abcdefgh-1", "***"),
    ("AGE-SECRET-KEY-1ABC", "***"),
]


@pytest.mark.parametrize("name", IDS)
def test_the_name_of_a_call_is_shown_whole(name: str) -> None:
    assert safe_id(name) == name


@pytest.mark.parametrize(("name", "shown"), MASKED_IDS)
def test_unless_it_is_a_number_or_a_key(name: str, shown: str) -> None:
    assert safe_id(name) == shown


def test_words_keep_their_addresses_without_what_opens_a_door() -> None:
    text = "see https://user:pass@example.com/help?page=2, not wss://example.com/twilio/media/a.b-c"
    assert (
        without_private(text)
        == "see https://***@example.com/help?page=2, not wss://example.com/twilio/media/…"
    )


@pytest.mark.parametrize("piece", ["a", "+1", "a=", '"a":"', "a.", '\\"', "x/media/", "://a", "key={", "1 "])
def test_masking_takes_time_in_proportion_to_the_text(piece: str) -> None:
    def seconds(length: int) -> float:
        text = piece * (length // len(piece))
        return min(timeit(lambda: without_private(text), number=1) for _ in range(3))

    assert seconds(64_000) < 12 * seconds(8_000) + 0.02
