"""Turns over HTTP: each utterance, and each entry from the keypad, is one POST, and its response is the reply.

Wire: the body is the utterance as a WAV file, as mu-law (audio/PCMU) or as linear audio (audio/L16, big endian, RFC 2586);
or {"digits": …, "reason": …, "terminator": …, "sensitive": …}, or {"transfer": {"person": …, "outcome": …, "text": …}}. The headers X-Voicebridge-Call and X-Voicebridge-Turn name the
call and count the turns of the conversation, entries too, from 1; 0 is the empty utterance that asks for a greeting.
X-Voicebridge-Facts says who calls whom, as JSON.
Responses come in the order of the posts: the leg sends one after the other.
"""

from collections import deque
from typing import NamedTuple

from msgspec import json

from bridge.assistants.shared.keypad import as_fields
from bridge.assistants.turn_based.answers import ACCEPTED, read_answer
from bridge.assistants.turn_based.settings import TurnBasedSettings
from bridge.assistants.turn_based.transport import Received, Unknown, Unusable
from bridge.vocabulary.call_facts import facts_header
from bridge.vocabulary.commands import EnterDigits, OpenAssistant, ReportTransfer, TellAssistant
from bridge.vocabulary.contracts import Post, Posted, WireMessage
from bridge.vocabulary.events import Opening, ToolUsed
from telecodecs.format import PCMU_8K, AudioFormat, Encoding
from telecodecs.l16 import l16_decode
from telecodecs.wav import wav_encode

CALL_HEADER = "X-Voicebridge-Call"
TURN_HEADER = "X-Voicebridge-Turn"


class _Asked(NamedTuple):
    utterance: str
    wanted: bool = True


class Posts:
    """The transport of one conversation over HTTP; see `Transport`."""

    entries_are_turns = True

    def __init__(self, settings: TurnBasedSettings) -> None:
        encoding = {"wav": Encoding.L16, "l16": Encoding.L16_BE, "pcmu": Encoding.PCMU}[settings.audio]
        self.hears = PCMU_8K if settings.audio == "pcmu" else AudioFormat(encoding, settings.rate_hz)
        self.speaks = PCMU_8K
        self.utterance = ""
        self._settings = settings
        self._call = ""
        self._facts: dict[str, str] = {}
        self._turn = 0
        self._asked: deque[_Asked] = deque()

    def open(self, command: OpenAssistant) -> list[Post]:
        """An empty utterance that asks for a greeting, if the settings say so and the call begins."""
        self._call, self._facts = command.call_id, facts_header(command.context.facts)
        self.speaks = command.plays or command.line
        last = command.history[-1] if command.history else None
        if command.opening is Opening.RETURNED and isinstance(last, ToolUsed):
            return [self._transfer(json.encode({"text": last.output}))]
        greets = self._settings.greets and command.opening is Opening.FIRST
        return [self._utterance(b"", 0)] if greets else []

    def begin_turn(self) -> tuple[()]:
        """Send nothing: the assistant learns it from the next post."""
        return ()

    def say(self, _audio: bytes) -> tuple[()]:
        """Send nothing: the utterance is posted as a whole."""
        return ()

    def end_turn(self, utterance: bytes, *, locally: bool) -> list[Post]:
        """The post with the whole utterance."""
        self._turn += 1
        return [self._utterance(utterance, self._turn)]

    def enter(self, entry: EnterDigits) -> list[Post]:
        """The post with the digits, also where they are sensitive: the server is the user's own."""
        self._turn += 1
        self._asked.append(_Asked(""))
        return [self._post(json.encode(as_fields(entry)), "application/json", self._turn)]

    def report(self, report: ReportTransfer) -> list[Post]:
        """The post with what became of a transfer."""
        told = {"person": report.person, "outcome": report.outcome, "text": report.output}
        return [self._transfer(json.encode(told))]

    def tell(self, told: TellAssistant) -> list[Post]:
        """The post with an operator's words; what is answered to words that want no reply is not played."""
        self._turn += 1
        self._asked.append(_Asked("", wanted=told.responds))
        body = {"tell": {"text": told.text, "respond": told.responds}}
        return [self._post(json.encode(body), "application/json", self._turn)]

    def _transfer(self, told: bytes) -> Post:
        self._turn += 1
        self._asked.append(_Asked(""))
        return self._post(b'{"transfer":' + told + b"}", "application/json", self._turn)

    def withdraw(self) -> None:
        """The responses still come, and are dropped."""
        self._asked = deque(asked._replace(wanted=False) for asked in self._asked)

    def read(self, message: WireMessage | Posted) -> Received:
        """Read the response to the oldest post without one."""
        if not isinstance(message, Posted):
            return Unknown("frame", "a WebSocket message: expected the response to a post")
        asked = self._asked.popleft()
        if not asked.wanted:
            return None
        try:
            reply = read_answer(message, self._settings.reply_format, self.speaks)
        except ValueError as error:
            return Unusable(str(error), retry_after_s=message.retry_after_s)
        return reply._replace(utterance=asked.utterance)

    def _utterance(self, audio: bytes, turn: int) -> Post:
        self.utterance = f"utterance-{turn}" if turn else ""
        self._asked.append(_Asked(self.utterance))
        match self._settings.audio:
            case "wav":
                return self._post(wav_encode(l16_decode(audio), self.hears.rate_hz), "audio/wav", turn)
            case "pcmu":
                return self._post(audio, "audio/PCMU;rate=8000", turn)
            case "l16":
                return self._post(audio, f"audio/L16;rate={self.hears.rate_hz};channels=1", turn)

    def _post(self, body: bytes, content_type: str, turn: int) -> Post:
        headers = {
            "Content-Type": content_type,
            "Accept": ACCEPTED,
            CALL_HEADER: self._call,
            TURN_HEADER: str(turn),
            **self._facts,
        }
        return Post(body, headers)
