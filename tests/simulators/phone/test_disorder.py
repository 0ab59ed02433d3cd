"""A network that does not keep order, frame by frame; no sockets, no clock."""

from collections import Counter
from itertools import pairwise
from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.simulators.phone.disorder import IN_ORDER, Disorder, DisorderedWay, Mishaps, read_share
from bridge.vocabulary.errors import ConfigurationError


def sent(disorder: Disorder, frames: int, seed: int = 1) -> tuple[list[str], Mishaps]:
    """What arrives of frames "0", "1" and so on, and what befell them."""
    way = DisorderedWay(disorder, seed)
    arrived = [frame for n in range(frames) for frame in way.put("inbound", str(n))]
    return arrived + way.left(), way.mishaps


WAYS = [
    (IN_ORDER, ["0", "1", "2", "3", "4"], Mishaps()),
    (Disorder(reorder=1), ["1", "0", "3", "2", "4"], Mishaps(swapped=2)),
    (Disorder(loss=1), [], Mishaps(lost=5)),
    (Disorder(repeat=1), ["0", "0", "1", "1", "2", "2", "3", "3", "4", "4"], Mishaps(repeated=5)),
]


@pytest.mark.parametrize(("disorder", "arrived", "mishaps"), WAYS)
def test_what_is_certain(disorder: Disorder, arrived: list[str], mishaps: Mishaps) -> None:
    assert sent(disorder, 5) == (arrived, mishaps)


def test_a_frame_changes_places_within_its_own_track() -> None:
    way = DisorderedWay(Disorder(reorder=1))
    assert way.put("inbound", "i1") == way.put("outbound", "o1") == []
    assert way.put("inbound", "i2") == ["i2", "i1"]
    assert way.put("outbound", "o2") == ["o2", "o1"]
    assert way.left() == []


@given(st.integers(0, 200), st.integers(), st.floats(0, 0.3), st.floats(0, 0.3), st.floats(0, 0.3))
def test_the_counts_tell_what_became_of_every_frame(
    frames: int, seed: int, reorder: float, loss: float, repeat: float
) -> None:
    arrived, mishaps = sent(Disorder(reorder, loss, repeat), frames, seed)
    times = Counter(arrived)
    assert len(times) == frames - mishaps.lost
    assert sum(count == 2 for count in times.values()) == mishaps.repeated
    once = list(map(int, dict.fromkeys(arrived)))
    assert sum(earlier > later for earlier, later in pairwise(once)) == mishaps.swapped
    assert all(abs(place - n) <= 1 + mishaps.lost for place, n in enumerate(once))


def test_chance_can_be_repeated_and_keeps_to_its_share() -> None:
    disorder = Disorder(reorder=0.05, loss=0.01)
    arrived, mishaps = sent(disorder, 10_000)
    assert (arrived, mishaps) == sent(disorder, 10_000)
    assert arrived != sent(disorder, 10_000, seed=2)[0]
    assert mishaps.swapped == pytest.approx(500, rel=0.15)
    assert mishaps.lost == pytest.approx(100, rel=0.3)


@pytest.mark.parametrize("share", [-0.01, 1.01, inf, nan])
@pytest.mark.parametrize("name", ["reorder", "loss", "repeat"])
def test_a_share_that_cannot_be_is_refused(name: str, share: float) -> None:
    with pytest.raises(ConfigurationError, match=f"^{name}: "):
        Disorder(**{name: share})


def test_no_more_than_all_frames_can_suffer() -> None:
    with pytest.raises(ConfigurationError, match="more than all"):
        Disorder(0.5, 0.5, 0.1)


SHARES = [("0", 0.0), ("0.05", 0.05), ("5%", 0.05), (" 12.5% ", 0.125), ("1", 1.0), ("100%", 1.0)]


@pytest.mark.parametrize(("text", "share"), SHARES)
def test_reads_a_fraction_or_a_percentage(text: str, share: float) -> None:
    assert read_share("--loss", text) == pytest.approx(share)


@pytest.mark.parametrize("text", ["", "5", "101%", "-1%", "five", "5 %%", ".5", "nan"])
def test_refuses_what_is_neither_and_names_the_option(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^--loss: .* is no share of the frames; 0\.05 is, or 5%$"):
        read_share("--loss", text)
