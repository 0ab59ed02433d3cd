"""Tells the log which requests to webhooks were refused and why: at most one line a second for a carrier and a status."""

from collections.abc import Callable
from http import HTTPStatus
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler

from bridge.config.checks import own_paths
from bridge.shell.sampled_log import SampledLog

LONGEST_PATH = 200
"""Characters of a path that are logged."""


class RefusedRequests:
    """Those of one server. `count`: called with the carrier and the status of each."""

    def __init__(self, count: Callable[[str, int], None] = lambda _carrier, _status: None) -> None:
        self._log = SampledLog()
        self._count = count
        self._paths = tuple(f"{path}/" for path in own_paths())

    def note(self, status: int, path: str, reason: str, address: str = "") -> None:
        """A request was refused. `address`: what its signature was checked against, if it was."""
        carrier = next((own for own in self._paths if path.startswith(own)), "")
        self._count(carrier.strip("/"), status)
        facts = {"checked_against": without_query(address)} if address else {}
        self._log.write(
            "warning",
            f"{carrier} {status}",
            "webhook turned away",
            status=status,
            path=path[:LONGEST_PATH],
            reason=reason,
            **facts,
        )

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Note what is refused before a webhook is asked: its path, its method, its body."""
        try:
            return await handler(request)
        except web.HTTPException as refused:
            if refused.status >= HTTPStatus.BAD_REQUEST and request.path.startswith(self._paths):
                self.note(refused.status, request.path, _reason(refused, request.method))
            raise


def without_query(address: str) -> str:
    """Host and path of an address, then its scheme: a log shows the path of nothing that looks like an address."""
    parts = urlsplit(address)
    return f"{parts.netloc.rpartition('@')[2]}{parts.path} ({parts.scheme})"


def _reason(refused: web.HTTPException, method: str) -> str:
    match refused.status:
        case HTTPStatus.NOT_FOUND:
            return "there is no webhook at its path"
        case HTTPStatus.METHOD_NOT_ALLOWED:
            return f"its method is {method[:LONGEST_PATH]}: expected POST"
        case _:
            return refused.text or refused.reason
