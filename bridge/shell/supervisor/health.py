"""The answers that the supervisor gives itself: whether the server lives and takes calls, and that there is no worker."""

from msgspec import json

from bridge.shell.local_requests import is_local
from bridge.shell.supervisor.pool import Pool
from bridge.shell.supervisor.request import Request

UNAVAILABLE = 503


def health_answer(
    request: Request, address: str, pool: Pool, workers: int, *, is_stopping: bool
) -> bytes | None:
    """The whole answer to a request for /healthz or /readyz; None for other requests.

    `address`: who asks. `workers`: how many there should be.
    """
    if request.method not in ("GET", "HEAD") or request.path not in ("/healthz", "/readyz"):
        return None
    status, said = 200, "ok"
    if request.path == "/readyz":
        status, said = (200, "ready") if pool.ready else (UNAVAILABLE, "no worker is ready")
        if is_stopping:
            status, said = UNAVAILABLE, "draining"
    answer: dict[str, object] = {"status": said}
    if is_local(address, request.headers):
        faults = {name: why for member in pool.ready for name, why in member.reported.faults.items()}
        if request.path == "/readyz" and faults and status == 200:
            answer = {"status": "degraded", "assistants": faults}
        answer |= {"calls": pool.calls, "workers": {"ready": len(pool.ready), "total": workers}}
    body = json.encode(answer)
    return _answer(status, "application/json; charset=utf-8", body, b"" if request.method == "HEAD" else body)


def no_worker() -> bytes:
    """The whole answer where no worker can take a request."""
    body = b"503: Service Unavailable"
    return _answer(UNAVAILABLE, "text/plain; charset=utf-8", body, body, "Retry-After: 5\r\n")


def _answer(status: int, kind: str, body: bytes, sent: bytes, more: str = "") -> bytes:
    reason = "OK" if status == 200 else "Service Unavailable"
    head = (
        f"HTTP/1.1 {status} {reason}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
        f"{more}Connection: close\r\n\r\n"
    )
    return head.encode() + sent
