"""The streams of what callers and people say to each other: what such a stream brings is handed to the caller's session."""

from collections.abc import Callable

from bridge.core.call import Call
from bridge.shell.session import Session
from bridge.vocabulary.contracts import Account
from bridge.vocabulary.events import CallerAudio, CallStarted, OtherPartyAudio, Word
from bridge.vocabulary.people import ListeningLost, ListeningStarted, TalkAudio


class TalkObserver:
    """Sees the session of one such stream, whose call is `stream`.

    `caller`: the session of the caller; None where that is over.
    """

    sees: frozenset[type[Word]] = frozenset({CallStarted, CallerAudio, OtherPartyAudio})

    def __init__(self, stream: Call, caller: Callable[[], Session | None]) -> None:
        self._stream = stream
        self._caller = caller
        self._has_started = False

    def saw(self, word: Word, now: float) -> None:
        """Before the session of the stream gets it."""
        if (caller := self._caller()) is None:
            return
        match word:
            case CallerAudio(audio, at_ms):
                caller.handle(TalkAudio(audio, at_ms, is_callers=True))
            case OtherPartyAudio(audio, at_ms):
                caller.handle(TalkAudio(audio, at_ms, is_callers=False))
            case CallStarted(line=line) if not self._stream.refusal(word):
                self._has_started = True
                caller.handle(ListeningStarted(line))

    def close(self, now: float, account: Account) -> None:
        """The stream is over."""
        if self._has_started and (caller := self._caller()) is not None:
            caller.handle(ListeningLost())
