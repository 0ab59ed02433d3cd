"""One call as one picture: both voices on one time axis, and what happened drawn in.

Reads what a call leaves behind, its journal and its recording; writes a PNG. The journal counts from its first line,
the recording from the first frame of sound: a `Story` counts as the recording does, in seconds.
"""

import wave
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from msgspec import MsgspecError, Struct, json
from numpy.typing import NDArray

from bridge.errors import ConfigurationError
from bridge.events import Word

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DPI, POINTS = 120, 8.5
HEIGHT_IN, WIDTH_IN, WIDEST_IN = 6.0, 14.0, 28.0
LONG_CALL_S, SECONDS_PER_INCH = 40, 12  # beyond the first, the picture grows with the call
LEFT_IN, RIGHT_IN, TOP_IN, BOTTOM_IN = 1.25, 0.35, 0.85, 1.1  # margins
LETTER_IN, KEY_IN = 0.07, 0.2  # width of a letter and of a key cap
INK, FAINT, CALLER, ASSISTANT, BARGE_IN = (
    "#333333",
    "#8c8c8c",
    "#2b6ca3",
    "#d08a2e",
    "#a3195b",
)  # differ in grey, too
LABELS_Y, TURNS_Y, CALLER_Y, CUTS_Y = 3.0, 2.45, 1.3, -0.05
ASSISTANT_Y, ITEMS_Y, SENT_Y, RETURNED_Y = -1.3, -2.5, -3.6, -4.3
ROW = 0.42  # a row of labels; a voice takes 1 up and 1 down
LONG_ITEM = 14  # letters
QUIETEST_PEAK = 0.1  # of full scale: what is quieter is not drawn as if it were loud

Way = Literal["<", ">", "="]
_KINDS: dict[str, type[Word]] = {kind.__name__: kind for kind in Word.__subclasses__()}
_NOTES = {"CallStarted": "call starts", "LegLost": "{leg} lost, code {code}", "HangUp": "hang-up: {why}"}


@dataclass(frozen=True, slots=True)
class Happening:
    """One line of a journal."""

    at_s: float
    way: Way
    what: str
    fields: dict[str, Any]


class Reply(NamedTuple):
    """An item of the assistant's, when the caller had heard it. `heard_ms`: not all of it, but so much."""

    item: str
    heard_s: float
    heard_ms: int | None = None


class Mark(NamedTuple):
    """`heard`: it came back because the audio before it was played, and not because of a clear."""

    sent_s: float
    returned_s: float | None
    heard: bool


class Cut(NamedTuple):
    """A clear. `barge_in`: because the caller spoke."""

    at_s: float
    unheard_samples: int
    barge_in: bool


class Story(NamedTuple):
    """What is to be drawn. `turns`: from the notice that the caller speaks to the notice of the pause."""

    call: str
    ended_s: float
    other_party: bool
    notes: list[tuple[float, str]]
    turns: list[tuple[float, float]]
    digits: list[tuple[float, str]]
    replies: list[Reply]
    marks: list[Mark]
    cuts: list[Cut]

    @property
    def barge_ins(self) -> list[Cut]:
        return [cut for cut in self.cuts if cut.barge_in]

    def summary(self, rate_hz: int) -> str:
        """In a line. `rate_hz`: of the line's audio."""
        unheard_s = sum(cut.unheard_samples for cut in self.cuts) / rate_hz
        return (
            f"Turns of the caller: {len(self.turns)}. Keys: {len(self.digits)}. Replies heard: {len(self.replies)}. "
            f"Barge-ins: {len(self.barge_ins)}"
            + f"; {unheard_s:.1f} s thrown away unheard" * bool(self.cuts)
            + "."
        )


class Label(NamedTuple):
    """A text, at full length or short, that begins at a time, or ends at it (`before`)."""

    at_s: float
    texts: tuple[str, str]
    colour: str = INK
    before: bool = False


class _Voices(NamedTuple):
    """Lowest and highest sample of each column, shape (columns, 2), full scale being 1."""

    rate_hz: int
    length_s: float
    at_s: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


class _Head(Struct):
    at: float
    way: Way
    what: str
    until: float | None = None


def read_journal(path: Path) -> list[Happening]:
    """Its lines by time. Raises `ConfigurationError`, with file and line, where one is not a journal's."""
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}") from error
    happenings = []
    for number, line in enumerate(lines, 1):
        try:
            head, fields = json.decode(line, type=_Head), json.decode(line, type=dict[str, Any])
            if head.what in _KINDS and "frames" not in fields:
                json.decode(line, type=_KINDS[head.what])  # refuses a line that lacks what is drawn of it
        except (MsgspecError, UnicodeDecodeError) as error:
            if number == len(lines):
                break  # no newline behind it: the process was killed while it wrote
            raise ConfigurationError(f"{path}, line {number}: {error}") from error
        happenings.append(Happening(head.at, head.way, head.what, fields))
    return sorted(happenings, key=lambda happening: happening.at_s)  # a run of audio is told when it is over


