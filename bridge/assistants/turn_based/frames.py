"""Turns over a WebSocket: signal words and audio in text frames.

Wire: "Twilio: How to Connect with Existing Voice Assistant" (HackerNoon, October 2020). Up: RESTART_COMMUNICATION, then
the caller's audio, the base64 of the carrier's own payload and nothing around it. Down: SINGLE_UTTERANCE_END, then
_MULAW and the base64 of the whole reply, without a header. Audio is mu-law, 8000 Hz, mono. Words are compared as they
are; any other frame, and any binary one, says nothing.
"""

from binascii import Error, a2b_base64, b2a_base64

from bridge.assistants.turn_based.settings import TurnBasedSettings
from bridge.assistants.turn_based.transport import Outcome, Reply, Unknown, Unusable, UtteranceEnded
from bridge.vocabulary.commands import EnterDigits, OpenAssistant
from bridge.vocabulary.contracts import Message
from telecodecs.format import PCMU_8K

LONGEST_WORD = 40
"""An unknown frame that is longer, or not all capitals, is not told: it may be audio."""


class Frames:
    """One conversation's."""

    hears = speaks = PCMU_8K
    utterance = ""
    entries_are_turns = False

    def __init__(self, settings: TurnBasedSettings) -> None:
        self._settings = settings
        self._unwanted = False  # a reply may be under way that the caller talked down

    def open(self, _command: OpenAssistant) -> list[str]:
        """Nothing is asked: the caller's turn begins."""
        return []

    def begin_turn(self) -> list[str]:
        """Which also has the assistant give up what it is working on."""
        return [self._settings.restart]

    def say(self, audio: bytes) -> list[str]:
        """One frame. The hot path."""
        return [b2a_base64(audio, newline=False).decode()]

    def end_turn(self, _utterance: bytes, *, locally: bool) -> list[str]:
        """It was heard as it was spoken, and hears no more of it."""
        self._unwanted = False  # what comes now is the answer to this
        return [self._settings.utterance_end] if locally and self._settings.announces_end else []

    def enter(self, entry: EnterDigits) -> list[str]:
        """Only to an assistant that has_assistant such a frame: another may take it for audio."""
        prefix = self._settings.entry_prefix
        return [] if prefix is None else [prefix + entry.digits]

    def withdraw(self) -> None:
        """The assistant is told by the restart; a reply that crosses it is dropped."""
        self._unwanted = True

    def read(self, message: Message) -> Outcome:
        """Read one frame."""
        if not isinstance(message, str):
            return Unknown("binary", "a binary frame; only text is read")
        if message == self._settings.utterance_end:
            return UtteranceEnded()
        if not message.startswith(self._settings.prefix):
            return self._unknown(message)
        if self._unwanted:
            self._unwanted = False
            return None
        return self._reply(message[len(self._settings.prefix) :])

    def _reply(self, payload: str) -> Outcome:
        length, most = len(payload) // 4 * 3, self._settings.max_reply_bytes
        if length - 2 > most:
            return Unusable(f"its reply has {length} bytes of audio; should have {most} at most")
        try:
            return Reply(a2b_base64(payload, strict_mode=True))
        except (Error, ValueError) as error:
            why = str(error) if isinstance(error, Error) else "not ASCII"
            return Unusable(f"{self._settings.prefix}: no base64 ({why})", malformed=True)

    def _unknown(self, message: str) -> Unknown:
        is_word = len(message) <= LONGEST_WORD and all(char.isupper() or char == "_" for char in message)
        kind = message if is_word and message else f"{len(message)} characters"
        expected = f"{self._settings.utterance_end}, or {self._settings.prefix} and base64"
        return Unknown(kind, f"an unknown frame ({kind}): expected {expected}")
