"""How turns travel: what a way to the assistant does with them, and what becomes of a message from there."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from bridge.vocabulary.commands import EnterDigits, OpenAssistant
from bridge.vocabulary.contracts import Message, WireMessage
from telecodecs.format import AudioFormat


class UtteranceEnded(NamedTuple):
    """The assistant heard the end of the utterance, and will reply."""


class Reply(NamedTuple):
    """A whole reply, in the format that the way speaks; without audio there is nothing to hear."""

    audio: bytes
    text: str = ""
    """Its words."""
    understood: str = ""
    """The caller's words, as they were understood."""
    utterance: str = ""
    """What it answers, by the name of the way."""
    hang_up: bool = False
    """When it was heard."""


class Unusable(NamedTuple):
    """What should have been a reply and is none. `malformed`: it breaks the rules of the wire."""

    why: str
    malformed: bool = False


class Unknown(NamedTuple):
    """A message of no known kind. `why`: what would have been right."""

    kind: str
    why: str


Outcome = UtteranceEnded | Reply | Unusable | Unknown | None
"""None: a reply that is not wanted any more."""


class Transport(Protocol):
    """One conversation's. Posts go out as the answer to a command only, never to a message."""

    hears: AudioFormat
    speaks: AudioFormat
    utterance: str
    """The name of the last utterance; empty if it has none."""
    entries_are_turns: bool
    """Whether an entry from the keypad is a turn, and is answered."""

    def open(self, command: OpenAssistant) -> Sequence[Message]:
        """The conversation begins. What is sent, if anything, wants a reply; without it the caller's turn begins."""
        ...

    def begin_turn(self) -> Sequence[WireMessage]:
        """The caller's turn begins."""
        ...

    def say(self, audio: bytes) -> Sequence[WireMessage]:
        """The caller's audio in his turn."""
        ...

    def end_turn(self, utterance: bytes, *, locally: bool) -> Sequence[Message]:
        """The utterance is over, and wants a reply. `locally`: it was the bridge that found that."""
        ...

    def enter(self, entry: EnterDigits) -> Sequence[Message]:
        """The caller typed something."""
        ...

    def withdraw(self) -> None:
        """Replies that are awaited are not wanted any more."""
        ...

    def read(self, message: Message) -> Outcome:
        """Read one message; nothing that may come raises."""
        ...
