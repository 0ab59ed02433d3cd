"""One call as one picture: both voices on one time axis, and what happened drawn in.

Reads what a call leaves behind, its recording and its journal; writes a PNG. Across, the picture counts seconds from
the first frame of sound; upwards it has its own measure, of which a voice takes 1 up and 1 down.
"""

import wave
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bridge.errors import ConfigurationError
from bridge.story import Cut, Mark, Story, read_journal, story

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DPI = 120
HEIGHT_IN, WIDTH_IN, WIDEST_IN = 6.0, 14.0, 28.0
LONG_CALL_S, SECONDS_PER_INCH = 40, 12  # beyond the first, the picture grows with the call
LEFT_IN, RIGHT_IN = 1.25, 0.35  # margins
LETTER_PT, KEY_PT, GAP_PT = 8.5, 14, 4  # size of the letters, width of a key cap, space beside a label
INK, FAINT, CALLER, TURN, ASSISTANT = "#333333", "#8c8c8c", "#2b6ca3", "#a9c6dd", "#d08a2e"
BARGE_IN = "#a3195b"  # differs from the voices in grey, too
LABELS_Y, TURNS_Y, CALLER_Y, CUTS_Y = 3.0, 2.45, 1.3, -0.05
ASSISTANT_Y, REPLIES_Y, SENT_Y, RETURNED_Y = -1.3, -2.45, -3.7, -4.35
ROW = 0.4  # of labels
LONG_ITEM = 14  # letters
QUIETEST_PEAK = 0.1  # of full scale: what is quieter is not drawn as if it were loud


class Label(NamedTuple):
    """A text that begins at a time; `texts`: the same at full length and, where it can be, short."""

    at_s: float
    texts: tuple[str, ...]
    colour: str = INK


class _Voices(NamedTuple):
    """Lowest and highest sample of each column, shape (columns, 2), full scale being 1."""

    length_s: float
    at_s: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def stagger(
    labels: Sequence[Label], width_s: Callable[[str], float], rows: int, within_s: tuple[float, float]
) -> Iterator[tuple[Label, str, int, float]]:
    """Labels with text, row and left edge, so that none lies upon another: at full length, else short, else not."""
    free_s = [float("-inf")] * rows
    for label in sorted(labels):
        for text, row in product(label.texts, range(rows)):
            left_s = max(within_s[0], min(label.at_s, within_s[1] - width_s(text)))
            if free_s[row] <= left_s:
                free_s[row] = left_s + width_s(text)
                yield label, text, row, left_s
                break


def group_keys(digits: Sequence[tuple[float, str]], key_s: float) -> list[tuple[float, str]]:
    """Keys pressed so fast that their caps, `key_s` wide, would overlap share one."""
    caps: list[tuple[float, str]] = []
    for at_s, digit in digits:
        if caps and at_s - caps[-1][0] < key_s * len(caps[-1][1]):
            caps[-1] = (caps[-1][0], caps[-1][1] + digit)
        else:
            caps.append((at_s, digit))
    return caps


