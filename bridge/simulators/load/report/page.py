"""Writes the report of a load test: the verdict first, then what it rests on, then the calls that fared worst."""

from collections.abc import Callable, Iterator, Sequence
from html import escape
from importlib import resources
from pathlib import Path

from bridge.simulators.load.own_load import TOOL_WAS_THE_LIMIT
from bridge.simulators.load.report.call_picture import SHOWN, WORDS, call_picture
from bridge.simulators.load.report.chart import Line, distribution_chart, lines_chart
from bridge.simulators.load.report.scale import in_words
from bridge.simulators.load.results import (
    Bar,
    CallSummary,
    Capacity,
    Distribution,
    Percentiles,
    RunResults,
    Second,
)

OUTCOMES = {"held": "good", "not held": "bad", "tool was the limit": "doubt", "interrupted": "doubt"}
"""The colour of each verdict."""

POLICY = "default-src 'none'; style-src 'unsafe-inline'"
"""The file loads nothing and runs nothing."""


def write_report(results: RunResults, path: Path) -> None:
    """Write the report as one HTML file. Raises `OSError` if it cannot be written."""
    path.write_text(report_page(results), encoding="utf-8")


def report_page(results: RunResults) -> str:
    """The report as HTML. It loads nothing, and needs no script."""
    style = resources.files(__package__).joinpath("style.css").read_text(encoding="utf-8")
    title = f"Load test: {results.verdict.outcome}"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(part for section in SECTIONS for part in section(results))
        + "\n</main>\n</body>\n</html>\n"
    )


def _verdict(results: RunResults) -> Iterator[str]:
    verdict, found = results.verdict, _found(results)
    yield f'<header class="{OUTCOMES[verdict.outcome]}">'
    if found is None:
        yield f"<p class=outcome>{escape(verdict.outcome)}</p><h1>{escape(verdict.sentence)}</h1>"
    else:
        yield f"<p class=outcome>capacity</p><h1>{escape(found.sentence)}</h1>"
        yield f"<p>The figures below are those of one run. {escape(verdict.sentence)}</p>"
    if verdict.own_limit and verdict.outcome == "held":
        why = verdict.own_limit.removeprefix(TOOL_WAS_THE_LIMIT)
        yield f"<p>A part of these times is the tool's own, not the server's: {escape(why)}</p>"
    if results.outage is not None:
        yield f"<p><strong>{escape(results.outage.sentence)}</strong></p>"
    yield "</header>"
    if verdict.bars:
        yield _table(("Threshold", "Measured", "At most", ""), [_bar_row(bar) for bar in verdict.bars])


def _found(results: RunResults) -> Capacity | None:
    """The capacity, if one was found: then the page is about that, and the run is the one that held it."""
    return results.capacity if results.verdict.outcome == "held" else None


def _bar_row(bar: Bar) -> Sequence[str]:
    sign = '<b class="good">held</b>' if bar.held else '<b class="bad">not held</b>'
    return escape(bar.name), _quantity(bar.value, bar.unit), _quantity(bar.bar, bar.unit), sign


def _quantity(value: float | None, unit: str) -> str:
    if value is None:
        return "not measured"
    return (
        f"{in_words(value * 100)}&nbsp;%"
        if unit == "share"
        else f"{in_words(value)}&nbsp;{unit}".removesuffix("&nbsp;")
    )


def _at_a_glance(results: RunResults) -> Iterator[str]:
    totals = results.totals
    yield '<ul class="facts">'
    yield _fact(in_words(totals.most_held), "calls at once")
    yield _fact(in_words(totals.placed), "calls placed")
    yield _fact(in_words(totals.failed), "calls failed", is_bad=totals.failed > 0)
    latency = results.added_latency if results.measure == "echo" else results.turn_wait
    if latency is not None:
        yield _fact(f"{in_words(latency.p99_ms)} ms", f"{LATENCY[results.measure]}, p99")
    yield _fact(in_words(totals.underruns), "gaps in replies", is_bad=totals.underruns > 0)
    if results.server_cpu_share is not None:
        yield _fact(f"{in_words(results.server_cpu_share * 100)} %", "of a core: the server")
    if results.server_rss_mib is not None:
        yield _fact(f"{in_words(results.server_rss_mib)} MiB", "memory of the server, at most")
    yield "</ul>"


