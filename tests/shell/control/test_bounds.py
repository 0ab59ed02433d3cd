"""What bounds the requests of the control API: rates, and the answers that are kept. No sockets, no clock."""

import pytest
from aiohttp.test_utils import make_mocked_request

from bridge.settings.control import ControlToken
from bridge.shell.control import guard
from bridge.shell.control.access import ControlAccess
from bridge.shell.control.guard import Guard
from bridge.shell.control.problems import Problem
from bridge.shell.control.rate import MOST_NAMES, Rate
from bridge.shell.control.repeats import KEPT_S, MOST_KEPT, Repeats
from tests.shell.control.conftest import OPS


def test_a_rate_has_a_burst_and_an_average() -> None:
    rate = Rate(2, 4)
    assert [rate.wait_s("ops", 0.0) for _ in range(5)] == [0, 0, 0, 0, 0.5]
    assert rate.wait_s("other", 0.0) == 0
    assert [rate.wait_s("ops", 0.5), rate.wait_s("ops", 0.5)] == [0, 0.5]
    assert [rate.wait_s("ops", 100.0) for _ in range(5)] == [0, 0, 0, 0, 0.5]


def test_a_rate_remembers_a_bounded_number_of_names() -> None:
    rate = Rate(1, 1)
    for number in range(MOST_NAMES + 10):
        rate.wait_s(str(number), 0.0)
    assert rate.wait_s("0", 0.0) == 0  # it was forgotten
    assert rate.wait_s(str(MOST_NAMES), 0.0) == 1


def test_ten_thousand_requests_of_one_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """In ten seconds: 40 at once, and then 20 in a second; the others are told when to come again."""
    now = 0.0
    monkeypatch.setattr(guard, "clock", lambda: now)
    access = ControlAccess([ControlToken.model_validate({"name": "ops", "token": OPS})])
    one = Guard(access, 20.0)
    request = make_mocked_request("DELETE", "/calls/CA1", headers={"Authorization": f"Bearer {OPS}"})
    let_in, refused = 0, set[tuple[int, str]]()
    for number in range(10_000):
        now = number / 1_000
        try:
            one.visitor(request, "end")
            let_in += 1
        except Problem as problem:
            refused.add((problem.status.value, problem.headers["Retry-After"]))
    assert refused == {(429, "1")}
    assert let_in == pytest.approx(40 + 200, abs=2)


def test_ten_thousand_strangers_of_one_address(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(guard, "clock", lambda: now)
    one = Guard(ControlAccess([ControlToken.model_validate({"name": "ops", "token": OPS})]), 20.0)
    request = make_mocked_request("DELETE", "/calls/CA1", headers={"Authorization": "Bearer wrong"})
    statuses = []
    for number in range(10_000):
        now = number / 1_000
        with pytest.raises(Problem) as refused:
            one.visitor(request, "end")
        statuses.append(refused.value.status.value)
    assert statuses.count(401) == pytest.approx(20 + 2, abs=1)
    assert statuses.count(429) == 10_000 - statuses.count(401)


def test_an_answer_is_kept_for_ten_minutes() -> None:
    repeats = Repeats()
    assert repeats.begin("ops", "one", b"POST /a", 0.0) is None
    with pytest.raises(Problem, match="not done yet"):
        repeats.begin("ops", "one", b"POST /a", 1.0)
    repeats.done("ops", "one", b"{}")
    assert repeats.begin("ops", "one", b"POST /a", KEPT_S - 1) == b"{}"
    assert repeats.begin("show", "one", b"POST /b", KEPT_S - 1) is None  # keys are each token's own
    with pytest.raises(Problem, match="another request"):
        repeats.begin("ops", "one", b"POST /b", KEPT_S - 1)
    assert repeats.begin("ops", "one", b"POST /b", KEPT_S) is None


def test_the_answers_that_are_kept_are_bounded() -> None:
    repeats = Repeats()
    for number in range(MOST_KEPT + 100):
        repeats.begin("ops", str(number), b"POST /a", 0.0)
        repeats.done("ops", str(number), b"{}")
    assert len(repeats) <= MOST_KEPT
