"""Lets requests of the control API in: who asks, what they may do, how often, and from which page."""

import time
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus

import structlog
from aiohttp import web

from bridge.settings.control import Can
from bridge.shell.control.access import ControlAccess, Visitor
from bridge.shell.control.problems import Problem, retry_later
from bridge.shell.control.rate import Rate
from bridge.shell.session import clock

FAILURES_PER_S, MOST_FAILURES = 0.2, 20.0
"""Requests with a wrong token, or none, that are answered 401 for each address; those beyond are answered 429."""

LOCAL_PER_S = 50.0
"""Requests of this machine without a token."""

Handle = Callable[[web.Request, Visitor], Awaitable[web.StreamResponse]]

unix_clock = time.time

log = structlog.get_logger()


class Guard:
    """The rule of one server. `per_s`: requests of one token in a second."""

    def __init__(self, access: ControlAccess, per_s: float) -> None:
        self.access = access
        self._requests = Rate(per_s, 2 * per_s)
        self._local = Rate(LOCAL_PER_S, 2 * LOCAL_PER_S)
        self._failures = Rate(FAILURES_PER_S, MOST_FAILURES)

    def guarded(self, need: Can, handle: Handle) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """A handler for whoever can do what it needs; problems become answers."""

        async def answer(request: web.Request) -> web.StreamResponse:
            try:
                return await handle(request, self.visitor(request, need))
            except Problem as problem:
                return problem.answer()

        return answer

    def may(self, request: web.Request, need: Can) -> bool:
        """Whether a token, or a session, lets this request do it. It counts for no rate."""
        return self.access.may(request.remote or "", request.headers, unix_clock(), need)

    def visitor(self, request: web.Request, need: Can) -> Visitor:
        """Who asks. Raises `Problem`."""
        address = request.remote or ""
        visitor = self.access.visitor(address, request.headers, unix_clock())
        if visitor is None or (visitor.by == "loopback" and need not in visitor.can):
            raise self.stranger(address)
        if need not in visitor.can:
            raise Problem(HTTPStatus.FORBIDDEN, f"this token may not do it: its `can` should have {need!r}")
        if self.access.is_foreign(visitor, request.method, request.headers):
            raise Problem(
                HTTPStatus.FORBIDDEN, "a page of another site asks: the header Origin should name this server"
            )
        if (problem := self._too_many(visitor)) is not None:
            raise problem
        return visitor

    def too_many(self, address: str, headers: Mapping[str, str]) -> Problem | None:
        """Count a request that somebody else will answer: why it is not to be answered, or None."""
        visitor = self.access.visitor(address, headers, unix_clock())
        if visitor is not None:
            return self._too_many(visitor)
        problem = self.stranger(address)
        return problem if problem.status is HTTPStatus.TOO_MANY_REQUESTS else None

    def _too_many(self, visitor: Visitor) -> Problem | None:
        rate = self._local if visitor.by == "loopback" else self._requests
        if wait_s := rate.wait_s(visitor.name, clock()):
            return retry_later(wait_s, "too many requests of this token: see control.requests_per_s")
        return None

    def stranger(self, address: str) -> Problem:
        """The answer to somebody at this address who is not known: too many of them are told to wait."""
        if not self.access.is_on:
            return Problem(HTTPStatus.NOT_FOUND)
        if wait_s := self._failures.wait_s(address, clock()):
            return retry_later(wait_s, "too many requests without a good token")
        return Problem(
            HTTPStatus.UNAUTHORIZED,
            "a token is missing, wrong or expired: the header should be Authorization: Bearer TOKEN",
            {"WWW-Authenticate": "Bearer"},
        )
