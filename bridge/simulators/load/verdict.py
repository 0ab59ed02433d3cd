"""Judges a run by its thresholds: which were held, and whether the tool itself was the limit. There is no clock here."""

import re
from dataclasses import dataclass
from typing import Literal, NamedTuple

from msgspec.structs import replace

from bridge.simulators.load.results import Bar, Distribution, Measure, Totals, Verdict
from bridge.vocabulary.errors import ConfigurationError

HELD, NOT_HELD, TOOL_LIMIT, INTERRUPTED = 0, 1, 3, 130
"""Exit codes."""

ECHO_P99_MS = 20.0
"""What a search for the capacity of an echo takes for `--max-p99-ms` if nothing is said: one frame."""


class Limit(NamedTuple):
    """The most of something: a number, or a share of all, 0 to 1."""

    value: float
    is_share: bool = False


NONE_AT_ALL = Limit(0)


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What must hold; None: anything does. By default no call may fail."""

    p99_ms: float | None = None
    barge_in_p99_ms: float | None = None
    set_up_p99_ms: float | None = None
    failures: Limit | None = NONE_AT_ALL
    underruns: Limit | None = None
    late: Limit | None = None
    lost: Limit | None = None
    unanswered: Limit | None = None
    echo_p99_ms: float | None = None
    """For `p99_ms` if that is None and the server is an echo."""


class Measured(NamedTuple):
    """What is judged."""

    measure: Measure
    totals: Totals
    added_latency: Distribution | None
    turn_wait: Distribution | None
    barge_in: Distribution | None
    set_up: Distribution | None


def read_limit(option: str, text: str) -> Limit | None:
    """Read a number such as "3" or a percentage such as "0.5%"; empty is None. Raises `ConfigurationError`."""
    if not text.strip():
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(%?)", text.strip())
    if match is None or (match[2] and float(match[1]) > 100):
        raise ConfigurationError(
            f"{option}: {text!r} is not a number or a share; expected for example 3 or 0.5%"
        )
    return Limit(float(match[1]) / 100, True) if match[2] else Limit(float(match[1]))


def judge(
    measured: Measured, thresholds: Thresholds, own_limit: str, *, interrupted: bool = False
) -> Verdict:
    """The verdict on one run. `own_limit`: see `own_load.own_limit`."""
    bars = tuple(_bars(measured, thresholds))
    broken = [bar for bar in bars if not bar.held]
    outcome: Literal["held", "not held", "tool was the limit", "interrupted"]
    if interrupted:
        outcome, code = "interrupted", INTERRUPTED
    elif not broken:
        outcome, code = "held", HELD
    elif own_limit and all(bar.option not in _NOT_OF_TIME and bar.value is not None for bar in broken):
        outcome, code = "tool was the limit", TOOL_LIMIT
    else:
        outcome, code = "not held", NOT_HELD
    sentence = _sentence(outcome, measured, bars, broken, own_limit)
    return Verdict(outcome=outcome, exit_code=code, sentence=sentence, bars=bars, own_limit=own_limit)


_NOT_OF_TIME = frozenset({"--max-failures"})
"""Thresholds that a slow tool does not break."""


def _bars(measured: Measured, wanted: Thresholds) -> list[Bar]:
    totals, is_echo = measured.totals, measured.measure == "echo"
    p99_ms = wanted.echo_p99_ms if wanted.p99_ms is None and is_echo else wanted.p99_ms
    latency = measured.added_latency if is_echo else measured.turn_wait
    what = "added latency of a frame, p99" if is_echo else "wait for a reply, p99"
    frames = totals.frames_timed + totals.frames_lost
    asked = totals.turns + totals.turns_unanswered
    placed = totals.placed if totals.started else 0  # a server that has taken no call has held nothing
    found = [
        _ms("--max-p99-ms", what, latency, p99_ms),
        _ms("--max-barge-in-p99-ms", "barge-in to silence, p99", measured.barge_in, wanted.barge_in_p99_ms),
        _ms("--max-set-up-p99-ms", "set-up time, p99", measured.set_up, wanted.set_up_p99_ms),
        _count("--max-failures", "failed calls", totals.failed, placed, wanted.failures, "calls"),
        _count("--max-underruns", "calls with underruns", totals.calls_with_underruns, totals.started, wanted.underruns, "calls"),
        _count("--max-late", "late frames", totals.frames_late, frames, wanted.late, "frames"),
        _count("--max-lost", "lost frames", totals.frames_lost, frames, wanted.lost, "frames"),
        _count("--max-unanswered", "turns without a reply", totals.turns_unanswered, asked, wanted.unanswered, ""),
    ]  # fmt: skip
    return [_none_was_taken(bar, totals) for bar in found if bar is not None]


def _none_was_taken(bar: Bar, totals: Totals) -> Bar:
    """A server that has taken no call at all has held nothing, whatever number of failures is allowed."""
    if bar.option != "--max-failures" or totals.started or not totals.failed:
        return bar
    return replace(bar, name="failed calls (not one was taken)", value=float(totals.failed), unit="calls")


def _ms(option: str, name: str, measured: Distribution | None, bar_ms: float | None) -> Bar | None:
    if bar_ms is None:
        return None
    value = measured.p99_ms if measured else None
    held = value is not None and value <= bar_ms
    return Bar(option=option, name=name, value=value, bar=bar_ms, unit="ms", held=held)


def _count(
    option: str,
    name: str,
    count: int,
    of: int,
    limit: Limit | None,
    unit: Literal["calls", "frames", ""],
) -> Bar | None:
    """A count that must not be exceeded. Of nothing at all it is not known, and not held."""
    if limit is None:
        return None
    value = count / of if limit.is_share and of else float(count)
    known = value if of else None
    return Bar(
        option=option,
        name=name,
        value=known,
        bar=limit.value,
        unit="share" if limit.is_share else unit,
        held=known is not None and known <= limit.value,
    )


def in_words(bar: Bar) -> str:
    """One threshold as a phrase: "added latency of a frame, p99: 34 ms, at most 20 ms"."""
    if bar.value is None:
        return f"{bar.name}: nothing was measured, at most {_amount(bar.bar, bar.unit)}"
    return f"{bar.name}: {_amount(bar.value, bar.unit)}, at most {_amount(bar.bar, bar.unit)}"


def _amount(value: float, unit: str) -> str:
    match unit:
        case "ms":
            return f"{value:.3g} ms" if value < 100 else f"{value:.0f} ms"
        case "share":
            return f"{value:.3g}" if value > 1 else f"{value * 100:.3g} %"
        case _:
            return f"{value:g}"


def _sentence(
    outcome: str, measured: Measured, bars: tuple[Bar, ...], broken: list[Bar], own_limit: str
) -> str:
    most = measured.totals.most_held
    calls = f"{most} call{'' if most == 1 else 's'} at once"
    match outcome:
        case "held":
            return f"{calls}, held: {'; '.join(map(in_words, bars)) or 'no threshold was given'}"
        case "tool was the limit":
            return f"{calls}, not known: {own_limit}; {'; '.join(map(in_words, broken))}"
        case "interrupted":
            return f"{calls}, interrupted: these are the figures until then"
        case _:
            times = any(bar.option not in _NOT_OF_TIME for bar in broken)
            more = f" ({own_limit})" if own_limit and times else ""
            return f"{calls}, not held: {'; '.join(map(in_words, broken))}{more}"
