"""A network that does not keep order: frames of the caller's audio change places, are lost, or come twice.

Which ones, chance decides, and the same seed decides the same way. No clock: a frame that changes places waits for the
next of its track. Only audio suffers; `line_delay` is for what is late.
"""

import random
import re
from dataclasses import dataclass
from typing import NamedTuple

from bridge.vocabulary.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Disorder:
    """How likely it is, 0 to 1, that a frame changes places with the next one, is lost, or comes twice."""

    reorder: float = 0.0
    loss: float = 0.0
    repeat: float = 0.0

    def __post_init__(self) -> None:
        for name, share in (("reorder", self.reorder), ("loss", self.loss), ("repeat", self.repeat)):
            if not 0 <= share <= 1:
                raise ConfigurationError(f"{name}: {share:g} cannot be; 0 to 1, or 0% to 100%, can")
        if self.reorder + self.loss + self.repeat > 1:
            raise ConfigurationError("reorder, loss and repeat: together they are more than all frames")


IN_ORDER = Disorder()


class Mishaps(NamedTuple):
    """What befell the frames. `swapped`: pairs that changed places."""

    swapped: int = 0
    lost: int = 0
    repeated: int = 0


class DisorderedWay:
    """The way of one stream's frames to the server."""

    def __init__(self, disorder: Disorder, seed: int = 1) -> None:
        self._disorder = disorder
        self._chance = random.Random(seed)
        self._waiting: dict[str, str] = {}
        self._swapped = self._lost = self._repeated = 0

    @property
    def mishaps(self) -> Mishaps:
        """What befell the frames so far."""
        return Mishaps(self._swapped, self._lost, self._repeated)

    def put(self, track: str, frame: str) -> list[str]:
        """Send a frame on its way; returns what arrives now."""
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

    def left(self) -> list[str]:
        """No more frames will come: what waits for the next one has waited long enough."""
        frames = [*self._waiting.values()]
        self._waiting.clear()
        return frames


def read_share(name: str, text: str) -> float:
    """A fraction or a percentage: "0.05", "5%". Raises `ConfigurationError`, naming `name`."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(%?)", text.strip())
    share = float(match[1]) / (100 if match[2] else 1) if match else -1.0
    if not 0 <= share <= 1:
        raise ConfigurationError(f"{name}: {text!r} is no share of the frames; 0.05 is, or 5%")
    return share
