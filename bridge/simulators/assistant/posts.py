"""The assistant's side over HTTP: one POST for each utterance or entry, its answer the reply.

A body of audio is said back as it came; JSON with "digits" comes back as the sound of those keys; an empty body asks
for the greeting. No socket and no clock: `hear` tells what to answer, and how late.
"""

from binascii import b2a_base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from msgspec import DecodeError, json

from bridge.simulators.assistant import voice
from bridge.simulators.assistant.bodies import Sound, Unreadable, media_type, read_body, wav
from bridge.simulators.assistant.script import Faults, Script
from telecodecs.codec import decoder, encoder
from telecodecs.dtmf import TONES_HZ
from telecodecs.format import PCMU_8K, AudioFormat, Encoding
from telecodecs.resample import resample

CALL_HEADER = "X-Voicebridge-Call"
TURN_HEADER = "X-Voicebridge-Turn"

JSON = "application/json"
RUBBISH = b"\x00this is \xff neither audio nor JSON {"


class Answer(NamedTuple):
    """What a POST gets."""

    status: int
    """0: none, ever."""
    content_type: str
    body: bytes
    after_s: float = 0.0
    """So late ..."""
    body_s: float = 0.0
    """... and so slowly does the body follow."""
    cut: bool = False
    """The connection breaks in the middle of the body; with status 0, before anything was answered."""


@dataclass(frozen=True)
class PostedTurn:
    """One request, for the record."""

    call: str
    number: int
    at: float
    """The caller's `now`."""
    headers: Mapping[str, str]
    utterance: Sound | None = None
    entry: Mapping[str, Any] | None = None
    reply: Sound | None = None
    """None: it was answered with 204."""


@dataclass
class _Call:
    number: int
    turns: int = 0


class Posts:
    """All calls of one server, numbered as they come. Without `keeps_record` no turns are kept."""

    def __init__(self, script: Script, *, keeps_record: bool = True) -> None:
        self.turns: list[PostedTurn] = []
        self.refused: list[str] = []
        """Why a request was answered with 400 or 415."""
        self._script = script
        self._keeps_record = keeps_record
        self._calls: dict[str, _Call] = {}

    def hear(self, headers: Mapping[str, str], body: bytes, now: float) -> Answer:
        """`headers`: by any case of their names. A request without a turn's number is the next one."""
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
            return Answer(why.status, "text/plain", str(why).encode())
        if self._keeps_record:
            self.turns.append(turn)
        return self._answer(turn, faults)

    def _read(
        self, call: str, number: int, headers: Mapping[str, str], body: bytes, now: float
    ) -> PostedTurn:
        """Raises `Unreadable`."""
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
        """What a reply is spoken in."""
        if self._script.reply_as == "pcmu":
            return PCMU_8K
        encoding = Encoding.L16_BE if self._script.reply_as == "l16" else Encoding.L16
        return AudioFormat(encoding, self._script.reply_rate_hz or asked.rate_hz)

    def _answer(self, turn: PostedTurn, faults: Faults) -> Answer:
        after_s = self._script.reply_s if faults.reply_s is None else faults.reply_s
        if faults.refuse is not None:
            return Answer(faults.refuse, "text/plain", b"scripted", after_s)
        if faults.reply == "none":
            return Answer(0, "", b"")
        if faults.close is not None:
            return Answer(0, "", b"", faults.close_after_s, cut=True)
        if turn.reply is None:
            return Answer(204, "", b"", after_s)
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
        return Answer(200, content_type, body, after_s, faults.body_s, cut=faults.reply == "half")

    def _written(self, sound: Sound, number: int, faults: Faults) -> tuple[str, bytes]:
        """The content type and the body."""
        match self._script.reply_as:
            case "wav":
                return "audio/wav", wav(*sound)
            case "pcmu":
                return "audio/PCMU", sound.audio
            case "l16":
                return f"audio/L16;rate={sound.format.rate_hz}", sound.audio
            case "json":
                return JSON, self._as_json(sound, number, faults)

    def _as_json(self, sound: Sound, number: int, faults: Faults) -> bytes:
        told: dict[str, object] = {"audio": b2a_base64(wav(*sound), newline=False).decode()}
        for key, texts in (("text", self._script.text), ("understood", self._script.understood)):
            if texts:
                told[key] = texts[(number - 1) % len(texts)]
        if self._script.hang_up_turn == number:
            told["hang_up"] = True
        if faults.noise:
            told |= {"mood": ["sunny"], "": None}
        return json.encode(told)


def _read_entry(body: bytes) -> dict[str, Any]:
    try:
        entry = json.decode(body, type=dict[str, Any])
    except DecodeError as error:
        raise Unreadable(f"the body is no JSON object: {error}", 400) from None
    digits = entry.get("digits")
    if not isinstance(digits, str) or not set(digits) <= TONES_HZ.keys():
        raise Unreadable("digits should be a text of keys: 0-9, *, # and A-D", 400)
    return entry


def _converted(sound: Sound, wanted: AudioFormat) -> bytes:
    if sound.format == wanted:
        return sound.audio
    samples = decoder(sound.format)(sound.audio)
    return encoder(wanted)(resample(samples, sound.format.rate_hz, wanted.rate_hz))


def _of_length(sound: Sound, length: int) -> Sound:
    """Cut to so many bytes, or with silence at its end."""
    length -= length % sound.format.sample_bytes
    return Sound(sound.audio[:length].ljust(length, sound.format.silence[:1]), sound.format)
