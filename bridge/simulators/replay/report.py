"""What `voicebridge replay` prints: whether both are the same, or the first difference, and what could not be compared."""

from typing import Any, NamedTuple

from bridge.observers.trace import Trace
from bridge.simulators.replay.comparison import Comparison
from bridge.simulators.replay.outputs import byte_ms


class ReplayReport(NamedTuple):
    """What came of one replay. `name`: of the trace's file. `stopped_ms`: where ctrl-C ended it; None: it did not."""

    name: str
    trace: Trace
    comparison: Comparison
    stopped_ms: float | None = None

    @property
    def is_same(self) -> bool:
        """Whether no difference was found."""
        return self.comparison.difference is None

    def in_words(self) -> list[str]:
        """The lines for a person."""
        difference = self.comparison.difference
        lines = [f"{self.name}: {'the same: ' + self._what() if difference is None else difference.words}"]
        return lines + [f"note: {note}" for note in self._notes()]

    def as_table(self) -> dict[str, Any]:
        """The same for programs."""
        difference = self.comparison.difference
        return {
            "trace": self.name,
            "same": self.is_same,
            "difference": None if difference is None else difference._asdict(),
            "cut_off": self.trace.is_cut_off,
            "stopped_ms": self.stopped_ms,
            "notes": self._notes(),
            "legs": self.comparison.legs,
        }

    def _what(self) -> str:
        parts = []
        for leg, counts in self.comparison.legs.items():
            seconds = counts["audio_bytes"] * byte_ms(self.trace, leg) / 1000
            peer = "the carrier" if leg == "carrier" else leg
            audio = f"{seconds:.1f} s of audio and " if counts["audio_bytes"] else ""
            number = counts["commands"]
            parts.append(f"{audio}{number} command{'s' * (number != 1)} to {peer}")
        return ", ".join(parts) or "nothing was sent"

    def _notes(self) -> list[str]:
        notes = list(self.comparison.notes)
        if self.stopped_ms is not None:
            notes.append(f"interrupted: compared up to {self.stopped_ms / 1000:.3f} s")
        elif self.trace.is_cut_off:
            last_ms = self.trace.lines[-1].at_ms if self.trace.lines else 0.0
            notes.append(f"the trace is cut off after {last_ms / 1000:.3f} s: it was compared up to there")
        return notes
