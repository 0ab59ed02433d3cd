"""What ctrl-C does to a command of the simulators: it ends the work under way in an orderly way, or cancels it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Interruption:
    """One command's. `happened`: it was interrupted."""

    def __init__(self) -> None:
        self.happened = False
        self._end: Callable[[], None] | None = None
        self._is_kept = False

    @contextmanager
    def ends_with(self, end: Callable[[], None]) -> Iterator[None]:
        """While the block runs, the first interruption calls `end` instead of cancelling the command."""
        self._end = end
        try:
            yield
        finally:
            self._end = None

    @contextmanager
    def kept_out(self) -> Iterator[None]:
        """While the block runs, nothing is cancelled: it saves what there is, and takes moments."""
        self._is_kept = True
        try:
            yield
        finally:
            self._is_kept = False

    def interrupt(self) -> bool:
        """Whether the work under way ends by itself now; if not, the command is to be cancelled."""
        is_first, self.happened = not self.happened, True
        if self._is_kept:
            return True
        if self._end is None or not is_first:
            return False
        self._end()
        return True
