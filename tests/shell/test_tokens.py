"""Media tokens: signed, for one carrier, kind of stream and call, for a minute and once; and keys that are exchanged."""

from base64 import urlsafe_b64decode, urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import msgpack

from bridge.carriers.shared.webhooks import StreamKind
from bridge.shell import tokens as module
from bridge.shell.tokens import (
    LIFE_S,
    MAC_BYTES,
    VERSION,
    MediaToken,
    TokenFault,
    Tokens,
    sign,
    token_key,
    verified,
)

OLD, NEW, OTHER = (token_key(secret * 32) for secret in "abc")
NOW = 1_800_000_000.0
TOKEN = MediaToken("twilio", "media", "CA1", "front", NOW + LIFE_S, "n1", b"twelve bytes")


def tokens(*keys: bytes, owner: str = "n1") -> Tokens:
    return Tokens(dict.fromkeys(("twilio", "telnyx"), keys or (NEW,)), owner)


def mint(minting: Tokens, call_id: str = "CA1") -> str:
    return minting.sign(minting.new("twilio", "media", call_id, "front", NOW))


def test_a_token_says_whose_it_is_and_is_good_once() -> None:
    own = tokens()
    token = own.read(mint(own), "twilio", "media")
    assert token is not None
    assert (token.call_id, token.assistant, token.owner, token.expires) == ("CA1", "front", "n1", NOW + 60)
    assert own.use(token, NOW + 1) is None
    assert own.use(token, NOW + 2) is TokenFault.USED
    again = own.read(mint(own), "twilio", "media")
    assert again is not None
    assert again != token
    assert own.use(again, NOW + 2) is None


@pytest.mark.parametrize(
    ("after_s", "fault"), [(LIFE_S - 0.001, None), (LIFE_S, TokenFault.EXPIRED), (1e9, TokenFault.EXPIRED)]
)
def test_a_token_is_good_for_a_minute(after_s: float, fault: TokenFault | None) -> None:
    own = tokens()
    token = own.read(mint(own), "twilio", "media")
    assert token is not None
    assert own.use(token, NOW + after_s) is fault


@pytest.mark.parametrize(
    ("carrier", "kind"), [("telnyx", "media"), ("twilio", "listen"), ("telnyx", "listen")]
)
def test_a_token_is_for_one_carrier_and_one_kind_of_stream(carrier: str, kind: StreamKind) -> None:
    own = tokens()
    assert own.read(mint(own), carrier, kind) is None


def test_another_process_with_the_same_keys_reads_it() -> None:
    token = tokens(owner="n2").read(mint(tokens(owner="n1")), "twilio", "media")
    assert token is not None
    assert token.owner == "n1"


EXCHANGE: dict[str, tuple[tuple[bytes, ...], tuple[bytes, ...], bool]] = {
    # keys of the one that mints, keys of the one that reads, whether it is read
    "before": ((OLD,), (OLD,), True),
    "the new key is known, and not signed with yet": ((OLD,), (OLD, NEW), True),
    "the new key signs, one process has it second": ((NEW, OLD), (OLD, NEW), True),
    "minted before the exchange": ((OLD,), (NEW, OLD), True),
    "after": ((NEW,), (NEW,), True),
    "a key that was thrown away": ((OLD,), (NEW,), False),
    "the first signs": ((NEW, OLD), (OLD,), False),
    "a stranger's": ((OTHER,), (NEW, OLD), False),
}


@pytest.mark.parametrize("name", EXCHANGE)
def test_keys_are_exchanged_while_calls_come_in(name: str) -> None:
    minting, reading, is_read = EXCHANGE[name]
    text = mint(tokens(*minting))
    assert (tokens(*reading).read(text, "twilio", "media") is not None) is is_read


text_of_anyone = st.text(max_size=60)
any_token = st.builds(
    MediaToken,
    carrier=text_of_anyone,
    kind=st.sampled_from(["media", "listen"]),
    call_id=text_of_anyone,
    assistant=text_of_anyone,
    expires=st.floats(allow_nan=False),
    owner=text_of_anyone,
    nonce=st.binary(max_size=20),
)


@given(any_token)
def test_what_was_signed_is_read_again_and_is_one_segment_of_a_path(token: MediaToken) -> None:
    text = sign(token, NEW)
    assert verified(text, [OLD, NEW]) == token
    assert set(text) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


@given(any_token, st.data())
def test_any_changed_byte_is_refused(token: MediaToken, data: st.DataObject) -> None:
    wire = bytearray(_decoded(sign(token, NEW)))
    wire[data.draw(st.integers(0, len(wire) - 1))] ^= data.draw(st.integers(1, 255))
    assert verified(_encoded(bytes(wire)), [NEW, OLD]) is None


@given(any_token, st.data())
def test_any_changed_character_is_refused(token: MediaToken, data: st.DataObject) -> None:
    """Also where it stands for the same bytes: the last character has bits that mean nothing."""
    text = sign(token, NEW)
    at = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters().filter(lambda character: character != text[at]))
    assert verified(text[:at] + other + text[at + 1 :], [NEW, OLD]) is None


@given(any_token, st.data())
def test_a_part_of_a_token_or_more_than_it_is_refused(token: MediaToken, data: st.DataObject) -> None:
    text = sign(token, NEW)
    assert verified(text[: data.draw(st.integers(0, len(text) - 1))], [NEW]) is None
    assert verified(text + data.draw(st.text(min_size=1, max_size=4)), [NEW]) is None


@given(st.text(max_size=200))
def test_a_guess_is_refused(text: str) -> None:
    assert verified(text, [NEW, OLD]) is None


@pytest.mark.parametrize(
    "body",
    [
        b"\x02" + msgpack.encode(TOKEN),
        VERSION + msgpack.encode(TOKEN) + b"\x00",
        VERSION + msgpack.encode([1, 2, 3]),
        VERSION + msgpack.encode(["twilio", "phone", "CA1", "", 0.0, "", b""]),
        VERSION,
        b"",
    ],
    ids=[
        "another version",
        "more behind it",
        "another shape",
        "another kind",
        "nothing",
        "less than nothing",
    ],
)
def test_what_is_signed_and_no_token_is_refused(body: bytes) -> None:
    assert verified(_encoded(body + module._mac(NEW, body)), [NEW]) is None


def test_used_tokens_are_remembered_until_they_expire_and_no_longer() -> None:
    own = tokens()
    for second in range(100):
        minted = own.sign(own.new("twilio", "media", f"CA{second}", "", NOW + second))
        token = own.read(minted, "twilio", "media")
        assert token is not None
        assert own.use(token, NOW + second) is None
        assert own.use(token, NOW + second) is TokenFault.USED
    assert len(own._used) == LIFE_S


def test_when_too_many_are_remembered_nobody_is_let_in_rather_than_anybody_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MOST_USED", 2)
    own = tokens()
    first, second, third = (own.read(mint(own, call), "twilio", "media") for call in ("CA1", "CA2", "CA3"))
    assert first is not None
    assert second is not None
    assert third is not None
    assert own.use(first, NOW) is own.use(second, NOW) is None
    assert own.use(third, NOW) is TokenFault.FULL
    assert own.use(first, NOW) is TokenFault.USED
    assert own.use(third, NOW + LIFE_S - 0.001) is TokenFault.FULL


def test_a_key_is_not_the_secret_that_it_comes_from() -> None:
    assert token_key("a" * 32) != token_key("b" * 32)
    assert len(token_key("short")) == MAC_BYTES


def _decoded(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _encoded(wire: bytes) -> str:
    return urlsafe_b64encode(wire).rstrip(b"=").decode()
