"""Mixes the audio of the parties of a call, frame by frame, as a carrier's conference bridge does.

Who hears whom is a matrix: a row for each listener, with the sources that this listener hears. Nobody hears himself.
There is no socket and no clock here.
"""

from collections.abc import Iterable, Mapping

import numpy as np

from telecodecs.format import FRAME_MS, Samples

LOUDEST, QUIETEST = 32_767, -32_768
"""The range of a linear sample of 16 bits; a sum beyond it is saturated."""


class Mixer:
    """The matrix of one carrier, and the sums. `rate_hz`: of all audio."""

    def __init__(self, rate_hz: int) -> None:
        self.frame_samples = rate_hz * FRAME_MS // 1000
        self._heard: dict[str, tuple[str, ...]] = {}
        self._silence = np.zeros(self.frame_samples, np.int16)

    @property
    def matrix(self) -> dict[str, tuple[str, ...]]:
        """What each listener hears, by name."""
        return dict(self._heard)

    def hear(self, listener: str, sources: Iterable[str]) -> None:
        """Set the row of a listener: these sources and no other. The listener's own name is left out."""
        self._heard[listener] = tuple(sorted(set(sources) - {listener}))

    def forget(self, listener: str) -> None:
        """Remove a listener; as a source it is silent as soon as `mix` gets no frame of it."""
        self._heard.pop(listener, None)

    def mix(self, frames: Mapping[str, Samples]) -> dict[str, Samples]:
        """What each listener hears in one frame. `frames`: what each source says, each `frame_samples` long.

        A source without a frame is silent. One audible source is passed on untouched.
        """
        return {listener: self._sum(frames, sources) for listener, sources in self._heard.items()}

    def _sum(self, frames: Mapping[str, Samples], sources: tuple[str, ...]) -> Samples:
        audible = [frames[source] for source in sources if source in frames]
        if len(audible) < 2:
            return audible[0] if audible else self._silence
        total = np.sum(audible, axis=0, dtype=np.int32)
        return np.clip(total, QUIETEST, LOUDEST).astype(np.int16)
