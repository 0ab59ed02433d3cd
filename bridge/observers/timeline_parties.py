"""The parties in the picture of a call: whom the caller heard, behind the voices, and a lane of roles for each party."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from bridge.observers.call_parties import Stretch
from bridge.observers.party_roles import RoleStretch
from bridge.vocabulary.room import Member

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LETTER_PT = 8.5  # size of the letters
INK, CALLER, ASSISTANT, PERSON, SUPERVISOR = "#333333", "#2b6ca3", "#d08a2e", "#3c8d6a", "#7a4fa3"
AWAY, WITH_PERSON, IN_ROOM = "#e9e3f1", "#fbeed9", "#e4f1ee"
AWAY_Y = 2.12
LANE, BAR = 0.95, 0.76  # from one lane to the next; height of a bar
BAR_LETTER_PT = 7.5
LONG_NAME = 13  # letters
COLOURS = {
    Member.CALLER: CALLER,
    Member.PERSON: PERSON,
    Member.ASSISTANT: ASSISTANT,
    Member.SUPERVISOR: SUPERVISOR,
}


def lanes_of(roles: Sequence[RoleStretch], top_y: float) -> dict[tuple[Member, str], float]:
    """The middle of the lane of each party, by kind and name; the first is one lane below `top_y`."""
    parties = dict.fromkeys((one.kind, one.name) for one in roles)
    return {party: top_y - number * LANE for number, party in enumerate(parties, 1)}


def name_of(party: tuple[Member, str]) -> str:
    """How the lane of this party is called."""
    kind, name = party
    shown = name if len(name) <= LONG_NAME else f"{name[: LONG_NAME - 1]}…"
    return f"supervisor\n{shown}" if kind is Member.SUPERVISOR else shown


def texts_of(one: RoleStretch) -> tuple[str, ...]:
    """What is written on a bar, at full length and then shorter: the role, and who hears the party."""
    if not one.heard_by:
        return (one.role,)
    heard_by = f"→ {', '.join(one.heard_by)}"
    return f"{one.role}\n{heard_by}", heard_by, one.role


def draw_roles(
    axes: "Axes",
    roles: Sequence[RoleStretch],
    lanes: dict[tuple[Member, str], float],
    width_s: Callable[[str], float],
) -> None:
    """Draw a bar for each stretch, filled while somebody hears the party. `width_s`: of a text with a space on each side."""
    labels = {True: "somebody hears this party (→ who)", False: "nobody in this call hears this party"}
    for one in roles:
        y, colour, is_heard = lanes[one.kind, one.name], COLOURS[one.kind], bool(one.heard_by)
        length_s = one.ended_s - one.began_s
        style: dict[str, Any] = {"edgecolor": colour, "linewidth": 0.8, "zorder": 2}
        face = (*_rgb(colour), 0.38) if is_heard else "white"
        spans = [(one.began_s, length_s)]
        axes.broken_barh(spans, (y - BAR / 2, BAR), facecolor=face, **style)
        fitting = (text for text in texts_of(one) if max(map(width_s, text.split("\n"))) <= length_s)
        written: dict[str, Any] = {"size": BAR_LETTER_PT, "color": INK, "linespacing": 1.1, "zorder": 3}
        x, text = one.began_s + width_s("") / 2, next(fitting, "")
        axes.text(x, y, text, va="center_baseline", clip_on=True, parse_math=False, **written)
    for is_heard, label in labels.items() if roles else ():
        face = (*_rgb(INK), 0.38) if is_heard else "white"
        axes.fill_between([], [], [], facecolor=face, edgecolor=INK, linewidth=0.8, label=label)


def _rgb(colour: str) -> tuple[float, float, float]:
    red, green, blue = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return red, green, blue


def draw_away(axes: "Axes", away: Sequence[Stretch], width_s: Callable[[str], float]) -> None:
    """Draw whom the caller heard while it was not the assistant alone, behind the voices; in words, where there is room."""
    labels = {
        AWAY: "the caller waits for a person",
        WITH_PERSON: "the caller is with a person, who is not recorded",
        IN_ROOM: "the caller is with a person, mixed by the bridge",
    }
    for one in away:
        colour = WITH_PERSON if one.is_with_person else IN_ROOM if one.is_in_room else AWAY
        began_s, ended_s = one.began_s, one.ended_s
        label = labels.pop(colour, "")
        axes.axvspan(began_s, ended_s, color=colour, alpha=0.5, zorder=0, linewidth=0, label=label)
        axes.axvline(began_s, color="white", linewidth=2, zorder=0.5)
        if width_s(one.who) <= ended_s - began_s:
            style: dict[str, Any] = {"size": LETTER_PT, "color": INK, "ha": "center", "parse_math": False}
            axes.text((began_s + ended_s) / 2, AWAY_Y, one.who, clip_on=True, **style)
