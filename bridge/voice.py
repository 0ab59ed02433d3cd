"""The assistant's voice on its way to the caller: in the line's format, accounted, and dropped where interrupted.

No clock: `now` is seconds.
"""

from bridge.events import Command, ConfirmHeard
from bridge.media import Downlink
from bridge.playout import Playout
from telecodecs.format import AudioFormat


class Voice:
    """One call's. Before `open` nothing can be said."""

    def __init__(self, line: AudioFormat) -> None:
        self._line = line
        self._playout = Playout(line)
        self._downlink: Downlink
        self._speaking: str | None = None  # the item whose audio is coming in
        self._interrupted: set[str] = set()  # items whose late audio is dropped until they end
        self._sent: dict[str, int] = {}  # bytes of each item, until it is known what became of it
        self.late = 0
        """Pieces of replies that came after they had been interrupted."""

    def open(self, speaks: AudioFormat, now: float) -> list[Command]:
        """From now on it is spoken in this format. Raises ValueError if that cannot be converted."""
        downlink = Downlink(speaks, self._line)
        commands = self.finish(now)
        self._downlink = downlink
        return commands

    def play(self, item: str, audio: bytes, now: float) -> list[Command]:
        """The next piece of an item; a new one ends the one before."""
        if item == self._speaking:
            return self._send(item, self._downlink.feed(audio), now)
        if item in self._interrupted:
            self.late += 1
            return []
        commands = self.finish(now)
        self._speaking = item
        return commands + self._send(item, self._downlink.feed(audio), now)

    def end(self, item: str, now: float) -> list[Command]:
        """No more of this item will come."""
        self._interrupted.discard(item)
        return self.finish(now) if item == self._speaking else []

    def finish(self, now: float) -> list[Command]:
        """What was begun is all there is of it."""
        item, self._speaking = self._speaking, None
        if item is None:
            return []
        return self._send(item, self._downlink.finish(), now) + self._settle(self._playout.end_item(item))

    def _send(self, item: str, audio: bytes, now: float) -> list[Command]:
        self._sent[item] = self._sent.get(item, 0) + len(audio)
        return self._playout.play(item, audio, now)

    def interrupt(self, now: float) -> list[Command]:
        """Stop the carrier at once, then say of each item what of it was heard. Nothing, if all was heard."""
        commands = self._settle(self._playout.interrupt(now))
        if commands:
            self._downlink.discard()
            if self._speaking is not None:
                self._interrupted.add(self._speaking)
                self._speaking = None
        return commands

    def sent_ms(self, item: str) -> float:
        """How much of an item went out; to be asked once, when it is known what became of it."""
        return self._line.duration_ms(self._sent.pop(item, 0))

    def mark_end(self) -> list[Command]:
        """A mark behind all that was sent, unless one stands there."""
        return self._playout.mark_end()

    def mark_reached(self, name: str, now: float) -> list[Command]:
        """The carrier returned a mark."""
        return self._settle(self._playout.mark_reached(name, now))

    def _settle(self, commands: list[Command]) -> list[Command]:
        for command in commands:
            if isinstance(command, ConfirmHeard):
                del self._sent[command.item]
        return commands

    @property
    def pending(self) -> bool:
        """Whether something is coming in, or the carrier still owes us a mark."""
        return self._speaking is not None or self._playout.pending

    def left_s(self, now: float) -> float:
        """Seconds of audio that the carrier has still to play."""
        return self._playout.left_s(now)

    @property
    def stray_marks(self) -> int:
        """Marks that came back though nobody sent them."""
        return self._playout.stray_marks
