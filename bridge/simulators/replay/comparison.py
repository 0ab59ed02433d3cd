"""Compares what the bridge sent in two traces of one call, and tells the first difference as a person would tell it.

Differences that do no harm do not count: the names of marks and streams, as long as each stands for the same one, times,
and, where a clear or the end cuts it, audio that is a little longer or shorter.
"""

from collections.abc import Iterator
from itertools import zip_longest
from typing import Any, NamedTuple

import numpy as np

from bridge.observers.trace import BRIDGE, CARRIER, Trace
from bridge.simulators.replay.outputs import Output, Segment, SentCommand, byte_ms, is_id, outputs, said_ids
from telecodecs.format import FRAME_MS

AROUND_MASKED_MS = 60
"""So far from audio that was taken out, audio may differ: a filter reaches as far."""

MOST_SHOWN = 60
"""Letters of a value that are shown."""


class Tolerance(NamedTuple):
    """What does not count as a difference. `ms`: how far a command may be from its place in the audio, and numbers of ms."""

    ms: float = FRAME_MS


class Difference(NamedTuple):
    """A difference. `at_ms`: since the carrier's socket was opened, in the trace."""

    at_ms: float
    words: str


class Comparison(NamedTuple):
    """What came of it."""

    difference: Difference | None
    """The first one; None: both are the same."""
    notes: tuple[str, ...]
    """What could not be compared."""
    legs: dict[str, dict[str, int]]
    """What the trace has sent on each leg that was compared."""


class _Ids:
    """Which id of now stands for which one of then. `said`: ids that the peers gave, which stand for themselves."""

    def __init__(self, said: frozenset[str]) -> None:
        self._said = said
        self._now: dict[str, str] = {}
        self._then: dict[str, str] = {}

    def is_same(self, then: str, now: str) -> bool:
        if then == now:
            return True
        if then in self._said or now in self._said:
            return False
        return self._now.setdefault(then, now) == now and self._then.setdefault(now, then) == then


def compare(
    then: Trace,
    now: Trace,
    tolerance: Tolerance | None = None,
    *,
    until_ms: float | None = None,
    carrier_only: bool = False,
) -> Comparison:
    """Compare a replay with its trace. `until_ms`: only what was sent so far; None: all of it.

    `carrier_only`: the replay tells nothing of its assistants.
    """
    has_assistant = then.header.has_assistant and now.header.has_assistant and not carrier_only
    if until_ms is None and then.is_cut_off:
        until_ms = then.lines[-1].at_ms if then.lines else 0.0
    notes = []
    repeats = _repeats_masked(then)
    if repeats:
        notes.append(
            "sensitive keys are masked in the caller's audio, which the assistant repeats: of its audio only the length was compared"
        )
    if not has_assistant:
        notes.append(
            "only what was sent to the carrier was compared: "
            + (
                "a server does not tell what it sends to its assistant"
                if carrier_only
                else "the trace lacks the messages of the assistant's leg"
            )
        )
    ids, then_all = _Ids(said_ids(then)), outputs(_until(then, until_ms), has_assistant=has_assistant)
    now_all = outputs(_until(now, until_ms), has_assistant=has_assistant)
    found: list[Difference] = []
    legs = [*then_all, *(leg for leg in now_all if leg not in then_all)]
    if carrier_only:
        legs = [leg for leg in legs if leg == CARRIER]
    for leg in legs:
        sides = _Sides(
            leg,
            then_all.get(leg, Output(leg)),
            now_all.get(leg, Output(leg)),
            byte_ms(then, leg),
            (tolerance or Tolerance()).ms,
            ids,
            is_cut=until_ms is not None,
            compares_audio=not repeats,
        )
        found += sides.differences()
    first = min(found, key=lambda one: one.at_ms, default=None)
    return Comparison(first, tuple(notes), {leg: then_all[leg].counts for leg in legs if leg in then_all})


def _until(trace: Trace, until_ms: float | None) -> Iterator[Any]:
    return (line for line in trace.lines if until_ms is None or line.at_ms <= until_ms)


def _repeats_masked(trace: Trace) -> bool:
    """Whether an assistant that is played anew repeats audio that was taken out."""
    if trace.header.has_assistant and any(
        line.leg.startswith("assistant") and line.to for line in trace.lines
    ):
        return False
    return any(line.masked and line.to == BRIDGE for line in trace.lines)


