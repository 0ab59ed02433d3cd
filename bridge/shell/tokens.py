"""Media tokens: a webhook's answer carries one to the call's media socket, which proves with it what it may open.

A token is signed and holds all that must be known to let the socket in, so nothing is kept when one is minted; only
which tokens were used is remembered, until they expire. On the wire it is one path segment:
base64url(version, MessagePack of `MediaToken`, HMAC-SHA256 of both), without padding.
Sources: RFC 2104 (HMAC), RFC 4648 section 5 (base64url). No clock: `now` is Unix time in seconds, which other processes
and a restarted one agree upon.
"""

import hmac
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from enum import StrEnum

from msgspec import DecodeError, Struct, msgpack

from bridge.carriers.shared.webhooks import StreamKind

LIFE_S = 60.0
"""From the webhook's answer to the socket; carriers dial at once."""

VERSION = b"\x01"
MAC_BYTES = 32
NONCE_BYTES = 12

MOST_USED = 100_000
"""Nonces kept at a time, about 15 MB: 1,600 calls a second, far more than a process carries."""

KEY_LABEL = b"voicebridge media token 1"


class MediaToken(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What a token says; fields in the order in which they are sent."""

    carrier: str
    kind: StreamKind
    call_id: str
    assistant: str
    """Who answers, by name; the default if empty."""
    expires: float
    """Unix time in seconds."""
    owner: str
    """The process that minted it and knows the call."""
    nonce: bytes
    """Makes it unique, and good once."""


class TokenFault(StrEnum):
    """Why a token lets nobody in, for the log."""

    INVALID = "its token is not one of ours, or is for another carrier or another kind of stream"
    EXPIRED = "its token is too old"
    USED = "its token was used before"
    FULL = "too many tokens were used within a minute"


_READ = msgpack.Decoder(MediaToken)


def token_key(secret: str) -> bytes:
    """The key that signs tokens, from a secret that may have other uses as well (RFC 5869, 3.2: the label is `info`)."""
    return hmac.digest(secret.encode(), KEY_LABEL, "sha256")


class Tokens:
    """Mints and checks the tokens of one process.

    `keys`: by carrier; the first one signs, each may have signed what comes, so that keys can be exchanged while calls
    come in. `owner`: the name of this process.
    """

    def __init__(self, keys: Mapping[str, Sequence[bytes]], owner: str) -> None:
        assert all(keys.values()), "every carrier has a key"
        self._keys = keys
        self._owner = owner
        self._used: OrderedDict[bytes, float] = OrderedDict()  # until when each nonce is remembered

    def new(
        self,
        carrier: str,
        kind: StreamKind,
        call_id: str,
        assistant: str,
        now: float,
        life_s: float = LIFE_S,
    ) -> MediaToken:
        """A new token for a stream of this call, good for `life_s`; not signed yet."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return MediaToken(carrier, kind, call_id, assistant, now + life_s, self._owner, nonce)

    def sign(self, token: MediaToken) -> str:
        """A new token as it goes out."""
        return sign(token, self._keys[token.carrier][0])

    def read(self, text: str, carrier: str, kind: StreamKind) -> MediaToken | None:
        """What a token says that came on this path; None unless it was signed by us for this carrier and kind.

        It may have expired, or have been used: see `use`.
        """
        token = verified(text, self._keys[carrier])
        if token is None or (token.carrier, token.kind) != (carrier, kind):
            return None
        return token

    def use(self, token: MediaToken, now: float) -> TokenFault | None:
        """Use a token that was read: it is good for nobody after. None, or why it was not good."""
        if (fault := self.fault(token, now)) is not None:
            return fault
        # Until the token has expired by either clock: Unix time may be set back meanwhile.
        self._used[token.nonce] = max(now + LIFE_S, token.expires)
        return None

    def fault(self, token: MediaToken, now: float) -> TokenFault | None:
        """Why a token that was read is not good; None if it is. It is not used by that."""
        while self._used and next(iter(self._used.values())) <= now:
            self._used.popitem(last=False)
        if token.expires <= now:
            return TokenFault.EXPIRED
        if token.nonce in self._used:
            return TokenFault.USED
        if len(self._used) >= MOST_USED:
            return TokenFault.FULL
        return None


def sign(token: MediaToken, key: bytes) -> str:
    """A token as it goes out."""
    signed = VERSION + msgpack.encode(token)
    return urlsafe_b64encode(signed + _mac(key, signed)).rstrip(b"=").decode()


def owner_of(text: str) -> str:
    """The owner that a token names, without a check of who signed it; empty if it is none of ours."""
    try:
        wire = urlsafe_b64decode(text + "=" * (-len(text) % 4))
        return _READ.decode(wire[len(VERSION) : -MAC_BYTES]).owner if wire.startswith(VERSION) else ""
    except (ValueError, DecodeError):
        return ""


def verified(text: str, keys: Sequence[bytes]) -> MediaToken | None:
    """What a token says, if one of `keys` signed it. It takes the same time whichever byte is wrong."""
    try:
        wire = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return None
    signed, mac = wire[:-MAC_BYTES], wire[-MAC_BYTES:]
    is_signed = [hmac.compare_digest(mac, _mac(key, signed)) for key in keys]
    if not any(is_signed) or not signed.startswith(VERSION):
        return None
    if urlsafe_b64encode(wire).rstrip(b"=").decode() != text:  # the decoder skips what is not base64url
        return None
    try:
        return _READ.decode(signed[len(VERSION) :])
    except DecodeError:
        return None


def _mac(key: bytes, signed: bytes) -> bytes:
    return hmac.digest(key, signed, "sha256")
