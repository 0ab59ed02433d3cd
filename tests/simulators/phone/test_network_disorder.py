"""A network that swaps, loses and repeats frames; no sockets, no clock."""

from collections import Counter
from itertools import pairwise
from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.simulators.phone.network_disorder import (
    IN_ORDER,
    Disorder,
    DisorderCounts,
    DisorderedFrames,
    read_share,
)
from bridge.vocabulary.errors import ConfigurationError


def sent(disorder: Disorder, frames: int, seed: int = 1) -> tuple[list[str], DisorderCounts]:
    """What arrives of frames "0", "1" and so on, and the counts."""
    way = DisorderedFrames(disorder, seed)
    arrived = [frame for n in range(frames) for frame in way.put("inbound", str(n))]
    return arrived + way.flush(), way.disorder_counts


WAYS = [
    (IN_ORDER, ["0", "1", "2", "3", "4"], DisorderCounts()),
    (Disorder(reorder=1), ["1", "0", "3", "2", "4"], DisorderCounts(swapped=2)),
    (Disorder(loss=1), [], DisorderCounts(lost=5)),
    (Disorder(repeat=1), ["0", "0", "1", "1", "2", "2", "3", "3", "4", "4"], DisorderCounts(repeated=5)),
]


@pytest.mark.parametrize(("disorder", "arrived", "disorder_counts"), WAYS)
def test_with_probability_one(
    disorder: Disorder, arrived: list[str], disorder_counts: DisorderCounts
) -> None:
    assert sent(disorder, 5) == (arrived, disorder_counts)


def test_a_frame_is_swapped_within_its_own_track() -> None:
    way = DisorderedFrames(Disorder(reorder=1))
    assert way.put("inbound", "i1") == way.put("outbound", "o1") == []
    assert way.put("inbound", "i2") == ["i2", "i1"]
    assert way.put("outbound", "o2") == ["o2", "o1"]
    assert way.flush() == []


@given(st.integers(0, 200), st.integers(), st.floats(0, 0.3), st.floats(0, 0.3), st.floats(0, 0.3))
def test_the_counts_account_for_every_frame(
    frames: int, seed: int, reorder: float, loss: float, repeat: float
) -> None:
    arrived, disorder_counts = sent(Disorder(reorder, loss, repeat), frames, seed)
    times = Counter(arrived)
    assert len(times) == frames - disorder_counts.lost
    assert sum(count == 2 for count in times.values()) == disorder_counts.repeated
    once = list(map(int, dict.fromkeys(arrived)))
    assert sum(earlier > later for earlier, later in pairwise(once)) == disorder_counts.swapped
    assert all(abs(place - n) <= 1 + disorder_counts.lost for place, n in enumerate(once))


def test_the_same_seed_gives_the_same_frames_at_about_their_share() -> None:
    disorder = Disorder(reorder=0.05, loss=0.01)
    arrived, disorder_counts = sent(disorder, 10_000)
    assert (arrived, disorder_counts) == sent(disorder, 10_000)
    assert arrived != sent(disorder, 10_000, seed=2)[0]
    assert disorder_counts.swapped == pytest.approx(500, rel=0.15)
    assert disorder_counts.lost == pytest.approx(100, rel=0.3)


@pytest.mark.parametrize("share", [-0.01, 1.01, inf, nan])
@pytest.mark.parametrize("name", ["reorder", "loss", "repeat"])
def test_a_share_out_of_range_is_refused(name: str, share: float) -> None:
    with pytest.raises(ConfigurationError, match=f"^{name}: "):
        Disorder(**{name: share})


def test_shares_of_more_than_all_frames_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="their sum is more than 1"):
        Disorder(0.5, 0.5, 0.1)


SHARES = [("0", 0.0), ("0.05", 0.05), ("5%", 0.05), (" 12.5% ", 0.125), ("1", 1.0), ("100%", 1.0)]


@pytest.mark.parametrize(("text", "share"), SHARES)
def test_reads_a_fraction_or_a_percentage(text: str, share: float) -> None:
    assert read_share("--loss", text) == pytest.approx(share)


@pytest.mark.parametrize("text", ["", "5", "101%", "-1%", "five", "5 %%", ".5", "nan"])
def test_refuses_other_texts_and_names_the_option(text: str) -> None:
    with pytest.raises(
        ConfigurationError,
        match=r"^--loss: .* is not a share of the frames; expected for example 0\.05 or 5%$",
    ):
        read_share("--loss", text)
