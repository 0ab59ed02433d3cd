"""Turns over a WebSocket: signal words and audio in text frames.

Wire: "Twilio: How to Connect with Existing Voice Assistant" (HackerNoon, October 2020). Up: RESTART_COMMUNICATION, then
the caller's audio, the base64 of the carrier's own payload and nothing around it. Down: SINGLE_UTTERANCE_END, then
_MULAW and the base64 of the whole reply, without a header. Audio is mu-law, 8000 Hz, mono. Words are
compared exactly; any other text frame, and any binary frame, is ignored.
"""

from binascii import Error, a2b_base64, b2a_base64

from bridge.assistants.turn_based.settings import TurnBasedSettings
from bridge.assistants.turn_based.transport import Received, Unknown, Unusable, UtteranceEnded, WholeReply
from bridge.vocabulary.commands import EnterDigits, OpenAssistant, ReportTransfer, TellAssistant
from bridge.vocabulary.contracts import Posted, WireMessage
from telecodecs.format import PCMU_8K

LONGEST_WORD = 40
"""An unknown frame that is longer, or not all capitals, is not quoted in the log: it may be audio."""


class Frames:
    """The transport of one conversation over a WebSocket; see `Transport`."""

    hears = speaks = PCMU_8K
    utterance = ""
    entries_are_turns = False

    def __init__(self, settings: TurnBasedSettings) -> None:
        self._settings = settings
        self._unwanted = False  # the caller interrupted, and a reply may still come

    def open(self, _command: OpenAssistant) -> list[str]:
        """Send nothing: the caller's turn begins."""
        return []

    def begin_turn(self) -> list[str]:
        """The restart word, which also makes the assistant drop the reply that it is working on."""
        return [self._settings.restart]

    def say(self, audio: bytes) -> list[str]:
        """The caller's audio, one frame. The hot path."""
        return [b2a_base64(audio, newline=False).decode()]

    def end_turn(self, _utterance: bytes, *, locally: bool) -> list[str]:
        """The end word, if the settings ask for it. The assistant has the audio already."""
        self._unwanted = False  # a reply that comes from now on answers this utterance
        return [self._settings.utterance_end] if locally and self._settings.announces_end else []

    def enter(self, entry: EnterDigits) -> list[str]:
        """A frame with the digits, if the settings have a prefix for it: other assistants may take it for audio."""
        prefix = self._settings.entry_prefix
        return [] if prefix is None else [prefix + entry.digits]

    def report(self, _report: ReportTransfer) -> tuple[()]:
        """Send nothing: the protocol has no word for it."""
        return ()

    def tell(self, _told: TellAssistant) -> tuple[()]:
        """Send nothing: the protocol has no word for it."""
        return ()

    def withdraw(self) -> None:
        """The restart word withdraws the utterance; a reply that was sent before it is dropped."""
        self._unwanted = True

    def read(self, message: WireMessage | Posted) -> Received:
        """Read one frame."""
        if not isinstance(message, str):
            return Unknown("binary", "a binary frame: expected text")
        if message == self._settings.utterance_end:
            return UtteranceEnded()
        if not message.startswith(self._settings.prefix):
            return self._unknown(message)
        if self._unwanted:
            self._unwanted = False
            return None
        return self._reply(message[len(self._settings.prefix) :])

    def _reply(self, payload: str) -> Received:
        length, most = len(payload) // 4 * 3, self._settings.max_reply_bytes
        if length - 2 > most:
            return Unusable(f"its reply has {length} bytes of audio: expected at most {most}")
        try:
            return WholeReply(a2b_base64(payload, strict_mode=True))
        except (Error, ValueError) as error:
            why = str(error) if isinstance(error, Error) else "not ASCII"
            return Unusable(f"{self._settings.prefix}: not base64 ({why})", malformed=True)

    def _unknown(self, message: str) -> Unknown:
        is_word = len(message) <= LONGEST_WORD and all(char.isupper() or char == "_" for char in message)
        kind = message if is_word and message else f"{len(message)} characters"
        expected = f"{self._settings.utterance_end}, or {self._settings.prefix} and base64"
        return Unknown(kind, f"an unknown frame ({kind}): expected {expected}")