def story(happenings: Sequence[Happening]) -> Story:
    """What a journal tells."""
    zero_s = min(
        (one.at_s for one in happenings if one.what in {"CallerAudio", "OtherPartyAudio"}), default=0.0
    )
    ended_s = max((one.fields.get("until", one.at_s) for one in happenings), default=0.0) - zero_s
    told = [replace(one, at_s=one.at_s - zero_s) for one in happenings]

    def each(*kinds: str) -> list[tuple[float, dict[str, Any]]]:
        return [(one.at_s, one.fields) for one in told if one.what in kinds]

    spoke_s, paused_s = ([at_s for at_s, _ in each(kind)] for kind in ("CallerSpoke", "CallerPaused"))
    return Story(
        call=next((one["call"] for _, one in each("CallStarted")), ""),
        ended_s=ended_s,
        other_party=bool(each("OtherPartyAudio")),
        notes=[(at_s, _NOTES[one["what"]].format(**one)) for at_s, one in each(*_NOTES)],
        turns=[
            (at_s, min((end_s for end_s in paused_s if end_s > at_s), default=ended_s)) for at_s in spoke_s
        ],
        digits=[(at_s, one["digit"]) for at_s, one in each("DigitPressed")],
        replies=[
            Reply(one["item"], at_s, one.get("heard_ms"))
            for at_s, one in each("ConfirmHeard", "TruncateReply")
        ],
        marks=list(_marks(told)),
        cuts=[Cut(at_s, one["unheard_samples"], at_s in spoke_s) for at_s, one in each("ClearPlayback")],
    )


def _marks(told: list[Happening]) -> Iterator[Mark]:
    pending: dict[str, float] = {}
    cleared: set[str] = set()
    for one in told:
        match one.what:
            case "SendMark":
                pending[one.fields["name"]] = one.at_s
            case "ClearPlayback":
                cleared |= pending.keys()
            case "MarkReached" if (name := one.fields["name"]) in pending:
                yield Mark(pending.pop(name), one.at_s, name not in cleared)
    yield from (Mark(sent_s, None, False) for sent_s in pending.values())


def stagger(
    labels: Sequence[Label], letter_s: float, rows: int, within_s: tuple[float, float]
) -> Iterator[tuple[Label, str, int, float]]:
    """Labels with text, row and place, so that none lies upon another: at full length, else short, else left out."""
    free_s = [float("-inf")] * rows
    for label in sorted(labels):
        for text, row in product(label.texts, range(rows)):
            width_s = (len(text) + 2) * letter_s
            left_s = max(within_s[0], min(label.at_s - width_s * label.before, within_s[1] - width_s))
            if free_s[row] <= left_s:
                free_s[row] = left_s + width_s
                yield label, text, row, left_s + width_s * label.before
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
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ConfigurationError("a picture needs matplotlib: pip install 'voicebridge[report]'") from error
    told = story(read_journal(journal))
    voices = _listen(recording)
    length_s = max(voices.length_s, told.ended_s, 1.0)  # an axis needs a length
    width_in = min(WIDEST_IN, WIDTH_IN + max(0.0, length_s - LONG_CALL_S) / SECONDS_PER_INCH)
    figure = Figure((width_in, HEIGHT_IN), DPI)
    FigureCanvasAgg(figure)
    left, wide_in = LEFT_IN / width_in, width_in - LEFT_IN - RIGHT_IN
    axes = figure.add_axes(
        (left, BOTTOM_IN / HEIGHT_IN, wide_in / width_in, 1 - (TOP_IN + BOTTOM_IN) / HEIGHT_IN)
    )
    starts_s = min([0.0, *(at_s for at_s, _ in told.notes)])
    axes.set(xlim=(starts_s, length_s), ylim=(RETURNED_Y - 0.4, LABELS_Y + 2.4 * ROW), axisbelow=True)
    _draw_voices(axes, told, voices)
    _draw_marks(axes, told.marks)
    _draw_labels(axes, told, voices.rate_hz, (starts_s, length_s), inch_s=(length_s - starts_s) / wide_in)
    right = "other party" if told.other_party else "assistant,\nas the caller\nheard it"
    lanes = {CALLER_Y: "caller", ASSISTANT_Y: right, SENT_Y: "marks sent", RETURNED_Y: "returned"}
    axes.set_yticks(list(lanes)[: 4 if told.marks else 2], list(lanes.values())[: 4 if told.marks else 2])
    axes.set_xlabel("seconds", color=INK, loc="right")
    axes.spines[:].set_visible(False)
    axes.grid(axis="x", color="#ececec")
    axes.tick_params(length=0, labelcolor=INK)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="upper left", bbox_to_anchor=(0, -0.09), ncols=4, frameon=False, fontsize=POINTS)
    heading = f"{title or 'Call'} {told.call}".rstrip() + f", {max(voices.length_s, told.ended_s):.1f} s"
    figure.text(left, 0.94, heading, fontsize=14, weight="bold", color=INK, parse_math=False)
    figure.text(left, 0.895, told.summary(voices.rate_hz), fontsize=10.5, color=INK)
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
            rate_hz, frames = file.getframerate(), file.getnframes()
            step = frames // int(WIDEST_IN * DPI) + 1
            columns = [
                np.frombuffer(file.readframes(step), "<i2").reshape(-1, 2) for _ in range(0, frames, step)
            ]
    except OSError as error:
        raise ConfigurationError(f"{recording}: {error.strerror}") from error
    except (wave.Error, EOFError) as error:
        raise ConfigurationError(f"{recording}: is not a WAV file: {error}") from error
    low = np.array([column.min(axis=0) for column in columns]).reshape(-1, 2) / 32768
    high = np.array([column.max(axis=0) for column in columns]).reshape(-1, 2) / 32768
    return _Voices(rate_hz, frames / rate_hz, np.arange(len(columns)) * step / rate_hz, low, high)


