"""The timeline of a call, a picture: both voices on one time axis, with what happened.

Reads the recording and the journal of a call, and writes a PNG. The x axis is seconds from the first frame of audio; the
y axis has a unit of its own, of which a voice takes 1 up and 1 down.
"""

import wave
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import product
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bridge.observers.call_history import (
    CallHistory,
    Cut,
    Mark,
    Reply,
    ToolRun,
    Wait,
    Words,
    build_history,
    read_journal,
)
from bridge.observers.timeline_parties import (
    ASSISTANT,
    CALLER,
    INK,
    LANE,
    LETTER_PT,
    draw_away,
    draw_roles,
    lanes_of,
    name_of,
)
from bridge.vocabulary.errors import ConfigurationError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DPI = 120
HEIGHT_IN, WIDTH_IN, WIDEST_IN = 7.0, 14.0, 28.0
LONG_CALL_S, SECONDS_PER_INCH = 40, 12  # beyond the first, the picture grows with the call
LEFT_IN, RIGHT_IN, TOP_IN, BOTTOM_IN = 1.25, 0.35, 1.0, 1.1  # margins
KEY_IN, KEY_ROW_IN = 0.343, 0.2  # from the axis to the key; height of a row of it
KEY_PT, GAP_PT = 14, 4  # width of a key cap, space beside a label
FAINT, TURN = "#8c8c8c", "#a9c6dd"
BARGE_IN = "#a3195b"  # differs from the voices in grey, too
TOOL = "#bfdcb4"
LABELS_Y, SAID_Y, TURNS_Y, CALLER_Y = 3.8, 2.95, 2.45, 1.3
WAITS_Y, TOOLS_Y, CUTS_Y = 0.1, -0.23, -0.92
ASSISTANT_Y, REPLIES_Y, SENT_Y, RETURNED_Y = -2.15, -3.3, -4.55, -5.2
ROW, TOOL_ROW, TOOL_ROWS = 0.4, 0.33, 2
LOWEST_Y, HIGHEST_Y = RETURNED_Y - 0.4, LABELS_Y + 2.4 * ROW
UNIT_IN = (HEIGHT_IN - TOP_IN - BOTTOM_IN) / (HIGHEST_Y - LOWEST_Y)  # of the y axis
LONG_ITEM = 14  # letters
SPOKEN = (60, 40, 24, 12)  # letters of a text, where there is room for so many
QUIETEST_PEAK = 0.1  # of full scale: what is quieter is not drawn as if it were loud


class MatplotlibMissing(ConfigurationError):
    """Recording and journal can be read, but matplotlib is not installed."""


class Label(NamedTuple):
    """A text at a time. `texts`: the same text at full length, then shorter forms of it."""

    at_s: float
    texts: tuple[str, ...]
    colour: str = INK


class _Voices(NamedTuple):
    """The lowest and highest samples of each column of the picture, shape (columns, 2), full scale is 1."""

    length_s: float
    at_s: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def stagger(
    labels: Sequence[Label], width_s: Callable[[str], float], rows: int, within_s: tuple[float, float]
) -> Iterator[tuple[Label, str, int, float]]:
    """Yield labels with text, row and left edge, so that none overlaps another: at full length, else short, else not.

    A label is shortened where that makes room for those behind it.
    """

    def left_s(label: Label, text: str) -> float:
        return max(within_s[0], min(label.at_s, within_s[1] - width_s(text)))

    def crowds(label: Label, text: str, next_s: float) -> bool:
        return left_s(label, text) + width_s(text) > next_s

    free_s = [float("-inf")] * rows
    in_order = sorted(labels)
    next_in_row_s = [*(label.at_s for label in in_order[rows:]), *[inf] * rows]
    for label, next_s in zip(in_order, next_in_row_s, strict=False):
        texts = sorted(label.texts, key=partial(crowds, label, next_s=next_s))
        for text, row in product(texts, range(rows)):
            if free_s[row] <= (start_s := left_s(label, text)):
                free_s[row] = start_s + width_s(text)
                yield label, text, row, start_s
                break


def shortened(text: str) -> Iterator[str]:
    """Yield a text at full length, if that is not too long, and then shorter and shorter."""
    lengths = [letters for letters in SPOKEN if letters < len(text)]
    if len(lengths) < len(SPOKEN):
        yield text
    yield from (text[: letters - 1].rstrip() + "…" for letters in lengths)


