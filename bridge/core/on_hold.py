"""What an assistant's events mean while the caller is on hold: nothing that it says is played, and its tools go on."""

from bridge.core.conversation import Conversation, Read
from bridge.vocabulary.commands import Command, DropReply, EnterDigits
from bridge.vocabulary.dispatch import on
from bridge.vocabulary.events import (
    CallerSaid,
    EntryRequested,
    NoteTaken,
    ReplyAudio,
    ReplyEnded,
    ToolAnswered,
    ToolCalled,
    Word,
)
from telecodecs.codec import encoder
from telecodecs.signals import beep

BEEP = "voicebridge: beep"
"""The item of the beep before a message; no assistant knows it."""

BEEP_S = 0.4

ENDS_MESSAGE = "#"
"""The key that ends a message."""


def play_beep(conversation: Conversation, now: float) -> list[Command]:
    """Tell the caller that the recording begins; it takes `BEEP_S`."""
    plays = conversation.plays
    return conversation.voice.insert(BEEP, encoder(plays)(beep(plays.rate_hz)), now)


def _reply_audio(conversation: Conversation, event: ReplyAudio, _now: float) -> list[Command]:
    """The assistant is told that nobody hears it, once for each item."""
    return [DropReply(event.item)] if conversation.voice.refuse(event.item) else []


def _reply_ended(conversation: Conversation, event: ReplyEnded, now: float) -> list[Command]:
    return conversation.voice.end(event.item, now)


def _entry_requested(_conversation: Conversation, event: EntryRequested, _now: float) -> list[Command]:
    """Nobody can type now: the request is answered with nothing."""
    return [EnterDigits("", request_id=event.request_id)]


ON_HOLD: dict[type[Word], Read] = dict(
    [
        on(CallerSaid, Conversation.caller_said),
        on(ToolAnswered, Conversation.tool_answered),
        on(ToolCalled, Conversation.tool_called),
        on(NoteTaken, Conversation.note_taken),
        on(ReplyAudio, _reply_audio),
        on(ReplyEnded, _reply_ended),
        on(EntryRequested, _entry_requested),
    ]
)
"""What these events mean to a conversation on hold; other events of an assistant mean nothing then."""
