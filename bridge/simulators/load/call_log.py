"""What is kept of one call, so that it can be drawn if it is one of the worst. A few KiB, however long the call is.

Times are seconds from the start of the call's stream, durations ms.
"""

from dataclasses import dataclass, field
from typing import Literal

from bridge.simulators.load.histogram import Histogram
from bridge.simulators.load.results import CallEvent, CallSecond, Percentiles, Span

MOST_EVENTS = 200
MOST_SPANS = 500
MOST_SECONDS = 7_200

Kind = Literal["reply", "gap", "clear", "barge_in", "key", "mark", "end", "refused"]


@dataclass(slots=True)
class CallLog:
    """Events, seconds and counts of one call."""

    latency: Histogram = field(default_factory=Histogram)
    latencies_ms: list[float] = field(default_factory=list)
    """Of the frames of an echo in this second."""
    late: int = 0
    underruns: int = 0
    underrun_ms: float = 0.0
    events: list[CallEvent] = field(default_factory=list)
    said: list[list[float]] = field(default_factory=list)
    seconds: list[CallSecond] = field(default_factory=list)
    _second_gap_ms: float = 0.0
    _lost_before: int = 0
    _speaks: bool = False

    def note(self, at_s: float, kind: Kind, ms: float | None = None, text: str = "") -> None:
        """Keep an event."""
        if len(self.events) < MOST_EVENTS:
            rounded = None if ms is None else round(ms, 2)
            self.events.append(CallEvent(at_s=round(at_s, 3), kind=kind, ms=rounded, text=text))

    def gap(self, at_s: float, ms: float) -> None:
        """The caller heard a gap within a reply, which ended then."""
        self.underruns += 1
        self.underrun_ms += ms
        self._second_gap_ms += ms
        self.note(at_s - ms / 1000, "gap", ms)

    def speech_began(self, at_s: float) -> None:
        if len(self.said) < MOST_SPANS:
            self.said.append([at_s, at_s])
            self._speaks = True

    def speech_ended(self, at_s: float) -> None:
        if self._speaks:
            self.said[-1][1] = at_s
            self._speaks = False

    def next_second(self, lost: int, late_ms: float) -> tuple[int, int]:
        """A second has passed. `lost`: frames of the call that were lost so far. Returns how many were lost and late in it."""
        came = self.latencies_ms
        worst = max(came) if came else None
        late = sum(ms > late_ms for ms in came) if worst is not None and worst > late_ms else 0
        self.latency.add_all(came)
        came.clear()
        self.late += late
        lost_now = lost - self._lost_before
        if len(self.seconds) < MOST_SECONDS:
            second = CallSecond(
                at_s=len(self.seconds),
                latency_max_ms=None if worst is None else round(worst, 2),
                frames_lost=lost_now,
                gap_ms=round(self._second_gap_ms, 1),
            )
            self.seconds.append(second)
        self._second_gap_ms, self._lost_before = 0.0, lost
        return lost_now, late


def percentiles(histogram: Histogram) -> Percentiles | None:
    """The percentiles of a histogram; None if nothing was counted."""
    if not histogram.count:
        return None
    return Percentiles(
        count=histogram.count,
        p50_ms=round(histogram.percentile(50), 3),
        p90_ms=round(histogram.percentile(90), 3),
        p99_ms=round(histogram.percentile(99), 3),
        max_ms=round(histogram.max_ms, 3),
    )


def spans(times: list[list[float]], began: float = 0.0) -> tuple[Span, ...]:
    """Stretches of time as they are written. `began`: of the call, on the clock of `times`."""
    return tuple(Span(round(begin - began, 3), round(end - began, 3)) for begin, end in times)
