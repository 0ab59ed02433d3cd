"""Who may read the figures on the server's own port: this machine, and whoever has one of the tokens."""

import hmac
from collections.abc import Mapping, Sequence

from bridge.shell.local_requests import is_local

SCHEME = "bearer "


class Access:
    """The rule of one server. `tokens`: each of them will do (RFC 6750, 2.1)."""

    def __init__(self, tokens: Sequence[str] = ()) -> None:
        self.replace(tokens)

    def replace(self, tokens: Sequence[str]) -> None:
        """These tokens are good from now on, and no others."""
        self._tokens = [token.encode() for token in tokens]

    def is_allowed(self, address: str, headers: Mapping[str, str]) -> bool:
        """`address`: who asks; `headers`: with names in any case. A wrong token is refused on this machine, too."""
        given = {name.lower(): value for name, value in headers.items()}
        authorization = given.get("authorization")
        if authorization is None:
            return is_local(address, given)
        if not authorization.lower().startswith(SCHEME):
            return False
        word = authorization[len(SCHEME) :].strip().encode(errors="replace")
        return any(hmac.compare_digest(word, token) for token in self._tokens)