def draw(recording: Path, journal: Path, picture: Path, *, title: str = "") -> None:
    """Write the picture. Raises `ConfigurationError` if a file cannot be read or written, or matplotlib is missing."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ConfigurationError("a picture needs matplotlib: pip install 'voicebridge[report]'") from error
    told, voices = story(read_journal(journal)), _listen(recording)
    call_s = max(voices.length_s, told.ended_s)
    within_s = (min([0.0, *(at_s for at_s, _ in told.notes)]), max(call_s, 1.0))  # an axis needs a length
    width_in = min(WIDEST_IN, WIDTH_IN + max(0.0, call_s - LONG_CALL_S) / SECONDS_PER_INCH)
    axes_in = width_in - LEFT_IN - RIGHT_IN
    figure, left = Figure((width_in, HEIGHT_IN), DPI), LEFT_IN / width_in
    axes = figure.add_axes((left, 0.183, axes_in / width_in, 0.675))
    axes.set(xlim=within_s, ylim=(RETURNED_Y - 0.4, LABELS_Y + 2.4 * ROW), axisbelow=True)
    _draw_voices(axes, voices)
    _draw_turns(axes, told.turns)
    _draw_cuts(axes, told.cuts, told.marks)
    _draw_marks(axes, told.marks)
    point_s = (within_s[1] - within_s[0]) / axes_in / 72
    _draw_labels(axes, told, within_s, point_s)
    _draw_keys(axes, told.digits, point_s)
    right = "other party" if told.other_party else "assistant,\nas the caller\nheard it"
    lanes = {CALLER_Y: "caller", ASSISTANT_Y: right}
    if told.marks:
        lanes |= {SENT_Y: "marks sent", RETURNED_Y: "returned"}
    axes.set_yticks(list(lanes), list(lanes.values()))
    axes.set_xlabel("seconds", color=INK, loc="right")
    axes.spines[:].set_visible(False)
    axes.grid(axis="x", color="#ececec")
    axes.tick_params(length=0, labelcolor=INK)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="upper left", bbox_to_anchor=(0, -0.09), ncols=4, frameon=False, fontsize=LETTER_PT)
    heading = f"{title or 'Call'} {told.call}".rstrip() + f", {call_s:.1f} s"
    figure.text(left, 0.94, heading, fontsize=14, weight="bold", color=INK, parse_math=False)
    figure.text(left, 0.895, told.summary(), fontsize=10.5, color=INK)
    try:
        figure.savefig(picture, format="png")
    except OSError as error:
        raise ConfigurationError(f"{picture}: {error.strerror}") from error


def _listen(recording: Path) -> _Voices:
    try:
        with wave.open(str(recording), "rb") as file:
            channels, bits = file.getnchannels(), file.getsampwidth() * 8
            if (channels, bits) != (2, 16):
                raise ConfigurationError(
                    f"{recording}: {channels} × {bits} bits; two channels of 16 bits are right"
                )
            rate_hz = file.getframerate()
            samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)
    except OSError as error:
        raise ConfigurationError(f"{recording}: {error.strerror}") from error
    except (wave.Error, EOFError) as error:
        raise ConfigurationError(f"{recording}: is not a WAV file: {error}") from error
    starts = np.arange(0, len(samples), len(samples) // int(WIDEST_IN * DPI) + 1)
    low, high = (extreme.reduceat(samples, starts) / 32768 for extreme in (np.minimum, np.maximum))
    return _Voices(len(samples) / rate_hz, starts / rate_hz, low, high)


def _draw_voices(axes: "Axes", voices: _Voices) -> None:
    loudest = max(QUIETEST_PEAK, -voices.low.min(initial=0), voices.high.max(initial=0))
    for side, (y, colour) in enumerate(((CALLER_Y, CALLER), (ASSISTANT_Y, ASSISTANT))):
        low, high = voices.low[:, side] / loudest, voices.high[:, side] / loudest
        axes.fill_between(voices.at_s, y + low, y + high, color=colour, linewidth=0.6)


def _draw_turns(axes: "Axes", turns: list[tuple[float, float]]) -> None:
    label = "the caller's turn, until the pause is noticed" if turns else ""
    began_s, ended_s = np.array(turns).reshape(-1, 2).T
    axes.hlines(np.full(len(turns), TURNS_Y), began_s, ended_s, color=TURN, linewidth=4, label=label)


def _draw_cuts(axes: "Axes", cuts: list[Cut], marks: list[Mark]) -> None:
    """Each as long as the audio that it threw away, or until other audio came."""
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
    axes.plot(x.ravel(), np.tile((SENT_Y, RETURNED_Y, 0), len(x)), color=FAINT, linewidth=0.4, alpha=0.7)
    for at_s, y, marker, colour, text in (
        (x[:, 0], SENT_Y, "|", INK, "mark sent, behind every 0.2 s of audio"),
        (x[heard, 1], RETURNED_Y, "o", INK, "mark returned: the caller has heard up to here"),
        (x[~heard, 1], RETURNED_Y, "x", BARGE_IN, "mark returned by a clear: proves nothing"),
    ):
        axes.plot(at_s, np.full(len(at_s), y), marker, color=colour, ms=4, label=text if len(at_s) else "")


def _draw_labels(axes: "Axes", told: Story, within_s: tuple[float, float], point_s: float) -> None:
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font, gap_s = FontProperties(size=LETTER_PT), GAP_PT * point_s

    def width_s(text: str) -> float:
        width_pt, _, _ = text_to_path.get_text_width_height_descent(text, font, ismath=False)
        return gap_s + width_pt * point_s + gap_s

    above = [Label(at_s, (text,)) for at_s, text in told.notes]
    talks_over = ("barge-in: the caller talks over the reply", "barge-in")
    above += [Label(cut.at_s, talks_over, BARGE_IN) for cut in told.barge_ins]
    between, below = [], []
    for cut in told.cuts:
        unheard = f"{cut.unheard_s:.1f} s"
        between.append(Label(cut.at_s, (f"cut: {unheard} unheard", unheard), BARGE_IN))
    for item, began_s, _, heard_ms in told.replies:
        heard = "heard" if heard_ms is None else f"only {heard_ms / 1000:.2f} s heard"
        name = item if len(item) <= LONG_ITEM else f"…{item[-6:]}"
        below.append(Label(began_s, (f"{name}: {heard}", heard), INK if heard_ms is None else BARGE_IN))
    back = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}  # lines pass behind a text
    lanes = ((above, LABELS_Y, ROW, 3), (between, CUTS_Y, 0, 1), (below, REPLIES_Y, -ROW, 3))
    for labels, first_y, row_y, rows in lanes:
        for (at_s, _, colour), text, row, left_s in stagger(labels, width_s, rows, within_s):
            x, y = left_s + gap_s, first_y + row * row_y
            axes.text(x, y, text, va="center", color=colour, font=font, bbox=back, parse_math=False, zorder=3)
            if labels is above:
                axes.vlines(at_s, TURNS_Y, y + 0.15, color=colour, linewidth=1.5)


def _draw_keys(axes: "Axes", digits: list[tuple[float, str]], point_s: float) -> None:
    cap = {"boxstyle": "round,pad=0.3", "facecolor": "white", "edgecolor": INK}
    for at_s, keys in group_keys(digits, KEY_PT * point_s):
        axes.text(at_s, TURNS_Y, keys, va="center", size=LETTER_PT, weight="bold", color=INK, bbox=cap)
    axes.plot([], [], "s", color=INK, markerfacecolor="white", label="key pressed" if digits else "")
