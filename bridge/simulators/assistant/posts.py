"""Decides what the simulated assistant answers to each POST: the protocol over HTTP, one POST for each turn.

Audio is answered with a reply of the script, or with the same audio; JSON with "digits" with the tones of those keys;
an empty body with the greeting. There is no socket and no clock here: `hear` returns the answer and its delay.
"""

from binascii import b2a_base64
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Any, NamedTuple

from msgspec import DecodeError, json

from bridge.simulators.assistant import voice
from bridge.simulators.assistant.bodies import Sound, Unreadable, media_type, read_body, wav
from bridge.simulators.assistant.script import AssistantFaults, AssistantScript
from telecodecs.codec import decoder, encoder
from telecodecs.dtmf import TONES_HZ
from telecodecs.format import PCMU_8K, AudioFormat, Encoding
from telecodecs.resample import resample

CALL_HEADER = "X-Voicebridge-Call"
TURN_HEADER = "X-Voicebridge-Turn"

JSON = "application/json"
RUBBISH = b"\x00this is \xff neither audio nor JSON {"


class PostAnswer(NamedTuple):
    """The answer to a POST."""

    status: int
    """HTTP status; 0: no answer at all."""
    content_type: str
    body: bytes
    after_s: float = 0.0
    """Delay of the answer."""
    body_s: float = 0.0
    """How long sending the body takes."""
    cut: bool = False
    """The connection breaks in the middle of the body; with status 0 before any answer."""
    retry_after_s: int | None = None
    """The header Retry-After; None: there is none."""


@dataclass(frozen=True)
class PostedTurn:
    """A request that was answered, for tests."""

    call: str
    number: int
    at: float
    """The `now` given to `hear`."""
    headers: Mapping[str, str]
    utterance: Sound | None = None
    entry: Mapping[str, Any] | None = None
    reply: Sound | None = None
    """None: answered with 204."""


@dataclass
class _Call:
    number: int
    turns: int = 0
    refused: Counter[int] = field(default_factory=Counter)
    """How often each turn was refused."""


