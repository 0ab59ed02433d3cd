"""How the assistant hangs up: not before it has said goodbye, and not if the caller still has something to say.

going on ──hang_up called──▶ called ──response done, silent──▶ saying goodbye ──farewell done──▶ hang up
                               └──────response done, spoken──────────────────────────────▶ hang up
"""

from enum import Enum, auto

from bridge.vocabulary.events import CloseRequested

NORMAL_CLOSURE = 1000
"""The WebSocket close code of a call that ended as intended (RFC 6455, 7.4.1)."""


def hung_up(why: str = "") -> CloseRequested:
    """The assistant ends the call, once the caller has heard what was said. `why`: in the assistant's words."""
    return CloseRequested(why or "the assistant hung up", NORMAL_CLOSURE)


class Step(Enum):
    """What the end of a response leads to."""

    GO_ON = auto()
    SAY_GOODBYE = auto()
    HANG_UP = auto()


class HangUpSequence:
    """The state of one session."""

    def __init__(self) -> None:
        self._called_in: str | None = None  # the response that called hang_up
        self._saying_goodbye = False
        self.is_ready = False
        """Goodbye was said."""

    @property
    def intended(self) -> bool:
        """Whether the assistant wants to hang up."""
        return self._called_in is not None or self._saying_goodbye

    def call(self, response_id: str) -> None:
        """The assistant called hang_up, in this response."""
        self._called_in = response_id

    def call_off(self) -> bool:
        """The caller has something to say. Returns whether there was anything to call off."""
        was_intended = self.intended
        self._called_in, self._saying_goodbye, self.is_ready = None, False, False
        return was_intended

    def response_done(self, response_id: str, *, spoke: bool, is_farewell: bool) -> Step:
        """A response has ended. `spoke`: it had sound, which counts as the goodbye."""
        if response_id == self._called_in:
            self._called_in, self._saying_goodbye = None, True
            self.is_ready = spoke
            return Step.HANG_UP if spoke else Step.SAY_GOODBYE
        if self._saying_goodbye and is_farewell:
            self.is_ready = True
            return Step.HANG_UP
        return Step.GO_ON
