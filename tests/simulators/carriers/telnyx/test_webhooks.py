"""Webhooks as bytes: the known signature, the envelope, and which answers are tried again."""

import json

import pytest

from bridge.simulators.carriers.telnyx.webhooks import TEST_PUBLIC_KEY, Signer, envelope, is_retried

EVENT = {"event_type": "call.answered", "id": "1"}


def test_the_signature_is_telnyxs() -> None:
    body = b'{"data":{"event_type":"call.answered","id":"1"}}'
    assert Signer().public_key == TEST_PUBLIC_KEY
    assert Signer().headers(body, 1_700_000_000) == {
        "Content-Type": "application/json",
        "telnyx-timestamp": "1700000000",
        "telnyx-signature-ed25519": (
            "aVsWRla+Z9tydV3JaLa3SWGX4Bdk7NMY3UnHkUPEkIftVrUgxRq5od4/Ql+RuqTVRCFzlozNhaEDruwSrXA+Cw=="
        ),
    }


def test_the_envelope_has_the_attempt() -> None:
    wrapped = json.loads(envelope(EVENT, "https://voice.example.com/w", 2))
    assert wrapped == {
        "data": EVENT,
        "meta": {"attempt": 2, "delivered_to": "https://voice.example.com/w"},
    }
    assert json.loads(envelope(EVENT, "https://voice.example.com/w", 2, unwrapped=True)) == EVENT


@pytest.mark.parametrize(
    ("status", "again"),
    [
        (200, False),
        (204, False),
        (302, False),
        (403, False),
        (408, True),
        (429, True),
        (503, True),
        (None, True),
    ],
)
def test_which_answers_have_it_tried_again(status: int | None, again: bool) -> None:
    assert is_retried(status) is again
