"""The picture of one simulated call: what the caller said and heard, how late frames were, and what happened."""

from collections.abc import Iterator, Sequence
from html import escape

from bridge.simulators.load.report.scale import Scale, in_words
from bridge.simulators.load.results import CallEvent, CallSummary, Span

WIDTH, LEFT, RIGHT = 720.0, 66.0, 16.0
SAID_Y, HEARD_Y, LANE = 8.0, 36.0, 20.0
EVENTS_Y = 68.0
LATE_TOP, LATE_BOTTOM = 84.0, 124.0
HEIGHT = 146.0

WORDS = {
    "reply": "a reply is heard",
    "gap": "a gap within a reply",
    "clear": "the server clears what is not played",
    "barge_in": "the caller interrupts",
    "key": "a key",
    "mark": "a mark",
    "end": "the end of the call",
    "refused": "the carrier would refuse this message",
}
"""What the events of a call are called."""

SHOWN = frozenset({"gap", "clear", "barge_in", "key", "end", "refused"})
"""Events that get a sign of their own; replies and marks are many, and are seen in the lane of what is heard."""


def call_picture(call: CallSummary) -> str:
    """One call as SVG."""
    x = Scale(0, max(call.length_s, 0.1), LEFT, WIDTH - RIGHT)
    shapes = [
        *_lane("caller", call.said, SAID_Y, "a", x),
        *_lane("hears", call.heard, HEARD_Y, "b", x),
        *_late(call, x),
        *(_event(event, x) for event in call.events if event.kind in SHOWN),
        *_time(x),
    ]
    title = f"{call.call_id}: {call.why_worst}"
    return (
        f'<svg viewBox="0 0 {WIDTH:.0f} {HEIGHT:.0f}" role="img" aria-label="{escape(title, quote=True)}">'
        f"<title>{escape(title)}</title>{''.join(shapes)}</svg>"
    )


def _lane(name: str, spans: Sequence[Span], top: float, colour: str, x: Scale) -> Iterator[str]:
    yield f'<text class="tick" x="4" y="{top + 14}">{name}</text>'
    yield f'<rect class="lane" x="{LEFT}" y="{top}" width="{WIDTH - RIGHT - LEFT}" height="{LANE}"/>'
    for span in spans:
        left, width = x(span.from_s), max(x(span.to_s) - x(span.from_s), 1.0)
        told = f"{in_words(span.from_s)} s to {in_words(span.to_s)} s"
        yield (
            f'<rect class="fill {colour}" x="{left:.1f}" y="{top}" width="{width:.1f}" height="{LANE}">'
            f"<title>{told}</title></rect>"
        )


def _late(call: CallSummary, x: Scale) -> Iterator[str]:
    """The latest frame of each second of an echo; of a conversation the gaps of each second."""
    is_echo = any(second.latency_max_ms is not None for second in call.seconds)
    values = [(second.latency_max_ms if is_echo else second.gap_ms) or 0.0 for second in call.seconds]
    highest = max(values, default=0.0)
    y = Scale(0, highest or 1.0, LATE_BOTTOM, LATE_TOP)
    yield f'<text class="tick" x="4" y="{LATE_TOP + 12}">{"slowest" if is_echo else "gaps"}</text>'
    yield f'<text class="tick" x="4" y="{LATE_TOP + 30}">{f"{in_words(highest)} ms" if highest else "none"}</text>'
    yield f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{LATE_BOTTOM}" y2="{LATE_BOTTOM}"/>'
    for second, value in zip(call.seconds, values, strict=True):
        if value:
            left, right = x(second.at_s), x(second.at_s + 1)
            yield (
                f'<rect class="fill {"c" if is_echo else "bad"}" x="{left:.1f}" y="{y(value):.1f}" width="{max(right - left - 1, 1):.1f}" '
                f'height="{LATE_BOTTOM - y(value):.1f}"><title>{in_words(value)} ms</title></rect>'
            )


def _event(event: CallEvent, x: Scale) -> str:
    after = "" if event.ms is None else f", {in_words(event.ms)} ms"
    told = f"{in_words(event.at_s)} s: {WORDS[event.kind]}{after} {event.text}".strip()
    return f'<circle class="event {event.kind}" cx="{x(event.at_s):.1f}" cy="{EVENTS_Y}" r="4"><title>{escape(told)}</title></circle>'


def _time(x: Scale) -> Iterator[str]:
    for tick in x.ticks(10):
        yield f'<text class="tick middle" x="{x(tick):.1f}" y="{HEIGHT - 8}">{in_words(tick)} s</text>'
