"""Collects the facts about a checked call from its events and commands. Times are seconds of the call's clock."""

from typing import NamedTuple

from bridge.vocabulary.commands import DropReply, EnterDigits, TruncateReply
from bridge.vocabulary.events import (
    AssistantReady,
    AssistantReportedError,
    CloseRequested,
    EntryRequested,
    MessageRefused,
    ReplyAudio,
    Word,
)


class Cut(NamedTuple):
    """An item that was interrupted, and how much of it the caller heard."""

    item: str
    at: float
    heard_ms: int


class Facts:
    """The facts about one call, as an observer of it."""

    sees = None

    def __init__(self) -> None:
        self.ready: list[tuple[AssistantReady, float]] = []
        self.refused: list[str] = []
        """Why the bridge refused messages, and the errors that the assistant reported."""
        self.began: dict[tuple[int, str], float] = {}
        """When the first audio of each item came, by the number of its connection and its id."""
        self.cut: list[Cut] = []
        self.asked: list[EntryRequested] = []
        self.entered: list[EnterDigits] = []
        self.leaves = ""
        """Why the assistant hung up."""

    def unanswered(self) -> list[EntryRequested]:
        """The entries that the assistant has asked for and still waits for."""
        answered = {entry.request_id for entry in self.entered}
        return [wish for wish in self.asked if wish.request_id not in answered]

    def saw(self, word: Word, now: float) -> None:
        """An event or a command of the call."""
        match word:
            case AssistantReady():
                self.ready.append((word, now))
            case ReplyAudio(item):
                self.began.setdefault((len(self.ready), item), now)
            case TruncateReply(item, heard_ms):
                self.cut.append(Cut(item, now, heard_ms))
            case DropReply(item):
                self.cut.append(Cut(item, now, 0))
            case EntryRequested():
                self.asked.append(word)
            case EnterDigits():
                self.entered.append(word)
            case MessageRefused(why=why) | AssistantReportedError(why):
                self.refused.append(why)
            case CloseRequested(why):
                self.leaves = why
