"""Problem details (RFC 9457): how a request that is refused is answered."""

from collections.abc import Mapping
from http import HTTPStatus

from aiohttp import web
from msgspec import json

CONTENT_TYPE = "application/problem+json"


class Problem(Exception):  # it is answered, and no error of ours
    """A request is refused. `detail`: *what is wrong: what was expected*; `more`: further members of the answer."""

    def __init__(
        self, status: HTTPStatus, detail: str = "", headers: Mapping[str, str] | None = None, **more: object
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers or {}
        self.more = more

    def answer(self) -> web.Response:
        """The answer."""
        return web.Response(
            status=self.status,
            body=self.body(),
            headers=self.headers,
            content_type=CONTENT_TYPE,
        )

    def body(self) -> bytes:
        """The answer's body."""
        body: dict[str, object] = {"title": self.status.phrase, "status": self.status.value}
        if self.detail:
            body["detail"] = self.detail
        return json.encode(body | self.more)


class OutcomeUnknown(Problem):
    """Nobody knows whether it was done: under the same `Idempotency-Key` it is not done again, and answered so again."""


def retry_later(after_s: float, detail: str) -> Problem:
    """Too many requests."""
    seconds = max(1, round(after_s + 0.5))
    return Problem(HTTPStatus.TOO_MANY_REQUESTS, detail, {"Retry-After": str(seconds)})
