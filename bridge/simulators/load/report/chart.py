"""Charts as SVG, drawn without a script: lines over time, a distribution. Colours are classes of the page's style sheet."""

from collections.abc import Iterator, Sequence
from html import escape
from typing import NamedTuple

from bridge.simulators.load.report.scale import Scale, in_words
from bridge.simulators.load.results import Bucket, Distribution

WIDTH, HEIGHT = 720.0, 220.0
LEFT, RIGHT, TOP, BOTTOM = 56.0, 16.0, 14.0, 34.0
BUCKETS_PER_COLUMN = 4
"""Buckets of a distribution that share a column: about 30 columns for each power of ten."""

LETTER = 9.0
"""The width of a letter on a phone, at most."""

MOST_TICKS_APART = 8
POINTS_OF_A_LINE = 600
"""More seconds than this are drawn as the largest value of several."""


class Line(NamedTuple):
    """A curve, or columns. `points`: seconds and values; None where nothing was measured, and the line is broken."""

    name: str
    colour: str
    """A class of the style sheet."""
    points: Sequence[tuple[float, float | None]]
    is_columns: bool = False


def lines_chart(lines: Sequence[Line], title: str, unit: str, *, bar: float | None = None) -> str:
    """Lines over the seconds of a run. `bar`: a threshold, drawn across."""
    values = [value for line in lines for _, value in line.points if value is not None]
    highest = max([*values, bar or 0.0], default=0.0)
    longest = max((at for line in lines for at, _ in line.points), default=1.0)
    x = Scale(0, longest, LEFT, WIDTH - RIGHT)
    y = Scale(0, highest * 1.08 or 1.0, HEIGHT - BOTTOM, TOP)
    drawn = (_columns(line, x, y) if line.is_columns else _curve(line, x, y) for line in lines)
    shapes = [*_axes(x, y, "s", unit), *drawn]
    if bar is not None:
        shapes.append(_across(y(bar), f"at most {in_words(bar)} {unit}"))
    return _svg(shapes, title) + _key(lines)


def distribution_chart(distribution: Distribution, title: str, *, bar: float | None = None) -> str:
    """How often each duration occurred; the axis of durations is logarithmic. `bar`: a threshold, drawn upright."""
    columns = list(_grouped(distribution.buckets))
    low = max(min(column.from_ms for column in columns), 0.01)
    high = max(*(column.to_ms for column in columns), (bar or 0.0) * 1.3, low * 10)
    x = Scale(low, high, LEFT, WIDTH - RIGHT, is_log=True)
    y = Scale(0, max(column.count for column in columns) / distribution.count * 108, HEIGHT - BOTTOM, TOP)
    shapes = [*_axes(x, y, "ms", "%")]
    for column in columns:
        left, right = x(max(column.from_ms, low)), x(column.to_ms)
        share = column.count / distribution.count * 100
        top = y(share)
        told = (
            f"{in_words(column.from_ms)} to {in_words(column.to_ms)} ms: {column.count} ({in_words(share)} %)"
        )
        shapes.append(
            f'<rect class="fill a" x="{left:.1f}" y="{top:.1f}" width="{max(right - left - 0.5, 0.8):.1f}" '
            f'height="{max(HEIGHT - BOTTOM - top, 0.8):.1f}"><title>{escape(told)}</title></rect>'
        )
    rights: list[float] = []
    for name, value in (("p50", distribution.p50_ms), ("p99", distribution.p99_ms)):
        shapes.append(_upright(x(max(value, low)), f"{name} {in_words(value)} ms", "percentile", rights))
    if bar is not None:
        shapes.append(_upright(x(bar), f"at most {in_words(bar)} ms", "bar", rights))
    return _svg(shapes, title)


def _grouped(buckets: Sequence[Bucket]) -> Iterator[Bucket]:
    """Neighbours put together, so that columns can be seen. The bounds of a bucket are `ratio` apart."""
    ratio = min(bucket.to_ms / bucket.from_ms for bucket in buckets if bucket.from_ms) ** BUCKETS_PER_COLUMN
    group: list[Bucket] = []
    for bucket in buckets:
        if group and bucket.to_ms > group[0].from_ms * ratio * 1.001:
            yield Bucket(group[0].from_ms, group[-1].to_ms, sum(one.count for one in group))
            group = []
        group.append(bucket)
    if group:
        yield Bucket(group[0].from_ms, group[-1].to_ms, sum(one.count for one in group))


