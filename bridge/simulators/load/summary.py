"""One call that is over, as the results show it: why it ended, how bad it was, and what is needed to draw it."""

from bridge.simulators.load.call_log import percentiles, spans
from bridge.simulators.load.caller import Caller
from bridge.simulators.load.results import CallSummary

_FAILED = 1e9
_LOST_MS = 20.0


def badness(caller: Caller, *, failed: bool) -> tuple[float, str]:
    """How bad a call was, as a number that grows with it, and what makes it so, as a phrase."""
    if failed:
        return _FAILED - len(caller.log.seconds), "it failed"
    waits = caller.turns.waits_ms if not caller.echo.is_echo else []
    log, lost = caller.log, caller.echo.lost
    found = [
        (log.underrun_ms * 2, f"the caller heard {log.underruns} gaps, {log.underrun_ms:.0f} ms together"),
        (lost * _LOST_MS, f"{lost} frames were lost"),
        (log.latency.max_ms, f"a frame took {log.latency.max_ms:.0f} ms"),
        (max(waits, default=0.0), f"the caller waited {max(waits, default=0.0):.0f} ms for a reply"),
    ]
    return max(found, key=lambda one: one[0])


def summarise(
    caller: Caller,
    *,
    ended: str,
    failed: bool,
    why: str,
    number: int,
    process: int,
    started_at_s: float,
    now: float,
) -> CallSummary:
    """The call in the form of the results. `now`: when it ended, on the clock of its frames."""
    began, log = now if caller.began is None else caller.began, caller.log
    log.note(now - began, "end", text=ended)
    return CallSummary(
        call_id=caller.stream.call_sid,
        number=number,
        process=process,
        started_at_s=round(started_at_s, 3),
        length_s=round(now - began, 3),
        ended=ended,
        failed=failed,
        why_worst=why,
        latency=percentiles(log.latency),
        turn_waits_ms=() if caller.echo.is_echo else tuple(round(ms, 1) for ms in caller.turns.waits_ms),
        underruns=log.underruns,
        underrun_ms=round(log.underrun_ms, 1),
        frames_late=log.late,
        frames_lost=caller.echo.lost,
        said=spans(log.said),
        heard=spans(caller.playout.spans, began),
        seconds=tuple(log.seconds),
        events=tuple(log.events),
    )
