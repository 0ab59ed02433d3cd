"""Telnyx's signature, against a published vector and its own library."""

import time
from base64 import b64decode, b64encode

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from telnyx import Telnyx

from bridge.carriers.telnyx.signature import TOLERANCE_S, SignatureFault, check_public_key, signature_fault

KEY = Ed25519PrivateKey.from_private_bytes(b64decode("nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A="))
PUBLIC_KEY = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
BODY = b'{"data":{"event_type":"call.answered","id":"1"}}'
NOW = 1_700_000_000
VECTOR = "aVsWRla+Z9tydV3JaLa3SWGX4Bdk7NMY3UnHkUPEkIftVrUgxRq5od4/Ql+RuqTVRCFzlozNhaEDruwSrXA+Cw=="


def signed(body: bytes, timestamp: str, key: Ed25519PrivateKey = KEY) -> str:
    return b64encode(key.sign(timestamp.encode() + b"|" + body)).decode()


def test_published_vector() -> None:
    assert signed(BODY, str(NOW)) == VECTOR
    assert signature_fault(PUBLIC_KEY, BODY, str(NOW), VECTOR, NOW) is None


@pytest.mark.parametrize("off_s", [-TOLERANCE_S, -299.5, 0, 299.5, TOLERANCE_S])
def test_a_clock_may_be_off(off_s: float) -> None:
    assert signature_fault(PUBLIC_KEY, BODY, str(NOW), VECTOR, NOW + off_s) is None


@pytest.mark.parametrize("off_s", [-TOLERANCE_S - 1, TOLERANCE_S + 1, 1e9])
def test_what_is_replayed_later_is_stale(off_s: float) -> None:
    assert signature_fault(PUBLIC_KEY, BODY, str(NOW), VECTOR, NOW + off_s) is SignatureFault.STALE


STRANGER = Ed25519PrivateKey.from_private_bytes(bytes(32))
FORGED = {
    "by a stranger": (BODY, str(NOW), signed(BODY, str(NOW), STRANGER)),
    "the body altered": (BODY.replace(b'"1"', b'"2"'), str(NOW), VECTOR),
    "the body written anew": (BODY.replace(b":", b": "), str(NOW), VECTOR),
    "the body gone": (b"", str(NOW), VECTOR),
    "made young again": (BODY, str(NOW + 1), VECTOR),
    "the same time written otherwise": (BODY, f"0{NOW}", VECTOR),
    "nothing but zeros": (BODY, str(NOW), b64encode(bytes(64)).decode()),
}
UNSIGNED = {
    "no signature": (str(NOW), ""),
    "no time": ("", VECTOR),
    "not base64": (str(NOW), "%" * 88),
    "not ASCII": (str(NOW), "ä\udcff"),
    "too short": (str(NOW), b64encode(bytes(63)).decode()),
    "too long": (str(NOW), b64encode(bytes(65)).decode()),
    "a time of words": ("yesterday", VECTOR),
    "a time with a sign": (f"+{NOW}", VECTOR),
    "a time with a fraction": (f"{NOW}.0", VECTOR),
    "a time in other digits": ("١٧٠٠٠٠٠٠٠٠", VECTOR),
    "an endless time": ("1" * 5000, VECTOR),
}


@pytest.mark.parametrize(("body", "timestamp", "given"), FORGED.values(), ids=FORGED)
def test_a_forged_or_altered_webhook_is_told(body: bytes, timestamp: str, given: str) -> None:
    assert signature_fault(PUBLIC_KEY, body, timestamp, given, NOW) is SignatureFault.FORGED


@pytest.mark.parametrize(("timestamp", "given"), UNSIGNED.values(), ids=UNSIGNED)
def test_headers_that_cannot_be_read_are_no_signature(timestamp: str, given: str) -> None:
    assert signature_fault(PUBLIC_KEY, BODY, timestamp, given, NOW) is SignatureFault.UNSIGNED


def test_a_forged_webhook_is_not_merely_stale() -> None:
    assert signature_fault(PUBLIC_KEY, BODY + b" ", str(NOW), VECTOR, NOW + 10_000) is SignatureFault.FORGED


def takes(body: bytes, timestamp: str, given: str) -> bool:
    """Whether Telnyx's own library does."""
    headers = {"Telnyx-Signature-Ed25519": given, "Telnyx-Timestamp": timestamp}
    with Telnyx(api_key="k", public_key=PUBLIC_KEY) as client:
        try:
            client.webhooks.unwrap(body.decode(), headers=headers)
        except Exception:  # noqa: BLE001  it raises several families
            return False
    return True


@pytest.mark.parametrize("off_s", [0, 1000])
@pytest.mark.parametrize("sent", [BODY, '{"data":{"name":"Zoë"}}'.encode(), BODY + b" "])
@pytest.mark.parametrize("key", [KEY, STRANGER], ids=["genuine", "forged"])
def test_agrees_with_telnyxs_own_library(key: Ed25519PrivateKey, sent: bytes, off_s: int) -> None:
    now = time.time()
    timestamp = str(int(now) - off_s)
    given = signed(BODY if sent == BODY + b" " else sent, timestamp, key)
    assert (signature_fault(PUBLIC_KEY, sent, timestamp, given, now) is None) is takes(sent, timestamp, given)


def test_a_public_key_is_checked() -> None:
    check_public_key(PUBLIC_KEY)


@pytest.mark.parametrize("text", ["", "KEY", "%", "ä", PUBLIC_KEY[:-4], PUBLIC_KEY + "AAAA", "11qYAYKx" * 8])
def test_what_is_no_public_key_is_told(text: str) -> None:
    with pytest.raises(ValueError, match="should be base64 of 32 bytes"):
        check_public_key(text)
