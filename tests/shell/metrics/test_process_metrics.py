"""The figures of one process: garbage collections, refusals by reason, and what is read at a scrape."""

import asyncio
import gc
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from bridge.carriers.shared.rest import ApiAnswer, ApiRequest, NoAnswer, RetryRule
from bridge.config.settings import Settings
from bridge.observers.call_file import CallFile
from bridge.observers.metrics.closed_sets import OTHER, refusal_reason
from bridge.shell.admission import Admission
from bridge.shell.file_writer import FileWriter
from bridge.shell.load_gate import LoadGate, LoadLimits
from bridge.shell.metrics.process_metrics import Load, ProcessMetrics
from bridge.shell.refused_requests import RefusedRequests
from bridge.shell.rest_client import ApiClient
from bridge.shell.switchboard import Switchboard
from bridge.shell.tokens import TokenFault
from bridge.vocabulary.contracts import Account
from bridge.vocabulary.errors import CarrierRefused
from bridge.vocabulary.events import SERVER_CLOSES, CallStarted
from telecodecs.format import PCMU_8K

STARTED = datetime(2026, 11, 30, tzinfo=UTC)


async def scraped(metrics: ProcessMetrics) -> dict[str, float]:
    """Each sample by its name and the values of its labels."""
    families = text_string_to_metric_families((await metrics.scrape()).decode())
    return {
        " ".join([one.name.removeprefix("voicebridge_"), *one.labels.values()]): one.value
        for family in families
        for one in family.samples
    }


async def test_a_garbage_collection_is_measured_until_the_server_stops() -> None:
    metrics = ProcessMetrics()
    callbacks = list(gc.callbacks)
    metrics.start(lambda: Load(False, 0, 1.0, ()))
    gc.collect()
    assert (await scraped(metrics))["gc_pause_seconds_count 2"] == 1
    metrics.stop()
    assert gc.callbacks == callbacks


async def test_a_scrape_reads_what_nobody_counts() -> None:
    metrics = ProcessMetrics()
    metrics.start(lambda: Load(True, 50, 14400.0, {"sales"}, {"twilio": 3.5}))
    try:
        call = metrics.observer("twilio", "inbound", lambda _: ())
        call.saw(CallStarted("CA1", "MZ1", PCMU_8K), -1e6)
        found = await scraped(metrics)
        assert (found["draining"], found["calls_capacity"], found["call_limit_seconds"]) == (1, 50, 14400)
        assert found["assistant_circuit_open sales"] == 1
        assert found["oldest_call_seconds"] > 1e6
        assert found["playout_ahead_seconds twilio"] == 3.5
        assert any(name.startswith("build_info") for name in found)
        assert found["process_open_fds"] > 0
        call.close(0.0, Account({}, {}, 0.0, 0.0, ()))
        metrics.start(lambda: Load(False, 50, 14400.0, ()))
        found = await scraped(metrics)
        assert (found["oldest_call_seconds"], found["assistant_circuit_open sales"]) == (0, 0)
    finally:
        metrics.stop()


async def test_a_scrape_lets_the_event_loop_have_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.shell.metrics.process_metrics.SLICE_S", 0.0)
    turns = 0

    def turn() -> None:
        nonlocal turns
        turns += 1
        asyncio.get_running_loop().call_soon(turn)

    turn()
    metrics = ProcessMetrics()
    await metrics.scrape()
    assert turns > len(metrics.figures.described) / 2


def gate(**limits: Any) -> LoadGate:
    return LoadGate(LoadLimits(**limits))


def busy() -> str:
    crowded = gate(calls_per_s=1)
    crowded.take(0.0)
    return crowded.why_refused(0.0, 0, 0.0, 1e6)