LATENCY = {"echo": "added latency", "turns": "wait for a reply"}
"""What is measured, by what the server answers with."""

MEANS = {
    "echo": "From the time at which a frame was due to be sent until it came back to the caller. A frame that could not be "
    "sent in time counts from when it was due.",
    "turns": "From the end of the caller's speech to the first sound of the reply that the caller hears.",
}


def _fact(value: str, name: str, *, is_bad: bool = False) -> str:
    return f"<li{' class=bad' if is_bad else ''}><b>{escape(value)}</b>{escape(name)}</li>"


def _bar_of(results: RunResults, *words: str) -> float | None:
    """The threshold whose option has all of these words."""
    found = (bar.bar for bar in results.verdict.bars if all(word in bar.option for word in words))
    return next(found, None)


def _latency(results: RunResults) -> Iterator[str]:
    name, of = LATENCY[results.measure], results.added_latency
    bar = _bar_of(results, "p99")
    if results.measure == "turns":
        of = results.turn_wait
    yield f"<h2>{name.capitalize()}</h2><p>{MEANS[results.measure]}</p>"
    if of is None or not of.count:
        yield "<p>Nothing was measured.</p>"
        return
    yield _figure(distribution_chart(of, f"How often each {name} was measured, %", bar=bar))
    rows = [_distribution_row(name, of)]
    others = (
        ("barge-in to silence", results.barge_in),
        ("set-up of a call", results.set_up),
        ("lag of this tool", results.own_lag),
    )
    rows += [_distribution_row(title, other) for title, other in others if other is not None and other.count]
    yield _table(("ms", "count", "p50", "p90", "p95", "p99", "p99.9", "longest"), rows)

    def taken(second: Second) -> Percentiles | None:
        return second.added_latency if results.measure == "echo" else second.turn_wait

    lines = [
        Line("p50", "a", _series(results, taken, lambda one: one.p50_ms)),
        Line("p99", "b", _series(results, taken, lambda one: one.p99_ms)),
        Line("the longest", "c", _series(results, taken, lambda one: one.max_ms)),
    ]
    yield "<h3>Over time</h3>"
    yield _figure(lines_chart(lines, f"{name.capitalize()} in each second of the run", "ms", bar=bar))


def _series(
    results: RunResults, taken: Callable[[Second], Percentiles | None], value: Callable[[Percentiles], float]
) -> list[tuple[float, float | None]]:
    found = ((second.at_s, taken(second)) for second in results.seconds)
    return [(at_s, None if one is None else value(one)) for at_s, one in found]


def _distribution_row(name: str, of: Distribution) -> Sequence[str]:
    percentiles = (of.p50_ms, of.p90_ms, of.p95_ms, of.p99_ms, of.p999_ms, of.max_ms)
    return (escape(name), in_words(of.count), *map(in_words, percentiles))


def _calls(results: RunResults) -> Iterator[str]:
    seconds = results.seconds
    lines = [
        Line("calls under way", "a", [(second.at_s, second.held) for second in seconds]),
        Line(
            "failed in this second",
            "bad",
            [(second.at_s, second.failed) for second in seconds],
            is_columns=True,
        ),
    ]
    yield "<h2>Calls</h2>"
    yield _figure(lines_chart(lines, "Calls under way, and calls that failed, in each second", "calls"))
    if results.totals.underruns or results.totals.frames_lost:
        troubles = [
            Line("gaps in replies", "b", [(second.at_s, second.underruns) for second in seconds]),
            Line("frames lost", "c", [(second.at_s, second.frames_lost) for second in seconds]),
        ]
        yield _figure(lines_chart(troubles, "Gaps in replies and lost frames in each second", "count"))
    if results.failures:
        rows = [
            (escape(one.reason), in_words(one.count), f"{in_words(one.first_at_s)}&nbsp;s", escape(one.heard))
            for one in results.failures
        ]
        yield _table(("Why calls failed", "calls", "first at", "what the callers heard"), rows)


