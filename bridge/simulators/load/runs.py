"""What `voicebridge load` does: one run with its progress shown, or a search for the capacity, run after run."""

from dataclasses import replace

import msgspec

from bridge.simulators.interruption import Interruption
from bridge.simulators.load.capacity import FIRST_CALLS, CapacitySearch
from bridge.simulators.load.display import live_progress
from bridge.simulators.load.plan import LoadPlan
from bridge.simulators.load.processes import LoadRun
from bridge.simulators.load.results import RunResults
from bridge.simulators.load.verdict import ECHO_P99_MS, Thresholds
from bridge.vocabulary.errors import ConfigurationError


async def run_load(
    plan: LoadPlan, thresholds: Thresholds, interruption: Interruption, title: str = "load"
) -> RunResults:
    """One run, shown on standard error as it goes on. Raises `ProcessFailed`."""
    with live_progress(title) as on_second:
        return await LoadRun(plan, thresholds, on_second).run(interruption)


async def search_capacity(
    plan: LoadPlan, thresholds: Thresholds, most_calls: int, interruption: Interruption
) -> RunResults:
    """Search the most calls that hold the thresholds; each step is a run of `plan.duration_s`.

    Returns the results of the largest run that held, else of the last one, with the search. `plan.calls`: of the first
    step, if it is more than `FIRST_CALLS`. Raises `ConfigurationError` if the calls arrive at a rate.
    """
    if plan.calls_per_second:
        raise ConfigurationError(
            "--find-capacity: expected without --calls-per-second: it searches a number of calls"
        )
    if most_calls < max(plan.calls, plan.processes):
        raise ConfigurationError(f"--max-calls {most_calls}: expected at least --calls and --processes")
    if thresholds.p99_ms is None:
        thresholds = replace(thresholds, echo_p99_ms=ECHO_P99_MS)
    search = CapacitySearch(max(plan.calls, FIRST_CALLS, plan.processes), most_calls)
    best: RunResults | None = None
    while (calls := search.next_calls()) is not None:
        results = await run_load(plan.with_calls(calls), thresholds, interruption, title=f"{calls} calls")
        search.record(calls, results.verdict, results.failures[0].reason if results.failures else "")
        is_held = results.verdict.outcome == "held"
        if best is None or is_held or best.verdict.outcome != "held":
            best = results
    assert best is not None, "a search has at least one step"
    return msgspec.structs.replace(best, capacity=search.found, interrupted=interruption.happened)
