"""Who looks at the page, and what they may do there. The rule itself is the control API's."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from bridge.shell.local_requests import is_local
from bridge.shell.page.address import is_local_name

COOKIE = "voicebridge_control"
"""The cookie of a login. Its value is a signed session, and never the token."""


class Visitor(NamedTuple):
    """Somebody who may see the page. `name`: of the token; `can`: the verbs of [control]."""

    name: str
    can: frozenset[str]


class PageAccess(Protocol):
    """The rule of one server."""

    @property
    def has_tokens(self) -> bool:
        """Whether anybody can log in."""
        ...

    def visitor(self, address: str, headers: Mapping[str, str]) -> Visitor | None:
        """Who asks, by the connection's address and the request's headers. None: nobody who may see the page."""
        ...

    def log_in(self, address: str, token: str) -> tuple[Visitor, str] | None:
        """Who has this token, and the value of the cookie. None: nobody has it."""
        ...


class LoopbackAccess:
    """This machine alone, where nobody can log in."""

    has_tokens = False

    def visitor(self, address: str, headers: Mapping[str, str]) -> Visitor | None:
        """See `PageAccess`."""
        is_ours = is_local(address, headers) and is_local_name(headers.get("Host", ""))
        return Visitor("this machine", frozenset({"see"})) if is_ours else None

    def log_in(self, address: str, token: str) -> tuple[Visitor, str] | None:
        """See `PageAccess`."""
        return None
