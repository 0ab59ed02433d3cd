"""Says whether the tool itself was too slow, so that the server is not blamed for it."""

LAG_MS = 5.0
"""If 1 % of the tool's own frames are sent later than this, its figures are about itself."""

BUSY_SHARE = 0.9
"""Of one core. A process that needs more for the whole run has nothing left for a busy moment."""

TOOL_WAS_THE_LIMIT = "the tool itself was the limit: "


def own_limit(own_lag_p99_ms: float, cpu_share: float, processes: int) -> str:
    """Why the tool itself was the limit, as a sentence; empty if it was not. `cpu_share`: of its busiest process."""
    late, busy = own_lag_p99_ms > LAG_MS, cpu_share > BUSY_SHARE
    if not (late or busy):
        return ""
    found = []
    if late:
        found.append(
            f"it sent its own frames {own_lag_p99_ms:.1f} ms late (p99; expected at most {LAG_MS:g} ms)"
        )
    if busy:
        found.append(f"it used {cpu_share:.0%} of a core (expected at most {BUSY_SHARE:.0%})")
    more = (
        f"give it --processes {processes * 2}" if busy else "something else needs this machine's processors"
    )
    return f"{TOOL_WAS_THE_LIMIT}{' and '.join(found)}; {more}, or run it on another machine"
