"""The contract of a transport for turns, over a WebSocket or by POSTs, and what a message from the assistant means."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from bridge.vocabulary.commands import EnterDigits, OpenAssistant, ReportTransfer, TellAssistant
from bridge.vocabulary.contracts import Post, Posted, WireMessage
from telecodecs.format import AudioFormat


class UtteranceEnded(NamedTuple):
    """The assistant heard the end of the utterance; its reply will follow."""


class WholeReply(NamedTuple):
    """A reply, in the transport's format `speaks`; `audio` may be empty."""

    audio: bytes
    text: str = ""
    """The words of the reply."""
    understood: str = ""
    """The caller's words, as the assistant understood them."""
    utterance: str = ""
    """The utterance that it answers, by the transport's name for it."""
    hang_up: bool = False
    """Whether to hang up when the caller has heard the reply."""
    transfer: str = ""
    """The person to whom the caller is to be put through when they have heard the reply; empty: nobody."""
    why: str = ""
    summary: str = ""


class Unusable(NamedTuple):
    """A message that should be a reply and cannot be read. `malformed`: it breaks the rules of the wire.

    `retry_after_s`: see `Posted`.
    """

    why: str
    malformed: bool = False
    retry_after_s: float | None = None


class Unknown(NamedTuple):
    """A message of an unknown kind. `why`: what was sent, and what was expected."""

    kind: str
    why: str


Received = UtteranceEnded | WholeReply | Unusable | Unknown | None
"""What a message means. None: a reply that is not wanted any more."""


class Transport(Protocol):
    """The transport of one conversation. Each method but `read` and `withdraw` returns messages for the assistant."""

    hears: AudioFormat
    speaks: AudioFormat
    utterance: str
    """The name of the last utterance; empty if it has none."""
    entries_are_turns: bool
    """Whether an entry from the keypad is a turn of its own, with a reply."""

    def open(self, command: OpenAssistant) -> Sequence[WireMessage | Post]:
        """The conversation begins. A message, if there is one, asks for a greeting; without it the caller's turn begins."""
        ...

    def begin_turn(self) -> Sequence[WireMessage]:
        """The caller's turn begins."""
        ...

    def say(self, audio: bytes) -> Sequence[WireMessage]:
        """The caller's audio in the caller's turn."""
        ...

    def end_turn(self, utterance: bytes, *, locally: bool) -> Sequence[WireMessage | Post]:
        """The utterance is over and should be answered. `locally`: the bridge found its end."""
        ...

    def enter(self, entry: EnterDigits) -> Sequence[WireMessage | Post]:
        """An entry from the keypad has ended."""
        ...

    def report(self, report: ReportTransfer) -> Sequence[Post | WireMessage]:
        """Tell what became of a transfer, where the protocol has a word for it."""
        ...

    def tell(self, told: TellAssistant) -> Sequence[Post | WireMessage]:
        """Tell what an operator says, where the protocol has a word for it."""
        ...

    def withdraw(self) -> None:
        """Replies that are still to come are not wanted any more."""
        ...

    def read(self, message: WireMessage | Posted) -> Received:
        """Read one message. Raises nothing."""
        ...