def group_keys(digits: Sequence[tuple[float, str]], key_s: float) -> list[tuple[float, str]]:
    """Join keys that were pressed so fast that their caps, `key_s` wide, would overlap."""
    caps: list[tuple[float, str]] = []
    for at_s, digit in digits:
        if caps and at_s - caps[-1][0] < key_s * len(caps[-1][1]):
            caps[-1] = (caps[-1][0], caps[-1][1] + digit)
        else:
            caps.append((at_s, digit))
    return caps


def draw(recording: Path, journal: Path, picture: Path, *, title: str = "") -> None:
    """Draw a recording and a journal into the file `picture`.

    Raises `ConfigurationError` if a file cannot be read or written, `MatplotlibMissing` if matplotlib is not installed.
    """
    history, voices = build_history(read_journal(journal)), _listen(recording)
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MatplotlibMissing(
            "a picture needs matplotlib: pip install 'voicebridge-server[report]'"
        ) from error
    call_s = max(voices.length_s, history.ended_s)
    within_s = (min([0.0, *(at_s for at_s, _ in history.notes)]), max(call_s, 1.0))  # an axis needs a length
    width_in = min(WIDEST_IN, WIDTH_IN + max(0.0, call_s - LONG_CALL_S) / SECONDS_PER_INCH)
    axes_in = width_in - LEFT_IN - RIGHT_IN
    parties = lanes_of(history.roles, LOWEST_Y)
    lowest_y = min(parties.values(), default=LOWEST_Y) - LANE / 2 * bool(parties)
    bottom_in = BOTTOM_IN + KEY_ROW_IN * bool(parties)  # of which the key has a row more
    height_in = HEIGHT_IN + (LOWEST_Y - lowest_y) * UNIT_IN + bottom_in - BOTTOM_IN
    figure, left = Figure((width_in, height_in), DPI), LEFT_IN / width_in
    axes_height = 1 - (TOP_IN + bottom_in) / height_in
    axes = figure.add_axes((left, bottom_in / height_in, axes_in / width_in, axes_height))
    axes.set(xlim=within_s, ylim=(lowest_y, HIGHEST_Y), axisbelow=True)
    point_s = (within_s[1] - within_s[0]) / axes_in / 72
    width_s = _measure(point_s)
    _draw_voices(axes, voices)
    draw_away(axes, history.away, width_s)
    draw_roles(axes, history.roles, parties, width_s)
    _draw_turns(axes, history)
    _draw_waits(axes, history.waits)
    _draw_tools(axes, history.tools)
    _draw_cuts(axes, history.cuts, history.marks)
    _draw_marks(axes, history.marks)
    _draw_labels(axes, history, within_s, point_s)
    _draw_keys(axes, history.digits, point_s)
    lanes = {CALLER_Y: "caller", ASSISTANT_Y: _right_voice(history)}
    if history.marks:
        lanes |= {SENT_Y: "marks sent", RETURNED_Y: "returned"}
    lanes |= {y: name_of(party) for party, y in parties.items()}
    axes.set_yticks(list(lanes), list(lanes.values()))
    axes.set_xlabel("seconds", color=INK, loc="right")
    axes.spines[:].set_visible(False)
    axes.grid(axis="x", color="#ececec")
    axes.tick_params(length=0, labelcolor=INK)
    if axes.get_legend_handles_labels()[0]:
        key_y = -KEY_IN / (axes_height * height_in)
        axes.legend(loc="upper left", bbox_to_anchor=(0, key_y), ncols=3, frameon=False, fontsize=LETTER_PT)
    heading = f"{title or 'Call'} {history.call_id}".rstrip() + f", {call_s:.1f} s"
    figure.text(left, 1 - 0.36 / height_in, heading, fontsize=14, weight="bold", color=INK, parse_math=False)
    for line, sentence in enumerate(history.sentences()):
        figure.text(left, 1 - (0.63 + 0.24 * line) / height_in, sentence, fontsize=10.5, color=INK)
    try:
        figure.savefig(picture, format="png")
    except OSError as error:
        raise ConfigurationError(f"{picture}: {error.strerror}") from error