@pytest.mark.parametrize(
    ("why", "reason"),
    [
        (gate(calls=1).why_refused(0.0, 1, 0.0, 1e6), "calls"),
        (busy(), "rate"),
        (gate().why_refused(0.0, 0, 0.0, 0), "descriptors"),
        (gate(lag_ms=20.0).why_refused(0.0, 0, 1.0, 1e6), "lag"),
        (SERVER_CLOSES, "draining"),
        (TokenFault.INVALID, "token_invalid"),
        (TokenFault.EXPIRED, "token_expired"),
        (TokenFault.USED, "token_used"),
        (TokenFault.FULL, "tokens_full"),
        ("a reason that nobody has written", OTHER),
    ],
)
def test_the_reason_of_a_refusal_is_one_of_a_closed_set(why: str, reason: str) -> None:
    assert refusal_reason(why) == reason


@pytest.mark.parametrize(
    ("target", "headers", "reason"),
    [
        ("/nobody/media/x", {}, "path"),
        ("/twilio/media/x", {"Origin": "https://example.com"}, "origin"),
        ("/twilio/media/x", {"X-Twilio-Signature": "wrong"}, "signature"),
        ("/twilio/media/x", {}, "token_invalid"),
    ],
)
async def test_a_socket_that_is_turned_away_is_counted_by_its_reason(target: str, headers: dict[str, str], reason: str) -> None:  # fmt: skip
    settings = Settings.model_validate({"assistant": "echo", "twilio": {"auth_token": "12345"}})
    metrics = ProcessMetrics()
    switchboard = Switchboard(settings)
    Admission(settings, switchboard, metrics=metrics).admit(target, headers)
    assert (await scraped(metrics))[f"sockets_refused_total {reason}"] == 1
    await switchboard.aclose()


async def test_a_file_that_cannot_be_written_is_counted_by_its_kind(tmp_path: Path) -> None:
    metrics, files = ProcessMetrics(), FileWriter()
    files.count_failure = metrics.file_failed
    (tmp_path / "a file").touch()
    for suffix in (".wav", ".jsonl", ".trace.jsonl", ".age"):
        CallFile(tmp_path / "a file" / "no folder", "CA1", STARTED, suffix, files)
    await files.aclose()
    found = await scraped(metrics)
    kinds = ("recording", "journal", "capture", OTHER)
    assert [found[f"call_files_failed_total {kind}"] for kind in kinds] == [1, 1, 1, 1]


async def test_a_webhook_that_is_turned_away_is_counted_by_its_carrier_and_status() -> None:
    metrics = ProcessMetrics()
    refused = RefusedRequests(metrics.webhook_refused)
    for _ in range(3):  # the log has one line of them
        refused.note(403, "/twilio/voice", "it is not signed")
    assert (await scraped(metrics))["webhooks_refused_total twilio 403"] == 3


@pytest.mark.parametrize(
    ("outcome", "read", "result"),
    [
        (ApiAnswer(200, {}, b""), {}, "taken"),
        (ApiAnswer(404, {}, b""), CarrierRefused("there is no such call"), "refused"),
        (NoAnswer.LOST, {}, "unanswered"),
        (asyncio.CancelledError(), {}, "broken_off"),
    ],
)
async def test_a_request_to_a_carrier_is_counted_by_its_result(outcome: object, read: object, result: str, monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    def data(_answer: ApiAnswer) -> dict[str, Any]:
        if isinstance(read, Exception):
            raise read
        return {}

    async def came(_client: ApiClient, _request: ApiRequest) -> object:
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    monkeypatch.setattr(ApiClient, "_outcome", came)
    metrics = ProcessMetrics()
    rule = RetryRule(answer_s=1.0, at_once=1, backoff_s=1.0, last_try_s=1.0, give_up_s=1.0)
    request = ApiRequest("twilio", "end call", "CA1", "POST", "http://example.com", {}, b"", rule, data)
    with suppress(CarrierRefused, asyncio.CancelledError):
        await ApiClient(measured=metrics.carrier_asked).send(request)
    found = await scraped(metrics)
    assert found[f"carrier_requests_total twilio end call {result}"] == 1
    assert found["carrier_request_seconds_count twilio end call"] == 1
