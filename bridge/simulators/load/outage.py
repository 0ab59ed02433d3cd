"""Finds in the failures of a run that the server was gone, and says what the callers heard of it. There is no clock here."""

from collections.abc import Sequence

from bridge.simulators.load.measures import FailureNote
from bridge.simulators.load.results import Failure, Outage, Second

WITHIN_S = 2.0
MOST_OF_THE_CALLS = 0.5
FEWEST = 2


def find_outage(failures: Sequence[FailureNote], seconds: Sequence[Second]) -> Outage | None:
    """The first time at which most of the calls under way broke within two seconds; None if there was none."""
    broken = sorted((note for note in failures if note.is_cut), key=lambda note: note.at_s)
    for first, note in enumerate(broken):
        together = [other for other in broken[first:] if other.at_s <= note.at_s + WITHIN_S]
        held = max((second.held for second in seconds if second.at_s <= note.at_s), default=0)
        under_way = _held_before(note.at_s, seconds, held)
        if len(together) >= max(FEWEST, under_way * MOST_OF_THE_CALLS):
            return _outage(together, failures)
    return None


def _held_before(at_s: float, seconds: Sequence[Second], most: int) -> int:
    """How many calls were under way at the end of the last whole second before."""
    before = [second.held for second in seconds if second.at_s + 1 <= at_s]
    return before[-1] if before else most


def _outage(together: Sequence[FailureNote], failures: Sequence[FailureNote]) -> Outage:
    at_s = together[0].at_s
    in_reply = sum(note.in_reply for note in together)
    refused = sum(not note.has_stream and note.at_s >= at_s for note in failures)
    after = f"; {calls_in_words(refused)} refused after that" if refused else ""
    return Outage(
        at_s=at_s,
        calls_broken=len(together),
        calls_in_reply=in_reply,
        refused_after=refused,
        sentence=f"{at_s:.1f} s after the start {calls_in_words(len(together))} broken "
        f"{_within(max(note.at_s for note in together) - at_s)}; {heard(together)}{after}",
    )


def _within(length_s: float) -> str:
    return "at once" if length_s < 0.05 else f"within {length_s:.1f} s"


def calls_in_words(count: int) -> str:
    """So many calls, and the verb that follows."""
    return f"{count} call{' was' if count == 1 else 's were'}"


def heard(notes: Sequence[FailureNote]) -> str:
    """What the callers of calls that broke heard, as a clause; empty for calls that never had a stream."""
    under_way = [note for note in notes if note.has_stream]
    if not under_way:
        return ""
    cut = sum(note.in_reply for note in under_way)
    if not cut:
        return "the callers heard silence before and after"
    whom = "the caller" if len(under_way) == 1 else f"{cut} of {len(under_way)} callers"
    return f"{whom} heard a reply that was cut off, then silence"


def failures_by_reason(notes: Sequence[FailureNote]) -> tuple[Failure, ...]:
    """The failures, the most frequent reason first."""
    by_reason: dict[str, list[FailureNote]] = {}
    for note in notes:
        by_reason.setdefault(note.reason, []).append(note)
    found = [
        Failure(
            reason=reason,
            count=len(same),
            first_at_s=min(note.at_s for note in same),
            last_at_s=max(note.at_s for note in same),
            heard=heard(same),
        )
        for reason, same in by_reason.items()
    ]
    return tuple(sorted(found, key=lambda failure: -failure.count))
