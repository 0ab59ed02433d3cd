"""The assistant `parrot`: greets with a chime, repeats what the caller said, and plays pressed keys as tones.

Its own turn detector detects the caller's speech, so the caller can interrupt it like a remote assistant.
"""

import numpy as np

from bridge.vocabulary.commands import AppendAudio, AssistantCommand, OpenAssistant, TypeDigit
from bridge.vocabulary.contracts import LegMessage
from bridge.vocabulary.events import (
    AssistantEvent,
    AssistantReady,
    ReplyAudio,
    ReplyEnded,
    SpeechStarted,
    SpeechStopped,
)
from telecodecs.codec import encoder
from telecodecs.dtmf import tones
from telecodecs.format import L16_16K, AudioFormat, Samples
from telecodecs.speech import RATES_HZ
from telecodecs.turns import TurnDetector, TurnEnded, TurnStarted

LEAD_MS = 200
"""Audio that is added before the detected start and after the detected end of an utterance, for its soft sounds."""

LONGEST_S = 15
"""An utterance of this length is repeated even if it has not ended."""

REMEMBERED_MS = 1_000
"""How much audio is kept while the caller is silent: more than the turn detector needs to detect a start."""

CHIME = ((659.3, 250), (523.3, 550))
"""The notes of the greeting, a falling third: frequency in Hz and length in ms."""


def chime(rate_hz: int) -> Samples:
    """Return the greeting: two notes that fade out, int16, shape (samples,)."""
    notes = []
    for frequency_hz, length_ms in CHIME:
        seconds = np.arange(rate_hz * length_ms // 1000) / rate_hz
        fade = np.minimum(1, seconds / 0.005) * np.exp(-seconds * 6)
        notes.append(8000 * fade * np.sin(2 * np.pi * frequency_hz * seconds))
    return np.concatenate(notes).astype(np.int16)


class Parrot:
    """An assistant in this process.

    It uses the format of the call if its turn detector supports that rate, else L16 at 16 kHz.
    """

    def __init__(self) -> None:
        self._replies = 0

    def encode(self, command: AssistantCommand, now: float) -> list[AssistantEvent]:
        """Return the events with which it answers one command."""
        match command:
            case AppendAudio(audio):
                return self._hear(audio)
            case OpenAssistant(line=line):
                self._open(line if line.rate_hz in RATES_HZ else L16_16K)
                return [
                    AssistantReady(hears=self._line, speaks=self._line),
                    *self._say("chime", self._pcm(chime(self._line.rate_hz))),
                ]
            case TypeDigit(digit):
                return self._say("tones", self._pcm(tones(digit, rate_hz=self._line.rate_hz)))
            case _:
                return []

    def decode(self, _message: LegMessage, _now: float) -> tuple[()]:
        """Return nothing: it has no leg, so no message comes."""
        return ()

    def deadline(self) -> None:
        """Return None: nothing waits."""

    def due(self, now: float) -> tuple[()]:
        """Return nothing: nothing falls due."""
        return ()

    def is_reply_owed(self, now: float) -> bool:
        """Return False: it replies at once."""
        return False

    def _open(self, line: AudioFormat) -> None:
        self._line = line
        self._pcm = encoder(line)
        self._turns = TurnDetector(line)
        self._longest = line.bytes_in(LONGEST_S * 1000)
        self._remembered = line.bytes_in(REMEMBERED_MS)
        self._memory = bytearray()  # the caller's latest audio, up to `_heard`
        self._heard = 0  # bytes, like the positions below
        self._utterance_start = 0

    def _hear(self, audio: bytes) -> list[AssistantEvent]:
        self._memory += audio
        self._heard += len(audio)
        said: list[AssistantEvent] = []
        for turn in self._turns.feed(audio):
            at = self._line.bytes_in(turn.at_ms)
            match turn:
                case TurnStarted(at_ms):
                    self._utterance_start = at
                    said.append(SpeechStarted(at_ms=at_ms))
                case TurnEnded(at_ms):
                    said += [SpeechStopped(at_ms=at_ms), *self._repeat(at)]
        if self._turns.speaking and self._heard - self._utterance_start >= self._longest:
            said += self._repeat(self._heard)
            self._utterance_start = self._heard
        del self._memory[: -(self._longest if self._turns.speaking else self._remembered)]
        return said

    def _repeat(self, end: int) -> list[AssistantEvent]:
        lead = self._line.bytes_in(LEAD_MS)
        forgotten = self._heard - len(self._memory)
        start = max(0, self._utterance_start - lead - forgotten)
        return self._say("reply", bytes(self._memory[start : max(0, end + lead - forgotten)]))

    def _say(self, kind: str, audio: bytes) -> list[AssistantEvent]:
        self._replies += 1
        item = f"{kind}-{self._replies}"
        return [ReplyAudio(item, audio), ReplyEnded(item)]
