"""The calls that webhooks have announced: found by carrier, kind of stream and call, forgotten at their end."""

from typing import cast

import pytest

from bridge.carriers.shared.webhooks import ExpectedCall
from bridge.shell import expected_calls
from bridge.shell.expected_calls import ExpectedCalls
from bridge.shell.setups import Setup
from bridge.shell.tokens import LIFE_S


def test_a_call_is_found_as_it_was_announced_last() -> None:
    calls = ExpectedCalls()
    calls.add("twilio", "media", ExpectedCall("CA1", "front"), 0.0)
    calls.add("twilio", "listen", ExpectedCall("CA1", "notes"), 1.0)
    calls.add("telnyx", "media", ExpectedCall("CA1", "sales"), 2.0)
    calls.add("twilio", "media", ExpectedCall("CA1", "gold"), 3.0)
    assert calls.find("twilio", "media", "CA1") == ExpectedCall("CA1", "gold")
    assert calls.find("twilio", "listen", "CA1") == ExpectedCall("CA1", "notes")
    assert calls.find("telnyx", "media", "CA1") == ExpectedCall("CA1", "sales")
    assert calls.find("telnyx", "listen", "CA1") is None
    assert calls.find("twilio", "media", "CA2") is None


def test_the_last_token_of_a_call_is_good_and_the_last_four_of_those_who_listen() -> None:
    calls = ExpectedCalls()
    for number in range(6):
        for kind in ("media", "listen"):
            calls.add("twilio", kind, ExpectedCall("CA1"), 0.0, nonce=bytes([number]))
    good = [
        [number for number in range(6) if calls.find("twilio", kind, "CA1", bytes([number])) is not None]
        for kind in ("media", "listen")
    ]
    assert good == [[5], [2, 3, 4, 5]]
    assert calls.times("twilio", "CA1") == 12


def test_a_call_that_has_ended_is_forgotten_with_all_its_streams() -> None:
    calls = ExpectedCalls()
    for carrier, call_id in (("twilio", "CA1"), ("twilio", "CA2"), ("telnyx", "CA1")):
        calls.add(carrier, "media", ExpectedCall(call_id), 0.0)
        calls.add(carrier, "listen", ExpectedCall(call_id), 0.0)
    calls.ended("twilio", "CA1", 0.0)
    assert calls.find("twilio", "media", "CA1") is calls.find("twilio", "listen", "CA1") is None
    assert len(calls) == 4


def test_of_a_call_whose_token_was_used_only_the_number_of_announcements_is_kept() -> None:
    calls = ExpectedCalls()
    setup = cast(Setup, object())
    for kind in ("media", "listen"):
        calls.add("twilio", kind, ExpectedCall("CA1"), 0.0, nonce=b"1", setup=setup)
        calls.spent("twilio", kind, "CA1", b"1")
    assert calls.find("twilio", "media", "CA1") is None
    assert calls.find("twilio", "listen", "CA1") == ExpectedCall("CA1")  # others may listen, too
    assert calls.times("twilio", "CA1") == 2


def test_a_call_that_was_announced_again_is_kept_when_the_token_before_is_used() -> None:
    calls = ExpectedCalls()
    setup = cast(Setup, object())
    for nonce in (b"1", b"2"):
        calls.add("twilio", "media", ExpectedCall("CA1"), 0.0, nonce=nonce, setup=setup)
    calls.spent("twilio", "media", "CA1", b"1")
    assert calls.find("twilio", "media", "CA1", b"2") == ExpectedCall("CA1")
    assert calls.has_setup(setup, 0.0)
    calls.spent("twilio", "media", "CA1", b"2")
    assert not calls.has_setup(setup, 0.0)
    assert calls.times("twilio", "CA1") == 2


def test_those_whose_tokens_have_expired_are_forgotten() -> None:
    calls = ExpectedCalls()
    for second in range(100):
        calls.add("twilio", "media", ExpectedCall(f"CA{second}"), float(second))
    assert len(calls) == LIFE_S
    calls.add("twilio", "media", ExpectedCall("CA"), 1000.0)
    assert len(calls) == 1


def test_the_oldest_go_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expected_calls, "MOST", 2)
    calls = ExpectedCalls()
    for call_id in ("CA1", "CA2", "CA1", "CA3"):  # CA1 is announced again
        calls.add("twilio", "media", ExpectedCall(call_id), 0.0)
    assert calls.find("twilio", "media", "CA2") is None
    assert calls.find("twilio", "media", "CA1") is not None
    assert calls.find("twilio", "media", "CA3") is not None
