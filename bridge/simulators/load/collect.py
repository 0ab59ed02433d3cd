"""Adds up what the processes of a run have measured, second by second, and makes the results of it. No clock, no I/O."""

import platform
from collections.abc import Sequence
from importlib.metadata import version
from os import cpu_count

from bridge.simulators.load.call_log import percentiles
from bridge.simulators.load.histogram import Histogram, lower_ms, upper_ms
from bridge.simulators.load.measures import MOST_WORST, Counters, FailureNote, LastWords, Sample
from bridge.simulators.load.outage import failures_by_reason, find_outage
from bridge.simulators.load.own_load import own_limit
from bridge.simulators.load.plan import LoadPlan
from bridge.simulators.load.results import Bucket, Distribution, Measure, RunResults, Second, Totals, Versions
from bridge.simulators.load.server_watch import ServerUse
from bridge.simulators.load.verdict import Measured, Thresholds, judge

MOST_REASONS = 100
"""Different reasons of failures that are kept; further ones are counted together."""

OTHER_REASONS = "other reasons"
MOST_NOTES = 200_000
KINDS = ("latency", "turn_wait", "barge_in", "set_up", "own_lag")


class Collector:
    """The measures of one run with so many processes."""

    def __init__(self, processes: int) -> None:
        self._processes = processes
        self._waiting: dict[int, list[Sample]] = {}
        self._server: dict[int, ServerUse] = {}
        self._histograms = {kind: Histogram() for kind in KINDS}
        self._notes: list[FailureNote] = []
        self._reasons: set[str] = set()
        self.counters = Counters()
        self.seconds: list[Second] = []

    def add(self, sample: Sample) -> Second | None:
        """Add one process's second. Returns the second of all of them when it is complete."""
        self.counters.add(sample.counters)
        for kind, histogram in self._histograms.items():
            histogram.merge(getattr(sample, kind))
        for note in sample.failures:
            self._note(note)
        samples = self._waiting.setdefault(sample.at_s, [])
        samples.append(sample)
        return self._complete(sample.at_s) if len(samples) == self._processes else None

    def _note(self, note: FailureNote) -> None:
        if len(self._notes) >= MOST_NOTES:
            return
        if note.reason not in self._reasons:
            if len(self._reasons) >= MOST_REASONS:
                note = FailureNote(OTHER_REASONS, note.at_s, note.has_stream, note.in_reply)
            self._reasons.add(note.reason)
        self._notes.append(note)

    def server(self, at_s: int, use: ServerUse) -> None:
        """What the server used in this second."""
        self._server[at_s] = use

    def _complete(self, at_s: int) -> Second:
        samples = self._waiting.pop(at_s)
        merged = {kind: Histogram() for kind in KINDS}
        counters = Counters()
        for sample in samples:
            counters.add(sample.counters)
            for kind, histogram in merged.items():
                histogram.merge(getattr(sample, kind))
        use = self._server.get(at_s)
        second = Second(
            at_s=at_s,
            held=sum(sample.held for sample in samples),
            started=counters.started,
            ended=counters.completed + counters.cut_short,
            failed=counters.failed,
            frames_sent=counters.frames_sent,
            frames_back=counters.pieces,
            frames_lost=counters.frames_lost,
            underruns=counters.underruns,
            added_latency=percentiles(merged["latency"]),
            turn_wait=percentiles(merged["turn_wait"]),
            barge_in=percentiles(merged["barge_in"]),
            own_lag=percentiles(merged["own_lag"]),
            own_cpu_share=round(max(sample.own_cpu_share for sample in samples), 4),
            server_cpu_share=use.cpu_share if use else None,
            server_rss_mib=use.rss_mib if use else None,
        )
        self.seconds.append(second)
        return second

    def results(
        self,
        plan: LoadPlan,
        thresholds: Thresholds,
        last: Sequence[LastWords],
        *,
        began_at: str,
        ended_at: str,
        interrupted: bool = False,
        notes: tuple[str, ...] = (),
    ) -> RunResults:
        """The results of the run. `last`: what each process said at its end; one that was lost said nothing."""
        for at_s in sorted(self._waiting):
            self._complete(at_s)
        self.seconds.sort(key=lambda second: second.at_s)
        measure: Measure = "echo" if self.counters.frames_timed or plan.measure == "echo" else "turns"
        totals, whole = (
            self._totals(),
            {kind: distribution(found) for kind, found in self._histograms.items()},
        )
        measured = Measured(
            measure, totals, whole["latency"], whole["turn_wait"], whole["barge_in"], whole["set_up"]
        )
        share = max((one.cpu_s / max(one.length_s, 0.001) for one in last), default=0.0)
        limit = own_limit(self._histograms["own_lag"].percentile(99), share, plan.processes)
        uses = [*self._server.values()]
        return RunResults(
            options=plan.shown(),
            versions=versions(last),
            began_at=began_at,
            ended_at=ended_at,
            length_s=round(max((one.length_s for one in last), default=0.0), 3),
            interrupted=interrupted,
            measure=measure,
            totals=totals,
            added_latency=measured.added_latency,
            turn_wait=measured.turn_wait,
            barge_in=measured.barge_in,
            set_up=measured.set_up,
            own_lag=whole["own_lag"],
            own_cpu_share=round(share, 4),
            server_cpu_share=round(sum(use.cpu_share for use in uses) / len(uses), 4) if uses else None,
            server_rss_mib=max((use.rss_mib for use in uses), default=None),
            seconds=tuple(self.seconds),
            failures=failures_by_reason(self._notes),
            outage=find_outage(self._notes, self.seconds),
            worst=tuple(
                call
                for _, call in sorted((one for said in last for one in said.worst), key=lambda one: -one[0])
            )[:MOST_WORST],
            verdict=judge(measured, thresholds, limit, interrupted=interrupted),
            notes=(*notes, *_notes(plan)),
        )

    def _totals(self) -> Totals:
        counters = {name: getattr(self.counters, name) for name in self.counters.__struct_fields__}
        counters |= {name: round(counters[name], 2) for name in ("call_seconds", "underrun_ms", "heard_s")}
        del counters["pieces"]
        return Totals(most_held=max((second.held for second in self.seconds), default=0), **counters)


