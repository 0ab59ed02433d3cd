"""The answers that the supervisor gives itself: whether the server lives and takes calls, and that there is no worker."""

from http import HTTPStatus

from msgspec import json

from bridge.shell.control.problems import CONTENT_TYPE, Problem
from bridge.shell.local_requests import is_local
from bridge.shell.supervisor.pool import Pool
from bridge.shell.supervisor.request import Request


def health_answer(
    request: Request,
    address: str,
    pool: Pool,
    workers: int,
    *,
    is_stopping: bool,
    tells_more: bool = False,
) -> bytes | None:
    """The whole answer to a request for /healthz or /readyz; None for other requests.

    `address`: who asks. `workers`: how many there should be. `tells_more`: whoever asks has a token that may see the calls.
    """
    if request.method not in ("GET", "HEAD") or request.path not in ("/healthz", "/readyz"):
        return None
    status, said = 200, "ok"
    if request.path == "/readyz":
        status, said = (200, "ready") if pool.ready else (503, "no worker is ready")
        if is_stopping:
            status, said = 503, "draining"
    answer: dict[str, object] = {"status": said}
    if tells_more or is_local(address, request.headers):
        faults = {name: why for member in pool.ready for name, why in member.reported.faults.items()}
        if request.path == "/readyz" and faults and status == 200:
            answer = {"status": "degraded", "assistants": faults}
        answer |= {"calls": pool.calls, "workers": {"ready": len(pool.ready), "total": workers}}
    body = json.encode(answer)
    sent = b"" if request.method == "HEAD" else body
    return _answer(HTTPStatus(status), "application/json; charset=utf-8", body, sent)


def refused(problem: Problem) -> bytes:
    """The whole answer to a request that is refused."""
    more = "".join(f"{name}: {value}\r\n" for name, value in problem.headers.items())
    body = problem.body()
    return _answer(problem.status, CONTENT_TYPE, body, body, more)


def no_worker() -> bytes:
    """The whole answer where no worker can take a request."""
    body = b"503: Service Unavailable"
    return _answer(
        HTTPStatus.SERVICE_UNAVAILABLE, "text/plain; charset=utf-8", body, body, "Retry-After: 5\r\n"
    )


def _answer(status: HTTPStatus, kind: str, body: bytes, sent: bytes, more: str = "") -> bytes:
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
        f"{more}Connection: close\r\n\r\n"
    )
    return head.encode() + sent