def _server(results: RunResults) -> Iterator[str]:
    yield "<h2>Server and tool</h2>"
    shares = [
        Line("this tool", "c", [(second.at_s, second.own_cpu_share * 100) for second in results.seconds])
    ]
    if results.server_cpu_share is not None:
        server = [(second.at_s, _in_percent(second.server_cpu_share)) for second in results.seconds]
        shares.insert(0, Line("the server", "a", server))
    yield _figure(lines_chart(shares, "Processor time in each second, % of one core", "%"))
    if results.server_rss_mib is not None:
        memory = [(second.at_s, second.server_rss_mib) for second in results.seconds]
        yield _figure(
            lines_chart([Line("the server", "b", memory)], "Memory of the server in each second", "MiB")
        )
    elif results.options.pid == 0:
        yield "<p>The server was not watched: <code>--pid</code> shows its CPU and its memory.</p>"


def _in_percent(share: float | None) -> float | None:
    return None if share is None else share * 100


def _capacity(results: RunResults) -> Iterator[str]:
    if results.capacity is None:
        return
    yield "<h2>Capacity</h2>"
    if _found(results) is None:
        yield f"<p>{escape(results.capacity.sentence)}</p>"
    rows = [
        (in_words(step.calls), f'<b class="{OUTCOMES[step.outcome]}">{step.outcome}</b>', escape(step.broke))
        for step in results.capacity.steps
    ]
    yield _table(("calls", "outcome", "what was not held"), rows)


def _worst(results: RunResults) -> Iterator[str]:
    if not results.worst:
        return
    yield "<h2>The calls that fared worst</h2>"
    for call in results.worst:
        yield _figure(call_picture(call), _caption(call))
    signs = "".join(f'<li><i class="event {kind}"></i>{WORDS[kind]}</li>' for kind in WORDS if kind in SHOWN)
    yield f'<ul class="key">{signs}</ul>'
    columns = "the slowest frame" if results.measure == "echo" else "the length of the gaps in replies"
    yield f"<p>Below the dots, each column is {columns} of one second of the call.</p>"


def _caption(call: CallSummary) -> str:
    began = f"began at {in_words(call.started_at_s)} s, lasted {in_words(call.length_s)} s"
    return f"<b>{escape(call.why_worst)}</b>: {escape(call.call_id)}, {began}; {escape(call.ended)}"


def _setting(results: RunResults) -> Iterator[str]:
    options, versions = results.options, results.versions
    shown = {
        name.removesuffix("_ms").removesuffix("_s").replace("_", "-"): value
        for name in options.__struct_fields__
        if (value := getattr(options, name)) not in ("", 0, 0.0, False)
    }
    rows = [(escape(name), escape(str(value))) for name, value in shown.items()]
    rows += [(name, escape(str(getattr(versions, name)))) for name in versions.__struct_fields__]
    rows += [("began", escape(results.began_at)), ("ended", escape(results.ended_at))]
    yield "<h2>How it was measured</h2>"
    yield from (f"<p>{escape(note)}</p>" for note in results.notes)
    yield _table(("", ""), rows)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Cells are HTML."""
    head = "".join(f"<th>{escape(name)}</th>" for name in heads)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<div class=table><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"


def _figure(picture: str, caption: str = "") -> str:
    below = f"<figcaption>{caption}</figcaption>" if caption else ""
    return f"<figure>{picture}{below}</figure>"


SECTIONS: tuple[Callable[[RunResults], Iterator[str]], ...] = (
    *(_verdict, _at_a_glance, _capacity, _latency, _calls, _server),
    *(_worst, _setting),
)