def _axes(x: Scale, y: Scale, x_unit: str, y_unit: str) -> Iterator[str]:
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    for tick in y.ticks(4):
        at = y(tick)
        yield f'<line class="grid" x1="{LEFT}" x2="{right}" y1="{at:.1f}" y2="{at:.1f}"/>'
        yield f'<text class="tick end" x="{LEFT - 6}" y="{at + 4:.1f}">{in_words(tick)}</text>'
    for tick in x.ticks(MOST_TICKS_APART):
        yield f'<text class="tick middle" x="{x(tick):.1f}" y="{bottom + 15}">{in_words(tick)}</text>'
    yield f'<line class="axis" x1="{LEFT}" x2="{right}" y1="{bottom}" y2="{bottom}"/>'
    yield f'<text class="tick end" x="{right}" y="{bottom + 30}">{escape(x_unit)}</text>'
    yield f'<text class="tick" x="4" y="{TOP + 2}">{escape(y_unit)}</text>'


def _curve(line: Line, x: Scale, y: Scale) -> str:
    pieces: list[list[str]] = [[]]
    for at, value in _thinned(line.points):
        if value is None:
            pieces.append([])
        else:
            pieces[-1].append(f"{x(at):.1f},{y(value):.1f}")
    drawn = [
        f'<polyline class="line {line.colour}" points="{" ".join(piece)}"/>'
        if len(piece) > 1
        else f'<circle class="fill {line.colour}" r="2" cx="{piece[0].split(",")[0]}" cy="{piece[0].split(",")[1]}"/>'
        for piece in pieces
        if piece
    ]
    return "".join(drawn)


def _columns(line: Line, x: Scale, y: Scale) -> str:
    width = max((x(1) - x(0)) * 0.7, 1.5)
    return "".join(
        f'<rect class="fill {line.colour}" x="{x(at) - width / 2:.1f}" y="{y(value):.1f}" width="{width:.1f}" '
        f'height="{HEIGHT - BOTTOM - y(value):.1f}"><title>{in_words(value)} at {in_words(at)} s</title></rect>'
        for at, value in line.points
        if value
    )


def _thinned(points: Sequence[tuple[float, float | None]]) -> Iterator[tuple[float, float | None]]:
    """At most `POINTS_OF_A_LINE` points; of several the largest value is kept, for a peak must not be lost."""
    step = -(-len(points) // POINTS_OF_A_LINE) or 1
    for begin in range(0, len(points), step):
        group = points[begin : begin + step]
        yield group[0][0], max((value for _, value in group if value is not None), default=None)


def _across(at: float, text: str) -> str:
    return (
        f'<line class="bar" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>'
        f'<text class="bar end" x="{WIDTH - RIGHT}" y="{at - 4:.1f}">{escape(text)}</text>'
    )


def _upright(at: float, text: str, kind: str, rights: list[float]) -> str:
    """An upright line with a label. `rights`: where the labels of each row end; a label has a row in which it is free."""
    side = "end" if at > WIDTH * 0.8 else ""
    width = 4 + len(text) * LETTER
    left, right = (at - width, at) if side else (at, at + width)
    row = next((row for row, taken in enumerate(rights) if taken < left), len(rights))
    rights[row : row + 1] = [right]
    return (
        f'<line class="{kind}" x1="{at:.1f}" x2="{at:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>'
        f'<text class="{kind} {side}" x="{at + (-4 if side else 4):.1f}" y="{TOP + 10 + 17 * row}">{escape(text)}</text>'
    )


def _svg(shapes: Sequence[str], title: str) -> str:
    return (
        f'<p class="title">{escape(title)}</p>'
        f'<svg viewBox="0 0 {WIDTH:.0f} {HEIGHT:.0f}" role="img" aria-label="{escape(title, quote=True)}">'
        f"{''.join(shapes)}</svg>"
    )


def _key(lines: Sequence[Line]) -> str:
    names = "".join(f'<li><i class="{line.colour}"></i>{escape(line.name)}</li>' for line in lines)
    return f'<ul class="key">{names}</ul>'
