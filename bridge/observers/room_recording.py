"""The recording of a member's leg from when it joined a room: left the member alone, right what this member heard.

A briefing before it is not recorded. The caller's recording has the caller alone and what the caller heard; so each party
that has a leg has one track of its own.
"""

from bridge.observers.recording import Recording
from bridge.vocabulary.commands import OpenAssistant
from bridge.vocabulary.contracts import Account
from bridge.vocabulary.events import CallStarted, Word
from bridge.vocabulary.room import JoinRoom


class RoomRecording:
    """An observer of one leg. `recording`: writes the file, which is made when the leg joins."""

    sees: frozenset[type[Word]] = (Recording.sees - {OpenAssistant}) | {JoinRoom}

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._started: CallStarted | None = None
        self._is_in_room = False

    def saw(self, word: Word, now: float) -> None:
        """Record what is said and heard in the room."""
        if self._is_in_room:
            self._recording.saw(word, now)
        elif isinstance(word, CallStarted):
            self._started = word
        elif isinstance(word, JoinRoom) and self._started is not None:
            self._is_in_room = True
            self._recording.saw(self._started, now)
            self._recording.begin(now)

    def close(self, now: float, account: Account) -> None:
        """Write what is left, and close the file."""
        self._recording.close(now, account)