class Posts:
    """All calls of one server, numbered in order of their first POST. Without `keeps_record` no turns are kept."""

    def __init__(self, script: AssistantScript, *, keeps_record: bool = True) -> None:
        self.turns: list[PostedTurn] = []
        self.refused: list[str] = []
        """The reasons for answers with 400 or 415."""
        self._script = script
        self._keeps_record = keeps_record
        self._calls: dict[str, _Call] = {}

    def hear(self, headers: Mapping[str, str], body: bytes, now: float) -> PostAnswer:
        """Answer a POST at `now`, seconds.

        `headers`: names in any case. A request without the number of its turn is taken for the next turn.
        """
        name = headers.get(CALL_HEADER, "")
        call = self._calls.setdefault(name, _Call(len(self._calls) + 1))
        given = headers.get(TURN_HEADER, "")
        call.turns = int(given) if given.isdecimal() else call.turns + 1
        faults = self._script.faults_of(call.number, call.turns)
        try:
            turn = self._read(name, call.turns, headers, body, now)
        except Unreadable as why:
            if self._keeps_record:
                self.refused.append(str(why))
            return PostAnswer(why.status, "text/plain", str(why).encode())
        if self._keeps_record:
            self.turns.append(turn)
        if faults.refuse is not None and call.refused[turn.number] < (faults.refuse_times or inf):
            call.refused[turn.number] += 1
            return self._refusal(faults.refuse, faults)
        return self._answer(turn, faults)

    def _read(
        self, call: str, number: int, headers: Mapping[str, str], body: bytes, now: float
    ) -> PostedTurn:
        """Read a request and make its reply. Raises `Unreadable`."""
        content_type = headers.get("Content-Type", "")
        if not body:
            return PostedTurn(call, number, now, headers, reply=self._greeting())
        if media_type(content_type)[0] == JSON:
            entry = _read_entry(body)
            wanted = self._wanted(PCMU_8K)
            return PostedTurn(
                call, number, now, headers, None, entry, Sound(voice.keyed(entry["digits"], wanted), wanted)
            )
        heard = read_body(content_type, body)
        if not heard.audio:
            return PostedTurn(call, number, now, headers, heard, reply=self._greeting())
        wanted = self._wanted(heard.format)
        said = voice.reply(self._script, max(1, number), _converted(heard, wanted), wanted)
        return PostedTurn(call, number, now, headers, heard, reply=Sound(said, wanted))

    def _greeting(self) -> Sound | None:
        if self._script.greeting is None:
            return None
        wanted = self._wanted(PCMU_8K)
        return Sound(voice.recording(self._script.greeting, wanted), wanted)

    def _wanted(self, asked: AudioFormat) -> AudioFormat:
        """The format of a reply to audio in the format `asked`."""
        if self._script.reply_as == "pcmu":
            return PCMU_8K
        encoding = Encoding.L16_BE if self._script.reply_as == "l16" else Encoding.L16
        return AudioFormat(encoding, self._script.reply_rate_hz or asked.rate_hz)

    def _after_s(self, faults: AssistantFaults) -> float:
        return self._script.reply_s if faults.reply_s is None else faults.reply_s

    def _refusal(self, status: int, faults: AssistantFaults) -> PostAnswer:
        wait_s = faults.retry_after_s
        return PostAnswer(status, "text/plain", b"scripted", self._after_s(faults), retry_after_s=wait_s)

    def _answer(self, turn: PostedTurn, faults: AssistantFaults) -> PostAnswer:
        after_s = self._after_s(faults)
        if faults.reply == "none":
            return PostAnswer(0, "", b"")
        if faults.close is not None:
            return PostAnswer(0, "", b"", faults.close_after_s, cut=True)
        if turn.reply is None:
            return PostAnswer(204, "", b"", after_s)
        sound = turn.reply
        if faults.reply_bytes is not None:
            sound = _of_length(sound, faults.reply_bytes * (3 if self._script.reply_as == "json" else 4) // 4)
        content_type, body = self._written(sound, turn.number, faults)
        match faults.reply:
            case "rubbish":
                body = RUBBISH
            case "mislabelled":
                content_type = "text/html"
            case "empty":
                body = b""
            case _:
                pass
        return PostAnswer(200, content_type, body, after_s, faults.body_s, cut=faults.reply == "half")

    def _written(self, sound: Sound, number: int, faults: AssistantFaults) -> tuple[str, bytes]:
        """The content type and the body of a reply."""
        match self._script.reply_as:
            case "wav":
                return "audio/wav", wav(*sound)
            case "pcmu":
                return "audio/PCMU", sound.audio
            case "l16":
                return f"audio/L16;rate={sound.format.rate_hz}", sound.audio
            case "json":
                return JSON, self._as_json(sound, number, faults)

    def _as_json(self, sound: Sound, number: int, faults: AssistantFaults) -> bytes:
        fields: dict[str, object] = {"audio": b2a_base64(wav(*sound), newline=False).decode()}
        for key, texts in (("text", self._script.text), ("understood", self._script.understood)):
            if texts:
                fields[key] = texts[(number - 1) % len(texts)]
        if self._script.hang_up_turn == number:
            fields["hang_up"] = True
        if faults.noise:
            fields |= {"mood": ["sunny"], "": None}
        return json.encode(fields)


def _read_entry(body: bytes) -> dict[str, Any]:
    try:
        entry = json.decode(body, type=dict[str, Any])
    except DecodeError as error:
        raise Unreadable(f"the body is not a JSON object: {error}", 400) from None
    digits = entry.get("digits")
    if not isinstance(digits, str) or not set(digits) <= TONES_HZ.keys():
        raise Unreadable("digits: expected a string of keys 0-9, *, # and A-D", 400)
    return entry


def _converted(sound: Sound, wanted: AudioFormat) -> bytes:
    if sound.format == wanted:
        return sound.audio
    samples = decoder(sound.format)(sound.audio)
    return encoder(wanted)(resample(samples, sound.format.rate_hz, wanted.rate_hz))


def _of_length(sound: Sound, length: int) -> Sound:
    """The sound with this length in bytes: cut, or padded with silence."""
    length -= length % sound.format.sample_bytes
    return Sound(sound.audio[:length].ljust(length, sound.format.silence[:1]), sound.format)
