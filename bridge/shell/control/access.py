"""Who asks for the calls under way, and what they may do: by a token, by the cookie of a session, or from this machine.

Tokens are kept as their SHA-256 alone, and compared in constant time. A session is what the page's login form gives for a
token: its cookie has the token's name, its end, and an HMAC that the token's hash keys. So every process of a server knows
it, it ends with its token, and it tells nothing of the token itself. No clock: `now` is Unix time in seconds.
"""

import hmac
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from ipaddress import ip_address
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

from bridge.config.addresses import is_on_loopback
from bridge.config.settings import Settings
from bridge.settings.control import Can, ControlToken
from bridge.shell.local_requests import is_local

COOKIE = "voicebridge_control"

SESSION_S = 12 * 3600.0
"""How long a session lasts."""

SCHEME = "bearer "

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing (RFC 9110, 9.2.1)."""

LOCAL: frozenset[Can] = frozenset({"see"})
"""What somebody on this machine may do without a token."""


class Visitor(NamedTuple):
    """Somebody who was recognised. `by`: with which proof."""

    name: str
    can: frozenset[Can]
    by: Literal["token", "cookie", "loopback"]


class KnownToken(NamedTuple):
    """One token, as it is kept."""

    name: str
    digest: bytes
    can: frozenset[Can]
    ends: float
    """Unix time from which on it is no longer good."""


class ControlAccess:
    """The tokens of one server. `public_url`: where the server is reached beside the host that a request names.

    `is_behind_proxy`: what comes from this machine may be a proxy's, which need not say so: nobody is let in for being here.
    """

    def __init__(
        self, tokens: Sequence[ControlToken] = (), public_url: str = "", *, is_behind_proxy: bool = False
    ) -> None:
        self._known = known_tokens(tokens)
        self._is_behind_proxy = is_behind_proxy
        self.public_url = public_url

    def replace(self, known: Sequence[KnownToken]) -> None:
        """These tokens are good from now on, and no others; sessions end with their tokens."""
        self._known = [*known]

    @property
    def is_on(self) -> bool:
        """Whether there is a token, and with it the control API."""
        return bool(self._known)

    def visitor(self, address: str, headers: Mapping[str, str], now: float) -> Visitor | None:
        """Who asks, from `address`; None: nobody who is known. `headers`: with names in any case.

        A wrong token is refused on this machine too; a cookie that is no longer good is as none.
        """
        given = {name.lower(): value for name, value in headers.items()}
        if (authorization := given.get("authorization")) is not None:
            return self._bearer(authorization, now)
        session = _cookie(given.get("cookie", ""))
        if session and (visitor := self._of_session(session, now)) is not None:
            return visitor
        is_here = not self._is_behind_proxy and is_local(address, given)
        if is_here and _names_this_machine(given.get("host", "")):
            return Visitor("loopback", LOCAL, "loopback")
        return None

    def may(self, address: str, headers: Mapping[str, str], now: float, need: Can) -> bool:
        """Whether whoever asks may do it."""
        visitor = self.visitor(address, headers, now)
        return visitor is not None and need in visitor.can

    def _bearer(self, authorization: str, now: float) -> Visitor | None:
        if not authorization.lower().startswith(SCHEME):
            return None
        known = self._with_token(authorization[len(SCHEME) :].strip(), now)
        return None if known is None else Visitor(known.name, known.can, "token")

    def _with_token(self, token: str, now: float) -> KnownToken | None:
        digest = _digest(token)
        found = None
        for known in self._known:  # all of them, so that the time tells nothing
            if hmac.compare_digest(known.digest, digest):
                found = known
        return found if found is not None and now < found.ends else None

    # Sessions

    def log_in(self, token: str, now: float) -> str | None:
        """The value of the cookie for whoever has this token; None: it is not good."""
        known = self._with_token(token, now)
        if known is None:
            return None
        ends = f"{min(now + SESSION_S, known.ends):.0f}"
        return f"{known.name}~{ends}~{_signature(known, ends)}"

    def _of_session(self, value: str, now: float) -> Visitor | None:
        name, _, rest = value.partition("~")
        ends, _, signature = rest.partition("~")
        known = next((one for one in self._known if one.name == name), None)
        if known is None or not (ends.isascii() and ends.isdecimal() and len(ends) < 16):
            return None
        if not hmac.compare_digest(_signature(known, ends).encode(), signature.encode(errors="replace")):
            return None
        return Visitor(known.name, known.can, "cookie") if now < min(float(ends), known.ends) else None

    # Pages of others

    def is_foreign(self, visitor: Visitor, method: str, headers: Mapping[str, str]) -> bool:
        """Whether this request may come from a page of another site, which a browser sends with our cookie.

        A token is no such case: no page has it. A request that changes something has to name our own origin.
        """
        if visitor.by == "token" or method.upper() in SAFE:
            return False
        given = {name.lower(): value for name, value in headers.items()}
        return not self.is_own_origin(given.get("origin", ""), given.get("host", ""))

    def is_own_origin(self, origin: str, host: str) -> bool:
        """Whether a page of this origin is ours. `host`: to whom the request was sent, by its header."""
        try:
            page = urlsplit(origin)
        except ValueError:
            return False
        if page.scheme not in ("http", "https") or not page.netloc:
            return False
        own = urlsplit(self.public_url)
        is_public = bool(own.netloc) and (page.scheme, page.netloc) == (own.scheme, own.netloc)
        return is_public or page.netloc.lower() == host.lower()


def may_be_behind_proxy(settings: Settings) -> bool:
    """Whether the port of the control API is the one that the world reaches by `public_url`."""
    return settings.control.port is None and not is_on_loopback(settings.public_url)


def known_tokens(tokens: Sequence[ControlToken]) -> list[KnownToken]:
    """The tokens of the settings."""
    return [KnownToken(one.name, _digest(one.secret), frozenset(one.can), _end_of_day(one)) for one in tokens]


def _digest(token: str) -> bytes:
    return sha256(token.encode(errors="replace")).digest()


def _signature(known: KnownToken, ends: str) -> str:
    said = f"voicebridge session\0{known.name}\0{ends}".encode()
    return hmac.new(known.digest, said, sha256).hexdigest()


def _end_of_day(token: ControlToken) -> float:
    """When the day of its end is over, in UTC."""
    if token.expires is None:
        return float("inf")
    return (datetime.fromisoformat(token.expires).replace(tzinfo=UTC) + timedelta(days=1)).timestamp()


def _cookie(header: str) -> str:
    """The value of our cookie; empty where there is none."""
    pairs = (pair.strip().partition("=") for pair in header.split(";"))
    return next((value for name, _, value in pairs if name == COOKIE), "")


def _names_this_machine(host: str) -> bool:
    """Whether the header `Host` is an address or localhost.

    The page of a stranger whose name was made to lead to this machine sends that name (DNS rebinding).
    """
    try:
        name = urlsplit(f"//{host}").hostname if not host.startswith("/") else None
    except ValueError:
        return False
    if name is None:
        return False
    try:
        ip_address(name)
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")
    return True