def _draw_voices(axes: "Axes", told: Story, voices: _Voices) -> None:
    full = max(QUIETEST_PEAK, np.abs(voices.low).max(initial=0), voices.high.max(initial=0))
    for side, (y, colour) in enumerate(((CALLER_Y, CALLER), (ASSISTANT_Y, ASSISTANT))):
        low, high = voices.low[:, side] / full, voices.high[:, side] / full
        axes.fill_between(voices.at_s, y + low, y + high, color=colour, linewidth=0.6)
    turn = "the caller's turn, until the pause is noticed"
    for began_s, ended_s in told.turns:
        axes.plot(
            (began_s, ended_s), (TURNS_Y, TURNS_Y), color="#a9c6dd", lw=4, solid_capstyle="butt", label=turn
        )
        turn = ""  # one line in the legend is enough
    clear = "clear: thrown away unheard"
    for cut in told.cuts:
        again_s = (mark.sent_s for mark in told.marks if mark.sent_s > cut.at_s)
        until_s = min([cut.at_s + cut.unheard_samples / voices.rate_hz, *again_s])
        low_y, high_y = ASSISTANT_Y - 0.9, ASSISTANT_Y + 0.9
        style: dict[str, Any] = {"facecolor": "#f7f3ec", "edgecolor": "#cdbb9c", "linewidth": 0, "zorder": 2}
        axes.fill_between((cut.at_s, until_s), low_y, high_y, hatch="///", label=clear, **style)
        axes.vlines(cut.at_s, low_y, TURNS_Y, color=BARGE_IN if cut.barge_in else INK, linewidth=1.5)
        clear = ""


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


def _draw_labels(
    axes: "Axes", told: Story, rate_hz: int, within_s: tuple[float, float], inch_s: float
) -> None:
    above = [Label(at_s, (text, text), INK, before=at_s > told.ended_s / 2) for at_s, text in told.notes]
    talks_over = ("barge-in: the caller talks over the reply", "barge-in")
    above += [Label(cut.at_s, talks_over, BARGE_IN) for cut in told.barge_ins]
    between, below = [], []
    for cut in told.cuts:
        unheard = f"{cut.unheard_samples / rate_hz:.1f} s"
        between.append(Label(cut.at_s, (f"cut: {unheard} unheard", unheard), BARGE_IN))
    for item, heard_s, heard_ms in told.replies:
        heard, colour = (
            ("heard", INK) if heard_ms is None else (f"only {heard_ms / 1000:.2f} s heard", BARGE_IN)
        )
        short = item if len(item) <= LONG_ITEM else f"…{item[-6:]}"
        below.append(Label(heard_s, (f"{short}: {heard}", short), colour, before=True))
    style: dict[str, Any] = {"fontsize": POINTS, "va": "center", "parse_math": False}
    back = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}  # lines pass behind a text
    lanes = ((above, LABELS_Y, ROW, 3), (between, CUTS_Y, 0, 1), (below, ITEMS_Y, -ROW, 2))
    for labels, first_y, row_y, rows in lanes:
        for label, text, row, x in stagger(labels, LETTER_IN * inch_s, rows, within_s):
            y, side = first_y + row * row_y, "right" if label.before else "left"
            beside: dict[str, Any] = {
                "xytext": (-4 if label.before else 4, 0),
                "textcoords": "offset points",
                "ha": side,
            }
            axes.annotate(text, (x, y), color=label.colour, bbox=back, **beside, **style)
            if labels is above:
                axes.vlines(label.at_s, TURNS_Y, y + 0.15, color=label.colour, linewidth=1.5)
    cap = {"boxstyle": "round,pad=0.3", "facecolor": "white", "edgecolor": INK}
    for at_s, keys in group_keys(told.digits, KEY_IN * inch_s):
        axes.text(at_s, TURNS_Y, keys, weight="bold", color=INK, bbox=cap, **style)
    if told.digits:
        axes.plot([], [], "s", color=INK, markerfacecolor="white", label="key pressed")
