"""Simulates a network that swaps, loses and repeats frames of the caller's audio.

The frames are chosen at random; the same seed chooses the same ones. There is no clock: a frame that is swapped waits
for the next one of its track. Messages other than audio are not changed; `network_delay` makes messages late.
"""

import random
import re
from dataclasses import dataclass
from typing import NamedTuple

from bridge.vocabulary.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Disorder:
    """The probability, 0 to 1, that a frame is swapped with the next one, is lost, or comes twice.

    Raises `ConfigurationError` on a value out of range, and if the sum is above 1.
    """

    reorder: float = 0.0
    loss: float = 0.0
    repeat: float = 0.0

    def __post_init__(self) -> None:
        for name, share in (("reorder", self.reorder), ("loss", self.loss), ("repeat", self.repeat)):
            if not 0 <= share <= 1:
                raise ConfigurationError(f"{name}: {share:g} is out of range; expected 0 to 1, or 0% to 100%")
        if self.reorder + self.loss + self.repeat > 1:
            raise ConfigurationError(
                "reorder, loss and repeat: their sum is more than 1; expected at most all frames"
            )


IN_ORDER = Disorder()


class DisorderCounts(NamedTuple):
    """How many frames the network has lost and repeated, and how many pairs it has swapped."""

    swapped: int = 0
    lost: int = 0
    repeated: int = 0


class DisorderedFrames:
    """Applies the disorder to the frames of one stream. The same `seed` chooses the same frames."""

    def __init__(self, disorder: Disorder, seed: int = 1) -> None:
        self._disorder = disorder
        self._chance = random.Random(seed)
        self._waiting: dict[str, str] = {}
        self._swapped = self._lost = self._repeated = 0

    @property
    def disorder_counts(self) -> DisorderCounts:
        """What was done to the frames so far."""
        return DisorderCounts(self._swapped, self._lost, self._repeated)

    def put(self, track: str, frame: str) -> list[str]:
        """Take a frame of a track and return those that arrive now."""
        if (earlier := self._waiting.pop(track, None)) is not None:
            self._swapped += 1
            return [frame, earlier]
        disorder, lot = self._disorder, self._chance.random()
        if lot < disorder.loss:
            self._lost += 1
            return []
        if lot < disorder.loss + disorder.repeat:
            self._repeated += 1
            return [frame, frame]
        if lot < disorder.loss + disorder.repeat + disorder.reorder:
            self._waiting[track] = frame
            return []
        return [frame]

    def flush(self) -> list[str]:
        """Return the frames that still wait to be swapped, because no more frames will come."""
        frames = [*self._waiting.values()]
        self._waiting.clear()
        return frames


def read_share(name: str, text: str) -> float:
    """Read a fraction or a percentage such as "0.05" or "5%". Raises `ConfigurationError` that names the option."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(%?)", text.strip())
    share = float(match[1]) / (100 if match[2] else 1) if match else -1.0
    if not 0 <= share <= 1:
        raise ConfigurationError(
            f"{name}: {text!r} is not a share of the frames; expected for example 0.05 or 5%"
        )
    return share