def _measure(point_s: float) -> Callable[[str], float]:
    """How many seconds wide a text is, with a gap on each side. `point_s`: the seconds of a point."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties(size=LETTER_PT)

    def width_s(text: str) -> float:
        width_pt, _, _ = text_to_path.get_text_width_height_descent(text, font, ismath=False)
        return (width_pt + 2 * GAP_PT) * point_s

    return width_s


def _right_voice(history: CallHistory) -> str:
    """What the recording has on the right."""
    if history.other_party:
        return "other party"
    return "all that the\ncaller heard" if history.has_room else "assistant,\nas the caller\nheard it"


def _listen(recording: Path) -> _Voices:
    try:
        with wave.open(str(recording), "rb") as file:
            channels, bits = file.getnchannels(), file.getsampwidth() * 8
            if (channels, bits) != (2, 16):
                raise ConfigurationError(
                    f"{recording}: {channels} × {bits} bits: expected two channels of 16 bits"
                )
            rate_hz = file.getframerate()
            samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)
    except OSError as error:
        raise ConfigurationError(f"{recording}: {error.strerror}") from error
    except (wave.Error, EOFError) as error:
        raise ConfigurationError(f"{recording}: not a WAV file: {error}") from error
    starts = np.arange(0, len(samples), len(samples) // int(WIDEST_IN * DPI) + 1)
    low, high = (extreme.reduceat(samples, starts) / 32768 for extreme in (np.minimum, np.maximum))
    return _Voices(len(samples) / rate_hz, starts / rate_hz, low, high)


def _draw_voices(axes: "Axes", voices: _Voices) -> None:
    loudest = max(QUIETEST_PEAK, -voices.low.min(initial=0), voices.high.max(initial=0))
    for side, (y, colour) in enumerate(((CALLER_Y, CALLER), (ASSISTANT_Y, ASSISTANT))):
        low, high = voices.low[:, side] / loudest, voices.high[:, side] / loudest
        axes.fill_between(voices.at_s, y + low, y + high, color=colour, linewidth=0.6)


def _draw_turns(axes: "Axes", history: CallHistory) -> None:
    turns = history.turns
    whose = "a turn, in what the assistant heard" if history.has_room else "the caller's turn"
    label = f"{whose}, until the pause is noticed" if turns else ""
    began_s, ended_s = np.array(turns).reshape(-1, 2).T
    axes.hlines(np.full(len(turns), TURNS_Y), began_s, ended_s, color=TURN, linewidth=4, label=label)


def _draw_waits(axes: "Axes", waits: list[Wait]) -> None:
    label = "the caller waits for the reply, from voice to voice" if waits else ""
    began_s, ended_s = np.array([wait[:2] for wait in waits]).reshape(-1, 2).T
    axes.hlines(np.full(len(waits), WAITS_Y), began_s, ended_s, color=INK, linewidth=1, label=label)
    for at_s in (began_s, ended_s):
        axes.plot(at_s, np.full(len(waits), WAITS_Y), "|", color=INK, ms=6)


def _draw_tools(axes: "Axes", tools: list[ToolRun]) -> None:
    """Draw tools in two rows, for some run at the same time."""
    spans = [(run.began_s, (run.answered_s or run.began_s) - run.began_s) for run in tools]
    label = "the assistant has something done" if tools else ""
    for row in range(TOOL_ROWS):
        y = TOOLS_Y - row * TOOL_ROW
        axes.broken_barh(spans[row::TOOL_ROWS], (y - 0.13, 0.26), color=TOOL, zorder=2, label=label)
        label = ""


def _draw_cuts(axes: "Axes", cuts: list[Cut], marks: list[Mark]) -> None:
    """Draw each cut as long as the audio that it threw away, or until other audio came."""
    low_y, high_y = ASSISTANT_Y - 0.9, ASSISTANT_Y + 0.9
    spans = []
    for cut in cuts:
        other_s = (mark.sent_s - cut.at_s for mark in marks if mark.sent_s > cut.at_s)
        spans.append((cut.at_s, min([cut.unheard_s, *other_s])))
    label = "clear: thrown away unheard" if cuts else ""
    style: dict[str, Any] = {"facecolor": "#f7f3ec", "edgecolor": "#cdbb9c", "hatch": "///", "linewidth": 0}
    axes.broken_barh(spans, (low_y, high_y - low_y), zorder=2, label=label, **style)
    colours = [BARGE_IN if cut.barge_in else INK for cut in cuts]
    axes.vlines([cut.at_s for cut in cuts], low_y, TURNS_Y, colours, linewidth=1.5)


def _draw_marks(axes: "Axes", marks: list[Mark]) -> None:
    x = np.array([(mark.sent_s, mark.returned_s, None) for mark in marks], float).reshape(-1, 3)
    heard = np.array([mark.heard for mark in marks], bool)
    cleared = ~heard & np.isfinite(x[:, 1])  # others never came back
    axes.plot(x.ravel(), np.tile((SENT_Y, RETURNED_Y, 0), len(x)), color=FAINT, linewidth=0.4, alpha=0.7)
    for at_s, y, marker, colour, text in (
        (x[:, 0], SENT_Y, "|", INK, "mark sent, behind every 0.2 s of audio"),
        (x[heard, 1], RETURNED_Y, "o", INK, "mark returned: the caller has heard up to here"),
        (x[cleared, 1], RETURNED_Y, "x", BARGE_IN, "mark returned by a clear: proves nothing"),
    ):
        axes.plot(at_s, np.full(len(at_s), y), marker, color=colour, ms=4, label=text if len(at_s) else "")


def _draw_labels(axes: "Axes", history: CallHistory, within_s: tuple[float, float], point_s: float) -> None:
    width_s, gap_s = _measure(point_s), GAP_PT * point_s
    notes = [Label(at_s, tuple(shortened(text))) for at_s, text in history.notes]
    talks_over = ("barge-in: the caller talks over the reply", "barge-in")
    notes += [Label(cut.at_s, talks_over, BARGE_IN) for cut in history.barge_ins]
    said = [Label(words.at_s, _said(words)) for words in history.said]
    waits = [Label(wait.ended_s, (f"{wait.length_s:.2f} s",)) for wait in history.waits]
    tools = [_done(run) for run in history.tools]
    cuts = []
    for cut in history.cuts:
        unheard = f"{cut.unheard_s:.1f} s"
        cuts.append(Label(cut.at_s, (f"cut: {unheard} unheard", unheard), BARGE_IN))
    replies = [
        Label(reply.began_s, _heard(reply), INK if reply.heard_ms is None else BARGE_IN)
        for reply in history.replies
    ]
    back = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}  # lines pass behind a text
    lanes: list[tuple[list[Label], float, float, int]] = [
        (notes, LABELS_Y, ROW, 3),
        (said, SAID_Y, ROW, 2),
        (waits, WAITS_Y, 0, 1),
        *((tools[row::TOOL_ROWS], TOOLS_Y - row * TOOL_ROW, 0, 1) for row in range(TOOL_ROWS)),
        (cuts, CUTS_Y, 0, 1),
        (replies, REPLIES_Y, -ROW, 3),
    ]
    for labels, first_y, row_y, rows in lanes:
        for (at_s, _, colour), text, row, left_s in stagger(labels, width_s, rows, within_s):
            x, y = left_s + gap_s, first_y + row * row_y
            axes.text(
                x, y, text, va="center", color=colour, size=LETTER_PT, bbox=back, parse_math=False, zorder=3
            )
            if labels is notes:
                axes.vlines(at_s, TURNS_Y, y + 0.15, color=colour, linewidth=1.5)


def _said(words: Words) -> tuple[str, ...]:
    if words.typed:
        return (f"entry: {words.text}", words.text)
    return tuple(f"“{text}”" for text in shortened(words.text))


def _done(run: ToolRun) -> Label:
    """The label of a tool, behind its bar if it has one."""
    if run.answered_s is None:
        return Label(run.began_s, (f"{run.tool}: no answer", "no answer"), BARGE_IN)
    return Label(run.answered_s, tuple(shortened(run.tool)))


def _heard(reply: Reply) -> tuple[str, ...]:
    """The texts of a reply: its words, else its name; and how much was heard, if not all."""
    heard = "heard" if reply.heard_ms is None else f"only {reply.heard_ms / 1000:.2f} s heard"
    if not reply.text:
        name = reply.item if len(reply.item) <= LONG_ITEM else f"…{reply.item[-6:]}"
        return f"{name}: {heard}", heard
    said = tuple(f"“{text}”" for text in shortened(reply.text))
    return said if reply.heard_ms is None else (*(f"{text} {heard}" for text in said), heard)


def _draw_keys(axes: "Axes", digits: list[tuple[float, str]], point_s: float) -> None:
    cap = {"boxstyle": "round,pad=0.3", "facecolor": "white", "edgecolor": INK}
    for at_s, keys in group_keys(digits, KEY_PT * point_s):
        axes.text(at_s, TURNS_Y, keys, va="center", size=LETTER_PT, weight="bold", color=INK, bbox=cap)
    axes.plot([], [], "s", color=INK, markerfacecolor="white", label="key pressed" if digits else "")