class _Sides(NamedTuple):
    """One leg in both."""

    leg: str
    then: Output
    now: Output
    byte_ms: float
    tolerance_ms: float
    ids: _Ids
    is_cut: bool
    compares_audio: bool

    def differences(self) -> Iterator[Difference]:
        """The first difference of this leg, or several of which the first counts."""
        last = max(len(self.then.segments), len(self.now.segments)) - 1
        for number, (then, now) in enumerate(zip_longest(self.then.segments, self.now.segments)):
            if then is None or now is None:
                return  # the clear between them was told
            found = [*self._commands(then, now), *self._audio(then, now, number, is_last=number == last)]
            if found:
                yield from found
                return

    # Commands

    def _commands(self, then: Segment, now: Segment) -> Iterator[Difference]:
        for one, other in zip_longest(then.commands, now.commands):
            if (told := self._command(one, other, then, now)) is not None:
                yield told
                return

    def _command(
        self, one: SentCommand | None, other: SentCommand | None, then: Segment, now: Segment
    ) -> Difference | None:
        if one is None and other is not None:
            if self.is_cut and not now.is_cleared:
                return None
            return self._told(other.at_ms, f"the trace has nothing more for {self._peer}; now {_did(other)}")
        if one is not None and other is None:
            if self.is_cut and not then.is_cleared:
                return None
            return self._told(one.at_ms, f"the trace has {_had(one)}; now nothing was sent to {self._peer}")
        assert one is not None
        assert other is not None
        if one.name != other.name:
            return self._told(one.at_ms, f"the trace has {_had(one)}; now {_did(other)} first")
        if (fault := self._fault(one.body, other.body, "")) is not None:
            return self._told(one.at_ms, f"the trace has {_had(one)} with {fault[0]}; now {fault[1]}")
        return self._place(one, other)

    def _place(self, one: SentCommand, other: SentCommand) -> Difference | None:
        later_ms = (other.place - one.place) * self.byte_ms
        if abs(later_ms) <= self.tolerance_ms:
            return None
        frames = abs(round(later_ms / FRAME_MS))
        more = "more were" if frames != 1 else "more was"
        fewer = "were" if frames != 1 else "was"
        after = round(one.place * self.byte_ms / FRAME_MS)
        now = (
            f"{frames} frame{'s' * (frames != 1)} {more} sent before it"
            if later_ms > 0
            else f"{frames} frame{'s' * (frames != 1)} that {fewer} sent before it had not been sent"
        )
        return self._told(one.at_ms, f"the trace has {_had(one)} after {after} frames of audio; now {now}")

    def _fault(self, then: Any, now: Any, path: str) -> tuple[str, str] | None:
        """What differs: a field with its value then, and its value now."""
        name = path.rpartition(".")[2]
        if isinstance(then, dict) and isinstance(now, dict):
            for key in [*then, *(key for key in now if key not in then)]:
                inner = f"{path}.{key}" if path else key
                if key not in then or key not in now:
                    return _values(inner, then.get(key, _NOTHING), now.get(key, _NOTHING))
                if (fault := self._fault(then[key], now[key], inner)) is not None:
                    return fault
            return None
        if isinstance(then, list) and isinstance(now, list) and len(then) == len(now):
            faults = (
                self._fault(a, b, f"{path}[{n}]") for n, (a, b) in enumerate(zip(then, now, strict=True))
            )
            return next((fault for fault in faults if fault is not None), None)
        if isinstance(then, str) and isinstance(now, str) and (is_id(name) or path == "mark.name"):
            is_same = self.ids.is_same(then, now)
        elif name.endswith("_ms") and _is_number(then) and _is_number(now):
            is_same = abs(then - now) <= self.tolerance_ms
        else:
            is_same = then == now
        return None if is_same else _values(path, then, now)

    # Audio

    def _audio(self, then: Segment, now: Segment, number: int, *, is_last: bool) -> Iterator[Difference]:
        if self.compares_audio and (place := self._first_other(then, now)) is not None:
            at_ms = then.at_ms(place)
            frame = int(place * self.byte_ms / FRAME_MS) + 1
            since = " since the last clear" if number else ""
            before = "" if frame == 1 else "; the frames before it are the same"
            yield self._told(at_ms, f"frame {frame} of the audio for {self._peer}{since} differs now{before}")
            return
        if then.is_cleared and now.is_cleared:
            return  # what was cut is told with the clear
        longer_ms = (len(now.audio) - len(then.audio)) * self.byte_ms
        if abs(longer_ms) <= self.tolerance_ms or (is_last and self.is_cut):
            return
        shorter = min(len(then.audio), len(now.audio))
        if longer_ms > 0:
            yield self._told(
                now.at_ms(shorter),
                f"the trace has no more audio for {self._peer}; now {longer_ms:.0f} ms more were sent",
            )
        else:
            yield self._told(
                then.at_ms(shorter),
                f"the trace has {-longer_ms:.0f} ms more audio for {self._peer}; now it was not sent",
            )

    def _first_other(self, then: Segment, now: Segment) -> int | None:
        """The first place where both have audio, and not the same."""
        size = min(len(then.audio), len(now.audio))
        if then.audio[:size] == now.audio[:size]:
            return None
        a, b = np.frombuffer(then.audio, np.uint8, size), np.frombuffer(now.audio, np.uint8, size)
        differs = a != b
        around = round(AROUND_MASKED_MS / self.byte_ms)
        for start, stop in (*then.masked, *now.masked):
            differs[max(0, start - around) : stop + around] = False
        return int(differs.argmax()) if differs.any() else None

    @property
    def _peer(self) -> str:
        return "the carrier" if self.leg.startswith("carrier") else self.leg

    def _told(self, at_ms: float, words: str) -> Difference:
        return Difference(at_ms, f"at {at_ms / 1000:.3f} s {words}")


class _Nothing:
    def __repr__(self) -> str:
        return "nothing"


_NOTHING = _Nothing()


def _values(path: str, then: Any, now: Any) -> tuple[str, str]:
    return f"{path or 'the text'} = {_short(then)}", _short(now)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= MOST_SHOWN else text[:MOST_SHOWN] + "…"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _had(command: SentCommand) -> str:
    return command.name


def _did(command: SentCommand) -> str:
    return f"{command.name} {'came' if command.name.startswith('the ') else 'was sent'}"