def distribution(histogram: Histogram) -> Distribution | None:
    """A histogram in the form of the results; None if nothing was counted."""
    if not histogram.count:
        return None
    return Distribution(
        count=histogram.count,
        min_ms=round(histogram.min_ms, 3),
        mean_ms=round(histogram.sum_ms / histogram.count, 3),
        p50_ms=round(histogram.percentile(50), 3),
        p90_ms=round(histogram.percentile(90), 3),
        p95_ms=round(histogram.percentile(95), 3),
        p99_ms=round(histogram.percentile(99), 3),
        p999_ms=round(histogram.percentile(99.9), 3),
        max_ms=round(histogram.max_ms, 3),
        buckets=tuple(
            Bucket(round(lower_ms(bucket), 4), round(upper_ms(bucket), 4), count)
            for bucket, count in sorted(histogram.counts.buckets.items())
        ),
    )


def versions(last: Sequence[LastWords]) -> Versions:
    """What was used, on this machine."""
    return Versions(
        voicebridge=version("voicebridge-server"),
        python=platform.python_version(),
        event_loop=last[0].event_loop if last else "unknown",
        machine=f"{platform.system()} {platform.release()}, {platform.machine()}, {cpu_count()} cores",
        tool_cores=cpu_count() or 1,
    )


def _notes(plan: LoadPlan) -> tuple[str, ...]:
    notes = []
    if plan.delay:
        notes.append(
            f"the played network delays each message by {plan.delay_ms:g} ms each way (± {plan.jitter_ms:g} ms): "
            "the latencies contain that"
        )
    if plan.loss:
        notes.append(
            "gaps where the played network has lost frames count as underruns if they are long enough"
        )
    return tuple(notes)
