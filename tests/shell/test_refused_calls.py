"""Admission of new calls under load: who has a place, who is refused, and what the log says of it."""

import resource
from collections.abc import AsyncIterator, Callable
from http import HTTPStatus
from typing import Any

import pytest
from structlog.testing import capture_logs

from bridge.carriers.shared.webhooks import ExpectedCall
from bridge.config.settings import Settings
from bridge.shell import admission as module
from bridge.shell.admission import Admission
from bridge.shell.descriptors import COUNT_AGAIN_S, open_descriptors
from bridge.shell.loop_watch import WINDOW_PROBES
from bridge.shell.server import Server
from bridge.shell.switchboard import Switchboard
from bridge.shell.tokens import LIFE_S
from bridge.shell.websocket import SocketLeg

UPGRADE = {"Upgrade": "websocket"}
FULL = "there are 2 calls, and limits.max_calls is 2"

Open = Callable[..., Admission]


@pytest.fixture
async def opened() -> AsyncIterator[Open]:
    made: list[tuple[Admission, Switchboard]] = []

    def make(limits: dict[str, Any], **more: Any) -> Admission:
        tables = {"assistant": "echo", "twilio": {"auth_token": "12345"}}
        settings = Settings.model_validate(tables | {"limits": {"drain_s": 0.0} | limits} | more)
        switchboard = Switchboard(settings)
        admission = Admission(settings, switchboard)
        admission.public_url = "https://voice.example.com"
        made.append((admission, switchboard))
        return admission

    yield make
    for admission, switchboard in made:
        admission.close()
        admission.break_off()
        await admission.idle()
        await switchboard.aclose()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The sessions' clock, in the last item."""
    times = [1000.0]
    monkeypatch.setattr(module, "clock", lambda: times[-1])
    return times


def announced(admission: Admission, call_id: str) -> str:
    """What a voice webhook does with a call that is taken; the path of its media socket."""
    assert admission.why_refused("twilio", call_id) == ""
    return admission.expect("twilio", ExpectedCall(call_id)).removeprefix("wss://voice.example.com")


async def test_a_call_has_its_place_from_the_webhook_to_its_end(opened: Open, clock: list[float]) -> None:
    admission = opened({"max_calls": 2})
    path = announced(admission, "CA1")
    announced(admission, "CA2")
    assert admission.why_refused("twilio", "CA3") == FULL
    assert isinstance(admission.admit(path, UPGRADE), SocketLeg), "who was announced is let in"
    assert admission.why_refused("twilio", "CA3") == FULL
    admission.call_ended("twilio", "CA2")
    assert admission.why_refused("twilio", "CA3") == ""


async def test_a_call_whose_socket_never_comes_frees_its_place(opened: Open, clock: list[float]) -> None:
    admission = opened({"max_calls": 2})
    announced(admission, "CA1")
    announced(admission, "CA2")
    clock.append(clock[-1] + LIFE_S)
    assert admission.why_refused("twilio", "CA3") == ""


async def test_a_webhook_that_comes_again_needs_no_second_place(opened: Open, clock: list[float]) -> None:
    admission = opened({"max_calls": 2, "max_calls_per_s": 2})
    path = announced(admission, "CA1")
    announced(admission, "CA2")
    announced(admission, "CA2")
    assert isinstance(admission.admit(path, UPGRADE), SocketLeg)
    announced(admission, "CA1")  # the call is under way, and its webhook is answered anew


async def test_another_carriers_call_of_the_same_name_is_another_call(
    opened: Open, clock: list[float]
) -> None:
    admission = opened({"max_calls": 1})
    announced(admission, "CA1")
    assert admission.why_refused("telnyx", "CA1") == "there are 1 calls, and limits.max_calls is 1"


async def test_nobody_is_let_in_unannounced_beyond_the_limit(opened: Open, clock: list[float]) -> None:
    admission = opened({"max_calls": 1}, security={"allow_unauthenticated": True})
    assert isinstance(admission.admit("/twilio/media", UPGRADE), SocketLeg)
    assert admission.admit("/twilio/media", UPGRADE) is HTTPStatus.SERVICE_UNAVAILABLE


async def test_unannounced_calls_count_for_the_rate(opened: Open, clock: list[float]) -> None:
    admission = opened({"max_calls_per_s": 1}, security={"allow_unauthenticated": True})
    assert isinstance(admission.admit("/twilio/media", UPGRADE), SocketLeg)
    assert admission.admit("/twilio/media", UPGRADE) is HTTPStatus.SERVICE_UNAVAILABLE
    clock.append(clock[-1] + 1.0)
    assert isinstance(admission.admit("/twilio/media", UPGRADE), SocketLeg)


async def test_a_loop_that_lags_takes_no_call_and_keeps_those_it_has(
    opened: Open, clock: list[float]
) -> None:
    admission = opened({})
    path = announced(admission, "CA1")
    admission.lag_s = lambda: 0.05
    assert (
        admission.why_refused("twilio", "CA2") == "the event loop is 50 ms late, and limits.max_lag_ms is 20"
    )
    assert isinstance(admission.admit(path, UPGRADE), SocketLeg)


async def test_the_lag_is_that_of_the_server_s_loop() -> None:
    server = Server(Settings.model_validate({"security": {"allow_unauthenticated": True}}))
    assert server.admission.why_refused("twilio", "CA1") == ""
    server._loop_watch.lags.extend([0.03] * WINDOW_PROBES)
    assert server.admission.why_refused("twilio", "CA2").startswith("the event loop is 30 ms late")


async def test_file_descriptors_run_short(opened: Open, clock: list[float]) -> None:
    admission = opened({}, security={"allow_unauthenticated": True})
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (open_descriptors() + 20, before[1]))
    try:
        assert "file descriptors are left" in admission.why_refused("twilio", "CA1")
        assert admission.admit("/twilio/media", UPGRADE) is HTTPStatus.SERVICE_UNAVAILABLE
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    clock.append(clock[-1] + COUNT_AGAIN_S)
    assert admission.why_refused("twilio", "CA1") == ""


async def test_a_refused_call_prepares_nothing_and_is_one_line(opened: Open, clock: list[float]) -> None:
    admission = opened({"max_calls": 2})
    announced(admission, "CA1")
    announced(admission, "CA2")
    with capture_logs() as log:
        assert [admission.why_refused("twilio", f"CA{n}") for n in range(3, 103)] == [FULL] * 100
    assert log == [{"event": "= call refused", "log_level": "warning", "call_id": "CA3", "reason": FULL}]
    assert len(admission._expected) == 2


async def test_a_closing_server_refuses_whoever_calls(opened: Open, clock: list[float]) -> None:
    admission = opened({})
    announced(admission, "CA1")
    admission.closing = True
    assert {admission.why_refused("twilio", call) for call in ("CA1", "CA2")} == {"the server is closing"}
