"""What the supervisor answers itself: /healthz and /readyz, and what it tells whom."""

import json

import pytest

from bridge.shell.control.problems import retry_later
from bridge.shell.supervisor.health import health_answer, no_worker, refused
from bridge.shell.supervisor.messages import Load
from bridge.shell.supervisor.pool import Pool
from bridge.shell.supervisor.request import Request

HERE, ELSEWHERE = "127.0.0.1", "192.0.2.7"


def pool_of(*ready: bool, faults: dict[str, str] | None = None) -> Pool:
    pool = Pool()
    for number, is_ready in enumerate(ready):
        pool.add(number)
        pool.report(number, Load(received=9, calls=2, coming=1, faults=faults or {}))
        if is_ready:
            pool.ready_as(number, f"owner-{number}")
    return pool


def asked(path: str, pool: Pool, address: str = HERE, *, method: str = "GET", stopping: bool = False, **headers: str) -> tuple[int, dict[str, object]]:  # fmt: skip
    request = Request(method, path, headers, b"", b"")
    answer = health_answer(request, address, pool, 2, is_stopping=stopping)
    assert answer is not None
    head, _, body = answer.partition(b"\r\n\r\n")
    assert f"Content-Length: {len(body)}".encode() in head
    return int(head.split()[1]), json.loads(body)


BOTH = {"ready": 2, "total": 2}


def test_the_calls_of_all_workers_are_added() -> None:
    assert asked("/healthz", pool_of(True, True)) == (200, {"status": "ok", "calls": 4, "workers": BOTH})
    assert asked("/readyz", pool_of(True, True)) == (200, {"status": "ready", "calls": 4, "workers": BOTH})


def test_one_ready_worker_is_enough() -> None:
    status, answer = asked("/readyz", pool_of(True, False))
    assert (status, answer["workers"]) == (200, {"ready": 1, "total": 2})


@pytest.mark.parametrize(
    ("pool", "stopping", "said"),
    [(pool_of(False, False), False, "no worker is ready"), (pool_of(True, True), True, "draining")],
)
def test_is_not_ready(pool: Pool, stopping: bool, said: str) -> None:
    assert asked("/readyz", pool, ELSEWHERE, stopping=stopping) == (503, {"status": said})
    assert asked("/healthz", pool, ELSEWHERE, stopping=stopping) == (200, {"status": "ok"})


def test_faults_of_assistants_are_told_on_this_machine_alone() -> None:
    pool = pool_of(True, True, faults={"sales": "401"})
    assert asked("/readyz", pool)[1] == {"status": "degraded", "assistants": {"sales": "401"}, "calls": 4, "workers": BOTH}  # fmt: skip
    assert asked("/readyz", pool, ELSEWHERE) == (200, {"status": "ready"})
    assert asked("/readyz", pool, HERE, via="a proxy") == (200, {"status": "ready"})


def test_head_has_no_body() -> None:
    answer = health_answer(Request("HEAD", "/healthz", {}, b"", b""), HERE, pool_of(True), 1, is_stopping=False)  # fmt: skip
    assert answer is not None
    assert answer.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(("method", "path"), [("POST", "/healthz"), ("GET", "/health"), ("GET", "/twilio/voice")])  # fmt: skip
def test_other_requests_are_a_workers(method: str, path: str) -> None:
    assert health_answer(Request(method, path, {}, b"", b""), HERE, pool_of(True), 1, is_stopping=False) is None  # fmt: skip


def test_without_a_worker_one_is_told_to_come_again() -> None:
    assert no_worker().startswith(b"HTTP/1.1 503 ")
    assert b"\r\nRetry-After: 5\r\n" in no_worker()


def test_a_token_that_may_see_the_calls_opens_the_details() -> None:
    request = Request("GET", "/healthz", {}, b"", b"")
    answer = health_answer(request, ELSEWHERE, pool_of(True, True), 2, is_stopping=False, tells_more=True)
    assert answer is not None
    assert json.loads(answer.partition(b"\r\n\r\n")[2]) == {"status": "ok", "calls": 4, "workers": BOTH}


def test_too_many_requests_are_told_when_to_come_again() -> None:
    answer = refused(retry_later(2.0, "too many"))
    assert answer.startswith(b"HTTP/1.1 429 Too Many Requests\r\nContent-Type: application/problem+json\r\n")
    assert b"\r\nRetry-After: 2\r\n" in answer
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["detail"] == "too many"
